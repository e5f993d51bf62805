//! The list of deliveries: where the cursor stands, what part is in memory,
//! what is to be asked for.
//!
//! Places are counted from the newest delivery that matches. A delivery is
//! held on to by its sequence number: where new rows push it down, cursor and
//! window go with it.

mod hunt;
mod view;

use std::collections::BTreeMap;

use crate::domain::filter::Filter;
use crate::domain::summary::Summary;
use crate::domain::timestamp::Timestamp;
use crate::engine::command::{ListQuery, Page};
use crate::tui::rows::Rows;
use crate::tui::widget::scroll;

pub use hunt::{Hunted, is_problem};
pub use view::{draw, lead};

/// How many rows beyond the screen are asked for, on either side.
const MARGIN: usize = 100;

/// How many changed rows are held while a window is awaited.
const CHANGED: usize = 1_000;

/// The list's state.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct ListPane {
    /// The rows in memory.
    pub rows: Rows,
    /// The place of the cursor.
    pub cursor: usize,
    /// The delivery under the cursor; `None` while its row is not in memory.
    pub seq: Option<u64>,
    /// The place of the first row on the screen.
    pub top: usize,
    /// Whether the cursor stays on the newest.
    pub follow: bool,
    /// How many rows have come in above the screen since it showed the newest.
    pub unseen: usize,
    /// The deliveries selected for sending several at once.
    pub chosen: BTreeMap<u64, Summary>,
    /// Whether a first window has come.
    pub loaded: bool,
    /// What the filter could not make sense of.
    pub notes: Vec<String>,
    filter: Filter,
    /// The filter the rows in memory were found with.
    found_with: String,
    asked: Option<ListQuery>,
    answered: Option<ListQuery>,
    /// Rows that changed while a window was awaited, which may be older.
    changed: Vec<Summary>,
    stale: bool,
    lost: bool,
    around: usize,
    newest: u64,
    hunt: Option<hunt::Hunt>,
}

impl ListPane {
    /// Makes a list that stays on the newest until somebody moves.
    pub fn following() -> Self {
        Self {
            follow: true,
            ..Self::default()
        }
    }

    /// Returns the filter as typed.
    pub fn filter(&self) -> &str {
        self.filter.text()
    }

    /// Returns the row under the cursor.
    pub fn selected(&self) -> Option<&Summary> {
        let row = self.rows.get(self.cursor)?;
        (Some(row.seq) == self.seq).then_some(row)
    }

    /// Takes another filter; the delivery under the cursor stays where it matches too.
    pub fn set_filter(&mut self, text: &str) {
        if text == self.filter.text() {
            return;
        }
        self.filter = Filter::parse(text);
        self.stale = true;
        self.hunt = None;
        self.around = 0;
        // Sequence numbers have no gaps, so without a filter a delivery's
        // number tells its place.
        if let (true, Some(seq)) = (self.filter.is_empty(), self.seq) {
            self.around = usize::try_from(self.newest.saturating_sub(seq)).unwrap_or(0);
        }
    }

    /// Notes that the rows in memory may no longer be true.
    pub fn expire(&mut self) {
        self.stale = true;
    }

    /// Says which window should be asked for now, and remembers that it was;
    /// one at a time.
    pub fn wants(&mut self, height: usize) -> Option<ListQuery> {
        if self.asked.is_some() {
            return None;
        }
        let other = self.found_with != self.filter.text();
        let centre = if other { self.around } else { self.top };
        let near = centre.saturating_sub(height)..centre + 2 * height;
        if self.loaded && !self.stale && !other && self.rows.covers(near) {
            return None;
        }
        let margin = MARGIN.max(2 * height);
        let query = ListQuery {
            before: None,
            filter: self.filter.text().to_owned(),
            offset: centre.saturating_sub(margin),
            limit: height + 2 * margin,
        };
        if !self.stale && self.answered.as_ref() == Some(&query) {
            return None;
        }
        self.stale = false;
        self.asked = Some(query.clone());
        Some(query)
    }

    /// Notes that a window could not be had.
    pub fn failed(&mut self, query: ListQuery) {
        if self.asked.as_ref() == Some(&query) {
            self.asked = None;
            self.changed.clear();
            self.answered = Some(query);
        }
    }

    /// Takes a window that was asked for.
    pub fn take(&mut self, query: ListQuery, page: Page, height: usize) {
        if self.asked.as_ref() != Some(&query) {
            return;
        }
        self.asked = None;
        let changed = std::mem::take(&mut self.changed);
        if query.filter != self.filter.text() {
            return;
        }
        // Fewer than are known: it was made before the newest came.
        self.stale |= page.total < self.rows.total();
        let fresh = !self.loaded || self.found_with != query.filter;
        let grown = page.matching.saturating_sub(self.rows.matching());
        let shrunk = self.rows.matching().saturating_sub(page.matching);
        if let Some(first) = page.rows.first() {
            self.newest = self.newest.max(first.seq);
        }
        self.notes.clone_from(&page.notes);
        self.rows.replace(page);
        for row in changed {
            self.rows.change(row);
        }
        self.loaded = true;
        self.found_with.clone_from(&query.filter);
        self.answered = Some(query);

        if self.follow {
            self.go_to_newest();
        } else if fresh {
            self.unseen = 0;
            self.find_again();
        } else {
            self.unseen += grown;
            self.shift(grown, shrunk);
        }
        self.settle(height);
    }

    /// Takes a delivery that was kept just now.
    pub fn added(&mut self, row: Summary, now: Timestamp, height: usize) {
        if row.seq > self.newest {
            self.newest = row.seq;
            self.rows.set_total(self.rows.total() + 1);
        }
        if !self.loaded || self.found_with != self.filter.text() {
            self.stale = true;
            return;
        }
        if !self.filter.matches(&row, now) {
            return;
        }
        if !self.rows.at_top() {
            // The reply counts it; the window stays true until then.
            self.stale = true;
            return;
        }
        let seq = row.seq;
        let first = self.rows.matching() == 0;
        if !self.rows.push(row) {
            return;
        }
        if self.follow || first {
            self.go_to_newest();
            self.seq = Some(seq);
        } else {
            self.cursor += 1;
            self.top += 1;
            self.unseen += 1;
        }
        self.settle(height);
    }

    /// Takes a row's new state.
    pub fn changed(&mut self, row: Summary, now: Timestamp) {
        if let Some(chosen) = self.chosen.get_mut(&row.seq) {
            *chosen = row.clone();
        }
        let matches = self.filter.matches(&row, now);
        if self.asked.is_some() {
            self.changed.push(row.clone());
            if self.changed.len() > CHANGED {
                self.changed.clear();
                self.stale = true;
            }
        }
        let held = self.rows.change(row);
        if held != matches && !self.filter.is_empty() {
            self.stale = true;
        }
    }

    /// Moves the cursor by a step; following ends.
    pub fn step(&mut self, by: isize, height: usize) {
        let to = scroll::step(self.cursor, by, self.rows.matching());
        self.go(to, height);
    }

    /// Moves the cursor to a place; following ends.
    pub fn go(&mut self, to: usize, height: usize) {
        self.follow = false;
        self.hunt = None;
        self.cursor = to.min(self.rows.matching().saturating_sub(1));
        self.seq = self.rows.get(self.cursor).map(|row| row.seq);
        self.show_cursor(height);
    }

    /// Begins to follow the newest, or stops.
    pub fn set_follow(&mut self, follow: bool, height: usize) {
        self.follow = follow;
        if follow {
            self.go_to_newest();
            self.settle(height);
        }
    }

    /// Selects the delivery under the cursor for a batch, or no longer.
    pub fn choose(&mut self) {
        let Some(row) = self.selected().cloned() else {
            return;
        };
        if self.chosen.remove(&row.seq).is_none() {
            self.chosen.insert(row.seq, row);
        }
    }

    /// Fits the window to a new height.
    pub fn resize(&mut self, height: usize) {
        self.show_cursor(height);
    }

    /// Puts cursor and window on the newest row.
    fn go_to_newest(&mut self) {
        self.cursor = 0;
        self.top = 0;
        self.unseen = 0;
        self.seq = self.rows.get(0).map(|row| row.seq);
    }

    /// Finds the delivery under the cursor in rows found with another filter.
    fn find_again(&mut self) {
        let on_screen = self.cursor.saturating_sub(self.top);
        let place = self.seq.and_then(|seq| self.rows.position(seq));
        self.cursor = place.unwrap_or(0);
        self.top = self.cursor.saturating_sub(on_screen);
        self.seq = self.rows.get(self.cursor).map(|row| row.seq);
    }

    /// Finds the delivery under the cursor after the list grew above it.
    fn shift(&mut self, grown: usize, shrunk: usize) {
        let place = self.seq.and_then(|seq| self.rows.position(seq));
        if let Some(place) = place {
            let on_screen = self.cursor.saturating_sub(self.top);
            self.cursor = place;
            self.top = place.saturating_sub(on_screen);
            self.lost = false;
        } else if self.seq.is_some() && grown > 0 && !self.lost {
            // Pushed out of the window: it is looked for once more where it should be.
            self.cursor += grown;
            self.top += grown;
            self.lost = true;
            self.stale = true;
        } else {
            self.lost = false;
            self.cursor = self.cursor.saturating_sub(shrunk.min(self.cursor));
            self.cursor = self.cursor.min(self.rows.matching().saturating_sub(1));
            self.seq = self.rows.get(self.cursor).map(|row| row.seq);
        }
    }

    /// Keeps cursor and window inside the list; the window does not move otherwise.
    fn settle(&mut self, height: usize) {
        let total = self.rows.matching();
        if !self.lost {
            self.cursor = self.cursor.min(total.saturating_sub(1));
            self.top = scroll::clamp(self.top, height, total);
        }
        self.show_cursor(height);
    }

    fn show_cursor(&mut self, height: usize) {
        if !self.lost {
            self.top = scroll::follow(self.top, self.cursor, height, self.rows.matching());
        }
        if self.top == 0 {
            self.unseen = 0;
        }
    }
}

#[cfg(test)]
mod tests;
