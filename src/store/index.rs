//! The database of everything listed, grouped and looked up: sled.
//!
//! The only file that names it. All in it is derived from the journal, so
//! whatever is wrong with it is mended by making it anew.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use sled::{Batch, Tree};

use super::ReadError;
use super::codec::{self, Reader, Writer};
use super::journal::Place;
use crate::domain::id::Id;
use crate::domain::summary::Summary;

/// Counts changes of what is kept here; another number means: make it anew.
const VERSION: u32 = 2;

/// How much sled may hold in memory, in bytes.
const CACHE: u64 = 16 << 20;

const POSITION: &[u8] = b"position";

/// The open database.
#[derive(Clone, Debug)]
pub(super) struct Index {
    db: sled::Db,
    summaries: Tree,
    events: Tree,
    attempts: Tree,
    meta: Tree,
}

/// Up to where the journal is indexed.
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
}

/// The hash that tells the arrivals of one event from others.
pub(super) type Group = [u8; 16];

/// What is kept of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) summary: Summary,
    /// Where its record lies.
    pub(super) place: Place,
    /// The event it belongs to.
    pub(super) group: Option<Group>,
}

/// Changes that are made together.
#[derive(Default)]
pub(super) struct Changes {
    summaries: Batch,
    events: Batch,
    attempts: Batch,
}

impl Index {
    /// Opens the database, or says why that cannot be done.
    pub(super) fn open(folder: &Path) -> Result<Self, String> {
        remove_half_written_snapshots(folder);
        let opened = catch_unwind(AssertUnwindSafe(|| -> sled::Result<Self> {
            let db = sled::Config::new()
                .path(folder)
                .cache_capacity(CACHE)
                .mode(sled::Mode::HighThroughput)
                .flush_every_ms(None)
                .open()?;
            Ok(Self {
                summaries: db.open_tree("summaries")?,
                events: db.open_tree("events")?,
                attempts: db.open_tree("attempts")?,
                meta: db.open_tree("meta")?,
                db,
            })
        }));
        match opened {
            Ok(Ok(index)) => Ok(index),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("it ended unexpectedly while it was opened".to_owned()),
        }
    }

    /// Returns up to where the journal is indexed; `None` in an empty or
    /// foreign database.
    pub(super) fn position(&self) -> Option<Position> {
        let bytes = self.meta.get(POSITION).ok()??;
        let mut r = Reader(&bytes);
        if r.u32()? != VERSION {
            return None;
        }
        Some(Position {
            number: r.u64()?,
            segment: r.u64()?,
            offset: r.u64()?,
            seq: r.u64()?,
            id: r.u128()?,
        })
    }

    /// Makes changes, then notes the position they reach.
    pub(super) fn apply(&self, changes: Changes, position: Position) -> Result<(), ReadError> {
        self.summaries.apply_batch(changes.summaries)?;
        self.events.apply_batch(changes.events)?;
        self.attempts.apply_batch(changes.attempts)?;
        let mut w = Writer::default();
        w.u32(VERSION);
        w.u64(position.number);
        w.u64(position.segment);
        w.u64(position.offset);
        w.u64(position.seq);
        w.u128(position.id);
        self.meta.insert(POSITION, w.0)?;
        Ok(())
    }

    /// Hands everything to the system.
    pub(super) fn flush(&self) -> Result<(), ReadError> {
        self.db.flush()?;
        Ok(())
    }

    /// Returns how many bytes the database takes on disk.
    pub(super) fn size(&self) -> u64 {
        self.db.size_on_disk().unwrap_or_default()
    }

    /// Returns a delivery's row.
    pub(super) fn row(&self, seq: u64) -> Result<Option<Row>, ReadError> {
        match self.summaries.get(seq.to_be_bytes())? {
            Some(value) => row(&value).map(Some).ok_or(ReadError::Index),
            None => Ok(None),
        }
    }

    /// Gives every row to `each`, the newest first and only those before
    /// `before`, until it has had enough.
    pub(super) fn rows(
        &self,
        before: u64,
        each: &mut dyn FnMut(&Summary) -> bool,
    ) -> Result<(), ReadError> {
        for entry in self.summaries.range(..before.to_be_bytes()).rev() {
            let Row { summary, .. } = row(&entry?.1).ok_or(ReadError::Index)?;
            if !each(&summary) {
                break;
            }
        }
        Ok(())
    }

    /// Returns every delivery's sequence number and id, oldest first.
    pub(super) fn ids(&self) -> Result<Vec<(u64, Id)>, ReadError> {
        let mut ids = Vec::new();
        for entry in &self.summaries {
            let Row { summary, .. } = row(&entry?.1).ok_or(ReadError::Index)?;
            ids.push((summary.seq, summary.id));
        }
        Ok(ids)
    }

    /// Returns the newest deliveries of one event, `limit` at the most, oldest first.
    pub(super) fn arrivals(&self, group: &Group, limit: usize) -> Result<Vec<u64>, ReadError> {
        let newest = self.events.scan_prefix(group).keys().rev().take(limit);
        let mut seqs = newest
            .map(|key| number(&key?[16..]))
            .collect::<Result<Vec<u64>, ReadError>>()?;
        seqs.reverse();
        Ok(seqs)
    }

    /// Returns the places of a delivery's attempts, oldest first.
    pub(super) fn attempts(&self, seq: u64) -> Result<Vec<Place>, ReadError> {
        self.attempts
            .scan_prefix(seq.to_be_bytes())
            .values()
            .map(|value| read_place(&mut Reader(&value?)).ok_or(ReadError::Index))
            .collect()
    }
}

impl Changes {
    pub(super) fn row(&mut self, row: &Row) {
        let mut w = Writer::default();
        write_place(&mut w, row.place);
        w.option(row.group, |w, group| w.0.extend_from_slice(&group));
        w.0.extend_from_slice(&codec::summary_bytes(&row.summary));
        self.summaries.insert(&row.summary.seq.to_be_bytes(), w.0);
    }

    pub(super) fn arrival(&mut self, group: &Group, seq: u64) {
        let mut key = group.to_vec();
        key.extend_from_slice(&seq.to_be_bytes());
        self.events.insert(key, &[]);
    }

    pub(super) fn attempt(&mut self, seq: u64, number: u32, place: Place) {
        let mut key = seq.to_be_bytes().to_vec();
        key.extend_from_slice(&number.to_be_bytes());
        let mut w = Writer::default();
        write_place(&mut w, place);
        self.attempts.insert(key, w.0);
    }
}

impl From<sled::Error> for ReadError {
    fn from(error: sled::Error) -> Self {
        Self::Database(error.to_string())
    }
}

fn row(value: &[u8]) -> Option<Row> {
    let mut r = Reader(value);
    let place = read_place(&mut r)?;
    let group = r.option(Reader::array)?;
    Some(Row {
        summary: codec::summary(r.0)?,
        place,
        group,
    })
}

fn write_place(w: &mut Writer, place: Place) {
    w.u64(place.segment);
    w.u64(place.offset);
    w.u32(place.length);
}

fn read_place(r: &mut Reader<'_>) -> Option<Place> {
    Some(Place {
        segment: r.u64()?,
        offset: r.u64()?,
        length: r.u32()?,
    })
}

fn number(bytes: &[u8]) -> Result<u64, ReadError> {
    bytes
        .try_into()
        .map(u64::from_be_bytes)
        .map_err(|_| ReadError::Index)
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
