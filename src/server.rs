//! Takes requests off the socket, byte for byte.
//!
//! Any method, any path, HTTP/1.0, 1.1 and HTTP/2 with prior knowledge. What
//! becomes of a request is the [`Intake`]'s to say: it keeps the delivery and
//! answers. Header order and repeats are those of the wire for HTTP/1; HTTP/2
//! fields come as the decoder groups them, repeats of a name side by side.

mod connection;
mod connection_state;
mod header_tracker;
mod instrumented_socket;
mod limits;
mod memory;
mod receive;
mod response;
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

/// How many connections the system may hold ready to be accepted.
const BACKLOG: u32 = 4096;

/// How long to wait after the system gave no connection for want of something.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// One request that arrived.
#[derive(Clone, Debug)]
pub struct ReceivedRequest {
    /// When its head was in.
    pub received_at: Timestamp,
    /// The same moment, for measuring how long the answer took.
    pub started: Instant,
    /// Who sent it.
    pub remote_addr: SocketAddr,
    /// The request; its body is empty where it was refused.
    pub request: Request,
    /// Why it was refused, where it was.
    pub refused: Option<Refusal>,
}

/// Why a request was refused before its body was in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The body is larger than is taken.
    TooLarge {
        /// How many bytes are taken.
        limit: u64,
        /// How many bytes were announced; `None`: none were, and so many came.
        declared: Option<u64>,
    },
}

impl Refusal {
    /// Returns the status that says so to the sender.
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

/// What is answered to a sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SenderResponse {
    /// The HTTP status, 200 to 999.
    pub status: u16,
    /// The header fields; those that concern one connection and the length
    /// are left out and made anew.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
    /// How it is given.
    pub timing: ReplyTiming,
}

/// How an answer is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyTiming {
    /// At once.
    #[default]
    Immediate,
    /// Late, slowly, or both. When creel is to end it hurries.
    Delayed {
        /// How long the answer is held back.
        delay: Duration,
        /// Over what time the body is spread.
        over: Duration,
    },
    /// Not at all: after a while the connection is closed. With HTTP/2 that
    /// ends the other requests on it too.
    Drop {
        /// How long it stays open.
        delay: Duration,
    },
}

impl SenderResponse {
    /// Makes a reply without fields or body.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Headers::new(),
            body: Bytes::new(),
            timing: ReplyTiming::Immediate,
        }
    }
}

/// What takes an arrival, keeps it and says what to answer.
///
/// What it must do at once, it does before it first waits: it is dropped when
/// the sender goes away. Where it panics the sender hears 500.
pub type Intake = Arc<dyn Fn(ReceivedRequest) -> BoxFuture<'static, SenderResponse> + Send + Sync>;

/// A socket that takes connections.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Returns the address it took, the true port where 0 was asked for.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

/// Takes the address `addr`; port 0 lets the system choose one.
///
/// Fails where the port is taken, the address is not this machine's or creel
/// may not use it.
#[expect(clippy::unused_async, reason = "must run where a tokio reactor is")]
pub async fn bind(addr: SocketAddr) -> Result<Listener, Failure> {
    listen(addr).map_err(|error| bind_failure(addr, &error))
}

/// Serves connections until `shutdown`, then finishes what is in flight, for
/// [`Limits::shutdown_grace`] at the most.
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
                // Out of file descriptors or memory: trying again at once would
                // spin. Fewer idle connections, and a pause, let it recover.
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
    // On Unix this lets a restarted creel have its port back at once; two
    // listeners on one port stay impossible.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    let socket = socket.listen(BACKLOG)?;
    let address = socket.local_addr()?;
    Ok(Listener { socket, address })
}

/// Says whether an error of `accept` concerns the connection that was to be
/// accepted and not the listener.
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
            "Ports below 1024 are kept for privileged processes.".to_owned(),
            format!("Choose another:  creel --listen {ip}:2733"),
        ),
        _ => Failure::cannot(
            format!("creel cannot receive on {addr}."),
            format!("The system says: {error}."),
            format!("Choose another:  creel --listen {other}"),
        ),
    }
}

/// Writes a number with its thousands parted by commas.
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
