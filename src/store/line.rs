//! What waits for the index's thread: records to be indexed, and rows to be
//! verified again.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::asked::Asked;
use super::work::{Item, Work};

/// How many bytes of deliveries may wait in memory; of those beyond, only
/// the place is held and they are read from the journal again.
const HELD: usize = 16 << 20;

/// How many records are indexed together at the most.
pub(super) const TOGETHER: usize = 1024;

/// How many records may wait; the journal waits then.
const LONGEST: usize = 100_000;

/// The line before the index's thread.
#[derive(Default)]
pub(super) struct Line {
    inner: Mutex<Waiting>,
    arrived: Condvar,
    left: Condvar,
}

#[derive(Default)]
struct Waiting {
    items: VecDeque<Item>,
    bytes: usize,
    asked: Vec<Asked>,
    closed: bool,
    /// Whether there are verdicts to be taken elsewhere.
    poked: bool,
    /// Whether the thread sleeps until something arrives.
    idle: bool,
}

/// What was taken from the line.
pub(super) struct Taken {
    pub(super) items: Vec<Item>,
    pub(super) asked: Vec<Asked>,
    /// Whether nothing more will come.
    pub(super) closed: bool,
}

impl Line {
    /// Puts records that are durable behind the others.
    pub(super) fn push(&self, items: impl Iterator<Item = Item>) {
        let mut waiting = self
            .left
            .wait_while(self.lock(), |w| w.items.len() > LONGEST)
            .unwrap_or_else(PoisonError::into_inner);
        for (work, number, place) in items {
            let work = match work {
                Work::Delivery(delivery) if waiting.bytes > HELD => Work::shed(delivery),
                work => work,
            };
            waiting.bytes += work.size();
            waiting.items.push_back((work, number, place));
        }
        self.wake(waiting);
    }

    /// Asks for rows to be verified again. Where the thread has ended, the
    /// question is dropped, and whoever asked hears of it.
    pub(super) fn ask(&self, asked: Asked) {
        let mut waiting = self.lock();
        if !waiting.closed {
            waiting.asked.push(asked);
            self.wake(waiting);
        }
    }

    /// Has the thread look for verdicts.
    pub(super) fn poke(&self) {
        let mut waiting = self.lock();
        waiting.poked = true;
        self.wake(waiting);
    }

    fn wake(&self, mut waiting: MutexGuard<'_, Waiting>) {
        if std::mem::take(&mut waiting.idle) {
            drop(waiting);
            self.arrived.notify_one();
        }
    }

    /// Lets nothing more in.
    pub(super) fn close(&self) {
        let mut waiting = self.lock();
        waiting.closed = true;
        waiting.asked.clear();
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Takes some of what waits; where there is nothing and `wait` is said,
    /// waits for it.
    pub(super) fn take(&self, wait: bool) -> Taken {
        let mut waiting = self.lock();
        let is_empty = |waiting: &Waiting| waiting.items.is_empty() && waiting.asked.is_empty();
        while wait && is_empty(&waiting) && !waiting.poked && !waiting.closed {
            waiting.idle = true;
            waiting = self
                .arrived
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        waiting.idle = false;
        waiting.poked = false;
        let count = waiting.items.len().min(TOGETHER);
        let items: Vec<_> = waiting.items.drain(..count).collect();
        let bytes: usize = items.iter().map(|(work, ..)| work.size()).sum();
        waiting.bytes = waiting.bytes.saturating_sub(bytes);
        let taken = Taken {
            items,
            asked: std::mem::take(&mut waiting.asked),
            closed: waiting.closed,
        };
        drop(waiting);
        self.left.notify_one();
        taken
    }

    /// Lets records come together for a while.
    pub(super) fn rest(&self, how_long: Duration) {
        let waiting = self.lock();
        let more = |waiting: &mut Waiting| !waiting.closed && waiting.bytes < HELD / 2;
        drop(self.arrived.wait_timeout_while(waiting, how_long, more));
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Says whether rows shall be verified again.
    pub(super) fn is_asked(&self) -> bool {
        !self.lock().asked.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
