//! Verifies rows again, after what judges them has changed: some at a time, on
//! the threads that verify what arrives. The newest are first, unless a verdict
//! may depend on those of earlier deliveries.

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
use super::verify::Verdict;
use super::{Change, ReadError, Summary};

/// How many rows are looked at in one step.
const LOOKED_AT: usize = 4096;

/// How many deliveries are handed to the verifying threads at once.
const TOGETHER: usize = 256;

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
    /// Tells its verdicts from others'.
    number: u64,
    wanted: Wanted,
    done: Option<oneshot::Sender<Result<Reassessed, ReadError>>>,
    /// The rows that are still to be looked at; `None`: all, and it has not begun.
    left: Option<RowsLeft>,
    looked_at: u64,
    /// How many are being verified.
    out: usize,
    /// Whether it only counts arrivals.
    only_counts: bool,
    found: Reassessed,
    /// Whether some row belongs to another event now.
    moved: bool,
    stage: Stage,
    began: Instant,
    failed: bool,
}

/// The rows that a review has still to look at.
#[derive(Clone, Copy)]
enum RowsLeft {
    /// Those before this number, the newest first.
    Before(u64),
    /// Those from the first number on, before the second, the oldest first.
    Between(u64, u64),
}

/// How far a review has come.
enum Stage {
    /// Rows are looked for that are to be verified.
    Looking,
    /// The last are being verified.
    Looked,
    /// The second pass, which counts the arrivals of every event again.
    Counting(Counting),
}

/// Arrivals counted up to a row, the oldest first.
#[derive(Default)]
struct Counting {
    from: u64,
    newest: HashMap<Group, (u64, u32)>,
}

impl Review {
    pub(super) fn new(number: u64, asked: Asked) -> Self {
        Self {
            done: Some(asked.done),
            ..Self::with(number, asked.wanted)
        }
    }

    /// Makes a review of every row, which nobody waits for.
    pub(super) fn of_all(number: u64) -> Self {
        Self::with(number, Box::new(|_| true))
    }

    /// Makes a review that only counts the arrivals of events again.
    pub(super) fn counting(number: u64) -> Self {
        Self {
            stage: Stage::Looked,
            only_counts: true,
            moved: true,
            ..Self::with(number, Box::new(|_| false))
        }
    }

    fn with(number: u64, wanted: Wanted) -> Self {
        Self {
            number,
            wanted,
            done: None,
            left: None,
            looked_at: 0,
            out: 0,
            only_counts: false,
            found: Reassessed::default(),
            moved: false,
            stage: Stage::Looking,
            began: Instant::now(),
            failed: false,
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Says whether there is something to do that no verdict is awaited for.
    pub(super) fn has_step(&self) -> bool {
        self.out == 0
    }

    /// Says whether it verifies rows.
    pub(super) fn verifies(&self) -> bool {
        !self.only_counts
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

    /// Begins once more after a failure, as another number; says no the second
    /// time.
    pub(super) fn again(&mut self, number: u64) -> bool {
        if self.failed || self.only_counts {
            return false;
        }
        self.restart(number);
        self.failed = true;
        true
    }

    /// Begins from the first row, as another number.
    pub(super) fn restart(&mut self, number: u64) {
        let wanted = std::mem::replace(&mut self.wanted, Box::new(|_| false));
        *self = Self {
            done: self.done.take(),
            failed: self.failed,
            ..Self::with(number, wanted)
        };
    }

    /// Tells that it is done.
    pub(super) fn end(self, shared: &Shared) {
        if self.only_counts {
            let _ = shared.changes.send(Change::Removed(0));
            return;
        }
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
    /// Takes a review a step on.
    pub(super) fn review(
        &mut self,
        shared: &Shared,
        review: &mut Review,
    ) -> Result<Progress, ReadError> {
        if let Stage::Counting(counting) = &mut review.stage {
            return self.count_again(shared, counting);
        }
        if matches!(review.stage, Stage::Looking) {
            let (seqs, looked_at) = self.look(shared, review)?;
            if seqs.len() < TOGETHER && looked_at < LOOKED_AT {
                review.stage = Stage::Looked;
            }
            review.looked_at += looked_at as u64;
            review.out = seqs.len();
            shared.unverified.review(review.number, seqs.into_iter());
            if review.out > 0 || matches!(review.stage, Stage::Looking) {
                return Ok(Progress::On);
            }
        }
        if review.moved {
            review.stage = Stage::Counting(Counting::default());
            return Ok(Progress::On);
        }
        Ok(Progress::Done)
    }

    /// Looks for the next rows that are to be verified; returns them and how many
    /// were looked at.
    fn look(&self, shared: &Shared, review: &mut Review) -> Result<(Vec<u64>, usize), ReadError> {
        let left = match review.left {
            Some(left) => left,
            None if shared.assess.depends_on_order() => {
                let mut newest = None;
                self.index.heads(&mut |head| {
                    newest = Some(head.seq);
                    false
                })?;
                // What arrives later is verified as it arrives.
                RowsLeft::Between(0, newest.map_or(0, |seq| seq + 1))
            }
            None => RowsLeft::Before(u64::MAX),
        };
        let mut seqs: Vec<u64> = Vec::new();
        let (mut looked_at, mut reached) = (0, None);
        let mut look = |row: &Summary| {
            looked_at += 1;
            reached = Some(row.seq);
            if (review.wanted)(row) {
                seqs.push(row.seq);
            }
            seqs.len() < TOGETHER && looked_at < LOOKED_AT
        };
        review.left = Some(match left {
            RowsLeft::Before(before) => {
                self.index.rows(before, &mut look)?;
                RowsLeft::Before(reached.unwrap_or(before))
            }
            RowsLeft::Between(from, end) => {
                let mut look = |row: Row| row.summary.seq < end && look(&row.summary);
                self.index.rows_upwards(from, &mut look)?;
                RowsLeft::Between(reached.map_or(from, |seq| seq + 1), end)
            }
        });
        Ok((seqs, looked_at))
    }

    /// Notes what verifying rows again has given.
    pub(super) fn reviewed(
        &mut self,
        shared: &Shared,
        review: &mut Review,
        verdicts: &[&Verdict],
    ) -> Result<(), ReadError> {
        let mut draft = Draft::new(shared, self);
        draft.hear(review.changed() < TOLD);
        for verdict in verdicts {
            review.out = review.out.saturating_sub(1);
            let Some(row) = draft.peek(verdict.seq)? else {
                continue;
            };
            let Some(found) = verdict.found.clone() else {
                // Its verdict stays as it was; opening it tells what is damaged.
                review.found.count(row.summary.status);
                continue;
            };
            let judged = draft.judge_again(row, found);
            review.found.count(judged.status);
            review.found.changed += u64::from(judged.changed);
            review.moved |= judged.moved;
        }
        draft.finish()
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
