//! Drawing the screen from the state, which stays as it is.
//!
//! ```text
//!  creel ● listening 127.0.0.1:2733   app localhost:3000       1,284 kept · 18 MiB
//! ┏━ Deliveries  sig:bad  12 of 1,284 ━━━━━━━━━━━┓┌─ Delivery ───────────────────┐
//! ┃   TIME     SIG     PROVIDER EVENT      APP # ┃│ [1 Overview] 2 Headers …     │
//! ┃▶  14:02:31 BAD     porkbun  dns.…      401 3 ┃│ Porkbun · dns.record.updated │
//! ┃ * 14:02:29 ok      zyra     invoice…   200 1 ┃│ ✗ Signature does not match   │
//! ┗━━━━━━━━━━━━━━━━━━━━━━━ 1/12 · follow on ━━━━━┛└─────────────────────── 9/58 ─┘
//!  ✓ Sent the id to the terminal's clipboard (26 B)                    (the toast)
//!  ⏎ open  r resend  y copy  / filter  ? help                (the status)  2 new ↑
//! ```
//!
//! Where these parts stand is left to [`super::layout`].

mod empty;
mod header;
mod status;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders};

use crate::domain::text::{thousands, width as columns};

use super::action::Action;
use super::app::{App, Focus};
use super::layout::{Areas, DetailArea, ListArea, Shape};
use super::overlay::{Overlay, answer, confirm, copy, help, palette, prompt, resend, secret};
use super::pane::detail::Tab;
use super::pane::overview::{proof_word, sentence, sign};
use super::pane::{detail, list};
use super::theme::Role;
use super::widget::{tabs, wrap};

/// Draws the screen.
pub fn view(app: &App, areas: &Areas, frame: &mut Frame) {
    if areas.shape == Shape::Tiny {
        tiny(app, areas.screen, frame);
        return;
    }
    header::draw(app, areas, frame);
    if let Some(area) = &areas.list {
        draw_list(app, areas, area, frame);
    }
    if let Some(area) = &areas.detail {
        draw_detail(app, areas, area, frame);
    }
    note(app, areas.note, frame);
    status::toast(app, areas.toast, frame);
    let cursor = match &app.overlay {
        None => {
            status::hints(app, areas, frame);
            resting_place(app, areas)
        }
        Some(overlay) => draw_overlay(app, overlay, areas, frame),
    };
    if let Some(cursor) = cursor {
        frame.set_cursor_position(cursor);
    }
}

/// Draws what lies over the panes; returns where the cursor stands.
fn draw_overlay(
    app: &App,
    overlay: &Overlay,
    areas: &Areas,
    frame: &mut Frame,
) -> Option<(u16, u16)> {
    let (ctx, screen) = (app.ctx(), areas.screen);
    if let Overlay::Prompt(prompt) = overlay {
        let news = status::found(app, prompt.purpose);
        return Some(prompt::draw(prompt, &news, ctx, areas.status, frame));
    }
    status::hints(app, areas, frame);
    match overlay {
        Overlay::Help(help) => Some(help::draw(help, ctx, screen, frame)),
        Overlay::Palette(palette) => Some(palette::draw(palette, ctx, screen, frame)),
        Overlay::Resend(form) => Some(resend::draw(form, ctx, screen, frame)),
        Overlay::Secret(form) => Some(secret::draw(form, ctx, screen, frame)),
        Overlay::Answer(form) => Some(answer::draw(form, ctx, screen, frame)),
        Overlay::Copy => {
            copy::draw(ctx, screen, frame);
            None
        }
        Overlay::Confirm(confirm) => {
            confirm::draw(confirm, ctx, screen, frame);
            None
        }
        Overlay::Prompt(_) => None,
    }
}

/// Returns where the cursor stands when nothing is typed: on the selected
/// row, which is where a screen reader reads.
fn resting_place(app: &App, areas: &Areas) -> Option<(u16, u16)> {
    if app.focus == Focus::Detail {
        return areas.detail.map(|d| (d.content.x, d.content.y));
    }
    let rows = areas.list?.rows;
    let on_screen = app.list.cursor.checked_sub(app.list.top)?;
    let y = rows.y.checked_add(u16::try_from(on_screen).ok()?)?;
    (y < rows.bottom()).then_some((rows.x, y))
}

fn draw_list(app: &App, areas: &Areas, area: &ListArea, frame: &mut Frame) {
    let list = &app.list;
    let focused = app.focus == Focus::List;
    if areas.shape != Shape::Small {
        let total = list.rows.matching();
        let follow = if list.follow {
            "follow on"
        } else {
            "follow off"
        };
        let sep = app.look.glyphs.sep;
        let place = if total == 0 {
            "0".to_owned()
        } else {
            let at = thousands(list.cursor as u64 + 1);
            format!("{at}/{} {sep} {follow}", thousands(total as u64))
        };
        let title = list_title(app, usize::from(area.outer.width));
        border(app, area.outer, title, &place, focused, frame);
    }
    if app.is_empty() {
        empty::draw(app, area, frame);
    } else if list.loaded && list.rows.matching() == 0 {
        empty::no_match(app, area, frame);
    } else {
        list::draw(list, app.ctx(), area, frame);
    }
}

/// Writes the list's title, with the filter and what it finds.
fn list_title(app: &App, width: usize) -> Vec<Span<'static>> {
    let list = &app.list;
    let mut title = vec![Span::raw("Deliveries")];
    if !list.filter().is_empty() {
        let found = thousands(list.rows.matching() as u64);
        let total = thousands(list.rows.total() as u64);
        let count = format!("{found} of {total}");
        let room = width.saturating_sub(20 + columns(&count));
        let filter = app.look.cut(&app.look.foreign(list.filter()), room);
        title.push(Span::raw("  "));
        title.push(app.look.span(filter, Role::Strong));
        title.push(Span::raw(format!("  {count}")));
    }
    title
}

fn draw_detail(app: &App, areas: &Areas, area: &DetailArea, frame: &mut Frame) {
    let row = app.list.selected();
    let place = detail::draw(&app.detail, row, app.ctx(), area.content, frame);
    if areas.shape != Shape::Small {
        let focused = app.focus == Focus::Detail;
        border(
            app,
            area.outer,
            vec![Span::raw("Delivery")],
            &place,
            focused,
            frame,
        );
    }
    draw_tabs(app, areas, area, frame);
}

fn draw_tabs(app: &App, areas: &Areas, area: &DetailArea, frame: &mut Frame) {
    let chosen = app.detail.tab;
    let width = usize::from(area.tabs.width);
    let mut line = Line::default();
    for (at, placed) in tabs::place(&Tab::TITLES, chosen as usize, width)
        .into_iter()
        .enumerate()
    {
        let role = if at == chosen as usize {
            Role::Focus
        } else {
            Role::Plain
        };
        line.push_span(app.look.span(placed.text, role));
        line.push_span(Span::raw(" "));
    }
    // Where the list is not there to say it, the delivery is named.
    if areas.list.is_none()
        && let Some(row) = app.list.selected()
    {
        let names = [&row.provider, &row.event, &row.delivery_id];
        let names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
        let name = format!("{}  {} {}", names.join("  "), row.method, row.path);
        let room = width.saturating_sub(columns(&line.to_string()) + 2);
        let name = app.look.cut_middle(&app.look.foreign(&name), room);
        if room > 20 {
            let gap = room.saturating_sub(columns(&name)) + 2;
            line.push_span(Span::raw(" ".repeat(gap)));
            line.push_span(app.look.span(name, Role::Context));
        }
    }
    frame.render_widget(line, area.tabs);
}

/// Draws a pane's border: thick and coloured where the pane has the keys.
fn border(
    app: &App,
    area: Rect,
    title: Vec<Span<'static>>,
    place: &str,
    focused: bool,
    frame: &mut Frame,
) {
    let look = &app.look;
    let (set, role) = if focused {
        (look.glyphs.focus, Role::Focus)
    } else {
        (look.glyphs.border, Role::Plain)
    };
    let sides = if app.zoom && !app.is_empty() {
        Borders::TOP | Borders::BOTTOM
    } else {
        Borders::ALL
    };
    let dash = set.horizontal_top;
    let mut line = Line::from(look.span(format!("{dash} "), role));
    for mut span in title {
        if focused {
            span.style = look.theme.style(Role::Focus).patch(span.style);
        }
        line.push_span(span);
    }
    line.push_span(Span::raw(" "));
    let mut block = Block::new()
        .borders(sides)
        .border_set(set)
        .border_style(look.theme.style(role))
        .title_top(line);
    if !place.is_empty() {
        let place = Line::from(vec![
            look.span(format!(" {place} "), role),
            look.span(set.horizontal_bottom, role),
        ]);
        block = block.title_bottom(place.right_aligned());
    }
    frame.render_widget(block, area);
}

/// Draws the verdict on the selected delivery, on a small screen.
fn note(app: &App, area: Rect, frame: &mut Frame) {
    let Some(row) = app.list.selected().filter(|_| area.height > 0) else {
        return;
    };
    let shown = app.detail.shown.as_ref();
    let verification = shown.map(|shown| &shown.detail.verification);
    let status = verification.map_or(row.status, |known| known.status);
    let (sign, role) = sign(status, &app.look);
    let said = sentence(status, verification);
    let finding = verification.and_then(|known| known.explanation());
    let open = verification.and_then(|known| known.caveats().next());
    let text = match (finding, open) {
        (Some(finding), _) => app.look.own(&finding.message).into_owned(),
        (None, Some(open)) => format!("{said}. {}", app.look.own(&open.message)),
        (None, None) => said.to_owned(),
    };
    let key = app.keys.key(Action::TabSignature);
    let hint = format!("  {key} for {}", proof_word(status));
    let room = usize::from(area.width).saturating_sub(columns(&hint));
    let text = app.look.cut(&format!("{sign} {text}"), room);
    let gap = " ".repeat(room.saturating_sub(columns(&text)));
    let line = Line::from(vec![
        app.look.span(text, role),
        Span::raw(gap),
        app.look.span(hint, Role::Context),
    ]);
    frame.render_widget(line, area);
}

/// Draws the one line there is room for.
fn tiny(app: &App, area: Rect, frame: &mut Frame) {
    let kept = thousands(app.info.kept);
    let text = format!("too small, still capturing ({kept})");
    let lines = wrap::words(&text, usize::from(area.width));
    let lines: Vec<Line<'_>> = lines.into_iter().map(Line::from).collect();
    detail::put(&lines, area, frame);
}
