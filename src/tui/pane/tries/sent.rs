//! What an attempt sent: its fields, and what was edited of the delivery.

use bytes::Bytes;
use ratatui::text::Line;

use super::Page;
use crate::domain::attempt::Attempt;
use crate::domain::request::Request;
use crate::domain::text::bytes;
use crate::tui::changes::{self, When};
use crate::tui::pane::headers;
use crate::tui::theme::Role;
use crate::tui::widget::wrap;

/// Larger bodies are neither compared nor shown whole, for the page is
/// written anew with every screen.
const MOST: usize = 64 * 1024;

impl Page<'_> {
    /// Writes what an attempt sent; `delivered` is the delivery's request.
    pub(super) fn sent(&mut self, attempt: &Attempt, delivered: &Request) {
        let Some(sent) = attempt.edited_request() else {
            self.heading(&format!("SENT  to {}", attempt.target));
            self.fields(attempt);
            return;
        };
        self.heading("CHANGED  of what was received");
        let look = self.ctx.look;
        for (text, role) in changes::lines(delivered, &sent, When::default(), MOST, look) {
            self.lines
                .extend(wrap::hard(&[look.span(text, role)], self.width));
        }
        self.blank();
        self.heading(&format!(
            "SENT, EDITED  {} to {}",
            sent.method, attempt.target
        ));
        self.fields(attempt);
        self.blank();
        let shown = sent.body.slice(..sent.body.len().min(MOST));
        self.body(&shown, sent.content_type());
        if shown.len() < sent.body.len() {
            let all = bytes(sent.body.len() as u64);
            let note = format!("Only the first {} of {all} are shown.", bytes(MOST as u64));
            self.text(&note, Role::Context);
        }
    }

    fn fields(&mut self, attempt: &Attempt) {
        let sent = headers::fields(&attempt.sent_headers, self.ctx, self.width);
        self.lines.extend(sent);
    }

    /// Writes the beginning of a body, laid out.
    pub(super) fn body(&mut self, body: &Bytes, content_type: Option<&str>) {
        use crate::domain::body::{ViewMode, view};
        let look = self.ctx.look;
        let body = view(body, content_type, ViewMode::Pretty).with_marks(look.marks());
        for line in body.window(0, super::BODY) {
            let spans: Vec<_> = line
                .spans
                .into_iter()
                .map(|s| look.span(s.text, s.role.into()))
                .collect();
            let wrapped: Vec<Line<'static>> = wrap::hard(&spans, self.width);
            self.lines.extend(wrapped);
        }
        if let Some(more) = body.lines_total().checked_sub(super::BODY + 1) {
            self.text(&format!("… and {} more lines", more + 1), Role::Context);
        }
    }
}
