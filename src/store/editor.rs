//! The one who writes to the index: record by record what the journal says.

use std::sync::{Arc, PoisonError};

use super::block::Block;
use super::draft::Draft;
use super::index::{Changes, Index, Position};
use super::journal::Place;
use super::row::Row;
use super::runs::Runs;
use super::shared::Shared;
use super::verify::{Verdict, VerdictOf};
use super::work::{Item, Retired, Work, read_attempt, read_delivery, reread};
use super::{Change, ReadError};
use crate::domain::delivery::RecordedResponse;

/// The one who writes to the index.
pub(super) struct Editor {
    pub(super) index: Arc<Index>,
    pub(super) position: Position,
    pub(super) runs: Runs,
    /// The block that takes new rows, and its key.
    pub(super) newest: Option<(u64, Block)>,
    /// Whether the arrivals of events are to be counted again.
    pub(super) recount: bool,
}

impl Editor {
    /// Goes on where the index says it has come to. What lies beyond, because
    /// creel ended in the middle, is taken back and made again.
    pub(super) fn new(index: Arc<Index>) -> Result<Self, ReadError> {
        let position = index.position().unwrap_or_default();
        let mut editor = Self {
            runs: index.runs()?,
            newest: None,
            recount: false,
            position,
            index,
        };
        editor.take_back()?;
        if editor.runs.len() != position.count {
            return Err(ReadError::Index);
        }
        editor.newest = editor.index.block(u64::MAX - 1)?;
        Ok(editor)
    }

    /// Returns which deliveries there are.
    pub(super) fn runs(&self) -> &Runs {
        &self.runs
    }

    fn take_back(&mut self) -> Result<(), ReadError> {
        let reached = self.position.seq;
        let mut changes = Changes::default();
        while let Some(newest) = self.runs.newest()
            && newest > reached
        {
            self.runs.remove(newest);
        }
        let from = self.index.block(reached)?.map_or(0, |(key, _)| key);
        for (key, mut block) in self.index.blocks(from, u64::MAX)? {
            let before = block.size();
            block
                .retain(|row| row.summary.seq <= reached)
                .ok_or(ReadError::Index)?;
            if block.size() != before {
                changes.blocks.insert(key, block);
            }
        }
        if changes.blocks.is_empty() {
            return Ok(());
        }
        for (first, length) in self.runs.take_changes() {
            changes.run(first, length);
        }
        self.index.apply(changes, self.position)
    }

    /// Indexes records and verdicts, and tells what changed.
    pub(super) fn put(
        &mut self,
        shared: &Shared,
        items: Vec<Item>,
        verdicts: Vec<(usize, Verdict)>,
    ) -> Result<(), ReadError> {
        let mut draft = Draft::new(shared, self);
        for (work, number, place) in items {
            if number <= draft.position.number {
                continue;
            }
            draft.reach(number, place);
            let work = match work {
                Work::Reread(duration_us) => reread(&shared.segments, place, duration_us)?,
                work => work,
            };
            if let Work::Retire(retired) = work {
                // What came before is put away first, so that it is looked at.
                draft.finish()?;
                self.retire(shared, retired, number, place)?;
                draft = Draft::new(shared, self);
            } else {
                draft.add(work, place)?;
            }
        }
        let generation = shared.unverified.generation();
        let mut done = Vec::with_capacity(verdicts.len());
        for (lane, verdict) in verdicts {
            let seq = verdict.seq;
            let counts = verdict.of == VerdictOf::First { generation };
            let noted = draft.verified(verdict, counts)?;
            done.push((lane, seq, !noted));
        }
        draft.finish()?;
        shared.unverified.done(&done);
        Ok(())
    }

    /// Removes the rows below a number that are not kept on.
    fn retire(
        &mut self,
        shared: &Shared,
        retired: Retired,
        number: u64,
        place: Place,
    ) -> Result<(), ReadError> {
        let Retired { below, first, .. } = retired;
        let mut changes = Changes::default();
        let mut position = self.position;
        position.reach(number, place);
        position.retired = position.retired.max(below);
        position.seq = position.seq.max(below.saturating_sub(1));
        let dropped = first > position.first;
        let (mut gone, mut lost) = (Vec::new(), Vec::new());
        for (key, mut block) in self.index.blocks(0, below)? {
            let before = block.size();
            let mut hurt = Vec::new();
            if dropped {
                hurt = self.without_lost_attempts(shared, &block, first, &mut changes)?;
                block.put(&hurt).ok_or(ReadError::Index)?;
            }
            let stays = |row: &Row| {
                let is_protected = row.summary.seq >= below || retired.spares(&row.summary);
                // A record before the first that is kept was damaged; readable
                // ones were moved to the journal's end.
                let stays = is_protected && row.place.segment >= first;
                if !stays {
                    gone.push((row.summary.seq, row.summary.attempts));
                }
                let is_hurt = || hurt.iter().any(|hurt| hurt.summary.seq == row.summary.seq);
                if !stays && (is_protected || is_hurt()) {
                    lost.push(row.clone());
                }
                stays
            };
            block.retain(stays).ok_or(ReadError::Index)?;
            let after = block.size();
            if !hurt.is_empty() || after != before {
                position.bytes = (position.bytes + after as u64).saturating_sub(before as u64);
                if self
                    .newest
                    .as_ref()
                    .is_some_and(|(newest, _)| *newest == key)
                {
                    self.newest = (!block.is_empty()).then(|| (key, block.clone()));
                }
                changes.blocks.insert(key, block);
            }
        }
        for (seq, attempts) in &gone {
            self.runs.remove(*seq);
            for number in 2..=*attempts {
                changes.forget_attempt(*seq, number);
            }
        }
        position.count = self.runs.len();
        for (first, length) in self.runs.take_changes() {
            changes.run(first, length);
        }
        if dropped {
            position.first = first;
            for sealed in self.index.sealed()? {
                if sealed.segment < first {
                    changes.forget_segment(sealed.segment);
                }
            }
        }
        self.index.apply(changes, position)?;
        self.position = position;
        shared.note_lost(&lost);
        {
            let mut runs = shared.runs.write().unwrap_or_else(PoisonError::into_inner);
            for (seq, _) in &gone {
                runs.remove(*seq);
            }
            // Only the editor's are written down.
            runs.take_changes();
        }
        if dropped {
            // What is indexed must not need what is deleted.
            self.index.flush()?;
            shared
                .segments
                .remove_before(first)
                .map_err(ReadError::io)?;
            shared
                .events
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|seq| self.runs.contains(seq));
        }
        if !gone.is_empty() {
            let _ = shared.changes.send(Change::Removed(gone.len() as u64));
        }
        Ok(())
    }
}

impl Editor {
    /// Returns the rows of a block that lose attempts with the segments before
    /// `first`, without these attempts: as an index built from the journal
    /// would have them.
    fn without_lost_attempts(
        &self,
        shared: &Shared,
        block: &Block,
        first: u64,
        changes: &mut Changes,
    ) -> Result<Vec<Row>, ReadError> {
        let mut without = Vec::new();
        for row in block.rows() {
            let mut row = row.and_then(Row::read).ok_or(ReadError::Index)?;
            if row.summary.attempts == 0 || row.place.segment < first {
                continue;
            }
            let mut attempts = self.index.attempts(&row)?;
            let all = attempts.len();
            attempts.retain(|place| place.segment >= first);
            if attempts.len() == all {
                continue;
            }
            for number in 2..=row.summary.attempts {
                changes.forget_attempt(row.summary.seq, number);
            }
            derive_attempts(shared, &mut row, attempts, changes)?;
            without.push(row);
        }
        Ok(without)
    }
}

/// Derives what a row says of its attempts from the attempts' records.
fn derive_attempts(
    shared: &Shared,
    row: &mut Row,
    attempts: Vec<Place>,
    changes: &mut Changes,
) -> Result<(), ReadError> {
    let (seq, was_owed) = (row.summary.seq, row.summary.is_unanswered());
    if let Some(delivery) = read_delivery(&shared.segments, row.place)? {
        row.summary.answer = RecordedResponse {
            duration_us: row.summary.answer.duration_us,
            ..delivery.answer
        };
    }
    row.first_attempt = None;
    row.summary.attempts = 0;
    row.summary.last_attempt = None;
    row.summary.pending = None;
    for place in attempts {
        let Some(attempt) = read_attempt(&shared.segments, place, seq)? else {
            continue;
        };
        row.take_attempt(&attempt, place);
        if attempt.number > 1 {
            changes.attempt(seq, attempt.number, place);
        }
    }
    if !was_owed {
        row.summary.answer = row.summary.answer.without_app();
    }
    Ok(())
}

impl Position {
    pub(super) fn reach(&mut self, number: u64, place: Place) {
        self.number = number;
        self.segment = place.segment;
        self.offset = place.offset + u64::from(place.length);
    }
}
