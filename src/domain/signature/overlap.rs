//! Finds providers whose signature over the same text would be the same, so
//! that only the header's name tells the sender.

use super::key::decode;
use super::{Reading, is_within};
use crate::domain::provider::template::Part;
use crate::domain::provider::{Algorithm, Provider, Scheme, TimeUnit};
use crate::domain::request::Request;
use crate::domain::secret::Secret;
use crate::domain::timestamp::Timestamp;

/// What another provider's scheme makes of a signed text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemeOverlap {
    /// The same timestamp and the same body: it would accept the delivery.
    Same,
    /// The same, and it would refuse the delivery as too old or too new.
    OutOfTime,
    /// Another body: bytes that are signed as one part there are another here.
    OtherParts,
}

/// Returns the providers that would sign the text that a request's signature
/// covers with the same result, and what each makes of it.
pub fn overlapping_schemes<'a>(
    request: &Request,
    provider: &Provider,
    others: impl Iterator<Item = &'a Provider>,
    secret: &Secret,
    url: Option<&str>,
    now: Timestamp,
) -> Vec<(&'a Provider, SchemeOverlap)> {
    let Some(scheme) = &provider.signature else {
        return Vec::new();
    };
    let scheme = scheme.for_request(request);
    let reading = Reading::of(request, &scheme);
    let text = scheme.signed.fill(&reading.template_values(request, url));
    let of = |other: &'a Provider| {
        let theirs = other.signature.as_ref()?;
        let alike = signs_alike(&scheme, theirs, secret);
        let overlap = alike.then(|| overlap(theirs, &text, &request.body, now))?;
        Some((other, overlap?))
    };
    others.filter_map(of).collect()
}

/// Compares a signed text with those of another scheme; `None` where it would
/// not sign such a text. A text of any form may be the body of somebody who signs no more.
fn overlap(theirs: &Scheme, text: &[u8], body: &[u8], now: Timestamp) -> Option<SchemeOverlap> {
    let parts = parts_of(theirs, text)?;
    if parts.body != body {
        return parts.timestamp.map(|_| SchemeOverlap::OtherParts);
    }
    let in_time = parts.timestamp.is_none_or(|timestamp| {
        let at = time_of(theirs.unit, timestamp);
        at.is_some_and(|at| is_within(theirs, now.unix_seconds().saturating_sub(at)))
    });
    Some(if in_time {
        SchemeOverlap::Same
    } else {
        SchemeOverlap::OutOfTime
    })
}

/// Returns whether two schemes give one signature for one text.
fn signs_alike(scheme: &Scheme, other: &Scheme, secret: &Secret) -> bool {
    let key = |scheme: &Scheme| decode(super::key::parts(secret.reveal(), scheme).1, scheme.secret);
    scheme.shared_secret()
        && scheme.algorithm != Algorithm::Token
        && scheme.algorithm == other.algorithm
        && key(scheme).is_some_and(|own| key(other).is_some_and(|theirs| *own == *theirs))
}

/// A signed text as a scheme would have put it together.
struct Parts<'a> {
    timestamp: Option<&'a [u8]>,
    body: &'a [u8],
}

/// Parts a text as a scheme of timestamp, id and body would have put it
/// together; `None` where it would not have, or signs more than that.
fn parts_of<'a>(scheme: &Scheme, text: &'a [u8]) -> Option<Parts<'a>> {
    let mut rest = text;
    let mut timestamp = None;
    let parts = scheme.signed.parts();
    for (at, part) in parts.iter().enumerate() {
        match part {
            Part::Literal(literal) => rest = rest.strip_prefix(literal.as_bytes())?,
            Part::Timestamp => {
                let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
                let (value, behind) = rest.split_at(digits.count());
                time_of(scheme.unit, value)?;
                (timestamp, rest) = (Some(value), behind);
            }
            Part::Id => {
                let Some(Part::Literal(end)) = parts.get(at + 1) else {
                    return None;
                };
                let size = rest.windows(end.len()).position(|w| w == end.as_bytes())?;
                rest = &rest[size..];
            }
            Part::Body => {
                let is_last = at + 1 == parts.len();
                return is_last.then_some(Parts {
                    timestamp,
                    body: rest,
                });
            }
            _ => return None,
        }
    }
    None
}

/// The digits of a Unix time in seconds and in milliseconds.
const SECONDS_DIGITS: usize = 10;
const MILLISECONDS_DIGITS: usize = 13;

/// Reads a signed time as Unix seconds.
fn time_of(unit: TimeUnit, digits: &[u8]) -> Option<i64> {
    let (size, per_second) = match unit {
        TimeUnit::Seconds => (SECONDS_DIGITS, 1),
        TimeUnit::Milliseconds => (MILLISECONDS_DIGITS, 1000),
        TimeUnit::Rfc3339 => return None,
    };
    let number: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (digits.len() == size).then_some(number / per_second)
}
