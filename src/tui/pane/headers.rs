//! The headers: every one as it came, repeats and order kept.

use ratatui::text::Line;

use crate::domain::headers::Headers;
use crate::domain::request::Request;
use crate::domain::text::{Piece, pieces, thousands};
use crate::tui::theme::Role;
use crate::tui::widget::wrap;

use super::Ctx;

/// Writes the request line and every header.
pub fn lines(request: &Request, ctx: Ctx<'_>, width: usize) -> Vec<Line<'static>> {
    let start = format!(
        "{} {} HTTP/{}",
        request.method,
        request.target(),
        request.http_version
    );
    let start = ctx.look.foreign(&start).into_owned();
    let mut lines = wrap::hard(&[ctx.look.span(start, Role::Strong)], width);
    lines.extend(fields(&request.headers, ctx, width));
    if request.headers.is_empty() {
        lines.push(Line::from("No headers came."));
    }
    let size = thousands(request.body.len() as u64);
    lines.push(Line::default());
    lines.push(Line::from(format!("Body: {size} B, press 3")));
    lines
}

/// Writes header fields, their marks in a colour of their own.
pub(super) fn fields(headers: &Headers, ctx: Ctx<'_>, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for header in headers {
        let name = ctx.look.foreign(header.name).into_owned();
        let mut spans = vec![
            ctx.look.span(name, Role::Key),
            ctx.look.span(": ", Role::Plain),
        ];
        for Piece { text, mark } in pieces(header.value, ctx.look.marks()) {
            let role = if mark { Role::Mark } else { Role::Plain };
            spans.push(ctx.look.span(text.into_owned(), role));
        }
        lines.extend(wrap::hard(&spans, width));
    }
    lines
}
