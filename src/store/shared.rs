//! What readers and the index's thread share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::{broadcast, watch};

use super::check::Found;
use super::disk::Disk;
use super::editor::Editor;
use super::events::Events;
use super::index::Index;
use super::journal::Segments;
use super::line::Line;
use super::room::{Room, Space};
use super::runs::Runs;
use super::verify::{Lag, VerifyQueue};
use super::{Assess, Change, Options};

/// What readers and the index's thread share.
pub(super) struct Shared {
    pub(super) folder: PathBuf,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) index: RwLock<Arc<Index>>,
    pub(super) segments: Segments,
    pub(super) assess: Arc<dyn Assess>,
    pub(super) changes: broadcast::Sender<Change>,
    /// Which deliveries there are.
    pub(super) runs: RwLock<Runs>,
    /// The newest arrival of every event.
    pub(super) events: RwLock<Events>,
    /// The newest indexed record's number.
    pub(super) indexed: watch::Sender<u64>,
    /// The newest durable record's number.
    pub(super) durable: watch::Sender<u64>,
    /// Whether the index is being looked through or made, after opening.
    pub(super) starting: watch::Sender<bool>,
    /// Whether it is being made anew, and lacks what it had.
    renewed: AtomicBool,
    /// Whether the store is to be closed.
    closing: AtomicBool,
    /// What waits for the index's thread.
    pub(super) line: Line,
    /// What is listed and not verified yet.
    pub(super) unverified: Arc<VerifyQueue>,
    /// All deliveries below this number are verified.
    pub(super) verified: watch::Sender<u64>,
    /// How far verifying is behind, where that is worth a word.
    lag: Mutex<Option<Lag>>,
    /// Whether rows are verified again because the configuration is another.
    pub(super) verifying: watch::Sender<bool>,
    /// How far that has come, in hundredths.
    share: Mutex<Option<u8>>,
    /// How much the store may take on the disk.
    pub(super) room: Room,
    /// What was found to be damaged.
    pub(super) damage: Mutex<Found>,
    /// Why nothing can be kept.
    trouble: Mutex<Told>,
}

/// What is wrong, and what is being done about it.
#[derive(Default)]
struct Told {
    trouble: Option<String>,
    /// Why deliveries are refused though the disk has room.
    filled: Option<String>,
    progress: Option<String>,
}

impl Shared {
    pub(super) fn new(
        folder: PathBuf,
        options: &Options,
        editor: &Editor,
        segments: Segments,
        assess: Arc<dyn Assess>,
        reached: (u64, u64),
    ) -> Self {
        /// How many changes may wait for a slow reader.
        const CHANGES_HELD: usize = 8192;
        let (indexed, durable) = reached;
        Self {
            folder,
            disk: Arc::clone(&options.disk),
            index: RwLock::new(Arc::clone(&editor.index)),
            segments,
            assess,
            changes: broadcast::channel(CHANGES_HELD).0,
            runs: RwLock::new(editor.runs().clone()),
            events: RwLock::default(),
            indexed: watch::channel(indexed).0,
            durable: watch::channel(durable).0,
            starting: watch::channel(true).0,
            renewed: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            line: Line::default(),
            unverified: Arc::new(VerifyQueue::new()),
            verified: watch::channel(0).0,
            lag: Mutex::default(),
            verifying: watch::channel(false).0,
            share: Mutex::default(),
            room: Room::new(options.keep_bytes, options.segment_bytes),
            damage: Mutex::default(),
            trouble: Mutex::default(),
        }
    }

    /// Says whether the index knows all that it knew on opening, and what
    /// stood in the journal then.
    pub(super) fn is_whole(&self) -> bool {
        !*self.starting.borrow()
    }

    /// Notes that the index is made anew from now on, or that this is over.
    pub(super) fn set_renewed(&self, renewed: bool) {
        self.renewed.store(renewed, Ordering::SeqCst);
    }

    /// Says whether the index is being made anew, and nobody wants it to end.
    pub(super) fn is_renewed(&self) -> bool {
        self.renewed.load(Ordering::SeqCst) && !self.is_closing()
    }

    /// Notes that the store is to be closed: nothing is waited for any more.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// Says whether the store is to be closed.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Tells how many hundredths of the rows are verified again; `None`: it is
    /// done, or not worth a word.
    pub(super) fn tell_verifying(&self, share: Option<u8>) {
        let mut told = self.share.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != share {
            *told = share;
            drop(told);
            let _ = self.changes.send(Change::Verifying(share));
        }
    }

    /// Tells how far verifying is behind; `None`: it has caught up, or it is
    /// not worth a word.
    pub(super) fn tell_lag(&self, lag: Option<Lag>) {
        let mut known = self.lag.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != lag {
            *known = lag;
            drop(known);
            let _ = self.changes.send(Change::Lag(lag));
        }
    }

    /// Says how far verifying is behind, where that is worth a word.
    pub(super) fn lag(&self) -> Option<Lag> {
        *self.lag.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how many hundredths of the rows are verified again.
    pub(super) fn share(&self) -> Option<u8> {
        *self.share.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the index there is now.
    pub(super) fn index(&self) -> Arc<Index> {
        Arc::clone(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that nothing can be kept, or that it can again.
    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        self.tell(|told| &mut told.trouble, trouble);
    }

    /// Notes why deliveries are refused, or that they no longer are.
    pub(super) fn set_filled(&self, filled: Option<String>) {
        self.tell(|told| &mut told.filled, filled);
    }

    /// Returns how many bytes journal and database take on the disk.
    pub(super) fn sizes(&self) -> (u64, u64) {
        (self.segments.size().unwrap_or(0), self.index().size())
    }

    /// Says whether a segment may be begun.
    pub(super) fn space(&self) -> Space {
        if self.room.limit().is_none() {
            return Space::Enough;
        }
        let (journal, index) = self.sizes();
        self.room.space(journal, index)
    }

    /// Notes what is being done with the index, or that it is done.
    pub(super) fn set_progress(&self, progress: Option<String>) {
        self.tell(|told| &mut told.progress, progress);
    }

    /// Says why nothing can be kept, or what is being done.
    pub(super) fn trouble(&self) -> Option<String> {
        let told = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = [&told.trouble, &told.filled, &told.progress];
        parts.into_iter().flatten().next().cloned()
    }

    fn tell(&self, part: impl FnOnce(&mut Told) -> &mut Option<String>, text: Option<String>) {
        let mut told = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let part = part(&mut told);
        if *part != text {
            *part = text;
            drop(told);
            let _ = self.changes.send(Change::Trouble(self.trouble()));
        }
    }
}
