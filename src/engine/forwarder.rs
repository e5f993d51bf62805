//! Forwards the deliveries of one target's queue: several in parallel, those of
//! one event one after the other.
//!
//! A delivery is held back while an earlier arrival of its event is in flight,
//! waiting or failing. During an outage of the app one delivery at a time is
//! tried, with exponential backoff. A delivery that the app accepts and never
//! answers, while it answers others, is parked: it stays owed, holds back only
//! its own event and is retried with its own backoff.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::forward_one::{ForwardOutcome, Loaded, forward_one, warn_unpersisted};
use super::local::{Local, run_blocking};
use super::target_queue::TargetQueue;
use crate::domain::delivery::Delivery;
use crate::domain::event_key::EventKey;
use crate::store::NewAttempt;

/// The first backoff after an app did not answer; it doubles with each failure.
const MIN_BACKOFF: Duration = Duration::from_millis(250);

/// The longest backoff.
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// A new delivery ends a backoff that has lasted this long.
const NEW_DELIVERY_BACKOFF: Duration = Duration::from_secs(1);

/// The first backoff of a parked delivery.
const MIN_PARKED_BACKOFF: Duration = Duration::from_secs(2);

/// The longest backoff of a parked delivery.
const MAX_PARKED_BACKOFF: Duration = Duration::from_mins(5);

/// The backoff of a parked delivery is at least this many times the duration of
/// its last try, so that it takes little of the app's time.
const PARKED_BACKOFF_FACTOR: u32 = 10;

/// Number of tries of a delivery that the app accepts and does not answer,
/// before the delivery is parked.
const MAX_UNANSWERED_ATTEMPTS: u32 = 5;

/// Maximum number of responses that wait to be persisted, as a multiple of the
/// parallel limit. Slows sending down if the disk is slow.
const MAX_UNPERSISTED_FACTOR: usize = 4;

/// Maximum number of deliveries that are held back by earlier arrivals of their
/// events; beyond it newer deliveries wait too.
const MAX_HELD_BACK: usize = 16_384;

/// Deliveries with a smaller body, in bytes, need no permit of
/// [`TargetQueues::memory`].
///
/// [`TargetQueues::memory`]: super::target_queue::TargetQueues::memory
const SMALL_BODY_BYTES: usize = 64 << 10;

/// Forwards the deliveries of one queue.
pub(super) struct Forwarder {
    local: Arc<Local>,
    queue: Arc<TargetQueue>,
    shutdown: CancellationToken,
    changes: watch::Receiver<()>,
    recovered: watch::Receiver<u64>,
    /// The sequence number up to which the queue was read.
    cursor: u64,
    /// The deliveries that were read and are not complete.
    known: HashMap<u64, DeliveryState>,
    /// The delivery that was read last, if it is sent next.
    loaded: Option<Box<Delivery>>,
    /// The deliveries that may be sent.
    ready: BTreeSet<u64>,
    /// The known arrivals of each event; only the first one may be sent.
    events: HashMap<EventKey, BTreeSet<u64>>,
    parked: BTreeMap<u64, Parked>,
    in_flight: JoinSet<CompletedExchange>,
    /// The deliveries in flight, by task.
    tasks: HashMap<Id, u64>,
    /// Permits for further parallel sends.
    free: Arc<Semaphore>,
    /// Notified when a permit is released.
    freed: Arc<Notify>,
    outage: Option<Outage>,
    /// When the app last answered.
    answered: Option<Instant>,
    /// The newest delivery of the queue for which a backoff was shortened.
    newest: u64,
}

/// The state of a delivery that was read.
#[derive(Default)]
struct DeliveryState {
    event: Option<EventKey>,
    /// How often the app accepted it and did not answer.
    silent: u32,
    /// Whether a failed attempt was stored. Only the first one is.
    kept: bool,
}

/// A parked delivery.
struct Parked {
    due: Instant,
    backoff: Duration,
}

/// An outage of the app.
struct Outage {
    backoff: Duration,
    /// When the backoff began.
    since: Instant,
    /// When the app is tried again.
    until: Instant,
    /// The delivery that is being tried.
    probe: Option<u64>,
    /// Whether the app accepts connections.
    silent: bool,
}

/// The result of one exchange.
struct CompletedExchange {
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
            changes: local.response_plans.changes(),
            recovered: local.apps.add(&queue.origin),
            local: Arc::clone(local),
            queue: Arc::clone(queue),
            shutdown: shutdown.clone(),
            cursor: 0,
            known: HashMap::new(),
            loaded: None,
            ready: BTreeSet::new(),
            events: HashMap::new(),
            parked: BTreeMap::new(),
            in_flight: JoinSet::new(),
            tasks: HashMap::new(),
            free: Arc::new(Semaphore::new(queue.limit.at_once as usize)),
            freed: Arc::default(),
            outage: None,
            answered: None,
            newest: 0,
        }
    }

    /// Forwards until `shutdown`, then waits a short time for deliveries in
    /// flight.
    pub(super) async fn run(mut self) {
        while !self.shutdown.is_cancelled() {
            self.fill_slots();
            let wake = self.next_deadline();
            let wait = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(done) = self.in_flight.join_next_with_id() => self.finish(done).await,
                () = self.queue.changed.notified() => self.sync_with_queue(),
                Ok(()) = self.recovered.changed() => self.end_backoff(),
                Ok(()) = self.changes.changed() => self.retry_all(),
                () = self.freed.notified() => {}
                () = wait => {}
                () = self.shutdown.cancelled() => {}
            }
        }
        while let Some(done) = self.in_flight.join_next_with_id().await {
            self.finish(done).await;
        }
    }

    /// Starts as many exchanges as the limits allow.
    fn fill_slots(&mut self) {
        let most = self.queue.limit.at_once as usize * (1 + MAX_UNPERSISTED_FACTOR);
        while self.in_flight.len() < most
            && let Ok(free) = Arc::clone(&self.free).try_acquire_owned()
            && let Some(seq) = run_blocking(|| self.next_delivery())
            && run_blocking(|| self.send(seq, free))
        {}
    }

    /// Returns the next delivery to send, if any.
    fn next_delivery(&mut self) -> Option<u64> {
        let now = Instant::now();
        if let Some(outage) = &self.outage {
            if outage.probe.is_some() || now < outage.until {
                return None;
            }
            let rotates = outage.silent && self.queue.limit.at_once > 1;
            return self.next_probe(rotates).or_else(|| self.next_parked(now));
        }
        self.next_parked(now).or_else(|| self.next_ready())
    }

    /// Returns the delivery to try during an outage. An app that accepts
    /// connections is tried with deliveries that it has not left unanswered
    /// yet.
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

    /// Reads deliveries of the queue older than `before` until one may be sent.
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
                // It is added to the queue again once it is released.
                Loaded::HeldBack => continue,
                Loaded::NotOwed => {
                    self.local.queues.finish(seq);
                    continue;
                }
            };
            let event = self.event_of(&delivery);
            let known = DeliveryState {
                event,
                ..DeliveryState::default()
            };
            self.known.insert(seq, known);
            if self.register_arrival(event, seq) {
                self.ready.insert(seq);
                self.loaded = Some(delivery);
                return Some(seq);
            }
        }
    }

    /// Returns the next parked delivery that is due, unless one is in flight.
    fn next_parked(&self, now: Instant) -> Option<u64> {
        if self.tasks.values().any(|seq| self.parked.contains_key(seq)) {
            return None;
        }
        let mut due = self.parked.iter().filter(|(_, parked)| parked.due <= now);
        due.next().map(|(seq, _)| *seq)
    }

    fn event_of(&self, delivery: &Delivery) -> Option<EventKey> {
        let endpoint = delivery.endpoint.as_deref();
        self.local
            .assessor()
            .ordered_event(endpoint, &delivery.request)
    }

    /// Registers an arrival of an event. Returns `true` if it is the first one
    /// that is not complete.
    fn register_arrival(&mut self, event: Option<EventKey>, seq: u64) -> bool {
        let Some(event) = event else { return true };
        let arrivals = self.events.entry(event).or_default();
        arrivals.insert(seq);
        let first = arrivals.first() == Some(&seq);
        // An arrival added out of order precedes waiting ones, but not one in
        // flight.
        let later = arrivals.iter().nth(1).copied();
        if let Some(later) = later.filter(|_| first) {
            if self.tasks.values().any(|sent| *sent == later) {
                return false;
            }
            self.ready.remove(&later);
        }
        first
    }

    /// Starts to send a delivery; returns `false` if there is no memory for it.
    fn send(&mut self, seq: u64, free: OwnedSemaphorePermit) -> bool {
        let loaded = self.loaded.take().filter(|delivery| delivery.seq == seq);
        let loaded = loaded.map_or_else(|| self.local.load_owed(seq), Loaded::Owed);
        let delivery = match loaded {
            Loaded::Owed(delivery) => delivery,
            Loaded::HeldBack => {
                self.forget(seq);
                return true;
            }
            Loaded::NotOwed => {
                self.complete(seq);
                return true;
            }
        };
        let Some(to) = self.local.destination_of(&delivery) else {
            self.complete(seq);
            return true;
        };
        let Some(memory) = self.reserve_memory(delivery.request.body.len()) else {
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
            let _room = memory;
            let slot = tokio::select! {
                slot = slots.acquire() => slot,
                () = shutdown.cancelled() => {
                    let (outcome, began) = (ForwardOutcome::Cancelled, Instant::now());
                    return CompletedExchange { outcome, began };
                }
            };
            let began = Instant::now();
            let (mut slot, mut free) = (Some(slot), Some(free));
            let next_may_go = || {
                // In strict order the attempt is stored before the next
                // delivery is sent.
                if !is_strict {
                    (slot, free) = (None, None);
                    freed.notify_one();
                }
            };
            let outcome = forward_one(&local, delivery, to, next_may_go, &shutdown).await;
            CompletedExchange { outcome, began }
        });
        self.tasks.insert(task.id(), seq);
        true
    }

    /// Acquires memory for a body, if it needs a permit; `None` if there is
    /// none. The first delivery in flight is always sent.
    #[expect(clippy::option_option, reason = "the inner one is a permit to hold")]
    fn reserve_memory(&self, size: usize) -> Option<Option<OwnedSemaphorePermit>> {
        if size < SMALL_BODY_BYTES {
            return Some(None);
        }
        let memory: &Arc<Semaphore> = &self.local.queues.memory;
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        match Arc::clone(memory).try_acquire_many_owned(size) {
            Ok(permit) => Some(Some(permit)),
            Err(_) if self.in_flight.is_empty() => Some(None),
            Err(_) => None,
        }
    }

    /// Handles the end of an exchange.
    async fn finish(&mut self, done: Result<(Id, CompletedExchange), JoinError>) {
        let (id, sent) = match done {
            Ok((id, sent)) => (id, Some(sent)),
            Err(error) => (error.id(), None),
        };
        let Some(seq) = self.tasks.remove(&id) else {
            return;
        };
        let Some(CompletedExchange { outcome, began }) = sent else {
            // The task panicked. The panic hook has reported it; other
            // deliveries continue.
            self.park(seq, Duration::ZERO);
            return;
        };
        match outcome {
            ForwardOutcome::Answered => {
                self.answered = Some(Instant::now());
                self.complete(seq);
                self.end_outage();
            }
            ForwardOutcome::Unsendable => self.complete(seq),
            ForwardOutcome::Unanswered { attempt, connected } => {
                self.handle_unanswered(seq, began, *attempt, connected)
                    .await;
            }
            ForwardOutcome::Cancelled => {}
        }
        if let Some(outage) = &mut self.outage
            && outage.probe == Some(seq)
        {
            outage.probe = None;
        }
    }

    /// Handles a delivery that was not answered.
    async fn handle_unanswered(
        &mut self,
        seq: u64,
        began: Instant,
        attempt: NewAttempt,
        connected: bool,
    ) {
        // The failure may concern this delivery only.
        let answers_others = self.answered.is_some_and(|answered| answered > began);
        let oldest = self.ready.first().into_iter().chain(self.tasks.values());
        let is_oldest = oldest.min().is_none_or(|oldest| seq < *oldest);
        let known = self.known.entry(seq).or_default();
        known.silent += u32::from(connected);
        let silent = known.silent;
        // If the app accepts no connections, one stored attempt is enough.
        if !known.kept && (connected || is_oldest) {
            known.kept = true;
            warn_unpersisted(
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
        if self.parked.contains_key(&seq) || (connected && answers_others) {
            self.park(seq, took);
            if !connected {
                self.note_outage(seq, connected);
            }
            return;
        }
        if connected {
            let now = self.local.clock.now();
            self.local.apps.record_no_answer(&self.queue.origin, now);
        }
        self.note_outage(seq, connected);
        if connected && silent >= MAX_UNANSWERED_ATTEMPTS {
            self.park(seq, took);
            if let Some(outage) = &mut self.outage {
                outage.backoff = MIN_BACKOFF;
                outage.until = Instant::now();
            }
        } else {
            self.ready.insert(seq);
        }
    }

    /// Starts an outage, or extends its backoff after another failed try.
    fn note_outage(&mut self, seq: u64, connected: bool) {
        let now = Instant::now();
        let backoff = match &self.outage {
            None => MIN_BACKOFF,
            Some(outage) if outage.probe == Some(seq) => (outage.backoff * 2).min(MAX_BACKOFF),
            // It was sent before the outage.
            Some(_) => return,
        };
        self.newest = self.queue.newest();
        self.outage = Some(Outage {
            backoff,
            since: now,
            until: now + backoff,
            probe: None,
            silent: connected,
        });
    }

    /// Ends an outage and parks the deliveries that were accepted and not
    /// answered.
    fn end_outage(&mut self) {
        if self.outage.take().is_none() {
            return;
        }
        let unanswered = |seq: &&u64| self.known.get(seq).is_some_and(|known| known.silent > 0);
        let silent: Vec<u64> = self.ready.iter().filter(unanswered).copied().collect();
        for seq in silent {
            self.park(seq, Duration::ZERO);
        }
    }

    /// Parks a delivery, so that it does not delay others. `took` is the
    /// duration of its last try.
    fn park(&mut self, seq: u64, took: Duration) {
        self.ready.remove(&seq);
        let backoff = if let Some(before) = self.parked.get(&seq) {
            (before.backoff * 2).min(MAX_PARKED_BACKOFF)
        } else {
            let id = self.local.id_of(seq);
            tracing::warn!(%id, app = self.queue.target, "the app does not answer a delivery; later ones are sent before it");
            MIN_PARKED_BACKOFF
        };
        let due = Instant::now() + backoff.max(took * PARKED_BACKOFF_FACTOR);
        self.parked.insert(seq, Parked { due, backoff });
    }

    /// Completes a delivery that is no longer owed.
    fn complete(&mut self, seq: u64) {
        self.local.queues.finish(seq);
        self.forget(seq);
    }

    /// Removes a delivery from the state and releases the next arrival of its
    /// event. If it is added again, it is read again.
    fn forget(&mut self, seq: u64) {
        self.ready.remove(&seq);
        self.parked.remove(&seq);
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
                if !is_sent && !self.parked.contains_key(&next) {
                    self.ready.insert(next);
                }
            }
            None => {
                self.events.remove(&event);
            }
        }
    }

    /// Processes additions to and removals from the queue.
    fn sync_with_queue(&mut self) {
        if let Some(late) = self.queue.take_late() {
            self.cursor = self.cursor.min(late - 1);
        }
        let gone = |seq: &u64| !self.queue.has(*seq);
        let gone: Vec<u64> = self.parked.keys().copied().filter(gone).collect();
        for seq in gone {
            if !self.tasks.values().any(|sent| *sent == seq) {
                self.forget(seq);
            }
        }
        let newest = self.queue.newest();
        if newest > self.newest {
            self.newest = newest;
            if let Some(outage) = &mut self.outage {
                outage.until = outage.until.min(outage.since + NEW_DELIVERY_BACKOFF);
            }
        }
    }

    /// Ends the backoff, so that the app is tried immediately.
    fn end_backoff(&mut self) {
        if let Some(outage) = &mut self.outage {
            outage.until = Instant::now();
        }
    }

    /// Retries all deliveries immediately, after a change of the response
    /// plans.
    fn retry_all(&mut self) {
        self.end_backoff();
        let now = Instant::now();
        for parked in self.parked.values_mut() {
            parked.due = now;
        }
    }

    /// Returns the next time at which a backoff ends.
    fn next_deadline(&self) -> Option<Instant> {
        let outage = self.outage.as_ref().filter(|o| o.probe.is_none());
        let parked = self.parked.values().map(|parked| parked.due);
        let now = Instant::now();
        let times = outage.map(|outage| outage.until).into_iter().chain(parked);
        times.filter(|at| *at > now).min()
    }
}
