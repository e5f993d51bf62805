//! The first line: where creel listens, where deliveries go, what is kept;
//! or what is wrong.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::text::{bytes, thousands, width as columns};
use crate::tui::app::{App, AppState};
use crate::tui::layout::{Areas, Shape};
use crate::tui::pane::overview::host;
use crate::tui::theme::Role;

/// Draws the first line.
pub(super) fn draw(app: &App, areas: &Areas, frame: &mut Frame) {
    let area = areas.header;
    let width = usize::from(area.width);
    let right = kept(app, areas.shape);
    let room = width.saturating_sub(columns(&right) + 2);
    if let Some(trouble) = &app.info.trouble {
        let text = format!(" creel {} {}", app.look.glyphs.wrong, app.look.own(trouble));
        let warning = warning(app);
        let taken = warning.as_ref().map_or(0, |w| columns(&w.content));
        let text = app.look.cut(&text, room.saturating_sub(taken));
        let mut parts = vec![app.look.span(text, Role::Bad)];
        parts.extend(warning);
        line(app, area, parts, &right, frame);
        return;
    }
    let mut options = vec![long(app), short(app), bare(app), name(app)];
    if let Some(warning) = warning(app) {
        for option in &mut options {
            option.push(warning.clone());
        }
        options.push(vec![warning]);
    }
    let fits = |parts: &&Vec<Span<'static>>| {
        let used: usize = parts.iter().map(|s| columns(&s.content)).sum();
        used <= room
    };
    let left = options.iter().find(fits).or(options.last());
    let left = left.cloned().unwrap_or_default();
    line(app, area, left, &right, frame);
}

fn line(app: &App, area: Rect, left: Vec<Span<'static>>, right: &str, frame: &mut Frame) {
    let width = usize::from(area.width);
    let used: usize = left.iter().map(|s| columns(&s.content)).sum();
    let gap = width.saturating_sub(used + columns(right) + 1);
    let mut line = Line::from(left);
    line.push_span(Span::raw(" ".repeat(gap)));
    line.push_span(app.look.span(right.to_owned(), Role::Strong));
    frame.render_widget(line, area);
}

/// Writes what is kept: `1,284 kept · 18 MiB`.
fn kept(app: &App, shape: Shape) -> String {
    let kept = thousands(app.info.kept);
    match shape {
        Shape::Small if app.list.unseen > 0 => format!("{} new", app.list.unseen),
        Shape::Wide if app.info.bytes > 0 => {
            format!(
                "{kept} kept {} {}",
                app.look.glyphs.sep,
                bytes(app.info.bytes)
            )
        }
        _ => format!("{kept} kept"),
    }
}

fn name(app: &App) -> Vec<Span<'static>> {
    let role = if app.info.listening.is_some() {
        Role::Good
    } else {
        Role::Warn
    };
    vec![
        app.look.span(" creel ", Role::Strong),
        app.look.span(app.look.glyphs.dot, role),
        Span::raw(" "),
    ]
}

/// Says that certificates prove nothing, as long as they do not.
fn warning(app: &App) -> Option<Span<'static>> {
    let insecure = app.info.options.insecure;
    insecure.then(|| app.look.span("   INSECURE TLS", Role::Bad))
}

fn address(app: &App) -> String {
    match &app.info.listening {
        Some(url) => app.look.foreign(&host(url)).into_owned(),
        None => "not receiving".to_owned(),
    }
}

fn long(app: &App) -> Vec<Span<'static>> {
    let mut parts = name(app);
    if app.info.listening.is_some() {
        parts.push(Span::raw("listening "));
    }
    parts.push(app.look.span(address(app), Role::Strong));
    parts.push(Span::raw("   "));
    match target(app) {
        Some(target) => {
            parts.push(Span::raw(format!("app {target}")));
            match app.app {
                AppState::Answering => parts.push(app.look.span(" answering", Role::Good)),
                AppState::Silent => parts.push(app.look.span(" not answering", Role::Bad)),
                AppState::Unknown => {}
            }
        }
        None => parts.push(Span::raw(format!(
            "app none, creel answers {}",
            answer(app)
        ))),
    }
    if app.info.demo {
        parts.push(Span::raw("   demo"));
    }
    parts
}

fn short(app: &App) -> Vec<Span<'static>> {
    let mut parts = name(app);
    parts.push(app.look.span(address(app), Role::Strong));
    match target(app) {
        Some(target) => parts.push(Span::raw(format!(" {} {target}", app.look.glyphs.arrow))),
        None => parts.push(Span::raw(format!("   no app, answering {}", answer(app)))),
    }
    parts
}

fn bare(app: &App) -> Vec<Span<'static>> {
    let mut parts = name(app);
    parts.push(app.look.span(address(app), Role::Strong));
    parts
}

/// Returns the app's address, or how many there are.
fn target(app: &App) -> Option<String> {
    let endpoints = app.info.endpoints.iter();
    let mut targets: Vec<String> = endpoints
        .filter_map(|e| e.target.as_ref())
        .chain(&app.info.target)
        .map(|t| host(t))
        .collect();
    targets.sort();
    targets.dedup();
    match &targets[..] {
        [] => None,
        [one] => Some(app.look.foreign(one).into_owned()),
        many => Some(format!("at {} addresses", many.len())),
    }
}

/// Returns what creel answers, where that is the same everywhere.
pub(super) fn answer(app: &App) -> String {
    let everywhere = app.info.answer.status;
    let own = app
        .info
        .endpoints
        .iter()
        .map(|e| e.answer.as_ref().map_or(everywhere, |a| a.status));
    let mut answers: Vec<u16> = own.chain([everywhere]).collect();
    answers.sort_unstable();
    answers.dedup();
    match &answers[..] {
        [one] => one.to_string(),
        _ => "as configured".to_owned(),
    }
}
