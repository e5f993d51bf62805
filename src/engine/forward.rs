//! Forwards what was acknowledged and no app has answered yet.
//!
//! What is owed follows from the store, not from who received it: one reader
//! goes through the list in the order of arrival and puts what is owed into
//! the queue of its target, which a [`Forwarder`] sends from. What was owed
//! when creel ended is owed when it starts. A delivery may reach its app twice
//! where creel is killed between the app's response and its record; it is
//! never lost.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::forwarder::Forwarder;
use super::local::{Local, run_blocking};
use crate::domain::summary::Summary;
use crate::store::ReadError;

/// How many rows are read at a time.
const BATCH_ROWS: u32 = 4096;

/// How long apps whose answer a sender waits for may take when creel is to end.
const EXCHANGES_TIMEOUT: Duration = Duration::from_secs(2);

/// How long to wait when the list cannot be read.
const READ_RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Reads the list as it grows, and fills the queues.
struct QueueReader {
    local: Arc<Local>,
    tasks: TaskTracker,
    /// All up to here was read.
    cursor: u64,
    /// Up to where the list is being read again.
    reread_until: u64,
    shutdown: CancellationToken,
}

impl Local {
    /// Forwards what is owed and looks after the apps, until `shutdown`.
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
            // Soon enough that the server still tells the senders who wait.
            let _ = tokio::time::timeout(EXCHANGES_TIMEOUT, local.exchanges.wait()).await;
            local.ending.cancel();
        });
    }

    /// Takes those out of the queues that are gone from the store or owed no
    /// more. Called after deliveries were removed or given up.
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
                // What was held back may be due now; what was sent meanwhile
                // must be known as sent before it is read again.
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
                    tracing::warn!(%error, "what is to be forwarded cannot be read");
                    tokio::select! {
                        () = tokio::time::sleep(READ_RETRY_PAUSE) => {}
                        () = self.shutdown.cancelled() => {}
                    }
                }
            }
        }
    }

    /// Waits until all that is kept can be read; false where creel is to end.
    async fn wait_for_index(&self) -> bool {
        tokio::select! {
            () = self.local.store.settle_whole() => true,
            () = self.shutdown.cancelled() => false,
        }
    }

    /// Reads the next rows and queues what is owed; returns whether there may
    /// be more.
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

    /// Puts a delivery that is owed into the queue of its target.
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
