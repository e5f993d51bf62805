//! Connections that wait for another request to the same target.
//!
//! Only one that is known to be clean gets here, stays for a few seconds, and
//! is looked at again before it is used: see [`super::http1_connection::Http1Connection`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::http1_connection::Http1Connection;
use super::http2::Http2Connection;
use super::outgoing::Outgoing;
use super::{SendOptions, connect};

/// How long a connection waits. Servers wait longer, five seconds mostly, so
/// that it is not they who close it just as it is used again.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);

/// How many connections wait for one target at the most.
const MAX_IDLE_PER_TARGET: usize = 64;

/// How many connections wait at the most.
const MAX_IDLE: usize = 256;

/// What connections can be used for one another's requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PoolKey {
    tls: bool,
    host: String,
    port: u16,
    options: SendOptions,
}

impl PoolKey {
    /// Returns where a request goes.
    pub(super) fn of(outgoing: &Outgoing, options: SendOptions) -> Self {
        Self {
            tls: connect::is_tls(outgoing),
            host: outgoing.host(),
            port: outgoing.port(),
            options,
        }
    }
}

/// Connections that wait.
#[derive(Default)]
pub(super) struct Pool(Arc<Mutex<IdleConnections>>);

#[derive(Default)]
struct IdleConnections {
    /// By origin, the newest last, with the time until which each waits.
    http1: HashMap<PoolKey, Vec<(Http1Connection, Instant)>>,
    http2: HashMap<PoolKey, (Arc<Http2Connection>, Instant)>,
    /// How many wires there are.
    count: usize,
    /// Whether a task sees to it that none waits too long.
    has_reaper: bool,
}

impl Pool {
    /// Takes a connection out that has peace and quiet on it.
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

    /// Lets a clean connection wait.
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

    /// Returns the HTTP/2 connection there is.
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

    /// Lets a connection be used by others too, unless there is one.
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

    /// Lets a connection on which something went wrong not be used again.
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

    /// Has somebody close what waited long enough.
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

/// Closes what waited long enough, until nothing waits.
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
        // One that is in use waits for nobody.
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
