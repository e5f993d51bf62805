//! Reads signature, timestamp and id from a request.

use chrono::DateTime;

use super::mac;
use super::problem::Problem;
use super::token::JsonWebToken;
use crate::domain::provider::scheme::HeaderList;
use crate::domain::provider::template::{Part, TemplateValues};
use crate::domain::provider::value_source::{self, RequestView};
use crate::domain::provider::{Encoding, Scheme, TimeUnit, ValueSource};
use crate::domain::request::Request;
use crate::domain::timestamp::Timestamp;

/// The signature-related values of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The signatures of a known version, without prefix or label.
    pub signatures: Vec<Vec<u8>>,
    /// The signatures in the same list that were made with a private key.
    pub asymmetric: Vec<Vec<u8>>,
    /// The timestamp as received.
    pub timestamp: Option<Vec<u8>>,
    /// The id as received.
    pub id: Option<Vec<u8>>,
    /// For each signature, the index of its header.
    pub slots: Vec<usize>,
    /// The JSON Web Token, if the signature is one.
    pub token: Option<JsonWebToken>,
    /// The headers in the signed text.
    pub headers: Option<HeaderList>,
    /// The reason why the signature cannot be verified.
    pub problem: Option<Problem>,
    /// A problem that only matters if the signature is valid, because it
    /// concerns a value in the signed body.
    pub deferred_problem: Option<Problem>,
}

impl Reading {
    /// Reads a request according to a scheme.
    pub fn of(request: &Request, scheme: &Scheme) -> Self {
        let mut reading = Self {
            headers: scheme.headers.clone(),
            ..Self::default()
        };
        let view = RequestView::of(request);
        let mut problem = match &scheme.pointer {
            // Some providers verify an endpoint with an empty body.
            Some(_) if request.body.is_empty() => None,
            Some(pointer) => reading.in_body(&view, pointer),
            None => reading.in_headers(request, scheme),
        };
        let none = reading.signatures.is_empty() && reading.asymmetric.is_empty();
        if none && reading.token.is_none() && problem.is_none() {
            reading.problem = Some(Problem::NoSignature);
            return reading;
        }
        if let Some((place, said)) = scheme.unknown_version(&view) {
            problem = problem.or(Some(Problem::UnknownVersion(place.name(), said)));
        }
        if scheme.lenient {
            for signature in &mut reading.signatures {
                if let Some(respelled) = mac::normalize(scheme.encoding, signature) {
                    *signature = respelled;
                }
            }
        }
        if problem.is_none() && !reading.has_digest(scheme) {
            problem = Some(Problem::NotADigest);
        }
        if let Some(source) = &scheme.timestamp {
            reading.timestamp = match &reading.token {
                Some(token) => source
                    .read_claim(&view, &token.claims)
                    .map(String::into_bytes),
                None if scheme.strict_time => source.read_exact(&view).map(String::into_bytes),
                None => value_of(request, &view, source),
            };
            if is_repeated(request, source) {
                problem = problem.or(Some(Problem::TimestampsDiffer));
            }
        }
        if let Some(source) = &scheme.id {
            reading.id = value_of(request, &view, source);
        }
        problem = problem.or_else(|| repeated_header(request, scheme).map(Problem::Repeated));
        if let Some(list) = &scheme.headers
            && !request.headers.contains(&list.named_by)
        {
            problem = problem.or_else(|| Some(Problem::NoHeaderList(list.named_by.clone())));
        }
        let gap = reading.missing_part(scheme);
        if scheme.signed.has(&Part::Timestamp)
            || scheme
                .timestamp
                .as_ref()
                .is_none_or(|s| s.pointer.is_none())
        {
            problem = problem.or(gap);
        } else {
            reading.deferred_problem = gap;
        }
        reading.problem = problem;
        reading
    }

    /// Returns whether a request's signature header has the form of a scheme.
    /// Other values that belong to the signature are ignored.
    pub fn has_form(request: &Request, scheme: &Scheme) -> bool {
        let mut reading = Self::default();
        reading.in_headers(request, scheme).is_none() && reading.has_digest(scheme)
    }

    /// Reads the signature from the body.
    fn in_body(&mut self, view: &RequestView<'_>, pointer: &str) -> Option<Problem> {
        let Some(json) = view.json() else {
            return Some(Problem::NoJson);
        };
        let signature = json.pointer(pointer).and_then(value_source::text)?;
        if !signature.is_empty() {
            self.signatures.push(signature.into_bytes());
            self.slots.push(0);
        }
        None
    }

    /// Reads the signatures from the headers that carry them.
    fn in_headers(&mut self, request: &Request, scheme: &Scheme) -> Option<Problem> {
        let mut problem = None;
        let headers = std::iter::once(&scheme.header).chain(&scheme.also);
        for (slot, header) in headers.enumerate() {
            let values: Vec<&[u8]> = request.headers.all(header).collect();
            let filled: Vec<&[u8]> = values.iter().copied().filter(|v| !v.is_empty()).collect();
            if !filled.is_empty() {
                problem = problem.or(self.in_header(&filled, scheme));
                // A list has no empty entries, and no library joins two headers
                // into one.
                if filled.len() < values.len() {
                    problem = problem.or(Some(Problem::EmptyRepeat));
                }
            }
            self.slots.resize(self.signatures.len(), slot);
        }
        problem
    }

    /// Reads the signatures from the values of one header.
    fn in_header(&mut self, values: &[&[u8]], scheme: &Scheme) -> Option<Problem> {
        let as_they_are = || values.iter().map(|value| value.to_vec());
        if let Some((labels, separator)) = labels(&scheme.format) {
            if scheme.once && values.len() > 1 {
                self.signatures.extend(as_they_are());
                return Some(Problem::Doubled(values.len()));
            }
            let problem = self.labelled(values, &labels, separator);
            return problem.or_else(|| self.signatures.is_empty().then_some(Problem::NotADigest));
        }
        if let Some(separator) = &scheme.separator {
            for entry in values
                .iter()
                .flat_map(|value| list_entries(value, separator, &scheme.format))
            {
                self.signatures.extend(unwrap(entry, &scheme.format));
                if let Some(asymmetric) = &scheme.asymmetric {
                    self.asymmetric.extend(unwrap(entry, &asymmetric.format));
                }
            }
            let none = self.signatures.is_empty() && self.asymmetric.is_empty();
            return none.then_some(Problem::Form);
        }
        if values.len() > 1 {
            self.signatures.extend(as_they_are());
            return Some(Problem::Doubled(values.len()));
        }
        let Some(signature) = unwrap(values[0], &scheme.format) else {
            self.signatures.extend(as_they_are());
            return Some(Problem::Form);
        };
        if scheme.jwt.is_none() {
            self.signatures.push(signature);
            return None;
        }
        let Some(token) = JsonWebToken::read(&signature) else {
            self.signatures.push(signature);
            return Some(Problem::NoToken);
        };
        let allowed = token
            .algorithm()
            .is_some_and(|named| named.family() == scheme.algorithm.family());
        let mut times = ["exp", "nbf", "iat"].into_iter();
        let problem = if !allowed {
            Some(Problem::TokenAlgorithm(token.named.clone()))
        } else if let Some(extension) = token.extension {
            Some(Problem::TokenExtension(extension))
        } else {
            times
                .find_map(|claim| token.time(claim).err())
                .map(Problem::TokenTime)
        };
        if !token.signature.is_empty() {
            self.signatures.push(token.signature.clone());
        }
        self.token = Some(token);
        problem
    }

    /// Reads labelled parts such as `t=…,v1=…` in any order.
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

    /// Returns whether one of the signatures could be a digest of the scheme.
    fn has_digest(&self, scheme: &Scheme) -> bool {
        let asymmetric = scheme.asymmetric_version();
        self.signatures.iter().any(|s| like_a_digest(s, scheme))
            || asymmetric
                .is_some_and(|scheme| self.asymmetric.iter().any(|s| like_a_digest(s, &scheme)))
    }

    /// Returns whether a labelled part is preceded by whitespace.
    pub fn has_blank_before_part(request: &Request, scheme: &Scheme) -> bool {
        let Some((_, separator)) = labels(&scheme.format) else {
            return false;
        };
        let mut byte = [0; 4];
        let separator = separator.encode_utf8(&mut byte).as_bytes();
        let mut values = request.headers.all(&scheme.header);
        values.any(|value| {
            split(value, separator)
                .any(|part| part[0].is_ascii_whitespace() && !part.trim_ascii().is_empty())
        })
    }

    /// Returns all signatures, those made with a private key last.
    pub fn all_signatures(&self) -> impl Iterator<Item = &[u8]> {
        let all = self.signatures.iter().chain(&self.asymmetric);
        all.map(Vec::as_slice)
    }

    /// Returns the problem of a missing timestamp or id.
    fn missing_part(&self, scheme: &Scheme) -> Option<Problem> {
        let empty = |value: &Option<Vec<u8>>| value.as_ref().is_none_or(Vec::is_empty);
        let counts = scheme.tolerance.is_some() && scheme.timestamp.is_some();
        if (counts || scheme.signed.has(&Part::Timestamp)) && empty(&self.timestamp) {
            return Some(Problem::NoTimestamp);
        }
        if scheme.signed.has(&Part::Id) && empty(&self.id) {
            return Some(Problem::NoId);
        }
        // If the age is not checked, the timestamp need not be a number.
        if (scheme.tolerance.is_some() || scheme.strict_time) && self.signed_at(scheme).is_none() {
            return self.timestamp.clone().map(Problem::TimestampUnreadable);
        }
        None
    }

    /// Returns the signed time, if it can be parsed.
    pub fn signed_at(&self, scheme: &Scheme) -> Option<Timestamp> {
        let text = std::str::from_utf8(self.timestamp.as_ref()?).ok()?;
        if scheme.unit == TimeUnit::Rfc3339 {
            return DateTime::parse_from_rfc3339(text)
                .ok()
                .map(|at| Timestamp(at.timestamp_micros()));
        }
        // Digits only: "+5", " 5" and "5.0" are not timestamps.
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

    /// Returns the values of the signed text's placeholders.
    pub fn template_values<'a>(
        &'a self,
        request: &'a Request,
        url: Option<&'a str>,
    ) -> TemplateValues<'a> {
        TemplateValues {
            body: &request.body,
            timestamp: self.timestamp.as_deref().unwrap_or_default(),
            id: self.id.as_deref().unwrap_or_default(),
            method: request.method.as_bytes(),
            url: url.unwrap_or_default().as_bytes(),
            token: self.token.as_ref().map_or(&[], |token| &token.signed),
            headers: self.headers.as_ref(),
            request: Some(request),
            ..TemplateValues::default()
        }
    }
}

/// The labels of a header with labelled parts: `t=` and `v1=`.
struct Labels<'a> {
    timestamp: &'a str,
    signature: &'a str,
}

/// Parses a format such as `t={timestamp},v1={signature}`; returns `None` for
/// other formats.
fn labels(format: &str) -> Option<(Labels<'_>, char)> {
    let close = format.find('}')?;
    let separator = format[close + 1..].chars().next()?;
    let mut labels = Labels {
        timestamp: "",
        signature: "",
    };
    for part in format.split(separator).map(str::trim_start) {
        if let Some(label) = part.strip_suffix("{timestamp}") {
            labels.timestamp = label;
        } else if let Some(label) = part.strip_suffix("{signature}") {
            labels.signature = label;
        }
    }
    (!labels.timestamp.is_empty() && !labels.signature.is_empty()).then_some((labels, separator))
}

/// Extracts the signature from an entry: the text between the format's prefix
/// and suffix.
fn unwrap(entry: &[u8], format: &str) -> Option<Vec<u8>> {
    let (prefix, suffix) = format.split_once("{signature}")?;
    let inner = entry
        .strip_prefix(prefix.as_bytes())?
        .strip_suffix(suffix.as_bytes())?;
    (!inner.is_empty()).then(|| inner.to_vec())
}

/// Splits bytes at a separator and drops empty entries.
fn split<'a>(value: &'a [u8], separator: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    let first = separator.first().copied().unwrap_or(b' ');
    value
        .split(move |byte| *byte == first)
        .filter(|entry| !entry.is_empty())
}

/// Splits a list of signatures. If entries are separated by spaces and contain
/// a comma themselves (`v1,AAA v1,BBB`), a comma before the space is allowed,
/// because HTTP joins repeated fields that way (RFC 9110 section 5.3). Of
/// entries joined by a comma alone, the first counts, as in the JavaScript
/// libraries.
fn list_entries<'a>(
    value: &'a [u8],
    separator: &str,
    format: &str,
) -> impl Iterator<Item = &'a [u8]> {
    let commas_inside = separator == " " && format.contains(',');
    split(value, separator.as_bytes()).map(move |entry| {
        if !commas_inside {
            return entry;
        }
        let ends_value = entry.as_ptr_range().end == value.as_ptr_range().end;
        let entry = match entry.strip_suffix(b",") {
            Some(rest) if !ends_value => rest,
            _ => entry,
        };
        first_of_joined(entry)
    })
}

/// Returns the first entry of `v1,AAA,v1,BBB`; any other text unchanged.
fn first_of_joined(entry: &[u8]) -> &[u8] {
    let fields: Vec<&[u8]> = entry.split(|byte| *byte == b',').collect();
    let paired = fields.len() > 2 && fields.len().is_multiple_of(2);
    if paired && fields.iter().step_by(2).all(|field| is_version(field)) {
        &entry[..=fields[0].len() + fields[1].len()]
    } else {
        entry
    }
}

/// Returns whether a text is a version such as `v1` or `v1a`.
fn is_version(text: &[u8]) -> bool {
    text.len() <= 4
        && text.strip_prefix(b"v").is_some_and(|rest| {
            rest.first().is_some_and(u8::is_ascii_digit)
                && rest.iter().all(u8::is_ascii_alphanumeric)
        })
}

/// Returns whether a header that must be unique is repeated.
fn is_repeated(request: &Request, source: &ValueSource) -> bool {
    let name = source.header.as_deref();
    name.is_some_and(|name| request.headers.all(name).count() > 1)
}

/// Returns a header that came more than once, although the verdict depends on
/// its value: which one counts depends on the reader.
fn repeated_header(request: &Request, scheme: &Scheme) -> Option<String> {
    let required = scheme
        .requirements
        .iter()
        .map(|requirement| &requirement.at);
    let mut sources = scheme.id.iter().chain(&scheme.key_id).chain(required);
    if let Some(source) = sources.find(|source| is_repeated(request, source)) {
        return Some(source.name());
    }
    let list = scheme.headers.as_ref()?;
    let listed = request.headers.text(&list.named_by).unwrap_or_default();
    let mut names = listed
        .split(',')
        .map(str::trim)
        .chain([list.named_by.as_str()]);
    names
        .find(|name| request.headers.all(name).count() > 1)
        .map(str::to_ascii_lowercase)
}

/// Returns whether a signature could be a digest in the scheme's encoding.
fn like_a_digest(signature: &[u8], scheme: &Scheme) -> bool {
    let size = scheme.algorithm.size();
    let letters = |more: &[u8]| {
        signature
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || more.contains(b))
    };
    let long = |expected: usize| size == 0 || signature.len() == expected;
    match scheme.encoding {
        Encoding::Hex => long(size * 2) && signature.iter().all(u8::is_ascii_hexdigit),
        Encoding::Base64 => long(size.div_ceil(3) * 4) && letters(b"+/="),
        Encoding::Base64Url => long((size * 4).div_ceil(3)) && letters(b"-_"),
        Encoding::Text => !signature.is_empty(),
    }
}

/// Reads a value as received. A header repeated with the same value counts
/// once.
fn value_of(request: &Request, view: &RequestView<'_>, source: &ValueSource) -> Option<Vec<u8>> {
    match &source.header {
        Some(header) => request.headers.first(header).map(<[u8]>::to_vec),
        None => source.read_in(view).map(String::into_bytes),
    }
}
