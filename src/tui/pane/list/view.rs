//! Draws the visible rows of the list.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::summary::Summary;
use crate::domain::text;
use crate::tui::column;
use crate::tui::layout::ListArea;
use crate::tui::pane::Ctx;
use crate::tui::theme::Role;

use super::ListPane;

/// The width before a row's cells: cursor, selected, marked.
const LEAD: usize = 3;

/// Draws the heading and the rows.
pub fn draw(list: &ListPane, ctx: Ctx<'_>, area: &ListArea, frame: &mut Frame) {
    // One blank column next to the border, if there is one.
    let beside = usize::from(area.heading.height > 0);
    let columns = usize::from(area.rows.width).saturating_sub(LEAD + beside);
    let fitted = column::fit(columns);
    if area.heading.height > 0 {
        let mut heading = " ".repeat(LEAD);
        for (column, width) in &fitted {
            heading.push_str(&cell(column.title(), *width, column.right(), ctx));
            heading.push(' ');
        }
        let line = Line::from(ctx.look.span(heading, Role::Context));
        frame.render_widget(line, area.heading);
    }
    for (at, y) in (area.rows.y..area.rows.bottom()).enumerate() {
        let place = list.top + at;
        if place >= list.rows.matching() {
            break;
        }
        let rect = Rect {
            y,
            height: 1,
            ..area.rows
        };
        let Some(row) = list.rows.get(place) else {
            let sign = if place == list.cursor {
                ctx.look.glyphs.cursor
            } else {
                " "
            };
            let waiting = format!("{sign}  {}", ctx.look.glyphs.ellipsis);
            frame.render_widget(Line::from(waiting), rect);
            continue;
        };
        let selected = list.seq() == Some(row.seq);
        let mut line = Line::from(self::lead(list, row, selected, ctx));
        for (column, width) in &fitted {
            let (mut content, role) = column.cell(row, ctx);
            if let Some(short) = column.short(row).filter(|_| text::width(&content) > *width) {
                content = short.into();
            }
            let content = cell(&content, *width, column.right(), ctx);
            line.push_span(ctx.look.span(content, role));
            line.push_span(Span::raw(" "));
        }
        frame.render_widget(line, rect);
        if selected {
            let style = ctx.look.theme.style(Role::Selected);
            frame.buffer_mut().set_style(rect, style);
        }
    }
}

/// Returns the signs before a row: under the cursor, selected for a batch, marked.
pub fn lead(list: &ListPane, row: &Summary, selected: bool, ctx: Ctx<'_>) -> String {
    let cursor = if selected {
        ctx.look.glyphs.cursor
    } else {
        " "
    };
    let chosen = if list.chosen.contains_key(&row.seq) {
        "*"
    } else {
        " "
    };
    let marked = if row.marked { "m" } else { " " };
    format!("{cursor}{chosen}{marked}")
}

/// Pads or cuts a cell to the width of its column.
fn cell(content: &str, width: usize, right: bool, ctx: Ctx<'_>) -> String {
    let cut = ctx.look.cut(content, width);
    let blanks = " ".repeat(width.saturating_sub(text::width(&cut)));
    if right {
        format!("{blanks}{cut}")
    } else {
        format!("{cut}{blanks}")
    }
}
