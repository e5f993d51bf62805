//! Receives HTTP requests and preserves their exact bytes.
//!
//! Accepts any method and any path over HTTP/1.0, HTTP/1.1 and HTTP/2 with
//! prior knowledge. The [`Intake`] decides what happens to a request: it stores
//! the delivery and returns the response. HTTP/1 headers keep the order and the
//! repeats of the wire. HTTP/2 headers come as the decoder groups them, with
//! repeats of a name next to each other.

// Accepts connections, limits their number and serves them.
mod connection;
// Holds the state that a connection's socket and its requests share.
mod connection_state;
// Parses the request heads of an HTTP/1 connection in wire order.
mod header_tracker;
// Wraps a socket to track its bytes and enforce timeouts.
mod instrumented_socket;
// Defines the size and time limits of a server.
mod limits;
// Bounds the memory of request bodies.
mod memory;
// Handles one request from its head to its response.
mod receive;
// Builds HTTP responses.
mod response;
// Sends a response body in pieces over a given time.
mod slow_body;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

pub use limits::Limits;

use crate::clock::Clock;
use crate::domain::failure::Failure;
use crate::domain::headers::Headers;
use crate::domain::request::Request;
use crate::domain::timestamp::Timestamp;
use connection::ServerState;

/// Maximum number of connections that the kernel queues before they are
/// accepted.
const BACKLOG: u32 = 4096;

/// Delay before the next `accept` after one failed, for example for lack of
/// file descriptors.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// A received request.
#[derive(Clone, Debug)]
pub struct ReceivedRequest {
    /// When the head of the request was complete.
    pub received_at: Timestamp,
    /// The same moment on the monotonic clock, to measure the time until the
    /// response.
    pub started: Instant,
    /// The address of the sender.
    pub remote_addr: SocketAddr,
    /// The request. The body is empty if the request was refused.
    pub request: Request,
    /// Why the request was refused; `None` if it was accepted.
    pub refused: Option<Refusal>,
}

/// Reason for refusing a request before its body was complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The body exceeds the size limit.
    TooLarge {
        /// The size limit, in bytes.
        limit: u64,
        /// The `content-length`, in bytes; `None` if the request did not state
        /// one.
        declared: Option<u64>,
    },
}

impl Refusal {
    /// Returns the HTTP status for the refusal.
    pub const fn status(self) -> u16 {
        match self {
            Self::TooLarge { .. } => 413,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit, declared } => {
                let limit = grouped(*limit);
                write!(f, "The body is larger than the limit of {limit} B")?;
                match declared {
                    Some(declared) => write!(f, ": {} B were announced.", grouped(*declared)),
                    None => f.write_str("; its length was not announced."),
                }
            }
        }
    }
}

/// The response to a sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderResponse {
    /// The HTTP status, 200 to 999.
    pub status: u16,
    /// The headers. Hop-by-hop headers and `content-length` are dropped and set
    /// by the server.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
    /// When and how fast the response is sent.
    pub timing: ReplyTiming,
}

/// When and how fast a response is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyTiming {
    /// Immediately.
    #[default]
    Immediate,
    /// With a delay, slowly, or both. A shutdown skips the remaining time.
    Delayed {
        /// The delay before the response begins.
        delay: Duration,
        /// The time over which the body is spread.
        over: Duration,
    },
    /// Never: the connection is closed after a delay. With HTTP/2 this also
    /// ends the other requests on the connection.
    Drop {
        /// How long the connection stays open.
        delay: Duration,
    },
}

impl SenderResponse {
    /// Creates a response without headers and body.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Headers::new(),
            body: Bytes::new(),
            timing: ReplyTiming::Immediate,
        }
    }
}

/// Stores a received request and returns the response to its sender.
///
/// The future is dropped when the sender disconnects, so work that must happen
/// has to be done before its first await point. If it panics, the sender
/// receives status 500.
pub type Intake = Arc<dyn Fn(ReceivedRequest) -> BoxFuture<'static, SenderResponse> + Send + Sync>;

/// A bound listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Returns the local address, with the actual port if port 0 was requested.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

/// Binds `addr`; with port 0 the system chooses a free port.
///
/// Returns a [`Failure`] if the port is in use, the address does not belong to
/// this machine or creel lacks the permission.
#[expect(clippy::unused_async, reason = "must run where a tokio reactor is")]
pub async fn bind(addr: SocketAddr) -> Result<Listener, Failure> {
    listen(addr).map_err(|error| bind_failure(addr, &error))
}

/// Serves connections until `shutdown`, then waits for requests in flight, at
/// most [`Limits::shutdown_grace`].
pub async fn serve(
    listener: Listener,
    limits: Limits,
    intake: Intake,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) {
    let grace = limits.shutdown_grace;
    let server = ServerState::new(limits, intake, clock, shutdown.clone());
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = listener.socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, remote_addr)) => server.accept(stream, remote_addr),
            Err(error) if is_connection_error(&error) => {}
            Err(error) => {
                // The process is out of file descriptors or memory. Retrying
                // immediately would spin, so this closes idle connections and
                // waits.
                tracing::warn!(%error, "cannot accept a connection");
                server.close_idle();
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    () = tokio::time::sleep(ACCEPT_RETRY_DELAY) => {}
                }
            }
        }
    }
    drop(listener);
    server.finish(grace).await;
}

fn listen(addr: SocketAddr) -> io::Result<Listener> {
    let socket = if addr.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // On Unix this lets a restarted creel bind the port of its predecessor. Two
    // listeners on one port remain impossible.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    let socket = socket.listen(BACKLOG)?;
    let address = socket.local_addr()?;
    Ok(Listener { socket, address })
}

/// Returns `true` if an error of `accept` concerns a single connection and not
/// the listener.
fn is_connection_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

fn bind_failure(addr: SocketAddr, error: &io::Error) -> Failure {
    let other = SocketAddr::new(addr.ip(), addr.port().checked_add(1).unwrap_or(0));
    let (port, ip) = (addr.port(), addr.ip());
    match error.kind() {
        io::ErrorKind::AddrInUse => Failure::cannot(
            format!("Port {port} is taken by another process."),
            format!("creel was to receive on {addr}."),
            format!("Choose another:  creel --listen {other}"),
        ),
        io::ErrorKind::AddrNotAvailable => Failure::cannot(
            format!("creel cannot receive on {addr}."),
            format!("{ip} is not an address of this machine."),
            format!("Choose another:  creel --listen 127.0.0.1:{port}"),
        ),
        io::ErrorKind::PermissionDenied => Failure::cannot(
            format!("creel may not use port {port}."),
            "Ports below 1024 are reserved for privileged processes.".to_owned(),
            format!("Choose another:  creel --listen {ip}:2733"),
        ),
        _ => Failure::cannot(
            format!("creel cannot receive on {addr}."),
            format!("The system says: {error}."),
            format!("Choose another:  creel --listen {other}"),
        ),
    }
}

/// Formats a number with commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_explained_in_three_parts() {
        let first = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let addr = first.local_addr();
        let failure = bind(addr).await.unwrap_err();
        assert_eq!(
            failure.what,
            format!("Port {} is taken by another process.", addr.port())
        );
        assert!(
            failure
                .next
                .starts_with("Choose another:  creel --listen 127.0.0.1:")
        );
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_refused() {
        let failure = bind("192.0.2.1:0".parse().unwrap()).await.unwrap_err();
        assert_eq!(failure.why, "192.0.2.1 is not an address of this machine.");
    }

    #[test]
    fn a_refusal_reads_as_a_sentence() {
        let mut refused = Refusal::TooLarge {
            limit: 10_485_760,
            declared: Some(104_857_600),
        };
        assert_eq!(
            refused.to_string(),
            "The body is larger than the limit of 10,485,760 B: 104,857,600 B were announced."
        );
        let Refusal::TooLarge { declared, .. } = &mut refused;
        *declared = None;
        assert_eq!(
            refused.to_string(),
            "The body is larger than the limit of 10,485,760 B; its length was not announced."
        );
        assert_eq!(
            [grouped(0), grouped(999), grouped(1000)],
            ["0", "999", "1,000"]
        );
    }
}
