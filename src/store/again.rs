//! Verifies rows again, after what judges them has changed: some at a time,
//! the newest first, between what arrives.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::asked::{Asked, Reassessed, Wanted};
use super::draft::Draft;
use super::editor::Editor;
use super::events::Events;
use super::row::{Group, Row};
use super::shared::Shared;
use super::work::read_delivery;
use super::{Change, ReadError};

/// How long the thread verifies before it looks what arrived.
const STEP: Duration = Duration::from_millis(10);

/// How many rows are looked at in one step.
const LOOKED_AT: usize = 4096;

/// How many deliveries are verified in one step.
const TOGETHER: usize = 64;

/// How many changed rows are told of one by one. Of more, whoever shows the
/// list is told to read it again.
const TOLD: usize = 256;

/// After how long it is told how far verifying has come.
const LONG: Duration = Duration::from_secs(1);

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    On,
    Done,
}

/// Rows being verified again.
pub(super) struct Review {
    wanted: Wanted,
    done: Option<oneshot::Sender<Result<Reassessed, ReadError>>>,
    /// Rows from this number on are done.
    before: u64,
    looked_at: u64,
    found: Reassessed,
    /// Whether some row belongs to another event now.
    moved: bool,
    /// The second pass, which counts the arrivals of every event anew.
    counting: Option<Counting>,
    began: Instant,
    failed: bool,
}

/// Arrivals counted up to a row, the oldest first.
#[derive(Default)]
struct Counting {
    from: u64,
    newest: HashMap<Group, (u64, u32)>,
}

impl Review {
    pub(super) fn new(asked: Asked) -> Self {
        Self {
            done: Some(asked.done),
            ..Self::with(asked.wanted)
        }
    }

    /// Makes a review of every row, which nobody waits for.
    pub(super) fn of_all() -> Self {
        Self::with(Box::new(|_| true))
    }

    fn with(wanted: Wanted) -> Self {
        Self {
            wanted,
            done: None,
            before: u64::MAX,
            looked_at: 0,
            found: Reassessed::default(),
            moved: false,
            counting: None,
            began: Instant::now(),
            failed: false,
        }
    }

    pub(super) fn is_waited_for(&self) -> bool {
        self.done.is_some()
    }

    pub(super) fn changed(&self) -> usize {
        self.found.changed as usize
    }

    /// Returns how many hundredths of the rows are done, once it takes long.
    pub(super) fn share(&self, rows: u64) -> Option<u8> {
        let share = (self.looked_at * 100 / rows.max(1)).min(99);
        (self.began.elapsed() >= LONG).then_some(share as u8)
    }

    /// Begins once more after a failure; says no the second time.
    pub(super) fn again(&mut self) -> bool {
        if self.failed {
            return false;
        }
        let wanted = std::mem::replace(&mut self.wanted, Box::new(|_| false));
        *self = Self {
            done: self.done.take(),
            failed: true,
            ..Self::with(wanted)
        };
        true
    }

    /// Tells that it is done.
    pub(super) fn end(self, shared: &Shared) {
        // What was told before anybody listened may be on a screen all the same.
        let unheard = self.done.is_none() && self.changed() > 0;
        if self.changed() > TOLD || self.moved || unheard {
            let _ = shared.changes.send(Change::Removed(0));
        }
        tracing::info!(
            rows = self.found.rows(),
            changed = self.found.changed,
            "deliveries were verified again"
        );
        if let Some(done) = self.done {
            let _ = done.send(Ok(self.found));
        }
    }

    /// Tells that it cannot be done.
    pub(super) fn fail(self, error: ReadError) {
        if let Some(done) = self.done {
            let _ = done.send(Err(error));
        }
    }
}

impl Editor {
    /// Verifies some rows again.
    pub(super) fn review(
        &mut self,
        shared: &Shared,
        review: &mut Review,
    ) -> Result<Progress, ReadError> {
        if let Some(counting) = &mut review.counting {
            return self.count_again(shared, counting);
        }
        let mut rows: Vec<Row> = Vec::new();
        let (mut looked_at, mut reached) = (0, review.before);
        self.index.whole_rows(review.before, &mut |row| {
            looked_at += 1;
            reached = row.summary.seq;
            if (review.wanted)(&row.summary) {
                rows.push(row);
            }
            rows.len() < TOGETHER && looked_at < LOOKED_AT
        })?;
        let ended = rows.len() < TOGETHER && looked_at < LOOKED_AT;
        let until = Instant::now() + STEP;
        let mut draft = Draft::new(shared, self);
        draft.hear(review.changed() < TOLD);
        let mut all = true;
        for (at, row) in rows.into_iter().enumerate() {
            if at > 0 && Instant::now() >= until {
                all = false;
                break;
            }
            review.before = row.summary.seq;
            let delivery = match read_delivery(&shared.segments, row.place) {
                Ok(Some(delivery)) if delivery.seq == row.summary.seq => delivery,
                // Its verdict stays as it was; opening it tells what is damaged.
                Ok(_) | Err(_) => {
                    review.found.count(row.summary.status);
                    continue;
                }
            };
            let judged = draft.judge_again(row, &delivery);
            review.found.count(judged.status);
            review.found.changed += u64::from(judged.changed);
            review.moved |= judged.moved;
        }
        draft.finish()?;
        review.looked_at += looked_at as u64;
        if all {
            review.before = reached;
        }
        if !(ended && all) {
            return Ok(Progress::On);
        }
        if review.moved {
            review.counting = Some(Counting::default());
            return Ok(Progress::On);
        }
        Ok(Progress::Done)
    }

    /// Counts the arrivals of events anew, some rows on.
    fn count_again(
        &mut self,
        shared: &Shared,
        counting: &mut Counting,
    ) -> Result<Progress, ReadError> {
        let mut rows: Vec<Row> = Vec::new();
        let mut looked_at = 0;
        let (newest, from) = (&mut counting.newest, &mut counting.from);
        let runs = self.runs.clone();
        self.index.rows_upwards(*from, &mut |mut row| {
            looked_at += 1;
            *from = row.summary.seq + 1;
            if let Some(group) = row.group {
                // What came before it may be gone; its number stays then.
                let gone = row.previous.is_some_and(|seq| !runs.contains(seq));
                let own = if gone { row.summary.arrival } else { 1 };
                let (previous, arrival) = match newest.get(&group) {
                    Some((seq, arrival)) => (Some(*seq), own.max(arrival + 1)),
                    None => (row.previous.filter(|_| gone), own),
                };
                newest.insert(group, (row.summary.seq, arrival));
                if (row.previous, row.summary.arrival) != (previous, arrival) {
                    row.previous = previous;
                    row.summary.arrival = arrival;
                    rows.push(row);
                }
            }
            looked_at < LOOKED_AT
        })?;
        let mut draft = Draft::new(shared, self);
        draft.hear(false);
        for row in rows {
            draft.put(row);
        }
        draft.finish()?;
        if looked_at == LOOKED_AT {
            return Ok(Progress::On);
        }
        let mut events = Events::default();
        for (group, (seq, _)) in &counting.newest {
            events.note(*group, *seq);
        }
        *shared
            .events
            .write()
            .unwrap_or_else(PoisonError::into_inner) = events;
        Ok(Progress::Done)
    }
}
