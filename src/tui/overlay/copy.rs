//! The letters that say what to copy.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::tui::action::{ACTIONS, Place};
use crate::tui::layout::centred;
use crate::tui::pane::{Ctx, detail};
use crate::tui::theme::Role;
use crate::tui::widget::wrap;

/// Draws the letters.
pub fn draw(ctx: Ctx<'_>, screen: Rect, frame: &mut Frame) {
    let look = ctx.look;
    let entries: Vec<_> = ACTIONS.iter().filter(|s| s.place == Place::Copy).collect();
    let area = centred(screen, 66, entries.len() as u16 + 3);
    let inner = super::window("Copy", area, look, frame);
    let mut lines: Vec<Line<'_>> = entries
        .iter()
        .map(|spec| {
            let key = look.span(format!("{:<4}", ctx.keys.key(spec.action)), Role::Strong);
            let spans = vec![key, Span::raw(spec.sentence)];
            wrap::cut(spans, usize::from(inner.width), look.glyphs.ellipsis)
        })
        .collect();
    lines.push(Line::from(look.span("Esc closes", Role::Context)));
    detail::put(&lines, inner, frame);
}
