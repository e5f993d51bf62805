//! The list of deliveries: where the cursor stands, what part is in memory,
//! what is to be asked for.
//!
//! Places are counted from the newest delivery that matches. The selected
//! delivery is identified by its sequence number and changes by a key alone:
//! where new rows push it down, cursor and window move with it. Only when
//! retention removes it, its nearest neighbour is selected.

mod hunt;
mod view;

use std::cmp::Ordering;
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
pub struct ListPane {
    /// The rows in memory.
    pub rows: Rows,
    /// The place of the cursor: that of the selected delivery, or where it
    /// would be if it matched the filter.
    pub cursor: usize,
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
    newest: u64,
    /// The selected delivery; `None` while the row under the cursor is not in
    /// memory.
    picked: Option<Summary>,
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

    /// Returns the selected delivery.
    pub fn selected(&self) -> Option<&Summary> {
        self.picked.as_ref()
    }

    /// Returns the selected delivery's sequence number.
    pub fn seq(&self) -> Option<u64> {
        self.picked.as_ref().map(|row| row.seq)
    }

    /// Takes another filter; the selected delivery stays where it matches too.
    pub fn set_filter(&mut self, text: &str) {
        if text == self.filter.text() {
            return;
        }
        self.filter = Filter::parse(text);
        self.stale = true;
        self.hunt = None;
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
        let near = self.top.saturating_sub(height)..self.top + 2 * height;
        if self.loaded && !self.stale && !other && self.rows.covers(near) {
            return None;
        }
        let margin = MARGIN.max(2 * height);
        let around = self.seq().filter(|_| !self.follow);
        let offset = match around {
            Some(_) => self.cursor.saturating_sub(self.top) + margin,
            None if other => 0,
            None => self.top.saturating_sub(margin),
        };
        let query = ListQuery {
            before: None,
            around,
            filter: self.filter.text().to_owned(),
            offset,
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
        // Fewer than are known: it was made before the newest were stored.
        let older = page.total < self.rows.total();
        self.stale |= older;
        let fresh = !self.loaded || self.found_with != query.filter;
        let grown = page.matching.saturating_sub(self.rows.matching());
        let shrunk = self.rows.matching().saturating_sub(page.matching);
        if let Some(first) = page.rows.first() {
            self.newest = self.newest.max(first.seq);
        }
        self.notes.clone_from(&page.notes);
        let anchor = page.anchor.as_deref().cloned();
        self.rows.replace(page);
        for row in changed {
            self.rows.change(row);
        }
        self.loaded = true;
        self.found_with.clone_from(&query.filter);
        let around = query.around;
        self.answered = Some(query);

        if self.follow {
            self.go_to_newest();
        } else {
            self.unseen = match fresh {
                true => 0,
                false if older => self.unseen.saturating_sub(shrunk),
                false => self.unseen + grown,
            };
            let on_screen = self.cursor.saturating_sub(self.top);
            let moved = (self.cursor + grown).saturating_sub(shrunk);
            self.cursor = self.find(around, anchor, fresh, moved);
            self.top = self.cursor.saturating_sub(on_screen);
        }
        self.settle(height);
        if self.picked.is_none() {
            self.pick();
        }
    }

    /// Returns the selected delivery's place in new rows. Where it was
    /// removed, or does not match another filter, another one is selected.
    fn find(
        &mut self,
        around: Option<u64>,
        anchor: Option<Summary>,
        fresh: bool,
        moved: usize,
    ) -> usize {
        let Some(seq) = self.seq() else {
            return if fresh { 0 } else { moved };
        };
        if let Some(place) = self.rows.position(seq) {
            self.picked = self.rows.get(place).cloned();
            return place;
        }
        if around != Some(seq) {
            // The window was asked for before this delivery was selected.
            self.stale = true;
            return moved;
        }
        if fresh {
            self.picked = None;
            return 0;
        }
        self.picked = anchor;
        self.rows.place_below(seq)
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
        if !self.rows.push(row) {
            // It is listed already, unless events came out of order.
            self.stale |= self.rows.position(seq).is_none();
            return;
        }
        // Other rows are in memory now, so that the last query may be needed again.
        self.answered = None;
        if self.follow || self.picked.is_none() && self.rows.matching() == 1 {
            self.go_to_newest();
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
        if self.seq() == Some(row.seq) {
            self.picked = Some(row.clone());
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

    /// Moves the cursor by a step. Following ends, unless the step goes up from
    /// the newest delivery and so changes nothing.
    pub fn step(&mut self, by: isize, height: usize) {
        if self.follow && by <= 0 {
            return;
        }
        let to = scroll::step(self.cursor, self.past_gap(by), self.rows.matching());
        self.go(to, height);
    }

    /// Returns a step that begins at the selected delivery, where that is no
    /// longer listed and the cursor is on a neighbour of it.
    fn past_gap(&self, by: isize) -> isize {
        let (Some(seq), Some(row)) = (self.seq(), self.rows.get(self.cursor)) else {
            return by;
        };
        match row.seq.cmp(&seq) {
            Ordering::Less if by > 0 => by - 1,
            Ordering::Greater if by < 0 => by + 1,
            _ => by,
        }
    }

    /// Moves the cursor to a place; following ends.
    pub fn go(&mut self, to: usize, height: usize) {
        self.follow = false;
        self.hunt = None;
        self.cursor = to.min(self.rows.matching().saturating_sub(1));
        self.pick();
        self.show_cursor(height);
    }

    /// Selects the delivery at the cursor.
    fn pick(&mut self) {
        self.picked = self.rows.get(self.cursor).cloned();
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
        self.pick();
    }

    /// Keeps cursor and window inside the list; the window does not move otherwise.
    fn settle(&mut self, height: usize) {
        let total = self.rows.matching();
        self.cursor = self.cursor.min(total.saturating_sub(1));
        self.top = scroll::clamp(self.top, height, total);
        self.show_cursor(height);
    }

    fn show_cursor(&mut self, height: usize) {
        self.top = scroll::follow(self.top, self.cursor, height, self.rows.matching());
        if self.top == 0 {
            self.unseen = 0;
        }
    }
}

#[cfg(test)]
mod tests;
