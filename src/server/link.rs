//! What the two halves of a connection, its socket and its requests, share.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::wire::{Head, Wire};

/// One connection, as seen by its socket, its requests and the registry.
#[derive(Debug)]
pub(super) struct Link {
    /// Who is on the other end.
    pub(super) remote_addr: SocketAddr,
    /// Told when the connection is to be dropped for another's sake.
    pub(super) drop: Notify,
    /// Follows an HTTP/1 connection; `None` for HTTP/2.
    wire: Mutex<Option<Wire>>,
    /// How many requests have begun and are not answered.
    in_flight: AtomicUsize,
    /// How many of them are whole and with the intake.
    kept: AtomicUsize,
    /// When the last request was answered; at first, when it all began.
    idle_since: Mutex<Instant>,
}

/// A request that is under way as long as this lives.
#[derive(Debug)]
pub(super) struct UnderWay<'a>(&'a Link);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::Relaxed) == 1 {
            *lock(&self.0.idle_since) = Instant::now();
        }
    }
}

/// A request that is with the intake as long as this lives.
#[derive(Debug)]
pub(super) struct Kept<'a>(&'a Link);

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.0.kept.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Link {
    /// Makes the link of a connection from `remote_addr`.
    pub(super) fn new(remote_addr: SocketAddr) -> Self {
        Self {
            remote_addr,
            drop: Notify::new(),
            wire: Mutex::new(None),
            in_flight: AtomicUsize::new(0),
            kept: AtomicUsize::new(0),
            idle_since: Mutex::new(Instant::now()),
        }
    }

    /// Starts following the connection's bytes.
    pub(super) fn follow(&self, wire: Wire) {
        *lock(&self.wire) = Some(wire);
    }

    /// Hands `work` the follower, where the connection speaks HTTP/1.
    pub(super) fn with_wire<T>(&self, work: impl FnOnce(&mut Wire) -> T) -> Option<T> {
        lock(&self.wire).as_mut().map(work)
    }

    /// Gives the follower the bytes that came.
    pub(super) fn feed(&self, bytes: &[u8], now: Instant) {
        self.with_wire(|wire| wire.feed(bytes, now));
    }

    /// Takes the head of the next request, where one was followed.
    pub(super) fn next_head(&self) -> Option<Head> {
        self.with_wire(Wire::next_head).flatten()
    }

    /// Counts a request as begun.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        UnderWay(self)
    }

    /// Counts a request as whole and with the intake.
    pub(super) fn keep(&self) -> Kept<'_> {
        self.kept.fetch_add(1, Ordering::Relaxed);
        Kept(self)
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
        self.kept.load(Ordering::Relaxed) == 0
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
