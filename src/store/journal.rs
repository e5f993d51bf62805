//! The journal: segments of records, appended and synced; what is true.
//!
//! Knows nothing of what the records mean.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::disk::Disk;
use super::prepare::Preparer;
use super::record::{self, FRAME, Kind};

/// How many segments are held open for reading.
const OPEN_FILES: usize = 32;

/// How much is looked through at once for the next good record.
const WINDOW: usize = 1 << 20;

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The segment, by the number of its first record.
    pub(super) segment: u64,
    /// Where its frame begins, in bytes.
    pub(super) offset: u64,
    /// How long frame and payload are together.
    pub(super) length: u32,
}

/// A record, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: Kind,
    pub(super) number: u64,
    /// How many records of its batch stand behind it.
    pub(super) left: u32,
    pub(super) place: Place,
    pub(super) payload: Bytes,
    /// Whether something before it in its segment does not check.
    pub(super) loose: bool,
}

/// The segment files, for reading.
#[derive(Debug)]
pub(super) struct Segments {
    folder: PathBuf,
    open: Mutex<BTreeMap<u64, Arc<File>>>,
}

impl Segments {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            open: Mutex::new(BTreeMap::new()),
        }
    }

    /// Lists the segments, oldest first, with their sizes.
    pub(super) fn list(&self) -> io::Result<Vec<(u64, u64)>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let number = entry
                .file_name()
                .to_str()
                .and_then(|name| name.strip_suffix(".log")?.parse().ok());
            if let Some(number) = number {
                found.push((number, entry.metadata()?.len()));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Returns how many bytes the segments take together.
    pub(super) fn size(&self) -> io::Result<u64> {
        Ok(self.list()?.iter().map(|(_, size)| size).sum())
    }

    fn path(&self, segment: u64) -> PathBuf {
        self.folder.join(format!("{segment:020}.log"))
    }

    fn file(&self, segment: u64) -> io::Result<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&segment) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(File::open(self.path(segment))?);
        if open.len() >= OPEN_FILES {
            open.pop_first();
        }
        open.insert(segment, Arc::clone(&file));
        Ok(file)
    }

    /// Reads the record at a place; `None` where it does not check.
    pub(super) fn read(&self, place: Place) -> io::Result<Option<Record>> {
        let file = self.file(place.segment)?;
        let mut bytes = vec![0; (place.length as usize).max(FRAME)];
        match file.read_exact_at(&mut bytes, place.offset) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let whole = |record: &Record| record.place == place;
        Ok(record_of(&bytes.into(), place.segment, place.offset).filter(whole))
    }

    /// Reads the bytes at a place, as many as the segment has, unchecked.
    pub(super) fn bytes(&self, place: Place) -> io::Result<Vec<u8>> {
        let file = self.file(place.segment)?;
        let left = file.metadata()?.len().saturating_sub(place.offset);
        let mut bytes = vec![0; left.min(u64::from(place.length)) as usize];
        file.read_exact_at(&mut bytes, place.offset)?;
        Ok(bytes)
    }

    /// Reads the records of a segment from `offset` on, and gives them to
    /// `each` until it has had enough.
    pub(super) fn scan(
        &self,
        segment: u64,
        offset: u64,
        each: &mut dyn FnMut(Record) -> bool,
    ) -> io::Result<Scanned> {
        let file = self.file(segment)?;
        let size = file.metadata()?.len();
        let mut at = offset.min(size);
        let mut scanned = Scanned {
            end: at,
            size,
            damaged: false,
        };
        // Where the batch ends that the last good record, or the first loose
        // one, belongs to, by number.
        let (mut batch, mut loose) = (None, false);
        while at < size {
            let Some(mut record) = read_at(&file, segment, at, size)? else {
                at = next_magic(&file, at + 1, size)?;
                continue;
            };
            let ends = record.number + u64::from(record.left);
            if loose || scanned.end != at {
                // Only the last batch may be there in part: whatever follows
                // on something that does not check must belong to it.
                loose = true;
                record.loose = true;
                scanned.damaged |= batch.is_some_and(|batch| batch != ends);
                batch = Some(ends);
            } else {
                batch = (record.left > 0).then_some(ends);
                scanned.end = at + u64::from(record.place.length);
            }
            at += u64::from(record.place.length);
            if !each(record) {
                break;
            }
        }
        if !scanned.damaged && is_zero(&file, scanned.end, size)? {
            // Prepared, and never written to.
            scanned.size = scanned.end;
        }
        Ok(scanned)
    }

    /// Says whether a segment begins with a good record of another number than
    /// its name says: then it is another's file. One that is damaged says
    /// nothing.
    pub(super) fn is_foreign(&self, segment: u64) -> io::Result<bool> {
        let file = self.file(segment)?;
        let first = read_at(&file, segment, 0, file.metadata()?.len())?;
        Ok(first.is_some_and(|record| record.number != segment))
    }

    /// Deletes the segments before one.
    pub(super) fn remove_before(&self, segment: u64) -> io::Result<()> {
        for (old, _) in self.list()? {
            if old < segment {
                self.open
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(&old);
                std::fs::remove_file(self.path(old))?;
            }
        }
        Ok(())
    }

    /// Cuts a segment off behind its last good record.
    pub(super) fn cut(&self, segment: u64, end: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.path(segment))?;
        file.set_len(end)?;
        file.sync_all()
    }
}

/// What a scan of a segment found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Where the last record ends before which all is good.
    pub(super) end: u64,
    /// The file's size, without zeros that were written ahead.
    pub(super) size: u64,
    /// Whether something does not check that was on the disk.
    pub(super) damaged: bool,
}

fn read_at(file: &File, segment: u64, offset: u64, size: u64) -> io::Result<Option<Record>> {
    let mut head = [0; FRAME];
    if offset + FRAME as u64 > size {
        return Ok(None);
    }
    file.read_exact_at(&mut head, offset)?;
    let Some(frame) = record::frame(&head) else {
        return Ok(None);
    };
    let length = FRAME + frame.length;
    if offset + length as u64 > size {
        return Ok(None);
    }
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(record_of(&bytes.into(), segment, offset))
}

/// Takes a record, frame and payload, that was read from a place; `None` where
/// it does not check.
fn record_of(bytes: &Bytes, segment: u64, offset: u64) -> Option<Record> {
    let head = bytes.first_chunk()?;
    let frame = record::frame(head)?;
    if !record::checks(head, &frame, &bytes[FRAME..]) {
        return None;
    }
    let place = Place {
        segment,
        offset,
        length: bytes.len() as u32,
    };
    Some(Record {
        kind: frame.kind,
        number: frame.number,
        left: frame.left,
        place,
        payload: bytes.slice(FRAME..),
        loose: false,
    })
}

/// Says whether a file holds nothing but zeros from a place on.
fn is_zero(file: &File, mut at: u64, size: u64) -> io::Result<bool> {
    let mut window = vec![0; WINDOW.min(usize::try_from(size - at).unwrap_or(WINDOW))];
    while at < size {
        let count = usize::try_from(size - at).map_or(window.len(), |left| left.min(window.len()));
        file.read_exact_at(&mut window[..count], at)?;
        if window[..count].iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        at += count as u64;
    }
    Ok(true)
}

fn next_magic(file: &File, mut at: u64, size: u64) -> io::Result<u64> {
    let mut window = vec![0; WINDOW];
    while at < size {
        let count = usize::try_from(size - at).map_or(WINDOW, |left| left.min(WINDOW));
        file.read_exact_at(&mut window[..count], at)?;
        if let Some(found) = record::next_magic(&window[..count]) {
            return Ok(at + found as u64);
        }
        // A mark may lie across the window's end.
        at += (count.saturating_sub(3)).max(1) as u64;
    }
    Ok(size)
}

/// How much is prepared ahead of the end at the least and at the most.
const AHEAD: (u64, u64) = (128 << 10, 4 << 20);

/// The end of the journal, for appending. One thread owns it.
pub(super) struct Tail {
    folder: PathBuf,
    /// The folder's identity when the store was opened.
    folder_identity: Option<Identity>,
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    current: Option<Current>,
    preparer: Preparer,
}

struct Current {
    file: File,
    identity: Option<Identity>,
    segment: u64,
    /// Where the last synced record ends.
    end: u64,
    /// Up to where zeros lie ahead.
    prepared: u64,
    /// Up to where they are being written.
    preparing: Option<u64>,
}

impl Tail {
    /// Begins behind what is there; a new segment is made with the first record.
    pub(super) fn new(folder: &Path, disk: Arc<dyn Disk>, segment_bytes: u64) -> Self {
        Self {
            folder: folder.to_owned(),
            folder_identity: std::fs::metadata(folder).ok().map(|m| Identity::of(&m)),
            preparer: Preparer::start(Arc::clone(&disk)),
            disk,
            segment_bytes,
            current: None,
        }
    }

    /// Says whether the next records begin a segment.
    pub(super) fn is_full(&self) -> bool {
        let current = self.current.as_ref();
        current.is_none_or(|current| current.end >= self.segment_bytes)
    }

    /// Returns the disk below.
    pub(super) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// Goes on in a segment that ends well at `end`.
    pub(super) fn resume(&mut self, segment: u64, end: u64) -> io::Result<()> {
        if end < self.segment_bytes {
            let file = OpenOptions::new()
                .write(true)
                .open(path_of(&self.folder, segment))?;
            self.current = Some(Current::new(file, segment, end));
        }
        Ok(())
    }

    /// Writes records that lie one behind the other in `bytes`, the first of
    /// number `first`, and syncs them. Returns where they begin.
    ///
    /// # Errors
    /// Where writing or syncing failed. The segment is then closed, what was
    /// written of the records is cut off where that can be done, and the next
    /// append begins a new one: a failed sync is never tried again, for the
    /// system may have dropped what it could not write.
    pub(super) fn append(&mut self, first: u64, bytes: &[u8]) -> io::Result<(u64, u64)> {
        if self.is_full() {
            self.leave();
        }
        let mut current = match self.current.take() {
            Some(current) => current,
            None => self.begin(first)?,
        };
        let until = current.end + bytes.len() as u64;
        if let Some(prepared) = current.preparing
            && (until > current.prepared || self.preparer.is_done())
        {
            self.preparer.wait();
            current.prepared = prepared;
            current.preparing = None;
        }
        let written = self
            .disk
            .write(&current.file, bytes, current.end)
            .and_then(|()| self.disk.sync(&current.file));
        let in_place = self.check_in_place(&current);
        let is_in_place = in_place.is_ok();
        if let Err(error) = written.and(in_place) {
            self.preparer.wait();
            let _ = current.file.set_len(current.end);
            if current.end == 0 && is_in_place {
                let _ = std::fs::remove_file(path_of(&self.folder, current.segment));
            }
            return Err(error);
        }
        let start = current.end;
        let segment = current.segment;
        current.end = until;
        self.look_ahead(&mut current);
        self.current = Some(current);
        Ok((segment, start))
    }

    /// Has zeros written ahead where few are left: the more has been written,
    /// the more is likely to come.
    fn look_ahead(&self, current: &mut Current) {
        let ahead = current.end.clamp(AHEAD.0, AHEAD.1);
        let from = current.prepared.max(current.end);
        if current.preparing.is_some() || from - current.end > ahead / 2 {
            return;
        }
        let until = (from + ahead).min(self.segment_bytes);
        let room = self
            .disk
            .space(&self.folder)
            .is_ok_and(|space| space.free / 8 > ahead);
        if from < until
            && room
            && let Ok(file) = current.file.try_clone()
        {
            self.preparer.ask(file, from, until);
            current.preparing = Some(until);
        }
    }

    /// Closes the segment, without the zeros ahead.
    fn leave(&mut self) {
        if let Some(current) = self.current.take() {
            self.preparer.wait();
            if let Err(error) = current.file.set_len(current.end) {
                tracing::debug!(%error, "zeros are left behind a journal segment");
            }
        }
    }

    /// Checks that the segment is still reachable by its name: bytes in a file
    /// that was deleted, or whose folder was, are lost when creel ends.
    fn check_in_place(&self, current: &Current) -> io::Result<()> {
        let path = path_of(&self.folder, current.segment);
        let found = std::fs::metadata(&path).map(|m| Identity::of(&m)).ok();
        if found.is_some() && found == current.identity {
            Ok(())
        } else {
            Err(not_in_place(&path))
        }
    }

    fn begin(&self, segment: u64) -> io::Result<Current> {
        let found = std::fs::metadata(&self.folder).map(|m| Identity::of(&m));
        if found.ok() != self.folder_identity {
            return Err(not_in_place(&self.folder));
        }
        let file = self.disk.create(&path_of(&self.folder, segment))?;
        // The file's name must survive a power cut as well as its content.
        self.disk.sync_folder(&self.folder)?;
        Ok(Current::new(file, segment, 0))
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Current {
    fn new(file: File, segment: u64, end: u64) -> Self {
        Self {
            identity: file.metadata().ok().map(|m| Identity::of(&m)),
            file,
            segment,
            end,
            prepared: 0,
            preparing: None,
        }
    }
}

/// Device and inode of a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity(u64, u64);

impl Identity {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }
}

fn not_in_place(path: &Path) -> io::Error {
    let error = format!(
        "{} was deleted, moved or replaced while creel runs; put it back, or restart creel",
        path.display()
    );
    io::Error::new(io::ErrorKind::NotFound, error)
}

fn path_of(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("{segment:020}.log"))
}
