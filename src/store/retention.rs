//! Lets old deliveries go: their rows first, then the journal's segments.
//!
//! Every step is a record of the journal before it is done, so that an index
//! made anew holds the same. What is marked is written once more at the
//! journal's end before the segment it lies in is deleted.

use std::collections::HashMap;

use super::index::Sealed;
use super::journal::Place;
use super::writer::Other;
use super::{AppendError, ReadError, Store};
use crate::domain::keep::Keep;
use crate::domain::timestamp::Timestamp;

/// How many deliveries go in one step.
const STEP: u64 = 4096;

/// How often a delivery is carried anew that gets attempts meanwhile.
const ROUNDS: usize = 4;

/// Why old deliveries could not be let go.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RetireError {
    /// It could not be noted.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// What is there could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Store {
    /// Lets go what need not be kept any longer, in small steps. Says how
    /// many deliveries went.
    ///
    /// # Errors
    /// [`RetireError`]; what went before it is gone.
    pub async fn retire(&self, keep: &Keep, now: Timestamp) -> Result<u64, RetireError> {
        self.settle_index().await;
        let before = self.count();
        let retired = self.0.shared.index().position().unwrap_or_default().retired;
        let (below, from) = {
            let store = self.clone();
            let keep = *keep;
            let found = tokio::task::spawn_blocking(move || store.below(&keep, now)).await;
            (found.unwrap_or(Ok(0))?, retired)
        };
        let mut at = from.max(self.oldest().unwrap_or(from)).min(below);
        while at < below {
            at = below.min(at + STEP);
            self.other(Other::Retire(at, 0)).await?;
            self.settle_index().await;
        }
        if self.has_unmarked(below)? {
            self.other(Other::Retire(below, 0)).await?;
            self.settle_index().await;
        }
        self.drop_segments().await?;
        Ok(before.saturating_sub(self.count()) as u64)
    }

    /// Returns the sequence number below which deliveries go.
    fn below(&self, keep: &Keep, now: Timestamp) -> Result<u64, ReadError> {
        let index = self.0.shared.index();
        let mut below = index.position().unwrap_or_default().retired;
        if let Some(age) = keep.age_seconds {
            let age = i64::try_from(age)
                .unwrap_or(i64::MAX)
                .saturating_mul(1_000_000);
            let oldest = Timestamp(now.0.saturating_sub(age));
            below = below.max(self.first_since(oldest)?);
        }
        if let Some(count) = keep.count
            && let Ok(count) = usize::try_from(count)
        {
            let newest = self.runs().newest_first(count as u64).next();
            below = below.max(newest.map_or(0, |seq| seq + 1));
        }
        if let Some(bytes) = keep.bytes {
            let listed = self.0.shared.segments.list().map_err(ReadError::io)?;
            let mut size: u64 = listed.iter().map(|(_, size)| size).sum();
            for sealed in index.sealed()? {
                if size <= bytes {
                    break;
                }
                let own = listed.iter().find(|(s, _)| *s == sealed.segment);
                size -= own.map_or(0, |(_, size)| *size);
                below = below.max(sealed.seq + 1);
            }
        }
        Ok(below)
    }

    /// Finds the first delivery that came at `oldest` or later: the numbers
    /// rise with time, as far as the clock did.
    fn first_since(&self, oldest: Timestamp) -> Result<u64, ReadError> {
        let index = self.0.shared.index();
        let retired = index.position().unwrap_or_default().retired;
        let runs: Vec<(u64, u64)> = self.runs().iter().collect();
        let young = |seq: u64| -> Result<bool, ReadError> {
            let row = index.row(seq)?;
            Ok(row.is_none_or(|row| row.summary.received_at >= oldest))
        };
        let mut low = retired;
        for (first, length) in runs {
            let (mut from, mut until) = (first.max(retired), first + length);
            if from >= until {
                continue;
            }
            if young(until - 1)? {
                while from < until {
                    let middle = from + (until - from) / 2;
                    if young(middle)? {
                        until = middle;
                    } else {
                        from = middle + 1;
                    }
                }
                return Ok(from);
            }
            low = until;
        }
        Ok(low)
    }

    /// Deletes the segments of which every delivery is gone or marked.
    async fn drop_segments(&self) -> Result<(), RetireError> {
        // What is carried makes segments too, which must not go round for ever.
        let until = self.0.shared.index().position().unwrap_or_default().segment;
        if !self.gives_room(until)? {
            return Ok(());
        }
        loop {
            let index = self.0.shared.index();
            let position = index.position().unwrap_or_default();
            let sealed = index.sealed()?;
            let Some(Sealed { segment, .. }) = sealed
                .first()
                .copied()
                .filter(|oldest| oldest.seq < position.retired && oldest.segment < until)
            else {
                return Ok(());
            };
            let next = sealed.get(1).map_or(position.segment, |next| next.segment);
            if !self.carry(segment).await? {
                // The index waits for something; another time.
                return Ok(());
            }
            self.other(Other::Retire(position.retired, next)).await?;
            self.settle_index().await;
            if self.0.shared.index().position().unwrap_or_default().first < next {
                return Ok(());
            }
        }
    }

    /// Says whether deleting what can go before a segment gives back at least
    /// half of it; the rest is still wanted and written once more.
    fn gives_room(&self, until: u64) -> Result<bool, RetireError> {
        let index = self.0.shared.index();
        let retired = index.position().unwrap_or_default().retired;
        let go = |sealed: &Sealed| sealed.seq < retired && sealed.segment < until;
        let going: Vec<Sealed> = index.sealed()?.into_iter().take_while(go).collect();
        let Some(last) = going.last() else {
            return Ok(false);
        };
        let all: u64 = going.iter().map(|sealed| sealed.end).sum();
        let mut wanted = 0;
        for seq in self.survivors(retired) {
            let Some(row) = index.row(seq)? else {
                continue;
            };
            let places = [row.place].into_iter().chain(index.attempts(&row)?);
            let going = places.filter(|place| place.segment <= last.segment);
            wanted += going.map(|place| u64::from(place.length)).sum::<u64>();
        }
        Ok(wanted <= all / 2)
    }

    /// Says whether one that was kept for its mark is marked no longer.
    fn has_unmarked(&self, below: u64) -> Result<bool, ReadError> {
        let index = self.0.shared.index();
        for seq in self.survivors(below) {
            if index.row(seq)?.is_some_and(|row| !row.summary.marked) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the deliveries that are kept though their time is over.
    fn survivors(&self, retired: u64) -> Vec<u64> {
        let runs = self.runs();
        let old = runs.oldest_first().take_while(|seq| *seq < retired);
        old.collect()
    }

    /// Writes what is still wanted of a segment once more at the journal's end.
    /// Says no where it cannot be seen yet that all of it stands there.
    async fn carry(&self, segment: u64) -> Result<bool, RetireError> {
        let shared = &self.0.shared;
        let retired = shared.index().position().unwrap_or_default().retired;
        let mut survivors = self.survivors(retired);
        let mut marks: HashMap<u64, bool> = HashMap::new();
        for _ in 0..ROUNDS {
            if survivors.is_empty() {
                return Ok(true);
            }
            let mut carried = Vec::new();
            let mut last = 0;
            for seq in survivors {
                let index = shared.index();
                let Some(row) = index.row(seq)? else {
                    continue;
                };
                let attempts = index.attempts(&row)?;
                // One before its delivery was kept while that was carried.
                let stays = |place: &Place| place.segment != segment && *place >= row.place;
                let stay = stays(&row.place) && attempts.iter().all(stays);
                let marked = row.summary.marked;
                if stay && marks.get(&seq).is_none_or(|noted| *noted == marked) {
                    continue;
                }
                // All of it, in its order, so that the journal alone tells the same.
                let places = [row.place].into_iter().chain(attempts);
                for place in places.filter(|_| !stay) {
                    let record = shared.segments.read(place).map_err(ReadError::io)?;
                    let record = record.ok_or(ReadError::Damaged(place.segment))?;
                    self.other(Other::Again(record)).await?;
                }
                last = self.other(Other::MarkAgain(seq, marked)).await?;
                marks.insert(seq, marked);
                carried.push(seq);
            }
            self.settle_index().await;
            if *shared.indexed.borrow() < last {
                return Ok(false);
            }
            // Attempts may have been kept meanwhile, and marks been changed.
            survivors = carried;
        }
        Ok(survivors.is_empty())
    }

    fn oldest(&self) -> Option<u64> {
        self.runs().oldest_first().next()
    }
}
