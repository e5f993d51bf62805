//! Sends requests to the app under development, exactly.
//!
//! Over HTTP/1 the bytes on the wire are creel's own: method, target, every
//! field in its order with its repeats, then the body. Over HTTP/2, spoken
//! only where a server insists on it during the TLS handshake, the encoder
//! groups repeats of a name, and what it sends is what is listed. Nothing is
//! invented, no redirect followed, no proxy asked.
//!
//! Connections are used again, but only clean ones: the answer was read to
//! its end, nothing lies unread, neither side wants to close, and the peer has
//! not done so since. A connection on which anything went wrong is closed with
//! the exchange. It may still happen that the peer closes one in the very
//! moment it is used again. RFC 9112 section 9.3.1 reckons with that and
//! RFC 9110 section 9.2.2 lets a request be repeated where it is known not to
//! have been applied: so it is sent once more, on a fresh connection, where not
//! a byte of an answer came and the system tells by a reset that the peer had
//! not read all of it. A target that took the whole request and then closed is
//! not sent it twice.

mod connect;
mod error;
mod http1;
mod http1_connection;
mod http2;
mod locate;
mod outgoing;
mod own_connections;
mod pool;
mod probe;
mod resolver;
mod response;
mod response_head;
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

/// How many bytes the head of an answer may have.
const MAX_HEAD_BYTES: usize = 256 * 1024;

/// How many fields an answer may have.
const MAX_FIELDS: usize = 500;

/// How many bytes of answers that are wanted whole are held in all.
const MAX_BUFFERED_BYTES: usize = 256 << 20;

/// How long the parts of an exchange may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Finding the address, connecting and the TLS handshake together.
    pub connect: Duration,
    /// From the connection to the head of the answer.
    pub first_byte: Duration,
    /// The whole exchange.
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

/// What is allowed that is not by default.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(default)]
pub struct SendOptions {
    /// Takes any certificate, even one that proves nothing.
    pub insecure: bool,
    /// Sends to link-local addresses, where clouds keep their metadata service.
    pub link_local: bool,
}

impl SendOptions {
    /// Allows what either allows.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            insecure: self.insecure || other.insecure,
            link_local: self.link_local || other.link_local,
        }
    }
}

/// Something that sends requests; whoever shares it shares its connections.
#[derive(Debug, Default)]
pub struct Client {
    timeouts: Timeouts,
    resolver: Resolver,
    tls: Tls,
    pool: Pool,
    /// The connections that are open.
    own_connections: OwnConnections,
    /// The answers that are held whole.
    memory: ResponseMemory,
}

/// What was sent and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The answer, as far as it came; `None` where not even its head did.
    pub response: Option<attempt::Response>,
    /// What went wrong, as a sentence. Beside an answer: why it is not whole.
    pub error: Option<String>,
    /// From the start to the end of the answer or to the error, in
    /// microseconds.
    pub duration_us: u64,
    /// The fields as they were sent.
    pub sent_headers: Headers,
    /// Whether there was a connection to send it on.
    pub connected: bool,
}

impl Client {
    /// Makes a client.
    pub fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            ..Self::default()
        }
    }

    /// Makes a client that finds the addresses of names in its own way.
    pub fn with_lookup(timeouts: Timeouts, lookup: Lookup) -> Self {
        Self {
            resolver: Resolver::new(lookup),
            ..Self::new(timeouts)
        }
    }

    /// Sends a request and reads the answer. Every way this may go wrong is
    /// told in the exchange.
    pub async fn send(&self, outgoing: &Outgoing, options: SendOptions) -> Exchange {
        self.send_with_limits(outgoing, options, BodyLimits::EXCERPT)
            .await
            .0
    }

    /// Does the same for somebody who wants the whole body of the answer,
    /// which may have `most` bytes; it is empty where no whole answer came.
    /// What is held of such bodies counts until the last copy is dropped, and
    /// one that there is no room for is not read to its end.
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

    /// Says whether `remote` is the near end of a connection of this client
    /// to `port`: what comes to that port from there was sent by itself. Where
    /// the port is not known, any connection counts.
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

    /// Lets a connection wait for another request, if it may.
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
        // Forgotten too where the time runs out and this is dropped.
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

/// What is known of an exchange so far.
struct ExchangeState {
    options: ReadOptions,
    connected: bool,
    /// What was sent, where it was not what was to be sent.
    sent: Option<Headers>,
    answer: Option<PartialResponse>,
}

/// A use of a shared connection, which is forgotten unless all goes well.
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
