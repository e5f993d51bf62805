//! What a list without rows says: what to do next.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::text::{pad, width as columns};
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::layout::ListArea;
use crate::tui::pane::detail::put;
use crate::tui::theme::Role;
use crate::tui::widget::wrap;

use super::header;

/// How many columns the names of the next steps take.
const LABEL: usize = 19;

/// Draws the next steps of somebody whose creel has kept nothing yet.
pub(super) fn draw(app: &App, area: &ListArea, frame: &mut Frame) {
    let look = &app.look;
    let room = area.rows;
    let wide = room.width >= 100;
    let listening = app.info.listening.as_deref();
    let mut lines = vec![centre("Nothing has arrived yet.", Role::Strong, app)];
    lines.push(Line::default());
    let text = match listening {
        Some(url) if wide => {
            format!("creel is listening on {url} and keeps every request sent there.")
        }
        Some(url) => format!("Listening on {url}"),
        None => "This creel does not receive.".to_owned(),
    };
    let text = look.own(&text).into_owned();
    lines.push(centre(&text, Role::Plain, app));
    lines.push(Line::default());

    let steps = steps(app, wide);
    let longest = steps.iter().map(|(_, text)| LABEL + columns(text)).max();
    let longest = longest.unwrap_or(0).min(usize::from(room.width));
    let indent = (usize::from(room.width) - longest) / 2;
    let compact = room.width < 60 || room.height < 10;
    for (label, text) in steps {
        let spans = if compact {
            vec![Span::raw(format!(" {}", look.own(&text)))]
        } else {
            vec![
                Span::raw(" ".repeat(indent)),
                look.span(pad(label, LABEL), Role::Key),
                Span::raw(look.own(&text).into_owned()),
            ]
        };
        lines.push(Line::from(spans));
    }
    lines.push(Line::default());
    let help = app.keys.key(Action::Help);
    lines.push(centre(&format!("{help} shows every key"), Role::Plain, app));
    let lines: Vec<Line<'_>> = lines
        .into_iter()
        .map(|line| {
            let alignment = line.alignment;
            let mut line = wrap::cut(line.spans, usize::from(room.width), look.glyphs.ellipsis);
            line.alignment = alignment;
            line
        })
        .collect();
    let above = usize::from(room.height).saturating_sub(lines.len()) / 3;
    let y = room.y + above as u16;
    let place = Rect {
        y,
        height: room.bottom().saturating_sub(y),
        ..room
    };
    put(&lines, place, frame);
}

/// Draws that nothing answers the filter.
pub(super) fn no_match(app: &App, area: &ListArea, frame: &mut Frame) {
    let look = &app.look;
    let width = usize::from(area.rows.width);
    let filter = look.foreign(app.list.filter()).into_owned();
    let back = app.keys.key(Action::Back);
    let mut lines = vec![Line::default()];
    let text = format!("No delivery matches \"{filter}\"; {back} clears it.");
    for line in wrap::words(&text, width) {
        lines.push(centre(&line, Role::Plain, app));
    }
    if app.list.notes.is_empty() {
        let (open, find) = (app.keys.key(Action::TabBody), app.keys.key(Action::Find));
        let text = format!(
            "A filter does not look into bodies: open one ({open}) and search it ({find})."
        );
        for line in wrap::words(&text, width) {
            lines.push(centre(&line, Role::Context, app));
        }
    }
    for note in &app.list.notes {
        for line in wrap::words(&look.own(note), width) {
            lines.push(centre(&line, Role::Warn, app));
        }
    }
    put(&lines, area.rows, frame);
}

/// Returns the next steps, each with the words to type.
fn steps(app: &App, wide: bool) -> Vec<(&'static str, String)> {
    let sample = app.keys.key(Action::Sample);
    let Some(url) = app.info.listening.as_deref() else {
        return Vec::new();
    };
    let port = url.rsplit(':').next().unwrap_or(url).trim_end_matches('/');
    let tunnel = if wide {
        format!("point any tunnel at port {port}  (cloudflared, ngrok, tailscale funnel …)")
    } else {
        format!("point any tunnel at port {port}")
    };
    let with = |command: &str, now: String| {
        if wide {
            format!("{command:<36} (now: {now})")
        } else {
            command.to_owned()
        }
    };
    let secrets = match app.info.secrets.iter().filter(|s| !s.old).count() {
        0 => "none, so SIG will read \"no key\"".to_owned(),
        1 => "one secret".to_owned(),
        n => format!("{n} secrets"),
    };
    let target = match &app.info.target {
        Some(target) => target.clone(),
        None => format!("answered by creel with {}", header::answer(app)),
    };
    vec![
        (
            "Send one now",
            format!("press {sample}: a signed sample, to see how this looks"),
        ),
        (
            "From a shell",
            format!("curl -d \"{{}}\" {}/hooks/test", url.trim_end_matches('/')),
        ),
        ("From the internet", tunnel),
        (
            "Check signatures",
            with("creel --secret NAME=VALUE", secrets),
        ),
        (
            "Pass them on",
            with("creel --target http://localhost:3000", target),
        ),
    ]
}

fn centre(text: &str, role: Role, app: &App) -> Line<'static> {
    Line::from(app.look.span(text.to_owned(), role)).centered()
}
