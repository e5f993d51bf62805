//! Tracks resend jobs and their results.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

use super::command::{Event, Job, JobResults, SendResult};
use crate::domain::attempt_verdict::AttemptVerdict;
use crate::domain::failure::Failure;

/// Maximum number of unread results; the job waits beyond it.
const MAX_WAITING_RESULTS: usize = 256;

/// Maximum number of results per read.
const MAX_RETURNED_RESULTS: usize = 64;

/// How long a job waits for its results to be read before it is stopped.
pub(super) const RESULTS_TIMEOUT: Duration = Duration::from_mins(1);

/// How long a read waits for the first result.
const POLL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a read waits for further results.
const BATCH_WAIT: Duration = Duration::from_millis(3);

/// Minimum interval between two progress events of a job.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// The jobs of a running creel.
#[derive(Default)]
pub(super) struct Jobs {
    last: AtomicU64,
    running: Mutex<BTreeMap<u64, Arc<RunningJob>>>,
}

/// A running job.
pub(super) struct RunningJob {
    pub(super) stop: CancellationToken,
    pub(super) followed: bool,
    began: Instant,
    spacing: Duration,
    state: Mutex<JobState>,
    /// Notified when results were added or read.
    changed: Notify,
    events: broadcast::Sender<Event>,
}

struct JobState {
    job: Job,
    results: VecDeque<SendResult>,
    published_at: Instant,
}

impl Jobs {
    /// Registers a job of `total` deliveries.
    pub(super) fn begin(
        &self,
        total: u64,
        followed: bool,
        spacing: Duration,
        events: broadcast::Sender<Event>,
    ) -> Arc<RunningJob> {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let now = Instant::now();
        let running = Arc::new(RunningJob {
            stop: CancellationToken::new(),
            followed,
            began: now,
            spacing,
            state: Mutex::new(JobState {
                job: Job {
                    id,
                    total,
                    ..Job::default()
                },
                results: VecDeque::new(),
                published_at: now,
            }),
            changed: Notify::new(),
            events,
        });
        self.lock().insert(id, Arc::clone(&running));
        running
    }

    /// Stops all jobs.
    pub(super) fn stop(&self) {
        self.lock()
            .values()
            .for_each(|running| running.stop.cancel());
    }

    /// Removes a job that has no follower or whose results were all read.
    pub(super) fn forget(&self, id: u64) {
        self.lock().remove(&id);
    }

    /// Returns a job that is running or has unread results.
    pub(super) fn get(&self, id: u64) -> Option<Arc<RunningJob>> {
        self.lock().get(&id).cloned()
    }

    /// Returns the progress of the running jobs.
    pub(super) fn list(&self) -> Vec<Job> {
        let running: Vec<_> = self.lock().values().cloned().collect();
        let jobs = running.iter().map(|running| running.job());
        jobs.filter(|job| !job.ended).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<RunningJob>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunningJob {
    /// Returns the progress of the job.
    pub(super) fn job(&self) -> Job {
        self.lock().job.clone()
    }

    /// Adds a result for the follower; waits while too many are unread.
    pub(super) async fn push_result(&self, sent: SendResult) {
        if !self.followed {
            return;
        }
        let full = |state: &JobState| state.results.len() >= MAX_WAITING_RESULTS;
        let deadline = Instant::now() + RESULTS_TIMEOUT;
        loop {
            let changed = self.changed.notified();
            if !full(&self.lock()) {
                break;
            }
            tokio::select! {
                () = changed => {}
                () = self.stop.cancelled() => break,
                () = tokio::time::sleep_until(deadline.into()) => self.stop.cancel(),
            }
        }
        let first = {
            let mut state = self.lock();
            state.results.push_back(sent);
            state.results.len() == 1
        };
        if first {
            self.changed.notify_waiters();
        }
    }

    /// Adds the last result of a delivery and counts it as completed.
    pub(super) async fn finish_delivery(&self, sent: SendResult) {
        let ended = match &sent.attempt {
            Ok((_, verdict)) => Ok(*verdict),
            Err(failure) => Err(failure.clone()),
        };
        self.push_result(sent).await;
        self.count_done(ended);
    }

    /// Notes that a delivery is done with: how its last attempt ended, or why
    /// there was none.
    pub(super) fn count_done(&self, ended: Result<AttemptVerdict, Failure>) {
        let now = Instant::now();
        let job = {
            let mut state = self.lock();
            state.job.done += 1;
            match ended {
                Ok(verdict) if verdict.is_good() == Some(true) => state.job.well += 1,
                Ok(AttemptVerdict::StaleAccepted | AttemptVerdict::ForgedAccepted) => {
                    state.job.wrongly_accepted += 1;
                }
                Ok(_) => {}
                Err(failure) => state.job.failure = Some(failure),
            }
            let left = state.job.total.saturating_sub(state.job.done);
            let each = self.began.elapsed().as_micros() as u64 / state.job.done.max(1);
            let each = each.max(self.spacing.as_micros() as u64);
            state.job.left_ms = Some(each.saturating_mul(left) / 1_000);
            if now.duration_since(state.published_at) < PROGRESS_INTERVAL {
                return;
            }
            state.published_at = now;
            state.job.clone()
        };
        let _ = self.events.send(Event::Job(job));
    }

    /// Publishes the progress of the job.
    pub(super) fn publish(&self) {
        let _ = self.events.send(Event::Job(self.job()));
    }

    /// Marks the job as ended.
    pub(super) fn end(&self) {
        {
            let mut state = self.lock();
            state.job.ended = true;
            state.job.left_ms = None;
            // A job stopped after its last send is complete.
            let all = state.job.done >= state.job.total;
            state.job.stopped = self.stop.is_cancelled() && !all;
        }
        self.changed.notify_waiters();
        self.publish();
    }

    /// Returns the unread results; waits a limited time for the first one and
    /// for further ones.
    pub(super) async fn results(&self) -> JobResults {
        let some = |state: &JobState| !state.results.is_empty() || state.job.ended;
        self.wait_until(POLL_TIMEOUT, some).await;
        let enough = |state: &JobState| {
            state.results.len() >= MAX_RETURNED_RESULTS || state.job.total < 2 || state.job.ended
        };
        self.wait_until(BATCH_WAIT, enough).await;
        let results = {
            let mut state = self.lock();
            let count = state.results.len().min(MAX_RETURNED_RESULTS);
            JobResults {
                sent: state.results.drain(..count).collect(),
                job: state.job.clone(),
                last: state.job.ended && state.results.is_empty(),
            }
        };
        self.changed.notify_waiters();
        results
    }

    /// Waits until the condition holds, at most `timeout`.
    async fn wait_until(&self, timeout: Duration, condition: impl Fn(&JobState) -> bool) {
        let deadline = Instant::now() + timeout;
        loop {
            let changed = self.changed.notified();
            if condition(&self.lock()) {
                return;
            }
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(deadline.into()) => return,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, JobState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
