//! The attempts to send a delivery to an app: the table, the retry schedule,
//! and the request and response of the selected one.

mod sent;

use ratatui::text::{Line, Span};

use crate::domain::attempt::{
    Attempt, AttemptKind, Outcome, REPLACED_ERROR, Response, STOPPED_ERROR, Signing,
};
use crate::domain::attempt_verdict::AttemptVerdict;
use crate::domain::request::Request;
use crate::domain::text::{bytes, duration_us, pad, pad_left, span, thousands};
use crate::domain::timestamp::Timestamp;
use crate::engine::command::ProviderFacts;
use crate::tui::action::Action;
use crate::tui::theme::Role;
use crate::tui::widget::wrap;

use super::detail::Shown;
use super::overview::host;
use super::signature::duration;
use super::{Ctx, headers};

/// How many lines of a response body are shown.
const BODY: usize = 500;
/// How many attempts are listed at a time.
const LISTED: usize = 8;

/// The state of the attempts tab.
#[derive(Clone, Copy, Debug, Default)]
pub struct TriesPane {
    /// The position of the selected attempt, from the first; `None`: the newest.
    pub at: Option<usize>,
}

impl TriesPane {
    /// Selects another attempt.
    pub fn step(&mut self, by: isize, total: usize) {
        let Some(last) = total.checked_sub(1) else {
            return;
        };
        let at = self.at.unwrap_or(last).saturating_add_signed(by).min(last);
        self.at = (at < last).then_some(at);
    }

    /// Returns the lines of the table and of the selected attempt.
    pub fn lines(self, shown: &Shown, ctx: Ctx<'_>, width: usize) -> Vec<Line<'static>> {
        let attempts = &shown.detail.attempts;
        let mut page = Page {
            ctx,
            width,
            facts: shown.detail.provider.as_ref(),
            lines: Vec::new(),
        };
        let Some(last) = attempts.len().checked_sub(1) else {
            page.none(shown);
            return page.lines;
        };
        let at = self.at.unwrap_or(last).min(last);
        page.table(attempts, &shown.detail.verdicts, at);
        page.blank();
        page.schedule(shown);
        page.attempt(&attempts[at], &shown.detail.delivery.request);
        page.lines
    }
}

/// Describes a response and what the provider would make of it: `200 in 6.2 s:
/// Stackryze gives up at 5 s`.
pub fn verdict(attempt: &Attempt, facts: Option<&ProviderFacts>) -> String {
    let took = duration_us(attempt.duration_us);
    let answer = match (attempt.status(), &attempt.error, attempt.outcome) {
        (_, _, Outcome::Pending) => return "not sent yet: waiting until it is due".to_owned(),
        (None, Some(error), _) if was_not_sent(attempt) => return format!("not sent: {error}"),
        (Some(status), Some(error), _) => return format!("{status} in {took}, then: {error}"),
        (Some(status), ..) => match attempt.redirect() {
            Some(to) => format!("{status} in {took}, a redirect to {to}, which is not followed"),
            None => format!("{status} in {took}"),
        },
        (None, Some(error), _) => return format!("no answer after {took}: {error}"),
        (None, None, _) => return format!("no answer after {took}"),
    };
    let Some(facts) = facts else {
        return answer;
    };
    let title = &facts.title;
    match (facts.answer_within_ms, attempt.within_ack_timeout) {
        (Some(limit), Some(false)) => format!("{answer}: {title} gives up at {}", duration(limit)),
        (Some(limit), _) => format!("{answer}: in time, {title} waits {}", duration(limit)),
        (None, _) => format!("{answer}: how long {title} waits is not stated"),
    }
}

/// Returns whether an attempt was stopped before anything was sent.
fn was_not_sent(attempt: &Attempt) -> bool {
    let reason = attempt.error.as_deref();
    attempt.response.is_none() && matches!(reason, Some(STOPPED_ERROR | REPLACED_ERROR))
}

fn role_of(verdict: AttemptVerdict) -> Role {
    match verdict.is_good() {
        Some(true) => Role::Good,
        Some(false) => Role::Bad,
        None => Role::Plain,
    }
}

fn what(attempt: &Attempt, short: bool) -> &'static str {
    match (attempt.kind, attempt.signing, attempt.edited.is_some()) {
        (AttemptKind::Resend, _, true) if short => "edited",
        (AttemptKind::Resend, Signing::Kept, false) if short => "as is",
        (AttemptKind::Resend, Signing::Fresh, false) if short => "signed",
        (AttemptKind::Forward, _, _) => "forward",
        (AttemptKind::Retry, _, _) => "retry",
        (AttemptKind::Resend, _, true) => "resend, edited",
        (AttemptKind::Resend, Signing::Kept, false) => "resend, as is",
        (AttemptKind::Resend, Signing::Fresh, false) => "resend, signed",
    }
}

/// The page being written.
struct Page<'a> {
    ctx: Ctx<'a>,
    width: usize,
    facts: Option<&'a ProviderFacts>,
    lines: Vec<Line<'static>>,
}

impl Page<'_> {
    fn none(&mut self, shown: &Shown) {
        if shown.detail.delivery.answer.is_unanswered() {
            self.text("This delivery waits for its app.", Role::Strong);
            let why = "The sender got its response; creel forwards the delivery as soon as the app answers.";
            self.text(why, Role::Plain);
            return;
        }
        self.text("This delivery was not sent to an app.", Role::Strong);
        let key = |action| self.ctx.keys.key(action);
        let (resend, with) = (key(Action::Resend), key(Action::ResendWith));
        let next = match &shown.detail.target {
            Some(target) => format!("{resend} sends it to {target}"),
            None => format!("{with} sends it to an address you type"),
        };
        self.text(&next, Role::Plain);
    }

    fn table(&mut self, attempts: &[Attempt], verdicts: &[AttemptVerdict], at: usize) {
        let look = self.ctx.look;
        // The target's column is shown if there is room for it.
        let fixed = 3 + 3 + 9 + 15 + 4 + 8 + 16;
        // The verdict matters most: if it would be cut, WHAT gets narrower.
        let narrow = self.width < fixed;
        let what_width = if narrow { 8 } else { 15 };
        let room = self.width.saturating_sub(fixed + 2).min(40);
        let target_width = if room >= 12 { room } else { 0 };
        let target_title = if target_width > 0 {
            pad("TARGET", target_width + 1)
        } else {
            String::new()
        };
        let heading = format!(
            "    # {}{}{target_title} ANS {} VERDICT",
            pad("WHEN", 9),
            pad("WHAT", what_width),
            pad_left("TIME", 7)
        );
        let heading = vec![look.span(heading, Role::Context)];
        self.lines.push(wrap::cut(heading, self.width, ""));
        let first = at
            .saturating_sub(LISTED / 2)
            .min(attempts.len().saturating_sub(LISTED));
        for (index, attempt) in attempts.iter().enumerate().skip(first).take(LISTED) {
            let verdict = verdicts
                .get(index)
                .copied()
                .unwrap_or(AttemptVerdict::Pending);
            let role = role_of(verdict);
            let sign = if index == at { look.glyphs.cursor } else { " " };
            let when = look.short_time(attempt.started_at, self.ctx.now);
            let status = attempt
                .status()
                .map_or_else(|| "---".to_owned(), |s| s.to_string());
            let took = match attempt.outcome {
                Outcome::Pending => String::new(),
                _ if was_not_sent(attempt) => String::new(),
                _ => duration_us(attempt.duration_us),
            };
            let target = look.own(&attempt.target).into_owned();
            let target = match target_width {
                0 => String::new(),
                n => pad(&look.cut_middle(&target, n), n + 1),
            };
            let start = format!(
                "{sign} {:>3} {}{}{target} {} {} ",
                attempt.number,
                pad(&when, 9),
                pad(what(attempt, narrow), what_width),
                pad_left(&status, 3),
                pad_left(&took, 7),
            );
            let spans = vec![Span::raw(start), look.span(verdict.words(), role)];
            let mut line = wrap::cut(spans, self.width, look.glyphs.ellipsis);
            if index == at {
                line = line.patch_style(look.theme.style(Role::Strong));
            }
            self.lines.push(line);
        }
        if let Some(hidden) = attempts.len().checked_sub(LISTED + 1) {
            self.text(&format!("… and {} more", hidden + 1), Role::Context);
        }
    }

    /// Writes the retry schedule as a timeline: past, pending and planned attempts.
    fn schedule(&mut self, shown: &Shown) {
        let Some(planned) = &shown.detail.schedule else {
            return;
        };
        let tried = shown.detail.attempts.iter().zip(&shown.detail.verdicts);
        let tried: Vec<_> = tried
            .filter_map(|(a, v)| Some((a, a.retry.as_ref()?, *v)))
            .filter(|(_, retry, _)| retry.began == planned.began)
            .collect();
        let Some((_, last, _)) = tried.last() else {
            return;
        };
        let title = self.facts.map_or("the provider", |f| f.title.as_str());
        let faster = match last.compress {
            1 => String::new(),
            n => format!(", {} times faster", thousands(u64::from(n))),
        };
        let assumed = if planned.assumed {
            ", the steps are assumed: they are not stated"
        } else {
            ""
        };
        self.heading(&format!("RETRIES  as {title}{faster}{assumed}"));
        let row = |page: &mut Self, number: u32, at: Timestamp, text: String, role| {
            let after =
                span(at.0.saturating_sub(planned.began.0).max(0).unsigned_abs() / 1_000_000);
            let when = page.ctx.look.short_time(at, page.ctx.now);
            let start = format!(
                "  {number:>3}  {} {} ",
                pad(&when, 8),
                pad(&format!("+{after}"), 8)
            );
            let look = page.ctx.look;
            let spans = vec![Span::raw(start), look.span(text, role)];
            page.lines
                .push(wrap::cut(spans, page.width, look.glyphs.ellipsis));
        };
        for (attempt, retry, verdict) in &tried {
            let (at, text, role) = if attempt.outcome == Outcome::Pending {
                let left = retry
                    .due
                    .0
                    .saturating_sub(self.ctx.now.0)
                    .max(0)
                    .unsigned_abs();
                let text = format!("pending, due in {}", span(left.div_ceil(1_000_000)));
                (retry.due, text, Role::Strong)
            } else {
                let status = attempt
                    .status()
                    .map_or_else(|| "---".to_owned(), |s| s.to_string());
                (
                    attempt.started_at,
                    format!("{status}  {}", verdict.words()),
                    role_of(*verdict),
                )
            };
            row(self, retry.number, at, text, role);
        }
        for (number, at) in (last.number + 1..).zip(&planned.later) {
            row(self, number, *at, "planned".to_owned(), Role::Context);
        }
        if let Some(note) = &planned.note {
            self.text(note, Role::Bad);
        }
        self.blank();
    }

    fn attempt(&mut self, attempt: &Attempt, delivered: &Request) {
        self.text(&verdict(attempt, self.facts), Role::Strong);
        self.blank();
        if attempt.outcome == Outcome::Pending || was_not_sent(attempt) {
            return;
        }
        self.sent(attempt, delivered);
        self.blank();
        match (&attempt.response, &attempt.error) {
            (Some(response), error) => {
                if let Some(error) = error {
                    self.heading(&format!(
                        "NOT A WHOLE ANSWER  from {}",
                        host(&attempt.target)
                    ));
                    self.text(error, Role::Bad);
                    self.blank();
                }
                self.response(response);
            }
            (None, Some(error)) => {
                self.heading(&format!("NO ANSWER  from {}", host(&attempt.target)));
                self.text(error, Role::Bad);
            }
            (None, None) => {}
        }
    }

    fn response(&mut self, response: &Response) {
        let size = bytes(response.body_size);
        self.heading(&format!("ANSWER  {}  {size}", response.status));
        let fields = headers::fields(&response.headers, self.ctx, self.width);
        self.lines.extend(fields);
        if response.body.is_empty() {
            return;
        }
        self.blank();
        self.body(&response.body, response.headers.text("content-type"));
        let kept = response.body.len() as u64;
        if kept < response.body_size {
            let note = format!("Only the first {} of {size} were kept.", bytes(kept));
            self.text(&note, Role::Warn);
        }
    }

    fn heading(&mut self, text: &str) {
        let look = self.ctx.look;
        let text = look.own(text).into_owned();
        let spans = vec![look.span(text, Role::Key)];
        self.lines
            .push(wrap::cut(spans, self.width, look.glyphs.ellipsis));
    }

    fn text(&mut self, text: &str, role: Role) {
        let look = self.ctx.look;
        for line in wrap::words(&look.own(text), self.width) {
            self.lines.push(Line::from(look.span(line, role)));
        }
    }

    fn blank(&mut self) {
        self.lines.push(Line::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::attempt::INTERRUPTED_ERROR;
    use crate::domain::headers::Headers;
    use crate::domain::id::Id;

    fn attempt(status: u16, headers: Headers, error: Option<&str>) -> Attempt {
        Attempt {
            id: Id::new(Timestamp(0), 0),
            delivery_seq: 1,
            number: 1,
            target: "http://localhost:3000/".to_owned(),
            started_at: Timestamp(0),
            kind: AttemptKind::Resend,
            signing: Signing::Kept,
            edited: None,
            sent_headers: Headers::new(),
            outcome: Outcome::Failed,
            response: Some(Response {
                status,
                headers,
                body: bytes::Bytes::new(),
                body_size: 0,
            }),
            duration_us: 1_500,
            within_ack_timeout: None,
            error: error.map(str::to_owned),
            retry: None,
        }
    }

    #[test]
    fn a_stopped_attempt_is_not_called_unanswered() {
        let stopped = Attempt {
            response: None,
            duration_us: 0,
            ..attempt(0, Headers::new(), Some(STOPPED_ERROR))
        };
        assert_eq!(
            verdict(&stopped, None),
            format!("not sent: {STOPPED_ERROR}")
        );
        // The app may have got a request that the end of creel cut off.
        let cut_off = Attempt {
            error: Some(INTERRUPTED_ERROR.to_owned()),
            ..stopped
        };
        assert!(verdict(&cut_off, None).starts_with("no answer after"));
    }

    #[test]
    fn a_response_that_does_not_count_is_explained() {
        let cut = attempt(200, Headers::new(), Some("It ended early."));
        assert_eq!(verdict(&cut, None), "200 in 2 ms, then: It ended early.");
        let to: Headers = [("location", "/login")].into_iter().collect();
        assert_eq!(
            verdict(&attempt(302, to.clone(), None), None),
            "302 in 2 ms, a redirect to /login, which is not followed"
        );
        assert_eq!(verdict(&attempt(201, to, None), None), "201 in 2 ms");
    }
}
