//! The response plan of an endpoint: a sequence of statuses, a body, a delay, a
//! slow body, or a dropped connection.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::headers::Headers;

/// The maximum delay, and the maximum time over which a slow body is sent.
pub const MAX_RESPONSE_DELAY: Duration = Duration::from_mins(5);

/// The maximum number of responses in a sequence.
pub const MAX_SEQUENCE_LENGTH: usize = 100;

/// How creel responds to a sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponsePlan {
    /// The responses to the arrivals of one event, in order; the last one
    /// repeats. Never empty.
    pub steps: Vec<ResponseStep>,
    /// Header fields in addition to the default ones.
    pub headers: Headers,
    /// The body, sent as `text/plain` unless the headers specify a media type.
    pub body: String,
    /// The delay before the response, after the delivery is stored.
    pub delay: Duration,
    /// The time over which the body is sent.
    pub slow: Duration,
}

/// The response to one arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResponseStep {
    /// This HTTP status.
    Status(u16),
    /// No response: the connection is closed.
    Drop,
}

impl Default for ResponsePlan {
    fn default() -> Self {
        Self::of(ResponseStep::Status(200))
    }
}

impl ResponsePlan {
    /// Creates a plan that responds to every arrival alike and immediately.
    pub fn of(step: ResponseStep) -> Self {
        Self {
            steps: vec![step],
            headers: Headers::new(),
            body: String::new(),
            delay: Duration::ZERO,
            slow: Duration::ZERO,
        }
    }

    /// Returns the response to the `arrival`th arrival of an event, counted
    /// from 1.
    pub fn step(&self, arrival: u32) -> ResponseStep {
        let at = (arrival.max(1) as usize - 1).min(self.steps.len().saturating_sub(1));
        self.steps
            .get(at)
            .copied()
            .unwrap_or(ResponseStep::Status(200))
    }

    /// Returns whether the response depends on the number of the arrival.
    pub fn counts(&self) -> bool {
        self.steps.len() > 1
    }

    /// Returns why the plan is not valid, and a suggested fix.
    pub fn problem(&self) -> Option<(String, String)> {
        let bad = self.steps.iter().find_map(|step| match step {
            ResponseStep::Status(status) if !(200..=599).contains(status) => Some(*status),
            ResponseStep::Status(_) | ResponseStep::Drop => None,
        });
        if let Some(status) = bad {
            return Some((
                format!("{status} is not a valid response status"),
                "Use a status from 200 to 599.".to_owned(),
            ));
        }
        if self.steps.is_empty() || self.steps.len() > MAX_SEQUENCE_LENGTH {
            return Some((
                format!("a sequence has 1 to {MAX_SEQUENCE_LENGTH} responses"),
                "Write, for example, sequence = [500, 500, 200]".to_owned(),
            ));
        }
        if self.delay > MAX_RESPONSE_DELAY || self.slow > MAX_RESPONSE_DELAY {
            return Some((
                format!(
                    "a response takes at most {}",
                    format_delay(MAX_RESPONSE_DELAY)
                ),
                "Use a shorter time.".to_owned(),
            ));
        }
        let unwritable = self.headers.iter().find(|field| {
            let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            field.name.is_empty() || !field.name.bytes().all(token) || !field.is_writable()
        });
        unwritable.map(|field| {
            (
                format!("the header {:?} cannot be written in HTTP", field.name),
                "A name is letters, digits and hyphens; a value is one line.".to_owned(),
            )
        })
    }
}

impl fmt::Display for ResponsePlan {
    /// Formats the plan in a few words: `500, 500, 200 after 10 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&steps_text(&self.steps))?;
        if !self.delay.is_zero() {
            write!(f, " after {}", format_delay(self.delay))?;
        }
        if !self.slow.is_zero() {
            write!(f, " over {}", format_delay(self.slow))?;
        }
        Ok(())
    }
}

impl fmt::Display for ResponseStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Drop => f.write_str("drop"),
        }
    }
}

impl FromStr for ResponseStep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("drop") {
            return Ok(Self::Drop);
        }
        match text.parse() {
            Ok(status @ 200..=599) => Ok(Self::Status(status)),
            _ => Err(format!(
                "{text:?} is neither a status from 200 to 599 nor drop"
            )),
        }
    }
}

/// Formats responses as they are entered: `500, 500, 200`.
pub fn steps_text(steps: &[ResponseStep]) -> String {
    let words: Vec<String> = steps.iter().map(ToString::to_string).collect();
    words.join(", ")
}

/// Parses responses, separated by commas or spaces.
pub fn parse_steps(text: &str) -> Result<Vec<ResponseStep>, String> {
    let words = text.split([',', ' ']).filter(|word| !word.is_empty());
    let steps: Vec<ResponseStep> = words.map(str::parse).collect::<Result<_, _>>()?;
    match steps.len() {
        0 => Err("At least one response is required: 200, or 500, 500, 200, or drop".to_owned()),
        1..=MAX_SEQUENCE_LENGTH => Ok(steps),
        _ => Err(format!(
            "At most {MAX_SEQUENCE_LENGTH} responses are allowed"
        )),
    }
}

/// Formats header fields as they are entered: `Retry-After: 5 | X-A: b`.
pub fn headers_text(headers: &Headers) -> String {
    let fields = headers.iter().map(|field| {
        let value = String::from_utf8_lossy(field.value);
        format!("{}: {value}", field.name)
    });
    fields.collect::<Vec<_>>().join(" | ")
}

/// Parses header fields, separated by `|`.
pub fn parse_headers(text: &str) -> Result<Headers, String> {
    let mut headers = Headers::new();
    for field in text.split('|').map(str::trim).filter(|f| !f.is_empty()) {
        let (name, value) = field.split_once(':').ok_or_else(|| {
            format!("{field:?} is not a header; write Name: value | Other: value")
        })?;
        headers.push(name.trim(), value.trim());
    }
    let plan = ResponsePlan {
        headers,
        ..ResponsePlan::default()
    };
    match plan.problem() {
        Some((what, _)) => Err(what),
        None => Ok(plan.headers),
    }
}

/// Parses a duration: `250ms`, `10s`, `2m`; a number without a unit is in
/// seconds.
pub fn parse_delay(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '_')
        .unwrap_or(text.len());
    let number: u64 = text[..end]
        .replace('_', "")
        .parse()
        .map_err(|_| format!("{text:?} does not begin with a whole number."))?;
    let wait = match text[end..].trim() {
        "ms" => Duration::from_millis(number),
        "s" | "" => Duration::from_secs(number),
        "m" | "min" => Duration::from_secs(number.saturating_mul(60)),
        unit => {
            return Err(format!(
                "{unit} is not a unit of time; the units are ms, s, m."
            ));
        }
    };
    if wait > MAX_RESPONSE_DELAY {
        return Err(format!(
            "The maximum is {}.",
            format_delay(MAX_RESPONSE_DELAY)
        ));
    }
    Ok(wait)
}

/// Formats a duration: `250 ms`, `10 s`, `2 m`.
pub fn format_delay(wait: Duration) -> String {
    let ms = wait.as_millis();
    if ms == 0 {
        "0 s".to_owned()
    } else if !ms.is_multiple_of(1000) {
        format!("{ms} ms")
    } else if !ms.is_multiple_of(60_000) {
        format!("{} s", ms / 1000)
    } else {
        format!("{} m", ms / 60_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_repeats() {
        let plan = ResponsePlan {
            steps: parse_steps("500 500,200").unwrap(),
            ..ResponsePlan::default()
        };
        let told: Vec<String> = (0..6).map(|n| plan.step(n).to_string()).collect();
        assert_eq!(told, ["500", "500", "500", "200", "200", "200"]);
        assert_eq!(plan.to_string(), "500, 500, 200");
    }

    #[test]
    fn reads_what_is_typed() {
        assert_eq!(
            parse_steps("drop, 404"),
            Ok(vec![ResponseStep::Drop, ResponseStep::Status(404)])
        );
        assert!(parse_steps(" , ").is_err());
        assert!(parse_steps("199").is_err());
        assert!(parse_steps(&"200 ".repeat(101)).is_err());
        for (text, wait) in [
            ("250ms", 250),
            ("10s", 10_000),
            ("2 m", 120_000),
            ("3", 3000),
        ] {
            assert_eq!(parse_delay(text), Ok(Duration::from_millis(wait)), "{text}");
            let again = parse_delay(&format_delay(Duration::from_millis(wait)));
            assert_eq!(again, Ok(Duration::from_millis(wait)));
        }
        assert!(parse_delay("6m").is_err());
        assert!(parse_delay("18446744073709551615m").is_err());
        assert!(parse_delay("soon").is_err());
    }

    #[test]
    fn headers_are_read_as_they_are_written() {
        let read = parse_headers("Retry-After: 5| x-a: b:c |").unwrap();
        let expected: Headers = [("retry-after", "5"), ("x-a", "b:c")].into_iter().collect();
        assert_eq!(read, expected);
        assert_eq!(headers_text(&read), "retry-after: 5 | x-a: b:c");
        assert_eq!(parse_headers(" "), Ok(Headers::new()));
        assert!(parse_headers("x-a b").is_err());
        assert!(parse_headers("x a: b").unwrap_err().contains("x a"));
    }

    #[test]
    fn says_what_cannot_be_done() {
        let mut plan = ResponsePlan::default();
        assert_eq!(plan.problem(), None);
        plan.headers.push("x y", "1");
        assert!(plan.problem().unwrap().0.contains("x y"));
        plan.headers = [("x", "a\nb")].into_iter().collect();
        assert!(plan.problem().is_some());
        plan.headers = Headers::new();
        plan.steps = vec![ResponseStep::Status(99)];
        assert!(plan.problem().unwrap().0.contains("99"));
        plan.steps.clear();
        assert!(plan.problem().is_some());
    }
}
