//! Formats multipart bodies (RFC 2046 section 5.1): boundaries and part headers
//! are highlighted, the content is shown as received.

use std::ops::Range;

use crate::domain::text::Marks;

use super::line::{Line, Role};
use super::rows::Rows;

/// A line and its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    range: Range<usize>,
    what: What,
    continued: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Boundary,
    Header,
    Content,
}

/// Returns the boundary, if the media type names one and the body uses it.
pub(super) fn boundary(content_type: Option<&str>, body: &[u8]) -> Option<String> {
    let mut parts = content_type?.split(';');
    let media = parts.next()?.trim();
    if !media.get(..10)?.eq_ignore_ascii_case("multipart/") {
        return None;
    }
    let boundary = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let named = name.trim().eq_ignore_ascii_case("boundary");
        named.then(|| value.trim().trim_matches('"').to_owned())
    })?;
    // A preamble may precede the first boundary; only a short one is supported.
    let beginning = &body[..body.len().min(4096)];
    let used = beginning
        .split(|&b| b == b'\n')
        .any(|line| is_boundary(line, &boundary));
    (used && !boundary.is_empty()).then_some(boundary)
}

/// Splits a multipart body into rows.
pub(super) fn rows(body: &[u8], boundary: &str) -> Vec<Row> {
    let mut in_headers = false;
    Rows::new(body)
        .from(body, 0)
        .map(|row| {
            let line = &body[row.range.clone()];
            let what = if !row.continued && is_boundary(line, boundary) {
                in_headers = true;
                What::Boundary
            } else if in_headers && !line.trim_ascii().is_empty() {
                What::Header
            } else {
                in_headers = false;
                What::Content
            };
            Row {
                range: row.range,
                what,
                continued: row.continued,
            }
        })
        .collect()
}

/// Formats one row.
pub(super) fn line(body: &[u8], row: &Row, marks: Marks) -> Line {
    let mut line = Line {
        continued: row.continued,
        ..Line::default()
    };
    let text = &body[row.range.clone()];
    match row.what {
        What::Boundary => line.foreign(text.trim_ascii_end(), Role::Punctuation, marks),
        What::Content => line.foreign(text, Role::Plain, marks),
        What::Header => {
            let text = text.trim_ascii_end();
            let colon = text.iter().position(|&b| b == b':');
            let (name, rest) = text.split_at(colon.unwrap_or(0));
            line.foreign(name, Role::Key, marks);
            line.foreign(rest, Role::Plain, marks);
        }
    }
    line
}

fn is_boundary(line: &[u8], boundary: &str) -> bool {
    let Some(rest) = line.strip_prefix(b"--") else {
        return false;
    };
    let Some(rest) = rest.strip_prefix(boundary.as_bytes()) else {
        return false;
    };
    matches!(rest.trim_ascii(), b"" | b"--")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_boundaries_and_headers_stand_out() {
        let body = b"--b1\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\nraw\xff\r\n--b1 not\r\n--b1--\r\n";
        let boundary = boundary(Some("Multipart/form-data; Boundary=b1"), body).unwrap();
        let seen: Vec<_> = rows(body, &boundary)
            .iter()
            .map(|row| (row.what, line(body, row, Marks::Pictures).text()))
            .collect();
        let expected = [
            (What::Boundary, "--b1"),
            (What::Header, "Content-Disposition: form-data; name=\"f\""),
            (What::Content, "␍"),
            (What::Content, r"raw\xff␍"),
            (What::Content, "--b1 not␍"),
            (What::Boundary, "--b1--"),
            (What::Content, ""),
        ];
        assert_eq!(seen, expected.map(|(w, t)| (w, t.to_owned())));
    }

    #[test]
    fn needs_a_boundary_that_is_used() {
        for (content_type, body) in [
            (None, "--b\n"),
            (Some("text/plain; boundary=b"), "--b\n"),
            (Some("multipart/mixed"), "--b\n"),
            (Some("multipart/mixed; boundary=\"\""), "--\n"),
            (Some("multipart/mixed; boundary=b"), "--c\n"),
            (Some("é"), "--b\n"),
        ] {
            assert_eq!(
                boundary(content_type, body.as_bytes()),
                None,
                "{content_type:?}"
            );
        }
    }
}
