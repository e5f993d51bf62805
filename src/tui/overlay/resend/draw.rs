//! Draws the form for sending again.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Choice, Outlook, Part, ResendForm, Tries};
use crate::domain::text::{bytes, pad, width};
use crate::tui::advice;
use crate::tui::layout::centred;
use crate::tui::overlay::{bottom_right, window};
use crate::tui::pane::Ctx;
use crate::tui::pane::detail::put;
use crate::tui::theme::Role;
use crate::tui::widget::{scroll as place, wrap};

/// How many columns the names of the parts take.
const LABEL: usize = 11;
/// How many lines a word on what stands in the way may take.
const SAID: usize = 4;
/// How wide the fields for pace and number are.
const TYPED: usize = 10;
/// How wide the form is at the most.
const WIDEST: u16 = 100;

/// The form laid out: what stands above the changes, and the changes.
struct Page {
    above: Vec<Line<'static>>,
    /// The line of the buttons.
    buttons: u16,
    changes: Vec<Line<'static>>,
    /// Where the cursor is, unless it is on a button.
    cursor: (usize, u16),
}

/// Draws the form; returns where the cursor stands.
pub fn draw(form: &ResendForm, ctx: Ctx<'_>, screen: Rect, frame: &mut Frame) -> (u16, u16) {
    let look = ctx.look;
    let width = form_width(screen);
    let page = page(form, ctx, screen);
    let needed = page.above.len() + page.changes.len() + 2;
    let area = centred(screen, width, needed as u16);
    let verb = if form.edited.is_some() {
        "Send edited"
    } else {
        "Send again"
    };
    let title = format!("{verb}: {}", look.own(&form.title));
    let title = look.cut(&title, usize::from(width).saturating_sub(6));
    let inner = window(&title, area, look, frame);
    let room = usize::from(inner.height).saturating_sub(page.above.len());
    let top = place::clamp(form.top, room, page.changes.len());
    let (x, y) = match form.part {
        Part::Send => (2, page.buttons),
        Part::Cancel if form.has(Part::Edit) => (22, page.buttons),
        Part::Edit | Part::Cancel => (12, page.buttons),
        _ => page.cursor,
    };
    // Where there is no room for the form, the part with the focus is shown.
    let height = usize::from(inner.height);
    let hidden = place::follow(0, usize::from(y), height, page.above.len());
    let mut lines = page.above;
    lines.drain(..hidden);
    let total = page.changes.len();
    lines.extend(page.changes.into_iter().skip(top).take(room));
    put(&lines, inner, frame);
    if room > 0 && total > room {
        let seen = format!(" {} of {total}, PgDn ", top + room);
        bottom_right(&seen, area, look, frame);
    }
    let x = inner.x + (x as u16).min(inner.width.saturating_sub(1));
    let y = inner.y + (y - hidden as u16).min(inner.height.saturating_sub(1));
    (x, y)
}

/// Scrolls the changes.
pub fn scroll(form: &mut ResendForm, by: isize, ctx: Ctx<'_>, screen: Rect) {
    let page = page(form, ctx, screen);
    let inside = usize::from(screen.height.saturating_sub(2));
    let room = inside.saturating_sub(page.above.len());
    let last = page.changes.len().saturating_sub(room.max(1));
    form.top = form.top.min(last).saturating_add_signed(by).min(last);
}

fn form_width(screen: Rect) -> u16 {
    WIDEST.min(screen.width.saturating_sub(2)).max(20)
}

fn page(form: &ResendForm, ctx: Ctx<'_>, screen: Rect) -> Page {
    let room = usize::from(form_width(screen).saturating_sub(4));
    let look = ctx.look;
    let label = |name: &str, part| look.label(name, LABEL, form.part == part);
    let field = form.target.draw(room.saturating_sub(LABEL), look.marks());
    let mut cursor = (LABEL + field.cursor, 0);
    let mut above = vec![Line::from(vec![
        label("Target", Part::Target),
        Span::raw(field.text),
    ])];
    for (at, choice) in Choice::ALL.into_iter().enumerate() {
        let sign = look.glyphs.radio[usize::from(form.choice != choice)];
        let name = if at == 0 { "Signature" } else { "" };
        let words = match form.not_offered(choice) {
            None => Span::raw(format!("{sign} {}", choice.words())),
            Some(why) => {
                let text = format!("    {}: {}", choice.name(), look.own(why));
                look.span(text, Role::Context)
            }
        };
        let spans = vec![label(name, Part::Signature), words];
        above.push(wrap::cut(spans, room, look.glyphs.ellipsis));
    }
    let body = match (&form.edited, &form.original) {
        (Some(edited), Some(original)) if edited.body != original.body => {
            format!("edited, {}", bytes(edited.body.len() as u64))
        }
        (_, Some(original)) => format!("as received, {}", bytes(original.body.len() as u64)),
        (_, None) => "as received".to_owned(),
    };
    above.push(Line::from(vec![
        look.span(pad("Body", LABEL), Role::Key),
        Span::raw(body),
    ]));
    if form.part == Part::Signature {
        cursor = (LABEL, 1 + form.choice as u16);
    }
    way(form, ctx, room, &mut above, &mut cursor);
    // The buttons stay in sight on a small screen too.
    let most = usize::from(screen.height)
        .saturating_sub(2 + 7)
        .clamp(1, SAID);
    above.extend(said(form, ctx, room).into_iter().take(most));
    let buttons = above.len() as u16;
    above.push(button_line(form, ctx));
    let hint = if form.original.is_some() {
        "Enter sends, Tab goes on, Space chooses, PgDn scrolls, Esc cancels"
    } else {
        "Enter sends, Tab goes on, Space chooses, Esc cancels"
    };
    let hint = look.cut(hint, room);
    above.push(Line::from(look.span(hint, Role::Context)));
    let (lines, heading) = match &form.outlook {
        Outlook::Unknown => (&[][..], None),
        Outlook::Known(lines, _) if lines.is_empty() => (&[][..], Some("NOTHING WILL CHANGE")),
        Outlook::Known(lines, _) => (&lines[..], Some("WILL CHANGE")),
        Outlook::Refused(_, edited) if edited.is_empty() => (&[][..], None),
        Outlook::Refused(_, edited) => (&edited[..], Some("EDITED")),
    };
    if let Some(heading) = heading {
        above.push(Line::default());
        above.push(Line::from(look.span(heading, Role::Key)));
    }
    let changes = lines.iter().map(|(text, role)| {
        let span = look.span(text.clone(), *role);
        wrap::cut(vec![span], room, look.glyphs.ellipsis)
    });
    let changes = changes.collect();
    Page {
        above,
        buttons,
        changes,
        cursor,
    }
}

/// Writes which deliveries go, how often and how fast.
fn way(
    form: &ResendForm,
    ctx: Ctx<'_>,
    room: usize,
    above: &mut Vec<Line<'static>>,
    cursor: &mut (usize, u16),
) {
    let look = ctx.look;
    let label = |name: &str, part| look.label(name, LABEL, form.part == part);
    // Choices side by side where there is room, else below one another.
    let mut choices = |name: &str, part, chosen: usize, texts: Vec<String>| {
        let mut line = vec![label(name, part)];
        let mut used = LABEL;
        for (at, text) in texts.into_iter().enumerate() {
            let sign = look.glyphs.radio[usize::from(at != chosen)];
            let text = format!("{sign} {}  ", look.own(&text));
            if used > LABEL && used + width(&text) > room {
                let full = std::mem::replace(&mut line, vec![label("", part)]);
                above.push(Line::from(full));
                used = LABEL;
            }
            if at == chosen && form.part == part {
                *cursor = (used, above.len() as u16);
            }
            used += width(&text);
            line.push(Span::raw(look.cut(&text, room.saturating_sub(LABEL))));
        }
        above.push(Line::from(line));
    };
    if form.has(Part::Which) {
        let selected = match form.ids.len() {
            1 => "this one".to_owned(),
            n => format!("the {n} selected"),
        };
        let others = form.way.others().unwrap_or_default();
        let chosen = usize::from(form.way.all);
        choices("Which", Part::Which, chosen, vec![selected, others]);
    }
    let offered = Tries::ALL
        .into_iter()
        .filter(|tries| form.no_tries(*tries).is_none());
    let tries = offered.map(Tries::words).collect();
    choices("Tries", Part::Tries, form.way.tries as usize, tries);
    if let Some(why) = form.no_tries(Tries::AsProvider) {
        let text = format!("    as its provider retries: {}", look.own(why));
        let text = look.span(text, Role::Context);
        let spans = vec![label("", Part::Tries), text];
        above.push(wrap::cut(spans, room, look.glyphs.ellipsis));
    }
    let fields = [
        (
            "Pace",
            Part::Pace,
            &form.way.pace,
            "10/s, 30/m, 500ms; empty: as fast as it goes",
        ),
        (
            "At once",
            Part::AtOnce,
            &form.way.at_once,
            "with 1 they arrive in order",
        ),
    ];
    for (name, part, field, hint) in fields.into_iter().filter(|f| form.has(f.1)) {
        let drawn = field.draw(TYPED, look.marks());
        if form.part == part {
            *cursor = (LABEL + drawn.cursor, above.len() as u16);
        }
        let hint = look.cut(hint, room.saturating_sub(LABEL + TYPED + 1));
        above.push(Line::from(vec![
            label(name, part),
            Span::raw(pad(&drawn.text, TYPED + 1)),
            look.span(hint, Role::Context),
        ]));
    }
}

/// Writes what stands in the way of sending it, or what should be known; a
/// blank line where there is nothing.
fn said(form: &ResendForm, ctx: Ctx<'_>, room: usize) -> Vec<Line<'static>> {
    let look = ctx.look;
    let (texts, role) = match (&form.problem, &form.outlook) {
        (Some(problem), _) => (problem.split('\n').map(str::to_owned).collect(), Role::Bad),
        (None, Outlook::Refused(failure, _)) => (advice::parts(failure, ctx.keys), Role::Bad),
        (None, Outlook::Known(_, notes)) => (
            notes.iter().chain(&form.remarks).cloned().collect(),
            Role::Warn,
        ),
        (None, Outlook::Unknown) => (form.remarks.clone(), Role::Warn),
    };
    let wrapped = texts.iter().flat_map(|text| {
        let lines = wrap::words(&look.own(text), room);
        lines
            .into_iter()
            .map(|line| Line::from(look.span(line, role)))
    });
    let mut lines: Vec<Line<'static>> = wrapped.take(SAID).collect();
    if lines.is_empty() {
        lines.push(Line::default());
    }
    lines
}

fn button_line(form: &ResendForm, ctx: Ctx<'_>) -> Line<'static> {
    let button = |text: &str, part| {
        let role = if form.part == part {
            Role::Selected
        } else {
            Role::Plain
        };
        let text = format!("[ {text} ]");
        debug_assert!(width(&text) <= 10, "the cursor's places are counted");
        ctx.look.span(text, role)
    };
    let mut spans = vec![button("Send", Part::Send), Span::raw("  ")];
    if form.has(Part::Edit) {
        spans.extend([button("Edit", Part::Edit), Span::raw("  ")]);
    }
    spans.push(button("Cancel", Part::Cancel));
    Line::from(spans)
}
