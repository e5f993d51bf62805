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

use super::local::{Local, aside};
use super::sending::{forwarded, not_sent, outgoing};
use crate::domain::headers::Headers;
use crate::domain::route::{Mode, origin};
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

/// How long an exchange may still take when creel is to end.
const GRACE: Duration = Duration::from_secs(3);

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
            let lane = Lane {
                back: self.apps.add(&origin),
                local: Arc::clone(self),
                origin,
                cursor: 0,
                outage: None,
                growth: self.store.growth(),
                changes: self.answering.changes(),
                shutdown: shutdown.clone(),
            };
            tasks.spawn(lane.run());
        }
        tasks.spawn(Arc::clone(self).look_after_apps(shutdown.clone()));
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
                    self.local.apps.wait(&self.origin, 0);
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
        row.owed()
            && self
                .local
                .destination_of_row(row)
                .is_some_and(|to| origin(&to.target) == self.origin)
            && self.local.answering.of(row.endpoint.as_deref()).mode != Mode::Hold
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
            self.local.apps.wait(&self.origin, waiting);
        }
    }

    /// Sends one delivery and keeps what came of it; of one outage only the
    /// first failure of each delivery.
    async fn send(&mut self, row: &Summary) -> Sent {
        let local = Arc::clone(&self.local);
        let delivery = match aside(|| local.store.delivery(row.seq)) {
            Ok(Some(delivery)) => delivery,
            Ok(None) => return Sent::Passed,
            Err(error) => {
                tracing::warn!(%error, id = %row.id, "a delivery to be sent on cannot be read");
                return Sent::Passed;
            }
        };
        let Some(to) = local.destination_of(&delivery) else {
            return Sent::Passed;
        };
        let endpoint = delivery.endpoint.as_deref();
        let limit = local.acknowledged_in(endpoint, &delivery.request);
        let started_at = local.clock.now();
        let keep = |address, exchange| {
            let attempt = forwarded(row.seq, limit, address, started_at, exchange);
            local.store.append_attempt(attempt)
        };
        let outgoing = match outgoing(&delivery.request, &to, delivery.request.headers.clone()) {
            Ok(outgoing) => outgoing,
            Err(failure) => {
                let why = format!("{} {}", failure.what, failure.why);
                let kept = keep(to.address(), not_sent(why, Headers::new())).await;
                tell(kept.err().as_ref());
                return Sent::Passed;
            }
        };
        drop(delivery);
        let exchange = tokio::select! {
            exchange = local.client.send(&outgoing, local.options) => exchange,
            () = late(&self.shutdown) => return Sent::Ended,
        };
        local.apps.sent(&to.target, &exchange, local.clock.now());
        if exchange.response.is_some() {
            tell(keep(outgoing.address(), exchange).await.err().as_ref());
            return Sent::Answered;
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
        outage.silent += u32::from(exchange.connected);
        if first {
            tell(keep(outgoing.address(), exchange).await.err().as_ref());
        }
        Sent::Unanswered
    }

    /// Leaves a delivery that the app takes and never answers, so that it
    /// does not hold up the others. It stays owed.
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

/// Says that an attempt was made and could not be kept.
fn tell(error: Option<&crate::store::AppendError>) {
    if let Some(error) = error {
        tracing::warn!(%error, "a delivery was sent on, but that could not be kept");
    }
}

/// Waits until creel is to end and some time more.
async fn late(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(GRACE).await;
}
