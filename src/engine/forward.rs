//! Fills the queues of targets with deliveries that were acknowledged and that
//! no app has answered yet.
//!
//! The store determines what is owed. One reader scans it in the order of
//! arrival and puts owed deliveries into the queue of their target, from which
//! a [`Forwarder`] sends them. Deliveries that were owed when creel ended are
//! owed again when it starts. A delivery may reach its app twice if creel is
//! killed between the app's response and its record; it is never lost.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::forwarder::Forwarder;
use super::local::{Local, run_blocking};
use crate::domain::summary::Summary;
use crate::store::ReadError;

/// Number of rows of one scan.
const BATCH_ROWS: u32 = 4096;

/// How long passed-through exchanges may take at shutdown.
const EXCHANGES_TIMEOUT: Duration = Duration::from_secs(2);

/// Delay before retrying a failed scan.
const READ_RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Scans the store as it grows and fills the queues.
struct QueueReader {
    local: Arc<Local>,
    tasks: TaskTracker,
    /// The sequence number up to which the store was scanned.
    cursor: u64,
    /// The sequence number up to which a repeated scan goes.
    reread_until: u64,
    shutdown: CancellationToken,
}

impl Local {
    /// Starts the tasks that forward owed deliveries and probe apps until
    /// `shutdown`.
    pub fn forward(self: &Arc<Self>, tasks: &TaskTracker, shutdown: &CancellationToken) {
        let origins = self.origins();
        for origin in &origins {
            self.apps.add(origin);
        }
        if !origins.is_empty() {
            let reader = QueueReader {
                local: Arc::clone(self),
                tasks: tasks.clone(),
                cursor: 0,
                reread_until: 0,
                shutdown: shutdown.clone(),
            };
            tasks.spawn(reader.run());
            tasks.spawn(Arc::clone(self).publish_waiting(shutdown.clone()));
        }
        tasks.spawn(Arc::clone(self).probe_apps(shutdown.clone()));
        let (local, shutdown) = (Arc::clone(self), shutdown.clone());
        tasks.spawn(async move {
            shutdown.cancelled().await;
            local.exchanges.close();
            // Leaves the server time to respond to waiting senders.
            let _ = tokio::time::timeout(EXCHANGES_TIMEOUT, local.exchanges.wait()).await;
            local.ending.cancel();
        });
    }

    /// Removes deliveries from the queues that were removed from the store or
    /// are no longer owed. Called after retention or giving up.
    pub(super) fn prune_queues(&self) {
        run_blocking(|| {
            for seq in self.queues.owed() {
                let row = self.store.summary(seq);
                if row.is_ok_and(|row| row.is_none_or(|row| !row.is_unanswered())) {
                    self.queues.finish(seq);
                }
            }
        });
    }
}

impl QueueReader {
    async fn run(mut self) {
        let mut growth = self.local.store.growth();
        let mut changes = self.local.response_plans.changes();
        if !self.wait_for_index().await {
            return;
        }
        while !self.shutdown.is_cancelled() {
            if changes.has_changed().unwrap_or(false) {
                changes.borrow_and_update();
                // Held deliveries may be due now. Sent deliveries must be
                // recorded before the store is scanned again.
                self.local.queues.set_rereading(true);
                if !self.wait_for_index().await {
                    return;
                }
                self.reread_until = self.reread_until.max(self.cursor);
                self.cursor = 0;
            }
            growth.borrow_and_update();
            match run_blocking(|| self.read()) {
                Ok(true) => tokio::task::yield_now().await,
                Ok(false) => {
                    tokio::select! {
                        _ = growth.changed() => {}
                        _ = changes.changed() => changes.mark_changed(),
                        () = self.shutdown.cancelled() => {}
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "deliveries to forward cannot be read");
                    tokio::select! {
                        () = tokio::time::sleep(READ_RETRY_PAUSE) => {}
                        () = self.shutdown.cancelled() => {}
                    }
                }
            }
        }
    }

    /// Waits for the index; `false` on shutdown.
    async fn wait_for_index(&self) -> bool {
        tokio::select! {
            () = self.local.store.settle_whole() => true,
            () = self.shutdown.cancelled() => false,
        }
    }

    /// Scans the next rows and queues owed deliveries. Returns whether there
    /// may be more.
    fn read(&mut self) -> Result<bool, ReadError> {
        let (mut read, mut owed, mut reached) = (0, Vec::new(), self.cursor);
        self.local.store.scan_up(self.cursor, &mut |row| {
            if row.is_unanswered() {
                owed.push(row.clone());
            }
            reached = row.seq;
            read += 1;
            read < BATCH_ROWS
        })?;
        for row in &owed {
            self.enqueue(row);
        }
        self.cursor = reached;
        let more = read == BATCH_ROWS;
        if self.reread_until > 0 && (!more || self.cursor >= self.reread_until) {
            self.reread_until = 0;
            self.local.queues.set_rereading(false);
        }
        Ok(more)
    }

    /// Adds an owed delivery to the queue of its target.
    fn enqueue(&self, row: &Summary) {
        let queues = &self.local.queues;
        let Some(to) = self.local.destination_due(row) else {
            queues.withdraw(row.seq);
            return;
        };
        let queue = queues.of(&to, |queue| {
            let forwarder = Forwarder::new(&self.local, queue, &self.shutdown);
            self.tasks.spawn(forwarder.run());
        });
        queues.add(&queue, row.seq, row.received_at);
    }
}
