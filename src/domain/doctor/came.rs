//! The digests that may have come: every header's value, read in every
//! spelling that senders and proxies are known to give it.

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, Engine};

use super::percent;
use super::spelling::Spelling;
use crate::domain::provider::{Encoding, Scheme};
use crate::domain::request::Request;
use crate::domain::signature::{Problem, Reading};

/// A digest that may have come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Came {
    /// Its bytes.
    pub(super) digest: Vec<u8>,
    /// The header that carries it.
    pub(super) header: String,
    /// The text it was read from.
    pub(super) text: String,
    /// How that differs from what the scheme writes.
    pub(super) spelled: Vec<Spelling>,
}

/// How many digests are read at the most.
const MOST: usize = 96;

/// Longer values carry no digest.
const LONGEST: usize = 4096;

/// Shorter beginnings of a digest prove nothing; 80 bits.
const SHORTEST: usize = 10;

/// The sizes that digests have.
const SIZES: [usize; 4] = [20, 32, 48, 64];

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

impl Came {
    /// Says whether it may be a digest of `size` bytes or, with `cut`, the
    /// start of one.
    pub(super) fn may_be(&self, size: usize, cut: bool) -> bool {
        self.digest.len() == size || cut && self.is_cut() && self.digest.len() < size
    }

    fn is_cut(&self) -> bool {
        self.digest.len() >= SHORTEST
    }
}

/// Finds a digest among those that came, and says whether it came cut short.
pub(super) fn find(came: &[Came], digest: &[u8]) -> Option<(usize, bool)> {
    let whole = came.iter().position(|c| c.digest == digest);
    whole.map(|at| (at, false)).or_else(|| {
        came.iter()
            .position(|c| {
                c.is_cut() && c.digest.len() < digest.len() && digest.starts_with(&c.digest)
            })
            .map(|at| (at, true))
    })
}

/// Reads every digest out of a request: those where the scheme expects them
/// first, then what other headers hold.
pub(super) fn all(request: &Request, scheme: &Scheme, reading: &Reading) -> Vec<Came> {
    let mut found = Vec::new();
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
                    &[Spelling::Doubled],
                    &mut found,
                );
            }
        }
    }
    if let Some((repaired, spelling)) = repaired(request, scheme, reading) {
        for signature in &repaired.signatures {
            read(signature, &scheme.header, scheme, &[spelling], &mut found);
        }
    }
    for value in request.headers.all(&scheme.header) {
        for (token, spelled) in tokens(value, scheme) {
            read(token, &scheme.header, scheme, &spelled, &mut found);
        }
    }
    for header in request.headers.iter().filter(|h| h.name != scheme.header) {
        for (token, _) in tokens(header.value, scheme) {
            let from = found.len();
            read(
                token,
                header.name,
                scheme,
                &[Spelling::Elsewhere],
                &mut found,
            );
            // Elsewhere the start of a digest could be any number.
            let mut at = 0;
            found.retain(|came| {
                at += 1;
                at <= from || SIZES.contains(&came.digest.len())
            });
        }
    }
    found.truncate(MOST);
    found
}

/// Reads a request as if its signature header came once and held `value`.
fn one(request: &Request, scheme: &Scheme, value: Vec<u8>) -> Reading {
    let mut request = request.clone();
    request.headers.set(&scheme.header, value);
    Reading::of(&request, scheme)
}

/// Reads a signature header that as a whole is percent-encoded or stands
/// between quotes; `None` where it makes no more sense then.
pub(super) fn repaired(
    request: &Request,
    scheme: &Scheme,
    reading: &Reading,
) -> Option<(Reading, Spelling)> {
    reading.problem.as_ref()?;
    let value = request.headers.first(&scheme.header)?;
    if value.len() > LONGEST {
        return None;
    }
    let unquoted = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    let (plain, spelling) = match unquoted {
        Some(inner) => (inner.to_vec(), Spelling::Prefix),
        None if value.contains(&b'%') => (percent::decode(value, false), Spelling::Percent),
        None => return None,
    };
    let repaired = one(request, scheme, plain);
    repaired.problem.is_none().then_some((repaired, spelling))
}

/// Parts a header's value into what may be a signature.
fn tokens<'v>(value: &'v [u8], scheme: &Scheme) -> Vec<(&'v [u8], Vec<Spelling>)> {
    if value.len() > LONGEST {
        return Vec::new();
    }
    let mut found = vec![(value, vec![Spelling::Prefix])];
    let joined = value.contains(&b',')
        && !scheme.format.contains(',')
        && scheme.separator.as_deref() != Some(",");
    let parting = |b: &u8| matches!(b, b',' | b';' | b' ' | b'"' | b'\'');
    for part in value.split(parting).filter(|part| !part.is_empty()) {
        let (label, rest) = label(part);
        let mut spelled = match version(label) {
            Some(version) if version != version_of(&scheme.format) => vec![Spelling::Version],
            _ => vec![Spelling::Prefix],
        };
        if joined
            && scheme
                .format
                .starts_with(&String::from_utf8_lossy(label).into_owned())
        {
            spelled = vec![Spelling::Joined];
        }
        found.push((rest, spelled.clone()));
        let (second, inner) = self::label(rest);
        if !second.is_empty() {
            found.push((inner, vec![Spelling::Prefix]));
        }
        if !label.is_empty() {
            found.push((part, spelled));
        }
    }
    // The versions of a list such as "v2,… v2,…" stand before a comma.
    for part in value.split(|b| *b == b' ') {
        if let Some(at) = part.iter().position(|b| *b == b',') {
            let (label, rest) = (&part[..at], &part[at + 1..]);
            if version(label).is_some_and(|v| v != version_of(&scheme.format)) {
                found.insert(0, (rest, vec![Spelling::Version]));
            }
        }
    }
    found
}

/// Parts `sha256=…` into label and value.
fn label(part: &[u8]) -> (&[u8], &[u8]) {
    match part.iter().position(|b| *b == b'=') {
        Some(at) if at > 0 && at <= 16 && at + 1 < part.len() => (&part[..=at], &part[at + 1..]),
        _ => (&[], part),
    }
}

/// Returns the number of a version's label such as `v2=`.
fn version(label: &[u8]) -> Option<Vec<u8>> {
    let text = label.strip_suffix(b"=").unwrap_or(label);
    let rest = text.strip_prefix(b"v")?;
    (!rest.is_empty() && rest.len() <= 3 && rest[0].is_ascii_digit()).then(|| rest.to_vec())
}

/// Returns the version that a format such as `t={timestamp},v1={signature}` has.
fn version_of(format: &str) -> Vec<u8> {
    let before = format.split("{signature}").next().unwrap_or_default();
    let label = before.rsplit(['}', ' ']).next().unwrap_or_default();
    let label = label.trim_matches([',', '=', ';']);
    version(label.as_bytes()).unwrap_or_default()
}

/// Reads one text in every spelling.
fn read(text: &[u8], header: &str, scheme: &Scheme, before: &[Spelling], found: &mut Vec<Came>) {
    let mut add = |digest: Vec<u8>, spelled: &[Spelling]| {
        let spelled = [before, spelled].concat();
        let known = found.iter().any(|c: &Came| c.digest == digest);
        if digest.len() >= SHORTEST && digest.len() <= 64 && !known && found.len() < MOST {
            found.push(Came {
                digest,
                header: header.to_owned(),
                text: crate::domain::text::visible_bytes(text),
                spelled,
            });
        }
    };
    for (digest, spelled) in decoded(text, scheme.encoding) {
        add(digest, &spelled);
    }
    if text.contains(&b'%') {
        let plain = percent::decode(text, false);
        for (digest, mut spelled) in decoded(&plain, scheme.encoding) {
            spelled.push(Spelling::Percent);
            add(digest, &spelled);
        }
    }
}

/// Decodes a text as hexadecimal and as base64, and says how it differs from
/// what the scheme writes.
fn decoded(text: &[u8], encoding: Encoding) -> Vec<(Vec<u8>, Vec<Spelling>)> {
    let mut found = Vec::new();
    let even = &text[..text.len() & !1];
    if text.len() > 256 {
        return found;
    }
    if let Ok(digest) = hex::decode(even) {
        let mut spelled = Vec::new();
        if encoding != Encoding::Hex {
            spelled.push(Spelling::Encoding);
        }
        if text.iter().any(u8::is_ascii_uppercase) {
            spelled.push(Spelling::Case);
        }
        let whole = SIZES.contains(&digest.len());
        found.push((digest, spelled));
        // So much hexadecimal is no base64 that happens to look like it.
        if whole {
            return found;
        }
    }
    let safe = text.iter().any(|b| matches!(b, b'-' | b'_'));
    let engine = if safe { &URL_SAFE } else { &STANDARD };
    let padded = text.ends_with(b"=");
    // Cut short, the last characters may be less than a byte.
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
        let mut spelled = Vec::new();
        match encoding {
            Encoding::Hex => spelled.push(Spelling::Encoding),
            Encoding::Base64 if safe => spelled.push(Spelling::Alphabet),
            Encoding::Base64 if needs_padding && !padded => spelled.push(Spelling::Padding),
            Encoding::Base64Url if bare.iter().any(|b| matches!(b, b'+' | b'/')) => {
                spelled.push(Spelling::Alphabet);
            }
            Encoding::Base64Url if padded => spelled.push(Spelling::Padding),
            Encoding::Base64 | Encoding::Base64Url | Encoding::Text => {}
        }
        if let Ok(inner) = hex::decode(&digest) {
            found.push((inner, vec![Spelling::Twice]));
        }
        found.push((digest, spelled));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::provider::Catalog;

    fn spelled(provider: &str, value: &str) -> Vec<Spelling> {
        let catalog = Catalog::builtin();
        let scheme = catalog.get(provider).unwrap().signature.as_ref().unwrap();
        let request = Request {
            headers: [(scheme.header.as_str(), value)].into_iter().collect(),
            ..Request::default()
        };
        let came = all(&request, scheme, &Reading::of(&request, scheme));
        let digest: Vec<u8> = (100..132).collect();
        let (at, cut) = find(&came, &digest).unwrap_or_else(|| panic!("{value}: {came:?}"));
        let mut spelled = came[at].spelled.clone();
        spelled.extend(cut.then_some(Spelling::Cut));
        spelled
    }

    #[test]
    fn a_digest_is_read_in_every_spelling() {
        use base64::engine::general_purpose as b64;
        let digest: Vec<u8> = (100..132).collect();
        let hex = hex::encode(&digest);
        assert_eq!(spelled("zyra", &hex), []);
        assert_eq!(spelled("zyra", &hex.to_uppercase()), [Spelling::Case]);
        assert_eq!(
            spelled("zyra", &b64::STANDARD.encode(&digest)),
            [Spelling::Encoding]
        );
        assert_eq!(
            spelled("zyra", &b64::STANDARD.encode(&hex)),
            [Spelling::Twice]
        );
        assert_eq!(spelled("zyra", &hex[..41]), [Spelling::Cut]);
        assert_eq!(
            spelled("zyra", &format!("sha256={hex}")),
            [Spelling::Prefix]
        );
        assert_eq!(spelled("porkbun", &hex), [Spelling::Prefix]);
        assert_eq!(spelled("porkbun", &format!("sha256={hex}")), []);
        assert_eq!(spelled("stackryze", &format!("t=1,v1={hex}")), []);
        assert_eq!(
            spelled("stackryze", &format!("t=1,v2={hex}")),
            [Spelling::Version]
        );
        let base64 = b64::STANDARD.encode(&digest);
        assert_eq!(spelled("svix", &format!("v1,{base64}")), []);
        assert_eq!(
            spelled("svix", &format!("v2,{base64}")),
            [Spelling::Version]
        );
        assert_eq!(
            spelled("svix", &format!("v1,{}", base64.trim_end_matches('='))),
            [Spelling::Padding]
        );
        assert_eq!(
            spelled("svix", &format!("v1,{}", base64.replace('=', "%3D"))),
            [Spelling::Percent]
        );
        assert_eq!(
            spelled("zyra", &format!("{hex}, {hex}")),
            [Spelling::Joined]
        );
    }
}
