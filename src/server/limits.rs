//! Size and time limits for senders.

use std::time::{Duration, Instant};

/// The limits of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum size of a body, in bytes. Larger bodies are refused with 413.
    pub max_body: u64,
    /// Maximum number of bytes that all bodies occupy at once, from the first
    /// byte to the response. Beyond it requests get 503. At least twice
    /// [`Self::max_body`].
    pub max_held: u64,
    /// Maximum number of headers of a request. More are refused with 431.
    pub max_headers: usize,
    /// Maximum size of a request's head, in bytes. Larger heads are refused
    /// with 431.
    pub max_head_bytes: usize,
    /// Maximum number of connections. Beyond it the oldest connection that
    /// waits for its sender is closed. Reduced to what the process's limit of
    /// open files allows.
    pub max_connections: usize,
    /// Maximum number of connections that have sent a complete request or a
    /// large part of one: only those occupy hyper's buffers. Beyond it the
    /// oldest connection that waits for its sender is closed.
    pub max_serving: usize,
    /// Time limit for a head from its first byte, and for a new connection
    /// until its first request. Then the sender gets 408.
    pub head_timeout: Duration,
    /// How long a connection may be idle between requests.
    pub idle_timeout: Duration,
    /// How long a body may pause. Then the sender gets 408.
    pub body_idle_timeout: Duration,
    /// How long a body may be slower than [`Self::body_min_rate`].
    pub body_grace: Duration,
    /// Minimum average rate of a body, in bytes per second, after
    /// [`Self::body_grace`].
    pub body_min_rate: u64,
    /// How long a sender may block the bytes of its response.
    pub write_timeout: Duration,
    /// How long to read and discard bytes after the last response of a
    /// connection. Closing a socket with unread bytes resets the connection,
    /// and the sender may lose the response.
    pub linger: Duration,
    /// Maximum number of bytes to discard that way.
    pub linger_bytes: u64,
    /// How long requests in flight may take at shutdown.
    pub shutdown_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body: 10 * 1024 * 1024,
            max_held: 256 * 1024 * 1024,
            max_headers: 500,
            max_head_bytes: 256 * 1024,
            max_connections: 20_000,
            max_serving: 8192,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_idle_timeout: Duration::from_secs(30),
            body_grace: Duration::from_secs(10),
            body_min_rate: 1024,
            write_timeout: Duration::from_secs(30),
            linger: Duration::from_secs(5),
            linger_bytes: 128 * 1024 * 1024,
            shutdown_grace: Duration::from_secs(4),
        }
    }
}

impl Limits {
    /// Returns the maximum number of connections under the process's limit of
    /// open files, less a reserve for creel's own files.
    pub(super) fn connections(&self) -> usize {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile)
            .current
            .and_then(|files| usize::try_from(files).ok())
            .unwrap_or(usize::MAX);
        let own = (files / 2).min(128);
        self.max_connections.min(files - own).max(1)
    }

    /// Returns the deadline for the next bytes of a body that began at `began`,
    /// has `bytes` bytes so far and received the last of them at `last`.
    pub(super) fn body_deadline(&self, began: Instant, bytes: u64, last: Instant) -> Instant {
        let slowest = began + self.body_grace + self.time_for(bytes);
        slowest.min(last + self.body_idle_timeout)
    }

    /// Returns how long `bytes` may take at the minimum rate.
    fn time_for(&self, bytes: u64) -> Duration {
        Duration::from_secs(bytes / self.body_min_rate.max(1))
    }
}
