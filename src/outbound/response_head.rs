//! Parses the head of an HTTP/1 response: its status, its headers and the
//! framing of its body.

use std::mem::MaybeUninit;

use super::{MAX_FIELDS, MAX_HEAD_BYTES};
use crate::domain::headers::Headers;

/// The head of a response.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ResponseHead {
    pub(super) status: u16,
    pub(super) headers: Headers,
    pub(super) framing: BodyFraming,
    /// Whether the target keeps the connection open.
    pub(super) keep_alive: bool,
}

/// How the body of a response is framed (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFraming {
    /// By its length in bytes.
    Length(u64),
    /// In chunks.
    Chunked,
    /// By the end of the connection.
    Close,
}

/// The result of parsing the bytes received so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeadParse {
    /// An incomplete head.
    Partial,
    /// A complete head and its length in bytes.
    Complete(ResponseHead, usize),
    /// A head that exceeds the limits.
    TooLarge,
    /// Not HTTP, with the reason.
    Malformed(String),
}

/// Parses a head incrementally.
#[derive(Default)]
pub(super) struct HeadReader {
    /// Number of bytes at the last attempt to parse.
    tried: usize,
}

impl HeadReader {
    /// Parses the head at the start of `bytes`, the response to `method`.
    pub(super) fn read(&mut self, bytes: &[u8], method: &str) -> HeadParse {
        const START: &[u8] = b"HTTP/";
        let start = &bytes[..bytes.len().min(START.len())];
        if start != &START[..start.len()] {
            return HeadParse::Malformed("there is no status line".to_owned());
        }
        // Avoids a full parse for each byte of a slow response.
        let looked_at = self.tried.saturating_sub(3);
        if !has_empty_line(&bytes[looked_at..]) && bytes.len() < self.tried * 2 {
            if bytes.len() > MAX_HEAD_BYTES {
                return HeadParse::TooLarge;
            }
            return HeadParse::Partial;
        }
        self.tried = bytes.len();
        read(bytes, method)
    }
}

/// Returns `true` if the bytes contain an empty line.
fn has_empty_line(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .any(|(at, _)| matches!(bytes[at + 1..], [b'\n', ..] | [b'\r', b'\n', ..]))
}

fn read(bytes: &[u8], method: &str) -> HeadParse {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .parse_response_with_uninit_headers(&mut response, bytes, &mut fields);
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD_BYTES => length,
        Ok(httparse::Status::Partial) if bytes.len() <= MAX_HEAD_BYTES => {
            return HeadParse::Partial;
        }
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return HeadParse::TooLarge,
        Err(error) => return HeadParse::Malformed(error.to_string()),
    };
    let status = response.code.unwrap_or_default();
    if status < 100 {
        return HeadParse::Malformed(format!("{status} is not a valid status"));
    }
    let headers: Headers = response
        .headers
        .iter()
        .map(|field| (field.name, unfolded(field.value)))
        .collect();
    let old = response.version == Some(0);
    match body_framing(status, &headers, method) {
        Ok(framing) => {
            let framed_twice =
                headers.contains("transfer-encoding") && headers.contains("content-length");
            // A body where none is allowed would be read as the next response.
            let bodiless = status == 204
                && (headers.contains("transfer-encoding") || headers.contains("content-length"));
            let keep_alive = !old
                && status != 101
                && framing != BodyFraming::Close
                && !framed_twice
                && !bodiless
                && !tokens(&headers, "connection").any(|token| token == "close");
            let head = ResponseHead {
                status,
                headers,
                framing,
                keep_alive,
            };
            HeadParse::Complete(head, length)
        }
        Err(why) => HeadParse::Malformed(why),
    }
}

/// Returns the framing of the body.
fn body_framing(status: u16, headers: &Headers, method: &str) -> Result<BodyFraming, String> {
    if method == "HEAD" || matches!(status, 100..=199 | 204 | 304) {
        return Ok(BodyFraming::Length(0));
    }
    if headers.contains("transfer-encoding") {
        let last = tokens(headers, "transfer-encoding").last();
        return Ok(if last.as_deref() == Some("chunked") {
            BodyFraming::Chunked
        } else {
            BodyFraming::Close
        });
    }
    let mut length = None;
    for text in tokens(headers, "content-length") {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let Some(number) = text.parse::<u64>().ok().filter(|_| digits) else {
            return Err("its content-length is not a number".to_owned());
        };
        if length.is_some_and(|known| known != number) {
            return Err("it has two content-lengths that contradict each other".to_owned());
        }
        length = Some(number);
    }
    Ok(length.map_or(BodyFraming::Close, BodyFraming::Length))
}

/// Returns the elements of a list header, in lower case.
fn tokens<'a>(headers: &'a Headers, name: &'a str) -> impl Iterator<Item = String> + 'a {
    headers
        .all(name)
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(|token| String::from_utf8_lossy(token.trim_ascii()).to_ascii_lowercase())
}

/// Joins a value that is folded onto several lines (RFC 9112 section 5.2).
fn unfolded(value: &[u8]) -> Vec<u8> {
    if !value.contains(&b'\n') {
        return value.to_vec();
    }
    let lines: Vec<&[u8]> = value
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .collect();
    lines.join(&b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str, method: &str) -> ResponseHead {
        match HeadReader::default().read(text.as_bytes(), method) {
            HeadParse::Complete(head, length) => {
                assert_eq!(length, text.len());
                head
            }
            other => panic!("{text:?} is {other:?}"),
        }
    }

    #[test]
    fn the_body_ends_as_the_rfc_says() {
        for (head, method, framing, keep_alive) in [
            (
                "200\r\ncontent-length: 5",
                "GET",
                BodyFraming::Length(5),
                true,
            ),
            (
                "200\r\ncontent-length: 5, 5",
                "GET",
                BodyFraming::Length(5),
                true,
            ),
            (
                "200\r\ncontent-length: 5",
                "HEAD",
                BodyFraming::Length(0),
                true,
            ),
            ("204", "POST", BodyFraming::Length(0), true),
            (
                "204\r\ncontent-length: 5",
                "POST",
                BodyFraming::Length(0),
                false,
            ),
            (
                "304\r\ncontent-length: 5",
                "GET",
                BodyFraming::Length(0),
                true,
            ),
            ("101\r\nupgrade: x", "GET", BodyFraming::Length(0), false),
            ("200", "GET", BodyFraming::Close, false),
            (
                "200\r\ntransfer-encoding: gzip, Chunked",
                "GET",
                BodyFraming::Chunked,
                true,
            ),
            (
                "200\r\ntransfer-encoding: gzip",
                "GET",
                BodyFraming::Close,
                false,
            ),
            (
                "200\r\ntransfer-encoding: chunked\r\ncontent-length: 5",
                "GET",
                BodyFraming::Chunked,
                false,
            ),
            (
                "200\r\ncontent-length: 5\r\nconnection: x, Close",
                "GET",
                BodyFraming::Length(5),
                false,
            ),
        ] {
            let text = format!("HTTP/1.1 {head}\r\n\r\n");
            let read = whole(&text, method);
            assert_eq!(
                (read.framing, read.keep_alive),
                (framing, keep_alive),
                "{text:?}"
            );
        }
        let old = whole("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n", "GET");
        assert!(!old.keep_alive);
    }

    #[test]
    fn fields_keep_their_order_and_odd_bytes() {
        let read = whole("HTTP/1.1 999 \nB: 1\nA : x\r\n \ty\nB: 2\r\n\r\n", "GET");
        assert_eq!(
            read.headers,
            [("b", "1"), ("a", "x y"), ("b", "2")].into_iter().collect()
        );
    }

    #[test]
    fn malformed_heads_are_refused_at_once() {
        let read = |text: &str| HeadReader::default().read(text.as_bytes(), "GET");
        let garbage = |text: &str| match read(text) {
            HeadParse::Malformed(why) => why,
            other => panic!("{text:?} is {other:?}"),
        };
        assert_eq!(garbage("hello"), "there is no status line");
        assert_eq!(garbage("<html>"), "there is no status line");
        assert_eq!(garbage("HTTP/2 200\r\n\r\n"), "invalid HTTP version");
        assert_eq!(
            garbage("HTTP/1.1 200\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"),
            "it has two content-lengths that contradict each other"
        );
        assert_eq!(
            garbage("HTTP/1.1 200\r\ncontent-length: +1\r\n\r\n"),
            "its content-length is not a number"
        );
        assert_eq!(garbage("HTTP/1.1 099\r\n\r\n"), "99 is not a valid status");
        for part in ["", "HT", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\na: b\r\n"] {
            assert_eq!(read(part), HeadParse::Partial, "{part:?}");
        }
        let many = "x: y\r\n".repeat(MAX_FIELDS + 1);
        assert_eq!(
            read(&format!("HTTP/1.1 200\r\n{many}\r\n")),
            HeadParse::TooLarge
        );
        let long = "y".repeat(MAX_HEAD_BYTES);
        assert_eq!(
            read(&format!("HTTP/1.1 200\r\nx: {long}")),
            HeadParse::TooLarge
        );
    }

    #[test]
    fn a_head_in_single_bytes_is_parsed_once_complete() {
        let text = b"HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 0\r\n\r\n";
        let mut reader = HeadReader::default();
        for end in 0..text.len() {
            assert_eq!(
                reader.read(&text[..end], "GET"),
                HeadParse::Partial,
                "{end}"
            );
        }
        assert!(matches!(reader.read(text, "GET"), HeadParse::Complete(_, n) if n == text.len()));
    }
}
