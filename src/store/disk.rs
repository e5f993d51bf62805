//! What the store asks of the disk, so that tests can let it fail.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

/// The disk under the journal. What a disk does not say otherwise of is done
/// as the machine's does it.
pub trait Disk: Send + Sync + 'static {
    /// Makes an empty file, for its owner alone.
    ///
    /// # Errors
    /// What the system says.
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
    }

    /// Waits until a folder's new names are on the disk.
    ///
    /// # Errors
    /// What the system says.
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    /// Writes bytes at an offset.
    ///
    /// # Errors
    /// What the system says, for example that the disk is full.
    fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    /// Waits until what was written is on the disk (`fdatasync`).
    ///
    /// # Errors
    /// What the system says; what was written may then be lost.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    /// Makes a stretch of a file ready to be written over: zeros, on the disk.
    ///
    /// # Errors
    /// What the system says; writing there later is slower then.
    fn prepare(&self, file: &File, from: u64, until: u64) -> io::Result<()> {
        // In small pieces, each synced by itself: the writer's own syncs wait
        // for whatever of the file is not on the disk yet.
        static ZEROS: [u8; 256 << 10] = [0; 256 << 10];
        let mut at = from;
        while at < until {
            let left = usize::try_from(until - at).unwrap_or(usize::MAX);
            let piece = &ZEROS[..left.min(ZEROS.len())];
            file.write_all_at(piece, at)?;
            file.sync_data()?;
            at += piece.len() as u64;
        }
        Ok(())
    }

    /// Returns how much room there is.
    ///
    /// # Errors
    /// What the system says.
    fn space(&self, folder: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(folder)?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Ok(Space {
            free: bytes(stat.f_bavail),
            total: bytes(stat.f_blocks),
        })
    }
}

/// The room on a disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What is free for creel.
    pub free: u64,
    /// What there is in all.
    pub total: u64,
}

/// The machine's disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {}
