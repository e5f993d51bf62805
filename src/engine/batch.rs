//! Sends a job's deliveries: workers take them one after the other, one keeper
//! puts what they made on the disk, many attempts with one sync, and one teller
//! hands the results to whoever follows, who may be slow.

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

/// How many may be under way at a time.
const MAX_PARALLEL_SENDS: u32 = 256;

/// How many bytes of attempts may be on their way to the disk and to whoever
/// follows, about: while those are slow, sending goes on.
const MAX_UNREPORTED_BYTES: usize = 32 << 20;

/// How many bytes of deliveries may be under way at a time, about: of large
/// ones not as many are sent at once as were asked for.
const MAX_IN_FLIGHT_BYTES: usize = 128 << 20;

/// How many attempts are written and synced together.
const MAX_BATCH_ATTEMPTS: usize = 128;

/// How long fewer are waited for, where several are sent at once.
const BATCH_WAIT: Duration = Duration::from_millis(3);

/// How much lateness is made good, for timers are coarse.
const MAX_SCHEDULE_LAG: Duration = Duration::from_millis(5);

/// A job being worked on.
struct BatchSender {
    local: Arc<Local>,
    running: Arc<RunningJob>,
    order: Arc<ResendRequest>,
    queue: Mutex<WorkQueue>,
    /// Room for deliveries that are being sent, in bytes.
    in_flight: Semaphore,
    /// Room for attempts that are still to be kept or told, in bytes.
    unreported: Semaphore,
    /// Set when the workers are done: then nothing is waited for any more.
    sent: CancellationToken,
    /// Schedules whose first try is made; they wait beside what is being sent.
    schedules: TaskTracker,
}

/// The deliveries that are still to be sent.
struct WorkQueue {
    seqs: std::vec::IntoIter<u64>,
    rows: Rows,
    spacing: Duration,
    /// When the next may be sent.
    next: Instant,
}

/// An attempt that was made and is still to be kept.
struct CompletedAttempt {
    new: NewAttempt,
    context: AttemptContext,
    /// Where creel ends meanwhile, it waits until this is kept.
    under_way: TaskTrackerToken,
}

/// What came of keeping an attempt, which is still to be told.
struct PersistedAttempt {
    attempt: Result<Attempt, Failure>,
    context: AttemptContext,
}

/// What is known of an attempt besides.
struct AttemptContext {
    /// The delivery's id.
    id: Id,
    /// What the signature was worth that came with it.
    signature_status: Status,
    reached: bool,
    /// How many bytes it takes, about.
    unreported: u32,
}

/// Whether there was somebody to send a delivery to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TargetReached(bool);

/// Sends a job's deliveries.
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
    // Where one of them panics, that is told there.
    while workers.join_next().await.is_some() {}
    sender.sent.cancel();
    let _ = persist_task.await;
    let _ = report_task.await;
    sender.schedules.close();
    sender.schedules.wait().await;
    running.end();
    let id = running.job().id;
    if running.followed {
        // Whoever followed it may be gone without a word.
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
    /// Sends one delivery after the other until there is none left.
    async fn run_worker(self: Arc<Self>, done: UnboundedSender<CompletedAttempt>) {
        while self.send_next(&done).await.is_some() {}
    }

    /// Sends the next delivery when its time has come; `None`: there is none,
    /// or the job is stopped.
    async fn send_next(&self, done: &UnboundedSender<CompletedAttempt>) -> Option<TargetReached> {
        let (seq, due) = self.queue().take()?;
        // A timer is a millisecond at the least, which is long.
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
                // That says nothing of the target.
                Some(TargetReached(true))
            }
        }
    }

    /// Sends a delivery once, and gives what came of it to the persister; `None`:
    /// the job was stopped while there was no room for it.
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
        // Neither is closed as long as there are workers.
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

    /// Makes the first try of a delivery's schedule; the others are made
    /// beside what is being sent.
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

    /// Keeps what the workers made until they are all gone.
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

    /// Keeps attempts, and passes them on to be told.
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
                // What could not be kept is not sent either.
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

    /// Says what to make of each attempt, beside the keeping: a follower who
    /// is slow keeps nothing from the disk.
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
    /// Takes the next delivery, and says when it may be sent.
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

/// Makes the tries that are left of a schedule.
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
