//! An HTTP request as plain data, received or parsed from a file.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::headers::Headers;
use super::serde_base64;

/// An HTTP request with its bytes unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The method as sent, for example `POST`.
    pub method: String,
    /// The path as sent, including its percent-encoding.
    pub path: String,
    /// The query as sent, without the `?`; `None` if there was no `?`.
    pub query: Option<String>,
    /// The HTTP version: `1.0`, `1.1` or `2`.
    pub http_version: String,
    /// The header fields.
    pub headers: Headers,
    /// The body after decoding the transfer coding, otherwise unchanged.
    #[serde(with = "serde_base64")]
    pub body: Bytes,
}

impl Request {
    /// Returns path and query as in the request line.
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// Returns the value of `content-type`, if it is UTF-8.
    pub fn content_type(&self) -> Option<&str> {
        self.headers.text("content-type")
    }
}

impl Request {
    /// Parses a raw HTTP/1.1 request: request line, headers, an empty line, and
    /// the body up to the end. Lines may end in LF alone.
    ///
    /// A chunked body is decoded if `transfer-encoding` says so and the chunks
    /// are valid; otherwise it is used unchanged. A `content-length` that does
    /// not match is kept for the doctor.
    ///
    /// # Errors
    /// Returns a [`Failure`] that names the line that cannot be parsed.
    pub fn parse_raw(raw: &[u8]) -> Result<Self, Failure> {
        let unreadable = |line: usize, why: &str| {
            Failure::usage(
                format!("Line {line} of the request cannot be read."),
                why.to_owned(),
                "The form is: POST /path HTTP/1.1, headers, an empty line, the body.",
            )
        };
        let mut rest = raw;
        let first = next_line(&mut rest)
            .ok_or_else(|| unreadable(1, "The file ends before the headers do."))?;
        let first = std::str::from_utf8(first)
            .map_err(|_| unreadable(1, "The request line is not UTF-8."))?;
        let mut words = first.split_ascii_whitespace();
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(unreadable(
                1,
                "A request line consists of a method, a target and a version.",
            ));
        };
        let http_version = version
            .strip_prefix("HTTP/")
            .ok_or_else(|| unreadable(1, "The version does not begin with HTTP/."))?;
        let mut headers = Headers::new();
        let mut number = 1;
        loop {
            number += 1;
            let line = next_line(&mut rest).ok_or_else(|| {
                unreadable(
                    number,
                    "The file ends before the empty line after the headers.",
                )
            })?;
            if line.is_empty() {
                break;
            }
            let colon = line
                .iter()
                .position(|b| *b == b':')
                .ok_or_else(|| unreadable(number, "A header is a name, a colon and a value."))?;
            let name = std::str::from_utf8(&line[..colon])
                .map_err(|_| unreadable(number, "The header name is not UTF-8."))?;
            if name.is_empty() || name.bytes().any(|b| b.is_ascii_whitespace()) {
                return Err(unreadable(number, "A header name must not contain spaces."));
            }
            headers.push(name, &line[colon + 1..]);
        }
        let chunked = headers
            .text("transfer-encoding")
            .is_some_and(|t| t.eq_ignore_ascii_case("chunked"));
        let body = if chunked { unchunk(rest) } else { None };
        let (path, query) = split_target(target);
        Ok(Self {
            method: method.to_owned(),
            path,
            query,
            http_version: http_version.to_owned(),
            headers,
            body: body.map_or_else(|| Bytes::copy_from_slice(rest), Bytes::from),
        })
    }

    /// Formats the request such that [`Request::parse_raw`] can parse it.
    pub fn to_raw(&self) -> Vec<u8> {
        let mut raw = format!(
            "{} {} HTTP/{}\r\n",
            self.method,
            self.target(),
            self.http_version
        )
        .into_bytes();
        for header in &self.headers {
            raw.extend_from_slice(header.name.as_bytes());
            raw.extend_from_slice(b": ");
            raw.extend_from_slice(header.value);
            raw.extend_from_slice(b"\r\n");
        }
        raw.extend_from_slice(b"\r\n");
        raw.extend_from_slice(&self.body);
        raw
    }
}

/// Splits a request target into path and query. For an absolute URL, only the
/// part after the host counts (RFC 9112 section 3.2.2).
pub(super) fn split_target(target: &str) -> (String, Option<String>) {
    let local = match target.split_once("://") {
        Some((scheme, rest))
            if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") =>
        {
            rest.find(['/', '?']).map_or("/", |at| &rest[at..])
        }
        _ => target,
    };
    match local.split_once('?') {
        Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
        None => (local.to_owned(), None),
    }
}

/// Takes one line without its line ending; returns `None` if there is no line
/// ending.
fn next_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|b| *b == b'\n')?;
    let line = &rest[..end];
    *rest = &rest[end + 1..];
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

/// Decodes a chunked body (RFC 9112 section 7.1); returns `None` if it is not
/// valid.
fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = std::str::from_utf8(next_line(&mut rest)?).ok()?;
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = &rest[size..];
        if !next_line(&mut rest)?.is_empty() {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_a_raw_request_with_either_line_end() {
        for raw in [
            &b"POST /a%20b?x=1 HTTP/1.1\r\nX-A: 1\r\nX-B: \xff\r\nx-a: 2\r\n\r\n{}\n"[..],
            &b"POST /a%20b?x=1 HTTP/1.1\nX-A: 1\nX-B: \xff\nx-a: 2\n\n{}\n"[..],
        ] {
            let request = Request::parse_raw(raw).unwrap();
            assert_eq!(
                (request.path.as_str(), request.query.as_deref()),
                ("/a%20b", Some("x=1"))
            );
            assert_eq!(
                request.headers,
                [("x-a", &b"1"[..]), ("x-b", b"\xff"), ("x-a", b"2")]
                    .into_iter()
                    .collect()
            );
            assert_eq!(&request.body[..], b"{}\n");
        }
    }

    #[test]
    fn an_absolute_target_gives_its_path() {
        let read = |target: &str| {
            let request =
                Request::parse_raw(format!("GET {target} HTTP/1.1\n\n").as_bytes()).unwrap();
            (request.path, request.query)
        };
        assert_eq!(read("https://a.test/x?y"), ("/x".into(), Some("y".into())));
        assert_eq!(read("https://a.test"), ("/".into(), None));
        assert_eq!(read("/x?"), ("/x".into(), Some(String::new())));
        assert_eq!(read("*"), ("*".into(), None));
    }

    #[test]
    fn chunks_are_put_together() {
        let request = Request::parse_raw(
            b"POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        )
        .unwrap();
        assert_eq!(&request.body[..], b"abcde");
        let request =
            Request::parse_raw(b"POST / HTTP/1.1\nTransfer-Encoding: chunked\n\nabc").unwrap();
        assert_eq!(&request.body[..], b"abc");
    }

    #[test]
    fn says_which_line_cannot_be_read() {
        for (raw, line) in [
            ("", 1),
            ("hello\n", 1),
            ("GET / HTTP/1.1\nno colon\n\n", 2),
            ("GET / HTTP/1.1\nA: b\n", 3),
        ] {
            let failure = Request::parse_raw(raw.as_bytes()).unwrap_err();
            assert_eq!(
                failure.what,
                format!("Line {line} of the request cannot be read.")
            );
        }
    }

    proptest! {
        #[test]
        fn reads_back_what_it_wrote(
            path in "/[a-zA-Z0-9%._/-]{0,20}",
            query in proptest::option::of("[a-z=&%0-9?]{0,12}"),
            headers in proptest::collection::vec(("[a-z][a-z0-9-]{0,8}", proptest::collection::vec(0x21u8..=0xff, 0..12)), 0..6),
            body in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let headers: Headers = headers.into_iter().filter(|(name, _)| name != "transfer-encoding").collect();
            let request = Request { method: "POST".into(), path, query, http_version: "1.1".into(), headers, body: body.into() };
            prop_assert_eq!(Request::parse_raw(&request.to_raw()).unwrap(), request);
        }

        #[test]
        fn never_panics(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Request::parse_raw(&raw);
        }
    }
}
