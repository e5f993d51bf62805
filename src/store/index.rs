//! The database of everything listed, grouped and looked up: sled.
//!
//! Only this file and that of its trees name it. All in it is derived from the journal, so
//! whatever is wrong with it is mended by making it anew.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use super::ReadError;
use super::block::Block;
use super::codec::{Reader, Writer};
use super::events::Events;
use super::journal::Place;
use super::row::{Group, Head, Row, read_place, write_place};
use super::runs::Runs;
use super::tree::{Batch, Tree};
use crate::domain::summary::Summary;

/// Counts changes of what is kept here; another number means: make it anew.
const VERSION: u32 = 6;

/// The version before, which had no pending rows and is otherwise the same.
const ALL_VERIFIED: u32 = 5;

/// How much sled may hold in memory, in bytes.
const CACHE: u64 = 16 << 20;

const POSITION: &[u8] = b"position";

/// What the rows were judged by.
const STAMP: &[u8] = b"stamp";

/// The open database.
#[derive(Clone, Debug)]
pub(super) struct Index {
    /// `None`: all is in memory, and gone when it is dropped.
    db: Option<sled::Db>,
    /// Blocks of rows, by a number that is not above that of their first.
    blocks: Tree,
    /// The places of attempts, by delivery and number; the first ones stand in
    /// the rows.
    attempts: Tree,
    /// How many deliveries follow on each other, by the first one's number.
    runs: Tree,
    /// Segments that are no longer written to, by their number.
    sealed: Tree,
    meta: Tree,
}

/// Up to where the journal is indexed, and how much that made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// The newest indexed record's number.
    pub(super) number: u64,
    /// Its segment.
    pub(super) segment: u64,
    /// Where the record behind it begins.
    pub(super) offset: u64,
    /// The newest delivery's sequence number.
    pub(super) seq: u64,
    /// The newest id, of a delivery or an attempt.
    pub(super) id: u128,
    /// Deliveries numbered below are gone, unless they were marked.
    pub(super) retired: u64,
    /// Records numbered below are gone from the journal.
    pub(super) first: u64,
    /// How many deliveries there are.
    pub(super) count: u64,
    /// How many bytes the rows take.
    pub(super) bytes: u64,
    /// No row below this number is pending.
    pub(super) verified: u64,
}

/// A segment that is no longer written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) segment: u64,
    /// Where its last record ends.
    pub(super) end: u64,
    /// The newest delivery's number at that time.
    pub(super) seq: u64,
}

/// Where an id is, as seen from one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sought {
    /// Here it is.
    At(u64),
    /// Before this number, where the block begins.
    Before(u64),
    /// Behind this number, where the block ends.
    Behind(u64),
    /// It would be here.
    Nowhere,
}

/// Changes that are made together.
#[derive(Default)]
pub(super) struct Changes {
    /// Blocks that changed, and the empty ones that go.
    pub(super) blocks: BTreeMap<u64, Block>,
    attempts: Option<Batch>,
    runs: Option<Batch>,
    sealed: Option<Batch>,
}

impl Index {
    /// Opens the database, or says why that cannot be done.
    pub(super) fn open(folder: &Path) -> Result<Self, String> {
        remove_half_written_snapshots(folder);
        let open = || {
            let db = patiently(|| {
                sled::Config::new()
                    .path(folder)
                    .cache_capacity(CACHE)
                    .mode(sled::Mode::HighThroughput)
                    .flush_every_ms(None)
                    .open()
            })?;
            let tree = |name: &str| db.open_tree(name).map(Tree::Disk);
            Ok(Self {
                blocks: tree("blocks")?,
                attempts: tree("attempts")?,
                runs: tree("runs")?,
                sealed: tree("sealed")?,
                meta: tree("meta")?,
                db: Some(db),
            })
        };
        guarded(open).map_err(|error| error.to_string())
    }

    /// Makes an empty index in memory, where the database cannot be had.
    pub(super) fn in_memory() -> Self {
        Self {
            blocks: Tree::in_memory(),
            attempts: Tree::in_memory(),
            runs: Tree::in_memory(),
            sealed: Tree::in_memory(),
            meta: Tree::in_memory(),
            db: None,
        }
    }

    /// Says whether it takes no room on the disk.
    pub(super) const fn is_in_memory(&self) -> bool {
        self.db.is_none()
    }

    /// Returns up to where the journal is indexed; `None` in an empty or
    /// foreign database.
    pub(super) fn position(&self) -> Option<Position> {
        let bytes = guarded(|| Ok(self.meta.get(POSITION)?)).ok()??;
        let mut r = Reader(&bytes);
        let version = r.u32()?;
        if version != VERSION && version != ALL_VERIFIED {
            return None;
        }
        let mut position = Position {
            number: r.u64()?,
            segment: r.u64()?,
            offset: r.u64()?,
            seq: r.u64()?,
            id: r.u128()?,
            retired: r.u64()?,
            first: r.u64()?,
            count: r.u64()?,
            bytes: r.u64()?,
            verified: 0,
        };
        position.verified = match version {
            ALL_VERIFIED => position.seq + 1,
            _ => r.u64()?,
        };
        Some(position)
    }

    /// Returns the hash of what all rows were judged by; `None` where that is
    /// not known, or was not the same for all.
    pub(super) fn stamp(&self) -> Result<Option<[u8; 32]>, ReadError> {
        let stamp = guarded(|| Ok(self.meta.get(STAMP)?))?;
        Ok(stamp.and_then(|bytes| bytes.as_ref().try_into().ok()))
    }

    /// Notes what all rows were judged by.
    pub(super) fn set_stamp(&self, stamp: Option<[u8; 32]>) -> Result<(), ReadError> {
        guarded(|| {
            match stamp {
                Some(stamp) => self.meta.set(STAMP, stamp.to_vec())?,
                None => self.meta.remove(STAMP)?,
            }
            Ok(())
        })
    }

    /// Makes changes, then notes the position they reach.
    pub(super) fn apply(&self, changes: Changes, position: Position) -> Result<(), ReadError> {
        let mut blocks = None;
        for (key, block) in &changes.blocks {
            let blocks = blocks.get_or_insert_with(Batch::default);
            if block.is_empty() {
                blocks.remove(&key.to_be_bytes());
            } else {
                blocks.insert(&key.to_be_bytes(), block.value());
            }
        }
        let batches = [
            (&self.blocks, blocks),
            (&self.attempts, changes.attempts),
            (&self.runs, changes.runs),
            (&self.sealed, changes.sealed),
        ];
        guarded(|| {
            for (tree, batch) in batches {
                if let Some(batch) = batch {
                    tree.apply(batch)?;
                }
            }
            self.meta.set(POSITION, position.bytes())?;
            Ok(())
        })
    }

    /// Hands everything to the system.
    pub(super) fn flush(&self) -> Result<(), ReadError> {
        guarded(|| {
            if let Some(db) = &self.db {
                db.flush()?;
            }
            Ok(())
        })
    }

    /// Returns how many bytes the database takes on disk.
    pub(super) fn size(&self) -> u64 {
        let size = self.db.as_ref().and_then(|db| db.size_on_disk().ok());
        size.unwrap_or_default()
    }

    /// Copies everything into an empty database, the position last.
    pub(super) fn copy_to(&self, other: &Self) -> Result<(), ReadError> {
        const TOGETHER: usize = 256;
        let trees = [
            (&self.blocks, &other.blocks),
            (&self.attempts, &other.attempts),
            (&self.runs, &other.runs),
            (&self.sealed, &other.sealed),
            (&self.meta, &other.meta),
        ];
        guarded(|| {
            for (from, to) in trees {
                let (mut batch, mut waiting) = (Batch::default(), 0);
                for entry in from.entries() {
                    let (key, value) = entry?;
                    batch.insert(&key, value.to_vec());
                    waiting += 1;
                    if waiting == TOGETHER {
                        to.apply(std::mem::take(&mut batch))?;
                        waiting = 0;
                    }
                }
                to.apply(batch)?;
            }
            Ok(())
        })?;
        other.flush()
    }

    /// Returns a delivery's row.
    pub(super) fn row(&self, seq: u64) -> Result<Option<Row>, ReadError> {
        guarded(|| match self.block_around(seq)? {
            Some((_, block)) => block.find(seq).ok_or(ReadError::Index),
            None => Ok(None),
        })
    }

    /// Looks for an id in the block around a number.
    pub(super) fn seek(&self, seq: u64, id: u128) -> Result<Sought, ReadError> {
        guarded(|| {
            let Some((_, block)) = self.block_around(seq)? else {
                return Ok(Sought::Behind(seq));
            };
            let mut last = seq;
            for (number, row) in block.rows().enumerate() {
                let row = row.and_then(Head::read);
                let head = row.ok_or(ReadError::Index)?;
                match head.id.cmp(&id) {
                    Ordering::Equal => return Ok(Sought::At(head.seq)),
                    Ordering::Greater if number == 0 => return Ok(Sought::Before(head.seq)),
                    Ordering::Greater => return Ok(Sought::Nowhere),
                    Ordering::Less => last = head.seq,
                }
            }
            Ok(Sought::Behind(last))
        })
    }

    /// Returns the block that a delivery's row is in or would be put in, and
    /// its key.
    pub(super) fn block(&self, seq: u64) -> Result<Option<(u64, Block)>, ReadError> {
        guarded(|| self.block_around(seq))
    }

    fn block_around(&self, seq: u64) -> Result<Option<(u64, Block)>, ReadError> {
        let behind = seq.saturating_add(1).to_be_bytes();
        self.blocks.before(&behind)?.map(read_block).transpose()
    }

    /// Gives what a list shows of every row to `each`, the newest first and
    /// only those before `before`, until it has had enough.
    pub(super) fn rows(
        &self,
        before: u64,
        each: &mut dyn FnMut(&Summary) -> bool,
    ) -> Result<(), ReadError> {
        self.whole_rows(before, &mut |row| each(&row.summary))
    }

    /// Gives every row to `each`, in the same order.
    pub(super) fn whole_rows(
        &self,
        before: u64,
        each: &mut dyn FnMut(Row) -> bool,
    ) -> Result<(), ReadError> {
        self.blocks_down(before, &mut |block| {
            for row in backwards(block)? {
                if Head::read(row).ok_or(ReadError::Index)?.seq >= before {
                    continue;
                }
                if !each(Row::read(row).ok_or(ReadError::Index)?) {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// Gives every row from `from` on to `each`, the oldest first, until it
    /// has had enough.
    pub(super) fn rows_upwards(
        &self,
        from: u64,
        each: &mut dyn FnMut(Row) -> bool,
    ) -> Result<(), ReadError> {
        guarded(|| {
            let first = self.block_around(from)?.map_or(0, |(key, _)| key);
            for entry in self.blocks.range(Included(&first.to_be_bytes()), Unbounded) {
                let (_, block) = read_block(entry?)?;
                for row in block.rows() {
                    let row = row.and_then(Row::read).ok_or(ReadError::Index)?;
                    if row.summary.seq >= from && !each(row) {
                        return Ok(());
                    }
                }
            }
            Ok(())
        })
    }

    /// Gives every row's head to `each`, the newest first, until it has had enough.
    pub(super) fn heads(&self, each: &mut dyn FnMut(Head) -> bool) -> Result<(), ReadError> {
        self.blocks_down(u64::MAX, &mut |block| {
            for row in backwards(block)? {
                if !each(Head::read(row).ok_or(ReadError::Index)?) {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    fn blocks_down(
        &self,
        before: u64,
        each: &mut dyn FnMut(&Block) -> Result<bool, ReadError>,
    ) -> Result<(), ReadError> {
        guarded(|| {
            for entry in self
                .blocks
                .range(Unbounded, Excluded(&before.to_be_bytes()))
                .rev()
            {
                if !each(&read_block(entry?)?.1)? {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Returns the blocks with keys from `from` to one below `below`, oldest first.
    pub(super) fn blocks(&self, from: u64, below: u64) -> Result<Vec<(u64, Block)>, ReadError> {
        guarded(|| {
            self.blocks
                .range(
                    Included(&from.to_be_bytes()),
                    Excluded(&below.to_be_bytes()),
                )
                .map(|entry| read_block(entry?))
                .collect()
        })
    }

    /// Returns the newest deliveries of one event from `newest` on, `limit`
    /// at the most, oldest first.
    pub(super) fn arrivals(
        &self,
        newest: u64,
        group: Group,
        limit: usize,
    ) -> Result<Vec<u64>, ReadError> {
        let (mut seqs, mut next) = (Vec::new(), Some(newest));
        while let Some(seq) = next
            && seqs.len() < limit
        {
            let row = self.row(seq)?;
            let Some(row) = row.filter(|row| row.group == Some(group)) else {
                break;
            };
            seqs.push(seq);
            next = row.previous.filter(|previous| *previous < seq);
        }
        seqs.reverse();
        Ok(seqs)
    }

    /// Returns the places of a row's attempts, oldest first.
    pub(super) fn attempts(&self, row: &Row) -> Result<Vec<Place>, ReadError> {
        let mut places: Vec<Place> = row.first_attempt.into_iter().collect();
        if row.summary.attempts < 2 {
            return Ok(places);
        }
        guarded(|| {
            let seq = row.summary.seq;
            let (first, behind) = (attempt_key(seq, 0), attempt_key(seq + 1, 0));
            for entry in self.attempts.range(Included(&first), Excluded(&behind)) {
                places.push(read_place(&mut Reader(&entry?.1)).ok_or(ReadError::Index)?);
            }
            Ok(places)
        })
    }

    /// Returns which deliveries there are.
    pub(super) fn runs(&self) -> Result<Runs, ReadError> {
        let mut runs = Runs::default();
        guarded(|| {
            for entry in self.runs.entries() {
                let (first, length) = entry?;
                runs.insert_run(number(&first)?, number(&length)?);
            }
            Ok(())
        })?;
        Ok(runs)
    }

    /// Returns the segments that are no longer written to, oldest first.
    pub(super) fn sealed(&self) -> Result<Vec<Sealed>, ReadError> {
        guarded(|| {
            self.sealed
                .entries()
                .map(|entry| {
                    let (segment, value) = entry?;
                    let mut r = Reader(&value);
                    let (end, seq) = (r.u64(), r.u64());
                    Ok(Sealed {
                        segment: number(&segment)?,
                        end: end.ok_or(ReadError::Index)?,
                        seq: seq.ok_or(ReadError::Index)?,
                    })
                })
                .collect()
        })
    }

    /// Reads the newest arrival of every event, and finds out on the way
    /// whether every row is there.
    pub(super) fn events(&self, runs: &Runs) -> Result<Events, ReadError> {
        let mut events = Events::default();
        let mut wanted = runs.newest_first(0);
        let mut whole = true;
        self.heads(&mut |head| {
            whole = wanted.next() == Some(head.seq);
            if let Some(group) = head.group {
                events.note(group, head.seq);
            }
            whole
        })?;
        if whole && wanted.next().is_none() {
            Ok(events)
        } else {
            Err(ReadError::Index)
        }
    }
}

impl Changes {
    pub(super) fn attempt(&mut self, seq: u64, number: u32, place: Place) {
        let mut w = Writer::default();
        write_place(&mut w, place);
        batch(&mut self.attempts).insert(&attempt_key(seq, number), w.0);
    }

    pub(super) fn forget_attempt(&mut self, seq: u64, number: u32) {
        batch(&mut self.attempts).remove(&attempt_key(seq, number));
    }

    /// Notes a run of deliveries; of length 0: there is none any more.
    pub(super) fn run(&mut self, first: u64, length: u64) {
        if length == 0 {
            batch(&mut self.runs).remove(&first.to_be_bytes());
        } else {
            batch(&mut self.runs).insert(&first.to_be_bytes(), length.to_be_bytes());
        }
    }

    pub(super) fn seal(&mut self, sealed: Sealed) {
        let mut w = Writer::default();
        w.u64(sealed.end);
        w.u64(sealed.seq);
        batch(&mut self.sealed).insert(&sealed.segment.to_be_bytes(), w.0);
    }

    pub(super) fn forget_segment(&mut self, segment: u64) {
        batch(&mut self.sealed).remove(&segment.to_be_bytes());
    }
}

/// Returns the batch for changes of a tree; most batches change few trees.
fn batch(batch: &mut Option<Batch>) -> &mut Batch {
    batch.get_or_insert_with(Batch::default)
}

impl Position {
    fn bytes(&self) -> Vec<u8> {
        let mut w = Writer::default();
        w.u32(VERSION);
        w.u64(self.number);
        w.u64(self.segment);
        w.u64(self.offset);
        w.u64(self.seq);
        w.u128(self.id);
        w.u64(self.retired);
        w.u64(self.first);
        w.u64(self.count);
        w.u64(self.bytes);
        w.u64(self.verified);
        w.0
    }
}

impl From<sled::Error> for ReadError {
    fn from(error: sled::Error) -> Self {
        Self::Database(error.to_string())
    }
}

/// Asks the database; where it panics over damaged files, that is an error
/// like any other.
fn guarded<T>(ask: impl FnOnce() -> Result<T, ReadError>) -> Result<T, ReadError> {
    let before = GUARDED.replace(true);
    let asked = catch_unwind(AssertUnwindSafe(ask));
    GUARDED.set(before);
    asked.unwrap_or_else(|_| Err(ReadError::Database("it ended unexpectedly".to_owned())))
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Says whether a panic of this thread would be the database's, over damaged
/// files: it is dealt with, and nobody need hear of it.
pub(super) fn is_guarded() -> bool {
    let databases_own =
        |thread: &std::thread::Thread| thread.name().is_some_and(|name| name.starts_with("sled"));
    GUARDED.get() || databases_own(&std::thread::current())
}

fn read_block((key, value): (sled::IVec, sled::IVec)) -> Result<(u64, Block), ReadError> {
    let block = Block::from_value(&value).ok_or(ReadError::Index)?;
    Ok((number(&key)?, block))
}

/// Returns a block's rows, newest first.
fn backwards(block: &Block) -> Result<impl Iterator<Item = &[u8]>, ReadError> {
    let rows: Option<Vec<&[u8]>> = block.rows().collect();
    Ok(rows.ok_or(ReadError::Index)?.into_iter().rev())
}

fn attempt_key(seq: u64, number: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&seq.to_be_bytes());
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}

fn number(bytes: &[u8]) -> Result<u64, ReadError> {
    bytes
        .try_into()
        .map(u64::from_be_bytes)
        .map_err(|_| ReadError::Index)
}

/// Opens a database whose lock may be let go of in a moment: that of one just
/// closed goes with its last thread. Nobody else holds it, for the store's own
/// lock comes first.
fn patiently(open: impl Fn() -> sled::Result<sled::Db>) -> sled::Result<sled::Db> {
    const TRIES: u32 = 200;
    const PAUSE: Duration = Duration::from_millis(10);
    let mut opened = open();
    for _ in 0..TRIES {
        match &opened {
            Err(sled::Error::Io(error)) if error.to_string().contains("lock") => {
                std::thread::sleep(PAUSE);
                opened = open();
            }
            _ => break,
        }
    }
    opened
}

/// Removes snapshots that a kill during opening left half written: sled takes
/// them for whole ones (spacejam/sled issues 1527, 1533).
fn remove_half_written_snapshots(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
