//! Lets old deliveries go: their rows first, then the journal's segments.
//!
//! Every step is a record of the journal before it is done, so that an index
//! made anew holds the same. What is marked or waits for its app stays; it is
//! written once more at the journal's end before the segment it lies in is
//! deleted.

use std::collections::HashMap;

use super::index::Sealed;
use super::journal::Place;
use super::rows::Rows;
use super::work::Retired;
use super::writer::Other;
use super::{AppendError, ReadError, Store};
use crate::domain::keep::Keep;
use crate::domain::timestamp::Timestamp;

/// How many deliveries go in one step.
const STEP: u64 = 4096;

/// How often a delivery is carried anew that gets attempts meanwhile.
const ROUNDS: usize = 4;

/// How many deliveries are carried at once.
const CARRIED: usize = 64;

/// What the journal must say of a delivery besides its own records.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Note {
    marked: bool,
    owed: bool,
}

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
        let keep = *keep;
        let below = self.aside(move |store| store.below(&keep, now)).await?;
        let mut at = retired.max(self.oldest().unwrap_or(retired)).min(below);
        while at < below {
            at = below.min(at + STEP);
            self.let_go(at, 0).await?;
        }
        if self.aside(move |store| store.has_released(below)).await? {
            self.let_go(below, 0).await?;
        }
        self.drop_segments().await?;
        Ok(before.saturating_sub(self.count()) as u64)
    }

    /// Gives up on deliveries that wait for their app: they are kept as all
    /// others are from now on.
    ///
    /// # Errors
    /// [`AppendError`]; those before it are given up.
    pub async fn give_up(&self, seqs: &[u64]) -> Result<(), AppendError> {
        for seqs in seqs.chunks(STEP as usize) {
            self.other(Other::GiveUp(seqs.to_vec())).await?;
        }
        self.settle_index().await;
        Ok(())
    }

    /// Lets deliveries and records go, and waits until that is done.
    async fn let_go(&self, below: u64, first: u64) -> Result<(), AppendError> {
        let retired = Retired {
            below,
            first,
            spares_waiting: true,
        };
        self.other(Other::Retire(retired)).await?;
        self.settle_index().await;
        Ok(())
    }

    /// Looks something up where that holds up nobody.
    async fn aside<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Self) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let store = self.clone();
        let looked = tokio::task::spawn_blocking(move || look(&store)).await;
        looked.unwrap_or_else(|error| Err(ReadError::Io(error.to_string())))
    }

    /// Says whether some delivery is still there whose time is over and which
    /// nothing holds any more.
    fn has_released(&self, below: u64) -> Result<bool, ReadError> {
        let mut found = false;
        self.0.shared.index().rows_upwards(0, &mut |row| {
            let old = row.summary.seq < below;
            found = old && !row.summary.stays();
            old && !found
        })?;
        Ok(found)
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

    /// Deletes the segments of which every delivery is gone or carried.
    async fn drop_segments(&self) -> Result<(), RetireError> {
        // What is carried makes segments too, which must not go round for ever.
        let until = self.0.shared.index().position().unwrap_or_default().segment;
        if !self.aside(move |store| store.gives_room(until)).await? {
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
            self.let_go(position.retired, next).await?;
            if self.0.shared.index().position().unwrap_or_default().first < next {
                return Ok(());
            }
        }
    }

    /// Says whether deleting what can go before a segment gives back at least
    /// half of it; the rest is still wanted and written once more.
    fn gives_room(&self, until: u64) -> Result<bool, ReadError> {
        let index = self.0.shared.index();
        let retired = index.position().unwrap_or_default().retired;
        let go = |sealed: &Sealed| sealed.seq < retired && sealed.segment < until;
        let going: Vec<Sealed> = index.sealed()?.into_iter().take_while(go).collect();
        let Some(last) = going.last() else {
            return Ok(false);
        };
        let all: u64 = going.iter().map(|sealed| sealed.end).sum();
        let (mut wanted, mut rows) = (0, Rows::default());
        for seq in self.survivors(retired) {
            let Some(row) = rows.find(&index, seq)? else {
                continue;
            };
            let places = [row.place].into_iter().chain(index.attempts(&row)?);
            let going = places.filter(|place| place.segment <= last.segment);
            wanted += going.map(|place| u64::from(place.length)).sum::<u64>();
        }
        Ok(wanted <= all / 2)
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
        // What was noted of those that were carried.
        let mut notes: HashMap<u64, Note> = HashMap::new();
        for _ in 0..ROUNDS {
            if survivors.is_empty() {
                return Ok(true);
            }
            let mut carried = Vec::new();
            let mut last = 0;
            for seqs in survivors.chunks(CARRIED) {
                let mut begun = Vec::new();
                for seq in seqs {
                    let Some((others, note)) = self.still_wanted(*seq, segment, &notes)? else {
                        continue;
                    };
                    for other in others {
                        begun.push(self.begin(other)?);
                    }
                    notes.insert(*seq, note);
                    carried.push(*seq);
                }
                for kept in begun {
                    last = kept.await.unwrap_or(Err(AppendError::Closed))?;
                }
            }
            self.settle_index().await;
            if *shared.indexed.borrow() < last {
                return Ok(false);
            }
            // Attempts may have been kept meanwhile, marks been changed, and
            // deliveries been given up.
            survivors = carried;
        }
        Ok(survivors.is_empty())
    }

    /// Returns what is to be written once more of a delivery, in its order, so
    /// that the journal alone tells the same; `None`: nothing.
    fn still_wanted(
        &self,
        seq: u64,
        segment: u64,
        notes: &HashMap<u64, Note>,
    ) -> Result<Option<(Vec<Other>, Note)>, ReadError> {
        let shared = &self.0.shared;
        let index = shared.index();
        let Some(row) = index.row(seq)? else {
            return Ok(None);
        };
        let attempts = index.attempts(&row)?;
        // One before its delivery was kept while that was carried.
        let stays = |place: &Place| place.segment != segment && *place >= row.place;
        let stay = stays(&row.place) && attempts.iter().all(stays);
        let note = Note {
            marked: row.summary.marked,
            owed: row.summary.owed(),
        };
        if stay && notes.get(&seq).is_none_or(|noted| *noted == note) {
            return Ok(None);
        }
        let mut others = Vec::new();
        if !stay {
            for place in [row.place].into_iter().chain(attempts) {
                let record = shared.segments.read(place).map_err(ReadError::io)?;
                let record = record.ok_or(ReadError::Damaged(place.segment))?;
                others.push(Other::Again(record));
            }
        }
        if !note.owed {
            others.push(Other::GiveUp(vec![seq]));
        }
        others.push(Other::MarkAgain(seq, note.marked));
        Ok(Some((others, note)))
    }

    fn oldest(&self) -> Option<u64> {
        self.runs().oldest_first().next()
    }
}
