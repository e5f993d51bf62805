//! Findings for a correct digest that is written in an unexpected way.

use super::case::{Case, DigestMatch};
use super::deviation::Deviation;
use super::finding;
use crate::domain::provider::scheme::Leniency;
use crate::domain::text;
use crate::domain::verification::Finding;

/// Creates the finding for a deviation of a matched digest.
pub(super) fn explain(case: &Case<'_>, deviation: Deviation, hit: &DigestMatch) -> Finding {
    let found = &case.candidates[hit.candidate];
    let header = text::visible(&case.scheme.header);
    let (code, what, advice) = match deviation {
        Deviation::Encoding | Deviation::Twice => {
            let how = match deviation {
                Deviation::Twice => "as base64 of its hex text",
                _ if found.text.bytes().all(|b| b.is_ascii_hexdigit()) => "in hex",
                _ => "in base64",
            };
            (
                if deviation == Deviation::Twice {
                    "signature_twice"
                } else {
                    "signature_encoding"
                },
                format!(
                    "The digest is correct but written {how}; the scheme uses {}.",
                    case.scheme.encoding.word()
                ),
                "Encode the HMAC that way where you sign: .digest('hex') or .digest('base64') in Node.",
            )
        }
        Deviation::Case => (
            "signature_case",
            "The digest is correct but in upper case.".to_owned(),
            "Write the hex digits in lower case where you sign.",
        ),
        Deviation::Alphabet => (
            "signature_alphabet",
            "The digest is correct but in the other base64 alphabet (+/ and -_ are swapped)."
                .to_owned(),
            "Use the other alphabet where you sign: base64.b64encode and base64.urlsafe_b64encode differ in Python.",
        ),
        Deviation::Padding => (
            "signature_padding",
            "The digest is correct but has different base64 padding (=).".to_owned(),
            "Keep the trailing = if the scheme has it; something trims it.",
        ),
        Deviation::Prefix => (
            "signature_prefix",
            format!(
                "The digest is correct, but {header} does not have the form {}.",
                case.scheme.format
            ),
            "Correct the text around the digest at the sender, or name the provider that signs this way.",
        ),
        Deviation::Cut => (
            "signature_cut",
            format!(
                "The signature is correct but truncated: only its first {} bytes were received.",
                found.digest.len()
            ),
            "Look for a database column or a header limit that truncates values.",
        ),
        Deviation::Percent => (
            "signature_percent",
            "The digest is correct but percent-encoded.".to_owned(),
            "Something treats the header as part of a URL: remove the percent-encoding.",
        ),
        Deviation::Trailing => (
            "signature_trailing",
            format!("The signature is correct, but more text follows it in {header}."),
            "Look for what adds text after the header value: a list, a log prefix, a proxy.",
        ),
        Deviation::Version => (
            "signature_version",
            format!(
                "The digest is correct but labelled with another version than {}.",
                case.scheme.format
            ),
            "Ask the sender for the version that this scheme knows, or name the provider that signs this way.",
        ),
        Deviation::Joined => (
            "header_joined",
            format!("{header} contains several values joined by commas; one of them is correct."),
            "A proxy joined repeated headers: configure it to pass them separately, or send only one.",
        ),
        Deviation::Doubled => return super::header::doubled_finding(case, found),
        Deviation::Elsewhere => return super::header::other_header_finding(case, &found.header),
    };
    let leniency = match deviation {
        Deviation::Prefix if is_quoted(case) => Some(Leniency::Quotes),
        Deviation::Alphabet => Some(Leniency::Alphabet),
        Deviation::Padding => Some(Leniency::Padding),
        Deviation::Trailing => Some(Leniency::Trailing),
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

/// Returns whether the value of the signature header is quoted.
fn is_quoted(case: &Case<'_>) -> bool {
    let mut values = case.subject.request.headers.all(&case.scheme.header);
    values.any(|value| value.starts_with(b"\"") && value.ends_with(b"\""))
}
