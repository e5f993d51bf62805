//! Determines the kind of a body: by its media type if that is plausible, else
//! by its bytes.

use super::{json, multipart};

/// The kind of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyKind {
    /// No bytes at all.
    Empty,
    /// JSON, or text that claims to be JSON.
    Json,
    /// Form fields: `a=1&b=2`.
    Form,
    /// XML.
    Xml,
    /// Other text.
    Text,
    /// Several parts, as in file uploads.
    Multipart,
    /// Not text.
    Binary,
}

impl BodyKind {
    /// Returns the displayed word: `JSON`, `form` …
    pub const fn word(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Json => "JSON",
            Self::Form => "form",
            Self::Xml => "XML",
            Self::Text => "text",
            Self::Multipart => "multipart",
            Self::Binary => "binary",
        }
    }
}

/// How many bytes are examined to recognise JSON.
const MAX_SNIFFED_BYTES: usize = super::MAX_FORMATTED_BYTES;

/// Determines the kind of a body. A body that is JSON counts as JSON regardless
/// of its media type. A body that is not UTF-8 is binary, unless it is
/// multipart or almost entirely text.
pub fn kind(content_type: Option<&str>, body: &[u8]) -> BodyKind {
    if body.is_empty() {
        return BodyKind::Empty;
    }
    let media = media_type(content_type);
    if multipart::boundary(content_type, body).is_some() {
        return BodyKind::Multipart;
    }
    let Ok(text) = std::str::from_utf8(body) else {
        return if is_mostly_text(body) {
            BodyKind::Text
        } else {
            BodyKind::Binary
        };
    };
    let trimmed = text.trim_ascii_start();
    if trimmed.starts_with(['{', '[']) && json::plausible(body, MAX_SNIFFED_BYTES) {
        return BodyKind::Json;
    }
    let said = named(&media);
    match said {
        Some(kind) => kind,
        None if body.contains(&0) => BodyKind::Binary,
        None if looks_like_xml(trimmed) => BodyKind::Xml,
        None if says_nothing(&media) && looks_like_form(trimmed) => BodyKind::Form,
        None => BodyKind::Text,
    }
}

/// Returns whether bytes that are not UTF-8 are mostly text: in another
/// encoding, or with a truncated character.
fn is_mostly_text(body: &[u8]) -> bool {
    let is_control = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
    let mut wrong = 0;
    for chunk in body.utf8_chunks() {
        let valid = chunk.valid().as_bytes();
        wrong += valid.iter().filter(|byte| is_control(byte)).count();
        wrong += chunk.invalid().len();
        if wrong > body.len() / 4 {
            return false;
        }
    }
    !body.contains(&0)
}

/// Returns the media type without its parameters, in lower case.
fn media_type(content_type: Option<&str>) -> String {
    let media = content_type.unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default();
    media.trim().to_ascii_lowercase()
}

/// Returns the kind that a media type names, if it is reliable.
fn named(media: &str) -> Option<BodyKind> {
    match media {
        "application/json" | "text/json" => Some(BodyKind::Json),
        "application/xml" | "text/xml" => Some(BodyKind::Xml),
        "application/x-www-form-urlencoded" => Some(BodyKind::Form),
        _ if media.ends_with("+json") => Some(BodyKind::Json),
        _ if media.ends_with("+xml") => Some(BodyKind::Xml),
        _ => None,
    }
}

/// Returns whether a media type does not describe the content.
fn says_nothing(media: &str) -> bool {
    matches!(media, "" | "application/octet-stream")
}

fn looks_like_xml(text: &str) -> bool {
    let mut chars = text.chars();
    let opens = chars.next() == Some('<')
        && chars
            .next()
            .is_some_and(|c| c.is_alphabetic() || matches!(c, '?' | '!' | '_'));
    opens && text.trim_ascii_end().ends_with('>')
}

fn looks_like_form(text: &str) -> bool {
    text.contains('=')
        && !text.starts_with('=')
        && text
            .trim_ascii_end()
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~!$'()*+,;:@/?%&=[]".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_a_body_is() {
        use BodyKind::{Binary, Empty, Form, Json, Multipart, Text, Xml};
        let form = Some("application/x-www-form-urlencoded");
        let parts = Some("multipart/form-data; boundary=\"b 1\"");
        let cases: &[(Option<&str>, &[u8], BodyKind)] = &[
            (None, b"", Empty),
            (Some("application/json"), b"", Empty),
            (Some("application/json"), b"{\"a\":1}", Json),
            (Some("Application/JSON; charset=utf-8"), b"not json", Json),
            (Some("application/vnd.api+json"), b"1", Json),
            (None, b" \n[1, 2]", Json),
            (Some("text/plain"), b"{\"a\":1}", Json),
            (form, b"{\"a\":1}", Json),
            (Some("application/json"), b"\xff{}", Binary),
            (None, b"{broken", Text),
            (None, b"123", Text),
            (form, b"a=1", Form),
            (form, b"anything else", Form),
            (None, b"a=1&b=%20+x", Form),
            (Some("text/plain"), b"a=1&b=2", Text),
            (None, b"a = 1", Text),
            (Some("text/xml"), b"x", Xml),
            (Some("application/atom+xml"), b"x", Xml),
            (None, b"<?xml version=\"1.0\"?><a/>", Xml),
            (None, b"<a>b</a>\n", Xml),
            (None, b"< 3", Text),
            (None, b"plain words", Text),
            (Some("text/plain"), "h\u{e9}".as_bytes(), Text),
            (Some("text/plain"), b"h\xe9", Binary),
            (None, b"\x08\0\x12", Binary),
            (parts, b"--b 1\r\n\r\nx\r\n--b 1--", Multipart),
            (parts, b"--b 1\r\n\r\n\xff\r\n--b 1--", Multipart),
            (parts, b"no such boundary", Text),
        ];
        for (content_type, body, expected) in cases {
            let shown = String::from_utf8_lossy(body);
            assert_eq!(
                kind(*content_type, body),
                *expected,
                "{content_type:?} {shown}"
            );
        }
    }

    #[test]
    fn believes_the_beginning_of_large_json() {
        let large = format!("[{}1]", "1,".repeat(MAX_SNIFFED_BYTES));
        assert_eq!(kind(None, large.as_bytes()), BodyKind::Json);
        let broken = format!("[x{}", "1,".repeat(MAX_SNIFFED_BYTES));
        assert_eq!(kind(None, broken.as_bytes()), BodyKind::Text);
    }
}
