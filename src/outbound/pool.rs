//! Keeps idle connections for further requests to the same target.
//!
//! Only clean connections are pooled, for a few seconds, and each is checked
//! again before use: see [`super::http1_connection::Http1Connection`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::http1_connection::Http1Connection;
use super::http2::Http2Connection;
use super::outgoing::Outgoing;
use super::{SendOptions, connect};

/// How long a connection stays pooled. Most servers close idle connections
/// after five seconds or more, so this avoids a race with them.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);

/// Maximum number of idle connections per target.
const MAX_IDLE_PER_TARGET: usize = 64;

/// Maximum number of idle connections.
const MAX_IDLE: usize = 256;

/// The properties that requests must share to use the same connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PoolKey {
    tls: bool,
    host: String,
    port: u16,
    options: SendOptions,
}

impl PoolKey {
    /// Returns the key of a request.
    pub(super) fn of(outgoing: &Outgoing, options: SendOptions) -> Self {
        Self {
            tls: connect::is_tls(outgoing),
            host: outgoing.host(),
            port: outgoing.port(),
            options,
        }
    }
}

/// A pool of idle connections.
#[derive(Default)]
pub(super) struct Pool(Arc<Mutex<IdleConnections>>);

#[derive(Default)]
struct IdleConnections {
    /// Idle HTTP/1 connections, newest last, each with its expiry.
    http1: HashMap<PoolKey, Vec<(Http1Connection, Instant)>>,
    http2: HashMap<PoolKey, (Arc<Http2Connection>, Instant)>,
    /// Number of idle HTTP/1 connections.
    count: usize,
    /// Whether a task closes expired connections.
    has_reaper: bool,
}

impl Pool {
    /// Removes and returns an idle HTTP/1 connection that is still usable.
    pub(super) async fn take_http1(&self, origin: &PoolKey) -> Option<Http1Connection> {
        loop {
            let mut connection = {
                let mut idle = lock(&self.0);
                let (connection, until) = idle.http1.get_mut(origin)?.pop()?;
                idle.count -= 1;
                if until < Instant::now() {
                    continue;
                }
                connection
            };
            if connection.is_idle().await {
                return Some(connection);
            }
        }
    }

    /// Adds a clean HTTP/1 connection.
    pub(super) fn put(&self, origin: PoolKey, connection: Http1Connection) {
        let mut idle = lock(&self.0);
        let full = idle.count >= MAX_IDLE;
        let http1 = idle.http1.entry(origin).or_default();
        if full || http1.len() >= MAX_IDLE_PER_TARGET {
            return;
        }
        http1.push((connection, Instant::now() + IDLE_TIMEOUT));
        idle.count += 1;
        self.start_reaper(&mut idle);
    }

    /// Returns the open HTTP/2 connection of a target, if there is one.
    pub(super) fn http2(&self, origin: &PoolKey) -> Option<Arc<Http2Connection>> {
        let mut idle = lock(&self.0);
        let (connection, until) = idle.http2.get_mut(origin)?;
        if connection.is_closed() {
            idle.http2.remove(origin);
            return None;
        }
        *until = Instant::now() + IDLE_TIMEOUT;
        Some(Arc::clone(connection))
    }

    /// Adds an HTTP/2 connection to share, unless there is one already.
    pub(super) fn share(&self, origin: PoolKey, connection: &Arc<Http2Connection>) {
        let mut idle = lock(&self.0);
        if idle.http2.len() >= MAX_IDLE {
            return;
        }
        let until = Instant::now() + IDLE_TIMEOUT;
        let connection = || (Arc::clone(connection), until);
        idle.http2.entry(origin).or_insert_with(connection).1 = until;
        self.start_reaper(&mut idle);
    }

    /// Removes a failed HTTP/2 connection.
    pub(super) fn forget(&self, origin: &PoolKey, connection: &Arc<Http2Connection>) {
        let mut idle = lock(&self.0);
        if idle
            .http2
            .get(origin)
            .is_some_and(|(known, _)| Arc::ptr_eq(known, connection))
        {
            idle.http2.remove(origin);
        }
    }

    /// Starts the task that closes expired connections, unless it runs.
    fn start_reaper(&self, idle: &mut IdleConnections) {
        if !std::mem::replace(&mut idle.has_reaper, true) {
            tokio::spawn(close_expired(Arc::downgrade(&self.0)));
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

/// Closes expired connections until the pool is empty.
async fn close_expired(pool: Weak<Mutex<IdleConnections>>) {
    loop {
        tokio::time::sleep(IDLE_TIMEOUT / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = lock(&pool);
        let now = Instant::now();
        idle.http1.retain(|_, http1| {
            http1.retain(|(_, until)| *until > now);
            !http1.is_empty()
        });
        idle.count = idle.http1.values().map(Vec::len).sum();
        // A connection in use does not expire.
        idle.http2
            .retain(|_, (connection, until)| *until > now || Arc::strong_count(connection) > 1);
        if idle.count == 0 && idle.http2.is_empty() {
            idle.has_reaper = false;
            return;
        }
    }
}

fn lock(pool: &Mutex<IdleConnections>) -> std::sync::MutexGuard<'_, IdleConnections> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}
