//! What a body is, and its readable forms.
//!
//! A readable form is a view: its lines are made of the body's own text,
//! token by token, and already safe to show.

mod hex;
pub mod json;
mod pretty;

use self::json::Broken;
use super::text;

/// The largest JSON text that is laid out, in bytes; a larger one is shown as it came.
const LAID_OUT: usize = 2 * 1024 * 1024;

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// There is none.
    Empty,
    /// JSON.
    Json,
    /// A form in `application/x-www-form-urlencoded`.
    Form,
    /// XML or HTML.
    Xml,
    /// Other text in UTF-8.
    Text,
    /// Bytes that are no UTF-8.
    Binary,
}

impl BodyKind {
    /// Returns the word shown for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Json => "JSON",
            Self::Form => "form",
            Self::Xml => "XML",
            Self::Text => "text",
            Self::Binary => "binary",
        }
    }
}

/// How a body is to be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ViewMode {
    /// Laid out for reading.
    #[default]
    Pretty,
    /// As it came.
    Raw,
    /// As bytes.
    Hex,
}

/// What a piece of a line is, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The name of a member.
    Key,
    /// A text.
    Text,
    /// A number.
    Number,
    /// `true`, `false`, `null`.
    Word,
    /// Brackets, commas, colons.
    Punctuation,
    /// Anything else.
    Plain,
    /// Offsets and other things that are not the body's own.
    Aside,
}

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its text, safe to show.
    pub text: String,
    /// What it is.
    pub role: Role,
}

/// One line of a view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(pub Vec<Piece>);

impl Line {
    fn plain(text: impl Into<String>) -> Self {
        Self(vec![Piece { text: text.into(), role: Role::Plain }])
    }

    /// Returns the line's whole text.
    pub fn text(&self) -> String {
        self.0.iter().map(|piece| piece.text.as_str()).collect()
    }
}

/// A readable form of a body. Lines are made as they are asked for where the
/// body is large.
#[derive(Clone, Debug)]
pub struct BodyView<'a> {
    /// What the body is.
    pub kind: BodyKind,
    /// What is worth saying about it, for example where its JSON breaks.
    pub note: Option<String>,
    lines: Lines<'a>,
}

#[derive(Clone, Debug)]
enum Lines<'a> {
    Made(Vec<Line>),
    Split(Vec<&'a str>),
    Bytes(&'a [u8]),
}

impl BodyView<'_> {
    /// Returns how many lines there are.
    pub fn lines_total(&self) -> usize {
        match &self.lines {
            Lines::Made(lines) => lines.len(),
            Lines::Split(lines) => lines.len(),
            Lines::Bytes(bytes) => hex::rows(bytes.len()),
        }
    }

    /// Returns a line; an empty one behind the last.
    pub fn line(&self, index: usize) -> Line {
        match &self.lines {
            Lines::Made(lines) => lines.get(index).cloned().unwrap_or_default(),
            Lines::Split(lines) => lines.get(index).map(|line| Line::plain(text::visible(line))).unwrap_or_default(),
            Lines::Bytes(bytes) => hex::row(bytes, index),
        }
    }

    /// Returns the indexes of the lines that hold `needle`, whatever its case.
    pub fn find(&self, needle: &str) -> Vec<usize> {
        let needle = needle.to_lowercase();
        if needle.is_empty() {
            return Vec::new();
        }
        (0..self.lines_total()).filter(|&index| self.line(index).text().to_lowercase().contains(&needle)).collect()
    }
}

/// Says what a body is, by its bytes first and by what its sender calls it.
pub fn kind(content_type: Option<&str>, body: &[u8]) -> BodyKind {
    if body.is_empty() {
        return BodyKind::Empty;
    }
    let Ok(text) = std::str::from_utf8(body) else { return BodyKind::Binary };
    if text.bytes().any(|b| b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r' | 0x1b)) {
        return BodyKind::Binary;
    }
    let media = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let start = text.trim_start_matches('\u{feff}').trim_start();
    if media.ends_with("/json") || media.ends_with("+json") || start.starts_with(['{', '[']) {
        return BodyKind::Json;
    }
    if media == "application/x-www-form-urlencoded" {
        return BodyKind::Form;
    }
    if media.ends_with("/xml") || media.ends_with("+xml") || media == "text/html" || start.starts_with("<?xml") {
        return BodyKind::Xml;
    }
    BodyKind::Text
}

/// Returns a readable form of a body.
pub fn view<'a>(body: &'a [u8], content_type: Option<&str>, mode: ViewMode) -> BodyView<'a> {
    let kind = kind(content_type, body);
    let bytes = BodyView { kind, note: None, lines: Lines::Bytes(body) };
    let Ok(text) = std::str::from_utf8(body) else { return bytes };
    if mode == ViewMode::Hex || (kind == BodyKind::Binary && mode == ViewMode::Pretty) {
        return bytes;
    }
    let mut note = None;
    let lines = match (mode, kind) {
        (ViewMode::Pretty, BodyKind::Json) if text.len() > LAID_OUT => {
            note = Some(format!("Larger than {}: shown as it came.", text::bytes(LAID_OUT as u64)));
            split(text)
        }
        (ViewMode::Pretty, BodyKind::Json) => match json::tokens(text.trim_start_matches('\u{feff}')) {
            Ok(tokens) => Lines::Made(pretty::json(&tokens)),
            Err(Broken { line, column }) => {
                note = Some(format!("No JSON from line {line}, column {column} on: shown as it came."));
                split(text)
            }
        },
        (ViewMode::Pretty, BodyKind::Form) => Lines::Made(pretty::form(text)),
        _ => split(text),
    };
    BodyView { kind, note, lines }
}

fn split(text: &str) -> Lines<'_> {
    Lines::Split(if text.is_empty() { Vec::new() } else { text.split('\n').collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(body: &[u8], content_type: &str, mode: ViewMode) -> Vec<String> {
        let view = view(body, Some(content_type), mode);
        (0..view.lines_total()).map(|index| view.line(index).text()).collect()
    }

    #[test]
    fn tells_bodies_apart() {
        let of = |content_type, body: &[u8]| kind(content_type, body);
        assert_eq!(of(None, b""), BodyKind::Empty);
        assert_eq!(of(Some("text/plain"), b" {\"a\":1}"), BodyKind::Json);
        assert_eq!(of(Some("application/cloudevents+json; charset=utf-8"), b"1"), BodyKind::Json);
        assert_eq!(of(Some("application/json"), b"\xff"), BodyKind::Binary);
        assert_eq!(of(Some("application/x-www-form-urlencoded"), b"a=1"), BodyKind::Form);
        assert_eq!(of(None, b"<?xml version=\"1.0\"?>"), BodyKind::Xml);
        assert_eq!(of(None, b"hello"), BodyKind::Text);
        assert_eq!(of(None, b"a\0b"), BodyKind::Binary);
    }

    #[test]
    fn json_is_laid_out_and_hostile_text_is_marked() {
        let body = br#"{"id":1.50,"name":"a\u001bb","list":[],"on":true}"#;
        assert_eq!(
            lines(body, "application/json", ViewMode::Pretty),
            ["{", "  \"id\": 1.50,", "  \"name\": \"a\\u001bb\",", "  \"list\": [],", "  \"on\": true", "}"]
        );
        assert_eq!(lines("{\"a\":\"\u{202e}\"}".as_bytes(), "application/json", ViewMode::Pretty)[1], "  \"a\": \"\\u{202e}\"");
    }

    #[test]
    fn broken_json_is_shown_as_it_came_and_says_where() {
        let view = view(b"{\"a\":\n oops", Some("application/json"), ViewMode::Pretty);
        assert_eq!(view.note.as_deref(), Some("No JSON from line 2, column 2 on: shown as it came."));
        assert_eq!(view.line(1).text(), " oops");
    }

    #[test]
    fn forms_show_names_and_decoded_values() {
        assert_eq!(
            lines(b"a=1&b=x%20y+z&c&d=%ff", "application/x-www-form-urlencoded", ViewMode::Pretty),
            ["a = 1", "b = x y z", "c", "d = \\xff"]
        );
    }

    #[test]
    fn binary_is_shown_as_bytes_a_row_at_a_time() {
        let body: Vec<u8> = (0..=40).chain([0xff]).collect();
        let view = view(&body, None, ViewMode::Pretty);
        assert_eq!(view.lines_total(), 3);
        assert_eq!(
            view.line(2).text(),
            "00000020  20 21 22 23 24 25 26 27  28 ff                     !\"#$%&'(."
        );
        assert_eq!(view.line(99), Line::default());
    }

    #[test]
    fn finds_lines_whatever_the_case() {
        let view = view(b"Alpha\nbeta\nALPHA", None, ViewMode::Raw);
        assert_eq!(view.find("alpha"), [0, 2]);
        assert!(view.find("").is_empty());
    }
}
