//! Reads the whole journal once after opening, in the background and with low
//! priority, so that damage is known before the delivery is needed.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::journal::Record;
use super::row::Row;
use super::shared::Shared;
use super::{Change, ReadError, Store};
use crate::domain::damage::{Damaged, DamagedDelivery};

/// How much it gives way to all others, by nice(2).
const NICE: i32 = 19;

/// After how many bytes it pauses, that the disk is free for others.
const PIECE: u64 = 1 << 20;

/// How long it pauses.
const PAUSE: Duration = Duration::from_millis(2);

/// How long it waits for the list to be whole before it looks again.
const WAIT: Duration = Duration::from_millis(20);

/// What was found to be damaged.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Deliveries, by number.
    seqs: HashSet<u64>,
    /// Those of them that retention removed because they could not be moved, by number.
    lost: HashMap<u64, DamagedDelivery>,
    others: bool,
    /// Whether all was looked through.
    done: bool,
}

/// Checks what the journal holds, on a thread of its own.
pub(super) fn start(shared: &Arc<Shared>) -> std::io::Result<()> {
    let shared = Arc::clone(shared);
    std::thread::Builder::new()
        .name("check".to_owned())
        .spawn(move || {
            let _ = rustix::process::setpriority_process(None, NICE);
            while !shared.is_whole() {
                if shared.is_closing() {
                    return;
                }
                std::thread::sleep(WAIT);
            }
            match shared.check() {
                Ok(()) => shared.with_damage(|found| found.done = true),
                Err(error) => tracing::debug!(%error, "the journal could not be checked"),
            }
        })?;
    Ok(())
}

impl Shared {
    fn with_damage<T>(&self, change: impl FnOnce(&mut Found) -> T) -> T {
        change(&mut self.damage.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that deliveries are damaged; says so where that is new.
    pub(super) fn note_damaged(&self, seqs: &[u64]) {
        let new = self.with_damage(|found| {
            let before = found.seqs.len();
            found.seqs.extend(seqs);
            found.seqs.len() > before
        });
        if new {
            let _ = self.changes.send(Change::Removed(0));
        }
    }

    /// Records that damaged deliveries were removed, so that they are still reported.
    pub(super) fn note_lost(&self, lost: &[Row]) {
        self.with_damage(|found| {
            for row in lost {
                let seq = row.summary.seq;
                found.lost.insert(seq, DamagedDelivery::from(&row.summary));
                found.seqs.insert(seq);
            }
        });
    }

    /// Looks through every segment that the index knows.
    fn check(&self) -> Result<(), ReadError> {
        let index = self.index();
        let position = index.position().unwrap_or_default();
        let mut ends: Vec<(u64, u64)> = index
            .sealed()?
            .into_iter()
            .map(|sealed| (sealed.segment, sealed.end))
            .collect();
        ends.push((position.segment, position.offset));
        for (segment, end) in ends {
            if self.is_closing() {
                return Ok(());
            }
            self.check_segment(segment, end)?;
        }
        Ok(())
    }

    /// Looks through a segment up to `end`, and notes what of it is damaged.
    fn check_segment(&self, segment: u64, end: u64) -> Result<(), ReadError> {
        let (mut good, mut read) = (HashSet::new(), 0);
        let scanned = self.segments.scan(segment, 0, &mut |record: Record| {
            let length = u64::from(record.place.length);
            good.insert(record.place.offset);
            read += length;
            if read >= PIECE {
                read = 0;
                std::thread::sleep(PAUSE);
            }
            record.place.offset + length < end && !self.is_closing()
        });
        let scanned = match scanned {
            Ok(scanned) => scanned,
            // Retention was faster.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(ReadError::io(error)),
        };
        if scanned.end >= end || self.is_closing() {
            return Ok(());
        }
        let (index, mut damaged) = (self.index(), Vec::new());
        let mut unread = Ok(());
        index.whole_rows(u64::MAX, &mut |row| {
            let places = match index.attempts(&row) {
                Ok(attempts) => [row.place].into_iter().chain(attempts),
                Err(error) => {
                    unread = Err(error);
                    return false;
                }
            };
            let mut own = places.filter(|place| place.segment == segment && place.offset < end);
            if own.any(|place| !good.contains(&place.offset)) {
                damaged.push(row.summary.seq);
            }
            true
        })?;
        unread?;
        if damaged.is_empty() {
            self.with_damage(|found| found.others = true);
        }
        self.note_damaged(&damaged);
        tracing::warn!("{}", self.damaged()?);
        Ok(())
    }

    /// Returns what is known to be damaged.
    pub(super) fn damaged(&self) -> Result<Damaged, ReadError> {
        let (mut seqs, mut lost, others) = self.with_damage(|found| {
            let seqs: Vec<u64> = found.seqs.iter().copied().collect();
            (seqs, found.lost.clone(), found.others)
        });
        seqs.sort_unstable();
        let index = self.index();
        let mut deliveries = Vec::with_capacity(seqs.len());
        for seq in seqs {
            // A delivery that retention was to remove anyway is not reported.
            let row = index.row(seq)?;
            let listed = row.map(|row| DamagedDelivery::from(&row.summary));
            deliveries.extend(listed.or_else(|| lost.remove(&seq)));
        }
        Ok(Damaged { deliveries, others })
    }
}

impl Store {
    /// Returns what is known to be damaged.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn damaged(&self) -> Result<Damaged, ReadError> {
        self.0.shared.damaged()
    }

    /// Says whether a delivery is known to be damaged.
    pub fn is_damaged(&self, seq: u64) -> bool {
        let shared = &self.0.shared;
        shared.with_damage(|found| found.seqs.contains(&seq))
    }

    /// Says whether all was checked that was kept when the store was opened.
    pub fn is_checked(&self) -> bool {
        self.0.shared.with_damage(|found| found.done)
    }
}
