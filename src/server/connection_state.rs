//! The state that a connection's socket and its requests share.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::header_tracker::{HeaderTracker, RequestHead};
use crate::domain::timestamp::Timestamp;

/// The state of one connection.
#[derive(Debug)]
pub(super) struct ConnectionState {
    /// The address of the peer.
    pub(super) remote_addr: SocketAddr,
    /// Notified when the connection is to be closed in favour of another.
    pub(super) drop: Notify,
    /// Tracks an HTTP/1 connection; `None` for HTTP/2.
    tracker: Mutex<Option<HeaderTracker>>,
    /// Whether hyper serves the connection.
    serving: AtomicBool,
    /// Number of requests without a response yet.
    in_flight: AtomicUsize,
    /// Number of those requests that the intake processes.
    in_intake: AtomicUsize,
    /// When the last response was sent; initially the time of the connection.
    idle_since: Mutex<Instant>,
    /// When the head of the next request was complete, if its body arrives
    /// later.
    head_received: Mutex<Option<(Timestamp, Instant)>>,
}

/// How much of a connection's next request has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Part of the head.
    Head,
    /// The head and part of the body.
    Body {
        /// The `content-length`, in bytes; `None` for a chunked body.
        declared: Option<u64>,
    },
    /// The whole request, or a state that only hyper can handle: the sender
    /// expects `100 Continue` or the tracker lost the stream.
    Other,
}

/// Counts a request as in flight until dropped.
#[derive(Debug)]
pub(super) struct InFlightGuard<'a>(&'a ConnectionState);

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::Relaxed) == 1 {
            *lock(&self.0.idle_since) = Instant::now();
        }
    }
}

/// Counts a request as processed by the intake until dropped.
#[derive(Debug)]
pub(super) struct IntakeGuard<'a>(&'a ConnectionState);

impl Drop for IntakeGuard<'_> {
    fn drop(&mut self) {
        self.0.in_intake.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ConnectionState {
    /// Creates the state of a connection from `remote_addr`.
    pub(super) fn new(remote_addr: SocketAddr) -> Self {
        Self {
            remote_addr,
            drop: Notify::new(),
            tracker: Mutex::new(None),
            serving: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            in_intake: AtomicUsize::new(0),
            idle_since: Mutex::new(Instant::now()),
            head_received: Mutex::new(None),
        }
    }

    /// Sets the tracker of an HTTP/1 connection.
    pub(super) fn follow(&self, tracker: HeaderTracker) {
        *lock(&self.tracker) = Some(tracker);
    }

    /// Calls `work` with the tracker if the connection uses HTTP/1.
    pub(super) fn with_tracker<T>(&self, work: impl FnOnce(&mut HeaderTracker) -> T) -> Option<T> {
        lock(&self.tracker).as_mut().map(work)
    }

    /// Passes received bytes to the tracker.
    pub(super) fn track(&self, bytes: &[u8], now: Instant) {
        self.with_tracker(|tracker| tracker.feed(bytes, now));
    }

    /// Takes the head of the next request, if the tracker has one.
    pub(super) fn next_head(&self) -> Option<RequestHead> {
        self.with_tracker(HeaderTracker::next_head).flatten()
    }

    /// Returns how much of the next request has arrived.
    pub(super) fn progress(&self) -> Progress {
        self.with_tracker(|tracker| tracker.progress())
            .unwrap_or(Progress::Other)
    }

    /// Records when the head of the next request was complete, if its body
    /// arrives later.
    pub(super) fn set_head_received(&self, at: Timestamp, now: Instant) {
        *lock(&self.head_received) = Some((at, now));
    }

    /// Takes the recorded time for the next request.
    pub(super) fn take_head_received(&self) -> Option<(Timestamp, Instant)> {
        lock(&self.head_received).take()
    }

    /// Returns the number of buffered bytes of an incomplete HTTP/1 head.
    pub(super) fn head_bytes(&self) -> u64 {
        self.with_tracker(|tracker| tracker.partial_bytes())
            .unwrap_or(0)
    }

    /// Counts a request as in flight.
    pub(super) fn begin_request(&self) -> InFlightGuard<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlightGuard(self)
    }

    /// Counts a request as processed by the intake.
    pub(super) fn enter_intake(&self) -> IntakeGuard<'_> {
        self.in_intake.fetch_add(1, Ordering::Relaxed);
        IntakeGuard(self)
    }

    /// Marks the connection as served by hyper.
    pub(super) fn set_serving(&self) {
        self.serving.store(true, Ordering::Relaxed);
    }

    /// Returns `true` if hyper serves the connection.
    pub(super) fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Relaxed)
    }

    /// Returns `true` if no request is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) == 0
    }

    /// Returns since when the connection is idle; `None` if a request is in
    /// flight.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.is_idle().then(|| *lock(&self.idle_since))
    }

    /// Returns `true` if the connection waits for its sender: for a head, for a
    /// body or for the next request.
    pub(super) fn waits_for_sender(&self) -> bool {
        self.in_intake.load(Ordering::Relaxed) == 0
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
