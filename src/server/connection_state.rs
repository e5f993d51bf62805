//! What the two halves of a connection, its socket and its requests, share.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::header_tracker::{HeaderTracker, RequestHead};
use crate::domain::timestamp::Timestamp;

/// One connection, as seen by its socket, its requests and the registry.
#[derive(Debug)]
pub(super) struct ConnectionState {
    /// Who is on the other end.
    pub(super) remote_addr: SocketAddr,
    /// Told when the connection is to be dropped for another's sake.
    pub(super) drop: Notify,
    /// Follows an HTTP/1 connection; `None` for HTTP/2.
    tracker: Mutex<Option<HeaderTracker>>,
    /// Whether hyper has the connection.
    serving: AtomicBool,
    /// How many requests have begun and are not answered.
    in_flight: AtomicUsize,
    /// How many of them are whole and with the intake.
    in_intake: AtomicUsize,
    /// When the last request was answered; at first, when it all began.
    idle_since: Mutex<Instant>,
    /// When the head of the next request was whole, where its body was waited for.
    head_received: Mutex<Option<(Timestamp, Instant)>>,
}

/// How far a connection's first request has arrived that was not taken yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Its head has begun.
    Head,
    /// Its head is whole; its body is not.
    Body {
        /// How many bytes the head says the body has; `None`: it comes in chunks.
        declared: Option<u64>,
    },
    /// It is whole, or must be read by hyper: the sender waits for a word, or
    /// the follower is out of step.
    Other,
}

/// A request that is under way as long as this lives.
#[derive(Debug)]
pub(super) struct InFlightGuard<'a>(&'a ConnectionState);

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::Relaxed) == 1 {
            *lock(&self.0.idle_since) = Instant::now();
        }
    }
}

/// A request that is with the intake as long as this lives.
#[derive(Debug)]
pub(super) struct IntakeGuard<'a>(&'a ConnectionState);

impl Drop for IntakeGuard<'_> {
    fn drop(&mut self) {
        self.0.in_intake.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ConnectionState {
    /// Makes the state of a connection from `remote_addr`.
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

    /// Starts following the connection's bytes.
    pub(super) fn follow(&self, tracker: HeaderTracker) {
        *lock(&self.tracker) = Some(tracker);
    }

    /// Hands `work` the follower, where the connection speaks HTTP/1.
    pub(super) fn with_tracker<T>(&self, work: impl FnOnce(&mut HeaderTracker) -> T) -> Option<T> {
        lock(&self.tracker).as_mut().map(work)
    }

    /// Gives the follower the bytes that came.
    pub(super) fn track(&self, bytes: &[u8], now: Instant) {
        self.with_tracker(|tracker| tracker.feed(bytes, now));
    }

    /// Takes the head of the next request, where one was followed.
    pub(super) fn next_head(&self) -> Option<RequestHead> {
        self.with_tracker(HeaderTracker::next_head).flatten()
    }

    /// Returns how far the first request that was not taken yet has arrived.
    pub(super) fn progress(&self) -> Progress {
        self.with_tracker(|tracker| tracker.progress())
            .unwrap_or(Progress::Other)
    }

    /// Notes when the head of the next request was whole, where its body
    /// follows later.
    pub(super) fn set_head_received(&self, at: Timestamp, now: Instant) {
        *lock(&self.head_received) = Some((at, now));
    }

    /// Takes the time that was noted for the next request.
    pub(super) fn take_head_received(&self) -> Option<(Timestamp, Instant)> {
        lock(&self.head_received).take()
    }

    /// Returns how many bytes of an HTTP/1 head have arrived that is not whole.
    pub(super) fn head_bytes(&self) -> u64 {
        self.with_tracker(|tracker| tracker.partial_bytes())
            .unwrap_or(0)
    }

    /// Counts a request as begun.
    pub(super) fn begin_request(&self) -> InFlightGuard<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlightGuard(self)
    }

    /// Counts a request as whole and with the intake.
    pub(super) fn enter_intake(&self) -> IntakeGuard<'_> {
        self.in_intake.fetch_add(1, Ordering::Relaxed);
        IntakeGuard(self)
    }

    /// Notes that hyper has the connection.
    pub(super) fn set_serving(&self) {
        self.serving.store(true, Ordering::Relaxed);
    }

    /// Returns whether hyper has the connection.
    pub(super) fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Relaxed)
    }

    /// Says whether no request is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) == 0
    }

    /// Returns since when no request is under way; `None` where one is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.is_idle().then(|| *lock(&self.idle_since))
    }

    /// Says whether the connection waits for its sender, in a head, in a body
    /// or between requests.
    pub(super) fn waits_for_sender(&self) -> bool {
        self.in_intake.load(Ordering::Relaxed) == 0
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
