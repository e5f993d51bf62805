//! Connections that wait for another request to the same target.
//!
//! Only one that is known to be clean gets here, stays for a few seconds, and
//! is looked at again before it is used: see [`super::wire::Wire`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::http2::Lane;
use super::outgoing::Outgoing;
use super::wire::Wire;
use super::{Options, connect};

/// How long a connection waits. Servers wait longer, five seconds mostly, so
/// that it is not they who close it just as it is used again.
const IDLE: Duration = Duration::from_secs(3);

/// How many connections wait for one target at the most.
const EACH: usize = 64;

/// How many connections wait at the most.
const ALL: usize = 256;

/// What connections can be used for one another's requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    tls: bool,
    host: String,
    port: u16,
    options: Options,
}

impl Origin {
    /// Returns where a request goes.
    pub(super) fn of(outgoing: &Outgoing, options: Options) -> Self {
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
pub(super) struct Pool(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    /// By origin, the newest last, with the time until which each waits.
    wires: HashMap<Origin, Vec<(Wire, Instant)>>,
    lanes: HashMap<Origin, (Arc<Lane>, Instant)>,
    /// How many wires there are.
    count: usize,
    /// Whether a task sees to it that none waits too long.
    watched: bool,
}

impl Pool {
    /// Takes a connection out that has peace and quiet on it.
    pub(super) async fn wire(&self, origin: &Origin) -> Option<Wire> {
        loop {
            let mut wire = {
                let mut waiting = lock(&self.0);
                let (wire, until) = waiting.wires.get_mut(origin)?.pop()?;
                waiting.count -= 1;
                if until < Instant::now() {
                    continue;
                }
                wire
            };
            if wire.is_quiet().await {
                return Some(wire);
            }
        }
    }

    /// Lets a clean connection wait.
    pub(super) fn put(&self, origin: Origin, wire: Wire) {
        let mut waiting = lock(&self.0);
        let full = waiting.count >= ALL;
        let wires = waiting.wires.entry(origin).or_default();
        if full || wires.len() >= EACH {
            return;
        }
        wires.push((wire, Instant::now() + IDLE));
        waiting.count += 1;
        self.watch(&mut waiting);
    }

    /// Returns the HTTP/2 connection there is.
    pub(super) fn lane(&self, origin: &Origin) -> Option<Arc<Lane>> {
        let mut waiting = lock(&self.0);
        let (lane, until) = waiting.lanes.get_mut(origin)?;
        if lane.is_closed() {
            waiting.lanes.remove(origin);
            return None;
        }
        *until = Instant::now() + IDLE;
        Some(Arc::clone(lane))
    }

    /// Lets a connection be used by others too, unless there is one.
    pub(super) fn share(&self, origin: Origin, lane: &Arc<Lane>) {
        let mut waiting = lock(&self.0);
        if waiting.lanes.len() >= ALL {
            return;
        }
        let until = Instant::now() + IDLE;
        let lane = || (Arc::clone(lane), until);
        waiting.lanes.entry(origin).or_insert_with(lane).1 = until;
        self.watch(&mut waiting);
    }

    /// Lets a connection on which something went wrong not be used again.
    pub(super) fn forget(&self, origin: &Origin, lane: &Arc<Lane>) {
        let mut waiting = lock(&self.0);
        if waiting
            .lanes
            .get(origin)
            .is_some_and(|(known, _)| Arc::ptr_eq(known, lane))
        {
            waiting.lanes.remove(origin);
        }
    }

    /// Has somebody close what waited long enough.
    fn watch(&self, waiting: &mut Waiting) {
        if !std::mem::replace(&mut waiting.watched, true) {
            tokio::spawn(close_old(Arc::downgrade(&self.0)));
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

/// Closes what waited long enough, until nothing waits.
async fn close_old(pool: Weak<Mutex<Waiting>>) {
    loop {
        tokio::time::sleep(IDLE / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut waiting = lock(&pool);
        let now = Instant::now();
        waiting.wires.retain(|_, wires| {
            wires.retain(|(_, until)| *until > now);
            !wires.is_empty()
        });
        waiting.count = waiting.wires.values().map(Vec::len).sum();
        // One that is in use waits for nobody.
        waiting
            .lanes
            .retain(|_, (lane, until)| *until > now || Arc::strong_count(lane) > 1);
        if waiting.count == 0 && waiting.lanes.is_empty() {
            waiting.watched = false;
            return;
        }
    }
}

fn lock(pool: &Mutex<Waiting>) -> std::sync::MutexGuard<'_, Waiting> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}
