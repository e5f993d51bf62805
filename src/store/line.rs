//! What waits for the index's thread: records to be indexed, and rows to be
//! verified again.
//!
//! The thread runs at a low priority. Whoever gives it something must never
//! wait for a lock that it holds while the system lets it wait, so there is
//! none: records go through a channel, and it is parked while nothing comes.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use super::asked::Asked;
use super::work::{Item, Work};

/// How many bytes of deliveries may wait in memory; of those beyond, only
/// the place is held and they are read from the journal again.
const HELD: usize = 16 << 20;

/// How many records are indexed together at the most.
pub(super) const TOGETHER: usize = 1024;

/// How many records may wait; the journal waits then.
const LONGEST: usize = 100_000;

/// How long the journal waits before it looks again.
const PAUSE: Duration = Duration::from_millis(1);

/// The line before the index's thread.
pub(super) struct Line {
    sender: Sender<Item>,
    /// Locked by the thread alone.
    receiver: Mutex<Receiver<Item>>,
    count: AtomicUsize,
    bytes: AtomicUsize,
    asked: Mutex<Vec<Asked>>,
    closed: AtomicBool,
    /// Whether there is something to look at besides records.
    poked: AtomicBool,
    /// Whether the thread sleeps until something arrives.
    idle: AtomicBool,
    /// The thread, once it has taken something.
    thread: OnceLock<Thread>,
}

/// What was taken from the line.
pub(super) struct Taken {
    pub(super) items: Vec<Item>,
    pub(super) asked: Vec<Asked>,
    /// Whether nothing more will come.
    pub(super) closed: bool,
}

impl Default for Line {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel();
        Self {
            sender,
            receiver: Mutex::new(receiver),
            count: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            asked: Mutex::default(),
            closed: AtomicBool::new(false),
            poked: AtomicBool::new(false),
            idle: AtomicBool::new(false),
            thread: OnceLock::new(),
        }
    }
}

impl Line {
    /// Puts records that are durable behind the others.
    pub(super) fn push(&self, items: impl Iterator<Item = Item>) {
        while self.count.load(Ordering::SeqCst) > LONGEST {
            std::thread::sleep(PAUSE);
        }
        for (work, number, place) in items {
            let work = match work {
                Work::Delivery(delivery) if self.bytes.load(Ordering::Relaxed) > HELD => {
                    Work::shed(delivery)
                }
                work => work,
            };
            // Before it can be taken, and taken off again.
            self.bytes.fetch_add(work.size(), Ordering::Relaxed);
            self.count.fetch_add(1, Ordering::SeqCst);
            // The receiver lives as long as the line.
            let _ = self.sender.send((work, number, place));
        }
        if self.is_heavy() {
            self.unpark();
        } else {
            self.wake();
        }
    }

    /// Asks for rows to be verified again. Where the thread has ended, the
    /// question is dropped, and whoever asked hears of it.
    pub(super) fn ask(&self, asked: Asked) {
        let mut waiting = self.asked();
        if !self.is_closed() {
            waiting.push(asked);
            drop(waiting);
            self.poke();
        }
    }

    /// Has the thread look for verdicts.
    pub(super) fn poke(&self) {
        self.poked.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Lets nothing more in.
    pub(super) fn close(&self) {
        let mut asked = self.asked();
        self.closed.store(true, Ordering::SeqCst);
        asked.clear();
        drop(asked);
        self.unpark();
    }

    /// Takes some of what waits; where there is nothing and `wait` is said,
    /// waits for it. Called by one thread alone.
    pub(super) fn take(&self, wait: bool) -> Taken {
        self.thread.get_or_init(std::thread::current);
        // Whoever adds something looks at this after adding it.
        self.idle.store(true, Ordering::SeqCst);
        while wait && self.count.load(Ordering::SeqCst) == 0 {
            if self.poked.load(Ordering::SeqCst) || self.is_closed() {
                break;
            }
            std::thread::park();
            self.idle.store(true, Ordering::SeqCst);
        }
        self.idle.store(false, Ordering::SeqCst);
        self.poked.store(false, Ordering::SeqCst);
        // Nothing comes after it is closed, so this is looked at before.
        let closed = self.is_closed();
        let receiver = self.receiver.lock();
        let receiver = receiver.unwrap_or_else(PoisonError::into_inner);
        let items: Vec<_> = receiver.try_iter().take(TOGETHER).collect();
        let bytes: usize = items.iter().map(|(work, ..)| work.size()).sum();
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.count.fetch_sub(items.len(), Ordering::SeqCst);
        Taken {
            items,
            asked: std::mem::take(&mut *self.asked()),
            closed,
        }
    }

    /// Lets records come together for a while.
    pub(super) fn rest(&self, how_long: Duration) {
        let until = Instant::now() + how_long;
        while !self.is_closed() && !self.is_heavy() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::park_timeout(left);
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Says whether rows shall be verified again.
    pub(super) fn is_asked(&self) -> bool {
        !self.asked().is_empty()
    }

    /// Says whether so much waits in memory that it is better taken at once.
    fn is_heavy(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) >= HELD / 2
    }

    fn wake(&self) {
        if self.idle.swap(false, Ordering::SeqCst) {
            self.unpark();
        }
    }

    fn unpark(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn asked(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
