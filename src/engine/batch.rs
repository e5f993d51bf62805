//! Resends the deliveries of a job. Workers send them, one task persists the
//! attempts in batches with one sync each, and one task reports the results to
//! a possibly slow follower.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::command::{ResendRequest, SendResult};
use super::jobs::{RESULTS_TIMEOUT, RunningJob};
use super::local::{Local, persist_failure};
use super::retry::{ScheduleRun, TryOutcome};
use crate::domain::attempt::{Attempt, AttemptKind};
use crate::domain::failure::Failure;
use crate::domain::id::Id;
use crate::domain::verification::Status;
use crate::store::{AppendError, NewAttempt, Rows};

/// Maximum number of sends in flight.
const MAX_PARALLEL_SENDS: u32 = 256;

/// Approximate maximum of bytes of attempts that are not yet persisted and
/// reported. Sending continues while the disk or the follower is slow.
const MAX_UNREPORTED_BYTES: usize = 32 << 20;

/// Approximate maximum of bytes of deliveries in flight; reduces parallelism
/// for large deliveries.
const MAX_IN_FLIGHT_BYTES: usize = 128 << 20;

/// Maximum number of attempts in one batch.
const MAX_BATCH_ATTEMPTS: usize = 128;

/// How long to wait for a batch to fill if sends run in parallel.
const BATCH_WAIT: Duration = Duration::from_millis(3);

/// How far behind schedule a send may be and still be caught up; tokio timers
/// have a resolution of 1 ms.
const MAX_SCHEDULE_LAG: Duration = Duration::from_millis(5);

/// Sends the deliveries of one job.
struct BatchSender {
    local: Arc<Local>,
    running: Arc<RunningJob>,
    order: Arc<ResendRequest>,
    queue: Mutex<WorkQueue>,
    /// Permits for deliveries in flight, in bytes.
    in_flight: Semaphore,
    /// Permits for attempts that are not yet persisted and reported, in bytes.
    unreported: Semaphore,
    /// Cancelled when the workers are done, so that no batch waits any longer.
    sent: CancellationToken,
    /// Retry schedules after their first try; they run in parallel with the
    /// workers.
    schedules: TaskTracker,
}

/// The deliveries that are still to be sent.
struct WorkQueue {
    seqs: std::vec::IntoIter<u64>,
    rows: Rows,
    spacing: Duration,
    /// When the next delivery may be sent.
    next: Instant,
}

/// An attempt that is not persisted yet.
struct CompletedAttempt {
    new: NewAttempt,
    context: AttemptContext,
    /// Delays shutdown until the attempt is persisted.
    under_way: TaskTrackerToken,
}

/// A persisted attempt that is not reported yet.
struct PersistedAttempt {
    attempt: Result<Attempt, Failure>,
    context: AttemptContext,
}

/// What is needed to report an attempt.
struct AttemptContext {
    /// The id of the delivery.
    id: Id,
    /// The status of its received signature at the time of sending.
    signature_status: Status,
    reached: bool,
    /// Its approximate size in bytes.
    unreported: u32,
}

/// Whether a connection to the target was established.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TargetReached(bool);

/// Sends all deliveries of a job.
pub(super) async fn run(
    local: Arc<Local>,
    running: Arc<RunningJob>,
    seqs: Vec<u64>,
    order: ResendRequest,
) {
    let parallel = (order.parallel.clamp(1, MAX_PARALLEL_SENDS) as usize).min(seqs.len());
    let sender = Arc::new(BatchSender {
        queue: Mutex::new(WorkQueue {
            seqs: seqs.into_iter(),
            rows: Rows::default(),
            spacing: Duration::from_micros(order.spacing_us),
            next: Instant::now(),
        }),
        local: Arc::clone(&local),
        running: Arc::clone(&running),
        order: Arc::new(order),
        in_flight: Semaphore::new(MAX_IN_FLIGHT_BYTES),
        unreported: Semaphore::new(MAX_UNREPORTED_BYTES),
        sent: CancellationToken::new(),
        schedules: TaskTracker::new(),
    });
    let (done, completed) = unbounded_channel();
    let (persisted, to_report) = unbounded_channel();
    let persist_task =
        tokio::spawn(Arc::clone(&sender).persist(completed, persisted, parallel > 1));
    let report_task = tokio::spawn(Arc::clone(&sender).report(to_report));
    let one_app = sender.order.target.is_some() || local.origins().len() < 2;
    if sender.order.stop_unreached
        && one_app
        && sender.send_next(&done).await == Some(TargetReached(false))
    {
        running.stop.cancel();
    }
    let mut workers = JoinSet::new();
    for _ in 0..parallel {
        workers.spawn(Arc::clone(&sender).run_worker(done.clone()));
    }
    drop(done);
    // The panic hook reports a panic of a worker.
    while workers.join_next().await.is_some() {}
    sender.sent.cancel();
    let _ = persist_task.await;
    let _ = report_task.await;
    sender.schedules.close();
    sender.schedules.wait().await;
    running.end();
    let id = running.job().id;
    if running.followed {
        // The follower may never read the last results.
        let weak = Arc::downgrade(&local);
        drop((local, sender));
        tokio::time::sleep(RESULTS_TIMEOUT).await;
        if let Some(local) = weak.upgrade() {
            local.jobs.forget(id);
        }
    } else {
        local.jobs.forget(id);
    }
}

impl BatchSender {
    /// Sends deliveries until the queue is empty.
    async fn run_worker(self: Arc<Self>, done: UnboundedSender<CompletedAttempt>) {
        while self.send_next(&done).await.is_some() {}
    }

    /// Sends the next delivery when it is due; `None` if there is none or the
    /// job is stopped.
    async fn send_next(&self, done: &UnboundedSender<CompletedAttempt>) -> Option<TargetReached> {
        let (seq, due) = self.queue().take()?;
        // Skips the timer if the delivery is due: a timer takes at least a
        // millisecond.
        if due > Instant::now() {
            tokio::select! {
                () = self.running.stop.cancelled() => {}
                () = tokio::time::sleep_until(due) => {}
            }
        }
        if self.running.stop.is_cancelled() {
            return None;
        }
        let sent = if self.order.retry.is_some() {
            self.begin_schedule(seq).await.map(Some)
        } else {
            self.send(seq, done).await
        };
        match sent {
            Ok(reached) => reached,
            Err(failure) => {
                let sent = SendResult {
                    delivery: self.local.id_of(seq),
                    attempt: Err(failure),
                    reached: false,
                    note: None,
                };
                self.running.finish_delivery(sent).await;
                // The failure does not concern the target.
                Some(TargetReached(true))
            }
        }
    }

    /// Sends a delivery once and passes the attempt to the persister; `None` if
    /// the job was stopped before there was memory for it.
    async fn send(
        &self,
        seq: u64,
        done: &UnboundedSender<CompletedAttempt>,
    ) -> Result<Option<TargetReached>, Failure> {
        let local = &self.local;
        let listed = local.look_up(seq, &mut self.queue().rows)?;
        let size = listed.size().min(MAX_IN_FLIGHT_BYTES as u32);
        let _in_flight = tokio::select! {
            biased;
            () = self.running.stop.cancelled() => return Ok(None),
            in_flight = self.in_flight.acquire_many(size) => in_flight,
        };
        let prepared = local.prepare_listed(&listed, &self.order)?;
        let under_way = local.exchanges.token();
        let (new, reached) = local.exchange(&prepared, AttemptKind::Resend).await;
        let context = AttemptContext {
            id: prepared.delivery.id,
            signature_status: local.signature_status_at(
                &prepared.delivery,
                prepared.listed.status,
                new.started_at,
            ),
            reached,
            unreported: new.size().min(MAX_UNREPORTED_BYTES) as u32,
        };
        // The semaphore and the channel stay open while workers run.
        if let Ok(unreported) = self.unreported.acquire_many(context.unreported).await {
            unreported.forget();
        }
        let _ = done.send(CompletedAttempt {
            new,
            context,
            under_way,
        });
        Ok(Some(TargetReached(reached)))
    }

    /// Makes the first try of a delivery's retry schedule; the others run in
    /// parallel with the workers.
    async fn begin_schedule(&self, seq: u64) -> Result<TargetReached, Failure> {
        let stop = self.running.stop.child_token();
        let order = Arc::clone(&self.order);
        let mut schedule = ScheduleRun::begin(Arc::clone(&self.local), seq, order, stop).await?;
        let reached = match schedule.next_try().await? {
            TryOutcome::Continues(sent) => {
                self.running.push_result(sent).await;
                let running = Arc::clone(&self.running);
                self.schedules.spawn(run_schedule(running, schedule));
                true
            }
            TryOutcome::Finished(sent) => {
                let unreached = sent.is_unreached();
                self.running.finish_delivery(sent).await;
                !unreached
            }
            TryOutcome::Suspended => true,
        };
        Ok(TargetReached(reached))
    }

    /// Persists attempts until all workers are done.
    async fn persist(
        self: Arc<Self>,
        mut completed: UnboundedReceiver<CompletedAttempt>,
        persisted: UnboundedSender<PersistedAttempt>,
        collects: bool,
    ) {
        let mut waiting = Vec::with_capacity(MAX_BATCH_ATTEMPTS);
        while completed.recv_many(&mut waiting, MAX_BATCH_ATTEMPTS).await > 0 {
            if collects && waiting.len() < MAX_BATCH_ATTEMPTS {
                tokio::select! {
                    () = self.sent.cancelled() => {}
                    () = tokio::time::sleep(BATCH_WAIT) => {}
                }
                while waiting.len() < MAX_BATCH_ATTEMPTS
                    && let Ok(more) = completed.try_recv()
                {
                    waiting.push(more);
                }
            }
            self.persist_batch(&mut waiting, &persisted).await;
        }
    }

    /// Persists a batch of attempts and passes them to the reporter.
    async fn persist_batch(
        &self,
        completed: &mut Vec<CompletedAttempt>,
        reports: &UnboundedSender<PersistedAttempt>,
    ) {
        let mut news = Vec::with_capacity(completed.len());
        let mut rest = Vec::with_capacity(completed.len());
        for completed in completed.drain(..) {
            news.push(completed.new);
            rest.push((completed.context, completed.under_way));
        }
        let persisted: Vec<_> = match self.local.store.append_attempts(news).await {
            Ok(persisted) => {
                for persisted in &persisted {
                    self.local.note_answered(persisted);
                }
                persisted.into_iter().map(Ok).collect()
            }
            Err(error) => {
                // Stops sending if attempts cannot be persisted.
                if error != AppendError::Busy {
                    self.running.stop.cancel();
                }
                vec![Err(persist_failure(error)); rest.len()]
            }
        };
        for ((context, under_way), attempt) in rest.into_iter().zip(persisted) {
            drop(under_way);
            let _ = reports.send(PersistedAttempt { attempt, context });
        }
    }

    /// Reports the verdict of each attempt. A separate task, so that a slow
    /// follower does not delay persisting.
    async fn report(self: Arc<Self>, mut persisted: UnboundedReceiver<PersistedAttempt>) {
        while let Some(PersistedAttempt { attempt, context }) = persisted.recv().await {
            let attempt = match attempt {
                Ok(attempt) => {
                    let verdict = self.local.verdict(&attempt, context.signature_status).await;
                    verdict.map(|verdict| (attempt, verdict))
                }
                Err(failure) => Err(failure),
            };
            let sent = SendResult {
                delivery: context.id,
                reached: context.reached && attempt.is_ok(),
                attempt,
                note: None,
            };
            self.running.finish_delivery(sent).await;
            self.unreported.add_permits(context.unreported as usize);
        }
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, WorkQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WorkQueue {
    /// Takes the next delivery and the time when it is due.
    fn take(&mut self) -> Option<(u64, Instant)> {
        let seq = self.seqs.next()?;
        let due = self.next;
        if !self.spacing.is_zero() {
            let now = Instant::now();
            self.next = due.max(now.checked_sub(MAX_SCHEDULE_LAG).unwrap_or(now)) + self.spacing;
        }
        Some((seq, due))
    }
}

/// Makes the remaining tries of a retry schedule.
async fn run_schedule(running: Arc<RunningJob>, mut schedule: ScheduleRun) {
    loop {
        match schedule.next_try().await {
            Ok(TryOutcome::Continues(sent)) => running.push_result(sent).await,
            Ok(TryOutcome::Finished(sent)) => return running.finish_delivery(sent).await,
            Ok(TryOutcome::Suspended) => return,
            Err(failure) => return running.count_done(Err(failure)),
        }
    }
}
