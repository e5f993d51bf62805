//! Verifies deliveries beside the path of those that arrive: on threads of low
//! priority, each endpoint in the order of arrival, and none at the cost of
//! another.
//!
//! A delivery is listed first, as [`Status::Pending`]. What is pending is
//! durable, for the rows say so: after a start the rest is verified.
//!
//! [`Status::Pending`]: crate::domain::verification::Status::Pending

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Assess;
use super::rows::Rows;
use super::shared::Shared;
use super::work::read_delivery;
use crate::domain::assess::{Assessment, Classification};
use crate::domain::delivery::Delivery;
use crate::domain::event_key::EventKey;
use crate::domain::verification::{Status, Verification};

/// How many threads verify. Where one is busy with a large delivery, another
/// endpoint's deliveries go on.
const THREADS: usize = 2;

/// How much the threads give way to those that receive and list, by nice(2).
const NICE: i32 = 19;

/// Over how much time a thread looks whether it got the processor it wanted.
const PACE_WINDOW: Duration = Duration::from_millis(2);

/// How long a thread rests that did not: a low priority alone does not keep it
/// from running in the short gaps between the steps of receiving, where it is
/// in the way.
const CONTENDED_PAUSE: Duration = Duration::from_millis(20);

/// How many bytes of deliveries are held in memory until they are verified;
/// those beyond are read from the journal again.
const HELD_BYTES: usize = 16 << 20;

/// How many verdicts may wait for the index.
const MAX_VERDICTS: usize = 4096;

/// How long the threads are waited for at the end. A search that has not ended
/// by then is left alone: it holds nothing that anybody else needs.
const END_TIMEOUT: Duration = Duration::from_millis(500);

/// A delivery that is listed and not verified yet.
pub(super) struct Unverified {
    pub(super) seq: u64,
    pub(super) endpoint: Option<String>,
    /// The delivery itself, where it is still in memory.
    pub(super) delivery: Option<Box<Delivery>>,
}

/// The result of verifying one delivery.
pub(super) struct Verdict {
    pub(super) seq: u64,
    /// `None`: the delivery cannot be read.
    pub(super) found: Option<Found>,
    pub(super) of: VerdictOf,
}

/// What a verdict is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VerdictOf {
    /// The first verification; it counts where nothing that it depends on has
    /// changed since this [`VerifyQueue::generation`].
    First { generation: u64 },
    /// The review of this number.
    Review(u64),
}

/// What a row shows of an assessment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) provider: Option<String>,
    pub(super) event: Option<String>,
    pub(super) delivery_id: Option<String>,
    pub(super) group: Option<EventKey>,
    pub(super) status: Status,
    pub(super) cause: Option<String>,
}

impl From<Assessment> for Found {
    fn from(assessment: Assessment) -> Self {
        let Verification { status, .. } = assessment.verification;
        Self {
            cause: assessment.verification.cause().map(str::to_owned),
            provider: assessment.provider,
            event: assessment.event,
            delivery_id: assessment.delivery_id,
            group: assessment.group,
            status,
        }
    }
}

impl From<Classification> for Found {
    fn from(sketch: Classification) -> Self {
        Self {
            provider: sketch.provider,
            event: sketch.event,
            delivery_id: sketch.delivery_id,
            group: sketch.group,
            status: Status::Pending,
            cause: None,
        }
    }
}

/// How far verifying is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lag {
    /// How many deliveries are not verified yet.
    pub deliveries: u64,
    /// How long the oldest of them has waited, in milliseconds.
    pub millis: u64,
}

/// The deliveries that wait to be verified.
pub(super) struct VerifyQueue {
    inner: Mutex<Waiting>,
    /// Something arrived, or there is room for verdicts again.
    changed: Condvar,
    ended: Condvar,
    /// Counts changes of what verdicts depend on.
    generation: AtomicU64,
    began: Instant,
}

#[derive(Default)]
struct Waiting {
    lanes: Vec<Lane>,
    by_endpoint: HashMap<Option<String>, usize>,
    review: Option<usize>,
    verdicts: VecDeque<(usize, Verdict)>,
    held_bytes: usize,
    threads: usize,
    closed: bool,
}

/// What waits of one endpoint, or of a review.
#[derive(Default)]
struct Lane {
    waiting: VecDeque<Entry>,
    /// What was taken and is not in the index yet, in the order taken.
    taken: VecDeque<Taken>,
    /// Whether a thread is at it: an endpoint's deliveries go one by one.
    busy: bool,
    /// The time that its deliveries took so far. The lane with the least is next.
    spent: Duration,
}

struct Entry {
    seq: u64,
    /// The review it is for; 0: none, it is the first time.
    review: u64,
    /// When it came, in milliseconds since the queue began.
    since: u64,
    delivery: Option<Box<Delivery>>,
}

#[derive(Clone, Copy)]
struct Taken {
    seq: u64,
    since: u64,
}

/// A delivery to be verified now.
struct Task {
    lane: usize,
    entry: Entry,
    generation: u64,
}

impl VerifyQueue {
    pub(super) fn new() -> Self {
        Self {
            inner: Mutex::default(),
            changed: Condvar::new(),
            ended: Condvar::new(),
            generation: AtomicU64::new(0),
            began: Instant::now(),
        }
    }

    /// Starts the threads.
    pub(super) fn start(shared: &Arc<Shared>) -> std::io::Result<()> {
        for _ in 0..THREADS {
            let queue = Arc::clone(&shared.unverified);
            queue.lock().threads += 1;
            let assess = Arc::clone(&shared.assess);
            // Held only while it is needed: a search that does not end must
            // not keep the database open.
            let shared = Arc::downgrade(shared);
            let spawned = std::thread::Builder::new()
                .name("verify".to_owned())
                .spawn({
                    let queue = Arc::clone(&queue);
                    move || {
                        // Where the system says no, they share.
                        let _ = rustix::process::setpriority_process(None, NICE);
                        queue.work(&shared, &*assess);
                        queue.lock().threads -= 1;
                        queue.ended.notify_all();
                    }
                });
            if let Err(error) = spawned {
                queue.lock().threads -= 1;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Puts deliveries behind the others of their endpoints.
    pub(super) fn push(&self, unverified: Vec<Unverified>) {
        if unverified.is_empty() {
            return;
        }
        let since = self.now();
        let mut waiting = self.lock();
        for one in unverified {
            let lane = waiting.lane(one.endpoint);
            let mut delivery = one.delivery;
            let size = delivery.as_ref().map_or(0, |d| size_of_delivery(d));
            if waiting.held_bytes + size > HELD_BYTES {
                delivery = None;
            } else {
                waiting.held_bytes += size;
            }
            waiting.lanes[lane].waiting.push_back(Entry {
                seq: one.seq,
                review: 0,
                since,
                delivery,
            });
        }
        drop(waiting);
        self.changed.notify_all();
    }

    /// Has deliveries verified again for a review.
    pub(super) fn review(&self, review: u64, seqs: impl Iterator<Item = u64>) {
        let since = self.now();
        let mut waiting = self.lock();
        let lane = waiting.review.unwrap_or_else(|| waiting.new_lane());
        waiting.review = Some(lane);
        waiting.wake_lane(lane);
        let entries = seqs.map(|seq| Entry {
            seq,
            review,
            since,
            delivery: None,
        });
        waiting.lanes[lane].waiting.extend(entries);
        drop(waiting);
        self.changed.notify_all();
    }

    /// Notes that verdicts depend on something else from now on.
    pub(super) fn next_generation(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Returns the oldest delivery that the index does not know the verdict of.
    pub(super) fn lowest(&self) -> Option<u64> {
        let waiting = self.lock();
        let review = waiting.review;
        let lanes = waiting.lanes.iter().enumerate();
        lanes
            .filter(|(at, _)| Some(*at) != review)
            .filter_map(|(_, lane)| lane.lowest())
            .min()
    }

    /// Says how far verifying is behind; `None`: nothing waits.
    pub(super) fn lag(&self) -> Option<Lag> {
        let now = self.now();
        let waiting = self.lock();
        let review = waiting.review;
        let (mut deliveries, mut since) = (0, now);
        for (at, lane) in waiting.lanes.iter().enumerate() {
            if Some(at) == review {
                continue;
            }
            deliveries += (lane.waiting.len() + lane.taken.len()) as u64;
            let first = lane.taken.front().map(|taken| taken.since);
            let first = first.or_else(|| lane.waiting.front().map(|entry| entry.since));
            since = since.min(first.unwrap_or(now));
        }
        (deliveries > 0).then(|| Lag {
            deliveries,
            millis: now.saturating_sub(since),
        })
    }

    /// Hands over some verdicts that are there. They count as waiting until
    /// [`VerifyQueue::done`] is said of them.
    pub(super) fn verdicts(&self, limit: usize) -> Vec<(usize, Verdict)> {
        let mut waiting = self.lock();
        let count = waiting.verdicts.len().min(limit);
        let verdicts: Vec<_> = waiting.verdicts.drain(..count).collect();
        drop(waiting);
        if !verdicts.is_empty() {
            self.changed.notify_all();
        }
        verdicts
    }

    pub(super) fn has_verdicts(&self) -> bool {
        !self.lock().verdicts.is_empty()
    }

    /// Notes that the index has verdicts of a lane. Those that do not count any
    /// more are `again` to be found.
    pub(super) fn done(&self, done: &[(usize, u64, bool)]) {
        let mut waiting = self.lock();
        // Backwards, so that what is to be found again keeps its order.
        for (lane, seq, again) in done.iter().rev() {
            let Some(lane) = waiting.lanes.get_mut(*lane) else {
                continue;
            };
            let Some(at) = lane.taken.iter().position(|taken| taken.seq == *seq) else {
                continue;
            };
            let taken = lane.taken.remove(at);
            if let Some(taken) = taken.filter(|_| *again) {
                lane.waiting.push_front(Entry {
                    seq: taken.seq,
                    review: 0,
                    since: taken.since,
                    delivery: None,
                });
            }
        }
        drop(waiting);
        self.changed.notify_all();
    }

    /// Forgets what waits: the rows are made again.
    pub(super) fn clear(&self) {
        let mut waiting = self.lock();
        for lane in &mut waiting.lanes {
            lane.waiting.clear();
            lane.taken.clear();
        }
        waiting.verdicts.clear();
        waiting.held_bytes = 0;
    }

    /// Lets the threads end, and waits a moment for that.
    pub(super) fn close(&self) {
        let mut waiting = self.lock();
        waiting.closed = true;
        self.changed.notify_all();
        let until = Instant::now() + END_TIMEOUT;
        while waiting.threads > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.ended.wait_timeout(waiting, left);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn work(&self, shared: &Weak<Shared>, assess: &dyn Assess) {
        let mut rows = Rows::default();
        let mut pace = Pace::start();
        while let Some(mut task) = self.take(&mut pace) {
            let began = Instant::now();
            let seq = task.entry.seq;
            let delivery = task.entry.delivery.take().or_else(|| {
                let shared = shared.upgrade()?;
                // It may have been moved since the rows were read.
                read(&shared, seq, &mut rows)
                    .or_else(|| read(&shared, seq, &mut Rows::default()))
                    .map(Box::new)
            });
            let time = match task.entry.review {
                0 => Time::First,
                _ => Time::Again,
            };
            let found = delivery.map(|delivery| assessed(assess, &delivery, time).into());
            let of = match task.entry.review {
                0 => VerdictOf::First {
                    generation: task.generation,
                },
                review => VerdictOf::Review(review),
            };
            self.put(task.lane, Verdict { seq, found, of }, began.elapsed());
            if let Some(shared) = shared.upgrade() {
                shared.line.poke();
            }
            if pace.is_contended() {
                self.pause(CONTENDED_PAUSE);
                pace = Pace::start();
            }
        }
    }

    /// Leaves the processors to others for a while, or until the store is closed.
    fn pause(&self, how_long: Duration) {
        let waiting = self.lock();
        let open = |waiting: &mut Waiting| !waiting.closed;
        drop(self.changed.wait_timeout_while(waiting, how_long, open));
    }

    /// Waits for a delivery to verify; `None` at the end.
    fn take(&self, pace: &mut Pace) -> Option<Task> {
        let mut waiting = self.lock();
        loop {
            if waiting.closed {
                return None;
            }
            if waiting.verdicts.len() < MAX_VERDICTS
                && let Some(lane) = waiting.next()
                && let Some(entry) = waiting.lanes[lane].waiting.pop_front()
            {
                let held = entry.delivery.as_ref().map_or(0, |d| size_of_delivery(d));
                waiting.held_bytes = waiting.held_bytes.saturating_sub(held);
                let (seq, since) = (entry.seq, entry.since);
                let from = &mut waiting.lanes[lane];
                from.busy = true;
                from.taken.push_back(Taken { seq, since });
                return Some(Task {
                    lane,
                    entry,
                    generation: self.generation(),
                });
            }
            let waited = self.changed.wait(waiting);
            waiting = waited.unwrap_or_else(PoisonError::into_inner);
            *pace = Pace::start();
        }
    }

    fn put(&self, lane: usize, verdict: Verdict, took: Duration) {
        let mut waiting = self.lock();
        let from = &mut waiting.lanes[lane];
        from.busy = false;
        from.spent += took;
        waiting.verdicts.push_back((lane, verdict));
        let more = waiting.lanes.iter().filter(|lane| lane.is_ready()).count() > 1;
        drop(waiting);
        if more {
            self.changed.notify_one();
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn lane(&mut self, endpoint: Option<String>) -> usize {
        let known = self.by_endpoint.get(&endpoint).copied();
        let lane = known.unwrap_or_else(|| {
            let lane = self.new_lane();
            self.by_endpoint.insert(endpoint, lane);
            lane
        });
        self.wake_lane(lane);
        lane
    }

    fn new_lane(&mut self) -> usize {
        self.lanes.push(Lane::default());
        self.lanes.len() - 1
    }

    /// Has a lane that was empty begin with the others: what it did not use of
    /// the time is not saved up.
    fn wake_lane(&mut self, at: usize) {
        if self.lanes[at].is_active() {
            return;
        }
        let active = self.lanes.iter().filter(|lane| lane.is_active());
        let least = active.map(|lane| lane.spent).min().unwrap_or_default();
        let lane = &mut self.lanes[at];
        lane.spent = lane.spent.max(least);
    }

    /// Returns the lane whose turn it is.
    fn next(&self) -> Option<usize> {
        let lanes = self.lanes.iter().enumerate();
        let ready = lanes.filter(|(_, lane)| lane.is_ready());
        ready.min_by_key(|(_, lane)| lane.spent).map(|(at, _)| at)
    }
}

impl Lane {
    fn is_active(&self) -> bool {
        self.busy || !self.waiting.is_empty()
    }

    fn is_ready(&self) -> bool {
        !self.busy && !self.waiting.is_empty()
    }

    fn lowest(&self) -> Option<u64> {
        let taken = self.taken.iter().map(|taken| taken.seq).min();
        let waiting = self.waiting.front().map(|entry| entry.seq);
        taken.into_iter().chain(waiting).min()
    }
}

/// Tells whether a thread gets the processor whenever it wants it.
struct Pace {
    began: Instant,
    /// The processor time that the thread had used by then.
    used: Duration,
}

impl Pace {
    fn start() -> Self {
        Self {
            began: Instant::now(),
            used: processor_time(),
        }
    }

    /// Says whether the thread ran for less than two thirds of the time since
    /// the window began; starts another window where this one is over.
    fn is_contended(&mut self) -> bool {
        let elapsed = self.began.elapsed();
        if elapsed < PACE_WINDOW {
            return false;
        }
        let used = processor_time().saturating_sub(self.used);
        *self = Self::start();
        used < elapsed * 2 / 3
    }
}

/// Returns the processor time that this thread has used.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Which time a delivery is verified.
#[derive(Clone, Copy)]
enum Time {
    First,
    Again,
}

fn size_of_delivery(delivery: &Delivery) -> usize {
    512 + delivery.request.body.len()
}

/// Reads a delivery that is no longer in memory; `None` where it is gone or
/// damaged.
fn read(shared: &Shared, seq: u64, rows: &mut Rows) -> Option<Delivery> {
    let listed = rows.listed(shared, seq).ok()??;
    let delivery = read_delivery(&shared.segments, listed.place).ok()??;
    (delivery.seq == seq).then_some(delivery)
}

/// Asks what the configuration says of a delivery. A mistake there must not
/// cost the delivery its verdict for ever.
fn assessed(assess: &dyn Assess, delivery: &Delivery, time: Time) -> Assessment {
    let ask = || {
        let endpoint = delivery.endpoint.as_deref();
        let (request, at) = (&delivery.request, delivery.received_at);
        match time {
            Time::First => assess.assess(endpoint, request, at),
            Time::Again => assess.assess_again(endpoint, request, at),
        }
    };
    catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|_| Assessment {
        provider: None,
        event: None,
        delivery_id: None,
        group: None,
        verification: Verification::new(Status::UnknownProvider),
        pin: None,
    })
}
