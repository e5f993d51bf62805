//! The proof of a verdict: what was checked, what came, what was expected.
//!
//! Both facts are always shown: a stale time never hides a wrong secret, nor
//! the reverse.

use ratatui::text::{Line, Span};

use crate::domain::text::{pad, span, thousands, width as columns};
use crate::domain::verification::{
    Finding, Group, HypothesisTrial, Status, TrialOutcome, Verification,
};
use crate::tui::action::Action;
use crate::tui::theme::Role;
use crate::tui::widget::{hex, wrap};

use super::Ctx;
use super::detail::Shown;
use super::overview::{sentence, sign, signed_when};

/// How many columns the names of the checks take.
const NAME: usize = 17;
/// How many columns the answers of what was tried take.
const ANSWER: usize = 7;
/// How many columns what was tried takes on a wide page.
const WHAT: usize = 56;
/// From this width on a page is wide.
const WIDE: usize = 100;
/// The groups of what was tried, in the order they are shown.
const GROUPS: [Group; 6] = [
    Group::Secret,
    Group::Body,
    Group::Text,
    Group::Algorithm,
    Group::Header,
    Group::Time,
];
/// How many signatures of one kind are listed.
const LISTED: usize = 8;

/// Writes the proof down.
pub fn lines(shown: &Shown, ctx: Ctx<'_>, width: usize) -> Vec<Line<'static>> {
    let mut page = Page {
        ctx,
        width,
        lines: Vec::new(),
    };
    let verification = &shown.detail.verification;
    page.verdict(verification);
    page.blank();
    page.heading("CHECK");
    for check in checks(shown) {
        page.check(&check);
    }
    page.blank();
    page.tried(verification);
    page.secrets(verification);
    page.signed(shown);
    page.signatures(verification);
    page.findings(verification);
    page.each_tried(verification);
    page.documentation(shown);
    page.lines
}

/// Writes the proof as plain text, to be sent to somebody: the expected
/// signatures are masked, because they would pass for the sender's own.
pub fn proof(shown: &Shown, ctx: Ctx<'_>) -> String {
    let mut masked = shown.clone();
    for expected in &mut masked.detail.verification.expected {
        let start: String = expected.chars().take(8).collect();
        *expected = format!("{start}… (masked)");
    }
    let row = &masked.detail.summary;
    let title = format!(
        "{} {}, received {}, id {}\n",
        row.provider.as_deref().unwrap_or("unknown provider"),
        row.event.as_deref().unwrap_or(&row.path),
        row.received_at.to_rfc3339(),
        row.id
    );
    let lines = lines(&masked, ctx, 100);
    let lines: Vec<String> = lines
        .iter()
        .map(|l| l.to_string().trim_end().to_owned())
        .collect();
    format!("{}\n{}\n", ctx.look.own(&title), lines.join("\n"))
}

/// One line of the checks.
struct Check {
    name: String,
    result: Verdict,
    evidence: String,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ok,
    Fail,
    /// It could not be made, or there was nothing to check.
    Open,
}

impl Verdict {
    const fn word(self) -> (&'static str, Role) {
        match self {
            Self::Ok => ("ok", Role::Good),
            Self::Fail => ("FAIL", Role::Bad),
            Self::Open => ("--", Role::Plain),
        }
    }
}

fn checks(shown: &Shown) -> Vec<Check> {
    let check = |name: &str, (result, evidence): (Verdict, String)| Check {
        name: name.to_owned(),
        result,
        evidence,
    };
    let verification = &shown.detail.verification;
    let algorithm = verification
        .scheme
        .as_deref()
        .and_then(|s| s.split(' ').next());
    let algorithm = algorithm.unwrap_or("signature").to_uppercase();
    let mut checks = vec![
        check("provider", provider(shown)),
        check("header parses", header(verification)),
        check("timestamp", timestamp(verification)),
        check("body as received", body(shown)),
        check(&algorithm, secret(verification)),
    ];
    checks.extend(covered(verification).map(|covered| check("covers", covered)));
    checks
}

/// Names what a signature that holds covers, and what it leaves open.
fn covered(verification: &Verification) -> Option<(Verdict, String)> {
    let names = |names: &[String]| names.join(", ").replace('_', " ");
    let covers = match verification.covers.as_slice() {
        [] if verification.unsigned.is_empty() => return None,
        [] => "nothing".to_owned(),
        covers => names(covers),
    };
    Some(match verification.unsigned.as_slice() {
        [] => (Verdict::Ok, covers),
        unsigned => (
            Verdict::Open,
            format!("{covers}; not signed: {}", names(unsigned)),
        ),
    })
}

fn provider(shown: &Shown) -> (Verdict, String) {
    let verification = &shown.detail.verification;
    let Some(name) = &verification.provider else {
        return (Verdict::Fail, "no header of a known provider".into());
    };
    let scheme = verification.scheme.as_deref().unwrap_or("scheme unknown");
    (Verdict::Ok, format!("{name}: {scheme}"))
}

fn header(verification: &Verification) -> (Verdict, String) {
    let came = verification.received.len();
    match verification.status {
        Status::UnknownProvider => (Verdict::Open, "the provider is unknown".into()),
        Status::Pending => (Verdict::Open, "not verified yet".into()),
        Status::MissingSignature => (Verdict::Fail, "the signature header is absent".into()),
        Status::Malformed => (Verdict::Fail, "the header cannot be read, see below".into()),
        Status::Valid | Status::Stale | Status::Invalid | Status::NoSecret => match came {
            1 => (Verdict::Ok, "one signature".into()),
            _ => (Verdict::Ok, format!("{came} signatures")),
        },
    }
}

fn timestamp(verification: &Verification) -> (Verdict, String) {
    if verification.status == Status::UnknownProvider {
        return (Verdict::Open, "the provider is unknown".into());
    }
    let limit = verification.limit();
    let stated = match &limit {
        Some(limit) => format!("the limit is {limit}"),
        None => "the provider states no limit".to_owned(),
    };
    let Some(age) = verification.age_seconds else {
        let scheme = verification.scheme.as_deref().unwrap_or_default();
        let signs_time = limit.is_some() || scheme.contains("{timestamp}");
        return if signs_time {
            (
                Verdict::Open,
                format!("no timestamp could be read; {stated}"),
            )
        } else {
            (Verdict::Open, "the scheme does not sign a timestamp".into())
        };
    };
    let when = match age.unsigned_abs() {
        0..=9_999 if age > 0 => format!("{age} s before arrival"),
        0..=9_999 if age < 0 => format!("{} s after arrival", age.unsigned_abs()),
        0 => "in the same second as it arrived".to_owned(),
        _ => format!("signed {}", signed_when(age)),
    };
    let verdict = if verification.is_out_of_tolerance() || verification.status == Status::Stale {
        Verdict::Fail
    } else {
        Verdict::Ok
    };
    (verdict, format!("{when}; {stated}"))
}

fn body(shown: &Shown) -> (Verdict, String) {
    let delivery = &shown.detail.delivery;
    if delivery.refused.is_some() {
        return (
            Verdict::Open,
            "not kept, because the request was refused".into(),
        );
    }
    let headers = &delivery.request.headers;
    let size = delivery.request.body.len() as u64;
    let length = match headers.text("content-length").map(str::parse::<u64>) {
        Some(Ok(length)) if length == size => "content-length agrees".to_owned(),
        Some(Ok(length)) => format!("content-length says {}", thousands(length)),
        Some(Err(_)) => "content-length is not a number".to_owned(),
        None => "no content-length".to_owned(),
    };
    let encoding = match headers.text("content-encoding") {
        Some(encoding) => format!("content-encoding {encoding}"),
        None => "no content-encoding".to_owned(),
    };
    let hash = shown.sha256.get(..16).unwrap_or_default();
    let agrees = !length.contains("says");
    (
        if agrees { Verdict::Ok } else { Verdict::Fail },
        format!(
            "{} bytes; {length}; {encoding}; sha-256 {hash}…",
            thousands(size)
        ),
    )
}

fn secret(verification: &Verification) -> (Verdict, String) {
    match (verification.status, &verification.secret) {
        (Status::Valid | Status::Stale, Some(secret)) => {
            (Verdict::Ok, format!("matches with {secret}"))
        }
        (Status::Valid | Status::Stale, None) => (Verdict::Ok, "matches".into()),
        (Status::Invalid, _) => match verification.expected.len() {
            0 | 1 => (
                Verdict::Fail,
                "the configured secret gives a different signature".into(),
            ),
            n => (
                Verdict::Fail,
                format!("none of the {n} configured secrets gives this signature"),
            ),
        },
        (Status::NoSecret, _) => (Verdict::Open, "no secret to check it with".into()),
        (Status::Pending, _) => (Verdict::Open, "not verified yet".into()),
        (Status::Malformed | Status::MissingSignature | Status::UnknownProvider, _) => {
            (Verdict::Open, "nothing to compare with".into())
        }
    }
}

/// The page as far as it is written.
struct Page<'a> {
    ctx: Ctx<'a>,
    width: usize,
    lines: Vec<Line<'static>>,
}

impl Page<'_> {
    fn verdict(&mut self, verification: &Verification) {
        let look = self.ctx.look;
        let (sign, role) = sign(verification.status, look);
        let word = verification.status.word();
        let text = match verification.explanation() {
            Some(finding) => format!("{} ({})", finding.message, certainty(finding)),
            None => format!("{}.", sentence(verification.status, Some(verification))),
        };
        let head = format!("{sign} {word}");
        let indent = columns(&head) + 2;
        let room = self.width.saturating_sub(indent).max(16);
        for (at, line) in wrap::words(&look.own(&text), room).into_iter().enumerate() {
            let start = if at == 0 { head.clone() } else { String::new() };
            let spans = vec![
                look.span(pad(&start, indent), role),
                look.span(line, Role::Strong),
            ];
            self.lines.push(Line::from(spans));
        }
        let proof = verification.explanation().map(|f| f.proof.as_str());
        if let Some(proof) = proof.filter(|p| !p.is_empty() && verification.tried.is_empty()) {
            self.text(proof, 0, Role::Context);
        }
        let advice = verification.explanation().map(|f| f.advice.as_str());
        if verification.status == Status::NoSecret {
            let key = self.ctx.keys.key(Action::Secret);
            self.text(&format!("Do this: press {key} to add it."), 0, Role::Plain);
        } else if let Some(advice) = advice.filter(|a| !a.is_empty()) {
            self.text(&format!("Do this: {advice}"), 0, Role::Plain);
        }
    }

    fn check(&mut self, check: &Check) {
        let look = self.ctx.look;
        let (word, role) = check.result.word();
        let room = self.width.saturating_sub(6 + NAME).max(16);
        let evidence = look.own(&check.evidence).into_owned();
        for (at, part) in wrap::words(&evidence, room).into_iter().enumerate() {
            let (word, name) = if at == 0 {
                (word, check.name.as_str())
            } else {
                ("", "")
            };
            let spans = vec![
                look.span(format!("{word:<6}"), role),
                Span::raw(pad(&look.own(name), NAME)),
                Span::raw(part),
            ];
            self.lines.push(Line::from(spans));
        }
    }

    /// Writes what matched in full, of all else how much was tried.
    fn tried(&mut self, verification: &Verification) {
        let tried = &verification.tried;
        if tried.is_empty() {
            return;
        }
        self.heading("TRIED");
        for it in tried.iter().filter(|t| t.outcome == TrialOutcome::Matched) {
            self.trial(TrialOutcome::Matched, &it.what, &it.reason);
        }
        for group in GROUPS {
            let count = |outcome| {
                let of = |t: &&HypothesisTrial| t.group == group && t.outcome == outcome;
                tried.iter().filter(of).count()
            };
            let (no, nothing) = (
                count(TrialOutcome::NotMatched),
                count(TrialOutcome::NotApplicable),
            );
            if no > 0 {
                let what = format!("{no} about the {}", about(group));
                let rest = match nothing {
                    0 => "none matched".to_owned(),
                    more => format!("none matched; {more} not applicable"),
                };
                self.trial(TrialOutcome::NotMatched, &what, &rest);
            }
        }
        self.blank();
    }

    /// Writes every hypothesis with its answer.
    fn each_tried(&mut self, verification: &Verification) {
        if verification.tried.is_empty() {
            return;
        }
        self.heading("EACH TRIED");
        let last = [
            TrialOutcome::Matched,
            TrialOutcome::NotMatched,
            TrialOutcome::NotApplicable,
        ];
        for outcome in last {
            for it in verification.tried.iter().filter(|t| t.outcome == outcome) {
                self.trial(outcome, &it.what, &it.reason);
            }
        }
        self.blank();
    }

    /// Writes one line of what was tried: the answer, the question, the reason.
    fn trial(&mut self, outcome: TrialOutcome, what: &str, reason: &str) {
        let look = self.ctx.look;
        let role = match outcome {
            TrialOutcome::Matched => Role::Strong,
            TrialOutcome::NotMatched | TrialOutcome::NotApplicable => Role::Plain,
        };
        let what = look.own(what).into_owned();
        // On a wide page the reason stands in a column of its own.
        let wide = self.width >= WIDE && columns(&what) < WHAT;
        let (what, text, indent) = match (reason, wide) {
            (reason, true) => (
                pad(&what, WHAT),
                look.own(reason).into_owned(),
                ANSWER + WHAT,
            ),
            ("", false) => (String::new(), what, ANSWER),
            (reason, false) => (
                String::new(),
                format!("{what}: {}", look.own(reason)),
                ANSWER,
            ),
        };
        let room = self.width.saturating_sub(indent).max(16);
        for (at, line) in wrap::words(&text, room).into_iter().enumerate() {
            let head = match at {
                0 => format!("  {:<5}{what}", outcome.word()),
                _ => " ".repeat(indent),
            };
            self.lines
                .push(Line::from(look.span(format!("{head}{line}"), role)));
        }
    }

    fn secrets(&mut self, verification: &Verification) {
        if let Some(secret) = &verification.secret {
            self.heading("SECRET");
            self.text(&format!("matched: {secret}"), 2, Role::Plain);
        } else if self.ctx.info.secrets.iter().all(|secret| secret.old) {
            self.heading("SECRETS");
            self.text("none is configured", 2, Role::Plain);
        } else {
            self.heading("SECRETS CONFIGURED");
            for secret in self.ctx.info.secrets.iter().filter(|s| !s.old) {
                self.text(&secret.to_string(), 2, Role::Plain);
            }
        }
        self.blank();
    }

    fn signed(&mut self, shown: &Shown) {
        let look = self.ctx.look;
        let Some(signed) = &shown.detail.signed else {
            return;
        };
        let title = format!(
            "SIGNED BYTES  \"{}\"  {} bytes",
            look.foreign(&signed.template),
            thousands(signed.size)
        );
        self.heading(&title);
        let per_line = hex::per_line(self.width.saturating_sub(2));
        let shown_bytes = signed.start.len().min(per_line * 6);
        for offset in (0..shown_bytes).step_by(per_line) {
            let mut spans = vec![Span::raw("  ")];
            let words = hex::line(&signed.start[..shown_bytes], offset, per_line, |_| false);
            spans.extend(words.into_iter().map(|(text, role)| look.span(text, role)));
            self.lines
                .push(wrap::cut(spans, self.width, look.glyphs.ellipsis));
        }
        let rest = signed.size.saturating_sub(shown_bytes as u64);
        if rest > 0 {
            let rest = format!("… and {} more", thousands(rest));
            self.text(&rest, 2, Role::Context);
        }
        self.blank();
    }

    fn signatures(&mut self, verification: &Verification) {
        let matched = verification
            .expected
            .iter()
            .find(|e| verification.received.contains(*e));
        self.signature_list("RECEIVED", &verification.received, matched);
        self.signature_list("EXPECTED", &verification.expected, matched);
        if !verification.received.is_empty() || !verification.expected.is_empty() {
            self.blank();
        }
    }

    fn signature_list(&mut self, label: &str, signatures: &[String], matched: Option<&String>) {
        let look = self.ctx.look;
        for (at, signature) in signatures.iter().take(LISTED).enumerate() {
            let label = if at == 0 { label } else { "" };
            let role = if matched == Some(signature) {
                Role::Good
            } else {
                Role::Plain
            };
            let text = [look.span(look.own(signature).into_owned(), role)];
            let room = self.width.saturating_sub(10).max(16);
            for (part, line) in wrap::hard(&text, room).into_iter().enumerate() {
                let label = if part == 0 { label } else { "" };
                let mut spans = vec![look.span(format!("{label:<10}"), Role::Key)];
                spans.extend(line.spans);
                self.lines.push(Line::from(spans));
            }
        }
        if let Some(more) = signatures.len().checked_sub(LISTED + 1) {
            self.text(&format!("… and {} more", more + 1), 10, Role::Context);
        }
    }

    fn findings(&mut self, verification: &Verification) {
        // The first is the verdict's own where it explains that.
        let own = usize::from(verification.explanation().is_some());
        let others = verification.findings.get(own..).unwrap_or_default();
        if others.is_empty() {
            return;
        }
        self.heading("ALSO FOUND");
        for finding in others {
            let how = certainty(finding);
            self.text(&format!("{how}: {}", finding.message), 2, Role::Plain);
            if !finding.advice.is_empty() {
                self.text(&finding.advice, 10, Role::Plain);
            }
        }
        self.blank();
    }

    fn documentation(&mut self, shown: &Shown) {
        let Some(facts) = &shown.detail.provider else {
            return;
        };
        self.heading(&format!("{} SAYS", facts.title.to_uppercase()));
        let note = |note: &Option<String>| match note {
            Some(note) => format!(" ({note})"),
            None => String::new(),
        };
        let within = match (facts.answer_within_ms, &facts.answer_note) {
            (Some(ms), about) => format!("Answer within {}{}.", duration(ms), note(about)),
            (None, Some(about)) => format!("Answer: {about}."),
            (None, None) => "How fast it must be answered is not stated.".to_owned(),
        };
        self.text(&within, 2, Role::Plain);
        let waits: Vec<String> = facts.retry_seconds.iter().map(|s| span(*s)).collect();
        let about = note(&facts.retry_note);
        let retries = match (waits.is_empty(), facts.attempts, &facts.retry_note) {
            (true, None, None) => "Its retries are not stated.".to_owned(),
            (true, None, Some(note)) => format!("Retries: {note}."),
            (true, Some(1), _) => format!("It does not retry{about}."),
            (true, Some(attempts), _) => format!("It makes {attempts} attempts{about}."),
            (false, None, _) => format!("It tries again after {}{about}.", waits.join(", ")),
            (false, Some(attempts), _) => {
                let waits = waits.join(", ");
                format!("It makes {attempts} attempts, after {waits}{about}.")
            }
        };
        self.text(&retries, 2, Role::Plain);
        if let Some(docs) = &facts.docs {
            self.text(docs, 2, Role::Plain);
        }
    }

    fn heading(&mut self, text: &str) {
        let look = self.ctx.look;
        let spans = vec![look.span(look.own(text).into_owned(), Role::Key)];
        self.lines
            .push(wrap::cut(spans, self.width, look.glyphs.ellipsis));
    }

    fn text(&mut self, text: &str, indent: usize, role: Role) {
        let look = self.ctx.look;
        let room = self.width.saturating_sub(indent).max(8);
        for line in wrap::words(&look.own(text), room) {
            let blanks = " ".repeat(indent);
            self.lines
                .push(Line::from(look.span(format!("{blanks}{line}"), role)));
        }
    }

    fn blank(&mut self) {
        self.lines.push(Line::default());
    }
}

/// Names what a group of hypotheses is about.
const fn about(group: Group) -> &'static str {
    match group {
        Group::Secret => "secret",
        Group::Body => "body",
        Group::Text => "signed text",
        Group::Algorithm => "digest and how it is written",
        Group::Header => "headers",
        Group::Time => "time",
    }
}

/// Says whether a finding is proved by the bytes.
const fn certainty(finding: &Finding) -> &'static str {
    if finding.proved { "proved" } else { "likely" }
}

/// Writes a limit: `5 s`, `1.5 s`, `800 ms`.
pub(super) fn duration(ms: u64) -> String {
    if ms.is_multiple_of(1_000) {
        span(ms / 1_000)
    } else {
        crate::domain::text::duration_us(ms * 1_000)
    }
}
