//! Hypotheses about changes to the body in transit.

use super::case::Case;
use super::finding;
use super::hypothesis::{Observation, Variation, Variations, non_empty_or};
use super::inflate::inflate;
use crate::domain::verification::Status;

/// The maximum size of a decompressed body, in bytes (2 MiB).
const MAX_INFLATED_BYTES: usize = 2 << 20;

const TRANSIT_ADVICE: &str = "Find what changes the body between the sender and creel: a proxy, a tunnel, or a tool that parses and re-serializes it.";

fn variation<'a>(body: impl Into<std::borrow::Cow<'a, [u8]>>, what: &str) -> Variation<'a> {
    Variation::body(
        body,
        format!("{what}. The rest of the body is as signed."),
        TRANSIT_ADVICE,
    )
}

/// Tries the body with a newline at its end added and removed.
#[expect(clippy::unnecessary_wraps, reason = "one of many of this shape")]
pub(super) fn newline<'a>(case: &Case<'a>) -> Variations<'a> {
    let body = case.body();
    let mut variations = vec![
        variation(
            [body, b"\n"].concat(),
            "A newline at the end of the body was removed in transit",
        ),
        variation(
            [body, b"\r\n"].concat(),
            "A line ending (CRLF) at the end of the body was removed in transit",
        ),
    ];
    if let Some(rest) = body.strip_suffix(b"\r\n") {
        variations.push(variation(
            rest,
            "A line ending (CRLF) was added at the end of the body in transit",
        ));
    }
    if let Some(rest) = body.strip_suffix(b"\n") {
        variations.push(variation(
            rest,
            "A newline was added at the end of the body in transit",
        ));
    }
    let trimmed = body.trim_ascii();
    if trimmed.len() != body.len() {
        variations.push(variation(
            trimmed,
            "Whitespace was added around the body in transit",
        ));
    }
    Ok(variations)
}

/// Tries the body with LF and CRLF line endings swapped.
pub(super) fn line_ends<'a>(case: &Case<'a>) -> Variations<'a> {
    let body = case.body();
    if !body.contains(&b'\n') && !body.contains(&b'\r') {
        return Err("the body has no line endings");
    }
    let mut lf = Vec::with_capacity(body.len());
    for (at, byte) in body.iter().enumerate() {
        match byte {
            b'\r' if body.get(at + 1) == Some(&b'\n') => {}
            other => lf.push(*other),
        }
    }
    let mut crlf = Vec::with_capacity(lf.len() + lf.len() / 16);
    for byte in &lf {
        if *byte == b'\n' {
            crlf.push(b'\r');
        }
        crlf.push(*byte);
    }
    let none: Vec<u8> = lf
        .iter()
        .copied()
        .filter(|b| *b != b'\n' && *b != b'\r')
        .collect();
    Ok(vec![
        variation(
            crlf,
            "The line endings of the body were changed to LF in transit; they were signed as CRLF",
        ),
        variation(
            lf,
            "The line endings of the body were changed to CRLF in transit; they were signed as LF",
        ),
        variation(
            none,
            "Line endings were added to the body in transit; it was signed without any",
        ),
    ])
}

/// Tries the body with a byte order mark added or removed.
#[expect(clippy::unnecessary_wraps, reason = "one of many of this shape")]
pub(super) fn bom<'a>(case: &Case<'a>) -> Variations<'a> {
    let mark = b"\xef\xbb\xbf";
    Ok(vec![match case.body().strip_prefix(mark) {
        Some(rest) => variation(
            rest,
            "A byte order mark was added before the body in transit",
        ),
        None => variation(
            [mark, case.body()].concat(),
            "The byte order mark before the body was removed in transit",
        ),
    }])
}

/// Tries an empty body, and the placeholders that buggy code signs instead.
#[expect(clippy::unnecessary_wraps, reason = "one of many of this shape")]
pub(super) fn empty<'a>(_: &Case<'a>) -> Variations<'a> {
    let words: [&'static [u8]; 8] = [
        b"",
        b"{}",
        b"[object Object]",
        b"undefined",
        b"null",
        b"\"\"",
        b"None",
        b"b''",
    ];
    Ok(words
        .into_iter()
        .map(|word| {
            let what = if word.is_empty() { "an empty body".to_owned() } else { format!("\"{}\" instead of the body", String::from_utf8_lossy(word)) };
            Variation::body(
                word,
                format!("Signed over {what}."),
                "Where you sign, the body is not available yet or was already read: sign the exact bytes that are sent. In Express, keep them with express.json({verify: (req, res, buf) => { req.rawBody = buf }}).",
            )
        })
        .collect())
}

/// Tries only the first part of the body.
pub(super) fn beginning<'a>(case: &Case<'a>) -> Variations<'a> {
    let body = case.body();
    let stated = case
        .subject
        .request
        .headers
        .text("content-length")
        .and_then(|v| v.parse::<usize>().ok());
    let mut lengths: Vec<usize> = (8..=24)
        .map(|power| 1 << power)
        .filter(|n| *n < body.len())
        .collect();
    lengths.extend(stated.filter(|n| *n < body.len() && *n > 0));
    // Buffer sizes are powers of two; other multiples would cost too much.
    let variations: Vec<_> = lengths
        .into_iter()
        .map(|length| {
            let size = crate::domain::text::thousands(length as u64);
            Variation::body(
                &body[..length],
                format!("Only the first {size} bytes of the body were signed."),
                if stated == Some(length) {
                    "Something was appended to the body after the length that content-length states."
                } else {
                    "Where you sign, the body is read into a buffer of that size: read it to the end."
                },
            )
        })
        .collect();
    non_empty_or("the body is shorter than any usual buffer")(variations)
}

/// Detects a truncated body.
pub(super) fn cut(case: &Case<'_>) -> Observation {
    let body = case.body();
    if !matches!(case.verification.status, Status::Invalid) {
        return Observation::NotApplicable("the signature is not invalid");
    }
    let round = body.len() >= 256
        && body.len().is_multiple_of(256)
        && (body.len().is_power_of_two() || body.len().is_multiple_of(4096));
    if case.json().is_some() || !super::json::is_cut_off(body) {
        return Observation::Absent("the body is not truncated");
    }
    let at = crate::domain::text::thousands(body.len() as u64);
    let size = if round { ", the size of a buffer" } else { "" };
    Observation::Present(finding(
        "body_cut",
        true,
        format!(
            "The body is JSON that was truncated after {at} bytes{size}; the missing part cannot be computed."
        ),
        "Look for a limit in transit: client_max_body_size or a buffer in a proxy, the size of a database column, a read without a loop.",
    ))
}

/// Tries the decompressed form of a compressed body.
pub(super) fn inflated<'a>(case: &Case<'a>) -> Variations<'a> {
    let Some(inner) = inflate(case.body(), MAX_INFLATED_BYTES) else {
        return Err("the body is not compressed");
    };
    Ok(vec![Variation::body(
        inner,
        "The body was signed before it was compressed.",
        "Sign the bytes that are sent, or turn off compression in transit. In Express, verify before or after decompression, as the sender signs.",
    )])
}

/// Detects a body that was decompressed in transit: `content-encoding` names a
/// compression, and the body is not compressed.
pub(super) fn inflated_on_the_way(case: &Case<'_>) -> Observation {
    let coding = case
        .subject
        .request
        .headers
        .text("content-encoding")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let zipped = ["gzip", "x-gzip", "deflate"].contains(&coding.as_str());
    if !zipped {
        return Observation::NotApplicable("content-encoding names no compression");
    }
    let is = match coding.as_str() {
        "deflate" => matches!(case.body().first(), Some(first) if first & 15 == 8),
        _ => case.body().starts_with(b"\x1f\x8b"),
    };
    if is {
        return Observation::Absent("the body is compressed, as content-encoding says");
    }
    Observation::Present(finding(
        "body_inflated",
        true,
        format!(
            "content-encoding says {coding}, but the body is not compressed: it was decompressed in transit, and the signature may cover the compressed bytes."
        ),
        "Configure the proxy not to decompress bodies: gunzip off in nginx, inflate: false in express.raw().",
    ))
}
