//! Accepts connections, limits their number and serves each one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Intake;
use super::connection_state::ConnectionState;
use super::header_tracker::HeaderTracker;
use super::instrumented_socket::InstrumentedSocket;
use super::limits::Limits;
use super::memory::MemoryBudget;
use super::receive;
use crate::clock::Clock;

/// The HTTP/2 connection preface (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Size of the first reads, in bytes, before hyper takes over the connection.
/// Most requests fit into one read.
pub(super) const FIRST_READ_BYTES: usize = 4096;

/// Minimum that hyper accepts for the buffers of a connection, in bytes. A head
/// must fit into them; bodies are read in pieces of this size.
const MIN_BUFFER_BYTES: usize = 8 << 10;

/// Maximum number of requests in flight on an HTTP/2 connection.
const MAX_CONCURRENT_STREAMS: u32 = 256;

/// Interval between HTTP/2 keep-alive pings.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// How long an HTTP/2 client may take to acknowledge a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an idle connection may take to close at shutdown: enough for bytes
/// that are already in transit.
const IDLE_GRACE: Duration = Duration::from_millis(300);

/// The state that all connections of a server share.
pub(super) struct ServerState {
    pub(super) limits: Arc<Limits>,
    pub(super) intake: Intake,
    pub(super) clock: Arc<dyn Clock>,
    connections: TaskTracker,
    max_connections: usize,
    /// Number of connections that hyper serves.
    serving: AtomicUsize,
    /// Bounds the memory that requests occupy.
    pub(super) memory: Arc<MemoryBudget>,
    /// Handles the requests of every connection.
    router: Router,
    /// Cancelled when no more requests are accepted.
    pub(super) shutdown: CancellationToken,
    /// Cancelled when the shutdown grace period is over.
    end: CancellationToken,
    open: Mutex<BTreeMap<u64, Arc<ConnectionState>>>,
    next: AtomicU64,
}

impl ServerState {
    /// Creates the shared state of a server.
    pub(super) fn new(
        limits: Limits,
        intake: Intake,
        clock: Arc<dyn Clock>,
        shutdown: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            max_connections: limits.connections(),
            serving: AtomicUsize::new(0),
            memory: MemoryBudget::new(limits.max_held.max(2 * limits.max_body)),
            router: Router::new().fallback(receive::receive),
            limits: Arc::new(limits),
            intake,
            clock,
            connections: TaskTracker::new(),
            shutdown,
            end: CancellationToken::new(),
            open: Mutex::default(),
            next: AtomicU64::new(0),
        })
    }

    /// Serves a connection in its own task. If the connection limit is reached,
    /// the oldest connection that waits for its sender is closed; if there is
    /// none, the new connection is rejected.
    pub(super) fn accept(self: &Arc<Self>, stream: TcpStream, remote_addr: SocketAddr) {
        let connection = Arc::new(ConnectionState::new(remote_addr));
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if self.lock().len() >= self.max_connections && !self.close_oldest(|_| true) {
            tracing::warn!(%remote_addr, "too many connections");
            return;
        }
        self.lock().insert(number, Arc::clone(&connection));
        let server = Arc::clone(self);
        self.connections.spawn(async move {
            let guard = ConnectionGuard { server, number };
            serve_until_closed(&guard.server, stream, connection).await;
        });
    }

    /// Closes an eighth of the connections, the oldest idle ones first, to free
    /// file descriptors or memory.
    pub(super) fn close_idle(&self) {
        let some = self.lock().len() / 8 + 1;
        for _ in 0..some {
            if !self.close_oldest(|_| true) {
                return;
            }
        }
    }

    /// Counts `connection` as served by hyper until the guard is dropped. If
    /// hyper then serves too many connections, closes one of them.
    fn serve(&self, connection: &ConnectionState) -> ServingGuard<'_> {
        if self.serving.fetch_add(1, Ordering::Relaxed) >= self.limits.max_serving {
            self.close_oldest(ConnectionState::is_serving);
        }
        connection.set_serving();
        ServingGuard(&self.serving)
    }

    /// Closes the oldest connection that `among` selects and that is idle or
    /// waits for its sender. Returns `false` if there is none.
    fn close_oldest(&self, among: fn(&ConnectionState) -> bool) -> bool {
        let mut open = self.lock();
        let oldest = |wanted: fn(&ConnectionState) -> bool| {
            open.iter()
                .find(|(_, connection)| among(connection) && wanted(connection))
                .map(|(number, _)| *number)
        };
        let Some(number) =
            oldest(ConnectionState::is_idle).or_else(|| oldest(ConnectionState::waits_for_sender))
        else {
            return false;
        };
        if let Some(connection) = open.remove(&number) {
            connection.drop.notify_one();
        }
        true
    }

    /// Waits for open connections, at most `grace`.
    pub(super) async fn finish(&self, grace: Duration) {
        self.connections.close();
        let done = tokio::time::timeout(grace, self.connections.wait());
        if done.await.is_err() {
            self.end.cancel();
            self.connections.wait().await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<ConnectionState>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Decrements the count of served connections when dropped.
struct ServingGuard<'a>(&'a AtomicUsize);

impl Drop for ServingGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Removes a connection from the registry when its task ends, also on a panic.
struct ConnectionGuard {
    server: Arc<ServerState>,
    number: u64,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.server.lock().remove(&self.number);
    }
}

async fn serve_until_closed(
    server: &Arc<ServerState>,
    stream: TcpStream,
    connection: Arc<ConnectionState>,
) {
    tokio::select! {
        () = serve_connection(server, stream, &connection) => {}
        () = connection.drop.notified() => {}
        () = server.end.cancelled() => {}
    }
}

async fn serve_connection(
    server: &Arc<ServerState>,
    mut stream: TcpStream,
    connection: &Arc<ConnectionState>,
) {
    // Responses are small and senders wait for them, so Nagle's algorithm would
    // only add latency.
    let _ = stream.set_nodelay(true);
    let first = tokio::select! {
        first = tokio::time::timeout(server.limits.head_timeout, read_preface(&mut stream)) => first,
        () = server.shutdown.cancelled() => return,
    };
    let Ok(Some(prefix)) = first else {
        return;
    };
    let is_h2 = prefix.starts_with(PREFACE);
    if !is_h2 {
        let limits = &server.limits;
        connection.follow(HeaderTracker::new(
            limits.max_headers,
            limits.max_head_bytes,
        ));
    }
    let mut tap = InstrumentedSocket::new(stream, prefix, Arc::clone(connection), server);
    // The futures are boxed to keep the task of a connection small until its
    // first request.
    if is_h2 {
        let _serving = server.serve(connection);
        Box::pin(serve_h2(server, tap, connection)).await;
    } else if read_first_request(server, &mut tap).await {
        let _serving = server.serve(connection);
        Box::pin(serve_h1(server, tap, connection)).await;
    }
}

/// Waits for the first request, as far as
/// [`InstrumentedSocket::poll_read_first_request`] reads it. Returns `false` if
/// the connection ends before that.
async fn read_first_request(server: &ServerState, tap: &mut InstrumentedSocket) -> bool {
    let read = tokio::select! {
        biased;
        read = std::future::poll_fn(|cx| tap.poll_read_first_request(cx)) => read,
        // hyper completes a request that has begun.
        () = server.shutdown.cancelled() => Ok(()),
    };
    read.is_ok()
}

/// Reads until the HTTP version is known; `None` if the client closed the
/// connection without sending a byte.
async fn read_preface(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        // Waits without a buffer: an idle client costs no memory.
        stream.readable().await.ok()?;
        let mut scratch = [0; FIRST_READ_BYTES];
        let read = match stream.try_read(&mut scratch) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return None,
        };
        bytes.extend_from_slice(&scratch[..read]);
        if bytes.is_empty() {
            return None;
        }
        let open = bytes.len() < PREFACE.len() && PREFACE.starts_with(&bytes);
        if read == 0 || !open {
            return Some(bytes);
        }
    }
}

/// Creates the service that handles the requests of one connection.
fn service(
    server: &Arc<ServerState>,
    connection: &Arc<ConnectionState>,
) -> impl Service<
    hyper::Request<Incoming>,
    Response = axum::response::Response,
    Error = std::convert::Infallible,
    Future: Send,
> + use<> {
    let router = TowerToHyperService::new(server.router.clone());
    let (server, connection) = (Arc::clone(server), Arc::clone(connection));
    service_fn(move |mut request: Request<Incoming>| {
        let context = Context {
            server: Arc::clone(&server),
            connection: Arc::clone(&connection),
        };
        request.extensions_mut().insert(context);
        router.call(request)
    })
}

/// The server and the connection that a request belongs to.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) server: Arc<ServerState>,
    pub(super) connection: Arc<ConnectionState>,
}

async fn serve_h1(
    server: &Arc<ServerState>,
    tap: InstrumentedSocket,
    connection: &Arc<ConnectionState>,
) {
    let http = http1::Builder::new()
        // A sender may close its write half and still wait for the response.
        .half_close(true)
        .max_buf_size(server.limits.max_head_bytes.max(MIN_BUFFER_BYTES))
        .header_read_timeout(None)
        .max_headers(server.limits.max_headers)
        .max_header_size(server.limits.max_head_bytes)
        .serve_connection(TokioIo::new(tap), service(server, connection));
    let mut http = pin!(http);
    tokio::select! {
        biased;
        _ = http.as_mut() => return,
        () = server.shutdown.cancelled() => {}
    }
    http.as_mut().graceful_shutdown();
    finish(http, connection).await;
}

async fn serve_h2(
    server: &Arc<ServerState>,
    tap: InstrumentedSocket,
    connection: &Arc<ConnectionState>,
) {
    let limits = &server.limits;
    let http = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
        .max_header_list_size(u32::try_from(limits.max_head_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .serve_connection(TokioIo::new(tap), service(server, connection));
    let mut http = pin!(http);
    let mut idle_since = Instant::now();
    loop {
        tokio::select! {
            biased;
            _ = http.as_mut() => return,
            () = server.shutdown.cancelled() => break,
            () = tokio::time::sleep_until((idle_since + limits.idle_timeout).into()) => {
                match connection.idle_since() {
                    Some(since) if since <= idle_since => break,
                    Some(since) => idle_since = since,
                    None => idle_since = Instant::now(),
                }
            }
        }
    }
    http.as_mut().graceful_shutdown();
    finish(http, connection).await;
}

/// Drives a connection that accepts no more requests to its end. An idle
/// connection gets [`IDLE_GRACE`].
async fn finish(http: impl Future, connection: &ConnectionState) {
    let mut http = pin!(http);
    loop {
        let ended = tokio::time::timeout(IDLE_GRACE, http.as_mut()).await;
        if ended.is_ok() || connection.is_idle() {
            return;
        }
    }
}
