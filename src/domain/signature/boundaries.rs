//! Checks that the parts of a signed text are unambiguous.
//!
//! A signature covers the concatenated parts. If a byte can belong to the end
//! of one part or to the start of the next, an attacker who replays a delivery
//! can move it without changing the signature. The rule for each part follows
//! from its neighbours in the template: every part before the body must end
//! where the following text begins, and every part after the body must begin
//! where the preceding text ends.

use std::borrow::Cow;

use super::Reading;
use super::problem::Problem;
use crate::domain::provider::template::{Part, TemplateValues};
use crate::domain::provider::value_source;
use crate::domain::provider::{Scheme, TimeUnit};

/// The boundaries between the parts of a signed text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PartBoundaries {
    /// A value that no sender writes: an id or a timestamp that contains a
    /// separator.
    pub(super) problem: Option<Problem>,
    /// The parts that cannot be distinguished from their neighbours, as named
    /// in messages.
    pub(super) ambiguous: Vec<String>,
    /// Whether the timestamp begins with a zero or has the length of another
    /// unit.
    pub(super) odd_timestamp: bool,
}

/// Checks the boundaries in the signed text of a request.
pub(super) fn check(
    scheme: &Scheme,
    reading: &Reading,
    filling: &TemplateValues<'_>,
) -> PartBoundaries {
    let mut boundaries = PartBoundaries::default();
    let parts = scheme.signed.parts();
    if scheme.signed.has(&Part::Timestamp) {
        boundaries.timestamp(scheme, reading);
    }
    if let Some(Part::Lines(names)) = parts.first()
        && lines_run_on(names, filling)
    {
        boundaries.ambiguous.push("a value".to_owned());
    }
    if parts.iter().filter(|part| is_variable(part)).count() < 2 {
        return boundaries;
    }
    let filled: Vec<Cow<'_, [u8]>> = scheme.signed.pieces(filling).collect();
    // The one part that may contain anything.
    let open = parts
        .iter()
        .position(|part| matches!(part, Part::Body | Part::Form))
        .or_else(|| parts.iter().rposition(is_variable))
        .unwrap_or_default();
    for (at, part) in parts.iter().enumerate() {
        if at == open || !is_variable(part) {
            continue;
        }
        // The neighbour on the side of the open part.
        let next = if at < open { at + 1 } else { at - 1 };
        let edge = |bytes: &[u8]| {
            if at < open {
                bytes.first().copied()
            } else {
                bytes.last().copied()
            }
        };
        let value = &filled[at];
        let is_clear = match &parts[next] {
            // An attacker who moves a boundary does not know the secret. A
            // form's fields have no separators at all, which is a separate
            // finding.
            Part::Secret | Part::Form => true,
            Part::Literal(text) => edge(text.as_bytes()).is_some_and(|byte| !value.contains(&byte)),
            _ => ends_by_itself(part, scheme, value, edge(&filled[next])),
        };
        if is_clear {
            continue;
        }
        match part {
            Part::Id => boundaries.problem = boundaries.problem.or(Some(Problem::IdHoldsBorder)),
            other => boundaries.ambiguous.push(name(other)),
        }
    }
    boundaries
}

impl PartBoundaries {
    /// Checks that the timestamp has the only form of its unit.
    fn timestamp(&mut self, scheme: &Scheme, reading: &Reading) {
        let Some(text) = &reading.timestamp else {
            return;
        };
        let unreadable = || Some(Problem::TimestampUnreadable(text.clone()));
        if reading.signed_at(scheme).is_none() {
            self.problem = unreadable();
            return;
        }
        let Some(usual) = usual_digits(scheme.unit) else {
            return;
        };
        let has_zero = text.len() > 1 && text.starts_with(b"0");
        if !touches(scheme) {
            self.odd_timestamp = has_zero;
            return;
        }
        // Without a separator, only the length shows where the timestamp ends.
        let in_milliseconds = scheme.unit == TimeUnit::Seconds && text.len() == 13;
        if has_zero || text.len() != usual && !in_milliseconds {
            self.problem = unreadable();
        }
        self.odd_timestamp = in_milliseconds;
    }
}

/// Returns whether a value contains a line that equals the name of another
/// value.
fn lines_run_on(names: &[String], filling: &TemplateValues<'_>) -> bool {
    let Some(json) = value_source::json(filling.body) else {
        return false;
    };
    let values = names.iter().filter_map(|name| json.get(name)?.as_str());
    values
        .flat_map(|value| value.split('\n'))
        .any(|line| names.iter().any(|name| name == line))
}

/// Returns the number of digits of a time between 2001 and 2286.
const fn usual_digits(unit: TimeUnit) -> Option<usize> {
    match unit {
        TimeUnit::Seconds => Some(10),
        TimeUnit::Milliseconds => Some(13),
        TimeUnit::Rfc3339 => None,
    }
}

/// Returns whether the timestamp adjoins another part without a separator.
fn touches(scheme: &Scheme) -> bool {
    let loose = |pair: &[Part]| pair.contains(&Part::Timestamp) && pair.iter().all(is_variable);
    scheme.signed.parts().windows(2).any(loose)
}

/// Returns whether the sender of a request controls the content of a part.
fn is_variable(part: &Part) -> bool {
    !matches!(part, Part::Literal(_) | Part::Secret)
}

/// Returns whether a part is delimited by its own characters, although no
/// separator precedes the neighbouring byte.
fn ends_by_itself(part: &Part, scheme: &Scheme, value: &[u8], neighbour: Option<u8>) -> bool {
    let apart = |is_own: fn(u8) -> bool| {
        value.iter().all(|byte| is_own(*byte)) && !neighbour.is_some_and(is_own)
    };
    match part {
        // A date has a fixed beginning and a fixed end.
        Part::Timestamp if scheme.unit == TimeUnit::Rfc3339 => true,
        Part::Timestamp => apart(|byte| byte.is_ascii_digit()),
        Part::Digest(..) => true,
        Part::Method => apart(|byte| byte.is_ascii_uppercase()),
        Part::Url | Part::Path | Part::Target | Part::EscapedTarget => apart(in_address),
        _ => false,
    }
}

/// Returns whether a byte may occur in the path or query of a URL (RFC 3986).
fn in_address(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte)
}

/// Returns the name of a part for a message.
fn name(part: &Part) -> String {
    match part {
        Part::Timestamp => "the timestamp".to_owned(),
        Part::Id => "the id".to_owned(),
        Part::Method => "the method".to_owned(),
        Part::Url | Part::Path | Part::Target | Part::EscapedTarget => "the address".to_owned(),
        Part::Header(name) => name.clone(),
        Part::Query(name) => format!("{name} in the query"),
        Part::Pointer(pointer) => format!("{pointer} in the body"),
        Part::Headers => "the headers".to_owned(),
        Part::Token => "the token".to_owned(),
        Part::Body
        | Part::Form
        | Part::Lines(_)
        | Part::Literal(_)
        | Part::Secret
        | Part::Digest(..) => "the body".to_owned(),
    }
}
