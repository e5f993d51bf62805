//! The columns of the list; each is a unit struct and an entry of [`COLUMNS`].

use std::borrow::Cow;

use crate::domain::attempt::Outcome;
use crate::domain::delivery::Responder;
use crate::domain::doctor;
use crate::domain::summary::Summary;
use crate::domain::verification::Status;

use super::pane::Ctx;
use super::theme::Role;

/// A column of the list.
pub trait Column: Sync {
    /// Returns the heading.
    fn title(&self) -> &'static str;

    /// Returns the width; the column of [`Room::Rest`] gets the remaining space.
    fn room(&self) -> Room;

    /// Returns whether the cells are aligned to the right, as numbers are.
    fn right(&self) -> bool {
        false
    }

    /// Returns the minimum width of the [`Room::Rest`] column at which this column
    /// is shown.
    fn shown_when_rest(&self) -> usize {
        0
    }

    /// Returns the short text of a cell that would be cut.
    fn short(&self, _row: &Summary) -> Option<&'static str> {
        None
    }

    /// Returns the cell of a row.
    fn cell<'a>(&self, row: &'a Summary, ctx: Ctx<'_>) -> (Cow<'a, str>, Role);
}

/// The width of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// A fixed number of columns, fewer in a narrow list.
    Fixed {
        /// In a wide list.
        wide: usize,
        /// In a list on half a common screen.
        middle: usize,
        /// In a narrow list.
        narrow: usize,
    },
    /// The remaining space.
    Rest,
}

/// The columns, from left to right.
pub const COLUMNS: &[&dyn Column] = &[&Time, &Sig, &Provider, &Event, &App, &Millis, &Arrivals];

/// The minimum list width for wide columns.
const WIDE: usize = 72;

/// The minimum list width for middle columns.
const MIDDLE: usize = 58;

/// Returns the columns that fit, with their widths.
pub fn fit(columns: usize) -> Vec<(&'static dyn Column, usize)> {
    // Drop the most demanding columns first, until the rest is wide enough.
    let mut demands: Vec<usize> = COLUMNS.iter().map(|c| c.shown_when_rest()).collect();
    demands.sort_unstable();
    for demand in demands.into_iter().rev() {
        let shown: Vec<_> = COLUMNS
            .iter()
            .filter(|c| c.shown_when_rest() <= demand)
            .map(|c| (*c, width_of(c.room(), columns)))
            .collect();
        let fixed: usize = shown.iter().map(|(_, w)| w.map_or(0, |w| w + 1)).sum();
        let rest = columns.saturating_sub(fixed);
        if rest >= demand || demand == 0 {
            let widths = shown.into_iter();
            return widths.map(|(c, w)| (c, w.unwrap_or(rest))).collect();
        }
    }
    Vec::new()
}

fn width_of(room: Room, columns: usize) -> Option<usize> {
    match room {
        Room::Fixed { wide, .. } if columns >= WIDE => Some(wide),
        Room::Fixed { middle, .. } if columns >= MIDDLE => Some(middle),
        Room::Fixed { narrow, .. } => Some(narrow),
        Room::Rest => None,
    }
}

const fn fixed(width: usize) -> Room {
    Room::Fixed {
        wide: width,
        middle: width,
        narrow: width,
    }
}

/// The time of receipt.
struct Time;
/// The verification status.
struct Sig;
/// The provider.
struct Provider;
/// The event, or the request line if the event is unknown.
struct Event;
/// The app's response. Without an app, the response of creel.
struct App;
/// How long the response took.
struct Millis;
/// The ordinal of the arrival of the same event.
struct Arrivals;

impl Column for Time {
    fn title(&self) -> &'static str {
        "TIME"
    }

    fn room(&self) -> Room {
        fixed(8)
    }

    fn cell<'a>(&self, row: &'a Summary, ctx: Ctx<'_>) -> (Cow<'a, str>, Role) {
        (
            ctx.look.short_time(row.received_at, ctx.now).into(),
            Role::Plain,
        )
    }
}

impl Column for Sig {
    fn title(&self) -> &'static str {
        "SIG"
    }

    fn short(&self, row: &Summary) -> Option<&'static str> {
        Some(row.status_word())
    }

    fn room(&self) -> Room {
        Room::Fixed {
            wide: 13,
            middle: 10,
            narrow: 7,
        }
    }

    fn cell<'a>(&self, row: &'a Summary, ctx: Ctx<'_>) -> (Cow<'a, str>, Role) {
        let word = ctx.look.own(row.status.word());
        let cause = row.cause.as_deref().map_or("", doctor::word);
        let text = match (row.status, cause) {
            (Status::Valid, _) if !row.is_partly_signed() => word,
            (_, "") => word,
            (_, cause) => format!("{word} {cause}").into(),
        };
        (text, status_role(row.status))
    }
}

impl Column for Provider {
    fn title(&self) -> &'static str {
        "PROVIDER"
    }

    fn room(&self) -> Room {
        Room::Fixed {
            wide: 15,
            middle: 10,
            narrow: 10,
        }
    }

    fn shown_when_rest(&self) -> usize {
        8
    }

    fn cell<'a>(&self, row: &'a Summary, ctx: Ctx<'_>) -> (Cow<'a, str>, Role) {
        match &row.provider {
            Some(provider) => (ctx.look.foreign(provider), Role::Plain),
            None => ("?".into(), Role::Plain),
        }
    }
}

impl Column for Event {
    fn title(&self) -> &'static str {
        "EVENT"
    }

    fn room(&self) -> Room {
        Room::Rest
    }

    fn cell<'a>(&self, row: &'a Summary, ctx: Ctx<'_>) -> (Cow<'a, str>, Role) {
        if let Some(event) = &row.event {
            return (ctx.look.foreign(event), Role::Plain);
        }
        let line = format!("{} {}", row.method, row.path);
        (ctx.look.foreign(&line).into_owned().into(), Role::Plain)
    }
}

impl Column for App {
    fn title(&self) -> &'static str {
        "APP"
    }

    fn room(&self) -> Room {
        fixed(4)
    }

    fn right(&self) -> bool {
        true
    }

    fn shown_when_rest(&self) -> usize {
        14
    }

    fn cell<'a>(&self, row: &'a Summary, ctx: Ctx<'_>) -> (Cow<'a, str>, Role) {
        if never_reached_app(row, ctx) {
            return ("none".into(), Role::Context);
        }
        let role = match row.last_attempt {
            _ if row.is_unanswered() => Role::Warn,
            Some(attempt) => match (attempt.status, attempt.outcome) {
                (Some(status), outcome) => app_role(status, outcome),
                (None, Outcome::Pending) => Role::Plain,
                (None, _) => Role::Bad,
            },
            None if row.answer.status >= 400 => Role::Bad,
            None => Role::Plain,
        };
        (row.app_word(), role)
    }
}

impl Column for Millis {
    fn title(&self) -> &'static str {
        "MS"
    }

    fn room(&self) -> Room {
        fixed(4)
    }

    fn right(&self) -> bool {
        true
    }

    fn shown_when_rest(&self) -> usize {
        16
    }

    fn cell<'a>(&self, row: &'a Summary, ctx: Ctx<'_>) -> (Cow<'a, str>, Role) {
        let us = match row.last_attempt {
            None if never_reached_app(row, ctx) => None,
            Some(attempt) if attempt.outcome == Outcome::Pending => None,
            Some(attempt) => Some(attempt.duration_us),
            None => row.answer.duration_us,
        };
        let text = us.map_or_else(String::new, millis);
        (text.into(), Role::Plain)
    }
}

impl Column for Arrivals {
    fn title(&self) -> &'static str {
        "#"
    }

    fn room(&self) -> Room {
        fixed(3)
    }

    fn right(&self) -> bool {
        true
    }

    fn shown_when_rest(&self) -> usize {
        15
    }

    fn cell<'a>(&self, row: &'a Summary, _: Ctx<'_>) -> (Cow<'a, str>, Role) {
        match row.arrival {
            0..=99 => (row.arrival.to_string().into(), Role::Plain),
            _ => ("99+".into(), Role::Plain),
        }
    }
}

/// Returns whether creel accepted a delivery that has an app, and the app never
/// got it: it was held, given up on, or received before the target was set.
fn never_reached_app(row: &Summary, ctx: Ctx<'_>) -> bool {
    row.last_attempt.is_none()
        && row.answer.by == Responder::Creel
        && (200..400).contains(&row.answer.status)
        && ctx.info.destination(row).is_some()
}

/// Returns the role of a verdict's word.
pub const fn status_role(status: Status) -> Role {
    match status {
        Status::Valid => Role::Good,
        Status::Stale => Role::Warn,
        Status::Invalid | Status::Malformed | Status::MissingSignature => Role::Bad,
        Status::NoSecret | Status::UnknownProvider => Role::Plain,
        Status::Pending => Role::Context,
    }
}

/// Returns the role of an app's response.
pub const fn app_role(status: u16, outcome: Outcome) -> Role {
    match (status, outcome) {
        (_, Outcome::Delivered) => Role::Good,
        (_, Outcome::Pending) => Role::Plain,
        (200..=299, _) => Role::Warn,
        _ => Role::Bad,
    }
}

/// Formats microseconds as milliseconds in four columns, or as seconds.
fn millis(us: u64) -> String {
    match us.saturating_add(500) / 1_000 {
        ms @ 0..=9_999 => ms.to_string(),
        ms @ 10_000..=999_499 => format!("{}s", (ms + 500) / 1_000),
        _ => "999s".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(columns: usize) -> Vec<(&'static str, usize)> {
        let fitted = fit(columns);
        fitted.iter().map(|(c, w)| (c.title(), *w)).collect()
    }

    #[test]
    fn drops_columns_where_there_is_no_room() {
        let all = ["TIME", "SIG", "PROVIDER", "EVENT", "APP", "MS", "#"];
        let names = |columns| titles(columns).iter().map(|t| t.0).collect::<Vec<_>>();
        assert_eq!(names(64), all);
        assert_eq!(names(42), ["TIME", "SIG", "PROVIDER", "EVENT"]);
        assert_eq!(names(25), ["TIME", "SIG", "EVENT"]);
        for columns in 0..200 {
            let fitted = titles(columns);
            let used: usize = fitted.iter().map(|(_, w)| w + 1).sum::<usize>() - 1;
            assert!(columns < 20 || used <= columns, "{columns}: {fitted:?}");
        }
    }

    #[test]
    fn writes_times_in_four_columns() {
        let cases = [
            (0, "0"),
            (12_400, "12"),
            (1_840_000, "1840"),
            (61_000_000, "61s"),
        ];
        for (us, text) in cases {
            assert_eq!(millis(us), text);
        }
        assert_eq!(millis(u64::MAX), "999s");
    }
}
