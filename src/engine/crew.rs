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

use super::command::{ResendOrder, Sent};
use super::jobs::{PATIENCE, Running};
use super::local::{Local, not_kept};
use super::retry::{Run, Step};
use crate::domain::attempt::{Attempt, AttemptKind};
use crate::domain::failure::Failure;
use crate::domain::id::Id;
use crate::domain::verification::Status;
use crate::store::{AppendError, NewAttempt, Rows};

/// How many may be under way at a time.
const MOST_PARALLEL: u32 = 256;

/// How many bytes of attempts may be on their way to the disk and to whoever
/// follows, about: while those are slow, sending goes on.
const ON_THE_WAY: usize = 32 << 20;

/// How many bytes of deliveries may be under way at a time, about: of large
/// ones not as many are sent at once as were asked for.
const CARRIED: usize = 128 << 20;

/// How many attempts are written and synced together.
const ENOUGH: usize = 128;

/// How long fewer are waited for, where several are sent at once.
const GATHERING: Duration = Duration::from_millis(3);

/// How much lateness is made good, for timers are coarse.
const BEHIND: Duration = Duration::from_millis(5);

/// A job being worked on.
struct Crew {
    local: Arc<Local>,
    running: Arc<Running>,
    order: Arc<ResendOrder>,
    feed: Mutex<Feed>,
    /// Room for deliveries that are being sent, in bytes.
    carried: Semaphore,
    /// Room for attempts that are still to be kept or told, in bytes.
    room: Semaphore,
    /// Set when the workers are done: then nothing is waited for any more.
    sent: CancellationToken,
    /// Schedules whose first try is made; they wait beside what is being sent.
    schedules: TaskTracker,
}

/// The deliveries that are still to be sent.
struct Feed {
    seqs: std::vec::IntoIter<u64>,
    rows: Rows,
    spacing: Duration,
    /// When the next may be sent.
    next: Instant,
}

/// An attempt that was made and is still to be kept.
struct Made {
    new: NewAttempt,
    about: About,
    /// Where creel ends meanwhile, it waits until this is kept.
    under_way: TaskTrackerToken,
}

/// What came of keeping an attempt, which is still to be told.
struct Kept {
    attempt: Result<Attempt, Failure>,
    about: About,
}

/// What is known of an attempt besides.
struct About {
    /// The delivery's id.
    id: Id,
    /// What the signature was worth that came with it.
    worth: Status,
    reached: bool,
    /// How many bytes it takes, about.
    room: u32,
}

/// Whether there was somebody to send a delivery to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reached(bool);

/// Sends a job's deliveries.
pub(super) async fn run(
    local: Arc<Local>,
    running: Arc<Running>,
    seqs: Vec<u64>,
    order: ResendOrder,
) {
    let parallel = (order.parallel.clamp(1, MOST_PARALLEL) as usize).min(seqs.len());
    let crew = Arc::new(Crew {
        feed: Mutex::new(Feed {
            seqs: seqs.into_iter(),
            rows: Rows::default(),
            spacing: Duration::from_micros(order.spacing_us),
            next: Instant::now(),
        }),
        local: Arc::clone(&local),
        running: Arc::clone(&running),
        order: Arc::new(order),
        carried: Semaphore::new(CARRIED),
        room: Semaphore::new(ON_THE_WAY),
        sent: CancellationToken::new(),
        schedules: TaskTracker::new(),
    });
    let (done, made) = unbounded_channel();
    let (kept, to_tell) = unbounded_channel();
    let keeper = tokio::spawn(Arc::clone(&crew).keep(made, kept, parallel > 1));
    let teller = tokio::spawn(Arc::clone(&crew).tell(to_tell));
    let one_app = crew.order.target.is_some() || local.origins().len() < 2;
    if crew.order.stop_unreached && one_app && crew.send_next(&done).await == Some(Reached(false)) {
        running.stop.cancel();
    }
    let mut workers = JoinSet::new();
    for _ in 0..parallel {
        workers.spawn(Arc::clone(&crew).work(done.clone()));
    }
    drop(done);
    // Where one of them panics, that is told there.
    while workers.join_next().await.is_some() {}
    crew.sent.cancel();
    let _ = keeper.await;
    let _ = teller.await;
    crew.schedules.close();
    crew.schedules.wait().await;
    running.end();
    let id = running.job().id;
    if running.followed {
        // Whoever followed it may be gone without a word.
        let weak = Arc::downgrade(&local);
        drop((local, crew));
        tokio::time::sleep(PATIENCE).await;
        if let Some(local) = weak.upgrade() {
            local.jobs.forget(id);
        }
    } else {
        local.jobs.forget(id);
    }
}

impl Crew {
    /// Sends one delivery after the other until there is none left.
    async fn work(self: Arc<Self>, done: UnboundedSender<Made>) {
        while self.send_next(&done).await.is_some() {}
    }

    /// Sends the next delivery when its time has come; `None`: there is none,
    /// or the job is stopped.
    async fn send_next(&self, done: &UnboundedSender<Made>) -> Option<Reached> {
        let (seq, due) = self.feed().take()?;
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
                let sent = Sent {
                    delivery: self.local.id_of(seq),
                    attempt: Err(failure),
                    reached: false,
                    note: None,
                };
                self.running.finish(sent).await;
                // That says nothing of the target.
                Some(Reached(true))
            }
        }
    }

    /// Sends a delivery once, and gives what came of it to the keeper; `None`:
    /// the job was stopped while there was no room for it.
    async fn send(
        &self,
        seq: u64,
        done: &UnboundedSender<Made>,
    ) -> Result<Option<Reached>, Failure> {
        let local = &self.local;
        let listed = local.listed(seq, &mut self.feed().rows)?;
        let size = listed.size().min(CARRIED as u32);
        let _carried = tokio::select! {
            biased;
            () = self.running.stop.cancelled() => return Ok(None),
            carried = self.carried.acquire_many(size) => carried,
        };
        let prepared = local.prepare_listed(&listed, &self.order)?;
        let under_way = local.exchanges.token();
        let (new, reached) = local.exchange(&prepared, AttemptKind::Resend).await;
        let about = About {
            id: prepared.delivery.id,
            worth: local.worth(&prepared.delivery, prepared.listed.status, new.started_at),
            reached,
            room: new.size().min(ON_THE_WAY) as u32,
        };
        // Neither is closed as long as there are workers.
        if let Ok(room) = self.room.acquire_many(about.room).await {
            room.forget();
        }
        let _ = done.send(Made {
            new,
            about,
            under_way,
        });
        Ok(Some(Reached(reached)))
    }

    /// Makes the first try of a delivery's schedule; the others are made
    /// beside what is being sent.
    async fn begin_schedule(&self, seq: u64) -> Result<Reached, Failure> {
        let stop = self.running.stop.child_token();
        let order = Arc::clone(&self.order);
        let mut schedule = Run::begin(Arc::clone(&self.local), seq, order, stop).await?;
        let reached = match schedule.step().await? {
            Step::Again(sent) => {
                self.running.note(sent).await;
                let running = Arc::clone(&self.running);
                self.schedules.spawn(go_on(running, schedule));
                true
            }
            Step::Over(sent) => {
                let unreached = sent.is_unreached();
                self.running.finish(sent).await;
                !unreached
            }
            Step::Rests => true,
        };
        Ok(Reached(reached))
    }

    /// Keeps what the workers made until they are all gone.
    async fn keep(
        self: Arc<Self>,
        mut made: UnboundedReceiver<Made>,
        kept: UnboundedSender<Kept>,
        together: bool,
    ) {
        let mut waiting = Vec::with_capacity(ENOUGH);
        while made.recv_many(&mut waiting, ENOUGH).await > 0 {
            if together && waiting.len() < ENOUGH {
                tokio::select! {
                    () = self.sent.cancelled() => {}
                    () = tokio::time::sleep(GATHERING) => {}
                }
                while waiting.len() < ENOUGH
                    && let Ok(more) = made.try_recv()
                {
                    waiting.push(more);
                }
            }
            self.keep_all(&mut waiting, &kept).await;
        }
    }

    /// Keeps attempts, and passes them on to be told.
    async fn keep_all(&self, made: &mut Vec<Made>, told: &UnboundedSender<Kept>) {
        let mut news = Vec::with_capacity(made.len());
        let mut rest = Vec::with_capacity(made.len());
        for made in made.drain(..) {
            news.push(made.new);
            rest.push((made.about, made.under_way));
        }
        let kept: Vec<_> = match self.local.store.append_attempts(news).await {
            Ok(kept) => {
                for kept in &kept {
                    self.local.note_answered(kept);
                }
                kept.into_iter().map(Ok).collect()
            }
            Err(error) => {
                // What could not be kept is not sent either.
                if error != AppendError::Busy {
                    self.running.stop.cancel();
                }
                vec![Err(not_kept(error)); rest.len()]
            }
        };
        for ((about, under_way), attempt) in rest.into_iter().zip(kept) {
            drop(under_way);
            let _ = told.send(Kept { attempt, about });
        }
    }

    /// Says what to make of each attempt, beside the keeping: a follower who
    /// is slow keeps nothing from the disk.
    async fn tell(self: Arc<Self>, mut kept: UnboundedReceiver<Kept>) {
        while let Some(Kept { attempt, about }) = kept.recv().await {
            let attempt = match attempt {
                Ok(attempt) => {
                    let verdict = self.local.verdict(&attempt, about.worth).await;
                    verdict.map(|verdict| (attempt, verdict))
                }
                Err(failure) => Err(failure),
            };
            let sent = Sent {
                delivery: about.id,
                reached: about.reached && attempt.is_ok(),
                attempt,
                note: None,
            };
            self.running.finish(sent).await;
            self.room.add_permits(about.room as usize);
        }
    }

    fn feed(&self) -> std::sync::MutexGuard<'_, Feed> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    /// Takes the next delivery, and says when it may be sent.
    fn take(&mut self) -> Option<(u64, Instant)> {
        let seq = self.seqs.next()?;
        let due = self.next;
        if !self.spacing.is_zero() {
            let now = Instant::now();
            self.next = due.max(now.checked_sub(BEHIND).unwrap_or(now)) + self.spacing;
        }
        Some((seq, due))
    }
}

/// Makes the tries that are left of a schedule.
async fn go_on(running: Arc<Running>, mut schedule: Run) {
    loop {
        match schedule.step().await {
            Ok(Step::Again(sent)) => running.note(sent).await,
            Ok(Step::Over(sent)) => return running.finish(sent).await,
            Ok(Step::Rests) => return,
            Err(failure) => return running.done(Err(failure)),
        }
    }
}
