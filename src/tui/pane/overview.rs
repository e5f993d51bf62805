//! The facts of a delivery in short, and the beginning of its body.

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use crate::domain::attempt::Outcome;
use crate::domain::body::BodyKind;
use crate::domain::delivery::{RecordedResponse, Responder};
use crate::domain::summary::Summary;
use crate::domain::text::{age, bytes, duration_us, span, thousands};
use crate::domain::verification::{Status, Verification};
use crate::engine::command::EventArrival;
use crate::tui::action::Action;
use crate::tui::column::status_role;
use crate::tui::look::Look;
use crate::tui::theme::Role;
use crate::tui::widget::{hex, wrap};

use super::Ctx;
use super::detail::Shown;

/// How many columns the names of the facts take.
const LABEL: usize = 9;
/// How many lines of the body are shown.
const PREVIEW: usize = 200;
/// How many arrivals are named by their time.
const TIMES: usize = 6;

/// Writes the facts down: those in the delivery's row, and more once the
/// delivery is read.
pub fn lines(
    row: &Summary,
    shown: Option<&Shown>,
    ctx: Ctx<'_>,
    width: usize,
) -> Vec<Line<'static>> {
    let mut page = Page {
        ctx,
        width,
        row,
        lines: Vec::new(),
    };
    page.event(shown);
    page.verdict(shown);
    page.facts(shown);
    match shown {
        Some(shown) => page.body(shown),
        None if row.body_size > 0 && row.refused.is_none() => {
            let text = format!("Loading{}", ctx.look.glyphs.ellipsis);
            page.lines
                .push(Line::from(ctx.look.span(text, Role::Context)));
        }
        None => {}
    }
    page.lines
}

/// Says in a sentence what a status means; more exactly where the whole
/// verification is known.
pub fn sentence(status: Status, verification: Option<&Verification>) -> &'static str {
    match status {
        Status::Valid => "Signature matches",
        Status::Stale
            if verification.is_some_and(|known| known.age_seconds.is_some_and(|age| age < 0)) =>
        {
            "Signature matches, but its time lies ahead"
        }
        Status::Stale => "Signature matches, but it is too old",
        Status::Invalid => "Signature does not match",
        Status::Malformed => "Signature header cannot be read",
        Status::MissingSignature => "No signature",
        Status::NoSecret => "Signed, but there is no secret to check it with",
        Status::UnknownProvider => "Nothing says who sent it",
        Status::Pending => "Not verified yet",
    }
}

/// What stands behind a value that the signature does not cover.
const UNSIGNED: &str = " (not signed)";

/// Returns the sign and the role of a verdict.
pub fn sign(status: Status, look: &Look) -> (&'static str, Role) {
    let role = status_role(status);
    let sign = match role {
        Role::Good => look.glyphs.right,
        Role::Bad => look.glyphs.wrong,
        _ => look.glyphs.note,
    };
    (sign, role)
}

/// The page as far as it is written.
struct Page<'a> {
    ctx: Ctx<'a>,
    width: usize,
    row: &'a Summary,
    lines: Vec<Line<'static>>,
}

impl Page<'_> {
    fn event(&mut self, shown: Option<&Shown>) {
        let (row, look) = (self.row, self.ctx.look);
        let facts = shown.and_then(|shown| shown.detail.provider.as_ref());
        let title = match (facts, &row.provider) {
            (Some(facts), _) => facts.title.clone(),
            (None, Some(name)) => name.clone(),
            (None, None) => "Unknown sender".to_owned(),
        };
        let event = match &row.event {
            Some(event) => event.clone(),
            None => format!("{} {}", row.method, row.path),
        };
        let mark = |field| match shown {
            Some(shown) if shown.detail.verification.is_unsigned(field) => UNSIGNED,
            _ => "",
        };
        let line = format!(
            "{} {} {}{}",
            look.foreign(&title),
            look.glyphs.sep,
            look.foreign(&event),
            mark("event")
        );
        let spans = [look.span(line, Role::Strong)];
        self.lines.extend(wrap::hard(&spans, self.width));
        if let Some(id) = &row.delivery_id {
            let mark = mark("delivery_id");
            let room = self.width.saturating_sub(mark.len());
            let id = look.cut_middle(&look.foreign(id), room);
            self.lines.push(Line::from(format!("{id}{mark}")));
        }
        self.blank();
    }

    fn verdict(&mut self, shown: Option<&Shown>) {
        let look = self.ctx.look;
        let verification = shown.map(|shown| &shown.detail.verification);
        let status = verification.map_or(self.row.status, |known| known.status);
        let (sign, role) = sign(status, look);
        let verdict = format!("{sign} {}", sentence(status, verification));
        let key = self.ctx.keys.key(Action::TabSignature);
        let hint = format!("press {key} for {}", proof_word(status));
        let mut spans = vec![look.span(verdict, role)];
        let used = spans[0].content.width() + hint.len() + 2;
        if let Some(room) = self.width.checked_sub(used) {
            spans.push(Span::raw(" ".repeat(room + 2)));
            spans.push(look.span(hint, Role::Context));
        }
        self.lines
            .push(wrap::cut(spans, self.width, look.glyphs.ellipsis));
        match verification {
            Some(verification) => self.findings(verification),
            // Most have one line there, so the facts below stay in place.
            None if matches!(status, Status::UnknownProvider | Status::Pending) => {}
            None => self.indented("…", Role::Context),
        }
        if let Some(refused) = &self.row.refused {
            self.indented(&format!("Refused: {refused}"), Role::Bad);
        }
        self.blank();
    }

    /// Writes why the verdict is what it is, and what it leaves open.
    fn findings(&mut self, verification: &Verification) {
        if let Some(finding) = verification.explanation() {
            self.indented(&finding.message, Role::Plain);
        } else if let (Status::Valid | Status::Stale, Some(secret)) =
            (verification.status, &verification.secret)
        {
            self.indented(&format!("The secret is {secret}."), Role::Plain);
        }
        for finding in verification.caveats() {
            self.indented(&finding.message, Role::Plain);
        }
        if let (Status::Valid, None, Some(seconds)) = (
            verification.status,
            verification.tolerance_seconds,
            verification.age_seconds.filter(|a| a.unsigned_abs() > 300),
        ) {
            let note = format!(
                "Signed {}; the provider states no limit.",
                signed_when(seconds)
            );
            self.indented(&note, Role::Warn);
        }
    }

    fn facts(&mut self, shown: Option<&Shown>) {
        let (row, look) = (self.row, self.ctx.look);
        let request = shown.map(|shown| &shown.detail.delivery.request);
        let sep = look.glyphs.sep;

        let at = row.received_at;
        let ago = self.ctx.now.unix_seconds() - at.unix_seconds();
        let received = format!("{}, {}", look.full_time(at), age(ago));
        self.fact("Received", &received);

        let mut from = row.remote_addr.clone();
        if let Some(endpoint) = &row.endpoint {
            from = format!("{from}, at endpoint {endpoint}");
        }
        self.fact("From", &from);
        let line = match request {
            Some(request) => format!(
                "{} {}  HTTP/{}",
                request.method,
                request.target(),
                request.http_version
            ),
            None => format!("{} {}", row.method, row.path),
        };
        self.fact("Request", &line);

        let size = row.body_size;
        let kind = match request {
            Some(request) => request.content_type(),
            None => row.content_type.as_deref(),
        };
        let kind = kind.unwrap_or("no content-type");
        let name = if self.width < 60 { "" } else { "sha-256 " };
        let hash = match shown.and_then(|shown| shown.sha256.get(..8)) {
            Some(hash) => format!(" {sep} {name}{hash}…"),
            None => String::new(),
        };
        let body = match (row.refused.is_some(), size) {
            (true, _) => format!("{kind} {sep} {}, not kept", bytes(size)),
            (false, 0) => format!("{kind} {sep} empty"),
            (false, _) => format!("{kind} {sep} {}{hash}", bytes(size)),
        };
        self.fact("Body", &body);

        let answer = shown.map_or(&row.answer, |shown| &shown.detail.delivery.answer);
        self.fact("Answered", &answered(answer));
        if let Some(shown) = shown {
            self.read(shown);
        }
        self.blank();
    }

    /// Writes the facts that are known once a delivery is read.
    fn read(&mut self, shown: &Shown) {
        self.app(shown);
        self.owed(shown);
        self.sender(shown);
        if let Some(facts) = &shown.detail.provider {
            for note in &facts.notes {
                self.fact("Note", note);
            }
        }
    }

    fn app(&mut self, shown: &Shown) {
        let Some(last) = shown.detail.attempts.last() else {
            self.not_sent(shown);
            return;
        };
        let target = host(&last.target);
        let took = duration_us(last.duration_us);
        let result = match (last.status(), &last.error, last.outcome) {
            (_, _, Outcome::Pending) => format!("waiting for {target}"),
            (Some(status), ..) => format!("{status} from {target} in {took}"),
            (None, Some(error), _) => format!("no answer from {target}: {error}"),
            (None, None, _) => format!("no answer from {target}"),
        };
        let total = shown.detail.attempts.len();
        let tries = if total > 1 {
            format!(", try {total}")
        } else {
            String::new()
        };
        self.fact("App", &format!("{result}{tries}"));
    }

    /// Says that a delivery never reached its app, although it has one: it was
    /// held, given up on, or refused by creel's own response.
    fn not_sent(&mut self, shown: &Shown) {
        let delivery = &shown.detail.delivery;
        let Some(target) = &shown.detail.target else {
            return;
        };
        let is_final = matches!(delivery.answer.by, Responder::Creel);
        if is_final && delivery.refused.is_none() {
            let key = self.ctx.keys.key(Action::Resend);
            self.fact(
                "App",
                &format!("not sent to {}; {key} sends it", host(target)),
            );
        }
    }

    /// Says that the sender heard "ok" and no app has answered yet.
    fn owed(&mut self, shown: &Shown) {
        if !shown.detail.delivery.answer.is_unanswered() {
            return;
        }
        let next = match &shown.detail.target {
            Some(target) => format!("sent to {} when it answers", host(target)),
            None => "no target is set for it any more".to_owned(),
        };
        let key = self.ctx.keys.key(Action::GiveUp);
        self.fact(
            "",
            &format!("acknowledged, not handled: {next}; {key} gives up"),
        );
    }

    fn sender(&mut self, shown: &Shown) {
        let detail = &shown.detail;
        let total = detail.arrivals.len();
        let seq = detail.delivery.seq;
        let place = detail.arrivals.iter().position(|a| a.summary.seq == seq);
        let number = place.map_or(detail.summary.arrival as usize, |at| at + 1);
        if total < 2 {
            if number > 1 {
                self.fact("Sender", &format!("try {number} of this event"));
            }
            return;
        }
        let sep = self.ctx.look.glyphs.sep;
        let times = self.times(&detail.arrivals, number.saturating_sub(1));
        let same = detail.arrivals.iter().all(|a| a.same_body);
        let bodies = if same {
            "identical bytes"
        } else {
            "the body differs"
        };
        self.fact(
            "Sender",
            &format!("try {number} of {total} of this event: {times} {sep} {bodies}"),
        );
        if detail.summary.group_guessed {
            self.fact(
                "",
                "grouped by event and body: it has no id, so this is a guess",
            );
        }
    }

    /// Writes when the arrivals came; of many, those around this one.
    fn times(&self, arrivals: &[EventArrival], at: usize) -> String {
        let first = at
            .saturating_sub(TIMES / 2)
            .min(arrivals.len().saturating_sub(TIMES));
        let shown = arrivals.iter().skip(first).take(TIMES);
        let times: Vec<String> = shown
            .map(|a| {
                let at = a.summary.received_at;
                self.ctx.look.short_time(at, self.ctx.now).trim().to_owned()
            })
            .collect();
        let before = if first > 0 { "… " } else { "" };
        let after = if first + TIMES < arrivals.len() {
            " …"
        } else {
            ""
        };
        format!("{before}{}{after}", times.join(", "))
    }

    fn body(&mut self, shown: &Shown) {
        if shown.detail.delivery.refused.is_some() {
            return;
        }
        let look = self.ctx.look;
        let view = &shown.pretty;
        if let Some(note) = view.note() {
            self.indented(note, Role::Warn);
        }
        if view.kind() == BodyKind::Binary {
            let body = &shown.detail.delivery.request.body;
            let per_line = hex::per_line(self.width);
            let offsets = (0..body.len()).step_by(per_line).take(PREVIEW);
            for offset in offsets {
                let words = hex::line(body, offset, per_line, |_| false);
                let words = words.into_iter().map(|(text, role)| look.span(text, role));
                self.lines
                    .push(wrap::cut(words.collect(), self.width, look.glyphs.ellipsis));
            }
            return;
        }
        for line in view.window(0, PREVIEW) {
            let spans = line.spans.into_iter();
            let spans = spans.map(|s| look.span(s.text, s.role.into())).collect();
            self.lines
                .push(wrap::cut(spans, self.width, look.glyphs.ellipsis));
        }
        if let Some(more) = view.lines_total().checked_sub(PREVIEW + 1) {
            let key = self.ctx.keys.key(Action::TabBody);
            let more = thousands(more as u64 + 1);
            self.indented(&format!("{more} more lines: press {key}"), Role::Context);
        }
    }

    /// Writes a fact: its name, and what is known, with a hanging indent.
    fn fact(&mut self, label: &str, value: &str) {
        let look = self.ctx.look;
        let value = look.own(value);
        let room = self.width.saturating_sub(LABEL).max(8);
        for (at, part) in wrap::words(&value, room).into_iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            let spans = vec![
                look.span(format!("{label:<LABEL$}"), Role::Key),
                Span::raw(part),
            ];
            self.lines.push(Line::from(spans));
        }
    }

    fn indented(&mut self, text: &str, role: Role) {
        let look = self.ctx.look;
        for line in wrap::words(&look.own(text), self.width.saturating_sub(2)) {
            self.lines
                .push(Line::from(look.span(format!("  {line}"), role)));
        }
    }

    fn blank(&mut self) {
        self.lines.push(Line::default());
    }
}

/// Returns what the signature tab shows for a verdict: a proof, or details where
/// nothing could be verified.
pub fn proof_word(status: Status) -> &'static str {
    match status {
        Status::NoSecret | Status::UnknownProvider | Status::Pending => "details",
        Status::Valid
        | Status::Stale
        | Status::Invalid
        | Status::Malformed
        | Status::MissingSignature => "proof",
    }
}

/// Describes what the sender was answered, by whom and how fast.
fn answered(answer: &RecordedResponse) -> String {
    let by = match answer.by {
        Responder::Creel if answer.status == 0 => {
            return "not at all: the connection was dropped".to_owned();
        }
        Responder::CreelTargetDown if answer.status == 0 => {
            return "not yet: the app is asked".to_owned();
        }
        Responder::Creel => "by creel",
        Responder::Target => "by the app",
        Responder::CreelTargetDown if answer.is_unanswered() => "by creel",
        Responder::CreelTargetDown => "by creel, the app being down",
    };
    match answer.duration_us {
        Some(us) => format!("{} {by} in {}", answer.status, duration_us(us)),
        None => format!("{} {by}", answer.status),
    }
}

/// Says when something was signed, seen from its arrival.
pub(super) fn signed_when(age_seconds: i64) -> String {
    match age_seconds {
        0 => "in the second it arrived".to_owned(),
        1.. => format!("{} before it arrived", span(age_seconds.unsigned_abs())),
        _ => format!("{} after it arrived", span(age_seconds.unsigned_abs())),
    }
}

/// Returns host and port of a URL, or the URL where it has none.
pub fn host(address: &str) -> String {
    let parsed = url::Url::parse(address).ok();
    let host = parsed
        .as_ref()
        .and_then(|u| Some((u.host_str()?, u.port())));
    match host {
        Some((host, Some(port))) => format!("{host}:{port}"),
        Some((host, None)) => host.to_owned(),
        None => crate::domain::route::without_credentials(address).into_owned(),
    }
}
