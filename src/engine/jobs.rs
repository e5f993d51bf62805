//! Jobs: many deliveries sent again, in order, at a chosen pace.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

use super::command::{Event, Job, JobResults, SendResult};
use crate::domain::attempt_verdict::AttemptVerdict;
use crate::domain::failure::Failure;

/// How many results wait for whoever follows a job before it waits for them.
const MAX_WAITING_RESULTS: usize = 256;

/// How many results are handed over at a time.
const MAX_RETURNED_RESULTS: usize = 64;

/// How long a job waits for its results to be taken before it is given up.
pub(super) const RESULTS_TIMEOUT: Duration = Duration::from_mins(1);

/// How long whoever asks for results is kept waiting for some.
const POLL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long results are gathered that come one close behind the other.
const BATCH_WAIT: Duration = Duration::from_millis(3);

/// How often it is told how a job goes.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// The jobs of a running creel.
#[derive(Default)]
pub(super) struct Jobs {
    last: AtomicU64,
    running: Mutex<BTreeMap<u64, Arc<RunningJob>>>,
}

/// A job under way.
pub(super) struct RunningJob {
    pub(super) stop: CancellationToken,
    pub(super) followed: bool,
    began: Instant,
    spacing: Duration,
    state: Mutex<JobState>,
    /// Something can be taken, or was.
    changed: Notify,
    events: broadcast::Sender<Event>,
}

struct JobState {
    job: Job,
    results: VecDeque<SendResult>,
    published_at: Instant,
}

impl Jobs {
    /// Begins a job about `total` deliveries.
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

    /// Lets go of a job: nobody follows it, or all was taken.
    pub(super) fn forget(&self, id: u64) {
        self.lock().remove(&id);
    }

    /// Returns a job that is not over, or whose results were not all taken.
    pub(super) fn get(&self, id: u64) -> Option<Arc<RunningJob>> {
        self.lock().get(&id).cloned()
    }

    /// Says how the jobs go that are not over.
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
    /// Says how it goes.
    pub(super) fn job(&self) -> Job {
        self.lock().job.clone()
    }

    /// Notes what came of sending once, and waits while too many results are
    /// not taken.
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

    /// Notes what came of sending a delivery for the last time.
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

    /// Tells how it goes.
    pub(super) fn publish(&self) {
        let _ = self.events.send(Event::Job(self.job()));
    }

    /// Notes that it is over.
    pub(super) fn end(&self) {
        {
            let mut state = self.lock();
            state.job.ended = true;
            state.job.left_ms = None;
            // One that was told to stop when all was sent did its work.
            let all = state.job.done >= state.job.total;
            state.job.stopped = self.stop.is_cancelled() && !all;
        }
        self.changed.notify_waiters();
        self.publish();
    }

    /// Hands over what came since the last time; waits a while for something
    /// to come, and a moment for more.
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

    /// Waits until it is so, but no longer than that.
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
