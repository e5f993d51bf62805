//! Finds providers whose signature over the same text would be equal, so that
//! only the header's name identifies the sender.

use super::key::decode;
use super::{Reading, is_within};
use crate::domain::provider::template::Part;
use crate::domain::provider::{Algorithm, Provider, Scheme, TimeUnit};
use crate::domain::request::Request;
use crate::domain::secret::Secret;
use crate::domain::timestamp::Timestamp;

/// How another provider's scheme reads a signed text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemeOverlap {
    /// The same timestamp and the same body: the other provider would accept
    /// the delivery.
    Same,
    /// The same parts, but the other provider would reject the delivery as too
    /// old or too new.
    OutOfTime,
    /// Another body: the other scheme splits the text differently.
    OtherParts,
}

/// Returns the providers whose signature over the signed text would be equal,
/// and how each reads the text.
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

/// Compares a signed text with another scheme. Returns `None` if the other
/// scheme would not sign such a text. For a scheme that signs the body alone,
/// any text may be a body.
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

/// Returns whether two schemes make equal signatures for equal texts.
fn signs_alike(scheme: &Scheme, other: &Scheme, secret: &Secret) -> bool {
    let key = |scheme: &Scheme| decode(super::key::parts(secret.reveal(), scheme).1, scheme.secret);
    scheme.shared_secret()
        && scheme.algorithm != Algorithm::Token
        && scheme.algorithm == other.algorithm
        && key(scheme).is_some_and(|own| key(other).is_some_and(|theirs| *own == *theirs))
}

/// A signed text, split according to a scheme.
struct Parts<'a> {
    timestamp: Option<&'a [u8]>,
    body: &'a [u8],
}

/// Splits a text according to a scheme of timestamp, id and body. Returns
/// `None` if it does not fit, or if the scheme signs anything else.
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

/// The number of digits of a Unix time in seconds and in milliseconds.
const SECONDS_DIGITS: usize = 10;
const MILLISECONDS_DIGITS: usize = 13;

/// Parses a signed time as Unix seconds.
fn time_of(unit: TimeUnit, digits: &[u8]) -> Option<i64> {
    let (size, per_second) = match unit {
        TimeUnit::Seconds => (SECONDS_DIGITS, 1),
        TimeUnit::Milliseconds => (MILLISECONDS_DIGITS, 1000),
        TimeUnit::Rfc3339 => return None,
    };
    let number: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (digits.len() == size).then_some(number / per_second)
}
