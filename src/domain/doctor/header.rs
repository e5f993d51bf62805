//! What may be wrong with the headers.

use super::{Case, finding};
use crate::domain::provider::Encoding;
use crate::domain::signature::{decode_key, digest, encode, same};
use crate::domain::text;
use crate::domain::verification::Finding;

/// Tries the right digest written in another way, or without its prefix.
pub(super) fn encoding(case: &Case<'_>) -> Vec<Finding> {
    let Some(value) = case.patient.request.headers.first(&case.scheme.header) else {
        return Vec::new();
    };
    let filling = case.reading.filling(case.patient.request, case.patient.url);
    for secret in case.patient.secrets {
        let Some(key) = decode_key(secret.reveal(), case.scheme.secret) else {
            continue;
        };
        let digest = digest(
            case.scheme.algorithm,
            &key,
            case.scheme.signed.pieces(&filling),
        );
        let right = encode(case.scheme.encoding, &digest);
        let mut forms = vec![
            ("in hexadecimal", hex::encode(&digest)),
            ("in upper-case hexadecimal", hex::encode_upper(&digest)),
            ("in base64", encode(Encoding::Base64, &digest)),
            (
                "in base64 without padding",
                encode(Encoding::Base64, &digest)
                    .trim_end_matches('=')
                    .to_owned(),
            ),
            ("in url-safe base64", encode(Encoding::Base64Url, &digest)),
        ];
        forms.retain(|(_, form)| *form != right);
        for (how, text) in forms {
            let matched = case
                .reading
                .signatures
                .iter()
                .any(|received| same(received, text.as_bytes()));
            if matched || contains(value, text.as_bytes()) {
                return vec![finding(
                    "signature_encoding",
                    true,
                    format!(
                        "The digest is right, but written {how}; the scheme writes it {}.",
                        case.scheme.encoding.word()
                    ),
                    "Correct how the sender writes it, or name the provider that signs so.",
                )];
            }
        }
        if case.reading.problem.is_some() && contains(value, right.as_bytes()) {
            return vec![finding(
                "signature_prefix",
                true,
                format!(
                    "The digest is right, but the header does not have the form {}.",
                    case.scheme.format
                ),
                "Correct what the sender writes around it, or name the provider that signs so.",
            )];
        }
    }
    Vec::new()
}

/// Says that the signature header is absent.
pub(super) fn absent(case: &Case<'_>) -> Finding {
    let provider = case.patient.provider;
    let header = &case.scheme.header;
    if provider.sender.handshake.is_some() && case.patient.request.method == "POST" {
        return finding(
            "probable_verification",
            false,
            format!(
                "Unsigned: probably the verification POST that {} sends when an endpoint is registered.",
                provider.title
            ),
            "Nothing; it was answered, and signed events follow.",
        );
    }
    let renamed = case.patient.request.headers.iter().find(|h| {
        h.name != *header
            && h.name
                .replace('_', "-")
                .trim_start_matches("x-original-")
                .trim_start_matches("http-")
                == *header
    });
    match renamed {
        Some(renamed) => finding(
            "header_renamed",
            true,
            format!(
                "{header} is absent; {} looks like it, renamed on the way.",
                text::visible(&renamed.name)
            ),
            "Keep the proxy from renaming headers.",
        ),
        None => finding(
            "signature_missing",
            true,
            format!(
                "The header {header} is absent or empty, though {} signs every delivery.",
                provider.title
            ),
            "Check that this request really came from there, and that no proxy takes the header away.",
        ),
    }
}

/// Compares `content-length` with the body.
pub(super) fn content_length(case: &Case<'_>) -> Vec<Finding> {
    let request = case.patient.request;
    let size = request.body.len();
    match request
        .headers
        .text("content-length")
        .map(str::parse::<usize>)
    {
        Some(Ok(stated)) if stated != size => vec![finding(
            "content_length",
            true,
            format!(
                "content-length says {} bytes, the body has {}.",
                text::thousands(stated as u64),
                text::thousands(size as u64)
            ),
            if stated > size {
                "The body was cut short on the way."
            } else {
                "Something was added to the body on the way."
            },
        )],
        _ => Vec::new(),
    }
}

/// Says that a body came compressed, where the signature does not hold.
pub(super) fn content_encoding(case: &Case<'_>) -> Vec<Finding> {
    use crate::domain::verification::Status;
    let coding = case
        .patient
        .request
        .headers
        .text("content-encoding")
        .filter(|c| !c.eq_ignore_ascii_case("identity"));
    match coding {
        Some(coding) if case.verification.status == Status::Invalid => vec![finding(
            "content_encoding",
            false,
            format!(
                "The body came with content-encoding {}; a sender signs it before or after compressing.",
                text::visible(coding)
            ),
            "Check that no proxy compresses bodies.",
        )],
        _ => Vec::new(),
    }
}

fn contains(value: &[u8], part: &[u8]) -> bool {
    value
        .windows(part.len().max(1))
        .any(|window| window == part)
}
