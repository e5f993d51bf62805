//! The filter language of the `/` line.
//!
//! `sig:bad provider:svix or app:5xx -path:/test*`: adjacent terms must all
//! match, `or` has a lower precedence, `not` or `-` negates the next term, and
//! parentheses group. A term is `key:value` with a key from [`KEYS`], or a word
//! that matches anywhere in a row. Case is ignored.
//!
//! A value matches anywhere in its field. A value with `*` matches the whole
//! field, where `*` is any text. A quoted value must equal the whole field.
//!
//! Any text is a valid filter: parts that cannot be parsed produce a note.

mod parse;
pub(super) mod pattern;
mod test;

use super::summary::Summary;
use super::timestamp::Timestamp;
use test::Predicate;

/// The keys with their descriptions, and the words `marked` and `refused`.
pub const KEYS: [(&str, &str); 11] = [
    (
        "sig:",
        "the signature: ok, old, bad, \"bad hdr\", none, \"no key\", ?, or problem",
    ),
    ("provider:", "the provider's name; none if it is unknown"),
    ("event:", "the event name; none if it is unknown"),
    (
        "endpoint:",
        "the configured endpoint; none if there is none",
    ),
    ("method:", "the HTTP method"),
    ("path:", "path and query"),
    (
        "app:",
        "the latest attempt: 200, 5xx, none, failed, delivered, pending, error; waiting, down",
    ),
    (
        "since:",
        "received since: 10m, 2h, 3d, 2026-11-21, 2026-11-21T14:00 (UTC)",
    ),
    (
        "id:",
        "the beginning or end of creel's id or the provider's",
    ),
    ("marked", "marked (exempt from retention)"),
    ("refused", "refused on arrival"),
];

/// A parsed filter; without terms it matches every delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    text: String,
    root: Option<Node>,
    notes: Vec<String>,
}

/// Terms and their combination. The parser limits the nesting depth.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Test(Predicate),
}

impl Filter {
    /// Parses a filter. Parsing never fails: parts that cannot be parsed are
    /// searched as text or ignored, and [`Filter::notes`] reports that.
    pub fn parse(text: &str) -> Self {
        let (root, notes) = parse::parse(text);
        Self {
            text: text.to_owned(),
            root,
            notes,
        }
    }

    /// Returns the filter as entered.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the notes about parts that could not be parsed, one sentence
    /// each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns whether the filter has no terms and matches every delivery.
    pub const fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// Returns whether a delivery matches; `since:` is relative to `now`.
    pub fn matches(&self, summary: &Summary, now: Timestamp) -> bool {
        self.root
            .as_ref()
            .is_none_or(|node| node.holds(summary, now))
    }
}

impl Node {
    fn holds(&self, summary: &Summary, now: Timestamp) -> bool {
        match self {
            Self::All(nodes) => nodes.iter().all(|n| n.holds(summary, now)),
            Self::Any(nodes) => nodes.iter().any(|n| n.holds(summary, now)),
            Self::Not(node) => !node.holds(summary, now),
            Self::Test(test) => test.holds(summary, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::attempt::Outcome;
    use crate::domain::delivery::{RecordedResponse, Responder};
    use crate::domain::summary::LastAttempt;
    use crate::domain::verification::Status;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_269_751);

    fn row(seq: u64, provider: Option<&str>, event: Option<&str>, status: Status) -> Summary {
        let ids = [
            "01JD2M7Q9V3K8ZP5T6WXYB4C0E",
            "01JD2M8AAAAAAAAAAAAAAAAAAA",
            "01JD2M9BBBBBBBBBBBBBBBBBBB",
            "01JD2MACCCCCCCCCCCCCCCCCCC",
        ];
        let age = 400 * i64::try_from(seq).unwrap();
        Summary {
            id: ids[usize::try_from(seq).unwrap() - 1].parse().unwrap(),
            received_at: Timestamp::from_unix_seconds(NOW.unix_seconds() - age),
            provider: provider.map(str::to_owned),
            event: event.map(str::to_owned),
            path: "/hooks/test".to_owned(),
            remote_addr: "127.0.0.1:5000".to_owned(),
            body_size: 2,
            status,
            ..Summary::plain(seq)
        }
    }

    fn tried(status: Option<u16>, outcome: Outcome) -> LastAttempt {
        LastAttempt {
            status,
            outcome,
            duration_us: 12_000,
        }
    }

    /// Four deliveries that differ in every field.
    fn rows() -> [Summary; 4] {
        [
            Summary {
                endpoint: Some("billing".to_owned()),
                path: "/hooks/billing".to_owned(),
                query: Some("tenant=7".to_owned()),
                delivery_id: Some("evt_1QK2f9".to_owned()),
                last_attempt: Some(tried(Some(503), Outcome::Failed)),
                cause: Some("other_secret".to_owned()),
                ..row(1, Some("stripe"), Some("Invoice.paid"), Status::Invalid)
            },
            Summary {
                last_attempt: Some(tried(Some(200), Outcome::Delivered)),
                marked: true,
                ..row(2, Some("stack-auth"), Some("user.created"), Status::Valid)
            },
            Summary {
                method: "PUT".to_owned(),
                last_attempt: Some(tried(None, Outcome::Expired)),
                answer: RecordedResponse {
                    status: 200,
                    by: Responder::CreelTargetDown,
                    duration_us: None,
                },
                ..row(3, Some("svix"), Some("invoice paid"), Status::Malformed)
            },
            Summary {
                path: "/".to_owned(),
                refused: Some("body too large".to_owned()),
                ..row(4, None, None, Status::UnknownProvider)
            },
        ]
    }

    fn matching(filter: &str) -> Vec<u64> {
        let filter = Filter::parse(filter);
        let rows = rows();
        let kept = rows.iter().filter(|row| filter.matches(row, NOW));
        kept.map(|row| row.seq).collect()
    }

    #[test]
    fn a_pending_row_is_found_by_its_word_and_is_no_problem() {
        let pending = row(4, None, None, Status::Pending);
        let holds = |filter: &str| Filter::parse(filter).matches(&pending, NOW);
        assert!(
            ["sig:pending", "sig:…", "sig:...", "sig:pend"]
                .into_iter()
                .all(holds)
        );
        assert!(!["sig:ok", "sig:problem", "sig:?"].into_iter().any(holds));
    }

    #[test]
    fn means_what_people_expect() {
        let cases: &[(&str, &[u64])] = &[
            ("", &[1, 2, 3, 4]),
            ("   ", &[1, 2, 3, 4]),
            // Words match anywhere in a row.
            ("stripe", &[1]),
            ("INVOICE", &[1, 3]),
            ("invoice paid", &[1, 3]),
            ("\"invoice paid\"", &[3]),
            ("inv*paid", &[1, 3]),
            ("tenant=7", &[1]),
            ("evt_1qk", &[1]),
            ("put", &[3]),
            ("yb4c0e", &[1]),
            ("valid", &[2]),
            ("unknown_provider", &[4]),
            ("other_secret", &[1]),
            ("refused", &[4]),
            ("nothing-like-it", &[]),
            // Combinations.
            ("stripe or svix", &[1, 3]),
            ("stripe OR svix or user.created", &[1, 2, 3]),
            ("invoice and svix", &[3]),
            ("invoice stripe or marked", &[1, 2]),
            ("invoice (stripe or marked)", &[1]),
            ("not invoice", &[2, 4]),
            ("-invoice", &[2, 4]),
            ("not not invoice", &[1, 3]),
            ("-(stripe or svix)", &[2, 4]),
            ("not (stripe or svix) marked", &[2]),
            ("-sig:ok -sig:?", &[1, 3]),
            ("\"or\"", &[]),
            // Verification statuses.
            ("sig:bad", &[1]),
            ("sig:BAD", &[1]),
            ("sig:invalid", &[1]),
            ("sig:ok", &[2]),
            ("sig:valid", &[2]),
            ("sig:\"bad hdr\"", &[3]),
            ("sig:bad-hdr", &[3]),
            ("sig:malformed", &[3]),
            ("sig:?", &[4]),
            ("sig:unknown", &[4]),
            ("sig:problem", &[1, 3, 4]),
            ("sig:b", &[1, 3]),
            ("sig:b*", &[1, 3]),
            ("sig:none", &[]),
            ("sig:", &[1, 2, 3, 4]),
            // Fields.
            ("provider:st", &[1, 2]),
            ("provider:\"st\"", &[]),
            ("provider:st*", &[1, 2]),
            ("provider:*auth", &[2]),
            ("provider:*", &[1, 2, 3]),
            ("provider:none", &[4]),
            ("event:invoice?paid", &[]),
            ("event:invoice*", &[1, 3]),
            ("event:\"Invoice Paid\"", &[3]),
            ("Event:none", &[4]),
            ("endpoint:bill", &[1]),
            ("endpoint:none", &[2, 3, 4]),
            ("method:put", &[3]),
            ("path:/", &[1, 2, 3, 4]),
            ("path:\"/\"", &[4]),
            ("path:/hooks/*", &[1, 2, 3]),
            ("path:tenant", &[1]),
            // The app's latest response.
            ("app:503", &[1]),
            ("app:5xx", &[1]),
            ("app:5XX or app:2xx", &[1, 2]),
            ("app:5", &[1]),
            ("app:50", &[1]),
            ("app:2*", &[2]),
            ("app:4xx", &[]),
            ("app:none", &[4]),
            ("app:failed", &[1, 3]),
            ("app:fail", &[1, 3]),
            ("app:delivered", &[2]),
            ("app:ok", &[2]),
            ("app:expired", &[3]),
            ("app:pending", &[]),
            ("app:error", &[3]),
            ("app:waiting", &[3]),
            ("app:wait", &[3]),
            ("app:down", &[3]),
            // Time: the rows are 400, 800, 1200 and 1600 seconds old.
            ("since:400s", &[1]),
            ("since:14m", &[1, 2]),
            ("since:1h", &[1, 2, 3, 4]),
            ("since:1d", &[1, 2, 3, 4]),
            ("since:2026-11-21", &[1, 2, 3, 4]),
            ("since:2026-11-22", &[]),
            ("since:2026-11-21T13:50", &[1]),
            ("since:2026-11-21T13:45:00Z", &[1, 2]),
            ("since:2026-11-21T14:45:00+01:00", &[1, 2]),
            ("-since:14m", &[3, 4]),
            // Ids.
            ("id:01jd2m", &[1, 2, 3, 4]),
            ("id:01JD2M7", &[1]),
            ("id:0E", &[1]),
            ("id:evt_", &[1]),
            ("id:K2f9", &[1]),
            ("id:\"evt_\"", &[]),
            ("id:*9V3K*", &[1]),
            ("id:9V3K", &[]),
            ("marked", &[2]),
            ("\"marked\"", &[]),
            // Malformed filters still match as far as possible.
            ("(stripe or svix", &[1, 3]),
            ("stripe)", &[1]),
            ("stripe or", &[1]),
            ("or stripe", &[1]),
            ("stripe not", &[1]),
            ("()", &[1, 2, 3, 4]),
            ("provider:\"stripe", &[1]),
            ("colour:red", &[]),
            // A single dash is text.
            ("-", &[2]),
        ];
        for (filter, expected) in cases {
            assert_eq!(matching(filter), *expected, "{filter}");
        }
    }

    #[test]
    fn says_what_makes_no_sense() {
        let cases = [
            ("colour:red", "colour: is not a key"),
            ("sig:purple", "sig:purple"),
            ("app:purple", "app:purple"),
            ("since:yesterday", "since:yesterday"),
            ("sig:", "sig: needs a value"),
            ("(a", "( is not closed"),
            ("a)", ") has no matching ("),
            ("or a", "or has no left operand"),
            ("a or", "or has no right operand"),
            ("a not", "not has no operand"),
            ("\"a", "A quote is not closed"),
        ];
        for (filter, note) in cases {
            let notes = Filter::parse(filter).notes;
            assert_eq!(notes.len(), 1, "{filter}: {notes:?}");
            assert!(notes[0].contains(note), "{filter}: {notes:?}");
        }
        for filter in [
            "sig:bad -(a or b)",
            "http://localhost",
            "14:02",
            "f(x)",
            "a-b",
        ] {
            assert!(Filter::parse(filter).notes.is_empty(), "{filter}");
        }
    }

    #[test]
    fn is_empty_without_terms() {
        for filter in ["", "  ", "()", "sig:", "or", "(("] {
            assert!(Filter::parse(filter).is_empty(), "{filter}");
        }
        assert!(Filter::default().is_empty());
        assert!(!Filter::parse("a").is_empty());
        assert_eq!(Filter::parse(" a ").text(), " a ");
    }

    #[test]
    fn survives_depth() {
        let deep = format!("{}stripe{}", "-(".repeat(50_001), ")".repeat(50_001));
        let filter = Filter::parse(&deep);
        assert!(!filter.is_empty());
        let _ = filter.matches(&rows()[0], NOW);
        assert_eq!(filter.notes.len(), 1);
        let _ = Filter::parse(&"not ".repeat(100_000));
    }

    #[test]
    fn every_key_of_the_help_is_known() {
        for (key, _) in KEYS {
            let value = if key == "since:" { "1h" } else { "ok" };
            let text = if key.ends_with(':') {
                format!("{key}{value}")
            } else {
                key.to_owned()
            };
            assert_eq!(Filter::parse(&text).notes, [""; 0], "{key}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_filter(text in any::<String>()) {
            let filter = Filter::parse(&text);
            for row in &rows() {
                filter.matches(row, NOW);
            }
        }

        #[test]
        fn any_jumble_of_its_own_words_is_a_filter(
            words in proptest::collection::vec(
                prop::sample::select(vec![
                    "(", ")", "or", "not", "-", "\"", " ", "sig:", "app:", "since:", "id:", "*", "a", "5xx", ":", "10m",
                ]),
                0..30,
            )
        ) {
            let filter = Filter::parse(&words.concat());
            for row in &rows() {
                filter.matches(row, NOW);
            }
        }

        #[test]
        fn not_turns_a_filter_round(word in "[a-z:.*]{1,8}") {
            prop_assume!(!["or", "and", "not"].contains(&word.as_str()));
            let (plain, turned) = (Filter::parse(&word), Filter::parse(&format!("-{word}")));
            prop_assume!(!plain.is_empty());
            for row in &rows() {
                prop_assert_ne!(plain.matches(row, NOW), turned.matches(row, NOW));
            }
        }
    }
}
