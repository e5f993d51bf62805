//! How much and how slow a sender may be.

use std::time::{Duration, Instant};

/// The bounds within which requests are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest body, in bytes; a larger one is refused with 413.
    pub max_body: u64,
    /// How many bytes of bodies are held at once, from the first byte to the
    /// answer; beyond it 503. Never less than two of the largest bodies.
    pub max_held: u64,
    /// How many header fields a request may have; more are refused with 431.
    pub max_headers: usize,
    /// How many bytes a request's head may have; more are refused with 431.
    pub max_head_bytes: usize,
    /// How many connections are held at once. Where one more comes, the oldest
    /// that waits for its sender is dropped in its favour. Lowered to what the
    /// process's limit of open files leaves.
    pub max_connections: usize,
    /// How many of the connections may have sent a whole request, or much of
    /// one: only those hold buffers of some size. Where one more comes, the
    /// oldest that waits for its sender is dropped in its favour.
    pub max_serving: usize,
    /// How long a head may take from its first byte, and a new connection
    /// until its first request; then 408.
    pub head_timeout: Duration,
    /// How long a connection may idle between requests.
    pub idle_timeout: Duration,
    /// How long a body may pause; then 408.
    pub body_idle_timeout: Duration,
    /// How long a body may be slower than [`Self::body_min_rate`].
    pub body_grace: Duration,
    /// How many bytes a second a body must bring on average, after
    /// [`Self::body_grace`].
    pub body_min_rate: u64,
    /// How long a sender may refuse to take bytes of its answer.
    pub write_timeout: Duration,
    /// How long to go on reading, to no purpose, after the last answer of a
    /// connection: a socket closed with bytes unread resets the connection,
    /// and the sender may never see the answer.
    pub linger: Duration,
    /// How many bytes to read so at the most.
    pub linger_bytes: u64,
    /// How long requests in flight may take to finish at shutdown.
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
    /// Returns how many connections may be held, given the process's limit of
    /// open files, of which some stay free for creel itself.
    pub(super) fn connections(&self) -> usize {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile)
            .current
            .and_then(|files| usize::try_from(files).ok())
            .unwrap_or(usize::MAX);
        let own = (files / 2).min(128);
        self.max_connections.min(files - own).max(1)
    }

    /// Returns until when the next bytes of a body are waited for that began at
    /// `began`, and of which `bytes` have arrived, the last at `last`.
    pub(super) fn body_deadline(&self, began: Instant, bytes: u64, last: Instant) -> Instant {
        let slowest = began + self.body_grace + self.time_for(bytes);
        slowest.min(last + self.body_idle_timeout)
    }

    /// Returns how long `bytes` of body may take at the slowest rate allowed.
    fn time_for(&self, bytes: u64) -> Duration {
        Duration::from_secs(bytes / self.body_min_rate.max(1))
    }
}
