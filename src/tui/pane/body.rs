//! The body: laid out, as received or as bytes; wrapped or cut; searched.

use bytes::Bytes;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::body::{BodyKind, BodyView, Found, Matches, ViewMode, view};
use crate::domain::text::thousands;
use crate::tui::look::Look;
use crate::tui::theme::Role;
use crate::tui::widget::{hex, wrap};

use super::Ctx;
use super::detail::{Shown, put};

/// The body's state; how it is shown outlives the delivery.
#[derive(Clone, Debug)]
pub struct BodyPane {
    /// Laid out, as received or as bytes.
    pub mode: ViewMode,
    /// Whether long lines go on below, or are cut.
    pub wrap: bool,
    /// What was searched for, and where it stands.
    pub search: Option<Search>,
    view: Option<BodyView>,
    body: Bytes,
    content_type: Option<String>,
    top: Place,
}

/// A search and what it found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// The text.
    pub text: String,
    /// Which place the reader is at.
    pub at: usize,
    matches: Matches,
}

impl Search {
    /// Returns how many places there are.
    pub fn total(&self) -> usize {
        self.matches.total()
    }

    /// Says which place the reader is at: `3/12`; none where there is none.
    pub fn place(&self) -> Option<String> {
        let total = self.total() as u64;
        (total > 0).then(|| format!("{}/{}", thousands(self.at as u64 + 1), thousands(total)))
    }
}

/// A line, and a row of it where it is wrapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    line: usize,
    row: usize,
}

impl Default for BodyPane {
    fn default() -> Self {
        Self {
            mode: ViewMode::Pretty,
            wrap: true,
            search: None,
            view: None,
            body: Bytes::new(),
            content_type: None,
            top: Place::default(),
        }
    }
}

impl BodyPane {
    /// Takes another delivery's body; a search goes on in it.
    pub fn take(&mut self, shown: &Shown, look: &Look) {
        let request = &shown.detail.delivery.request;
        self.body = request.body.clone();
        self.content_type = request.content_type().map(ToOwned::to_owned);
        self.view = (self.mode == ViewMode::Pretty).then(|| shown.pretty.clone());
        self.lay_out(look);
    }

    /// Forgets the body; how it is shown and what is searched for stays.
    pub fn clear(&mut self) {
        self.view = None;
        self.body = Bytes::new();
        self.content_type = None;
        if let Some(search) = &mut self.search {
            search.matches = Matches::default();
            search.at = 0;
        }
    }

    /// Shows the body in another way.
    pub fn set_mode(&mut self, mode: ViewMode, look: &Look) {
        if self.mode != mode {
            self.mode = mode;
            self.view = None;
            self.lay_out(look);
        }
    }

    /// Searches the body; nothing is searched for where the text is empty.
    pub fn search(&mut self, text: &str, look: &Look, area: Rect) {
        self.search = None;
        if !text.is_empty() {
            self.search = Some(Search {
                text: text.to_owned(),
                at: 0,
                matches: self.find(text),
            });
            self.show_match(look, area);
        }
    }

    /// Goes to the next match, or the one before, round the end; says whether
    /// there is any.
    pub fn next_match(&mut self, by: isize, look: &Look, area: Rect) -> bool {
        let Some(search) = self.search.as_mut().filter(|s| s.total() > 0) else {
            return false;
        };
        let total = search.total().cast_signed();
        search.at = (search.at.cast_signed() + by)
            .rem_euclid(total)
            .cast_unsigned();
        self.show_match(look, area);
        true
    }

    /// Scrolls by so many rows of the screen.
    pub fn scroll(&mut self, by: isize, look: &Look, area: Rect) {
        let (width, height) = self.text_size(look, area);
        let mut top = self.clamped(width, height);
        // A step to an end of a long body is not walked row by row.
        let total = self.total(width);
        let steps = by.unsigned_abs();
        if steps > total.saturating_add(100_000) {
            top = Place::default();
            if by > 0 {
                top.line = total.saturating_sub(1);
            }
        } else {
            for _ in 0..steps {
                let Some(next) = self.neighbour(top, by > 0, width) else {
                    break;
                };
                top = next;
            }
        }
        self.top = top;
        self.top = self.clamped(width, height);
    }

    /// Draws the body; returns where it stands.
    pub fn draw(&self, ctx: Ctx<'_>, area: Rect, frame: &mut Frame) -> String {
        let Some(view) = &self.view else {
            return String::new();
        };
        let (width, text_height) = self.text_size(ctx.look, area);
        let note = self.note(ctx.look, width).into_iter();
        let mut lines: Vec<Line<'static>> = note
            .map(|line| Line::from(ctx.look.span(line, Role::Warn)))
            .collect();
        let total = self.total(width);
        if total == 0 {
            lines.push(Line::from("The body is empty."));
        }
        let height = usize::from(area.height);
        let start = self.clamped(width, text_height);
        let mut skipped = start.row;
        let mut at = start.line;
        let mut last = at;
        while lines.len() < height && at < total {
            let spans = self.spans(at, width, ctx.look);
            if self.wraps() {
                lines.extend(wrap::hard(&spans, width).into_iter().skip(skipped));
            } else {
                lines.push(wrap::cut(spans, width, ctx.look.glyphs.ellipsis));
            }
            skipped = 0;
            at += 1;
            last = at;
        }
        lines.truncate(height);
        put(&lines, area, frame);
        let found = match &self.search {
            Some(search) => match search.place() {
                Some(place) => format!("match {place} "),
                None => format!("no match for \"{}\" ", ctx.look.foreign(&search.text)),
            },
            None => String::new(),
        };
        let place = format!("{}/{}", thousands(last as u64), thousands(total as u64));
        format!("{found}{} {place}", self.word(view))
    }

    /// Returns the lines above the text that say what is special about it.
    fn note(&self, look: &Look, width: usize) -> Vec<String> {
        let note = self.view.as_ref().and_then(BodyView::note);
        note.map_or_else(Vec::new, |note| wrap::words(&look.own(note), width))
    }

    /// Returns how many columns and rows are left for the text.
    fn text_size(&self, look: &Look, area: Rect) -> (usize, usize) {
        let width = usize::from(area.width);
        let note = self.note(look, width).len();
        (width, usize::from(area.height).saturating_sub(note))
    }

    /// Returns the word for how the body is shown.
    fn word(&self, view: &BodyView) -> &'static str {
        match (self.mode, view.kind()) {
            (ViewMode::Raw, _) => "as received",
            (ViewMode::Hex, _) | (ViewMode::Pretty, BodyKind::Binary) => "bytes",
            (ViewMode::Pretty, kind) => kind.word(),
        }
    }

    fn lay_out(&mut self, look: &Look) {
        self.top = Place::default();
        if self.view.is_none() {
            let content_type = self.content_type.as_deref();
            let view = view(&self.body, content_type, self.mode);
            self.view = Some(view.with_marks(look.marks()));
        }
        if let Some(search) = self.search.take() {
            let matches = self.find(&search.text);
            self.search = Some(Search {
                at: 0,
                matches,
                ..search
            });
        }
    }

    fn find(&self, text: &str) -> Matches {
        let view = self.view.as_ref();
        view.map_or_else(Matches::default, |view| Matches::of(view, text))
    }

    /// Returns whether the body is binary.
    pub fn is_binary(&self) -> bool {
        self.view.as_ref().map(BodyView::kind) == Some(BodyKind::Binary)
    }

    /// Returns whether the body is shown as bytes.
    pub fn is_bytes(&self) -> bool {
        let kind = self.view.as_ref().map(BodyView::kind);
        match self.mode {
            ViewMode::Hex => kind != Some(BodyKind::Empty),
            ViewMode::Pretty => self.is_binary(),
            ViewMode::Raw => false,
        }
    }

    fn wraps(&self) -> bool {
        self.wrap && !self.is_bytes()
    }

    /// Returns how many lines there are at this width.
    fn total(&self, width: usize) -> usize {
        if self.is_bytes() {
            self.body.len().div_ceil(hex::per_line(width))
        } else {
            self.view.as_ref().map_or(0, BodyView::lines_total)
        }
    }

    /// Returns how many rows a line takes.
    fn rows(&self, line: usize, width: usize) -> usize {
        if !self.wraps() {
            return 1;
        }
        let line = self.view.as_ref().and_then(|v| v.line(line));
        line.map_or(1, |line| wrap::hard(&[Span::raw(line.text())], width).len())
    }

    fn neighbour(&self, place: Place, down: bool, width: usize) -> Option<Place> {
        let Place { line, row } = place;
        if down {
            if row + 1 < self.rows(line, width) {
                return Some(Place { line, row: row + 1 });
            }
            let line = line + 1;
            return (line < self.total(width)).then_some(Place { line, row: 0 });
        }
        if row > 0 {
            return Some(Place { line, row: row - 1 });
        }
        let line = line.checked_sub(1)?;
        let row = self.rows(line, width) - 1;
        Some(Place { line, row })
    }

    /// Returns the place at the top, not so far down that the end leaves room.
    fn clamped(&self, width: usize, height: usize) -> Place {
        let Some(line) = self.total(width).checked_sub(1) else {
            return Place::default();
        };
        let mut last = Place {
            line,
            row: self.rows(line, width) - 1,
        };
        for _ in 1..height.max(1) {
            let Some(before) = self.neighbour(last, false, width) else {
                break;
            };
            last = before;
        }
        let mut top = self.top.min(last);
        top.row = top.row.min(self.rows(top.line, width) - 1);
        top
    }

    /// Brings the match the reader is at onto the screen.
    fn show_match(&mut self, look: &Look, area: Rect) {
        let (width, height) = self.text_size(look, area);
        let (Some(search), Some(view)) = (&self.search, &self.view) else {
            return;
        };
        let Some(found) = search.matches.get(view, search.at) else {
            return;
        };
        let line = if self.is_bytes() {
            self.found_bytes(found).start / hex::per_line(width)
        } else {
            found.line
        };
        let row = if self.wraps() {
            let text = self.view.as_ref().and_then(|v| v.line(line));
            let text = text.map(|l| l.text()).unwrap_or_default();
            let before = text.get(..found.start).unwrap_or_default().to_owned();
            wrap::hard(&[Span::raw(before)], width).len() - 1
        } else {
            0
        };
        let place = Place { line, row };
        let top = self.clamped(width, height);
        let below = Place {
            line: top.line + height,
            row: 0,
        };
        if place < top || place >= below || self.wraps() {
            self.top = place;
            for _ in 0..height / 3 {
                let Some(above) = self.neighbour(self.top, false, width) else {
                    break;
                };
                self.top = above;
            }
        }
        self.top = self.clamped(width, height);
    }

    /// Returns the bytes of a place found in hex lines.
    fn found_bytes(&self, found: Found) -> std::ops::Range<usize> {
        // The view's own hex lines hold sixteen bytes and end in their text.
        let line = self.view.as_ref().and_then(|v| v.line(found.line));
        let spans = line.map(|l| l.spans).unwrap_or_default();
        let before: usize = spans.iter().rev().skip(2).map(|s| s.text.len()).sum();
        let start = found.line * 16 + found.start.saturating_sub(before);
        start..start + (found.end - found.start)
    }

    /// Returns a line with its colours and the matches on it.
    fn spans(&self, at: usize, width: usize, look: &Look) -> Vec<Span<'static>> {
        if self.is_bytes() {
            let per_line = hex::per_line(width);
            let offset = at * per_line;
            let near = offset / 16;
            let matches: Vec<_> = self
                .matches_on(near..near + 1)
                .into_iter()
                .map(|f| self.found_bytes(f))
                .collect();
            let words = hex::line(&self.body, offset, per_line, |byte| {
                matches.iter().any(|m| m.contains(&byte))
            });
            let words = words.into_iter();
            return words.map(|(text, role)| look.span(text, role)).collect();
        }
        let line = self.view.as_ref().and_then(|v| v.line(at));
        let matches = self.matches_on(at..at + 1);
        let mut spans = Vec::new();
        let mut start = 0;
        for span in line.map(|l| l.spans).unwrap_or_default() {
            let role = Role::from(span.role);
            let mut from = 0;
            for found in &matches {
                let on = found
                    .start
                    .saturating_sub(start)
                    .clamp(from, span.text.len())
                    ..found.end.saturating_sub(start).clamp(from, span.text.len());
                if on.is_empty() {
                    continue;
                }
                let cuts = (span.text.get(from..on.start), span.text.get(on.clone()));
                let (Some(before), Some(hit)) = cuts else {
                    continue;
                };
                spans.push(look.span(before.to_owned(), role));
                spans.push(look.span(hit.to_owned(), Role::Match));
                from = on.end;
            }
            spans.push(look.span(span.text[from..].to_owned(), role));
            start += span.text.len();
        }
        spans.retain(|s| !s.content.is_empty());
        spans
    }

    /// Returns the matches on these lines of the view.
    fn matches_on(&self, lines: std::ops::Range<usize>) -> Vec<Found> {
        match (&self.search, &self.view) {
            (Some(search), Some(view)) => search.matches.on(view, lines),
            _ => Vec::new(),
        }
    }
}
