//! A JSON tokenizer (RFC 8259) for checking and formatting that never parses a
//! number. It does not recurse, so nesting does not use the stack.

use crate::domain::text::Marks;

use super::line::{Line, Role};
use super::rows::{MAX_ROW_BYTES, floor_boundary};

/// Containers nested deeper than this stay on one line.
const MAX_INDENTED_DEPTH: u32 = 128;

/// The range of a token in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::domain) struct Token {
    pub(in crate::domain) kind: Kind,
    pub(in crate::domain) start: usize,
    pub(in crate::domain) end: usize,
}

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::domain) enum Kind {
    String,
    Number,
    Literal,
    Open,
    Close,
    Colon,
    Comma,
}

/// Where and why text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::domain) struct SyntaxError {
    /// The offset of the error in bytes.
    pub(in crate::domain) offset: usize,
    /// What is wrong.
    pub(in crate::domain) what: &'static str,
    /// Whether more text could complete the JSON.
    unfinished: bool,
}

/// One line of the layout: a range of the text at a nesting depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    start: u32,
    end: u32,
    depth: u32,
    /// The role of the long token in which the line begins, if any.
    inside: Option<Role>,
    /// The end of that token.
    inside_end: u32,
    continued: bool,
}

/// Returns whether the text is JSON, as far as its first `limit` bytes show.
pub(super) fn plausible(text: &[u8], limit: usize) -> bool {
    match text.get(..limit) {
        Some(beginning) if limit < text.len() => match check(beginning) {
            Ok(()) => false,
            Err(fault) => fault.unfinished,
        },
        _ => check(text).is_ok(),
    }
}

/// Checks that the text is one JSON value.
pub(in crate::domain) fn check(text: &[u8]) -> Result<(), SyntaxError> {
    /// What the grammar allows next.
    #[derive(Clone, Copy, PartialEq)]
    enum Next {
        Value,
        ValueOrEnd,
        Key,
        KeyOrEnd,
        Colon,
        CommaOrEnd,
        Nothing,
    }
    if text.starts_with(b"\xef\xbb\xbf") {
        return Err(fault(0, "it begins with a byte order mark"));
    }
    let mut open: Vec<u8> = Vec::new();
    let mut next = Next::Value;
    let mut at = 0;
    while let Some(token) = lex(text, at)? {
        at = token.end;
        let closes = |bracket: u8| text[token.start] == bracket;
        let done = |open: &[u8]| {
            if open.is_empty() {
                Next::Nothing
            } else {
                Next::CommaOrEnd
            }
        };
        next = match (next, token.kind) {
            (Next::Value | Next::ValueOrEnd, Kind::Open) => {
                open.push(text[token.start]);
                if text[token.start] == b'{' {
                    Next::KeyOrEnd
                } else {
                    Next::ValueOrEnd
                }
            }
            (Next::Value | Next::ValueOrEnd, Kind::String | Kind::Number | Kind::Literal) => {
                done(&open)
            }
            (Next::Key | Next::KeyOrEnd, Kind::String) => Next::Colon,
            (Next::CommaOrEnd, Kind::Comma) if open.last() == Some(&b'{') => Next::Key,
            (Next::CommaOrEnd, Kind::Comma) | (Next::Colon, Kind::Colon) => Next::Value,
            (Next::KeyOrEnd | Next::CommaOrEnd, Kind::Close)
                if closes(b'}') && open.last() == Some(&b'{') =>
            {
                open.pop();
                done(&open)
            }
            (Next::ValueOrEnd | Next::CommaOrEnd, Kind::Close)
                if closes(b']') && open.last() == Some(&b'[') =>
            {
                open.pop();
                done(&open)
            }
            (wanted, _) => {
                let what = match wanted {
                    Next::Value => "a value is expected",
                    Next::ValueOrEnd => "a value or ] is expected",
                    Next::Key => "a name in quotes is expected",
                    Next::KeyOrEnd => "a name in quotes or } is expected",
                    Next::Colon => "a colon is expected",
                    Next::CommaOrEnd if open.last() == Some(&b'{') => "a comma or } is expected",
                    Next::CommaOrEnd => "a comma or ] is expected",
                    Next::Nothing => "there is text after the value",
                };
                return Err(fault(token.start, what));
            }
        };
    }
    if next == Next::Nothing {
        return Ok(());
    }
    Err(SyntaxError {
        offset: text.len(),
        what: "it ends too early",
        unfinished: true,
    })
}

/// Splits JSON that passed [`check`] into rows.
pub(super) fn rows(text: &[u8]) -> Vec<Row> {
    let mut layout = Layout {
        text,
        rows: Vec::new(),
        start: None,
        depth: 0,
    };
    // The depth inside a container that stays on one line.
    let mut flat = 0_u32;
    let mut at = 0;
    while let Ok(Some(token)) = lex(text, at) {
        at = token.end;
        match token.kind {
            Kind::Open if flat > 0 || layout.depth >= MAX_INDENTED_DEPTH => {
                flat += 1;
                layout.add(token);
            }
            Kind::Close if flat > 0 => {
                flat -= 1;
                layout.add(token);
            }
            Kind::Open => {
                layout.add(token);
                match lex(text, at) {
                    Ok(Some(close)) if close.kind == Kind::Close => {
                        at = close.end;
                        layout.add(close);
                    }
                    _ => {
                        layout.end(token.end);
                        layout.depth += 1;
                    }
                }
            }
            Kind::Close => {
                layout.end(token.start);
                layout.depth = layout.depth.saturating_sub(1);
                layout.add(token);
            }
            Kind::Comma if flat == 0 => {
                layout.add(token);
                layout.end(token.end);
            }
            Kind::Comma | Kind::Colon | Kind::String | Kind::Number | Kind::Literal => {
                layout.add(token);
            }
        }
    }
    layout.end(text.trim_ascii_end().len());
    layout.rows
}

/// Formats one row.
pub(super) fn line(text: &[u8], row: &Row, marks: Marks) -> Line {
    let mut line = Line {
        continued: row.continued,
        ..Line::default()
    };
    if !row.continued {
        line.own("  ".repeat(row.depth as usize), Role::Plain);
    }
    let end = row.end as usize;
    let mut at = row.start as usize;
    if let Some(role) = row.inside {
        let stop = end.min(row.inside_end as usize);
        line.foreign(&text[at..stop], role, marks);
        at = stop;
    }
    while at < end {
        let Ok(Some(token)) = lex(text, at) else {
            break;
        };
        if token.start >= end {
            break;
        }
        let stop = token.end.min(end);
        line.foreign(&text[token.start..stop], role(text, token), marks);
        at = stop;
        if matches!(token.kind, Kind::Colon | Kind::Comma) && !text[at..end].trim_ascii().is_empty()
        {
            line.own(" ", Role::Plain);
        }
    }
    line
}

/// Builds rows.
struct Layout<'a> {
    text: &'a [u8],
    rows: Vec<Row>,
    /// The row under construction.
    start: Option<Row>,
    depth: u32,
}

impl Layout<'_> {
    /// Adds a token to the row, and starts a new row if it becomes too long.
    fn add(&mut self, token: Token) {
        let depth = self.depth;
        let row = self.start.get_or_insert(Row {
            start: place(token.start),
            end: 0,
            depth,
            inside: None,
            inside_end: 0,
            continued: false,
        });
        let mut start = row.start as usize;
        if token.end - start <= MAX_ROW_BYTES {
            return;
        }
        if token.start > start && token.end - token.start <= MAX_ROW_BYTES {
            self.part(token.start, None, 0);
            return;
        }
        let role = role(self.text, token);
        while token.end - start > MAX_ROW_BYTES {
            let cut = floor_boundary(self.text, start + MAX_ROW_BYTES);
            let inside = (cut > token.start).then_some(role);
            self.part(cut, inside, token.end);
            start = cut;
        }
    }

    /// Ends the row at `cut` and continues in another row.
    fn part(&mut self, cut: usize, inside: Option<Role>, inside_end: usize) {
        self.end(cut);
        self.start = Some(Row {
            start: place(cut),
            end: 0,
            depth: self.depth,
            inside,
            inside_end: place(inside_end),
            continued: true,
        });
    }

    /// Ends the row at `end`.
    fn end(&mut self, end: usize) {
        if let Some(mut row) = self.start.take() {
            row.end = place(end);
            self.rows.push(row);
        }
    }
}

/// Converts an offset in a text of at most [`super::MAX_FORMATTED_BYTES`].
fn place(at: usize) -> u32 {
    u32::try_from(at).expect("only texts far below 4 GiB are laid out")
}

fn role(text: &[u8], token: Token) -> Role {
    match token.kind {
        Kind::String if is_key(text, token.end) => Role::Key,
        Kind::String => Role::String,
        Kind::Number => Role::Number,
        Kind::Literal => Role::Literal,
        Kind::Open | Kind::Close | Kind::Colon | Kind::Comma => Role::Punctuation,
    }
}

/// Returns whether the string that ends here is a member name: only names are
/// followed by a colon.
fn is_key(text: &[u8], end: usize) -> bool {
    text[end..].iter().find(|b| !is_blank(**b)) == Some(&b':')
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

const fn fault(offset: usize, what: &'static str) -> SyntaxError {
    SyntaxError {
        offset,
        what,
        unfinished: false,
    }
}

/// Reads the token at or after `at`; returns `None` at the end.
pub(in crate::domain) fn lex(text: &[u8], mut at: usize) -> Result<Option<Token>, SyntaxError> {
    while text.get(at).is_some_and(|&b| is_blank(b)) {
        at += 1;
    }
    let Some(&first) = text.get(at) else {
        return Ok(None);
    };
    let (kind, end) = match first {
        b'{' | b'[' => (Kind::Open, at + 1),
        b'}' | b']' => (Kind::Close, at + 1),
        b':' => (Kind::Colon, at + 1),
        b',' => (Kind::Comma, at + 1),
        b'"' => (Kind::String, string_end(text, at)?),
        b'-' | b'0'..=b'9' => (Kind::Number, number_end(text, at)?),
        b't' => (Kind::Literal, literal_end(text, at, b"true")?),
        b'f' => (Kind::Literal, literal_end(text, at, b"false")?),
        b'n' => (Kind::Literal, literal_end(text, at, b"null")?),
        _ => return Err(fault(at, "this is not the start of a value")),
    };
    Ok(Some(Token {
        kind,
        start: at,
        end,
    }))
}

fn string_end(text: &[u8], start: usize) -> Result<usize, SyntaxError> {
    let unfinished = SyntaxError {
        offset: start,
        what: "a string is not closed",
        unfinished: true,
    };
    let mut at = start + 1;
    loop {
        match *text.get(at).ok_or(unfinished)? {
            b'"' => return Ok(at + 1),
            b'\\' => at = escape_end(text, at, unfinished)?,
            0..0x20 => return Err(fault(at, "a string contains a control character")),
            _ => at += 1,
        }
    }
}

fn escape_end(text: &[u8], start: usize, unfinished: SyntaxError) -> Result<usize, SyntaxError> {
    match *text.get(start + 1).ok_or(unfinished)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(start + 2),
        b'u' => {
            for at in start + 2..start + 6 {
                if !text.get(at).ok_or(unfinished)?.is_ascii_hexdigit() {
                    return Err(fault(start, "\\u is not followed by four hex digits"));
                }
            }
            Ok(start + 6)
        }
        _ => Err(fault(start, "a backslash does not start a valid escape")),
    }
}

fn number_end(text: &[u8], start: usize) -> Result<usize, SyntaxError> {
    let digits = |mut at: usize| {
        let from = at;
        while text.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        if at > from {
            Ok(at)
        } else {
            Err(SyntaxError {
                offset: start,
                what: "a number has no digit",
                unfinished: at == text.len(),
            })
        }
    };
    let mut at = start + usize::from(text[start] == b'-');
    at = if text.get(at) == Some(&b'0') {
        at + 1
    } else {
        digits(at)?
    };
    if text.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1;
        at += usize::from(matches!(text.get(at), Some(b'+' | b'-')));
        at = digits(at)?;
    }
    Ok(at)
}

fn literal_end(text: &[u8], start: usize, word: &[u8]) -> Result<usize, SyntaxError> {
    let rest = &text[start..];
    if rest.starts_with(word) {
        return Ok(start + word.len());
    }
    Err(SyntaxError {
        offset: start,
        what: "this is not true, false or null",
        unfinished: word.starts_with(rest),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn laid_out(text: &str) -> Vec<String> {
        rows(text.as_bytes())
            .iter()
            .map(|row| line(text.as_bytes(), row, Marks::Pictures).text())
            .collect()
    }

    /// The text of all tokens, without whitespace between them.
    fn tokens(text: &str) -> String {
        rows(text.as_bytes())
            .iter()
            .flat_map(|row| line(text.as_bytes(), row, Marks::Pictures).spans)
            .filter(|span| span.role != Role::Plain)
            .map(|span| span.text)
            .collect()
    }

    #[test]
    fn lays_out_as_people_do_and_changes_nothing() {
        let text = r#" {"a":1.0e+05,"a":-0 ,"b":{ },"c":[ ],"\u0064":["x\/",true,{"e":null}]} "#;
        let expected = r#"{
  "a": 1.0e+05,
  "a": -0,
  "b": {},
  "c": [],
  "\u0064": [
    "x\/",
    true,
    {
      "e": null
    }
  ]
}"#;
        assert_eq!(check(text.as_bytes()), Ok(()));
        assert_eq!(laid_out(text).join("\n"), expected);
    }

    #[test]
    fn gives_every_word_its_role() {
        let text = r#"{"k":["s",-1,null]}"#;
        let words: Vec<_> = rows(text.as_bytes())
            .iter()
            .flat_map(|row| line(text.as_bytes(), row, Marks::Pictures).spans)
            .filter(|span| span.role != Role::Plain)
            .map(|span| (span.text, span.role))
            .collect();
        let expected = [
            ("{", Role::Punctuation),
            ("\"k\"", Role::Key),
            (":", Role::Punctuation),
            ("[", Role::Punctuation),
            ("\"s\"", Role::String),
            (",", Role::Punctuation),
            ("-1", Role::Number),
            (",", Role::Punctuation),
            ("null", Role::Literal),
            ("]", Role::Punctuation),
            ("}", Role::Punctuation),
        ];
        assert_eq!(words, expected.map(|(t, r)| (t.to_owned(), r)));
    }

    #[test]
    fn says_where_it_breaks() {
        let cases = [
            ("", 0, "it ends too early"),
            ("{\"a\":1", 6, "it ends too early"),
            ("{a:1}", 1, "this is not the start of a value"),
            ("{1:1}", 1, "a name in quotes or } is expected"),
            ("{\"a\":1,}", 7, "a name in quotes is expected"),
            ("{\"a\" 1}", 5, "a colon is expected"),
            ("{\"a\":1 \"b\":2}", 7, "a comma or } is expected"),
            ("[1,]", 3, "a value is expected"),
            ("[1}", 2, "a comma or ] is expected"),
            ("[:", 1, "a value or ] is expected"),
            ("1 2", 2, "there is text after the value"),
            ("[\"a", 1, "a string is not closed"),
            ("[\"a\n\"]", 3, "a string contains a control character"),
            ("[\"\\x\"]", 2, "a backslash does not start a valid escape"),
            ("[\"\\u12g4\"]", 2, "\\u is not followed by four hex digits"),
            ("[1.]", 1, "a number has no digit"),
            ("[-]", 1, "a number has no digit"),
            ("[01]", 2, "a comma or ] is expected"),
            ("[nul]", 1, "this is not true, false or null"),
            ("\u{feff}{}", 0, "it begins with a byte order mark"),
        ];
        for (text, offset, what) in cases {
            let fault = check(text.as_bytes()).unwrap_err();
            assert_eq!((fault.offset, fault.what), (offset, what), "{text}");
        }
    }

    #[test]
    fn agrees_with_a_parser_on_any_beginning() {
        let text = r#"{"a":[1.5e-3,true,"\u00e9\n"],"b":{"c":null}}"#;
        for end in 0..text.len() {
            assert!(!plausible(&text.as_bytes()[..end], usize::MAX));
            assert!(plausible(text.as_bytes(), end), "{}", &text[..end]);
        }
        assert!(plausible(text.as_bytes(), text.len()));
        assert!(!plausible(b"{\"a\" 1, \"b\": 2}", 8));
    }

    #[test]
    fn survives_depth() {
        let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(check(deep.as_bytes()), Ok(()));
        let rows = rows(deep.as_bytes());
        assert!(rows.len() < 1_000);
        assert_eq!(rows.iter().map(|r| r.depth).max(), Some(MAX_INDENTED_DEPTH));
        assert!(check("[".repeat(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn parts_long_strings_and_keeps_their_text() {
        let text = format!(
            "{{\"k{0}\":\"{0}\",\"n\":1{1}}}",
            "é".repeat(9_000),
            "0".repeat(9_000)
        );
        let lines: Vec<_> = rows(text.as_bytes())
            .iter()
            .map(|row| line(text.as_bytes(), row, Marks::Pictures))
            .collect();
        assert!(lines.iter().all(|l| l.text().len() <= MAX_ROW_BYTES + 8));
        assert!(lines.iter().any(|l| l.continued));
        assert_eq!(tokens(&text), text);
        let odd = lines
            .iter()
            .flat_map(|l| &l.spans)
            .find(|s| s.role == Role::Mark);
        assert_eq!(odd, None);
    }

    /// JSON text with random whitespace and number notations.
    fn json_text() -> impl Strategy<Value = String> {
        let blank = "[ \n\r\t]{0,2}";
        let leaf = prop_oneof![
            "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?",
            "\"([a-z0-9 é日]|\\\\[\"/bfnrt]|\\\\\\\\|\\\\u[0-9a-fA-F]{4}){0,12}\"",
            Just("true".to_owned()),
            Just("false".to_owned()),
            Just("null".to_owned()),
        ];
        leaf.prop_recursive(5, 60, 6, move |inner| {
            let padded = (blank, inner, blank).prop_map(|(a, v, b)| format!("{a}{v}{b}"));
            let member = ("\"[a-c]{0,2}\"", blank, padded.clone())
                .prop_map(|(key, gap, value)| format!("{key}{gap}:{value}"));
            prop_oneof![
                proptest::collection::vec(padded, 0..6).prop_map(|v| format!("[{}]", v.join(","))),
                proptest::collection::vec(member, 0..6)
                    .prop_map(|v| format!("{{{}}}", v.join(","))),
            ]
        })
    }

    /// Removes the whitespace outside strings.
    fn compact(text: &str) -> String {
        let mut inside = false;
        let mut escaped = false;
        text.chars()
            .filter(|&c| {
                let was_inside = inside;
                if inside {
                    inside = escaped || c != '"';
                    escaped = !escaped && c == '\\';
                } else {
                    inside = c == '"';
                }
                was_inside || inside || !c.is_ascii_whitespace()
            })
            .collect()
    }

    proptest! {
        #[test]
        fn tokens_are_the_source_without_blanks(text in json_text()) {
            prop_assert_eq!(check(text.as_bytes()), Ok(()));
            prop_assert_eq!(tokens(&text), compact(&text));
        }

        #[test]
        fn checks_as_a_parser_does(text in json_text(), cut in any::<prop::sample::Index>(), put in "[\\[\\]{},:\"0-9a ]") {
            let mut broken: Vec<char> = text.chars().collect();
            let at = cut.index(broken.len());
            broken.splice(at..=at, put.chars());
            let broken: String = broken.into_iter().collect();
            let parsed = serde_json::from_str::<serde::de::IgnoredAny>(&broken);
            prop_assert_eq!(check(broken.as_bytes()).is_ok(), parsed.is_ok(), "{}", broken);
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = check(&bytes);
            for row in rows(&bytes) {
                line(&bytes, &row, Marks::Pictures);
            }
        }
    }
}
