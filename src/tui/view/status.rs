//! The last lines: what can be done here now, and what there is new.

use std::borrow::Cow;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;

use crate::domain::text::{span, thousands, width as columns};
use crate::engine::command::{Job, Lag};
use crate::tui::action::Action;
use crate::tui::app::{App, Focus, SIGN, ToastKind};
use crate::tui::layout::Areas;
use crate::tui::overlay::Overlay;
use crate::tui::overlay::prompt::Purpose;
use crate::tui::pane::detail::{Tab, put};
use crate::tui::theme::Role;
use crate::tui::widget::wrap;

/// How many columns part two hints.
const GAP: usize = 2;

/// Draws the last word on something, over what is there.
pub(super) fn toast(app: &App, area: Rect, frame: &mut Frame) {
    let Some(toast) = &app.toast else {
        return;
    };
    let look = &app.look;
    let (sign, role) = match toast.kind {
        ToastKind::Done => (look.glyphs.right, Role::Good),
        ToastKind::Note | ToastKind::Progress => (look.glyphs.sep, Role::Plain),
        ToastKind::Warning => (look.glyphs.note, Role::Warn),
        ToastKind::Failed => (look.glyphs.wrong, Role::Bad),
    };
    // What happened stands out; why, and what to do, is there to be read.
    let what = toast.text.split('\n').next().unwrap_or_default();
    let room = usize::from(area.width).saturating_sub(SIGN);
    let strong = wrap::words(what, room).len();
    let lines: Vec<Line<'_>> = toast
        .lines(usize::from(area.width))
        .into_iter()
        .enumerate()
        .map(|(at, line)| {
            let sign = if at == 0 { sign } else { " " };
            let role = if at < strong { role } else { Role::Plain };
            Line::from(look.span(format!(" {sign} {line}"), role))
        })
        .collect();
    frame.render_widget(Clear, area);
    put(&lines, area, frame);
}

/// Draws what can be done here, the most useful first, and the news.
pub(super) fn hints(app: &App, areas: &Areas, frame: &mut Frame) {
    let width = usize::from(areas.status.width);
    let news = news(app);
    let hints: Vec<(String, Cow<'_, str>)> = actions(app)
        .iter()
        .map(|action| (key(app, *action), app.look.own(label(app, *action))))
        .collect();
    let width_of = |(key, label): &(String, Cow<'_, str>)| GAP + columns(key) + 1 + columns(label);
    // The last one, the help, stays; the others go from the end.
    let last = hints.last().map_or(0, width_of);
    let room = match columns(&news) {
        0 => width + 1,
        n => width.saturating_sub(n + 2),
    };
    let mut line = Line::default();
    let mut used = 0;
    for (at, hint) in hints.iter().enumerate() {
        let needed = width_of(hint) + if at + 1 < hints.len() { last } else { 0 };
        if used + needed > room + 1 {
            continue;
        }
        let gap = if used == 0 { 1 } else { GAP };
        used += width_of(hint);
        line.push_span(Span::raw(" ".repeat(gap)));
        line.push_span(app.look.span(hint.0.clone(), Role::Key));
        line.push_span(Span::raw(format!(" {}", hint.1)));
    }
    if !news.is_empty() {
        let gap = width.saturating_sub(columns(&line.to_string()) + columns(&news) + 1);
        line.push_span(Span::raw(" ".repeat(gap)));
        line.push_span(app.look.span(news, Role::Strong));
    }
    frame.render_widget(line, areas.status);
}

/// Writes how many a text field finds, and what it makes no sense of.
pub(super) fn found(app: &App, purpose: Purpose) -> String {
    match purpose {
        Purpose::Filter => match app.list.notes.first() {
            Some(note) => app.look.own(note).into_owned(),
            None => format!(
                "{} of {}",
                thousands(app.list.rows.matching() as u64),
                thousands(app.list.rows.total() as u64)
            ),
        },
        Purpose::Search => match &app.detail.body.search {
            None => String::new(),
            Some(_) if app.detail.shown.is_none() => String::new(),
            Some(search) => search.place().unwrap_or_else(|| "no match".to_owned()),
        },
    }
}

fn news(app: &App) -> String {
    let mut parts = Vec::new();
    for job in app.jobs.iter().filter(|job| job.total > 1) {
        parts.push(sending(app, job));
    }
    if let Some(share) = app.info.verifying {
        parts.push(format!("verifying again {share} %"));
    }
    if !app.info.damaged.is_none() {
        parts.push(damaged(app));
    }
    if let Some(doubt) = app.info.clock {
        let key = app.keys.key(Action::TrustClock);
        parts.push(format!(
            "{doubt}: nothing is removed by age, {key} trusts it"
        ));
    }
    if let Some(lag) = app.info.lag {
        parts.push(behind(lag));
    }
    if !app.list.chosen.is_empty() {
        parts.push(format!("{} selected", app.list.chosen.len()));
    }
    if app.list.unseen > 0 {
        parts.push(format!("{} new {}", app.list.unseen, app.look.glyphs.up));
    }
    parts.join(", ")
}

/// Says what is damaged, the first by name.
fn damaged(app: &App) -> String {
    let damaged = &app.info.damaged;
    let Some(first) = damaged.deliveries.first() else {
        return "journal damaged: creel repair".to_owned();
    };
    let at = app.look.local(first.received_at).format("%m-%d %H:%M");
    let endpoint = first.endpoint.as_deref().unwrap_or_default();
    let which = format!("{} {endpoint} {at}", first.id.short());
    let which = app.look.foreign(&which);
    let more = match damaged.deliveries.len() - 1 {
        0 => String::new(),
        more => format!(" and {} more", thousands(more as u64)),
    };
    format!("damaged: {which}{more}, see creel repair")
}

/// Says how far verifying is behind.
fn behind(lag: Lag) -> String {
    let (seconds, tenths) = (lag.millis / 1_000, lag.millis / 100 % 10);
    let time = match seconds {
        0..60 => format!("{seconds}.{tenths} s"),
        _ => span(seconds),
    };
    format!("{} to verify, {time} behind", thousands(lag.deliveries))
}

/// Says how far a job has come, and what stops it.
fn sending(app: &App, job: &Job) -> String {
    let left = job.left_ms.map_or_else(String::new, |ms| {
        format!(", {} left", span(ms.div_ceil(1_000)))
    });
    let (done, total) = (thousands(job.done), thousands(job.total));
    let bad = match job.done.saturating_sub(job.well + job.wrongly_accepted) {
        0 => String::new(),
        n => format!(", {} failed", thousands(n)),
    };
    let accepted = match job.wrongly_accepted {
        0 => String::new(),
        n => format!(", {} accepted stale or forged", thousands(n)),
    };
    let stop = app.keys.key(Action::Stop);
    format!("sent {done} of {total}{bad}{accepted}{left}, {stop} stops")
}

fn actions(app: &App) -> &'static [Action] {
    use Action as A;
    match (&app.overlay, app.focus, app.detail.tab) {
        // In a text field the key for help is a character.
        (
            Some(Overlay::Help(_) | Overlay::Palette(_) | Overlay::Prompt(_) | Overlay::Secret(_)),
            ..,
        ) => &[A::Back],
        (Some(Overlay::Resend(form)), ..) if form.types() => &[A::Back],
        (Some(Overlay::Answer(form)), ..) if form.types() => &[A::Back],
        (Some(_), ..) => &[A::Back, A::Help],
        (None, ..) if app.is_empty() => &[A::Sample, A::Copy, A::Palette, A::Close, A::Help],
        (None, Focus::List, _) => &[
            A::Open,
            A::Resend,
            A::ResendWith,
            A::Copy,
            A::Find,
            A::Select,
            A::Follow,
            A::Answer,
            A::Palette,
            A::Help,
        ],
        (None, Focus::Detail, Tab::Body) => &[
            A::Find,
            A::Hex,
            A::Pretty,
            A::Wrap,
            A::Resend,
            A::Copy,
            A::Zoom,
            A::Back,
            A::Help,
        ],
        (None, Focus::Detail, Tab::Signature) => &[
            A::Secret,
            A::Verify,
            A::Copy,
            A::ResendWith,
            A::Zoom,
            A::Back,
            A::Palette,
            A::Help,
        ],
        (None, Focus::Detail, Tab::Overview | Tab::Headers | Tab::Tries) => &[
            A::Resend,
            A::ResendWith,
            A::Copy,
            A::TabSignature,
            A::Zoom,
            A::Back,
            A::Palette,
            A::Help,
        ],
    }
}

/// Returns the key as it is written here.
fn key(app: &App, action: Action) -> String {
    match app.keys.key(action).as_str() {
        "Enter" => app.look.glyphs.enter.to_owned(),
        key => app.look.own(key).into_owned(),
    }
}

/// Returns the word for an action, as the state has it.
fn label(app: &App, action: Action) -> &'static str {
    use crate::domain::body::ViewMode;
    match action {
        Action::Find if app.focus == Focus::Detail => "search",
        Action::Zoom if app.zoom => "unzoom",
        Action::Hex if app.detail.body.is_bytes() => "text",
        Action::Pretty if app.detail.body.mode == ViewMode::Raw => "laid out",
        Action::Sample => "send a sample",
        Action::Copy if app.is_empty() => "copy address",
        other => other.spec().label,
    }
}
