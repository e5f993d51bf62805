//! Sends on by itself what was acknowledged and no app has answered yet.
//!
//! It is driven by what is kept, not by who received it: each app has a lane
//! that goes through the list in the order of arrival and sends what is owed
//! to that app, one after the other. What was owed when creel ended is owed
//! when it starts. A delivery may reach its app twice where creel is killed
//! between the app's answer and its record; it is never lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::aside::Aside;
use super::local::{Local, aside};
use super::onward::{Went, send_on, tell};
use crate::domain::summary::Summary;
use crate::store::ReadError;

/// The first pause after an app did not answer; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A new delivery ends a pause that has lasted so long.
const ENOUGH: Duration = Duration::from_secs(1);

/// How many rows are looked through at a time.
const TOGETHER: u32 = 4096;

/// How many rows behind the first that waits are counted.
const COUNTED: u32 = 50_000;

/// How often an app that takes connections is sent a delivery it does not
/// answer, before that one is set aside for the sake of the others.
const SILENT_TRIES: u32 = 5;

/// How long apps whose answer a sender waits for may take when creel is to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long to wait when the list cannot be read.
const MENDING: Duration = Duration::from_secs(1);

/// The way to one app.
struct Lane {
    local: Arc<Local>,
    /// The app: scheme, host and port.
    origin: String,
    /// All up to here is sent, or not for this lane.
    cursor: u64,
    outage: Option<Outage>,
    /// What this app takes and does not answer, which does not hold up the rest.
    aside: Aside,
    growth: watch::Receiver<u64>,
    changes: watch::Receiver<()>,
    back: Arc<Notify>,
    shutdown: CancellationToken,
}

/// A time during which the app does not answer.
struct Outage {
    pause: Duration,
    /// The newest delivery whose failure is kept.
    kept: u64,
    /// How often that one was sent to an app that took the connection.
    silent: u32,
}

/// What came of sending one delivery on.
enum Sent {
    /// The app answered.
    Answered,
    /// There is nothing to send any more, or it can never be sent.
    Passed,
    /// The app did not answer.
    Unanswered,
    /// creel is to end.
    Ended,
}

/// What a look through the list found.
enum Found {
    Owed(Box<Summary>),
    More,
    Nothing,
}

impl Local {
    /// Sends on what is owed, to each app on a lane of its own, and looks after
    /// the apps, until `shutdown`.
    pub fn forward(self: &Arc<Self>, tasks: &TaskTracker, shutdown: &CancellationToken) {
        for origin in self.origins() {
            let aside = Aside::new(self, &origin);
            tasks.spawn(aside.clone().look_after(shutdown.clone()));
            let lane = Lane {
                back: self.apps.add(&origin),
                local: Arc::clone(self),
                origin,
                cursor: 0,
                outage: None,
                aside,
                growth: self.store.growth(),
                changes: self.answering.changes(),
                shutdown: shutdown.clone(),
            };
            tasks.spawn(lane.run());
        }
        tasks.spawn(Arc::clone(self).look_after_apps(shutdown.clone()));
        let (local, shutdown) = (Arc::clone(self), shutdown.clone());
        tasks.spawn(async move {
            shutdown.cancelled().await;
            local.exchanges.close();
            // Soon enough that the server still tells the senders who wait.
            let _ = tokio::time::timeout(PATIENCE, local.exchanges.wait()).await;
            local.ending.cancel();
        });
    }
}

impl Lane {
    async fn run(mut self) {
        if !self.settle().await {
            return;
        }
        while !self.shutdown.is_cancelled() {
            if self.changes.has_changed().unwrap_or(false) {
                self.changes.borrow_and_update();
                // What was held back may be due now; what was sent meanwhile
                // must be known as sent before it is looked at again.
                if !self.settle().await {
                    return;
                }
                self.cursor = 0;
            }
            self.growth.borrow_and_update();
            match aside(|| self.look()) {
                Ok(Found::Owed(row)) => match self.send(&row).await {
                    Sent::Answered => {
                        self.outage = None;
                        self.cursor = row.seq;
                    }
                    Sent::Passed => self.cursor = row.seq,
                    Sent::Unanswered => {
                        self.count();
                        if !self.set_aside(&row) {
                            self.pause().await;
                        }
                    }
                    Sent::Ended => return,
                },
                Ok(Found::More) => tokio::task::yield_now().await,
                Ok(Found::Nothing) => {
                    self.local.apps.wait(&self.origin, self.aside.count());
                    tokio::select! {
                        _ = self.growth.changed() => {}
                        _ = self.changes.changed() => self.changes.mark_changed(),
                        () = self.shutdown.cancelled() => {}
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "what is to be sent on cannot be read");
                    tokio::select! {
                        () = tokio::time::sleep(MENDING) => {}
                        () = self.shutdown.cancelled() => {}
                    }
                }
            }
        }
    }

    /// Waits until all that is kept can be read; says no where creel is to end.
    async fn settle(&self) -> bool {
        tokio::select! {
            () = self.local.store.settle_whole() => true,
            () = self.shutdown.cancelled() => false,
        }
    }

    /// Looks for the next delivery that is owed to this app.
    fn look(&mut self) -> Result<Found, ReadError> {
        let (mut looked, mut found) = (0, Found::Nothing);
        let mut cursor = self.cursor;
        self.local.store.scan_up(self.cursor, &mut |row| {
            if self.is_due(row) {
                found = Found::Owed(Box::new(row.clone()));
                return false;
            }
            cursor = row.seq;
            looked += 1;
            if looked == TOGETHER {
                found = Found::More;
            }
            looked < TOGETHER
        })?;
        self.cursor = cursor;
        Ok(found)
    }

    /// Says whether a delivery is to be sent on to this app now.
    fn is_due(&self, row: &Summary) -> bool {
        self.local.due(row, &self.origin) && !self.aside.holds(row.seq)
    }

    /// Tells how many deliveries wait for the app.
    fn count(&self) {
        let (mut looked, mut waiting) = (0, 0);
        let counted = aside(|| {
            self.local.store.scan_up(self.cursor, &mut |row| {
                looked += 1;
                waiting += u64::from(self.is_due(row));
                looked < COUNTED
            })
        });
        if counted.is_ok() {
            let waiting = waiting + self.aside.count();
            self.local.apps.wait(&self.origin, waiting);
        }
    }

    /// Sends one delivery and keeps what came of it; of one outage only the
    /// first failure of each delivery.
    async fn send(&mut self, row: &Summary) -> Sent {
        let (attempt, connected) = match send_on(&self.local, row, &self.shutdown).await {
            Went::Answered => return Sent::Answered,
            Went::Passed => return Sent::Passed,
            Went::Ended => return Sent::Ended,
            Went::Unanswered { attempt, connected } => (attempt, connected),
        };
        if connected {
            let now = self.local.clock.now();
            self.local.apps.silent(&self.origin, now);
        }
        let outage = self.outage.get_or_insert(Outage {
            pause: FIRST_PAUSE,
            kept: 0,
            silent: 0,
        });
        let first = outage.kept != row.seq;
        if first {
            (outage.kept, outage.silent) = (row.seq, 0);
        }
        outage.silent += u32::from(connected);
        if first {
            tell(
                self.local
                    .store
                    .append_attempt(*attempt)
                    .await
                    .err()
                    .as_ref(),
            );
        }
        Sent::Unanswered
    }

    /// Leaves a delivery that the app takes and never answers, so that it
    /// does not hold up the others. It stays owed, and is tried now and then.
    fn set_aside(&mut self, row: &Summary) -> bool {
        let Some(outage) = &mut self.outage else {
            return false;
        };
        if outage.silent < SILENT_TRIES {
            return false;
        }
        tracing::warn!(id = %row.id, app = self.origin, "the app does not answer a delivery; the next ones go on");
        outage.pause = FIRST_PAUSE;
        self.cursor = row.seq;
        self.aside.put(row.seq);
        true
    }

    /// Waits before the app is tried again.
    async fn pause(&mut self) {
        let pause = self.outage.as_ref().map_or(FIRST_PAUSE, |o| o.pause);
        let began = Instant::now();
        let mut until = began + pause;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => break,
                () = self.back.notified() => break,
                () = self.shutdown.cancelled() => break,
                _ = self.changes.changed() => {
                    self.changes.mark_changed();
                    break;
                }
                _ = self.growth.changed() => until = until.min(began + ENOUGH),
            }
        }
        if let Some(outage) = &mut self.outage {
            outage.pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
