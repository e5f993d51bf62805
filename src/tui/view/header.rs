//! The first line: where creel listens, where deliveries go, what is kept;
//! or what is wrong.

use std::collections::BTreeSet;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::response_plan::{ResponsePlan, steps_text};
use crate::domain::route::{ForwardMode, origin};
use crate::domain::text::{bytes, span, thousands, width as columns};
use crate::engine::command::{AppInfo, AppState};
use crate::tui::app::App;
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
    let mut options = vec![
        long(app),
        short_otherwise(app),
        bare_otherwise(app),
        short(app),
        owing(app, bare(app)),
        owing(app, name(app)),
        bare(app),
        name(app),
    ];
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
    let known = apps(app);
    match &known[..] {
        [] => {
            parts.push(Span::raw("app none, creel answers "));
            parts.push(own_answer(app));
        }
        [one] => {
            parts.push(Span::raw(format!("app {}", shown(one, app))));
            parts.extend(state(one, app, true));
        }
        many => parts.extend(states(many, app)),
    }
    parts.extend(otherwise(app));
    if app.info.demo {
        parts.push(Span::raw("   demo"));
    }
    parts
}

fn short(app: &App) -> Vec<Span<'static>> {
    let mut parts = name(app);
    parts.push(app.look.span(address(app), Role::Strong));
    let known = apps(app);
    match &known[..] {
        [] => {
            parts.push(Span::raw("   no app, answering "));
            parts.push(own_answer(app));
        }
        [one] => {
            let arrow = app.look.glyphs.arrow;
            parts.push(Span::raw(format!(" {arrow} {}", shown(one, app))));
            if matches!(one.state, AppState::Answering) {
                parts.extend(waiting(std::slice::from_ref(one), app));
            } else {
                parts.extend(state(one, app, false));
            }
        }
        many => {
            parts.push(Span::raw("   "));
            parts.extend(states(many, app));
        }
    }
    parts
}

/// Like the short one, with what is answered otherwise than configured.
fn short_otherwise(app: &App) -> Vec<Span<'static>> {
    let mut parts = short(app);
    parts.extend(otherwise(app));
    parts
}

fn bare(app: &App) -> Vec<Span<'static>> {
    let mut parts = name(app);
    parts.push(app.look.span(address(app), Role::Strong));
    parts
}

/// Adds what is wrong with the apps, or waits for them; the address alone
/// where nothing is and does.
fn owing(app: &App, mut parts: Vec<Span<'static>>) -> Vec<Span<'static>> {
    let known = apps(app);
    let (title, mut more) = match &known[..] {
        [] => return bare(app),
        [one] if one.state == AppState::Answering => {
            ("   app", waiting(&known, app).into_iter().collect())
        }
        [one] => ("   app", state(one, app, false)),
        many => ("   ", states(many, app)),
    };
    more.retain(|span| !span.content.is_empty());
    if more.is_empty() {
        return bare(app);
    }
    parts.push(Span::raw(title));
    parts.extend(more);
    parts
}

/// The address alone with what is answered otherwise, where that is anything.
fn bare_otherwise(app: &App) -> Vec<Span<'static>> {
    let otherwise = otherwise(app);
    if otherwise.is_empty() {
        return short(app);
    }
    let mut parts = bare(app);
    parts.extend(otherwise);
    parts
}

/// Returns the apps that deliveries go to.
fn apps(app: &App) -> Vec<AppInfo> {
    if !app.info.apps.is_empty() {
        return app.info.apps.clone();
    }
    // Nothing was told yet.
    let endpoints = app.info.endpoints.iter();
    let targets = endpoints.filter_map(|e| e.target.as_ref());
    let origins: BTreeSet<String> = targets.chain(&app.info.target).map(|t| origin(t)).collect();
    let unknown = |origin| AppInfo {
        origin,
        state: AppState::Unknown,
        waiting: 0,
        oldest: None,
    };
    origins.into_iter().map(unknown).collect()
}

fn shown(one: &AppInfo, app: &App) -> String {
    app.look.foreign(&host(&one.origin)).into_owned()
}

/// Writes whether an app answers: ` down since 14:02, 12 wait, oldest 5 min`.
fn state(one: &AppInfo, app: &App, whole: bool) -> Vec<Span<'static>> {
    let (word, role) = match one.state {
        AppState::Unknown => (String::new(), Role::Plain),
        AppState::Answering => (" answering".to_owned(), Role::Good),
        AppState::Down { since, silent } => {
            let what = if silent { "not answering" } else { "down" };
            let since = app.look.local(since).format("%H:%M");
            let text = if whole {
                format!(" {what} since {since}")
            } else {
                format!(" {what}")
            };
            (text, Role::Bad)
        }
    };
    let mut parts = vec![app.look.span(word, role)];
    parts.extend(waiting(std::slice::from_ref(one), app));
    parts
}

/// Writes how several apps are: `1 of 3 apps down, 12 wait, oldest 5 min`.
fn states(all: &[AppInfo], app: &App) -> Vec<Span<'static>> {
    let down = |a: &&AppInfo| matches!(a.state, AppState::Down { .. });
    let down = all.iter().filter(down).count();
    let answering = all.iter().all(|a| a.state == AppState::Answering);
    let (text, role) = match down {
        0 if answering => (format!("{} apps answering", all.len()), Role::Good),
        0 => (format!("{} apps", all.len()), Role::Plain),
        _ => (format!("{down} of {} apps down", all.len()), Role::Bad),
    };
    let mut parts = vec![app.look.span(text, role)];
    parts.extend(waiting(all, app));
    parts
}

/// Writes how many deliveries wait for apps, and how long the oldest does. What
/// an app that answers is sent at once does not wait.
fn waiting(all: &[AppInfo], app: &App) -> Option<Span<'static>> {
    let count: u64 = all.iter().map(|one| one.waiting).sum();
    let oldest = all.iter().filter_map(|one| one.oldest).min();
    let seconds = oldest.map(|at| app.now.unix_seconds() - at.unix_seconds());
    let answering = all.iter().all(|one| one.state == AppState::Answering);
    let at_once = answering && seconds.is_some_and(|seconds| seconds < 2);
    if count == 0 || at_once {
        return None;
    }
    let mut text = format!(", {} wait", thousands(count));
    if let Some(seconds) = seconds.and_then(|seconds| u64::try_from(seconds).ok()) {
        text = format!("{text}, oldest {}", span(seconds));
    }
    Some(app.look.span(text, Role::Warn))
}

/// Writes what is done otherwise than usual: another mode, or what somebody
/// said is answered from now on.
fn otherwise(app: &App) -> Vec<Span<'static>> {
    let info = &app.info;
    let text = match &info.live[..] {
        // It is said as what creel answers itself.
        [_] if answered_otherwise(app).is_some() => return Vec::new(),
        [] if info.mode == ForwardMode::AckFirst || apps(app).is_empty() => return Vec::new(),
        [] => info.mode.word().to_owned(),
        [one] => {
            let plan = one.plan.as_ref().map(|plan| format!("answering {plan}"));
            let mode = one.mode.map(|mode| mode.word().to_owned());
            let words: Vec<String> = plan.into_iter().chain(mode).collect();
            match &one.endpoint {
                Some(name) => format!("{name}: {}", words.join(", ")),
                None => words.join(", "),
            }
        }
        many => format!("{} answers changed", many.len()),
    };
    let text = app.look.own(&text).into_owned();
    vec![
        Span::raw("   "),
        app.look.span(app.look.cut(&text, 40), Role::Warn),
    ]
}

/// Returns the response set in the inspector if it applies to all deliveries:
/// no app and no endpoint is configured.
fn answered_otherwise(app: &App) -> Option<&ResponsePlan> {
    let info = &app.info;
    match &info.live[..] {
        [one] if one.endpoint.is_none() && info.endpoints.is_empty() && apps(app).is_empty() => {
            one.plan.as_ref()
        }
        _ => None,
    }
}

/// Writes what creel answers by itself.
fn own_answer(app: &App) -> Span<'static> {
    match answered_otherwise(app) {
        Some(plan) => {
            let text = app.look.own(&plan.to_string()).into_owned();
            app.look.span(app.look.cut(&text, 40), Role::Warn)
        }
        None => Span::raw(answer(app)),
    }
}

/// Returns what creel answers, where that is the same everywhere.
pub(super) fn answer(app: &App) -> String {
    let info = &app.info;
    let everywhere = info.answering(None).1;
    let mut own = info
        .endpoints
        .iter()
        .map(|e| info.answering(Some(e.name.as_str())).1);
    if own.all(|plan| plan.steps == everywhere.steps) {
        steps_text(&everywhere.steps)
    } else {
        "as configured".to_owned()
    }
}
