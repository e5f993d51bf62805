//! Deliveries that their app takes and does not answer. They do not hold up
//! the others; they stay owed and are tried again, beside the others, after
//! growing pauses and whenever something else is to be done.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::local::{Local, aside};
use super::onward::{Went, send_on};

/// The first pause; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// What one app takes and does not answer.
#[derive(Clone)]
pub(super) struct Aside {
    local: Arc<Local>,
    /// The app: scheme, host and port.
    origin: String,
    held: Arc<Mutex<BTreeSet<u64>>>,
    more: Arc<Notify>,
}

impl Aside {
    pub(super) fn new(local: &Arc<Local>, origin: &str) -> Self {
        Self {
            local: Arc::clone(local),
            origin: origin.to_owned(),
            held: Arc::default(),
            more: Arc::default(),
        }
    }

    /// Sets a delivery aside.
    pub(super) fn put(&self, seq: u64) {
        self.lock().insert(seq);
        self.more.notify_one();
    }

    /// Says whether a delivery is set aside.
    pub(super) fn holds(&self, seq: u64) -> bool {
        self.lock().contains(&seq)
    }

    /// Says how many there are.
    pub(super) fn count(&self) -> u64 {
        self.lock().len() as u64
    }

    /// Tries them again, until `shutdown`.
    pub(super) async fn look_after(self, shutdown: CancellationToken) {
        let mut changes = self.local.answering.changes();
        let mut pause = FIRST_PAUSE;
        loop {
            let resting = async {
                if self.count() == 0 {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(pause).await;
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.more.notified() => {
                    pause = FIRST_PAUSE;
                    continue;
                }
                _ = changes.changed() => {}
                () = resting => {}
            }
            if !self.round(&shutdown).await {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Tries each once, in the order of arrival; says no where creel is to end.
    async fn round(&self, shutdown: &CancellationToken) -> bool {
        let all: Vec<u64> = self.lock().iter().copied().collect();
        for seq in all {
            let row = match aside(|| self.local.store.summary(seq)) {
                Ok(Some(row)) if row.owed() => row,
                Ok(_) => {
                    self.release(seq);
                    continue;
                }
                Err(error) => {
                    tracing::warn!(%error, "what is to be sent on cannot be read");
                    continue;
                }
            };
            if !self.local.due(&row, &self.origin) {
                continue;
            }
            match send_on(&self.local, &row, shutdown).await {
                Went::Answered => {
                    // It must be known as answered before it is looked at again.
                    self.local.store.settle_whole().await;
                    self.release(seq);
                }
                Went::Passed => self.release(seq),
                // The first failure is kept.
                Went::Unanswered { .. } => {}
                Went::Ended => return false,
            }
        }
        true
    }

    fn release(&self, seq: u64) {
        self.lock().remove(&seq);
        let mut waiting = self.local.apps.waiting(&self.origin);
        waiting = waiting.saturating_sub(1);
        self.local.apps.wait(&self.origin, waiting);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
