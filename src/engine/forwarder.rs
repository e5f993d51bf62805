//! Sends what waits for one target: several deliveries at once, those of one
//! event one after the other.
//!
//! A delivery whose event has an earlier arrival in flight, waiting or failing
//! is held back until that one is answered. While the app does not answer, one
//! delivery at a time is tried after growing pauses. A delivery that the app
//! takes and never answers, while it answers others, is set aside: it stays
//! owed, holds back its own event alone, and is tried again with its own
//! growing pauses.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::local::{Local, aside};
use super::onward::{ForwardOutcome, Loaded, forward_one, warn_unkept};
use super::target_queue::TargetQueue;
use crate::domain::delivery::Delivery;
use crate::domain::event::EventKey;
use crate::store::NewAttempt;

/// The first pause after an app did not answer; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A new delivery ends a pause that has lasted so long.
const PAUSE_ENDED_BY_NEW: Duration = Duration::from_secs(1);

/// The first pause of a delivery that is set aside.
const FIRST_ASIDE_PAUSE: Duration = Duration::from_secs(2);

/// The longest pause of a delivery that is set aside.
const LONGEST_ASIDE_PAUSE: Duration = Duration::from_mins(5);

/// The pause of a delivery that is set aside is at least so many times as long
/// as its last try took, so that it takes little of the app's time from others.
const ASIDE_PAUSE_FACTOR: u32 = 10;

/// How often an app that takes connections is sent a delivery it does not
/// answer, before that one is set aside for the sake of the others.
const SILENT_TRIES: u32 = 5;

/// How many responses may wait to be kept, as a multiple of how many
/// deliveries are sent at once: a disk that is slow slows sending down.
const MAX_UNKEPT_FACTOR: usize = 4;

/// How many deliveries may be held back behind earlier arrivals of their
/// events; beyond it, newer deliveries wait too.
const MAX_HELD_BACK: usize = 16_384;

/// Deliveries below this size, in bytes, need no room of [`Queues::room`].
///
/// [`Queues::room`]: super::target_queue::Queues::room
const SMALL_BYTES: usize = 64 << 10;

/// Sends what waits in one queue.
pub(super) struct Forwarder {
    local: Arc<Local>,
    queue: Arc<TargetQueue>,
    shutdown: CancellationToken,
    changes: watch::Receiver<()>,
    back: watch::Receiver<u64>,
    /// All up to here was looked at.
    cursor: u64,
    /// What was looked at and is not done.
    known: HashMap<u64, Known>,
    /// The one that was looked at last, where it is to be sent next.
    loaded: Option<Box<Delivery>>,
    /// Which of them may be sent.
    ready: BTreeSet<u64>,
    /// What is known of each event's arrivals; only the first may be sent.
    events: HashMap<EventKey, BTreeSet<u64>>,
    aside: BTreeMap<u64, SetAside>,
    in_flight: JoinSet<Sent>,
    /// What is in flight, by its task.
    tasks: HashMap<Id, u64>,
    /// How many more may be sent at once.
    free: Arc<Semaphore>,
    /// Notified when one more may be sent.
    freed: Arc<Notify>,
    outage: Option<Outage>,
    /// When the app answered last.
    answered: Option<Instant>,
    /// The newest delivery of the queue that a pause was shortened for.
    newest: u64,
}

/// What is known of a delivery that was looked at.
#[derive(Default)]
struct Known {
    event: Option<EventKey>,
    /// How often the app took it and did not answer.
    silent: u32,
    /// Whether a failure is kept: the first one is.
    kept: bool,
}

/// A delivery that the app takes and does not answer.
struct SetAside {
    due: Instant,
    pause: Duration,
}

/// A time during which the app does not answer.
struct Outage {
    pause: Duration,
    /// When the pause began.
    since: Instant,
    /// When the app is tried again.
    until: Instant,
    /// The delivery that is being tried.
    probe: Option<u64>,
    /// Whether the app takes connections.
    silent: bool,
}

/// The end of one exchange.
struct Sent {
    outcome: ForwardOutcome,
    began: Instant,
}

impl Forwarder {
    pub(super) fn new(
        local: &Arc<Local>,
        queue: &Arc<TargetQueue>,
        shutdown: &CancellationToken,
    ) -> Self {
        Self {
            changes: local.answering.changes(),
            back: local.apps.add(&queue.origin),
            local: Arc::clone(local),
            queue: Arc::clone(queue),
            shutdown: shutdown.clone(),
            cursor: 0,
            known: HashMap::new(),
            loaded: None,
            ready: BTreeSet::new(),
            events: HashMap::new(),
            aside: BTreeMap::new(),
            in_flight: JoinSet::new(),
            tasks: HashMap::new(),
            free: Arc::new(Semaphore::new(queue.limit.at_once as usize)),
            freed: Arc::default(),
            outage: None,
            answered: None,
            newest: 0,
        }
    }

    /// Sends until `shutdown`, then waits for what is in flight, but not long.
    pub(super) async fn run(mut self) {
        while !self.shutdown.is_cancelled() {
            self.send_what_may_be();
            let wake = self.next_time();
            let wait = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(done) = self.in_flight.join_next_with_id() => self.finish(done).await,
                () = self.queue.changed.notified() => self.look_at_queue(),
                Ok(()) = self.back.changed() => self.end_pause(),
                Ok(()) = self.changes.changed() => self.try_all_now(),
                () = self.freed.notified() => {}
                () = wait => {}
                () = self.shutdown.cancelled() => {}
            }
        }
        while let Some(done) = self.in_flight.join_next_with_id().await {
            self.finish(done).await;
        }
    }

    /// Begins as many exchanges as there may be.
    fn send_what_may_be(&mut self) {
        let most = self.queue.limit.at_once as usize * (1 + MAX_UNKEPT_FACTOR);
        while self.in_flight.len() < most
            && let Ok(free) = Arc::clone(&self.free).try_acquire_owned()
            && let Some(seq) = aside(|| self.pick())
            && aside(|| self.send(seq, free))
        {}
    }

    /// Returns the delivery to be sent next, if any.
    fn pick(&mut self) -> Option<u64> {
        let now = Instant::now();
        if let Some(outage) = &self.outage {
            if outage.probe.is_some() || now < outage.until {
                return None;
            }
            let rotates = outage.silent && self.queue.limit.at_once > 1;
            return self.next_probe(rotates).or_else(|| self.next_aside(now));
        }
        self.next_aside(now).or_else(|| self.next_ready())
    }

    /// Returns the delivery with which an app is tried that does not answer.
    /// One that takes connections is tried with others than it left unanswered.
    fn next_probe(&mut self, rotates: bool) -> Option<u64> {
        if !rotates {
            return self.next_ready();
        }
        let tries = |seq: &u64| self.known.get(seq).map_or(0, |known| known.silent);
        let least = self
            .ready
            .iter()
            .copied()
            .min_by_key(|seq| (tries(seq), *seq));
        match least {
            Some(seq) if tries(&seq) == 0 => Some(seq),
            _ => self.next_unknown(u64::MAX).or(least),
        }
    }

    /// Returns the oldest delivery that may be sent.
    fn next_ready(&mut self) -> Option<u64> {
        let first = self.ready.first().copied();
        self.next_unknown(first.unwrap_or(u64::MAX)).or(first)
    }

    /// Looks at deliveries of the queue that are older than `before`, until
    /// one is found that may be sent.
    fn next_unknown(&mut self, before: u64) -> Option<u64> {
        loop {
            let held_back = self.known.len() - self.ready.len();
            if held_back > MAX_HELD_BACK {
                return None;
            }
            let seq = self.queue.next(self.cursor).filter(|seq| *seq < before)?;
            self.cursor = seq;
            if self.known.contains_key(&seq) {
                continue;
            }
            let delivery = match self.local.load_owed(seq) {
                Loaded::Owed(delivery) => delivery,
                // It is added again when that is over.
                Loaded::HeldBack => continue,
                Loaded::Gone => {
                    self.local.queues.finish(seq);
                    continue;
                }
            };
            let event = self.event_of(&delivery);
            let known = Known {
                event,
                ..Known::default()
            };
            self.known.insert(seq, known);
            if self.is_first_of(event, seq) {
                self.ready.insert(seq);
                self.loaded = Some(delivery);
                return Some(seq);
            }
        }
    }

    /// Returns the delivery whose turn it is of those that are set aside; one
    /// at a time.
    fn next_aside(&self, now: Instant) -> Option<u64> {
        if self.tasks.values().any(|seq| self.aside.contains_key(seq)) {
            return None;
        }
        let mut due = self.aside.iter().filter(|(_, aside)| aside.due <= now);
        due.next().map(|(seq, _)| *seq)
    }

    fn event_of(&self, delivery: &Delivery) -> Option<EventKey> {
        let endpoint = delivery.endpoint.as_deref();
        self.local
            .assessor()
            .ordered_event(endpoint, &delivery.request)
    }

    /// Notes a delivery among its event's arrivals; says whether it is the
    /// first of them that is not done.
    fn is_first_of(&mut self, event: Option<EventKey>, seq: u64) -> bool {
        let Some(event) = event else { return true };
        let arrivals = self.events.entry(event).or_default();
        arrivals.insert(seq);
        let first = arrivals.first() == Some(&seq);
        // One that was added out of turn comes before what waits, but not
        // before what is in flight.
        let later = arrivals.iter().nth(1).copied();
        if let Some(later) = later.filter(|_| first) {
            if self.tasks.values().any(|sent| *sent == later) {
                return false;
            }
            self.ready.remove(&later);
        }
        first
    }

    /// Begins to send a delivery; false where there is no room for it now.
    fn send(&mut self, seq: u64, free: OwnedSemaphorePermit) -> bool {
        let loaded = self.loaded.take().filter(|delivery| delivery.seq == seq);
        let loaded = loaded.map_or_else(|| self.local.load_owed(seq), Loaded::Owed);
        let delivery = match loaded {
            Loaded::Owed(delivery) => delivery,
            Loaded::HeldBack => {
                self.forget(seq);
                return true;
            }
            Loaded::Gone => {
                self.done(seq);
                return true;
            }
        };
        let Some(to) = self.local.destination_of(&delivery) else {
            self.done(seq);
            return true;
        };
        let Some(room) = self.room_for(delivery.request.body.len()) else {
            self.loaded = Some(delivery);
            return false;
        };
        self.ready.remove(&seq);
        if let Some(outage) = &mut self.outage {
            outage.probe = Some(seq);
        }
        let (local, shutdown) = (Arc::clone(&self.local), self.shutdown.clone());
        let (slots, freed) = (Arc::clone(&self.queue.slots), Arc::clone(&self.freed));
        let is_strict = self.queue.limit.at_once == 1;
        let task = self.in_flight.spawn(async move {
            let _room = room;
            let slot = tokio::select! {
                slot = slots.acquire() => slot,
                () = shutdown.cancelled() => {
                    let (outcome, began) = (ForwardOutcome::Ended, Instant::now());
                    return Sent { outcome, began };
                }
            };
            let began = Instant::now();
            let (mut slot, mut free) = (Some(slot), Some(free));
            let next_may_go = || {
                // Strict order means that the record comes before the next one.
                if !is_strict {
                    (slot, free) = (None, None);
                    freed.notify_one();
                }
            };
            let outcome = forward_one(&local, delivery, to, next_may_go, &shutdown).await;
            Sent { outcome, began }
        });
        self.tasks.insert(task.id(), seq);
        true
    }

    /// Takes room for a body, where it needs any; `None`: there is none now.
    /// The first in flight is sent in any case.
    #[expect(clippy::option_option, reason = "the inner one is a permit to hold")]
    fn room_for(&self, size: usize) -> Option<Option<OwnedSemaphorePermit>> {
        if size < SMALL_BYTES {
            return Some(None);
        }
        let room: &Arc<Semaphore> = &self.local.queues.room;
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        match Arc::clone(room).try_acquire_many_owned(size) {
            Ok(permit) => Some(Some(permit)),
            Err(_) if self.in_flight.is_empty() => Some(None),
            Err(_) => None,
        }
    }

    /// Takes note of the end of an exchange.
    async fn finish(&mut self, done: Result<(Id, Sent), JoinError>) {
        let (id, sent) = match done {
            Ok((id, sent)) => (id, Some(sent)),
            Err(error) => (error.id(), None),
        };
        let Some(seq) = self.tasks.remove(&id) else {
            return;
        };
        let Some(Sent { outcome, began }) = sent else {
            // It panicked, which was said; the others go on.
            self.set_aside(seq, Duration::ZERO);
            return;
        };
        match outcome {
            ForwardOutcome::Answered => {
                self.answered = Some(Instant::now());
                self.done(seq);
                self.end_outage();
            }
            ForwardOutcome::Unsendable => self.done(seq),
            ForwardOutcome::Unanswered { attempt, connected } => {
                self.unanswered(seq, began, *attempt, connected).await;
            }
            ForwardOutcome::Ended => {}
        }
        if let Some(outage) = &mut self.outage
            && outage.probe == Some(seq)
        {
            outage.probe = None;
        }
    }

    /// Takes note that a delivery was not answered.
    async fn unanswered(&mut self, seq: u64, began: Instant, attempt: NewAttempt, connected: bool) {
        // What one delivery meets is not what all meet.
        let answers_others = self.answered.is_some_and(|answered| answered > began);
        let oldest = self.ready.first().into_iter().chain(self.tasks.values());
        let is_oldest = oldest.min().is_none_or(|oldest| seq < *oldest);
        let known = self.known.entry(seq).or_default();
        known.silent += u32::from(connected);
        let silent = known.silent;
        // Of an app that takes no connections, the delivery that is tried says
        // enough.
        if !known.kept && (connected || is_oldest) {
            known.kept = true;
            warn_unkept(
                self.local
                    .store
                    .append_attempt(attempt)
                    .await
                    .err()
                    .as_ref(),
            );
        }
        if !self.queue.has(seq) {
            self.forget(seq);
            return;
        }
        let took = began.elapsed();
        if self.aside.contains_key(&seq) || (connected && answers_others) {
            self.set_aside(seq, took);
            if !connected {
                self.note_outage(seq, connected);
            }
            return;
        }
        if connected {
            let now = self.local.clock.now();
            self.local.apps.silent(&self.queue.origin, now);
        }
        self.note_outage(seq, connected);
        if connected && silent >= SILENT_TRIES {
            self.set_aside(seq, took);
            if let Some(outage) = &mut self.outage {
                outage.pause = FIRST_PAUSE;
                outage.until = Instant::now();
            }
        } else {
            self.ready.insert(seq);
        }
    }

    /// Begins an outage, or makes its pause longer after another try.
    fn note_outage(&mut self, seq: u64, connected: bool) {
        let now = Instant::now();
        let pause = match &self.outage {
            None => FIRST_PAUSE,
            Some(outage) if outage.probe == Some(seq) => (outage.pause * 2).min(LONGEST_PAUSE),
            // It was sent before.
            Some(_) => return,
        };
        self.newest = self.queue.newest();
        self.outage = Some(Outage {
            pause,
            since: now,
            until: now + pause,
            probe: None,
            silent: connected,
        });
    }

    /// Ends an outage: what was taken and not answered while others are is set
    /// aside.
    fn end_outage(&mut self) {
        if self.outage.take().is_none() {
            return;
        }
        let unanswered = |seq: &&u64| self.known.get(seq).is_some_and(|known| known.silent > 0);
        let silent: Vec<u64> = self.ready.iter().filter(unanswered).copied().collect();
        for seq in silent {
            self.set_aside(seq, Duration::ZERO);
        }
    }

    /// Leaves a delivery that the app takes and does not answer, so that it
    /// does not hold up the others; its last try took so long.
    fn set_aside(&mut self, seq: u64, took: Duration) {
        self.ready.remove(&seq);
        let pause = if let Some(before) = self.aside.get(&seq) {
            (before.pause * 2).min(LONGEST_ASIDE_PAUSE)
        } else {
            let id = self.local.id_of(seq);
            tracing::warn!(%id, app = self.queue.target, "the app does not answer a delivery; the next ones go on");
            FIRST_ASIDE_PAUSE
        };
        let due = Instant::now() + pause.max(took * ASIDE_PAUSE_FACTOR);
        self.aside.insert(seq, SetAside { due, pause });
    }

    /// Forgets a delivery that is not owed any more.
    fn done(&mut self, seq: u64) {
        self.local.queues.finish(seq);
        self.forget(seq);
    }

    /// Lets the next arrival of a delivery's event go, and looks at the
    /// delivery afresh where it is added again.
    fn forget(&mut self, seq: u64) {
        self.ready.remove(&seq);
        self.aside.remove(&seq);
        let known = self.known.remove(&seq);
        let Some(event) = known.and_then(|known| known.event) else {
            return;
        };
        let Some(arrivals) = self.events.get_mut(&event) else {
            return;
        };
        arrivals.remove(&seq);
        match arrivals.first().copied() {
            Some(next) => {
                let is_sent = self.tasks.values().any(|sent| *sent == next);
                if !is_sent && !self.aside.contains_key(&next) {
                    self.ready.insert(next);
                }
            }
            None => {
                self.events.remove(&event);
            }
        }
    }

    /// Takes note of what was added to the queue or taken from it.
    fn look_at_queue(&mut self) {
        if let Some(late) = self.queue.take_late() {
            self.cursor = self.cursor.min(late - 1);
        }
        let gone = |seq: &u64| !self.queue.has(*seq);
        let gone: Vec<u64> = self.aside.keys().copied().filter(gone).collect();
        for seq in gone {
            if !self.tasks.values().any(|sent| *sent == seq) {
                self.forget(seq);
            }
        }
        let newest = self.queue.newest();
        if newest > self.newest {
            self.newest = newest;
            if let Some(outage) = &mut self.outage {
                outage.until = outage.until.min(outage.since + PAUSE_ENDED_BY_NEW);
            }
        }
    }

    /// Tries the app again at once.
    fn end_pause(&mut self) {
        if let Some(outage) = &mut self.outage {
            outage.until = Instant::now();
        }
    }

    /// Tries everything again at once, because something else is to be done.
    fn try_all_now(&mut self) {
        self.end_pause();
        let now = Instant::now();
        for aside in self.aside.values_mut() {
            aside.due = now;
        }
    }

    /// Returns when something is to be done by the passing of time alone.
    fn next_time(&self) -> Option<Instant> {
        let outage = self.outage.as_ref().filter(|o| o.probe.is_none());
        let aside = self.aside.values().map(|aside| aside.due);
        let now = Instant::now();
        let times = outage.map(|outage| outage.until).into_iter().chain(aside);
        times.filter(|at| *at > now).min()
    }
}
