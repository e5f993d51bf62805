//! Lets old deliveries go: their rows first, then the journal's segments.
//!
//! Every step is a record of the journal before it is done, so that an index
//! made anew holds the same. What is marked or waits for its app stays; it is
//! written once more at the journal's end before the segment it lies in is
//! deleted.

use std::collections::{BTreeSet, HashMap};

use super::error::Filled;
use super::index::{Index, Sealed};
use super::journal::Place;
use super::open::{make_folder, write_private};
use super::room::Space;
use super::row::Row;
use super::rows::Rows;
use super::work::Retired;
use super::writer::Other;
use super::{AppendError, ReadError, Store};
use crate::domain::damage::DamagedDelivery;
use crate::domain::failure::sentence;
use crate::domain::retention::Retention;
use crate::domain::timestamp::Timestamp;

/// How many deliveries go in one step.
const STEP: u64 = 4096;

/// How often a delivery is carried anew that gets attempts meanwhile.
const ROUNDS: usize = 4;

/// How many deliveries are carried at once.
const CARRIED: usize = 64;

/// How many hundredths of segments that go may be written once more.
const HALF: u64 = 50;

/// The same where room is scarce.
const MOST: u64 = 75;

/// Which segments can go.
struct Plan {
    /// The last of them.
    until: Option<u64>,
    /// How many bytes the journal takes after that.
    left: u64,
    /// Below which number more deliveries can go.
    next: Option<u64>,
}

/// What the journal must say of a delivery besides its own records.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Note {
    marked: bool,
    owed: bool,
}

/// The progress of moving one segment's protected records to the journal's end.
struct Carry {
    segment: u64,
    /// The note last written for each delivery.
    notes: HashMap<u64, Note>,
    /// Records that cannot be read, and are removed with the segment.
    damaged: BTreeSet<Place>,
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
    pub async fn retire(&self, keep: &Retention, now: Timestamp) -> Result<u64, RetireError> {
        self.settle_index().await;
        let before = self.count();
        let went = self.let_old_ones_go(keep, now).await;
        // Whatever went wrong, nobody is held any longer.
        let filled = self.aside(Self::filled).await;
        let filled = filled.ok().flatten();
        self.0.shared.set_filled(filled.as_ref().map(sentence));
        match filled {
            Some(filled) => self.0.queue.shut(&AppendError::Filled(filled)),
            None => self.0.queue.open(),
        }
        went?;
        Ok(before.saturating_sub(self.count()) as u64)
    }

    async fn let_old_ones_go(&self, keep: &Retention, now: Timestamp) -> Result<(), RetireError> {
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
        if let Some(bytes) = keep.bytes {
            return self.shrink(bytes).await;
        }
        let plan = self.aside(|store| store.plan(HALF)).await?;
        self.drop_segments(plan.until).await
    }

    /// Lets as many deliveries go as it takes to have `bytes` left in all, and
    /// deletes the segments that gives back.
    async fn shrink(&self, bytes: u64) -> Result<(), RetireError> {
        let mut begun = false;
        loop {
            let plan = self.aside(|store| store.plan(HALF)).await?;
            let target = {
                let (_, index) = self.0.shared.sizes();
                self.0.shared.room.target(bytes, index)
            };
            if plan.left <= target {
                return self.drop_segments(plan.until).await;
            }
            let mut at = self.0.shared.index().position().unwrap_or_default().retired;
            match plan.next {
                Some(below) => {
                    while at < below {
                        at = below.min(at + STEP);
                        self.let_go(at, 0).await?;
                    }
                }
                // The newest segment may be full; another record begins the next.
                None if !begun => {
                    begun = true;
                    self.let_go(at, 0).await?;
                }
                None => {
                    let plan = self.aside(|store| store.plan(MOST)).await?;
                    return self.drop_segments(plan.until).await;
                }
            }
        }
    }

    /// Says what fills the room there is, where old deliveries that must stay do.
    fn filled(&self) -> Result<Option<Filled>, ReadError> {
        let shared = &self.0.shared;
        let Some(limit) = shared.room.limit() else {
            return Ok(None);
        };
        if shared.space() != Space::None {
            return Ok(None);
        }
        let (mut waiting, mut marked) = (0, 0);
        shared.index().rows(u64::MAX, &mut |row| {
            waiting += u64::from(row.is_waiting());
            marked += u64::from(row.marked && !row.is_waiting());
            true
        })?;
        Ok((waiting + marked > 0).then_some(Filled {
            limit,
            waiting,
            marked,
        }))
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
        self.want_room();
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
            found = old && !row.summary.is_exempt_from_retention();
            old && !found
        })?;
        Ok(found)
    }

    /// Returns the sequence number below which deliveries go.
    fn below(&self, keep: &Retention, now: Timestamp) -> Result<u64, ReadError> {
        let index = self.0.shared.index();
        let mut below = index.position().unwrap_or_default().retired;
        if let Some(age) = keep.age_seconds {
            let age = i64::try_from(age)
                .unwrap_or(i64::MAX)
                .saturating_mul(1_000_000);
            let oldest = Timestamp(now.0.saturating_sub(age));
            below = below.max(self.older_than(oldest, now)?.min(self.half()));
        }
        if let Some(count) = keep.count
            && let Ok(count) = usize::try_from(count)
        {
            let newest = self.runs().newest_first(count as u64).next();
            below = below.max(newest.map_or(0, |seq| seq + 1));
        }
        Ok(below)
    }

    /// Returns the number below which half of the deliveries are, the older,
    /// without those that are kept on. No more go by age at once: clocks may be
    /// wrong.
    fn half(&self) -> u64 {
        let retired = self.0.shared.index().position().unwrap_or_default().retired;
        let runs = self.runs();
        let kept = match runs.newer_than(retired.saturating_sub(1)) {
            0 | 1 => 0,
            many => many - many / 2,
        };
        let newest = runs.newest_first(kept).next();
        newest.map_or(0, |seq| seq + 1)
    }

    /// Returns the number below which deliveries came before `oldest`. Clocks
    /// may have been wrong: what came after another is no older, and a time
    /// after `now` says nothing.
    fn older_than(&self, oldest: Timestamp, now: Timestamp) -> Result<u64, ReadError> {
        let index = self.0.shared.index();
        let mut below = index.position().unwrap_or_default().retired;
        index.rows_upwards(below, &mut |row| {
            let at = row.summary.received_at;
            if at < oldest {
                below = row.summary.seq + 1;
            }
            at < oldest || at > now
        })?;
        Ok(below)
    }

    /// Deletes the segments up to one, of which every delivery is gone or carried.
    async fn drop_segments(&self, until: Option<u64>) -> Result<(), RetireError> {
        let Some(until) = until else {
            return Ok(());
        };
        loop {
            let index = self.0.shared.index();
            let position = index.position().unwrap_or_default();
            let sealed = index.sealed()?;
            let Some(Sealed { segment, .. }) = sealed
                .first()
                .copied()
                .filter(|oldest| oldest.segment <= until)
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

    /// Says which segments can go, where no more than so many hundredths of
    /// them are still wanted and written once more.
    fn plan(&self, most_wanted: u64) -> Result<Plan, ReadError> {
        let index = self.0.shared.index();
        let position = index.position().unwrap_or_default();
        let sealed = index.sealed()?;
        // What is carried makes segments too, which must not go round for ever.
        let goes =
            |sealed: &&Sealed| sealed.seq < position.retired && sealed.segment < position.segment;
        let going = sealed.iter().take_while(goes).count();
        let wanted = self.wanted(&index, position.retired)?;
        let (mut all, mut carried, mut freed, mut until) = (0, 0, 0, None);
        for Sealed { segment, end, .. } in &sealed[..going] {
            all += end;
            carried += wanted.get(segment).copied().unwrap_or(0);
            if carried * 100 <= all * most_wanted {
                (freed, until) = (all - carried.min(all), Some(*segment));
            }
        }
        let size = self.0.shared.segments.size().map_err(ReadError::io)?;
        Ok(Plan {
            until,
            left: size.saturating_sub(freed),
            next: next_sealed(&index, &sealed, position.retired)?,
        })
    }

    /// Returns how many bytes of every segment belong to deliveries that are
    /// kept though their time is over.
    fn wanted(&self, index: &Index, retired: u64) -> Result<HashMap<u64, u64>, ReadError> {
        let (mut wanted, mut rows) = (HashMap::new(), Rows::default());
        for seq in self.survivors(retired) {
            let Some(row) = rows.find(index, seq)? else {
                continue;
            };
            for place in [row.place].into_iter().chain(index.attempts(&row)?) {
                *wanted.entry(place.segment).or_default() += u64::from(place.length);
            }
        }
        Ok(wanted)
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
        let mut carry = Carry {
            segment,
            notes: HashMap::new(),
            damaged: BTreeSet::new(),
        };
        for _ in 0..ROUNDS {
            if survivors.is_empty() {
                return Ok(true);
            }
            let mut carried = Vec::new();
            let mut last = 0;
            for seqs in survivors.chunks(CARRIED) {
                let mut begun = Vec::new();
                for seq in seqs {
                    let Some(others) = self.still_wanted(*seq, &mut carry)? else {
                        continue;
                    };
                    for other in others {
                        begun.push(self.begin(other)?);
                    }
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
    fn still_wanted(&self, seq: u64, carry: &mut Carry) -> Result<Option<Vec<Other>>, ReadError> {
        let shared = &self.0.shared;
        let index = shared.index();
        let Some(row) = index.row(seq)? else {
            return Ok(None);
        };
        if carry.damaged.contains(&row.place) {
            return Ok(None);
        }
        let mut attempts = index.attempts(&row)?;
        attempts.retain(|place| !carry.damaged.contains(place));
        // One before its delivery was kept while that was carried.
        let stays = |place: &Place| place.segment != carry.segment && *place >= row.place;
        let stay = stays(&row.place) && attempts.iter().all(stays);
        let note = Note {
            marked: row.summary.marked,
            owed: row.summary.is_unanswered(),
        };
        if stay && carry.notes.get(&seq).is_none_or(|noted| *noted == note) {
            return Ok(None);
        }
        let mut others = Vec::new();
        if !stay {
            for place in [row.place].into_iter().chain(attempts) {
                let record = shared.segments.read(place).map_err(ReadError::io)?;
                if let Some(record) = record {
                    others.push(Other::Again(record));
                } else {
                    carry.damaged.insert(place);
                    self.set_aside(&row, place);
                }
            }
            if carry.damaged.contains(&row.place) {
                return Ok(None);
            }
        }
        if !note.owed {
            others.push(Other::GiveUp(vec![seq]));
        }
        others.push(Other::MarkAgain(seq, note.marked));
        carry.notes.insert(seq, note);
        Ok(Some(others))
    }

    /// Copies the bytes of a damaged record to a file of their own before
    /// retention deletes their segment, and logs which delivery is affected.
    /// Retention continues where that fails: one damaged record must not let
    /// the journal grow beyond its limit.
    fn set_aside(&self, row: &Row, place: Place) {
        let shared = &self.0.shared;
        shared.note_damaged(&[row.summary.seq]);
        let folder = shared.folder.join("damaged");
        let path = folder.join(format!("{:020}-{}.record", place.segment, place.offset));
        let saved = shared.segments.bytes(place).and_then(|bytes| {
            make_folder(&folder)?;
            write_private(&path, &bytes)
        });
        let (delivery, path) = (DamagedDelivery::from(&row.summary), path.display());
        let what = if place == row.place {
            "the delivery"
        } else {
            "an attempt of the delivery"
        };
        match saved {
            Ok(()) => tracing::warn!(
                "{what} {delivery} is damaged and cannot be kept; its bytes were copied to {path}"
            ),
            Err(error) => tracing::warn!(
                "{what} {delivery} is damaged and cannot be kept; its bytes could not be copied to {path}: {error}"
            ),
        }
    }

    fn oldest(&self) -> Option<u64> {
        self.runs().oldest_first().next()
    }
}

/// Finds the first segment from `retired` on with a delivery that may go,
/// and returns the number behind its last.
fn next_sealed(index: &Index, sealed: &[Sealed], retired: u64) -> Result<Option<u64>, ReadError> {
    let mut first = None;
    index.rows_upwards(retired, &mut |row| {
        first = (!row.summary.is_exempt_from_retention()).then_some(row.summary.seq);
        first.is_none()
    })?;
    let holds = |first: u64| sealed.iter().find(|sealed| sealed.seq >= first);
    Ok(first.and_then(holds).map(|sealed| sealed.seq + 1))
}
