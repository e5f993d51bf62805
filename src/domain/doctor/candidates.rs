//! Candidate digests: the value of every header, decoded in each way in which
//! senders and proxies are known to write a digest.

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, Engine};

use super::deviation::Deviation;
use crate::domain::percent;
use crate::domain::provider::{Encoding, Scheme};
use crate::domain::request::Request;
use crate::domain::signature::{self, Problem, Reading};

/// A value in the request that may be a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CandidateDigest {
    /// The decoded bytes.
    pub(super) digest: Vec<u8>,
    /// The header that carries it.
    pub(super) header: String,
    /// The text from which it was decoded.
    pub(super) text: String,
    /// How the text deviates from what the scheme writes.
    pub(super) deviations: Vec<Deviation>,
}

/// How many candidates are collected at most.
const MAX_CANDIDATES: usize = 96;

/// Header values longer than this are not decoded, in bytes.
const MAX_HEADER_VALUE_BYTES: usize = 4096;

/// The minimum size of a truncated digest, in bytes. Fewer than 80 bits prove
/// nothing.
const MIN_PREFIX_BYTES: usize = 10;

/// The sizes of the supported digests, in bytes.
const DIGEST_SIZES: [usize; 4] = [20, 32, 48, 64];

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

impl CandidateDigest {
    /// Returns whether the candidate can be a digest of `size` bytes or, if
    /// `cut` is set, a truncated one.
    pub(super) fn can_be(&self, size: usize, cut: bool) -> bool {
        self.digest.len() == size || cut && self.is_cut() && self.digest.len() < size
    }

    fn is_cut(&self) -> bool {
        self.digest.len() >= MIN_PREFIX_BYTES
    }
}

/// Finds a digest among the candidates; returns its index and whether the
/// candidate is truncated.
pub(super) fn find(candidates: &[CandidateDigest], digest: &[u8]) -> Option<(usize, bool)> {
    let whole = candidates.iter().position(|c| c.digest == digest);
    whole.map(|at| (at, false)).or_else(|| {
        candidates
            .iter()
            .position(|c| {
                c.is_cut() && c.digest.len() < digest.len() && digest.starts_with(&c.digest)
            })
            .map(|at| (at, true))
    })
}

/// Collects all candidates of a request: first those at the place that the
/// scheme names, then those in other headers.
pub(super) fn all(request: &Request, scheme: &Scheme, reading: &Reading) -> Vec<CandidateDigest> {
    let mut found = Vec::new();
    if let Some((repaired, deviation)) = repaired(request, scheme, reading) {
        for signature in &repaired.signatures {
            read(signature, &scheme.header, scheme, &[deviation], &mut found);
        }
    }
    let unread = matches!(reading.problem, Some(Problem::NoSignature | Problem::Form));
    if !unread {
        for signature in &reading.signatures {
            read(signature, &scheme.header, scheme, &[], &mut found);
        }
    }
    if matches!(reading.problem, Some(Problem::Doubled(_))) {
        for value in request.headers.all(&scheme.header) {
            for signature in one(request, scheme, value.to_vec()).signatures {
                read(
                    &signature,
                    &scheme.header,
                    scheme,
                    &[Deviation::Doubled],
                    &mut found,
                );
            }
        }
    }
    for value in request.headers.all(&scheme.header) {
        for (token, deviations) in tokens(value, scheme) {
            read(token, &scheme.header, scheme, &deviations, &mut found);
        }
    }
    for header in request.headers.iter().filter(|h| h.name != scheme.header) {
        for (token, _) in tokens(header.value, scheme) {
            let from = found.len();
            read(
                token,
                header.name,
                scheme,
                &[Deviation::Elsewhere],
                &mut found,
            );
            // In other headers, a truncated digest could be any number.
            let mut at = 0;
            found.retain(|candidate| {
                at += 1;
                at <= from || DIGEST_SIZES.contains(&candidate.digest.len())
            });
        }
    }
    found.truncate(MAX_CANDIDATES);
    found
}

/// Reads a request as if its signature header occurred once with this value.
fn one(request: &Request, scheme: &Scheme, value: Vec<u8>) -> Reading {
    let mut request = request.clone();
    request.headers.set(&scheme.header, value);
    Reading::of(&request, scheme)
}

/// Reads a signature header whose whole value is percent-encoded or quoted, or
/// continues after the signature; returns `None` if decoding does not help.
pub(super) fn repaired(
    request: &Request,
    scheme: &Scheme,
    reading: &Reading,
) -> Option<(Reading, Deviation)> {
    reading.problem.as_ref()?;
    let value = request.headers.first(&scheme.header)?;
    if value.len() > MAX_HEADER_VALUE_BYTES {
        return None;
    }
    let unquoted = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    let (plain, deviation) = match unquoted {
        Some(inner) => (inner.to_vec(), Deviation::Prefix),
        None if value.contains(&b'%') => (percent::decode(value, false), Deviation::Percent),
        None => (without_rest(value, scheme)?.to_vec(), Deviation::Trailing),
    };
    let repaired = one(request, scheme, plain);
    repaired.problem.is_none().then_some((repaired, deviation))
}

/// Returns a header value up to the padding that ends a base64 signature;
/// returns `None` if no text follows it.
fn without_rest<'v>(value: &'v [u8], scheme: &Scheme) -> Option<&'v [u8]> {
    let (before, _) = scheme.format.split_once("{signature}")?;
    let digest = signature::encode(scheme.encoding, &vec![0; scheme.algorithm.size()]);
    let end = before.len() + digest.len();
    let is_padded = digest.ends_with('=') && value.get(end - 1) == Some(&b'=');
    let rest = value.get(end..).unwrap_or_default();
    (is_padded && rest.iter().any(|byte| *byte != b'=')).then(|| &value[..end])
}

/// Splits a header value into parts that may be signatures.
fn tokens<'v>(value: &'v [u8], scheme: &Scheme) -> Vec<(&'v [u8], Vec<Deviation>)> {
    if value.len() > MAX_HEADER_VALUE_BYTES {
        return Vec::new();
    }
    let mut found = vec![(value, vec![Deviation::Prefix])];
    let joined = value.contains(&b',')
        && !scheme.format.contains(',')
        && scheme.separator.as_deref() != Some(",");
    let parting = |b: &u8| matches!(b, b',' | b';' | b' ' | b'"' | b'\'');
    for part in value.split(parting).filter(|part| !part.is_empty()) {
        let (label, rest) = label(part);
        let mut deviations = match version(label) {
            Some(version) if version != version_of(&scheme.format) => vec![Deviation::Version],
            _ => vec![Deviation::Prefix],
        };
        if joined
            && scheme
                .format
                .starts_with(&String::from_utf8_lossy(label).into_owned())
        {
            deviations = vec![Deviation::Joined];
        }
        found.push((rest, deviations.clone()));
        let (second, inner) = self::label(rest);
        if !second.is_empty() {
            found.push((inner, vec![Deviation::Prefix]));
        }
        if !label.is_empty() {
            found.push((part, deviations));
        }
    }
    // In a list such as `v2,… v2,…` the version precedes a comma.
    for part in value.split(|b| *b == b' ') {
        if let Some(at) = part.iter().position(|b| *b == b',') {
            let (label, rest) = (&part[..at], &part[at + 1..]);
            if version(label).is_some_and(|v| v != version_of(&scheme.format)) {
                found.insert(0, (rest, vec![Deviation::Version]));
            }
        }
    }
    found
}

/// Splits `sha256=…` into label and value.
fn label(part: &[u8]) -> (&[u8], &[u8]) {
    match part.iter().position(|b| *b == b'=') {
        Some(at) if at > 0 && at <= 16 && at + 1 < part.len() => (&part[..=at], &part[at + 1..]),
        _ => (&[], part),
    }
}

/// Returns the number in a version label such as `v2=`.
fn version(label: &[u8]) -> Option<Vec<u8>> {
    let text = label.strip_suffix(b"=").unwrap_or(label);
    let rest = text.strip_prefix(b"v")?;
    (!rest.is_empty() && rest.len() <= 3 && rest[0].is_ascii_digit()).then(|| rest.to_vec())
}

/// Returns the version in a format such as `t={timestamp},v1={signature}`.
fn version_of(format: &str) -> Vec<u8> {
    let before = format.split("{signature}").next().unwrap_or_default();
    let label = before.rsplit(['}', ' ']).next().unwrap_or_default();
    let label = label.trim_matches([',', '=', ';']);
    version(label.as_bytes()).unwrap_or_default()
}

/// Decodes one text in every way and adds the candidates to `found`.
fn read(
    text: &[u8],
    header: &str,
    scheme: &Scheme,
    before: &[Deviation],
    found: &mut Vec<CandidateDigest>,
) {
    let mut add = |digest: Vec<u8>, deviations: &[Deviation]| {
        let deviations = [before, deviations].concat();
        let known = found.iter().any(|c: &CandidateDigest| c.digest == digest);
        if digest.len() >= MIN_PREFIX_BYTES
            && digest.len() <= 64
            && !known
            && found.len() < MAX_CANDIDATES
        {
            found.push(CandidateDigest {
                digest,
                header: header.to_owned(),
                text: crate::domain::text::visible_bytes(text),
                deviations,
            });
        }
    };
    for (digest, deviations) in decoded(text, scheme.encoding) {
        add(digest, &deviations);
    }
    if text.contains(&b'%') {
        let plain = percent::decode(text, false);
        for (digest, mut deviations) in decoded(&plain, scheme.encoding) {
            deviations.push(Deviation::Percent);
            add(digest, &deviations);
        }
    }
}

/// Decodes a text as hexadecimal and as base64, with the deviations from the
/// scheme's encoding.
fn decoded(text: &[u8], encoding: Encoding) -> Vec<(Vec<u8>, Vec<Deviation>)> {
    let mut found = Vec::new();
    let even = &text[..text.len() & !1];
    if text.len() > 256 {
        return found;
    }
    if let Ok(digest) = hex::decode(even) {
        let mut deviations = Vec::new();
        if encoding != Encoding::Hex {
            deviations.push(Deviation::Encoding);
        }
        if text.iter().any(u8::is_ascii_uppercase) {
            deviations.push(Deviation::Case);
        }
        let whole = DIGEST_SIZES.contains(&digest.len());
        found.push((digest, deviations));
        // A hexadecimal text of digest length is not base64 by accident.
        if whole {
            return found;
        }
    }
    let safe = text.iter().any(|b| matches!(b, b'-' | b'_'));
    let engine = if safe { &URL_SAFE } else { &STANDARD };
    let padded = text.ends_with(b"=");
    // In a truncated value, the last characters may encode less than a byte.
    let bare = text.trim_ascii_end();
    let bare = bare
        .strip_suffix(b"==")
        .or_else(|| bare.strip_suffix(b"="))
        .unwrap_or(bare);
    let bare = if bare.len() % 4 == 1 {
        &bare[..bare.len() - 1]
    } else {
        bare
    };
    if let Ok(digest) = engine.decode(bare) {
        let needs_padding = bare.len() % 4 != 0;
        let mut deviations = Vec::new();
        match encoding {
            Encoding::Hex => deviations.push(Deviation::Encoding),
            Encoding::Base64 if safe => deviations.push(Deviation::Alphabet),
            Encoding::Base64 if needs_padding && !padded => deviations.push(Deviation::Padding),
            Encoding::Base64Url if bare.iter().any(|b| matches!(b, b'+' | b'/')) => {
                deviations.push(Deviation::Alphabet);
            }
            Encoding::Base64Url if padded => deviations.push(Deviation::Padding),
            Encoding::Base64 | Encoding::Base64Url | Encoding::Text => {}
        }
        if let Ok(inner) = hex::decode(&digest) {
            found.push((inner, vec![Deviation::Twice]));
        }
        found.push((digest, deviations));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::provider::Catalog;

    fn deviations(provider: &str, value: &str) -> Vec<Deviation> {
        let catalog = Catalog::builtin();
        let scheme = catalog.get(provider).unwrap().signature.as_ref().unwrap();
        let request = Request {
            headers: [(scheme.header.as_str(), value)].into_iter().collect(),
            ..Request::default()
        };
        let candidates = all(&request, scheme, &Reading::of(&request, scheme));
        let digest: Vec<u8> = (100..132).collect();
        let (at, cut) =
            find(&candidates, &digest).unwrap_or_else(|| panic!("{value}: {candidates:?}"));
        let mut deviations = candidates[at].deviations.clone();
        deviations.extend(cut.then_some(Deviation::Cut));
        deviations
    }

    #[test]
    fn a_digest_is_read_in_every_spelling() {
        use base64::engine::general_purpose as b64;
        let digest: Vec<u8> = (100..132).collect();
        let hex = hex::encode(&digest);
        assert_eq!(deviations("zyra", &hex), []);
        assert_eq!(deviations("zyra", &hex.to_uppercase()), [Deviation::Case]);
        assert_eq!(
            deviations("zyra", &b64::STANDARD.encode(&digest)),
            [Deviation::Encoding]
        );
        assert_eq!(
            deviations("zyra", &b64::STANDARD.encode(&hex)),
            [Deviation::Twice]
        );
        assert_eq!(deviations("zyra", &hex[..41]), [Deviation::Cut]);
        assert_eq!(
            deviations("zyra", &format!("sha256={hex}")),
            [Deviation::Prefix]
        );
        assert_eq!(deviations("porkbun", &hex), [Deviation::Prefix]);
        assert_eq!(deviations("porkbun", &format!("sha256={hex}")), []);
        assert_eq!(deviations("stackryze", &format!("t=1,v1={hex}")), []);
        assert_eq!(
            deviations("stackryze", &format!("t=1,v2={hex}")),
            [Deviation::Version]
        );
        let base64 = b64::STANDARD.encode(&digest);
        assert_eq!(deviations("svix", &format!("v1,{base64}")), []);
        assert_eq!(
            deviations("svix", &format!("v2,{base64}")),
            [Deviation::Version]
        );
        assert_eq!(
            deviations("svix", &format!("v1,{}", base64.trim_end_matches('='))),
            [Deviation::Padding]
        );
        assert_eq!(
            deviations("svix", &format!("v1,{}", base64.replace('=', "%3D"))),
            [Deviation::Percent]
        );
        assert_eq!(
            deviations("zyra", &format!("{hex}, {hex}")),
            [Deviation::Joined]
        );
    }
}
