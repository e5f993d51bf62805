//! The delivery on the right: which one is shown, which tab, how far down.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use sha2::{Digest, Sha256};

use crate::domain::body::{BodyView, ViewMode, view};
use crate::domain::failure::Failure;
use crate::domain::summary::Summary;
use crate::engine::command::Detail;
use crate::tui::advice;
use crate::tui::look::Look;
use crate::tui::theme::Role;
use crate::tui::widget::{scroll, wrap};

use super::body::BodyPane;
use super::tries::TriesPane;
use super::{Ctx, headers, overview, signature};

/// A tab of the delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tab {
    /// The facts in short.
    #[default]
    Overview,
    /// Every header.
    Headers,
    /// The body.
    Body,
    /// The proof of the signature.
    Signature,
    /// What was sent on, and what came back.
    Tries,
}

impl Tab {
    /// Every tab, from left to right.
    pub const ALL: [Self; 5] = [
        Self::Overview,
        Self::Headers,
        Self::Body,
        Self::Signature,
        Self::Tries,
    ];

    /// The tabs' titles, from left to right.
    pub const TITLES: [&'static str; 5] = ["Overview", "Headers", "Body", "Signature", "Tries"];

    /// Returns the tab so many places to the right, round the end.
    #[must_use]
    pub fn turned(self, by: isize) -> Self {
        let at = (self as usize).cast_signed() + by;
        Self::ALL[at.rem_euclid(5).cast_unsigned()]
    }
}

/// A delivery with what is made of it once.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The delivery and all that is known about it.
    pub detail: Box<Detail>,
    /// The body's SHA-256, in hex.
    pub sha256: String,
    /// The body laid out.
    pub pretty: BodyView,
}

impl Shown {
    fn new(detail: Box<Detail>, look: &Look) -> Self {
        let request = &detail.delivery.request;
        Self {
            sha256: hex::encode(Sha256::digest(&request.body)),
            pretty: view(&request.body, request.content_type(), ViewMode::Pretty)
                .with_marks(look.marks()),
            detail,
        }
    }

    /// Returns the delivery's sequence number.
    pub fn seq(&self) -> u64 {
        self.detail.delivery.seq
    }
}

/// The delivery pane's state.
#[derive(Clone, Debug, Default)]
pub struct DetailPane {
    /// The tab.
    pub tab: Tab,
    /// The delivery.
    pub shown: Option<Shown>,
    /// Why the selected delivery cannot be shown.
    pub failure: Option<(u64, Failure)>,
    /// The first line on the screen, of a tab that is lines of text.
    pub top: usize,
    /// The body's state.
    pub body: BodyPane,
    /// The tries' state.
    pub tries: TriesPane,
    /// The delivery whose next check shall be announced.
    pub announce: Option<u64>,
    /// The delivery of which everything is tried, even where its signature holds.
    pub examined: Option<u64>,
    asked: Option<u64>,
    stale: bool,
}

impl DetailPane {
    /// Says which delivery should be asked for now, and remembers that it
    /// was; one at a time, the newest wish wins.
    pub fn wants(&mut self, selected: Option<&Summary>) -> Option<(u64, String)> {
        self.keep_only(selected.map(|row| row.seq));
        let row = selected?;
        let known = self.shown.is_some() || self.failure.is_some();
        if self.asked.is_some() || known && !self.stale {
            return None;
        }
        self.stale = false;
        self.asked = Some(row.seq);
        Some((row.seq, row.id.to_string()))
    }

    /// Notes that what is shown may no longer be true.
    pub fn expire(&mut self) {
        self.stale = true;
    }

    /// Drops what is known of any other delivery than the selected one, so
    /// that nothing is drawn, copied or sent of a delivery that is not marked
    /// in the list.
    fn keep_only(&mut self, selected: Option<u64>) {
        if self.shown.as_ref().map(Shown::seq) != selected {
            self.shown = None;
            self.body.clear();
        }
        if self.failure.as_ref().map(|(seq, _)| *seq) != selected {
            self.failure = None;
        }
    }

    /// Returns whether the selected delivery is being loaded.
    pub fn is_loading(&self) -> bool {
        self.asked.is_some() && self.shown.is_none() && self.failure.is_none()
    }

    /// Asks for everything that can be tried of a delivery.
    pub fn examine(&mut self, seq: u64) {
        self.announce = Some(seq);
        self.examined = Some(seq);
        self.expire();
    }

    /// Shows no delivery.
    pub fn clear(&mut self) {
        self.keep_only(None);
    }

    /// Takes a requested delivery; it is dropped if another one is selected by
    /// now.
    pub fn take(
        &mut self,
        seq: u64,
        selected: Option<u64>,
        answer: Result<Box<Detail>, Failure>,
        look: &Look,
    ) {
        if self.asked != Some(seq) {
            return;
        }
        self.asked = None;
        if selected != Some(seq) {
            return;
        }
        let detail = match answer {
            Ok(detail) => detail,
            Err(failure) => {
                self.keep_only(None);
                self.failure = Some((seq, failure));
                return;
            }
        };
        self.failure = None;
        let before = self.shown.take();
        if let Some(mut before) = before.filter(|b| b.detail.delivery == detail.delivery) {
            before.detail = detail;
            self.shown = Some(before);
            return;
        }
        let shown = Shown::new(detail, look);
        self.top = 0;
        self.tries = TriesPane::default();
        self.body.take(&shown, look);
        self.shown = Some(shown);
    }

    /// Goes to a tab.
    pub fn go(&mut self, tab: Tab) {
        if self.tab != tab {
            self.tab = tab;
            self.top = 0;
        }
    }

    /// Scrolls by so many lines.
    pub fn scroll(&mut self, by: isize, ctx: Ctx<'_>, content: Rect) {
        let (width, height) = (usize::from(content.width), usize::from(content.height));
        match self.tab {
            Tab::Body => self.body.scroll(by, ctx.look, content),
            Tab::Overview | Tab::Headers | Tab::Signature | Tab::Tries => {
                let total = self.lines(ctx, width).len();
                let top = scroll::clamp(self.top, height, total);
                self.top = scroll::clamp(top.saturating_add_signed(by), height, total);
            }
        }
    }

    /// Writes the tab down as lines; the body's are made by [`BodyPane`].
    fn lines(&self, ctx: Ctx<'_>, width: usize) -> Vec<Line<'static>> {
        let Some(shown) = &self.shown else {
            return Vec::new();
        };
        match self.tab {
            Tab::Overview => overview::lines(&shown.detail.summary, Some(shown), ctx, width),
            Tab::Headers => headers::lines(&shown.detail.delivery.request, ctx, width),
            Tab::Body => Vec::new(),
            Tab::Signature => signature::lines(shown, ctx, width),
            Tab::Tries => self.tries.lines(shown, ctx, width),
        }
    }
}

/// Draws the tab's content and returns the position in it: `body 11/58`. While
/// the selected delivery is loading, the facts of its list row are shown.
pub fn draw(
    pane: &DetailPane,
    row: Option<&Summary>,
    ctx: Ctx<'_>,
    area: Rect,
    frame: &mut Frame,
) -> String {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    if let Some((_, failure)) = &pane.failure {
        let mut lines: Vec<Line<'_>> = Vec::new();
        for (at, part) in advice::parts(failure, ctx.keys).iter().enumerate() {
            let role = if at == 0 { Role::Bad } else { Role::Plain };
            for line in wrap::words(&ctx.look.own(part), width) {
                lines.push(Line::from(ctx.look.span(line, role)));
            }
        }
        put(&lines, area, frame);
        return String::new();
    }
    if pane.shown.is_none() {
        if let Some(row) = row {
            put(&loading(pane.tab, row, ctx, width), area, frame);
        }
        return String::new();
    }
    if pane.tab == Tab::Body {
        return pane.body.draw(ctx, area, frame);
    }
    let lines = pane.lines(ctx, width);
    let top = scroll::clamp(pane.top, height, lines.len());
    let end = lines.len().min(top + height);
    put(&lines[top..end], area, frame);
    if lines.len() > height {
        format!("{}/{}", end, lines.len())
    } else {
        String::new()
    }
}

/// Writes what the list knows of a delivery that is being read.
fn loading(tab: Tab, row: &Summary, ctx: Ctx<'_>, width: usize) -> Vec<Line<'static>> {
    if tab == Tab::Overview {
        return overview::lines(row, None, ctx, width);
    }
    let text = format!("Loading{}", ctx.look.glyphs.ellipsis);
    vec![Line::from(ctx.look.span(text, Role::Context))]
}

/// Draws lines from the top of an area on.
pub(in crate::tui) fn put(lines: &[Line<'_>], area: Rect, frame: &mut Frame) {
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        let rect = Rect {
            y,
            height: 1,
            ..area
        };
        frame.render_widget(line, rect);
    }
}
