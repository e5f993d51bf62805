//! Hypotheses about the headers.

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

/// Detects a missing signature header.
pub(super) fn missing(case: &Case<'_>) -> Observation {
    if case.verification.status != Status::MissingSignature {
        return Observation::Absent("the header is present");
    }
    let provider = case.subject.provider;
    if renamed_name(case).is_some()
        || other_provider_header(case).is_some()
        || found_elsewhere(case).is_some()
    {
        return Observation::Absent("it has another name");
    }
    if probable_handshake(case) || unsigned_handshake(case).is_some() {
        return Observation::Absent("a request that registers an endpoint is not signed");
    }
    let place = match &case.scheme.pointer {
        Some(_) => case.scheme.place(),
        None => format!("The header {}", case.scheme.header),
    };
    Observation::Present(finding(
        "signature_missing",
        true,
        format!(
            "{place} is absent or empty, though {} signs every delivery.",
            provider.title
        ),
        "Check that this request was really sent by the provider, and that no proxy removes the header.",
    ))
}

/// Returns the name of the request's handshake, if that handshake is unsigned.
fn unsigned_handshake<'c>(case: &'c Case<'_>) -> Option<&'c str> {
    let found = Handshake::unsigned(case.subject.provider, case.subject.request);
    found.filter(|_| case.subject.provider.sender.handshake.is_none())
}

fn probable_handshake(case: &Case<'_>) -> bool {
    case.subject.provider.sender.handshake.is_some() && case.subject.request.method == "POST"
}

/// Detects a request that registers an endpoint.
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
        "No action needed: it was answered, and signed events follow.",
    ))
}

/// Creates the finding for a handshake that needs no signature.
pub(super) fn handshake_finding(sender: &str, name: &str) -> Finding {
    finding(
        "probable_verification",
        true,
        format!(
            "{} verifies the endpoint ({}); this request needs no signature.",
            visible(sender),
            visible(name)
        ),
        "No action needed: it was answered, and events follow.",
    )
}

/// Creates the finding for a correct signature in another header.
pub(super) fn other_header_finding(case: &Case<'_>, header: &str) -> Finding {
    let (shown, expected) = (visible(header), &case.scheme.header);
    if is_renamed(header, expected) {
        return finding(
            "header_renamed",
            true,
            format!("The signature is correct, but in {shown}: {expected} was renamed in transit."),
            RENAMED,
        );
    }
    if let Some(provider) = provider_of(case, header) {
        return finding(
            "other_provider_header",
            true,
            format!(
                "The signature is correct, but in {shown}, the header of {provider}; this endpoint expects {expected}."
            ),
            "Name the provider that sends here, or send the signature in the header that this endpoint expects.",
        );
    }
    finding(
        "signature_elsewhere",
        true,
        format!("The signature is correct, but in {shown} instead of {expected}."),
        format!(
            "Send it as {expected}, or name that header for the endpoint in creel.toml: headers = {{ signature = \"{shown}\" }}"
        ),
    )
}

const RENAMED: &str = "Configure the proxy not to rename headers; in nginx, proxy_set_header passes a header under its own name.";

/// Returns the header of a matching signature, if it is not the scheme's
/// header.
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

/// Returns whether a header name is `expected` as a proxy would rename it.
pub(super) fn is_renamed(name: &str, expected: &str) -> bool {
    name != expected && same(plain(name.as_bytes()), plain(expected.as_bytes()))
}

/// Returns a header name without the prefixes that proxies add.
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

/// Compares header names, treating `_` and `-` as equal.
fn same(a: &[u8], b: &[u8]) -> bool {
    let dash = |byte: u8| if byte == b'_' { b'-' } else { byte };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| dash(*a) == dash(*b))
}

/// Finds the signature header of a known provider under a changed name.
pub(super) fn find_renamed_header(request: &Request, known: &[Provider]) -> Option<Finding> {
    let named = known.iter().filter_map(|p| {
        let expected = p.signature.as_ref().map(|s| s.header.as_str())?;
        let mut names = request.headers.iter().map(|h| h.name);
        // A name that differs only in `x-` may be the header of an unknown
        // provider.
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
            "The header {} looks like {expected} of {}, renamed in transit, so the provider cannot be detected.",
            visible(name),
            provider.title
        ),
        RENAMED,
    ))
}

/// Detects a renamed signature header.
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
                "{} is absent; {} looks like the same header, renamed in transit.",
                case.scheme.header,
                visible(name)
            ),
            RENAMED,
        )),
        None => Observation::Absent("no header has a similar name"),
    }
}

/// Returns the title of the provider that uses this signature header.
fn provider_of<'c>(case: &'c Case<'_>, header: &str) -> Option<&'c str> {
    let known = case.subject.known.iter();
    let of = |p: &&Provider| p.signature.as_ref().is_some_and(|s| s.header == header);
    known
        .filter(|p| p.name != case.subject.provider.name)
        .find(of)
        .map(|p| p.title.as_str())
}

/// Returns the signature header of another provider, if the request has one.
fn other_provider_header<'c>(case: &'c Case<'_>) -> Option<(&'c str, &'c str)> {
    let mut headers = case.subject.request.headers.iter();
    headers.find_map(|h| {
        (h.name != case.scheme.header)
            .then(|| provider_of(case, h.name))
            .flatten()
            .map(|provider| (h.name, provider))
    })
}

/// Detects a delivery that verifies under another provider's scheme with a
/// configured secret.
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
            "Signed by the scheme of {}, in its header {}; this endpoint expects {expected}.",
            provider.title,
            visible(name)
        ),
        format!(
            "If that is the sender, name it:  provider = \"{}\" for this endpoint in creel.toml, or creel --provider {}",
            provider.name, provider.name
        ),
    );
    finding.proof = format!(
        "Recomputed by the scheme of {} with {}: equals the received signature.",
        provider.title,
        with.secret.unwrap_or_default()
    );
    Some(finding)
}

/// How many providers that share one header are tried.
const MAX_PROVIDERS_TRIED: usize = 8;

/// Detects the signature header of another provider.
pub(super) fn other_provider(case: &Case<'_>) -> Observation {
    if case.verification.status != Status::MissingSignature {
        return Observation::Absent("the provider's own header is present");
    }
    match other_provider_header(case) {
        Some((name, _)) if found_elsewhere(case) == Some(name) => {
            Observation::Present(other_header_finding(case, name))
        }
        Some((name, provider)) => Observation::Present(finding(
            "other_provider_header",
            true,
            format!(
                "{} is absent; {}, the header of {provider}, is present instead.",
                case.scheme.header,
                visible(name)
            ),
            "Name the provider of this endpoint, or send the delivery to another endpoint.",
        )),
        None => Observation::Absent("no header of another provider is present"),
    }
}

/// Detects a signature in any other header.
pub(super) fn other_header(case: &Case<'_>) -> Observation {
    if case.verification.status != Status::MissingSignature {
        return Observation::NotApplicable("the scheme's own header is present");
    }
    match found_elsewhere(case) {
        Some(name)
            if !is_renamed(name, &case.scheme.header) && provider_of(case, name).is_none() =>
        {
            Observation::Present(other_header_finding(case, name))
        }
        _ => Observation::Absent("no other header contains it"),
    }
}

/// Detects a repeated signature header that must occur once.
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
            Observation::Absent("it occurs once")
        };
    }
    Observation::Present(twice(case, "none of them is correct."))
}

/// Creates the finding for a repeated signature header of which one value is
/// correct.
pub(super) fn doubled_finding(case: &Case<'_>, found: &CandidateDigest) -> Finding {
    twice(case, &format!("one of them is correct: {}.", found.text))
}

fn twice(case: &Case<'_>, which: &str) -> Finding {
    let header = &case.scheme.header;
    let times = case.subject.request.headers.all(header).count();
    finding(
        "header_doubled",
        true,
        format!("{header} occurs {times} times; {which}"),
        "Two hops add or copy the header: let only one do it. In nginx, proxy_set_header replaces and add_header adds.",
    )
}

/// Detects signatures that are all labelled with unknown versions.
pub(super) fn versions(case: &Case<'_>) -> Observation {
    if !matches!(case.reading.problem, Some(Problem::Form)) {
        return Observation::Absent("the received version is known");
    }
    let Some(found) = case
        .candidates
        .iter()
        .find(|c| c.deviations.contains(&Deviation::Version))
    else {
        return Observation::Absent("no other version is present");
    };
    Observation::Present(finding(
        "signature_version",
        true,
        format!(
            "The signatures have only versions that the scheme does not know: it reads {}, and {} is labelled with another.",
            case.scheme.format, found.text
        ),
        "Ask the sender for the version that this scheme knows, or name the provider that signs this way.",
    ))
}

/// Compares `content-length` with the size of the body.
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
                "The body was truncated in transit."
            } else {
                "Something was added to the body in transit."
            },
        )),
        Some(_) => Observation::Absent("content-length agrees"),
        None => Observation::NotApplicable("content-length is absent"),
    }
}

/// Detects a compressed body of a delivery whose signature is invalid.
pub(super) fn content_encoding(case: &Case<'_>) -> Observation {
    let coding = case.subject.request.headers.text("content-encoding");
    match coding.filter(|c| !c.eq_ignore_ascii_case("identity")) {
        Some(coding) if case.verification.status == Status::Invalid => {
            Observation::Present(finding(
                "content_encoding",
                false,
                format!(
                    "The body has content-encoding {}; senders sign either before or after compression.",
                    visible(coding)
                ),
                "Check that no proxy compresses bodies.",
            ))
        }
        Some(_) => Observation::NotApplicable("the signature is not invalid"),
        None => Observation::NotApplicable("content-encoding is absent"),
    }
}
