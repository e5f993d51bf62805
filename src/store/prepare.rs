//! Writes zeros ahead of the journal's end, on a thread of its own.
//!
//! A sync of bytes that are already part of the file is done in half the time
//! of one that makes the file longer, for the file system need not note its
//! new size and blocks.

use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::disk::Disk;

/// The thread that writes zeros ahead.
#[derive(Debug)]
pub(super) struct Preparer {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    wanted: Option<Stretch>,
    at_work: bool,
    closed: bool,
}

#[derive(Debug)]
struct Stretch {
    file: File,
    from: u64,
    until: u64,
}

impl Preparer {
    /// Starts the thread. Without one nothing is prepared, which is slower
    /// and no worse.
    pub(super) fn start(disk: Arc<dyn Disk>) -> Self {
        let shared = Arc::new(Desk::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("zeros".to_owned())
            .spawn(move || theirs.work(&*disk));
        Self {
            desk: shared,
            thread: thread.ok(),
        }
    }

    /// Asks for zeros from one place of a file to another. Nobody else may
    /// write there before it is done.
    pub(super) fn ask(&self, file: File, from: u64, until: u64) {
        self.lock().wanted = Some(Stretch { file, from, until });
        self.desk.changed.notify_all();
    }

    /// Says whether what was asked for is done.
    pub(super) fn is_done(&self) -> bool {
        let state = self.lock();
        state.wanted.is_none() && !state.at_work
    }

    /// Waits until what was asked for is done.
    pub(super) fn wait(&self) {
        let state = self.lock();
        let busy = |state: &mut State| state.wanted.is_some() || state.at_work;
        drop(
            self.desk
                .changed
                .wait_while(state, busy)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.desk.lock()
    }
}

impl Drop for Preparer {
    fn drop(&mut self) {
        self.lock().closed = true;
        self.desk.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Desk {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, disk: &dyn Disk) {
        loop {
            let mut state = self
                .changed
                .wait_while(self.lock(), |s| s.wanted.is_none() && !s.closed)
                .unwrap_or_else(PoisonError::into_inner);
            let Some(stretch) = state.wanted.take() else {
                return;
            };
            state.at_work = true;
            drop(state);
            if let Err(error) = disk.prepare(&stretch.file, stretch.from, stretch.until) {
                tracing::debug!(%error, "the journal is not prepared");
            }
            self.lock().at_work = false;
            self.changed.notify_all();
        }
    }
}
