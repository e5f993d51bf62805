//! Serializes JSON strings and numbers as other programs would.

use std::fmt::Write as _;

use super::tokens::{Token, TokenKind};

/// How strings and numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ValueStyle {
    pub(super) unicode: Unicode,
    pub(super) slash: Slash,
    pub(super) html: Html,
    pub(super) number: Number,
}

/// How non-ASCII characters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unicode {
    Kept,
    /// Unescaped.
    Plain,
    /// As `\u00e9`.
    Lower,
    /// As `\u00E9`.
    Upper,
}

/// How `/` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slash {
    Kept,
    Plain,
    /// As `\/`.
    Escaped,
}

/// How `<`, `>` and `&` are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Html {
    Kept,
    Plain,
    /// As `\u003c`.
    Escaped,
}

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Kept,
    /// As short as possible: `1` for `1.0`, `10.5` for `10.50`.
    Short,
    /// With a fraction if there was one: `1.0`, `100.0` for `1e2`.
    Float,
    /// With two decimal places if there is a fraction: `10.50` for `10.5`.
    Money,
    /// Always with a fraction: `7.0` for `7`.
    AllFloat,
    /// Always with two decimal places: `7.00` for `7`.
    AllMoney,
}

impl ValueStyle {
    /// Everything as received.
    pub(super) const KEPT: Self = Self {
        unicode: Unicode::Kept,
        slash: Slash::Kept,
        html: Html::Kept,
        number: Number::Kept,
    };

    /// Appends a token to a text.
    pub(super) fn write(self, token: &Token<'_>, out: &mut String) {
        match token.kind {
            TokenKind::Text
                if self.unicode != Unicode::Kept
                    || self.slash != Slash::Kept
                    || self.html != Html::Kept =>
            {
                self.text(token.text, out);
            }
            TokenKind::Number if self.number != Number::Kept => {
                number(token.text, self.number, out);
            }
            TokenKind::Open
            | TokenKind::Close
            | TokenKind::Comma
            | TokenKind::Colon
            | TokenKind::Text
            | TokenKind::Number
            | TokenKind::Word => {
                out.push_str(token.text);
            }
        }
    }

    /// Appends a string in quotes; everything that the style does not cover is
    /// unchanged.
    fn text(self, text: &str, out: &mut String) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if c != '\\' {
                // Long runs of plain ASCII are copied as a whole.
                let plain = |b: u8| b.is_ascii() && !matches!(b, b'\\' | b'/' | b'<' | b'>' | b'&');
                let run = rest.bytes().position(|b| !plain(b)).unwrap_or(rest.len());
                if run > 0 {
                    out.push_str(&rest[..run]);
                    rest = &rest[run..];
                    continue;
                }
                self.character(c, &rest[..c.len_utf8()], out);
                rest = &rest[c.len_utf8()..];
                continue;
            }
            let (c, length) = escaped(rest);
            let source = &rest[..length];
            match c {
                Some(c) => self.character(c, source, out),
                None => out.push_str(source),
            }
            rest = &rest[length..];
        }
    }

    /// Appends one character; `source` is its received notation.
    fn character(self, c: char, source: &str, out: &mut String) {
        let lower = self.unicode != Unicode::Upper;
        let plain = match c {
            '/' => match self.slash {
                Slash::Kept => None,
                Slash::Plain => Some(true),
                Slash::Escaped => {
                    out.push_str("\\/");
                    return;
                }
            },
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' if self.html != Html::Kept => {
                Some(self.html == Html::Plain)
            }
            '"' | '\\' | '\0'..='\u{1f}' => None,
            _ if c.is_ascii() => {
                (self.unicode != Unicode::Kept && source.len() > 1).then_some(true)
            }
            _ => match self.unicode {
                Unicode::Kept => None,
                Unicode::Plain => Some(true),
                Unicode::Lower | Unicode::Upper => Some(false),
            },
        };
        match plain {
            None => out.push_str(source),
            Some(true) => out.push(c),
            Some(false) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str("\\u");
                    for shift in [12, 8, 4, 0] {
                        let digit =
                            char::from_digit(u32::from(*unit >> shift) & 15, 16).unwrap_or('0');
                        out.push(if lower {
                            digit
                        } else {
                            digit.to_ascii_uppercase()
                        });
                    }
                }
            }
        }
    }
}

/// Reads an escape: the character, if it is a valid one, and the length of the
/// escape.
fn escaped(text: &str) -> (Option<char>, usize) {
    let unit = |text: &str| u16::from_str_radix(text.get(2..6)?, 16).ok();
    match text.as_bytes().get(1) {
        Some(b'u') => {
            let Some(first) = unit(text) else {
                return (None, 1);
            };
            if (0xd800..0xdc00).contains(&first) {
                let second = text
                    .get(6..)
                    .filter(|t| t.starts_with("\\u"))
                    .and_then(unit);
                let both =
                    second.and_then(|second| char::decode_utf16([first, second]).next()?.ok());
                return (both, if both.is_some() { 12 } else { 6 });
            }
            (char::from_u32(u32::from(first)), 6)
        }
        Some(b'/') => (Some('/'), 2),
        // All programs write the short escapes alike.
        Some(_) => (None, 2),
        None => (None, 1),
    }
}

/// Appends a number.
fn number(text: &str, how: Number, out: &mut String) {
    let has_fraction = text.contains(['.', 'e', 'E']);
    let all = matches!(how, Number::AllFloat | Number::AllMoney);
    let value = text
        .parse::<f64>()
        .ok()
        .filter(|v| *v == 0.0 || (1e-6..1e15).contains(&v.abs()));
    let Some(value) = value.filter(|_| has_fraction || all) else {
        out.push_str(text);
        return;
    };
    match how {
        Number::Kept => out.push_str(text),
        Number::Short => out.push_str(&value.to_string()),
        Number::Float | Number::AllFloat => {
            let short = value.to_string();
            out.push_str(&short);
            if !short.contains('.') {
                out.push_str(".0");
            }
        }
        Number::Money | Number::AllMoney => {
            let _ = write!(out, "{value:.2}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::doctor::rewrite::write_kept;
    use crate::domain::doctor::tokens::tokens;

    fn written(source: &str, values: ValueStyle) -> String {
        write_kept(source, &tokens(source).unwrap(), values)
    }

    #[test]
    fn texts_are_written_as_others_do() {
        let source = r#"{ "é😀": "a/b\/c \u00E9\ud83d\ude00\n<\u003c\"\ud800" }"#;
        let with = |unicode, slash, html| {
            written(
                source,
                ValueStyle {
                    unicode,
                    slash,
                    html,
                    ..ValueStyle::KEPT
                },
            )
        };
        assert_eq!(with(Unicode::Kept, Slash::Kept, Html::Kept), source);
        assert_eq!(
            with(Unicode::Lower, Slash::Kept, Html::Kept),
            r#"{ "\u00e9\ud83d\ude00": "a/b\/c \u00e9\ud83d\ude00\n<<\"\ud800" }"#
        );
        assert_eq!(
            with(Unicode::Plain, Slash::Plain, Html::Plain),
            r#"{ "é😀": "a/b/c é😀\n<<\"\ud800" }"#
        );
        assert_eq!(
            with(Unicode::Kept, Slash::Escaped, Html::Escaped),
            r#"{ "é😀": "a\/b\/c \u00E9\ud83d\ude00\n\u003c\u003c\"\ud800" }"#
        );
    }

    #[test]
    fn numbers_are_written_as_others_do() {
        let with = |number| {
            written(
                "[1.0,10.50,7,1e2,123456789012345678901]",
                ValueStyle {
                    number,
                    ..ValueStyle::KEPT
                },
            )
        };
        assert_eq!(with(Number::Short), "[1,10.5,7,100,123456789012345678901]");
        assert_eq!(
            with(Number::Float),
            "[1.0,10.5,7,100.0,123456789012345678901]"
        );
        assert_eq!(
            with(Number::Money),
            "[1.00,10.50,7,100.00,123456789012345678901]"
        );
        assert_eq!(
            with(Number::AllFloat),
            "[1.0,10.5,7.0,100.0,123456789012345678901]"
        );
    }
}
