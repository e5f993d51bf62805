//! Reads signature, timestamp and id out of a request's headers.

use chrono::DateTime;

use crate::domain::provider::template::{Filling, Part};
use crate::domain::provider::{Encoding, Scheme, Source, TimeUnit};
use crate::domain::request::Request;
use crate::domain::timestamp::Timestamp;

/// What a request's headers say of its signature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The signatures of a known version, without prefix or label.
    pub signatures: Vec<Vec<u8>>,
    /// The timestamp as it came.
    pub timestamp: Option<Vec<u8>>,
    /// The id as it came.
    pub id: Option<Vec<u8>>,
    /// What stands in the way of checking.
    pub problem: Option<Problem>,
}

/// What stands in the way of checking a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// There is no signature header, or it is empty.
    NoSignature,
    /// The header came more than once, and the scheme has no list.
    Doubled(usize),
    /// No entry has the form that the scheme knows.
    Form,
    /// No signature has the length or the characters of a digest.
    NotADigest,
    /// The timestamp is absent or empty.
    NoTimestamp,
    /// The timestamp came more than once.
    TimestampsDiffer,
    /// The timestamp is no time.
    TimestampUnreadable(Vec<u8>),
    /// The id is absent or empty.
    NoId,
}

impl Reading {
    /// Reads a request's headers by a scheme.
    pub fn of(request: &Request, scheme: &Scheme) -> Self {
        let values: Vec<&[u8]> = request
            .headers
            .all(&scheme.header)
            .filter(|v| !v.is_empty())
            .collect();
        let mut reading = Self::default();
        if values.is_empty() {
            reading.problem = Some(Problem::NoSignature);
            return reading;
        }
        let mut problem = None;
        if let Some((labels, separator)) = labels(&scheme.format) {
            problem = reading.labelled(&values, &labels, separator);
        } else if let Some(separator) = &scheme.separator {
            let entries = values
                .iter()
                .flat_map(|value| split(value, separator.as_bytes()));
            reading.signatures = entries
                .filter_map(|entry| unwrap(entry, &scheme.format))
                .collect();
        } else if values.len() > 1 {
            problem = Some(Problem::Doubled(values.len()));
            reading.signatures = values
                .iter()
                .filter_map(|value| unwrap(value, &scheme.format))
                .collect();
        } else {
            reading.signatures = unwrap(values[0], &scheme.format).into_iter().collect();
        }
        if reading.signatures.is_empty() && problem.is_none() {
            problem = Some(Problem::Form);
            reading.signatures = values.iter().map(|value| value.to_vec()).collect();
        }
        if problem.is_none() && !reading.signatures.iter().any(|s| like_a_digest(s, scheme)) {
            problem = Some(Problem::NotADigest);
        }
        if let Some(source) = &scheme.timestamp {
            reading.timestamp = value_of(request, source);
            if source
                .header
                .as_deref()
                .is_some_and(|name| request.headers.all(name).count() > 1)
            {
                problem = problem.or(Some(Problem::TimestampsDiffer));
            }
        }
        if let Some(source) = &scheme.id {
            reading.id = value_of(request, source);
        }
        reading.problem = problem.or_else(|| reading.gaps(scheme));
        reading
    }

    /// Reads parts such as `t=…,v1=…`, each by its label, in any order.
    fn labelled(
        &mut self,
        values: &[&[u8]],
        labels: &Labels<'_>,
        separator: char,
    ) -> Option<Problem> {
        let mut byte = [0; 4];
        let separator = separator.encode_utf8(&mut byte).as_bytes();
        for part in values.iter().flat_map(|value| split(value, separator)) {
            let part = part.trim_ascii();
            if let Some(value) = part.strip_prefix(labels.timestamp.as_bytes()) {
                if self.timestamp.as_deref().is_some_and(|seen| seen != value) {
                    return Some(Problem::TimestampsDiffer);
                }
                self.timestamp = Some(value.to_vec());
            } else if let Some(value) = part.strip_prefix(labels.signature.as_bytes()) {
                self.signatures.push(value.to_vec());
            }
        }
        None
    }

    /// Finds what is missing beside the signature.
    fn gaps(&self, scheme: &Scheme) -> Option<Problem> {
        let empty = |value: &Option<Vec<u8>>| value.as_ref().is_none_or(Vec::is_empty);
        if scheme.signed.has(&Part::Timestamp) && empty(&self.timestamp) {
            return Some(Problem::NoTimestamp);
        }
        if scheme.signed.has(&Part::Id) && empty(&self.id) {
            return Some(Problem::NoId);
        }
        // Where the age does not count, the time's text need not be a number.
        if scheme.tolerance.is_some() && self.signed_at(scheme).is_none() {
            return self.timestamp.clone().map(Problem::TimestampUnreadable);
        }
        None
    }

    /// Returns the signed time, where it can be read.
    pub fn signed_at(&self, scheme: &Scheme) -> Option<Timestamp> {
        let text = std::str::from_utf8(self.timestamp.as_ref()?).ok()?;
        if scheme.unit == TimeUnit::Rfc3339 {
            return DateTime::parse_from_rfc3339(text)
                .ok()
                .map(|at| Timestamp(at.timestamp_micros()));
        }
        // Digits only: "+5", " 5" and "5.0" are no timestamps.
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let number: i64 = text.parse().ok()?;
        match scheme.unit {
            TimeUnit::Seconds => Some(Timestamp::from_unix_seconds(number)),
            TimeUnit::Milliseconds => Some(Timestamp(number.saturating_mul(1000))),
            TimeUnit::Rfc3339 => None,
        }
    }

    /// Returns what fills the places of the signed text.
    pub fn filling<'a>(&'a self, request: &'a Request, url: Option<&'a str>) -> Filling<'a> {
        Filling {
            body: &request.body,
            timestamp: self.timestamp.as_deref().unwrap_or_default(),
            id: self.id.as_deref().unwrap_or_default(),
            method: request.method.as_bytes(),
            url: url.unwrap_or_default().as_bytes(),
        }
    }
}

/// The labels of a header made of parts: `t=` and `v1=`.
struct Labels<'a> {
    timestamp: &'a str,
    signature: &'a str,
}

/// Takes a format such as `t={timestamp},v1={signature}` apart; `None` where
/// it is no such format.
fn labels(format: &str) -> Option<(Labels<'_>, char)> {
    let close = format.find('}')?;
    let separator = format[close + 1..].chars().next()?;
    let mut labels = Labels {
        timestamp: "",
        signature: "",
    };
    for part in format.split(separator) {
        if let Some(label) = part.strip_suffix("{timestamp}") {
            labels.timestamp = label;
        } else if let Some(label) = part.strip_suffix("{signature}") {
            labels.signature = label;
        }
    }
    (!labels.timestamp.is_empty() && !labels.signature.is_empty()).then_some((labels, separator))
}

/// Takes the signature out of one entry: what stands between the format's
/// prefix and suffix.
fn unwrap(entry: &[u8], format: &str) -> Option<Vec<u8>> {
    let (prefix, suffix) = format.split_once("{signature}")?;
    let inner = entry
        .strip_prefix(prefix.as_bytes())?
        .strip_suffix(suffix.as_bytes())?;
    (!inner.is_empty()).then(|| inner.to_vec())
}

/// Splits bytes at a separator; empty entries are left out.
fn split<'a>(value: &'a [u8], separator: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    let first = separator.first().copied().unwrap_or(b' ');
    value
        .split(move |byte| *byte == first)
        .filter(|entry| !entry.is_empty())
}

/// Says whether a signature could be a digest in the scheme's encoding.
fn like_a_digest(signature: &[u8], scheme: &Scheme) -> bool {
    let size = scheme.algorithm.size();
    match scheme.encoding {
        Encoding::Hex => signature.len() == size * 2 && signature.iter().all(u8::is_ascii_hexdigit),
        Encoding::Base64 => {
            signature.len() == size.div_ceil(3) * 4
                && signature
                    .iter()
                    .all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(b))
        }
        Encoding::Base64Url => {
            signature.len() == (size * 4).div_ceil(3)
                && signature
                    .iter()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b))
        }
    }
}

/// Reads a value as it came; a header that came twice with one value counts once.
fn value_of(request: &Request, source: &Source) -> Option<Vec<u8>> {
    match &source.header {
        Some(header) => request.headers.first(header).map(<[u8]>::to_vec),
        None => source.read(request).map(String::into_bytes),
    }
}

impl Problem {
    /// Returns a stable word for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSignature => "signature_missing",
            Self::Doubled(_) => "signature_header_doubled",
            Self::Form => "signature_form",
            Self::NotADigest => "signature_not_a_digest",
            Self::NoTimestamp => "timestamp_missing",
            Self::TimestampsDiffer => "timestamps_differ",
            Self::TimestampUnreadable(_) => "timestamp_unreadable",
            Self::NoId => "id_missing",
        }
    }

    /// Says what was found.
    pub fn message(&self, scheme: &Scheme) -> String {
        let header = &scheme.header;
        let timestamp = scheme
            .timestamp
            .as_ref()
            .and_then(|s| s.header.as_deref())
            .unwrap_or(header);
        match self {
            Self::NoSignature => format!("There is no {header} header."),
            Self::Doubled(times) => {
                format!("{header} came {times} times; the scheme has one signature.")
            }
            Self::Form => format!("{header} does not have the form {}.", scheme.format),
            Self::NotADigest => format!(
                "{header} holds no {} digest: {} characters of {} are expected.",
                scheme.algorithm.word(),
                super::encode(scheme.encoding, &vec![0; scheme.algorithm.size()]).len(),
                scheme.encoding.word()
            ),
            Self::NoTimestamp => {
                format!("{timestamp} holds no timestamp, and the timestamp is signed.")
            }
            Self::TimestampsDiffer => format!("{timestamp} came more than once."),
            Self::TimestampUnreadable(value) => {
                format!(
                    "{timestamp} is no time: {}",
                    crate::domain::text::visible_bytes(value)
                )
            }
            Self::NoId => {
                let id = scheme
                    .id
                    .as_ref()
                    .and_then(|s| s.header.as_deref())
                    .unwrap_or("the id");
                format!("{id} is absent or empty, and the id is signed.")
            }
        }
    }

    /// Says what to do next.
    pub fn advice(&self, scheme: &Scheme) -> String {
        match self {
            Self::NoSignature => {
                "Check that the sender signs, and that no proxy takes the header away."
            }
            Self::Doubled(_) => "Look for a proxy that adds the header once more.",
            Self::Form | Self::NotADigest => {
                "Check that another provider, or another version of the scheme, is not meant."
            }
            Self::NoTimestamp | Self::NoId => "Check that no proxy takes the header away.",
            Self::TimestampsDiffer => "Look for a proxy that joins two requests' headers.",
            Self::TimestampUnreadable(_) => match scheme.unit {
                TimeUnit::Seconds => "It should be whole seconds since 1970, digits only.",
                TimeUnit::Milliseconds => {
                    "It should be whole milliseconds since 1970, digits only."
                }
                TimeUnit::Rfc3339 => "It should be a date and time such as 2026-11-21T14:02:31Z.",
            },
        }
        .to_owned()
    }
}
