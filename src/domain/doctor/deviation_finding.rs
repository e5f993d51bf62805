//! What a digest written otherwise means, as a sentence.

use super::case::{Case, DigestMatch};
use super::deviation::Deviation;
use super::finding;
use crate::domain::provider::scheme::Leniency;
use crate::domain::text;
use crate::domain::verification::Finding;

/// Says what a spelling means for a digest that came.
pub(super) fn explain(case: &Case<'_>, deviation: Deviation, hit: &DigestMatch) -> Finding {
    let found = &case.candidates[hit.candidate];
    let header = text::visible(&case.scheme.header);
    let (code, what, advice) = match deviation {
        Deviation::Encoding | Deviation::Twice => {
            let how = match deviation {
                Deviation::Twice => "in base64 of its hexadecimal text",
                _ if found.text.bytes().all(|b| b.is_ascii_hexdigit()) => "in hexadecimal",
                _ => "in base64",
            };
            (
                if deviation == Deviation::Twice { "signature_twice" } else { "signature_encoding" },
                format!(
                    "The digest is right, but written {how}; the scheme writes it in {}.",
                    case.scheme.encoding.word()
                ),
                "Where you sign: let the HMAC give that encoding, as .digest('hex') or .digest('base64') does in Node.",
            )
        }
        Deviation::Case => (
            "signature_case",
            "The digest is right, but written in upper case.".to_owned(),
            "Where you sign, write the hexadecimal in lower case.",
        ),
        Deviation::Alphabet => (
            "signature_alphabet",
            "The digest is right, but written in the other alphabet of base64 (+/ and -_ are swapped).".to_owned(),
            "Where you sign: in Python base64.b64encode and base64.urlsafe_b64encode are two; take the other.",
        ),
        Deviation::Padding => (
            "signature_padding",
            "The digest is right, but the padding (=) of its base64 differs.".to_owned(),
            "Keep the = at the end where the scheme has it; something trims it.",
        ),
        Deviation::Prefix => (
            "signature_prefix",
            format!(
                "The digest is right, but {header} does not have the form {}.",
                case.scheme.format
            ),
            "Correct what the sender writes around it, or name the provider that signs so.",
        ),
        Deviation::Cut => (
            "signature_cut",
            format!(
                "The signature is right as far as it goes: only its first {} bytes came.",
                found.digest.len()
            ),
            "Look for a column or a header limit that cuts values short.",
        ),
        Deviation::Percent => (
            "signature_percent",
            "The digest is right, but percent-encoded.".to_owned(),
            "Something treats the header as a part of an address: take its URL-encoding out.",
        ),
        Deviation::Version => (
            "signature_version",
            format!("The digest is right, but stands under another version than {}.", case.scheme.format),
            "Ask the sender for the version this scheme knows, or name the provider that signs so.",
        ),
        Deviation::Joined => (
            "header_joined",
            format!("{header} holds several values joined by commas; one of them is right."),
            "A proxy joined repeated headers: let it pass them one by one, or send one.",
        ),
        Deviation::Doubled => return super::header::doubled_finding(case, found),
        Deviation::Elsewhere => return super::header::other_header_finding(case, &found.header),
    };
    let leniency = match deviation {
        Deviation::Prefix if is_quoted(case) => Some(Leniency::Quotes),
        Deviation::Alphabet => Some(Leniency::Alphabet),
        Deviation::Padding => Some(Leniency::Padding),
        _ => None,
    };
    let accepted = leniency.is_some_and(|l| case.scheme.library_accepts.contains(&l));
    let note = if accepted {
        format!(
            " The official library of {} accepts this; creel compares byte by byte.",
            case.subject.provider.title
        )
    } else {
        String::new()
    };
    finding(code, true, format!("{what}{note}"), advice)
}

/// Says whether the signature header's value stands between quotes.
fn is_quoted(case: &Case<'_>) -> bool {
    let mut values = case.subject.request.headers.all(&case.scheme.header);
    values.any(|value| value.starts_with(b"\"") && value.ends_with(b"\""))
}
