//! The language that picks deliveries: words and `key:value` pairs, typed
//! with `/` and taken by `creel list`.
//!
//! Reading one never fails: what makes no sense becomes a note.

mod parse;

use self::parse::Node;
use super::summary::Summary;
use super::timestamp::Timestamp;
use super::verification::Status;

/// A filter, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    root: Option<Node>,
    notes: Vec<String>,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    /// The text stands anywhere in the row.
    Anywhere(String),
    /// `sig:`.
    Signature(Vec<Status>),
    /// `provider:`, `event:`, `endpoint:`, `method:`, `path:`.
    Field(Field, Pattern),
    /// `app:`.
    App(App),
    /// `since:`.
    Since(Since),
    /// `id:`.
    Id(String),
    /// `marked`.
    Marked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Provider,
    Event,
    Endpoint,
    Method,
    Path,
}

/// What the newest attempt's answer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum App {
    Status(u16),
    Class(u16),
    Failed,
    Ok,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    /// Seconds before now.
    Ago(i64),
    /// A moment.
    At(Timestamp),
}

/// Text with `*` for anything, whatever the case.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern(Vec<String>);

impl Filter {
    /// Reads a filter.
    pub fn parse(text: &str) -> Self {
        let mut notes = Vec::new();
        let root = parse::parse(text, &mut notes);
        Self { root, notes }
    }

    /// Says whether it lets everything pass.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// Returns what made no sense.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Says whether a delivery is meant.
    pub fn matches(&self, summary: &Summary, now: Timestamp) -> bool {
        self.root.as_ref().is_none_or(|root| root.matches(summary, now))
    }
}

impl Term {
    fn matches(&self, s: &Summary, now: Timestamp) -> bool {
        match self {
            Self::Anywhere(word) => anywhere(s, word),
            Self::Signature(statuses) => statuses.contains(&s.status),
            Self::Field(field, pattern) => field.of(s).is_some_and(|value| pattern.matches(value)),
            Self::App(app) => app.matches(s),
            Self::Since(Since::Ago(seconds)) => s.received_at.0 >= now.0.saturating_sub(seconds.saturating_mul(1_000_000)),
            Self::Since(Since::At(at)) => s.received_at >= *at,
            Self::Id(part) => {
                let id = s.id.to_string().to_lowercase();
                id.starts_with(part) || id.ends_with(part)
            }
            Self::Marked => s.marked,
        }
    }
}

impl Field {
    fn of(self, s: &Summary) -> Option<&str> {
        match self {
            Self::Provider => s.provider.as_deref(),
            Self::Event => s.event.as_deref(),
            Self::Endpoint => s.endpoint.as_deref(),
            Self::Method => Some(&s.method),
            Self::Path => Some(&s.path),
        }
    }
}

impl App {
    fn matches(self, s: &Summary) -> bool {
        let Some(last) = s.last_attempt else { return self == Self::None };
        match (self, last.status) {
            (Self::None, _) | (Self::Status(_) | Self::Class(_) | Self::Ok, None) => false,
            (Self::Failed, status) => !matches!(status, Some(200..=299)),
            (Self::Ok, Some(status)) => (200..300).contains(&status),
            (Self::Status(wanted), Some(status)) => status == wanted,
            (Self::Class(class), Some(status)) => status / 100 == class,
        }
    }
}

impl Pattern {
    fn of(text: &str) -> Self {
        Self(text.to_lowercase().split('*').map(str::to_owned).collect())
    }

    fn matches(&self, value: &str) -> bool {
        let value = value.to_lowercase();
        let [first, middle @ .., last] = self.0.as_slice() else {
            return self.0.first().is_none_or(|only| *only == value);
        };
        let Some(mut rest) = value.strip_prefix(first.as_str()) else { return false };
        for part in middle {
            let Some(at) = rest.find(part.as_str()) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last.as_str())
    }
}

fn anywhere(s: &Summary, word: &str) -> bool {
    let holds = |text: &str| text.to_lowercase().contains(word);
    let texts = [&s.provider, &s.event, &s.endpoint, &s.delivery_id, &s.query, &s.cause];
    texts.into_iter().flatten().any(|text| holds(text))
        || holds(&s.method)
        || holds(&s.path)
        || holds(&s.id.to_string())
        || s.status.word().eq_ignore_ascii_case(word)
        || s.status.code() == word
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::attempt::Outcome;
    use crate::domain::delivery::{Answer, AnsweredBy};
    use crate::domain::id::Id;
    use crate::domain::summary::LastAttempt;

    fn row() -> Summary {
        let at = Timestamp::from_unix_seconds(1_000_000);
        Summary {
            seq: 1, id: Id::new(at, 7), received_at: at, endpoint: Some("billing".into()), provider: Some("porkbun".into()),
            event: Some("dns.record.updated".into()), delivery_id: Some("7c91d8".into()), arrival: 1, group_guessed: false,
            method: "POST".into(), path: "/hooks/billing".into(), query: None, remote_addr: "127.0.0.1:1".into(), body_size: 2,
            content_type: None, status: Status::Invalid, cause: Some("other_secret".into()),
            answer: Answer { status: 200, by: AnsweredBy::Creel, duration_us: None }, refused: None, attempts: 1,
            last_attempt: Some(LastAttempt { status: Some(503), outcome: Outcome::Failed, duration_us: 1 }), marked: true,
        }
    }

    fn holds(text: &str) -> bool {
        let filter = Filter::parse(text);
        assert!(filter.notes().is_empty(), "{text}: {:?}", filter.notes());
        filter.matches(&row(), Timestamp::from_unix_seconds(1_000_060))
    }

    #[test]
    fn what_filters_mean() {
        for yes in [
            "", "dns", "PORKBUN updated", "sig:bad", "sig:invalid", "sig:problem", "sig:bad,old", "provider:pork*",
            "event:dns.*", "event:*updated", "event:dns*upd*", "endpoint:billing", "method:post", "path:/hooks/*",
            "app:503", "app:5xx", "app:failed", "since:2m", "since:1970-01-01", "marked", "not sig:ok", "-sig:ok",
            "sig:ok or app:5xx", "(sig:ok or sig:bad) marked", "not (sig:ok or app:2xx)", "\"dns.record\"", "bad",
            "other_secret", "since:1970-01-12T00:00:00Z",
        ] {
            assert!(holds(yes), "{yes}");
        }
        for no in [
            "stripe", "sig:ok", "provider:pork", "event:dns", "app:200", "app:none", "app:2xx", "since:30s",
            "since:2026-01-01", "not marked", "dns stripe", "sig:ok or app:2xx marked", "id:zzzz",
        ] {
            assert!(!holds(no), "{no}");
        }
        let id = row().id.to_string();
        assert!(holds(&format!("id:{}", &id[..6])) && holds(&format!("id:{}", id[20..].to_lowercase())));
    }

    #[test]
    fn what_makes_no_sense_becomes_a_note() {
        for (text, note) in [("sig:purple", "sig:purple"), ("colour:red", "colour:"), ("(dns", "("), ("since:soon", "since:soon"), ("app:maybe", "app:maybe")] {
            let filter = Filter::parse(text);
            assert!(filter.notes().iter().any(|n| n.contains(note)), "{text}: {:?}", filter.notes());
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in ".{0,60}", other in "[a-z:()\" *-]{0,60}") {
            for text in [text, other] {
                let _ = Filter::parse(&text).matches(&row(), Timestamp(0));
            }
        }
    }
}
