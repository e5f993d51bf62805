//! Formats a request for an editor, and parses the edited text.
//!
//! The format is raw HTTP: request line, headers, an empty line, the body.
//! Lines that begin with `#` before the request line are comments. An unchanged
//! file is exactly no change. Text that could control a terminal, or that an
//! editor would not preserve, is not written.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::domain::failure::Failure;
use crate::domain::headers::{Header, Headers, is_control};
use crate::domain::request::{Request, split_target};
use crate::domain::text;

/// The suffix of the name of a header whose value is written in base64.
const BASE64_SUFFIX: &str = ";base64";

/// A request parsed from an edited file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditedRequest {
    /// The request.
    pub request: Request,
    /// Notes about adaptations to the editor, as sentences.
    pub notes: Vec<String>,
}

/// Formats a request for an editor.
pub fn write(request: &Request) -> Vec<u8> {
    let body = &request.body;
    let end = line_end(body);
    let mut lines = vec![
        "# Change the request, save and close the editor. Nothing is sent before you".to_owned(),
        "# have seen the differences; an unchanged file sends nothing. Content-Length".to_owned(),
        "# is recomputed. Lines above the request line are comments.".to_owned(),
    ];
    if !is_text(body) {
        lines.push(format!(
            "# The body is not text ({}). It stays as it is unless something is written",
            text::bytes(body.len() as u64)
        ));
        lines.push("# below the empty line.".to_owned());
    }
    lines.push(format!(
        "{} {}",
        request.method,
        harmless(&request.target())
    ));
    lines.extend(request.headers.iter().map(header_line));
    lines.push(String::new());
    let mut out = Vec::with_capacity(body.len() + 1024);
    for line in lines {
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(end);
    }
    if is_text(body) {
        out.extend_from_slice(body);
    }
    out
}

/// Parses an edited version of the text that [`write()`] made.
///
/// A newline at the end of the file, which many editors add, is not added to a
/// body that had none.
///
/// # Errors
/// Returns a [`Failure`] that names the line that cannot be parsed.
pub fn read(text: &[u8], original: &Request) -> Result<EditedRequest, Failure> {
    if text == write(original) {
        return Ok(EditedRequest {
            request: original.clone(),
            notes: Vec::new(),
        });
    }
    let mut lines = Lines { rest: text, at: 0 };
    let first = loop {
        let line = lines
            .next()
            .ok_or_else(|| unreadable(lines.at.max(1), "The file holds no request line."))?;
        if !line.starts_with(b"#") && !line.trim_ascii().is_empty() {
            break line;
        }
    };
    let (method, target) = request_line(first).map_err(|why| unreadable(lines.at, why))?;
    let mut headers = Headers::new();
    // A file may end after the headers; then the body is empty.
    while let Some(line) = lines.next().filter(|line| !line.is_empty()) {
        let (name, value) = field(line).map_err(|why| unreadable(lines.at, why))?;
        let is_received = original.headers.all(name).any(|known| known == value);
        if !is_received && value.iter().copied().any(is_control) {
            let why = "A header value must not contain line breaks or control characters.";
            return Err(unreadable(lines.at, why));
        }
        headers.push(name, value);
    }
    let mut notes = Vec::new();
    let body = body(lines.rest, original, &mut notes);
    let (path, query) = split_target(target);
    if headers.contains("content-length") {
        headers.set("content-length", body.len().to_string());
    }
    Ok(EditedRequest {
        request: Request {
            method: method.to_owned(),
            path,
            query,
            http_version: original.http_version.clone(),
            headers,
            body,
        },
        notes,
    })
}

/// Returns the line ending of a file for this body: that of the body, so that
/// an editor does not convert line endings.
fn line_end(body: &[u8]) -> &'static [u8] {
    let mut lines = body.split(|b| *b == b'\n').rev();
    lines.next();
    let mut ended = lines.peekable();
    if is_text(body) && ended.peek().is_some() && ended.all(|line| line.ends_with(b"\r")) {
        b"\r\n"
    } else {
        b"\n"
    }
}

/// Returns whether an editor preserves a body.
pub(super) fn is_text(body: &[u8]) -> bool {
    let plain = |c: char| matches!(c, '\n' | '\r' | '\t') || !c.is_control();
    std::str::from_utf8(body).is_ok_and(|text| {
        let bare_return = text.replace("\r\n", "").contains('\r');
        text.chars().all(plain) && !bare_return
    })
}

/// Formats a path as one word that cannot control a terminal.
fn harmless(target: &str) -> String {
    let mut out = String::with_capacity(target.len());
    for c in target.chars() {
        if text::is_hidden(c) || c.is_whitespace() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                write!(out, "%{byte:02X}").expect("writing to a string does not fail");
            }
        } else {
            out.push(c);
        }
    }
    out
}

fn header_line(header: Header<'_>) -> String {
    let plain = std::str::from_utf8(header.value)
        .ok()
        .filter(|value| !value.chars().any(text::is_hidden));
    match plain {
        Some(value) => format!("{}: {value}", header.name),
        None => format!(
            "{}{BASE64_SUFFIX}: {}",
            header.name,
            STANDARD.encode(header.value)
        ),
    }
}

/// Parses method and target; an HTTP version after them is ignored.
fn request_line(line: &[u8]) -> Result<(&str, &str), &'static str> {
    let line = std::str::from_utf8(line).map_err(|_| "The request line is not UTF-8.")?;
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let (method, target) = match words[..] {
        [method, target] => (method, target),
        [method, target, version] if version.starts_with("HTTP/") => (method, target),
        _ => return Err("The request line is a method and a path: POST /hooks"),
    };
    if !is_token(method) {
        return Err("The request line begins with a method, such as POST.");
    }
    let whole = target.starts_with("http://") || target.starts_with("https://");
    if !(target.starts_with('/') || target == "*" || whole) {
        return Err("The path begins with a slash: POST /hooks");
    }
    Ok((method, target))
}

/// Parses a header.
fn field(line: &[u8]) -> Result<(&str, Vec<u8>), &'static str> {
    let colon = line
        .iter()
        .position(|b| *b == b':')
        .ok_or("A header is a name, a colon and a value; the body begins after an empty line.")?;
    let name = std::str::from_utf8(&line[..colon]).map_err(|_| "The header name is not UTF-8.")?;
    let value = line[colon + 1..].trim_ascii();
    let (name, value) = match name.strip_suffix(BASE64_SUFFIX) {
        Some(name) => {
            let value = STANDARD.decode(value);
            (name, value.map_err(|_| "The value is not base64.")?)
        }
        None => (name, value.to_vec()),
    };
    if !is_token(name) {
        return Err("A header name consists of letters, digits and hyphens.");
    }
    Ok((name, value))
}

/// Parses the body, without what the editor added.
fn body(rest: &[u8], original: &Request, notes: &mut Vec<String>) -> Bytes {
    let before = &original.body;
    if !is_text(before) {
        if rest.trim_ascii().is_empty() {
            notes.push("The body, which is not text, is unchanged.".to_owned());
            return before.clone();
        }
    } else if *before == rest {
        return before.clone();
    }
    if !before.ends_with(b"\n")
        && let Some(without) = rest.strip_suffix(b"\n")
    {
        let without = match line_end(before) {
            b"\r\n" => without.strip_suffix(b"\r").unwrap_or(without),
            _ => without,
        };
        notes.push(
            "The newline at the end of the file was removed: the original body has none."
                .to_owned(),
        );
        return Bytes::copy_from_slice(without);
    }
    Bytes::copy_from_slice(rest)
}

/// Returns whether a text is a token (RFC 9110 section 5.6.2).
pub(super) fn is_token(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(allowed)
}

fn unreadable(line: usize, why: &str) -> Failure {
    Failure::usage(
        format!("Line {line} cannot be read."),
        why,
        "Edit it again; your text was kept.",
    )
}

/// The lines of a file, counted.
struct Lines<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    /// Takes the next line, without its line ending.
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        self.at += 1;
        let end = self.rest.iter().position(|b| *b == b'\n');
        let line = &self.rest[..end.unwrap_or(self.rest.len())];
        self.rest = end.map_or(&[], |end| &self.rest[end + 1..]);
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(body: &[u8]) -> Request {
        Request {
            method: "POST".into(),
            path: "/hooks".into(),
            query: Some("x=1".into()),
            http_version: "1.1".into(),
            headers: [
                ("host", &b"a.test"[..]),
                ("x-raw", b"a\xff\x1b"),
                ("content-length", b"999"),
                ("x-a", b"1"),
                ("x-a", b""),
            ]
            .into_iter()
            .collect(),
            body: Bytes::copy_from_slice(body),
        }
    }

    fn text(request: &Request) -> String {
        String::from_utf8(write(request)).unwrap()
    }

    /// Edits the text of a request like a user and parses it.
    fn edited(request: &Request, old: &str, new: &str) -> EditedRequest {
        let text = text(request);
        assert!(text.contains(old), "{text:?}");
        read(text.replacen(old, new, 1).as_bytes(), request).unwrap()
    }

    #[test]
    fn is_raw_http_below_a_few_words() {
        let text = text(&request(b"{\"a\": 1}"));
        let (words, rest) = text.split_once("POST").unwrap();
        assert!(words.lines().all(|line| line.starts_with("# ")));
        assert_eq!(
            rest,
            " /hooks?x=1\nhost: a.test\nx-raw;base64: Yf8b\ncontent-length: 999\nx-a: 1\nx-a: \n\n{\"a\": 1}"
        );
    }

    #[test]
    fn reads_every_part_anew() {
        let before = request(b"{\"a\": 1}");
        let after = edited(&before, "POST /hooks?x=1", "PUT /else HTTP/1.1").request;
        assert_eq!(
            (
                after.method.as_str(),
                after.path.as_str(),
                after.query.as_deref()
            ),
            ("PUT", "/else", None)
        );
        let after = edited(&before, "x-a: 1\n", "").request;
        assert_eq!(after.headers.all("x-a").collect::<Vec<_>>(), [b""]);
        let after = edited(&before, "x-raw;base64: Yf8b", "X-Raw:  b ").request;
        assert_eq!(after.headers.text("x-raw"), Some("b"));
        let after = edited(&before, "\"a\"", "\"abc\"").request;
        assert_eq!(&after.body[..], b"{\"abc\": 1}");
        assert_eq!(after.headers.text("content-length"), Some("10"));
        let no_body = edited(&before, "\n\n{\"a\": 1}", "").request;
        assert!(no_body.body.is_empty());
        assert_eq!(no_body.headers.len(), 5);
    }

    #[test]
    fn a_newline_the_editor_adds_is_not_the_bodys() {
        let before = request(b"{\"a\":\n1}");
        let after = edited(&before, "1}", "1}\n");
        assert_eq!(after.request.body, before.body);
        assert_eq!(after.notes.len(), 1, "{:?}", after.notes);
        let after = edited(&before, "1}", "2}\n");
        assert_eq!(&after.request.body[..], b"{\"a\":\n2}");
        // A newline can be added deliberately.
        let after = edited(&before, "1}", "1}\n\n");
        assert_eq!(&after.request.body[..], b"{\"a\":\n1}\n");
        // An existing newline belongs to the body.
        let before = request(b"a\n");
        let after = edited(&before, "x-a: 1", "x-a: 2");
        assert_eq!((after.request.body, after.notes), (before.body, vec![]));
    }

    #[test]
    fn line_ends_are_those_of_the_body() {
        let before = request(b"a\r\nb");
        let text = text(&before);
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        let after = edited(&before, "\r\nb", "\r\nc\r\n").request;
        assert_eq!(&after.body[..], b"a\r\nc");
        let mixed = request(b"a\r\nb\n");
        assert!(write(&mixed).ends_with(b"\n\na\r\nb\n"));
    }

    #[test]
    fn a_body_that_is_no_text_stays_or_is_replaced() {
        for body in [&b"\xff\x00"[..], b"a\x1b[31m", b"a\rb"] {
            let before = request(body);
            let file = text(&before);
            assert!(
                file.contains("not text") && file.ends_with("x-a: \n\n"),
                "{file}"
            );
            let after = edited(&before, "x-a: 1", "x-a: 2");
            assert_eq!(after.request.body, before.body);
            assert_eq!(after.notes.len(), 1);
            let after = edited(&before, "x-a: \n\n", "x-a: \n\nnew\n");
            assert_eq!(&after.request.body[..], b"new");
        }
    }

    #[test]
    fn a_new_value_with_a_control_character_is_refused() {
        let before = request(b"{}");
        for line in ["x-new: a\x1b[2Jb", "x-new: a\x7f", "x-new;base64: YQpi"] {
            let text = text(&before).replace("x-a: 1", line);
            let failure = read(text.as_bytes(), &before).unwrap_err().to_string();
            assert!(failure.contains("control character"), "{failure}");
        }
        let kept = edited(&before, "x-a: 1", "x-new: \u{e9}\tb").request;
        assert_eq!(kept.headers.first("x-raw"), Some(&b"a\xff\x1b"[..]));
        assert_eq!(kept.headers.text("x-new"), Some("\u{e9}\tb"));
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let before = request(b"{}");
        for (old, new, line) in [
            ("POST /hooks?x=1", "", 5),
            ("POST /hooks?x=1", "POST", 4),
            ("POST /hooks?x=1", "POST hooks", 4),
            ("POST /hooks?x=1", "PO(ST /hooks", 4),
            ("POST /hooks?x=1", "POST /a b", 4),
            ("host: a.test", "host a.test", 5),
            ("host: a.test", "ho st: a.test", 5),
            ("host: a.test", ": a.test", 5),
            ("Yf8b", "?", 6),
            ("Yf8b", "DQo=", 6),
            ("x-a: \n\n", "x-a: \n", 10),
        ] {
            let text = text(&before).replacen(old, new, 1);
            let failure = read(text.as_bytes(), &before).unwrap_err();
            assert!(
                failure.what.starts_with(&format!("Line {line} ")),
                "{old} {new}: {failure}"
            );
        }
        for empty in ["", "# only words\n\n"] {
            assert!(read(empty.as_bytes(), &before).is_err());
        }
    }

    proptest! {
        #[test]
        fn untouched_is_no_change_and_touched_elsewhere_keeps_the_body(
            method in "[A-Z#]{1,5}",
            path in "/[a-z%#é]{0,9}",
            query in prop::option::of("[a-z=&]{0,9}"),
            headers in prop::collection::vec(("[a-z#-]{1,6}", prop::collection::vec(any::<u8>(), 0..9)), 0..4),
            body in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..20),
                "[a-c\r\n\t# é]{0,20}".prop_map(String::into_bytes),
            ],
        ) {
            let headers: Vec<_> = headers
                .into_iter()
                .map(|(name, value)| (name, value.into_iter().filter(|b| !matches!(b, 0 | b'\r' | b'\n')).collect::<Vec<_>>()))
                .collect();
            let before = Request {
                method,
                path,
                query,
                http_version: "1.1".into(),
                headers: headers.into_iter().collect(),
                body: body.into(),
            };
            let file = write(&before);
            let same = read(&file, &before).unwrap();
            prop_assert_eq!(&same.request, &before);
            // An additional header before the empty line changes nothing else.
            let line = format!("{} {}", before.method, before.target());
            let at = file.windows(line.len()).position(|w| w == line.as_bytes()).unwrap();
            if !before.method.starts_with('#') {
                let mut more = file[..at].to_vec();
                more.extend_from_slice(line.as_bytes());
                more.extend_from_slice(b"\nx-new: 1");
                more.extend_from_slice(&file[at + line.len()..]);
                let read = read(&more, &before).unwrap();
                prop_assert_eq!(&read.request.body, &before.body);
                prop_assert_eq!(read.request.headers.len(), before.headers.len() + 1);
            }
        }

        #[test]
        fn any_text_is_survived(text in prop::collection::vec(any::<u8>(), 0..80), lines in "[a-z:/ #\n\r;=0-9]{0,80}") {
            let before = request(b"{}");
            let _ = read(&text, &before);
            let _ = read(lines.as_bytes(), &before);
        }
    }
}
