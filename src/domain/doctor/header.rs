//! What may be wrong with the headers.

use super::candidates::CandidateDigest;
use super::case::Case;
use super::deviation::Deviation;
use super::finding;
use super::hypothesis::Observation;
use crate::domain::handshake::Handshake;
use crate::domain::provider::Provider;
use crate::domain::request::Request;
use crate::domain::secret::Secret;
use crate::domain::signature::{Keys, Problem, verify};
use crate::domain::text::{thousands, visible};
use crate::domain::verification::{Finding, Status};

/// Sees that the signature header is absent.
pub(super) fn missing(case: &Case<'_>) -> Observation {
    if case.verification.status != Status::MissingSignature {
        return Observation::Absent("the header is there");
    }
    let provider = case.subject.provider;
    if renamed_name(case).is_some()
        || other_provider_header(case).is_some()
        || found_elsewhere(case).is_some()
    {
        return Observation::Absent("it came under another name");
    }
    if probable_handshake(case) || unsigned_handshake(case).is_some() {
        return Observation::Absent("a request that registers an endpoint is not signed");
    }
    Observation::Present(finding(
        "signature_missing",
        true,
        format!(
            "The header {} is absent or empty, though {} signs every delivery.",
            case.scheme.header, provider.title
        ),
        "Check that this request really came from there, and that no proxy takes the header away.",
    ))
}

/// Returns the name of the request's handshake, where it is one of those that
/// come unsigned.
fn unsigned_handshake<'c>(case: &'c Case<'_>) -> Option<&'c str> {
    let found = Handshake::unsigned(case.subject.provider, case.subject.request);
    found.filter(|_| case.subject.provider.sender.handshake.is_none())
}

fn probable_handshake(case: &Case<'_>) -> bool {
    case.subject.provider.sender.handshake.is_some() && case.subject.request.method == "POST"
}

/// Sees a request that registers an endpoint.
pub(super) fn handshake(case: &Case<'_>) -> Observation {
    if let Some(name) = unsigned_handshake(case) {
        return Observation::Present(handshake_finding(&case.subject.provider.title, name));
    }
    if case.subject.provider.sender.handshake.is_none() {
        return Observation::NotApplicable("the provider sends none");
    }
    let unsigned =
        case.verification.status == Status::MissingSignature && renamed_name(case).is_none();
    if !unsigned || !probable_handshake(case) {
        return Observation::Absent("it is signed");
    }
    Observation::Present(finding(
        "probable_verification",
        false,
        format!(
            "Unsigned: probably the verification POST that {} sends when an endpoint is registered.",
            case.subject.provider.title
        ),
        "Nothing; it was answered, and signed events follow.",
    ))
}

/// Says that a request is a handshake that needs no signature.
pub(super) fn handshake_finding(sender: &str, name: &str) -> Finding {
    finding(
        "probable_verification",
        true,
        format!(
            "{} tries the address ({}); that request needs no signature.",
            visible(sender),
            visible(name)
        ),
        "Nothing; it was answered, and events follow.",
    )
}

/// Says what a digest in another header means.
pub(super) fn other_header_finding(case: &Case<'_>, header: &str) -> Finding {
    let (shown, expected) = (visible(header), &case.scheme.header);
    if is_renamed(header, expected) {
        return finding(
            "header_renamed",
            true,
            format!("The signature came in {shown}: {expected}, renamed on the way. It is right."),
            RENAMED,
        );
    }
    if let Some(provider) = provider_of(case, header) {
        return finding(
            "other_provider_header",
            true,
            format!(
                "The signature came in {shown}, the header of {provider}; this endpoint expects {expected}. It is right."
            ),
            "Name the provider that sends here, or send it under the header this one expects.",
        );
    }
    finding(
        "signature_elsewhere",
        true,
        format!("The signature came in {shown} in the place of {expected}. It is right."),
        format!(
            "Send it as {expected}, or name that header for the endpoint in creel.toml: headers = {{ signature = \"{shown}\" }}"
        ),
    )
}

const RENAMED: &str = "Keep the proxy from renaming headers; in nginx, proxy_set_header passes one under its own name.";

/// Returns a right signature's header, where it is not the scheme's.
fn found_elsewhere<'c>(case: &'c Case<'_>) -> Option<&'c str> {
    let hit = case.base()?;
    let found = &case.candidates[hit.candidate];
    found
        .deviations
        .contains(&Deviation::Elsewhere)
        .then_some(found.header.as_str())
}

fn renamed_name<'c>(case: &'c Case<'_>) -> Option<&'c str> {
    let headers = &case.subject.request.headers;
    headers
        .iter()
        .map(|h| h.name)
        .find(|name| is_renamed(name, &case.scheme.header))
}

/// Says whether a header's name is another's, as proxies change names.
pub(super) fn is_renamed(name: &str, expected: &str) -> bool {
    name != expected && same(plain(name.as_bytes()), plain(expected.as_bytes()))
}

/// Returns a header's name without what proxies put before it.
fn plain(mut name: &[u8]) -> &[u8] {
    const BEFORE: [&[u8]; 6] = [
        b"http-",
        b"x-original-",
        b"x-forwarded-",
        b"original-",
        b"x-amzn-remapped-",
        b"x-",
    ];
    for prefix in BEFORE {
        if let Some((start, rest)) = name.split_at_checked(prefix.len())
            && same(start, prefix)
        {
            name = rest;
        }
    }
    name
}

/// Compares names for which `_` is as good as `-`.
fn same(a: &[u8], b: &[u8]) -> bool {
    let dash = |byte: u8| if byte == b'_' { b'-' } else { byte };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| dash(*a) == dash(*b))
}

/// Finds a known provider's signature header under a changed name.
pub(super) fn find_renamed_header(request: &Request, known: &[Provider]) -> Option<Finding> {
    let named = known.iter().filter_map(|p| {
        let expected = p.signature.as_ref().map(|s| s.header.as_str())?;
        let mut names = request.headers.iter().map(|h| h.name);
        // An `x-` more or less may as well be a header of somebody unknown.
        let changed = |name: &str| {
            name.contains('_')
                || !name.ends_with(expected.trim_start_matches("x-"))
                || name.len() > expected.len() + 2
        };
        let name = names.find(|name| is_renamed(name, expected) && changed(name))?;
        Some((p, name, expected))
    });
    let (provider, name, expected) = named.into_iter().next()?;
    Some(finding(
        "header_renamed",
        false,
        format!(
            "The header {} looks like {expected} of {}, renamed on the way, so nothing says who sent it.",
            visible(name),
            provider.title
        ),
        RENAMED,
    ))
}

/// Sees the signature header under a changed name.
pub(super) fn renamed(case: &Case<'_>) -> Observation {
    if case.verification.status != Status::MissingSignature {
        return Observation::Absent("the header has its own name");
    }
    match renamed_name(case) {
        Some(name) if found_elsewhere(case).is_some() => {
            Observation::Present(other_header_finding(case, name))
        }
        Some(name) => Observation::Present(finding(
            "header_renamed",
            true,
            format!(
                "{} is absent; {} looks like it, renamed on the way.",
                case.scheme.header,
                visible(name)
            ),
            RENAMED,
        )),
        None => Observation::Absent("no header's name is like it"),
    }
}

/// Returns the name of the provider whose signature header that is.
fn provider_of<'c>(case: &'c Case<'_>, header: &str) -> Option<&'c str> {
    let known = case.subject.known.iter();
    let of = |p: &&Provider| p.signature.as_ref().is_some_and(|s| s.header == header);
    known
        .filter(|p| p.name != case.subject.provider.name)
        .find(of)
        .map(|p| p.title.as_str())
}

/// Returns another provider's signature header that came.
fn other_provider_header<'c>(case: &'c Case<'_>) -> Option<(&'c str, &'c str)> {
    let mut headers = case.subject.request.headers.iter();
    headers.find_map(|h| {
        (h.name != case.scheme.header)
            .then(|| provider_of(case, h.name))
            .flatten()
            .map(|provider| (h.name, provider))
    })
}

/// Finds that another provider's header came, and holds by that one's scheme
/// with a configured secret.
pub(super) fn signed_as_other_provider(case: &Case<'_>) -> Option<Finding> {
    if case.verification.status != Status::MissingSignature {
        return None;
    }
    let (name, _) = other_provider_header(case)?;
    let subject = &case.subject;
    let secrets: Vec<&Secret> = [subject.secrets, subject.others].concat();
    let keys = Keys {
        secrets: &secrets,
        url: subject.url,
    };
    let of = |p: &&Provider| p.signature.as_ref().is_some_and(|s| s.header == name);
    let known = subject.known.iter().filter(of);
    let (provider, with) = known
        .take(MAX_PROVIDERS_TRIED)
        .map(|p| (p, verify(subject.request, p, keys, subject.now)))
        .find(|(_, v)| matches!(v.status, Status::Valid | Status::Stale))?;
    let expected = &case.scheme.header;
    let mut finding = finding(
        "other_provider_header",
        true,
        format!(
            "Signed as {} signs, in its header {}; this endpoint expects {expected}.",
            provider.title,
            visible(name)
        ),
        format!(
            "If it comes from there, say so:  provider = \"{}\" for this endpoint in creel.toml, or creel --provider {}",
            provider.name, provider.name
        ),
    );
    finding.proof = format!(
        "Recomputed as {} does, with {}, it gives exactly what came.",
        provider.title,
        with.secret.unwrap_or_default()
    );
    Some(finding)
}

/// More providers that share one header are not tried.
const MAX_PROVIDERS_TRIED: usize = 8;

/// Sees another provider's signature header.
pub(super) fn other_provider(case: &Case<'_>) -> Observation {
    if case.verification.status != Status::MissingSignature {
        return Observation::Absent("the provider's own header came");
    }
    match other_provider_header(case) {
        Some((name, _)) if found_elsewhere(case) == Some(name) => {
            Observation::Present(other_header_finding(case, name))
        }
        Some((name, provider)) => Observation::Present(finding(
            "other_provider_header",
            true,
            format!(
                "{} is absent; {}, the header of {provider}, came.",
                case.scheme.header,
                visible(name)
            ),
            "Name the provider that sends here for this endpoint, or send it to another endpoint.",
        )),
        None => Observation::Absent("no other provider's header came"),
    }
}

/// Sees a signature in some other header.
pub(super) fn other_header(case: &Case<'_>) -> Observation {
    if case.verification.status != Status::MissingSignature {
        return Observation::NotApplicable("the scheme's own header came");
    }
    match found_elsewhere(case) {
        Some(name)
            if !is_renamed(name, &case.scheme.header) && provider_of(case, name).is_none() =>
        {
            Observation::Present(other_header_finding(case, name))
        }
        _ => Observation::Absent("no other header holds it"),
    }
}

/// Sees a signature header that came more than once where there should be one.
pub(super) fn doubled(case: &Case<'_>) -> Observation {
    let times = case
        .subject
        .request
        .headers
        .all(&case.scheme.header)
        .count();
    if !matches!(case.reading.problem, Some(Problem::Doubled(_))) {
        return if times > 1 {
            Observation::Absent("the scheme allows a list")
        } else {
            Observation::Absent("it came once")
        };
    }
    Observation::Present(twice(case, "none of them is right."))
}

/// Says that one of the signature headers that came is right.
pub(super) fn doubled_finding(case: &Case<'_>, found: &CandidateDigest) -> Finding {
    twice(case, &format!("one of them is right: {}.", found.text))
}

fn twice(case: &Case<'_>, which: &str) -> Finding {
    let header = &case.scheme.header;
    let times = case.subject.request.headers.all(header).count();
    finding(
        "header_doubled",
        true,
        format!("{header} came {times} times; {which}"),
        "Two hops sign or copy the header: let one do it. In nginx proxy_set_header replaces, add_header adds.",
    )
}

/// Sees that only versions came which the scheme does not know.
pub(super) fn versions(case: &Case<'_>) -> Observation {
    if !matches!(case.reading.problem, Some(Problem::Form)) {
        return Observation::Absent("the version that came is known");
    }
    let Some(found) = case
        .candidates
        .iter()
        .find(|c| c.deviations.contains(&Deviation::Version))
    else {
        return Observation::Absent("no version of another number came");
    };
    Observation::Present(finding(
        "signature_version",
        true,
        format!(
            "Only versions came that the scheme does not know: it reads {}, and {} stands under another.",
            case.scheme.format, found.text
        ),
        "Ask the sender for the version this scheme knows, or name the provider that signs so.",
    ))
}

/// Compares `content-length` with the body.
pub(super) fn content_length(case: &Case<'_>) -> Observation {
    let request = case.subject.request;
    let size = request.body.len();
    match request
        .headers
        .text("content-length")
        .map(str::parse::<usize>)
    {
        Some(Ok(stated)) if stated != size => Observation::Present(finding(
            "content_length",
            true,
            format!(
                "content-length says {} bytes, the body has {}.",
                thousands(stated as u64),
                thousands(size as u64)
            ),
            if stated > size {
                "The body was cut short on the way."
            } else {
                "Something was added to the body on the way."
            },
        )),
        Some(_) => Observation::Absent("content-length agrees"),
        None => Observation::NotApplicable("there is no content-length"),
    }
}

/// Says that a body came compressed, where the signature does not hold.
pub(super) fn content_encoding(case: &Case<'_>) -> Observation {
    let coding = case.subject.request.headers.text("content-encoding");
    match coding.filter(|c| !c.eq_ignore_ascii_case("identity")) {
        Some(coding) if case.verification.status == Status::Invalid => {
            Observation::Present(finding(
                "content_encoding",
                false,
                format!(
                    "The body came with content-encoding {}; a sender signs it before or after compressing.",
                    visible(coding)
                ),
                "Check that no proxy compresses bodies.",
            ))
        }
        Some(_) => Observation::NotApplicable("the signature is not in doubt"),
        None => Observation::NotApplicable("there is no content-encoding"),
    }
}
