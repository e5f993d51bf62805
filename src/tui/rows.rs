//! The part of the list that is in memory: a window of rows in the order of
//! the list, newest first. Asking for other windows is left to the list.

use std::collections::VecDeque;
use std::ops::Range;

use crate::domain::summary::Summary;
use crate::engine::command::Page;

/// How many rows are held at the most when new ones come in at the top.
const HELD_MAX: usize = 2_000;

/// A window of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    offset: usize,
    held: VecDeque<Summary>,
    matching: usize,
    total: usize,
}

impl Rows {
    /// Returns how many deliveries the whole list has.
    pub const fn matching(&self) -> usize {
        self.matching
    }

    /// Returns how many deliveries are kept.
    pub const fn total(&self) -> usize {
        self.total
    }

    /// Returns the places of the list that are in memory.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.held.len()
    }

    /// Returns the row at a place of the list, where it is in memory.
    pub fn get(&self, index: usize) -> Option<&Summary> {
        self.held.get(index.checked_sub(self.offset)?)
    }

    /// Finds the place of a delivery, where it is in memory.
    pub fn position(&self, seq: u64) -> Option<usize> {
        // Newest first: a larger number comes first.
        let at = self.held.partition_point(|row| row.seq > seq);
        let found = self.held.get(at).is_some_and(|row| row.seq == seq);
        found.then_some(self.offset + at)
    }

    /// Returns the place of the first row that is older than a delivery.
    pub fn place_below(&self, seq: u64) -> usize {
        self.offset + self.held.partition_point(|row| row.seq > seq)
    }

    /// Says whether all of these places, as far as the list goes, are in memory.
    pub fn covers(&self, wanted: Range<usize>) -> bool {
        let end = wanted.end.min(self.matching);
        let start = wanted.start.min(end);
        let held = self.range();
        start == end || (held.start <= start && end <= held.end)
    }

    /// Takes another window in the place of this one.
    pub fn replace(&mut self, page: Page) {
        *self = Self {
            offset: page.offset,
            held: page.rows.into(),
            matching: page.matching,
            total: page.total,
        };
    }

    /// Says whether the window begins with the newest row, so that a newer
    /// one can be put before it.
    pub fn at_top(&self) -> bool {
        self.offset == 0
    }

    /// Puts a newer row on top, or in its place where it is there already.
    /// Says whether it was put on top.
    pub fn push(&mut self, row: Summary) -> bool {
        match self.held.front() {
            Some(front) if front.seq >= row.seq => {
                self.change(row);
                return false;
            }
            _ => self.held.push_front(row),
        }
        self.held.truncate(HELD_MAX);
        self.matching += 1;
        true
    }

    /// Notes how many deliveries are kept now.
    pub fn set_total(&mut self, total: usize) {
        self.total = total;
    }

    /// Takes a row's new state; says whether it is in memory.
    pub fn change(&mut self, row: Summary) -> bool {
        let Some(index) = self.position(row.seq) else {
            return false;
        };
        self.held[index - self.offset] = row;
        true
    }
}
