//! What may have happened to the body on its way.

use super::rewrite::{self, Layout};
use super::{Case, finding};
use crate::domain::verification::Finding;

/// Bodies larger than this are not rewritten; 4 MiB.
const REWRITTEN: usize = 4 * 1024 * 1024;

/// Deeper JSON is not tried in layouts that indent.
const DEEPEST: usize = 200;

/// Tries line ends added, removed and swapped, and a byte order mark.
pub(super) fn line_ends(case: &Case<'_>) -> Vec<Finding> {
    let body: &[u8] = &case.patient.request.body;
    let mut variants: Vec<(&str, Vec<u8>)> = Vec::new();
    for (end, what) in [
        (&b"\n"[..], "A newline at its end was removed on the way"),
        (
            b"\r\n",
            "A line end (CRLF) at its end was removed on the way",
        ),
    ] {
        variants.push((what, [body, end].concat()));
    }
    for (end, what) in [
        (
            &b"\r\n"[..],
            "A line end (CRLF) was added at its end on the way",
        ),
        (b"\n", "A newline was added at its end on the way"),
    ] {
        if let Some(rest) = body.strip_suffix(end) {
            variants.push((what, rest.to_vec()));
        }
    }
    if body.contains(&b'\n') {
        let lf = replaced(body, b"\r\n", b"\n");
        variants.push((
            "Its line ends became LF on the way; they were signed as CRLF",
            replaced(&lf, b"\n", b"\r\n"),
        ));
        if lf.len() != body.len() {
            variants.push((
                "Its line ends became CRLF on the way; they were signed as LF",
                lf,
            ));
        }
    }
    match body.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => variants.push((
            "A byte order mark was put before it on the way",
            rest.to_vec(),
        )),
        None => variants.push((
            "A byte order mark before it was removed on the way",
            [b"\xef\xbb\xbf", body].concat(),
        )),
    }
    first_match(case, "body_line_ends", variants)
}

/// Tries the JSON laid out in other ways; every token's text stays as it is.
pub(super) fn rewritten(case: &Case<'_>) -> Vec<Finding> {
    let body = &case.patient.request.body;
    if body.len() > REWRITTEN {
        return Vec::new();
    }
    let Some(tokens) = std::str::from_utf8(body)
        .ok()
        .and_then(|text| rewrite::tokens(text).ok())
    else {
        return Vec::new();
    };
    let layouts = [
        ("compact", Layout::COMPACT),
        ("with a blank behind commas and colons", Layout::SPACED),
        ("indented by 2", Layout::indented(2)),
        ("indented by 4", Layout::indented(4)),
        ("compact with sorted keys", Layout::COMPACT.sorted()),
        ("with blanks and sorted keys", Layout::SPACED.sorted()),
    ];
    // Indented, each step of depth is written on every line: too much to try.
    let deep = rewrite::depth(&tokens) > DEEPEST;
    for (how, layout) in layouts {
        if deep && layout.indent.is_some() {
            continue;
        }
        if case.explains(rewrite::write(&tokens, layout).as_bytes()) {
            return vec![changed(
                "body_rewritten",
                &format!("The JSON was written anew on the way; it was signed {how}"),
            )];
        }
    }
    Vec::new()
}

fn first_match(case: &Case<'_>, code: &str, variants: Vec<(&str, Vec<u8>)>) -> Vec<Finding> {
    variants
        .into_iter()
        .find(|(_, body)| case.explains(body))
        .map(|(what, _)| changed(code, what))
        .into_iter()
        .collect()
}

fn changed(code: &str, what: &str) -> Finding {
    finding(
        code,
        true,
        format!("{what}. The secret is right."),
        "Find what changes the body between the sender and creel: a proxy, a tunnel, or a tool that reads JSON and writes it again.",
    )
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 16);
    let mut rest = bytes;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}
