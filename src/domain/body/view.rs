//! A formatted body, line by line.

use bytes::Bytes;

use crate::domain::text::Marks;

use super::kind::{BodyKind, kind};
use super::line::{Line, Role};
use super::rows::{Rows, line_and_column};
use super::{form, hex, json, multipart};

/// Larger bodies are shown as received, in bytes.
pub const MAX_FORMATTED_BYTES: usize = 2 * 1024 * 1024;

/// How a body is displayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ViewMode {
    /// Formatted for reading.
    #[default]
    Pretty,
    /// As received, with marks for unprintable bytes.
    Raw,
    /// As a hex dump.
    Hex,
}

/// A formatted body; its lines are made on demand.
#[derive(Clone, Debug)]
pub struct BodyView {
    pub(super) body: Bytes,
    kind: BodyKind,
    marks: Marks,
    pub(super) layout: Layout,
    note: Option<String>,
    problem: Option<Problem>,
}

/// Where a body is malformed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong: `a comma or } is expected`.
    pub what: String,
    /// The line of the body, counted from 1.
    pub line: usize,
    /// The character of that line, counted from 1.
    pub column: usize,
    /// The line of the view, for [`BodyView::line`].
    pub row: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Layout {
    Empty,
    Json(Vec<json::Row>),
    Form(Vec<form::Row>),
    Multipart(Vec<multipart::Row>),
    Text(Rows),
    Hex,
}

/// Formats a body.
///
/// The body is scanned once or twice; afterwards the cost of a line depends on
/// the line only. Bodies over [`MAX_FORMATTED_BYTES`] and invalid JSON are
/// shown as received, with a [note](BodyView::note).
pub fn view(body: &Bytes, content_type: Option<&str>, mode: ViewMode) -> BodyView {
    let kind = kind(content_type, body);
    let mut view = BodyView {
        body: body.clone(),
        kind,
        marks: Marks::default(),
        layout: Layout::Empty,
        note: None,
        problem: None,
    };
    view.layout = match (mode, kind) {
        (_, BodyKind::Empty) => Layout::Empty,
        (ViewMode::Hex, _) => Layout::Hex,
        (ViewMode::Pretty, BodyKind::Binary) => {
            view.note = Some("Not text: shown as bytes.".to_owned());
            Layout::Hex
        }
        (ViewMode::Pretty, BodyKind::Text | BodyKind::Xml) => view.text(),
        (ViewMode::Raw, _) => Layout::Text(Rows::new(body)),
        (ViewMode::Pretty, _) if body.len() > MAX_FORMATTED_BYTES => {
            view.note = Some("Larger than 2 MiB: shown as received.".to_owned());
            Layout::Text(Rows::new(body))
        }
        (ViewMode::Pretty, BodyKind::Json) => view.json(),
        (ViewMode::Pretty, BodyKind::Form) => Layout::Form(form::rows(body)),
        (ViewMode::Pretty, BodyKind::Multipart) => {
            let boundary = multipart::boundary(content_type, body).unwrap_or_default();
            Layout::Multipart(multipart::rows(body, &boundary))
        }
    };
    view
}

impl BodyView {
    /// Sets how characters that cannot be shown are written.
    #[must_use]
    pub fn with_marks(mut self, marks: Marks) -> Self {
        self.marks = marks;
        self
    }

    /// Returns the kind of the body.
    pub const fn kind(&self) -> BodyKind {
        self.kind
    }

    /// Returns a note for the reader, as a sentence.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Returns where the body is malformed.
    pub const fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// Returns the number of lines; zero for an empty body.
    pub fn lines_total(&self) -> usize {
        match &self.layout {
            Layout::Empty => 0,
            Layout::Json(rows) => rows.len(),
            Layout::Form(rows) => rows.len(),
            Layout::Multipart(rows) => rows.len(),
            Layout::Text(rows) => rows.total(),
            Layout::Hex => hex::total(self.body.len()),
        }
    }

    /// Returns line `number`, counted from 0.
    pub fn line(&self, number: usize) -> Option<Line> {
        self.window(number, 1).pop()
    }

    /// Returns up to `count` lines starting with line `from`.
    pub fn window(&self, from: usize, count: usize) -> Vec<Line> {
        let (body, marks) = (&self.body[..], self.marks);
        let from = from.min(self.lines_total());
        let to = from.saturating_add(count).min(self.lines_total());
        match &self.layout {
            Layout::Empty => Vec::new(),
            Layout::Json(rows) => {
                let lines = rows[from..to].iter();
                lines.map(|row| json::line(body, row, marks)).collect()
            }
            Layout::Form(rows) => {
                let lines = rows[from..to].iter();
                lines.map(|row| form::line(body, row, marks)).collect()
            }
            Layout::Multipart(rows) => {
                let lines = rows[from..to].iter();
                lines.map(|row| multipart::line(body, row, marks)).collect()
            }
            Layout::Hex => (from..to).map(|number| hex::line(body, number)).collect(),
            Layout::Text(rows) => rows
                .from(body, from)
                .take(to - from)
                .map(|row| {
                    let mut line = Line {
                        continued: row.continued,
                        ..Line::default()
                    };
                    line.foreign(&body[row.range], Role::Plain, marks);
                    line
                })
                .collect(),
        }
    }

    /// Shows text as received, with a note if it is not UTF-8.
    fn text(&mut self) -> Layout {
        if let Err(error) = std::str::from_utf8(&self.body) {
            let at = error.valid_up_to();
            let (line, column) = line_and_column(&self.body, at);
            self.note = Some(format!(
                "Not UTF-8: byte {:02x} at line {line}, column {column}. Shown as received.",
                self.body[at]
            ));
        }
        Layout::Text(Rows::new(&self.body))
    }

    /// Formats JSON; shows text with a note if it is not valid JSON.
    fn json(&mut self) -> Layout {
        let Err(fault) = json::check(&self.body) else {
            return Layout::Json(json::rows(&self.body));
        };
        let rows = Rows::new(&self.body);
        let (line, column) = line_and_column(&self.body, fault.offset);
        self.note = Some(format!(
            "Not valid JSON: {} at line {line}, column {column}. Shown as received.",
            fault.what
        ));
        self.problem = Some(Problem {
            what: fault.what.to_owned(),
            line,
            column,
            row: rows.holding(&self.body, fault.offset),
        });
        Layout::Text(rows)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    const JSON: Option<&str> = Some("application/json");

    fn shown(body: &[u8], content_type: Option<&str>, mode: ViewMode) -> Vec<String> {
        let view = view(&Bytes::copy_from_slice(body), content_type, mode);
        let lines = view.window(0, usize::MAX);
        lines.iter().map(Line::text).collect()
    }

    #[test]
    fn shows_each_kind_in_each_way() {
        let json = b"{\"a\":1}\n";
        assert_eq!(
            shown(json, JSON, ViewMode::Pretty),
            ["{", "  \"a\": 1", "}"]
        );
        assert_eq!(shown(json, JSON, ViewMode::Raw), ["{\"a\":1}", ""]);
        assert_eq!(shown(json, JSON, ViewMode::Hex).len(), 1);
        let form = b"a=%31&b=2";
        assert_eq!(shown(form, None, ViewMode::Pretty), ["a = 1", "b = 2"]);
        assert_eq!(shown(form, None, ViewMode::Raw), ["a=%31&b=2"]);
        assert_eq!(
            shown(b"<a>\r\n</a>", None, ViewMode::Pretty),
            ["<a>␍", "</a>"]
        );
        assert_eq!(shown(b"\xff\x1b", None, ViewMode::Raw), [r"\xff␛"]);
        assert!(shown(b"\xff\x1b", None, ViewMode::Pretty)[0].starts_with("00000000  ff 1b "));
        for mode in [ViewMode::Pretty, ViewMode::Raw, ViewMode::Hex] {
            assert!(shown(b"", JSON, mode).is_empty());
        }
    }

    #[test]
    fn text_with_a_wrong_byte_stays_text() {
        let texts: [(&[u8], &str); 5] = [
            (b"{\"a\": \"x\xffy\"}", r#"{"a": "x\xffy"}"#),
            (b"name=J\xf6rg&city=Oslo", r"name=J\xf6rg&city=Oslo"),
            (b"\xffall the rest is text", r"\xffall the rest is text"),
            (
                b"cut in the middle of a \xe2\x82",
                r"cut in the middle of a \xe2\x82",
            ),
            (b"<a>caf\xe9</a>", r"<a>caf\xe9</a>"),
        ];
        for content_type in [None, JSON, Some("text/plain"), Some("application/xml")] {
            for (body, text) in texts {
                let view = view(&Bytes::from_static(body), content_type, ViewMode::Pretty);
                assert_eq!(view.kind(), BodyKind::Text, "{text}");
                assert_eq!(view.line(0).unwrap().text(), text);
                let note = view.note().unwrap();
                assert!(note.starts_with("Not UTF-8: byte "), "{note}");
            }
        }
        let binaries: [&[u8]; 3] = [
            b"\x1f\x8b\x08\x00\x00\x00",
            b"text with a\x00 and \xff",
            b"\x89PNG\r\n\x1a\n\xff\xd8",
        ];
        for body in binaries {
            let view = view(&Bytes::from_static(body), None, ViewMode::Pretty);
            assert_eq!(view.kind(), BodyKind::Binary, "{body:?}");
        }
    }

    #[test]
    fn says_where_json_breaks_and_shows_it_as_received() {
        let body = Bytes::from_static(b"{\n  \"a\": 1,\n  \"b\" 2\n}");
        let view = view(&body, JSON, ViewMode::Pretty);
        assert_eq!(
            view.note(),
            Some("Not valid JSON: a colon is expected at line 3, column 7. Shown as received.")
        );
        let problem = view.problem().unwrap();
        assert_eq!((problem.line, problem.column, problem.row), (3, 7, 2));
        assert_eq!(view.line(problem.row).unwrap().text(), "  \"b\" 2");
    }

    #[test]
    fn marks_are_words_of_their_own_and_may_be_ascii() {
        let body = Bytes::from_static("[\"a\u{202e}\u{202e}é\"]".as_bytes());
        let view = view(&body, JSON, ViewMode::Pretty);
        let words = |view: &BodyView| -> Vec<(String, Role)> {
            let spans = view.line(1).unwrap().spans;
            spans.into_iter().map(|s| (s.text, s.role)).collect()
        };
        let mark = (r"\u{202e}\u{202e}".to_owned(), Role::Mark);
        assert_eq!(words(&view)[2], mark);
        assert_eq!(words(&view)[3], ("é\"".to_owned(), Role::String));
        let ascii = view.with_marks(Marks::Ascii);
        assert!(ascii.window(0, 9).iter().all(|l| l.text().is_ascii()));
    }

    #[test]
    fn does_not_lay_out_what_is_too_large() {
        let body = Bytes::from(format!("[{}1]", "1,".repeat(MAX_FORMATTED_BYTES)));
        let view = view(&body, JSON, ViewMode::Pretty);
        assert_eq!(view.kind(), BodyKind::Json);
        assert_eq!(view.note(), Some("Larger than 2 MiB: shown as received."));
        assert_eq!(
            view.lines_total(),
            body.len().div_ceil(super::super::rows::MAX_ROW_BYTES)
        );
    }

    #[test]
    fn a_window_of_a_large_body_costs_a_window() {
        let body = Bytes::from(b"some line of text\n".repeat(600_000));
        for mode in [ViewMode::Pretty, ViewMode::Raw, ViewMode::Hex] {
            let view = view(&body, None, mode);
            let started = Instant::now();
            for step in 0..100 {
                assert_eq!(view.window(step * 5_000, 40).len(), 40);
            }
            // A scan of the whole body would take seconds in a debug build.
            assert!(started.elapsed() < Duration::from_secs(1), "{mode:?}");
        }
    }

    #[test]
    fn windows_end_where_the_body_ends() {
        let view = view(&Bytes::from_static(b"a\nb"), None, ViewMode::Raw);
        assert_eq!(view.window(1, 9).len(), 1);
        assert_eq!(view.window(9, 9).len(), 0);
        assert_eq!(view.window(0, 0).len(), 0);
        assert_eq!(view.line(2), None);
    }

    proptest! {
        #[test]
        fn any_body_is_shown_safely(
            body in proptest::collection::vec(any::<u8>(), 0..300),
            content_type in proptest::option::of(prop_oneof![
                Just("application/json"),
                Just("application/x-www-form-urlencoded"),
                Just("multipart/form-data; boundary=x"),
                Just("text/xml"),
            ]),
        ) {
            let body = Bytes::from(body);
            for mode in [ViewMode::Pretty, ViewMode::Raw, ViewMode::Hex] {
                let view = view(&body, content_type, mode);
                let lines = view.window(0, usize::MAX);
                prop_assert_eq!(lines.len(), view.lines_total());
                for (number, line) in lines.iter().enumerate() {
                    prop_assert_eq!(view.line(number), Some(line.clone()));
                    let text = line.text();
                    prop_assert!(!text.chars().any(crate::domain::text::is_hidden), "{:?}", text);
                }
            }
        }
    }
}
