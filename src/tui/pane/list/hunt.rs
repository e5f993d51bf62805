//! Going to the next delivery with a problem, through parts of the list that
//! are not in memory too.

use crate::domain::attempt::Outcome;
use crate::domain::summary::Summary;
use crate::domain::verification::Status;
use crate::engine::command::{ListQuery, Page};

use super::ListPane;

/// How many rows are looked through at a time.
const CHUNK: usize = 1_000;

/// A search under way.
#[derive(Clone, Debug)]
pub(super) struct Hunt {
    down: bool,
    query: ListQuery,
}

/// How a search goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hunted {
    /// The cursor stands on it.
    Found,
    /// More rows are to be looked through.
    Seek(ListQuery),
    /// There is none in this direction.
    None,
}

/// Says whether something is wrong with a delivery: its signature, its
/// receipt, or what the app made of it.
pub fn is_problem(row: &Summary) -> bool {
    let signature = match row.status {
        Status::Stale | Status::Invalid | Status::Malformed | Status::MissingSignature => true,
        Status::Valid | Status::NoSecret | Status::UnknownProvider | Status::Pending => false,
    };
    let attempt = row.last_attempt.is_some_and(|a| match a.outcome {
        Outcome::Failed | Outcome::Expired => true,
        Outcome::Pending | Outcome::Delivered => false,
    });
    signature || attempt || row.refused.is_some() || row.answer.status >= 400
}

impl ListPane {
    /// Moves the cursor to the next problem below it, or above it.
    pub fn hunt(&mut self, down: bool, height: usize) -> Hunted {
        let held = self.rows.range();
        let found = if down {
            let mut below = self.cursor + 1..held.end;
            below.find(|i| self.rows.get(*i).is_some_and(is_problem))
        } else {
            let mut above = (held.start..self.cursor.min(held.end)).rev();
            above.find(|i| self.rows.get(*i).is_some_and(is_problem))
        };
        match found {
            Some(place) => {
                self.go(place, height);
                Hunted::Found
            }
            None => self.seek(down, if down { held.end } else { held.start }),
        }
    }

    /// Looks through rows that were asked for in search of a problem.
    pub fn sought(&mut self, query: &ListQuery, page: &Page, height: usize) -> Hunted {
        let Some(hunt) = self.hunt.take().filter(|h| h.query == *query) else {
            return Hunted::Found;
        };
        let found = if hunt.down {
            page.rows.iter().position(is_problem)
        } else {
            page.rows.iter().rposition(is_problem)
        };
        if let Some(at) = found {
            self.go(page.offset + at, height);
            // What is in memory may be older than the page.
            self.picked = Some(page.rows[at].clone());
            self.stale = true;
            return Hunted::Found;
        }
        if page.rows.is_empty() {
            return Hunted::None;
        }
        let border = if hunt.down {
            page.offset + page.rows.len()
        } else {
            page.offset
        };
        self.seek(hunt.down, border)
    }

    fn seek(&mut self, down: bool, border: usize) -> Hunted {
        if (down && border >= self.rows.matching()) || (!down && border == 0) {
            self.hunt = None;
            return Hunted::None;
        }
        let offset = if down {
            border
        } else {
            border.saturating_sub(CHUNK)
        };
        let query = ListQuery {
            before: None,
            around: None,
            filter: self.filter().to_owned(),
            offset,
            limit: if down { CHUNK } else { border - offset },
        };
        self.hunt = Some(Hunt {
            down,
            query: query.clone(),
        });
        Hunted::Seek(query)
    }
}
