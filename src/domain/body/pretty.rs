//! Lays bodies out for reading.

use super::json::{Kind, Token};
use super::{Line, Piece, Role};
use crate::domain::text;

/// How deep JSON is indented; what lies deeper stays at this depth.
const DEEPEST: usize = 128;

/// Lays JSON out, two blanks for each step.
pub(super) fn json(tokens: &[Token<'_>]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut line = Vec::new();
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1).map(|t| t.kind);
        match token.kind {
            Kind::Open => {
                line.push(piece(token, Role::Punctuation));
                depth += 1;
                if next != Some(Kind::Close) {
                    begin(&mut lines, &mut line, depth);
                }
            }
            Kind::Close => {
                depth = depth.saturating_sub(1);
                if at > 0 && tokens[at - 1].kind != Kind::Open {
                    begin(&mut lines, &mut line, depth);
                }
                line.push(piece(token, Role::Punctuation));
            }
            Kind::Comma => {
                line.push(piece(token, Role::Punctuation));
                begin(&mut lines, &mut line, depth);
            }
            Kind::Colon => line.push(Piece { text: ": ".to_owned(), role: Role::Punctuation }),
            Kind::Text if next == Some(Kind::Colon) => line.push(piece(token, Role::Key)),
            Kind::Text => line.push(piece(token, Role::Text)),
            Kind::Number => line.push(piece(token, Role::Number)),
            Kind::Word => line.push(piece(token, Role::Word)),
        }
    }
    lines.push(Line(line));
    lines
}

fn piece(token: &Token<'_>, role: Role) -> Piece {
    Piece { text: text::visible(token.text).into_owned(), role }
}

/// Ends a line and indents the next.
fn begin(lines: &mut Vec<Line>, line: &mut Vec<Piece>, depth: usize) {
    lines.push(Line(std::mem::take(line)));
    if depth > 0 {
        line.push(Piece { text: " ".repeat(2 * depth.min(DEEPEST)), role: Role::Plain });
    }
}

/// Shows a form, one field a line, decoded.
pub(super) fn form(source: &str) -> Vec<Line> {
    let field = |field: &str| {
        let (name, value) = match field.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (field, None),
        };
        let mut pieces = vec![Piece { text: decoded(name), role: Role::Key }];
        if let Some(value) = value {
            pieces.push(Piece { text: " = ".to_owned(), role: Role::Punctuation });
            pieces.push(Piece { text: decoded(value), role: Role::Text });
        }
        Line(pieces)
    };
    source.trim_end_matches(['\r', '\n']).split('&').map(field).collect()
}

/// Decodes a part of a form (application/x-www-form-urlencoded).
fn decoded(part: &str) -> String {
    let bytes = part.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = bytes.get(at + 1..at + 3).and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 16).ok().filter(|_| digits.bytes().all(|b| b.is_ascii_hexdigit()))
        });
        match (bytes[at], escape) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 3;
            }
            (b'+', _) => {
                decoded.push(b' ');
                at += 1;
            }
            (byte, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    text::visible_bytes(&decoded)
}
