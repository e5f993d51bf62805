//! What may have happened to the body's bytes on their way.

use super::case::Case;
use super::finding;
use super::hypothesis::{Observation, Variation, Variations, non_empty_or};
use super::inflate::inflate;
use crate::domain::verification::Status;

/// How much a compressed body may hold; 2 MiB.
const MAX_INFLATED_BYTES: usize = 2 << 20;

const TRANSIT_ADVICE: &str = "Find what changes the body between the sender and creel: a proxy, a tunnel, or a tool that reads it and writes it again.";

fn variation<'a>(body: impl Into<std::borrow::Cow<'a, [u8]>>, what: &str) -> Variation<'a> {
    Variation::body(
        body,
        format!("{what}. The rest of it is as signed."),
        TRANSIT_ADVICE,
    )
}

/// Tries a newline at the end put there and taken away.
#[expect(clippy::unnecessary_wraps, reason = "one of many of this shape")]
pub(super) fn newline<'a>(case: &Case<'a>) -> Variations<'a> {
    let body = case.body();
    let mut variations = vec![
        variation(
            [body, b"\n"].concat(),
            "A newline at the body's end was removed on the way",
        ),
        variation(
            [body, b"\r\n"].concat(),
            "A line end (CRLF) at the body's end was removed on the way",
        ),
    ];
    if let Some(rest) = body.strip_suffix(b"\r\n") {
        variations.push(variation(
            rest,
            "A line end (CRLF) was added at the body's end on the way",
        ));
    }
    if let Some(rest) = body.strip_suffix(b"\n") {
        variations.push(variation(
            rest,
            "A newline was added at the body's end on the way",
        ));
    }
    let trimmed = body.trim_ascii();
    if trimmed.len() != body.len() {
        variations.push(variation(
            trimmed,
            "Blanks or line ends were added around the body on the way",
        ));
    }
    Ok(variations)
}

/// Tries line ends in the other form.
pub(super) fn line_ends<'a>(case: &Case<'a>) -> Variations<'a> {
    let body = case.body();
    if !body.contains(&b'\n') && !body.contains(&b'\r') {
        return Err("the body has no line ends");
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
            "The body's line ends became LF on the way; they were signed as CRLF",
        ),
        variation(
            lf,
            "The body's line ends became CRLF on the way; they were signed as LF",
        ),
        variation(
            none,
            "Line ends were put into the body on the way; it was signed without any",
        ),
    ])
}

/// Tries a byte order mark put there and taken away.
#[expect(clippy::unnecessary_wraps, reason = "one of many of this shape")]
pub(super) fn bom<'a>(case: &Case<'a>) -> Variations<'a> {
    let mark = b"\xef\xbb\xbf";
    Ok(vec![match case.body().strip_prefix(mark) {
        Some(rest) => variation(rest, "A byte order mark was put before the body on the way"),
        None => variation(
            [mark, case.body()].concat(),
            "A byte order mark before the body was removed on the way",
        ),
    }])
}

/// Tries no body, and what careless code makes of one.
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
            let what = if word.is_empty() { "an empty body".to_owned() } else { format!("\"{}\" in the place of the body", String::from_utf8_lossy(word)) };
            Variation::body(
                word,
                format!("Signed over {what}."),
                "Where you sign, the body is not there yet, or was read already: sign the very bytes that are sent. In Express, keep them with express.json({verify: (req, res, buf) => { req.rawBody = buf }}).",
            )
        })
        .collect())
}

/// Tries only the beginning of the body.
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
    // Multiples of the sizes buffers have are worth a look near the end only.
    let variations: Vec<_> = lengths
        .into_iter()
        .map(|length| {
            let size = crate::domain::text::thousands(length as u64);
            Variation::body(
                &body[..length],
                format!("Only the first {size} bytes of the body were signed."),
                if stated == Some(length) {
                    "Something was added to the body behind what content-length says."
                } else {
                    "Where you sign, the body is read into a buffer of that size: read it to its end."
                },
            )
        })
        .collect();
    non_empty_or("the body is shorter than any usual buffer")(variations)
}

/// Sees a body that was cut off.
pub(super) fn cut(case: &Case<'_>) -> Observation {
    let body = case.body();
    if !matches!(case.verification.status, Status::Invalid) {
        return Observation::NotApplicable("the signature is not in doubt");
    }
    let round = body.len() >= 256
        && body.len().is_multiple_of(256)
        && (body.len().is_power_of_two() || body.len().is_multiple_of(4096));
    if case.json().is_some() || !super::json::is_cut_off(body) {
        return Observation::Absent("the body does not break off");
    }
    let at = crate::domain::text::thousands(body.len() as u64);
    let size = if round { ", the size of a buffer" } else { "" };
    Observation::Present(finding(
        "body_cut",
        true,
        format!(
            "The body is JSON that breaks off after {at} bytes{size}; what is lacking cannot be computed."
        ),
        "Look for a limit on the way: client_max_body_size or a buffer in a proxy, a column, a read that does not loop.",
    ))
}

/// Tries what a compressed body holds.
pub(super) fn inflated<'a>(case: &Case<'a>) -> Variations<'a> {
    let Some(inner) = inflate(case.body(), MAX_INFLATED_BYTES) else {
        return Err("the body is not compressed");
    };
    Ok(vec![Variation::body(
        inner,
        "The signature is that of the body before it was compressed.",
        "Sign what is sent, or let nothing compress bodies on the way. In Express, check before anything inflates, or after: as the sender does.",
    )])
}

/// Sees a body that claims to be compressed and is not: it was inflated on
/// the way.
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
        return Observation::NotApplicable("no content-encoding says that it was compressed");
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
            "content-encoding says {coding}, but the body is not compressed: it was inflated on the way, and the signature may be of the compressed bytes."
        ),
        "Let the proxy pass bodies as they are: gunzip off in nginx, inflate: false in express.raw().",
    ))
}
