//! Hypotheses about bodies that were decoded in one charset and encoded in
//! another.

use super::case::Case;
use super::finding;
use super::hypothesis::{Observation, Variation, Variations};
use crate::domain::verification::Status;

/// Bodies larger than this are not tried, in bytes (2 MiB).
const MAX_BODY_BYTES: usize = 2 << 20;

const ADVICE: &str = "Something decodes the body as text: pass it on as bytes. In Java, use getInputStream() instead of getReader(); in Python, request.data instead of request.text.";

/// The characters of Windows-1252 from 0x80 to 0x9f, where it differs from
/// Latin-1.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// Tries the body in other charsets.
pub(super) fn wrong<'a>(case: &Case<'a>) -> Variations<'a> {
    let body = case.body();
    if body.len() > MAX_BODY_BYTES {
        return Err("the body is too large");
    }
    let mut variations = Vec::new();
    let mut add = |bytes: Option<Vec<u8>>, how: &str| {
        variations.extend(bytes.map(|bytes| {
            Variation::body(
                bytes,
                format!("The charset of the body was changed in transit; it was signed {how}."),
                ADVICE,
            )
        }));
    };
    if let Ok(text) = std::str::from_utf8(body) {
        if body.is_ascii() {
            add(Some(utf16(text, u16::to_le_bytes)), "as UTF-16");
            if !case.is_large() {
                let bytes = utf16(text, u16::to_be_bytes);
                add(Some(bytes), "as UTF-16, high byte first");
            }
            return Ok(variations);
        }
        add(narrow(text, false), "as Latin-1");
        add(narrow(text, true), "as Windows-1252");
        add(
            Some(wide(body, false)),
            "as doubly encoded UTF-8 (via Latin-1)",
        );
        add(
            Some(wide(body, true)),
            "as doubly encoded UTF-8 (via Windows-1252)",
        );
        add(
            Some(
                text.chars()
                    .map(|c| if c.is_ascii() { c } else { '?' })
                    .collect::<String>()
                    .into_bytes(),
            ),
            "with ? instead of non-ASCII characters",
        );
        add(Some(utf16(text, u16::to_le_bytes)), "as UTF-16");
    } else {
        add(Some(wide(body, false)), "as UTF-8 and received as Latin-1");
        add(
            Some(wide(body, true)),
            "as UTF-8 and received as Windows-1252",
        );
        add(
            Some(String::from_utf8_lossy(body).into_owned().into_bytes()),
            "with \u{fffd} instead of invalid UTF-8",
        );
    }
    Ok(variations)
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 2);
    for unit in text.encode_utf16() {
        out.extend_from_slice(&bytes(unit));
    }
    out
}

/// Encodes each character as one byte; returns `None` if one does not fit.
fn narrow(text: &str, windows: bool) -> Option<Vec<u8>> {
    text.chars()
        .map(|c| {
            let at = WINDOWS_1252
                .iter()
                .position(|w| *w == c)
                .filter(|_| windows);
            at.map(|at| 0x80 + at as u8)
                .or_else(|| u8::try_from(u32::from(c)).ok())
        })
        .collect()
}

/// Decodes each byte as one character.
fn wide(bytes: &[u8], windows: bool) -> Vec<u8> {
    let read = |b: &u8| match b {
        0x80..=0x9f if windows => WINDOWS_1252[usize::from(*b) - 0x80],
        _ => char::from(*b),
    };
    bytes.iter().map(read).collect::<String>().into_bytes()
}

/// Detects replacement characters, which mean that characters were lost in
/// transit.
pub(super) fn lost(case: &Case<'_>) -> Observation {
    if case.verification.status != Status::Invalid {
        return Observation::NotApplicable("the signature is not invalid");
    }
    let mark = "\u{fffd}".as_bytes();
    if case.body().len() > MAX_BODY_BYTES || !case.body().windows(3).any(|w| w == mark) {
        return Observation::Absent("the body does not contain \u{fffd}");
    }
    Observation::Present(finding(
        "body_characters_lost",
        false,
        "The body contains \u{fffd}, which replaces bytes that could not be decoded. They are lost, so the signature cannot be recomputed.",
        ADVICE,
    ))
}
