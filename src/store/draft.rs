//! Changes of the index being gathered, many records at a time.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;

use super::block::Block;
use super::editor::Editor;
use super::index::{Changes, Position, Sealed};
use super::journal::Place;
use super::row::{Group, Row};
use super::rows::Rows;
use super::shared::Shared;
use super::verify::{Found, Unverified, Verdict};
use super::work::Work;
use super::{Change, ReadError};
use crate::domain::attempt::{Attempt, Outcome, response_after};
use crate::domain::delivery::Delivery;
use crate::domain::event_key::EventKey;
use crate::domain::summary::{LastAttempt, Summary};
use crate::domain::verification::Status;

/// Changes being gathered.
pub(super) struct Draft<'a> {
    shared: &'a Shared,
    editor: &'a mut Editor,
    pub(super) position: Position,
    /// Rows that are new or changed.
    rows: BTreeMap<u64, Row>,
    changes: Changes,
    told: Vec<Change>,
    /// Whether anybody listens.
    heard: bool,
    new: Vec<u64>,
    /// New rows that are pending.
    unverified: Vec<Unverified>,
    /// Whether arrivals are to be counted again.
    recount: bool,
    /// The newest arrivals of the events in this draft.
    arrivals: HashMap<Group, u64>,
    /// Rows of the index.
    kept: Rows,
}

/// What came of judging a delivery again.
pub(super) struct Judged {
    pub(super) status: Status,
    /// Whether its row is another now.
    pub(super) changed: bool,
    /// Whether it belongs to another event now.
    pub(super) moved: bool,
}

/// How many later arrivals of an event are renumbered at once when one before
/// them becomes known. Where there are more, all are counted again, some at a
/// time.
const MAX_RENUMBERED: usize = 256;

impl<'a> Draft<'a> {
    pub(super) fn new(shared: &'a Shared, editor: &'a mut Editor) -> Self {
        Self {
            shared,
            position: editor.position,
            editor,
            rows: BTreeMap::new(),
            changes: Changes::default(),
            told: Vec::new(),
            heard: shared.changes.receiver_count() > 0,
            new: Vec::new(),
            unverified: Vec::new(),
            recount: false,
            arrivals: HashMap::new(),
            kept: Rows::default(),
        }
    }

    /// Notes up to where this draft comes; a segment left behind is sealed.
    pub(super) fn reach(&mut self, number: u64, place: Place) {
        if self.position.number > 0 && place.segment != self.position.segment {
            self.changes.seal(Sealed {
                segment: self.position.segment,
                end: self.position.offset,
                seq: self.position.seq,
            });
        }
        self.position.reach(number, place);
    }

    pub(super) fn add(&mut self, work: Work, place: Place) -> Result<(), ReadError> {
        match work {
            Work::Delivery(delivery) => {
                let size = delivery.request.body.len();
                self.delivery(delivery, size, place)
            }
            Work::Headers(delivery, size) => self.delivery(delivery, size, place),
            Work::Attempt(attempt) => self.attempt(&attempt, place),
            Work::Mark(seqs, marked) => {
                for seq in seqs {
                    let Some(row) = self.row(seq)? else { continue };
                    row.summary.marked = marked;
                    let row = row.summary.clone();
                    if self.heard {
                        self.told.push(Change::Changed(row));
                    }
                }
                Ok(())
            }
            Work::GiveUp(seqs) => {
                for seq in seqs {
                    self.give_up(seq)?;
                }
                Ok(())
            }
            Work::Reread(_) | Work::Retire(_) => Ok(()),
        }
    }

    /// Lists a delivery before it is verified: from its head, and from its
    /// body only where that is small.
    fn delivery(
        &mut self,
        delivery: Box<Delivery>,
        body_size: usize,
        place: Place,
    ) -> Result<(), ReadError> {
        self.position.id = self.position.id.max(delivery.id.bits());
        if delivery.seq <= self.position.seq
            && let Some(known) = self.row(delivery.seq)?
        {
            // Carried to the journal's end before its old place goes.
            known.place = place;
            return Ok(());
        }
        let endpoint = delivery.endpoint.as_deref();
        let (assess, request) = (&self.shared.assess, &delivery.request);
        let sketch = || assess.classify(endpoint, request, body_size);
        // A mistake there must not cost the delivery its place in the list.
        let sketch = catch_unwind(AssertUnwindSafe(sketch)).unwrap_or_default();
        let found = Found::from(sketch);
        let group = found.group.map(|key| group_of(&key));
        let mut previous = None;
        let mut arrival = 1;
        if let Some(group) = group {
            if let Some(newest) = self.newest_of(group)
                && newest < delivery.seq
                && let Some(row) = self.row(newest)?
            {
                previous = Some(newest);
                arrival = row.summary.arrival + 1;
            }
            self.arrivals.insert(group, delivery.seq);
        }
        let summary = summary(&delivery, body_size, found, arrival);
        if self.heard {
            self.told.push(Change::Added(summary.clone()));
        }
        self.new.push(delivery.seq);
        let row = Row {
            summary,
            place,
            first_attempt: None,
            group,
            previous,
        };
        self.rows.insert(delivery.seq, row);
        self.position.seq = self.position.seq.max(delivery.seq);
        self.unverified.push(Unverified {
            seq: delivery.seq,
            endpoint: delivery.endpoint.clone(),
            delivery: (delivery.request.body.len() == body_size).then_some(delivery),
        });
        Ok(())
    }

    /// Returns the newest arrival of an event so far.
    fn newest_of(&self, group: Group) -> Option<u64> {
        let events = || {
            self.shared
                .events
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .newest(group)
        };
        self.arrivals.get(&group).copied().or_else(events)
    }

    fn attempt(&mut self, attempt: &Attempt, place: Place) -> Result<(), ReadError> {
        self.position.id = self.position.id.max(attempt.id.bits());
        let (seq, number) = (attempt.delivery_seq, attempt.number);
        let Some(row) = self.row(seq)? else {
            return Ok(());
        };
        let known = row.summary.attempts;
        if attempt.outcome == Outcome::Pending
            && number <= known
            && row.summary.pending != Some(number)
        {
            // It ended while this was on its way to the journal's end.
            return Ok(());
        }
        let new = row.take_attempt(attempt, place);
        let row = new.then(|| row.summary.clone());
        if let Some(row) = row.filter(|_| self.heard) {
            self.told.push(Change::Attempted(attempt.clone()));
            self.told.push(Change::Changed(row));
        }
        if number > 1 {
            self.changes.attempt(seq, number, place);
        }
        Ok(())
    }

    /// Notes that a delivery no longer waits for its app.
    fn give_up(&mut self, seq: u64) -> Result<(), ReadError> {
        if let Some(row) = self.row(seq)?
            && row.summary.is_unanswered()
        {
            row.summary.answer = row.summary.answer.without_app();
            let row = row.summary.clone();
            if self.heard {
                self.told.push(Change::Changed(row));
            }
        }
        Ok(())
    }

    /// Says whether changed rows shall be told of, where anybody listens.
    pub(super) fn hear(&mut self, heard: bool) {
        self.heard &= heard;
    }

    /// Notes the result of a delivery's first verification. Says no where it
    /// is to be verified once more, because the configuration has changed.
    pub(super) fn verified(&mut self, verdict: Verdict, counts: bool) -> Result<bool, ReadError> {
        let Some(row) = self.row(verdict.seq)? else {
            return Ok(true);
        };
        if row.summary.status != Status::Pending {
            return Ok(true);
        }
        if !counts {
            return Ok(false);
        }
        let Some(found) = verdict.found else {
            // Opening it tells what is damaged.
            row.summary.status = Status::UnknownProvider;
            return Ok(true);
        };
        let (before, group) = (row.group, found.group.map(|key| group_of(&key)));
        take(&mut row.summary, found);
        match group {
            group if group == before => {}
            Some(group) if before.is_none() => self.join(verdict.seq, group)?,
            group => {
                row.leave(group);
                self.recount = true;
            }
        }
        if self.heard
            && let Some(row) = self.rows.get(&verdict.seq)
        {
            self.told.push(Change::Changed(row.summary.clone()));
        }
        Ok(true)
    }

    /// Puts a row among the arrivals of an event, some of which may have come
    /// after it.
    fn join(&mut self, seq: u64, group: Group) -> Result<(), ReadError> {
        let newest = self.newest_of(group);
        let (mut later, mut before) = (Vec::new(), newest);
        while let Some(at) = before.filter(|at| *at > seq) {
            let row = self.row(at)?.filter(|row| row.group == Some(group));
            let Some(row) = row else {
                before = None;
                break;
            };
            before = row.previous.filter(|previous| *previous < at);
            later.push(at);
            if later.len() > MAX_RENUMBERED {
                self.recount = true;
                break;
            }
        }
        if self.recount && later.len() > MAX_RENUMBERED {
            if let Some(row) = self.row(seq)? {
                row.leave(Some(group));
            }
            return Ok(());
        }
        let known = match before {
            Some(before) => self.row(before)?.map(|row| row.summary.arrival + 1),
            None => None,
        };
        // Where those before it are gone, it takes the number of the next.
        let next = match later.last() {
            Some(next) => self.row(*next)?.map(|row| row.summary.arrival),
            None => None,
        };
        if let Some(row) = self.row(seq)? {
            row.group = Some(group);
            row.previous = before;
            row.summary.arrival = known.or(next).unwrap_or(1);
        }
        for (at, later_seq) in later.iter().enumerate() {
            let is_next = at + 1 == later.len();
            if let Some(row) = self.row(*later_seq)? {
                row.summary.arrival += 1;
                if is_next {
                    row.previous = Some(seq);
                }
                let changed = Change::Changed(row.summary.clone());
                if self.heard {
                    self.told.push(changed);
                }
            }
        }
        let newest = newest.map_or(seq, |newest| newest.max(seq));
        self.arrivals.insert(group, newest);
        Ok(())
    }

    /// Notes the result of verifying a delivery again.
    pub(super) fn judge_again(&mut self, mut row: Row, found: Found) -> Judged {
        let before = row.clone();
        let group = found.group.map(|key| group_of(&key));
        take(&mut row.summary, found);
        let moved = group != row.group;
        if moved {
            row.leave(group);
        }
        let judged = Judged {
            status: row.summary.status,
            changed: row != before,
            moved,
        };
        if judged.changed {
            self.put(row);
        }
        judged
    }

    /// Puts a changed row in the place of the one there was.
    pub(super) fn put(&mut self, row: Row) {
        if self.heard {
            self.told.push(Change::Changed(row.summary.clone()));
        }
        self.rows.insert(row.summary.seq, row);
    }

    /// Returns a row as it is, from the draft or the index.
    pub(super) fn peek(&mut self, seq: u64) -> Result<Option<Row>, ReadError> {
        match self.rows.get(&seq) {
            Some(row) => Ok(Some(row.clone())),
            None => self.kept.find(&self.editor.index, seq),
        }
    }

    /// Returns a row to change, from the draft or the index.
    fn row(&mut self, seq: u64) -> Result<Option<&mut Row>, ReadError> {
        if !self.rows.contains_key(&seq) {
            let Some(row) = self.kept.find(&self.editor.index, seq)? else {
                return Ok(None);
            };
            self.rows.insert(seq, row);
        }
        Ok(self.rows.get_mut(&seq))
    }

    /// Writes the draft into the index, lets readers see it and tells of it.
    pub(super) fn finish(mut self) -> Result<(), ReadError> {
        if self.position == self.editor.position && self.rows.is_empty() {
            return Ok(());
        }
        let queue = &self.shared.unverified;
        let new = self.unverified.first().map(|first| first.seq);
        let lowest = queue.lowest().into_iter().chain(new).min();
        self.position.verified = lowest.unwrap_or(self.position.seq + 1);
        self.editor.recount |= self.recount;
        self.put_rows()?;
        for seq in &self.new {
            self.editor.runs.insert(*seq);
        }
        self.position.count = self.editor.runs.len();
        for (first, length) in self.editor.runs.take_changes() {
            self.changes.run(first, length);
        }
        self.editor.index.apply(self.changes, self.position)?;
        self.editor.position = self.position;
        {
            let mut runs = lock(&self.shared.runs);
            for seq in &self.new {
                runs.insert(*seq);
            }
            // Only the editor's are written down.
            runs.take_changes();
        }
        {
            let mut events = lock(&self.shared.events);
            for (group, seq) in &self.arrivals {
                events.note(*group, *seq);
            }
        }
        self.shared.unverified.push(self.unverified);
        for change in self.told {
            // Nobody watching is no error.
            let _ = self.shared.changes.send(change);
        }
        Ok(())
    }

    /// Puts the draft's rows into their blocks.
    fn put_rows(&mut self) -> Result<(), ReadError> {
        let reached = self.editor.position.seq;
        let mut newest = self.editor.newest.clone();
        let mut before = newest.as_ref().map_or(0, |(_, block)| block.size());
        let mut rows = std::mem::take(&mut self.rows).into_values().peekable();
        while let Some(row) = rows.next() {
            let seq = row.summary.seq;
            if seq > reached {
                match &mut newest {
                    Some((_, block)) if !block.is_full() => block.push(&row),
                    other => {
                        if let Some((key, block)) = other.take() {
                            self.changes.blocks.insert(key, block);
                        }
                        let mut block = Block::default();
                        block.push(&row);
                        *other = Some((seq, block));
                    }
                }
                continue;
            }
            // Those that are in the same block are put there in one go.
            let mut together = vec![row];
            let mut rows_to = |last: u64| {
                let more = std::iter::from_fn(|| rows.next_if(|row| row.summary.seq <= last));
                together.extend(more);
            };
            if let Some((key, block)) = &mut newest
                && *key <= seq
            {
                rows_to(reached);
                block.put(&together).ok_or(ReadError::Index)?;
                continue;
            }
            let (key, mut block) = self.block_for(seq, &mut before)?;
            rows_to(block.last().unwrap_or(seq));
            block.put(&together).ok_or(ReadError::Index)?;
            if let Some((key, half)) = block.split().ok_or(ReadError::Index)? {
                self.changes.blocks.insert(key, half);
            }
            self.changes.blocks.insert(key, block);
        }
        if let Some((key, block)) = &newest {
            self.changes.blocks.insert(*key, block.clone());
        }
        let after: usize = self.changes.blocks.values().map(Block::size).sum();
        self.position.bytes = (self.position.bytes + after as u64).saturating_sub(before as u64);
        self.editor.newest = newest;
        Ok(())
    }

    /// Returns the block an older row belongs in: one of this draft, one of
    /// the index, or a new one.
    fn block_for(&mut self, seq: u64, before: &mut usize) -> Result<(u64, Block), ReadError> {
        let drafted = self
            .changes
            .blocks
            .range(..=seq)
            .next_back()
            .map(|(k, _)| *k);
        let kept = self.editor.index.block(seq)?;
        if let Some(key) = drafted
            && kept.as_ref().is_none_or(|(kept, _)| *kept <= key)
        {
            let block = self.changes.blocks.remove(&key).unwrap_or_default();
            return Ok((key, block));
        }
        Ok(kept.map_or_else(
            || (seq, Block::default()),
            |(key, block)| {
                *before += block.size();
                (key, block)
            },
        ))
    }
}

fn lock<T>(lock: &std::sync::RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl Row {
    /// Updates the row with an attempt. Returns whether the attempt is new;
    /// others were moved to the journal's end before their segment is deleted.
    pub(super) fn take_attempt(&mut self, attempt: &Attempt, place: Place) -> bool {
        if attempt.number == 1 {
            self.first_attempt = Some(place);
        }
        let row = &mut self.summary;
        let open = attempt.outcome == Outcome::Pending
            || attempt.retry.as_ref().is_some_and(|r| r.next.is_some());
        let ends = row.pending == Some(attempt.number) && attempt.outcome != Outcome::Pending;
        let new = attempt.number > row.attempts || ends;
        if attempt.number >= row.attempts {
            row.attempts = attempt.number;
            row.last_attempt = LastAttempt::after(row.last_attempt, attempt);
        }
        row.answer = response_after(row.answer, row.received_at, attempt);
        if new && open {
            row.pending = Some(attempt.number);
        } else if ends || (new && attempt.retry.is_some()) {
            // Of a try that was moved only its end is there.
            row.pending = None;
        }
        new
    }

    /// Puts the row into another event, of which the arrivals are counted
    /// again afterwards.
    fn leave(&mut self, group: Option<Group>) {
        self.group = group;
        self.previous = None;
        self.summary.arrival = 1;
    }
}

/// Takes what was found out about a delivery into its row.
fn take(summary: &mut Summary, found: Found) {
    summary.provider = found.provider;
    summary.event = found.event.as_deref().map(short);
    summary.delivery_id = found.delivery_id.as_deref().map(short);
    summary.group_guessed = found.group.is_some_and(|key| key.guessed);
    summary.status = found.status;
    summary.cause = found.cause;
}

/// Shortens an event's key; none is 0, which stands for "no event".
pub(super) fn group_of(key: &EventKey) -> Group {
    let mut half = [0; 8];
    half.copy_from_slice(&key.hash[..8]);
    u64::from_le_bytes(half).max(1)
}

fn summary(delivery: &Delivery, body_size: usize, found: Found, arrival: u32) -> Summary {
    let request = &delivery.request;
    let mut summary = Summary {
        seq: delivery.seq,
        id: delivery.id,
        received_at: delivery.received_at,
        endpoint: delivery.endpoint.clone(),
        provider: None,
        event: None,
        delivery_id: None,
        arrival,
        group_guessed: false,
        method: short(&request.method),
        path: short(&request.path),
        query: request.query.as_deref().map(short),
        remote_addr: delivery.remote_addr.clone(),
        body_size: body_size as u64,
        content_type: request.content_type().map(short),
        status: Status::Pending,
        cause: None,
        answer: delivery.answer,
        refused: delivery.refused.clone(),
        attempts: 0,
        last_attempt: None,
        marked: false,
        pending: None,
    };
    take(&mut summary, found);
    summary
}

/// Cuts what a stranger may have made very long, so that rows stay small.
fn short(text: &str) -> String {
    const LONGEST: usize = 512;
    let end = text
        .char_indices()
        .nth(LONGEST)
        .map_or(text.len(), |(at, _)| at);
    text[..end].to_owned()
}
