//! What readers and the index's thread share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::{broadcast, watch};

use super::disk::Disk;
use super::events::Events;
use super::index::Index;
use super::journal::Segments;
use super::line::Line;
use super::runs::Runs;
use super::{Assess, Change};

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
    /// What waits for the index's thread.
    pub(super) line: Line,
    /// Whether rows are verified again because the configuration is another.
    pub(super) verifying: watch::Sender<bool>,
    /// How far that has come, in hundredths.
    share: Mutex<Option<u8>>,
    /// Why nothing can be kept.
    trouble: Mutex<Told>,
}

/// What is wrong, and what is being done about it.
#[derive(Default)]
struct Told {
    trouble: Option<String>,
    progress: Option<String>,
}

impl Shared {
    pub(super) fn new(
        folder: PathBuf,
        disk: Arc<dyn Disk>,
        index: Arc<Index>,
        segments: Segments,
        assess: Arc<dyn Assess>,
        runs: Runs,
        reached: (u64, u64),
    ) -> Self {
        /// How many changes may wait for a slow reader.
        const CHANGES_HELD: usize = 8192;
        let (indexed, durable) = reached;
        Self {
            folder,
            disk,
            index: RwLock::new(index),
            segments,
            assess,
            changes: broadcast::channel(CHANGES_HELD).0,
            runs: RwLock::new(runs),
            events: RwLock::default(),
            indexed: watch::channel(indexed).0,
            durable: watch::channel(durable).0,
            starting: watch::channel(true).0,
            line: Line::default(),
            verifying: watch::channel(false).0,
            share: Mutex::default(),
            trouble: Mutex::default(),
        }
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

    /// Notes what is being done with the index, or that it is done.
    pub(super) fn set_progress(&self, progress: Option<String>) {
        self.tell(|told| &mut told.progress, progress);
    }

    /// Says why nothing can be kept, or what is being done.
    pub(super) fn trouble(&self) -> Option<String> {
        let told = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        told.trouble.clone().or_else(|| told.progress.clone())
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
