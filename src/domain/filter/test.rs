//! The predicates of filter terms.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use crate::domain::attempt::Outcome;
use crate::domain::delivery::Responder;
use crate::domain::summary::Summary;
use crate::domain::timestamp::Timestamp;
use crate::domain::verification::Status;

use super::pattern::{Pattern, begins, ends, same};

/// A parsed term: `key:value` or a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) key: Option<String>,
    pub(super) value: String,
    /// Whether the value contains quotes.
    pub(super) quoted: bool,
}

/// A predicate on a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Predicate {
    Word(Pattern),
    Verdict(Vec<Status>),
    Field(Field, Pattern),
    /// The field is not known.
    Without(Field),
    App(Vec<AppState>),
    Within(i64),
    From(Timestamp),
    IdEdge(String),
    Id(Pattern),
    Marked,
    Refused,
}

/// A text field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Provider,
    Event,
    Endpoint,
    Method,
    Path,
}

/// The required state of the latest attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AppState {
    /// There is no attempt.
    None,
    /// It ended without a response.
    NoAnswer,
    /// The delivery is acknowledged but not handled.
    Owed,
    /// The app was not reachable.
    Down,
    Outcome(Outcome),
    /// The status starts with these digits, where `x` is any digit.
    Digits(String),
    /// The status as text.
    Status(Pattern),
}

/// The words of `app:` other than statuses.
const APP_WORDS: [(&str, &[AppState]); 9] = [
    ("none", &[AppState::None]),
    (
        "failed",
        &[
            AppState::Outcome(Outcome::Failed),
            AppState::Outcome(Outcome::Expired),
        ],
    ),
    ("delivered", &[AppState::Outcome(Outcome::Delivered)]),
    ("ok", &[AppState::Outcome(Outcome::Delivered)]),
    ("pending", &[AppState::Outcome(Outcome::Pending)]),
    ("expired", &[AppState::Outcome(Outcome::Expired)]),
    ("error", &[AppState::NoAnswer]),
    ("waiting", &[AppState::Owed]),
    ("down", &[AppState::Down]),
];

/// Creates the predicate of a term; returns `None` if it is empty.
pub(super) fn test(term: &Term, notes: &mut Vec<String>) -> Option<Predicate> {
    let Some(key) = &term.key else {
        return word(term);
    };
    let (value, quoted) = (term.value.as_str(), term.quoted);
    let key = key.to_ascii_lowercase();
    let field = match key.as_str() {
        "provider" => Some(Field::Provider),
        "event" => Some(Field::Event),
        "endpoint" => Some(Field::Endpoint),
        "method" => Some(Field::Method),
        "path" => Some(Field::Path),
        "sig" | "app" | "since" | "id" => None,
        _ => {
            // A URL is not a key with a value.
            if !value.starts_with("//") {
                notes.push(format!("{key}: is not a key; it is searched as text."));
            }
            return Some(as_text(&key, term));
        }
    };
    if value.is_empty() {
        notes.push(format!("{key}: needs a value; it is ignored."));
        return None;
    }
    if let Some(field) = field {
        if value.eq_ignore_ascii_case("none") && !quoted {
            return Some(Predicate::Without(field));
        }
        return Some(Predicate::Field(field, Pattern::field(value, quoted)));
    }
    let known = match key.as_str() {
        "sig" => verdicts(value).map(Predicate::Verdict),
        "app" => app(value).map(Predicate::App),
        "since" => since(value),
        _ if quoted || value.contains('*') => Some(Predicate::Id(Pattern::field(value, quoted))),
        _ => Some(Predicate::IdEdge(value.to_owned())),
    };
    if known.is_none() {
        let words = match key.as_str() {
            "sig" => "ok, old, bad, \"bad hdr\", none, \"no key\", ?, pending, problem",
            "app" => "200, 5xx, none, failed, delivered, pending, expired, error, waiting, down",
            _ => "10m, 2h, 3d, 2026-11-21",
        };
        notes.push(format!(
            "{key}:{value} is searched as text; {key}: accepts {words}."
        ));
    }
    Some(known.unwrap_or_else(|| as_text(&key, term)))
}

impl Predicate {
    pub(super) fn holds(&self, row: &Summary, now: Timestamp) -> bool {
        match self {
            Self::Word(pattern) => word_holds(pattern, row),
            Self::Verdict(statuses) => statuses.contains(&row.status),
            Self::Field(field, pattern) => field_holds(*field, row, |text| pattern.matches(text)),
            Self::Without(field) => !field_holds(*field, row, |_| true),
            Self::App(any) => any.iter().any(|app| app.holds(row)),
            Self::Within(us) => row.received_at.0 >= now.0.saturating_sub(*us),
            Self::From(moment) => row.received_at >= *moment,
            Self::IdEdge(edge) => {
                let at_edge = |id: &str| begins(id, edge) || ends(id, edge);
                at_edge(&row.id.to_string()) || row.delivery_id.as_deref().is_some_and(at_edge)
            }
            Self::Id(pattern) => {
                let delivery_id = row.delivery_id.as_deref();
                pattern.matches(&row.id.to_string())
                    || delivery_id.is_some_and(|id| pattern.matches(id))
            }
            Self::Marked => row.marked,
            Self::Refused => row.refused.is_some(),
        }
    }
}

impl AppState {
    fn holds(&self, row: &Summary) -> bool {
        let attempt = row.last_attempt;
        let status = attempt.and_then(|a| a.status).map(|s| s.to_string());
        match self {
            Self::None => attempt.is_none(),
            Self::Owed => row.is_unanswered(),
            Self::Down => row.answer.by == Responder::CreelTargetDown,
            Self::NoAnswer => {
                attempt.is_some_and(|a| a.status.is_none() && a.outcome != Outcome::Pending)
            }
            Self::Outcome(Outcome::Pending) => row.pending.is_some(),
            Self::Outcome(outcome) => attempt.is_some_and(|a| a.outcome == *outcome),
            Self::Digits(digits) => status.is_some_and(|status| {
                let mut wanted = digits.chars().zip(status.chars());
                digits.len() <= status.len() && wanted.all(|(w, s)| w == 'x' || w == s)
            }),
            Self::Status(pattern) => status.is_some_and(|status| pattern.matches(&status)),
        }
    }
}

fn word(term: &Term) -> Option<Predicate> {
    match term.value.to_ascii_lowercase().as_str() {
        "" => None,
        "marked" if !term.quoted => Some(Predicate::Marked),
        "refused" if !term.quoted => Some(Predicate::Refused),
        _ => Some(Predicate::Word(Pattern::word(&term.value, term.quoted))),
    }
}

/// Searches for `key:value` as entered.
fn as_text(key: &str, term: &Term) -> Predicate {
    let text = format!("{key}:{}", term.value);
    Predicate::Word(Pattern::word(&text, term.quoted))
}

fn word_holds(pattern: &Pattern, row: &Summary) -> bool {
    let texts = [
        row.provider.as_deref(),
        row.event.as_deref(),
        row.endpoint.as_deref(),
        row.delivery_id.as_deref(),
        Some(&row.method),
        row.cause.as_deref(),
        row.refused.as_deref(),
    ];
    texts
        .into_iter()
        .flatten()
        .any(|text| pattern.matches(text))
        || field_holds(Field::Path, row, |path| pattern.matches(path))
        || verdict_begins(pattern, row.status)
        || pattern.matches(&row.id.to_string())
}

/// Returns whether a word names a status. Only prefixes match, so that `valid`
/// does not match `invalid`.
fn verdict_begins(pattern: &Pattern, status: Status) -> bool {
    match pattern {
        Pattern::Within(word) => begins(status.word(), word) || begins(status.code(), word),
        Pattern::Whole(_) | Pattern::Stars(_) => false,
    }
}

fn field_holds(field: Field, row: &Summary, holds: impl Fn(&str) -> bool) -> bool {
    match field {
        Field::Provider => row.provider.as_deref().is_some_and(holds),
        Field::Event => row.event.as_deref().is_some_and(holds),
        Field::Endpoint => row.endpoint.as_deref().is_some_and(holds),
        Field::Method => holds(&row.method),
        Field::Path => match &row.query {
            Some(query) => holds(&row.path) || holds(&format!("{}?{query}", row.path)),
            None => holds(&row.path),
        },
    }
}

/// Returns the statuses that a value names: by list word, code or a prefix of
/// one; `problem` means every verified status that is not valid.
fn verdicts(value: &str) -> Option<Vec<Status>> {
    let plain = |text: &str| text.replace([' ', '-', '_'], "").to_ascii_lowercase();
    let value = plain(value);
    let all = || Status::ALL.into_iter();
    let problems = || all().filter(|s| !matches!(s, Status::Valid | Status::Pending));
    if value == "problem" {
        return Some(problems().collect());
    }
    if value == "..." {
        return Some(vec![Status::Pending]);
    }
    let named = |test: &dyn Fn(&str) -> bool| -> Vec<Status> {
        all()
            .filter(|s| test(&plain(s.word())) || test(&plain(s.code())))
            .collect()
    };
    if value.contains('*') {
        let pattern = Pattern::field(&value, false);
        return Some(named(&|name| pattern.matches(name)));
    }
    let exact = named(&|name| name == value);
    if !exact.is_empty() {
        return Some(exact);
    }
    let mut beginning = named(&|name| name.starts_with(&value));
    if "problem".starts_with(&value) {
        beginning = problems().collect();
    }
    (!beginning.is_empty()).then_some(beginning)
}

fn app(value: &str) -> Option<Vec<AppState>> {
    let value = value.to_ascii_lowercase();
    if value.len() <= 3 && value.bytes().all(|b| b.is_ascii_digit() || b == b'x') {
        return Some(vec![AppState::Digits(value)]);
    }
    if value.bytes().all(|b| b.is_ascii_digit() || b == b'*') {
        return Some(vec![AppState::Status(Pattern::field(&value, false))]);
    }
    let word = |test: &dyn Fn(&str) -> bool| -> Vec<AppState> {
        let named = APP_WORDS.iter().filter(|(word, _)| test(word));
        named.flat_map(|(_, any)| any.iter().cloned()).collect()
    };
    let exact = word(&|word| same(word, &value));
    if !exact.is_empty() {
        return Some(exact);
    }
    let beginning = word(&|word| word.starts_with(&value));
    (!beginning.is_empty()).then_some(beginning)
}

/// Parses `10m` as a duration before now, and dates as times in UTC.
fn since(value: &str) -> Option<Predicate> {
    let unit = value.chars().next_back()?;
    let seconds: Option<i64> = match unit.to_ascii_lowercase() {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        'w' => Some(604_800),
        _ => None,
    };
    let count = &value[..value.len() - unit.len_utf8()];
    if let Some(seconds) = seconds
        && count.bytes().all(|b| b.is_ascii_digit())
        && let Ok(count) = count.parse::<i64>()
    {
        let us = count.saturating_mul(seconds).saturating_mul(1_000_000);
        return Some(Predicate::Within(us));
    }
    moment(value).map(Predicate::From)
}

fn moment(value: &str) -> Option<Timestamp> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(value) {
        return Some(Timestamp(moment.timestamp_micros()));
    }
    let value = value.strip_suffix(['Z', 'z']).unwrap_or(value);
    let at_midnight = NaiveDate::parse_from_str(value, "%Y-%m-%d")
        .ok()
        .and_then(|date| date.and_hms_opt(0, 0, 0));
    let moment = at_midnight.or_else(|| {
        ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(value, format).ok())
    })?;
    Some(Timestamp(moment.and_utc().timestamp_micros()))
}
