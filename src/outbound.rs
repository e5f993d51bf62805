//! Sends requests to the app under development without altering them.
//!
//! Over HTTP/1 creel writes the bytes itself: the method, the target, the
//! headers in their order with their repeats, and the body. HTTP/2 is used only
//! if a server insists on it in the TLS handshake. There the encoder groups
//! repeats of a name, and the recorded headers are those it sends. Redirects
//! are not followed and proxies are not used.
//!
//! Connections are reused only if they are clean: the response was read
//! completely, no bytes are left unread, neither side wants to close and the
//! peer has not closed since. A connection on which anything failed is closed.
//! The peer may still close a connection at the moment it is reused (RFC 9112
//! section 9.3.1), and a request may be repeated if it is known not to have
//! been applied (RFC 9110 section 9.2.2). So the client repeats a request once
//! on a new connection if it received no byte of a response and a TCP reset
//! shows that the peer had not read the whole request. A target that read the
//! whole request and then closed the connection does not get it twice.

// Opens connections to targets.
mod connect;
// Defines the errors of an exchange and their messages.
mod error;
// Exchanges a request and a response over HTTP/1.
mod http1;
// Wraps an HTTP/1 connection and writes requests unaltered.
mod http1_connection;
// Exchanges requests and responses over HTTP/2.
mod http2;
// Resolves the hosts of targets before anything is sent.
mod locate;
// Fits a delivery to its target.
mod outgoing;
// Records the client's own connections to detect loops.
mod own_connections;
// Keeps idle connections for reuse.
mod pool;
// Checks whether a local target accepts connections.
mod probe;
// Resolves host names and caches the addresses.
mod resolver;
// Reads a response into bounded memory.
mod response;
// Parses the head of an HTTP/1 response.
mod response_head;
// Builds the TLS client configurations.
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use locate::remote_hosts;
pub use outgoing::{Outgoing, prepare};
pub use probe::probe_loopback;
pub use resolver::Lookup;
pub use response::MAX_READ_BYTES;

use crate::domain::attempt;
use crate::domain::headers::Headers;
use connect::NewConnection;
use error::SendError;
use http1_connection::Http1Connection;
use http2::{Http2Connection, Http2Error};
use own_connections::OwnConnections;
use pool::{Pool, PoolKey};
use resolver::Resolver;
use response::{BodyLimits, PartialResponse, ReadOptions, ResponseMemory};
use tls::Tls;

/// Maximum size of a response's head, in bytes.
const MAX_HEAD_BYTES: usize = 256 * 1024;

/// Maximum number of headers of a response.
const MAX_FIELDS: usize = 500;

/// Maximum number of bytes that all buffered responses occupy.
const MAX_BUFFERED_BYTES: usize = 256 << 20;

/// The timeouts of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For resolving the name, connecting and the TLS handshake together.
    pub connect: Duration,
    /// From the connection to the head of the response.
    pub first_byte: Duration,
    /// For the whole exchange.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(30),
            total: Duration::from_mins(1),
        }
    }
}

/// Permissions that are off by default.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(default)]
pub struct SendOptions {
    /// Accepts any certificate, even one that proves nothing.
    pub insecure: bool,
    /// Allows link-local addresses, where clouds run their metadata service.
    pub link_local: bool,
}

impl SendOptions {
    /// Returns the union of two sets of permissions.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            insecure: self.insecure || other.insecure,
            link_local: self.link_local || other.link_local,
        }
    }
}

/// An HTTP client with its own connection pool.
#[derive(Debug, Default)]
pub struct Client {
    timeouts: Timeouts,
    resolver: Resolver,
    tls: Tls,
    pool: Pool,
    /// The open connections of this client.
    own_connections: OwnConnections,
    /// The memory of buffered responses.
    memory: ResponseMemory,
}

/// A request and its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The response as far as it was received; `None` if its head is missing.
    pub response: Option<attempt::Response>,
    /// The error, as a sentence. With a response: why the response is
    /// incomplete.
    pub error: Option<String>,
    /// From the start to the end of the response or to the error, in
    /// microseconds.
    pub duration_us: u64,
    /// The headers as sent.
    pub sent_headers: Headers,
    /// Whether a connection was established.
    pub connected: bool,
}

impl Client {
    /// Creates a client.
    pub fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            ..Self::default()
        }
    }

    /// Creates a client that resolves names with `lookup`.
    pub fn with_lookup(timeouts: Timeouts, lookup: Lookup) -> Self {
        Self {
            resolver: Resolver::new(lookup),
            ..Self::new(timeouts)
        }
    }

    /// Sends a request and reads the response. Errors are reported in the
    /// exchange.
    pub async fn send(&self, outgoing: &Outgoing, options: SendOptions) -> Exchange {
        self.send_with_limits(outgoing, options, BodyLimits::EXCERPT)
            .await
            .0
    }

    /// Sends a request and returns the whole response body, up to `most` bytes.
    /// The body is empty if the response is incomplete. Buffered bytes count
    /// towards a bound of the client until the last copy is dropped; a response
    /// that exceeds it is not read to its end.
    pub async fn send_buffered(
        &self,
        outgoing: &Outgoing,
        options: SendOptions,
        most: usize,
    ) -> (Exchange, Bytes) {
        let room = BodyLimits::buffered(most, &self.memory);
        let (exchange, body) = self.send_with_limits(outgoing, options, room).await;
        let body = if exchange.error.is_none() {
            body
        } else {
            Bytes::new()
        };
        (exchange, body)
    }

    /// Returns `true` if `remote` is the local address of a connection of this
    /// client to `port`, which means that the client reached its own server.
    /// Without a port any connection counts.
    pub fn is_own_connection(&self, remote: SocketAddr, port: Option<u16>) -> bool {
        self.own_connections.contains(remote, port)
    }

    async fn send_with_limits(
        &self,
        outgoing: &Outgoing,
        options: SendOptions,
        room: BodyLimits,
    ) -> (Exchange, Bytes) {
        let start = Instant::now();
        let mut state = ExchangeState {
            options: ReadOptions {
                first_byte: self.timeouts.first_byte,
                room,
            },
            connected: false,
            sent: None,
            answer: None,
        };
        let total = self.timeouts.total;
        let work = self.exchange(outgoing, options, &mut state);
        let fault = match tokio::time::timeout(total, work).await {
            Ok(Ok(())) => None,
            Ok(Err(fault)) => Some(fault),
            Err(_) => Some(SendError::Total(total)),
        };
        let (response, body) = state.answer.map(PartialResponse::into_response).unzip();
        let exchange = Exchange {
            response,
            error: fault.map(|fault| fault.to_string()),
            duration_us: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
            sent_headers: state.sent.unwrap_or_else(|| outgoing.headers.clone()),
            connected: state.connected,
        };
        (exchange, body.unwrap_or_default())
    }

    async fn exchange(
        &self,
        outgoing: &Outgoing,
        options: SendOptions,
        state: &mut ExchangeState,
    ) -> Result<(), SendError> {
        let origin = PoolKey::of(outgoing, options);
        if let Some(connection) = self.pool.http2(&origin) {
            state.connected = true;
            match self
                .exchange_http2(&connection, outgoing, &origin, state)
                .await
            {
                Err(Http2Error::Unsent(_)) => state.sent = None,
                Err(Http2Error::Failed(fault)) => return Err(fault),
                Ok(()) => return Ok(()),
            }
        } else if let Some(mut connection) = self.pool.take_http1(&origin).await {
            state.connected = true;
            match http1::exchange(&mut connection, outgoing, &state.options, &mut state.answer)
                .await
            {
                Err(fault) if fault.is_silence() && connection.was_unread().await => {}
                finish => return self.finish(finish, origin, connection),
            }
        }
        let connected = self.connect(outgoing, options).await?;
        state.connected = true;
        match connected {
            NewConnection::Http1(mut connection) => {
                let finish =
                    http1::exchange(&mut connection, outgoing, &state.options, &mut state.answer)
                        .await;
                self.finish(finish, origin, connection)
            }
            NewConnection::Http2(connection) => {
                let connection = Arc::new(connection);
                self.pool.share(origin.clone(), &connection);
                match self
                    .exchange_http2(&connection, outgoing, &origin, state)
                    .await
                {
                    Err(Http2Error::Unsent(fault) | Http2Error::Failed(fault)) => Err(fault),
                    Ok(()) => Ok(()),
                }
            }
        }
    }

    async fn connect(
        &self,
        outgoing: &Outgoing,
        options: SendOptions,
    ) -> Result<NewConnection, SendError> {
        let time = self.timeouts.connect;
        let deadline = Instant::now() + time;
        let resolver = &self.resolver;
        let connecting = connect::connect(
            outgoing,
            options,
            deadline,
            resolver,
            &self.tls,
            &self.own_connections,
        );
        tokio::time::timeout_at(deadline.into(), connecting)
            .await
            .map_err(|_| SendError::Connect(outgoing.authority(), time))?
    }

    /// Returns a reusable connection to the pool.
    fn finish(
        &self,
        finish: Result<bool, SendError>,
        origin: PoolKey,
        connection: Http1Connection,
    ) -> Result<(), SendError> {
        if finish? {
            self.pool.put(origin, connection);
        }
        Ok(())
    }

    async fn exchange_http2(
        &self,
        connection: &Arc<Http2Connection>,
        outgoing: &Outgoing,
        origin: &PoolKey,
        state: &mut ExchangeState,
    ) -> Result<(), Http2Error> {
        // The guard also removes the connection if a timeout drops this future.
        let mut shared = SharedUse {
            pool: &self.pool,
            origin,
            connection,
            succeeded: false,
        };
        let sent = state.sent.insert(Headers::new());
        let finish = connection
            .exchange(outgoing, &state.options, sent, &mut state.answer)
            .await;
        shared.succeeded = finish.is_ok();
        finish
    }
}

/// The state of an exchange in progress.
struct ExchangeState {
    options: ReadOptions,
    connected: bool,
    /// The headers as sent, if they differ from the requested ones.
    sent: Option<Headers>,
    answer: Option<PartialResponse>,
}

/// A use of a shared connection. Removes the connection from the pool when
/// dropped, unless the exchange succeeded.
struct SharedUse<'a> {
    pool: &'a Pool,
    origin: &'a PoolKey,
    connection: &'a Arc<Http2Connection>,
    succeeded: bool,
}

impl Drop for SharedUse<'_> {
    fn drop(&mut self) {
        if !self.succeeded {
            self.pool.forget(self.origin, self.connection);
        }
    }
}
