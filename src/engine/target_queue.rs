//! Queues the deliveries that wait for each target, in the order of arrival.
//!
//! The store is the source of truth. The queues contain sequence numbers only
//! and are filled at every start.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};

use crate::domain::route::{Destination, ParallelLimit, origin};
use crate::domain::timestamp::Timestamp;

/// Approximate maximum of bytes of larger deliveries in flight to all targets.
/// Each target may always have one, whatever its size.
const IN_FLIGHT_BYTES: usize = 128 << 20;

/// The queues of all targets.
pub(super) struct TargetQueues {
    all: Mutex<Vec<Arc<TargetQueue>>>,
    /// Permits for parallel requests by target; settings of one target share
    /// them.
    slots: Mutex<HashMap<String, Slots>>,
    /// During a repeated scan: the deliveries completed since its start, as
    /// their rows may have been read before.
    finished: Mutex<Option<HashSet<u64>>>,
    /// Notified when the number of waiting deliveries may have changed.
    pub(super) changed: Notify,
    /// Permits for larger deliveries in flight, in bytes.
    pub(super) memory: Arc<Semaphore>,
}

/// The deliveries that wait for one target under one parallel limit.
pub(super) struct TargetQueue {
    /// The target as configured.
    pub(super) target: String,
    /// Its app: scheme, host and port.
    pub(super) origin: String,
    /// The limit of deliveries in flight.
    pub(super) limit: ParallelLimit,
    /// Permits for parallel requests to this target under all settings.
    pub(super) slots: Arc<Semaphore>,
    state: Mutex<QueueState>,
    /// Notified when a delivery was added or removed.
    pub(super) changed: Notify,
}

#[derive(Default)]
struct QueueState {
    /// The time of arrival by sequence number.
    owed: BTreeMap<u64, Timestamp>,
    /// The newest delivery that was ever added.
    newest: u64,
    /// The oldest delivery that was added after a newer one.
    late: Option<u64>,
}

struct Slots {
    free: Arc<Semaphore>,
    count: u32,
}

/// The number of waiting deliveries and the age of the oldest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct QueueDepth {
    /// Their number.
    pub(super) count: u64,
    /// When the oldest was received.
    pub(super) oldest: Option<Timestamp>,
}

impl Default for TargetQueues {
    fn default() -> Self {
        Self {
            all: Mutex::default(),
            slots: Mutex::default(),
            finished: Mutex::default(),
            changed: Notify::new(),
            memory: Arc::new(Semaphore::new(IN_FLIGHT_BYTES)),
        }
    }
}

impl TargetQueues {
    /// Returns the queue of a destination. Creates it and calls `begin` with it
    /// if there is none.
    pub(super) fn of(
        &self,
        to: &Destination,
        begin: impl FnOnce(&Arc<TargetQueue>),
    ) -> Arc<TargetQueue> {
        let mut all = lock(&self.all);
        if let Some(queue) = all.iter().find(|queue| queue.serves(to)) {
            return Arc::clone(queue);
        }
        let queue = Arc::new(TargetQueue {
            target: to.target.clone(),
            origin: origin(&to.target),
            slots: self.slots_of(to),
            limit: to.parallel.clone(),
            state: Mutex::default(),
            changed: Notify::new(),
        });
        all.push(Arc::clone(&queue));
        drop(all);
        begin(&queue);
        queue
    }

    /// Returns the permits of a target, as many as the largest limit of its
    /// settings.
    fn slots_of(&self, to: &Destination) -> Arc<Semaphore> {
        let mut all = lock(&self.slots);
        let slots = all.entry(to.target.clone()).or_insert_with(|| Slots {
            free: Arc::new(Semaphore::new(0)),
            count: 0,
        });
        let more = to.parallel.at_once.saturating_sub(slots.count);
        slots.free.add_permits(more as usize);
        slots.count += more;
        Arc::clone(&slots.free)
    }

    /// Adds a delivery to its queue, unless it was completed during a repeated
    /// scan.
    pub(super) fn add(&self, queue: &TargetQueue, seq: u64, received_at: Timestamp) {
        queue.add(seq, received_at);
        if lock(&self.finished)
            .as_ref()
            .is_some_and(|f| f.contains(&seq))
        {
            queue.remove(seq);
        }
        self.changed.notify_one();
    }

    /// Completes a delivery that is no longer owed, and removes it from its
    /// queue.
    pub(super) fn finish(&self, seq: u64) {
        if let Some(finished) = lock(&self.finished).as_mut() {
            finished.insert(seq);
        }
        self.withdraw(seq);
    }

    /// Removes a delivery from its queue.
    pub(super) fn withdraw(&self, seq: u64) {
        let all = lock(&self.all).clone();
        for queue in all {
            if queue.remove(seq) {
                self.changed.notify_one();
            }
        }
    }

    /// Sets whether the store is scanned again from its beginning.
    pub(super) fn set_rereading(&self, rereading: bool) {
        *lock(&self.finished) = rereading.then(HashSet::new);
    }

    /// Returns all waiting deliveries.
    pub(super) fn owed(&self) -> Vec<u64> {
        let all = lock(&self.all).clone();
        let mut owed = Vec::new();
        for queue in all {
            owed.extend(queue.lock().owed.keys());
        }
        owed.sort_unstable();
        owed
    }

    /// Returns the number of deliveries that wait for an app and the age of the
    /// oldest.
    pub(super) fn waiting(&self, origin: &str) -> QueueDepth {
        let mut waiting = QueueDepth::default();
        for queue in lock(&self.all).iter().filter(|q| q.origin == origin) {
            let state = queue.lock();
            waiting.count += state.owed.len() as u64;
            let oldest = state.owed.values().next().copied();
            waiting.oldest = [waiting.oldest, oldest].into_iter().flatten().min();
        }
        waiting
    }
}

impl TargetQueue {
    /// Returns `true` if deliveries to a destination belong to this queue.
    pub(super) fn serves(&self, to: &Destination) -> bool {
        self.target == to.target && self.limit == to.parallel
    }

    fn add(&self, seq: u64, received_at: Timestamp) {
        let mut state = self.lock();
        state.owed.insert(seq, received_at);
        if seq <= state.newest {
            let late = state.late.map_or(seq, |late| late.min(seq));
            state.late = Some(late);
        }
        state.newest = state.newest.max(seq);
        drop(state);
        self.changed.notify_one();
    }

    fn remove(&self, seq: u64) -> bool {
        let removed = self.lock().owed.remove(&seq).is_some();
        if removed {
            self.changed.notify_one();
        }
        removed
    }

    /// Returns `true` if a delivery still waits.
    pub(super) fn has(&self, seq: u64) -> bool {
        self.lock().owed.contains_key(&seq)
    }

    /// Returns the oldest delivery that is newer than `after`.
    pub(super) fn next(&self, after: u64) -> Option<u64> {
        let state = self.lock();
        let mut newer = state.owed.range((Bound::Excluded(after), Bound::Unbounded));
        newer.next().map(|(seq, _)| *seq)
    }

    /// Returns the newest delivery that was added.
    pub(super) fn newest(&self) -> u64 {
        self.lock().newest
    }

    /// Takes the oldest delivery that was added out of order.
    pub(super) fn take_late(&self) -> Option<u64> {
        self.lock().late.take()
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        lock(&self.state)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::route::Scope;

    fn to(target: &str, at_once: u32, scope: Scope) -> Destination {
        Destination {
            parallel: ParallelLimit { at_once, scope },
            ..Destination::to(target)
        }
    }

    #[test]
    fn waiting_deliveries_are_counted_by_app_with_the_age_of_the_oldest() {
        let queues = TargetQueues::default();
        let queue = |target: &str| queues.of(&Destination::to(target), |_| {});
        let (a, b, other) = (queue("http://h/a"), queue("http://h/b"), queue("http://o/"));
        for (queue, seq) in [(&a, 5), (&b, 3), (&a, 4), (&other, 1)] {
            queues.add(queue, seq, Timestamp(seq.cast_signed() * 10));
        }
        let waiting = |count, oldest| QueueDepth {
            count,
            oldest: Some(Timestamp(oldest)),
        };
        assert_eq!(queues.waiting("http://h"), waiting(3, 30));
        assert_eq!((a.take_late(), a.take_late()), (Some(4), None));
        queues.finish(3);
        assert_eq!(queues.waiting("http://h"), waiting(2, 40));
        assert_eq!((a.next(0), a.next(4), a.next(5)), (Some(4), Some(5), None));
        assert_eq!(queues.waiting("http://none"), QueueDepth::default());
    }

    #[test]
    fn what_is_answered_while_the_list_is_read_again_does_not_come_back() {
        let queues = TargetQueues::default();
        let queue = queues.of(&Destination::to("http://h/"), |_| {});
        queues.add(&queue, 1, Timestamp(0));
        queues.set_rereading(true);
        queues.finish(1);
        queues.add(&queue, 1, Timestamp(0));
        assert!(!queue.has(1));
        queues.set_rereading(false);
        queues.add(&queue, 1, Timestamp(0));
        assert!(queue.has(1));
    }

    #[test]
    fn settings_that_share_a_target_share_its_largest_limit() {
        let queues = TargetQueues::default();
        let mut begun = 0;
        let mut queue =
            |at_once, scope| queues.of(&to("http://h/", at_once, scope), |_| begun += 1);
        let strict = queue(1, Scope::Endpoint("a".into()));
        let wide = queue(8, Scope::Global);
        let again = queue(1, Scope::Endpoint("a".into()));
        assert!(Arc::ptr_eq(&strict, &again) && !Arc::ptr_eq(&strict, &wide));
        assert_eq!(begun, 2);
        assert_eq!(strict.slots.available_permits(), 8);
        let elsewhere = queues.of(&to("http://o/", 2, Scope::Global), |_| {});
        assert_eq!(elsewhere.slots.available_permits(), 2);
    }
}
