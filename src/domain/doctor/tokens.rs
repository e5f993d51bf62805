//! A JSON tokenizer.
//!
//! Numbers are not parsed and strings are not unescaped, so the tokens are the
//! received bytes (grammar: RFC 8259). The tokenizer does not recurse; the
//! nesting depth is a counter.

/// A token of a JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// The kind of the token.
    pub(super) kind: TokenKind,
    /// The token's text in the source.
    pub(super) text: &'a str,
    /// The offset in the source, in bytes.
    pub(super) at: usize,
}

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// `{` or `[`.
    Open,
    /// `}` or `]`.
    Close,
    /// `,`.
    Comma,
    /// `:`.
    Colon,
    /// A string in quotes.
    Text,
    /// A number.
    Number,
    /// `true`, `false` or `null`.
    Word,
}

/// The position at which a text stops being JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JsonError {
    /// The line, counted from 1.
    pub(super) line: usize,
    /// The column in characters, counted from 1.
    pub(super) column: usize,
}

/// Tokenizes a JSON text.
///
/// # Errors
/// Returns the position at which the text stops being JSON.
pub(super) fn tokens(source: &str) -> Result<Vec<Token<'_>>, JsonError> {
    let mut reader = Reader {
        source,
        at: 0,
        tokens: Vec::with_capacity(source.len() / 6),
        open: Vec::new(),
    };
    reader.read().map_err(|at| {
        let before = &source[..at.min(source.len())];
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        JsonError { line, column }
    })?;
    Ok(reader.tokens)
}

struct Reader<'a> {
    source: &'a str,
    at: usize,
    tokens: Vec<Token<'a>>,
    open: Vec<u8>,
}

/// What the grammar allows next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    ValueOrClose,
    NameOrClose,
    Name,
    Colon,
    CommaOrClose,
    End,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), usize> {
        let mut next = Next::Value;
        loop {
            let bytes = self.source.as_bytes();
            while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
                self.at += 1;
            }
            let Some(&byte) = bytes.get(self.at) else {
                return if next == Next::End {
                    Ok(())
                } else {
                    Err(self.at)
                };
            };
            next = match (next, byte) {
                (Next::Value | Next::ValueOrClose, b'{') => self.enter(byte, Next::NameOrClose),
                (Next::Value | Next::ValueOrClose, b'[') => self.enter(byte, Next::ValueOrClose),
                (Next::Value | Next::ValueOrClose, _) if byte != b']' => {
                    self.scalar()?;
                    self.after_value()
                }
                (Next::ValueOrClose | Next::CommaOrClose, b']')
                | (Next::NameOrClose | Next::CommaOrClose, b'}') => {
                    self.leave(byte)?;
                    self.after_value()
                }
                (Next::NameOrClose | Next::Name, b'"') => {
                    self.scalar()?;
                    Next::Colon
                }
                (Next::Colon, b':') => {
                    self.push(TokenKind::Colon, 1);
                    Next::Value
                }
                (Next::CommaOrClose, b',') => {
                    self.push(TokenKind::Comma, 1);
                    if self.open.last() == Some(&b'{') {
                        Next::Name
                    } else {
                        Next::Value
                    }
                }
                _ => return Err(self.at),
            };
        }
    }

    fn enter(&mut self, byte: u8, next: Next) -> Next {
        self.open.push(byte);
        self.push(TokenKind::Open, 1);
        next
    }

    fn leave(&mut self, byte: u8) -> Result<(), usize> {
        let matching = if byte == b'}' { b'{' } else { b'[' };
        if self.open.pop() != Some(matching) {
            return Err(self.at);
        }
        self.push(TokenKind::Close, 1);
        Ok(())
    }

    fn after_value(&self) -> Next {
        if self.open.is_empty() {
            Next::End
        } else {
            Next::CommaOrClose
        }
    }

    fn push(&mut self, kind: TokenKind, length: usize) {
        self.tokens.push(Token {
            kind,
            text: &self.source[self.at..self.at + length],
            at: self.at,
        });
        self.at += length;
    }

    fn scalar(&mut self) -> Result<(), usize> {
        let rest = &self.source.as_bytes()[self.at..];
        let (kind, length) = match rest[0] {
            b'"' => (TokenKind::Text, text_length(rest)),
            b'-' | b'0'..=b'9' => (TokenKind::Number, number_length(rest)),
            _ => {
                let word = ["true", "false", "null"]
                    .iter()
                    .find(|word| rest.starts_with(word.as_bytes()));
                (TokenKind::Word, word.map(|word| word.len()))
            }
        };
        self.push(kind, length.ok_or(self.at)?);
        Ok(())
    }
}

/// Returns the length of a string in quotes.
fn text_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match *bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => match *bytes.get(at + 1)? {
                b'u' => {
                    if !bytes.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit) {
                        return None;
                    }
                    at += 6;
                }
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                _ => return None,
            },
            0..0x20 => return None,
            _ => at += 1,
        }
    }
}

/// Returns the length of a number.
fn number_length(bytes: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        bytes[from.min(bytes.len())..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let mut at = usize::from(bytes[0] == b'-');
    let whole = digits(at);
    if whole == 0 || (whole > 1 && bytes[at] == b'0') {
        return None;
    }
    at += whole;
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at);
        if exponent == 0 {
            return None;
        }
        at += exponent;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn says_where_it_breaks() {
        assert_eq!(
            tokens("{\"a\": 1,\n  oops}"),
            Err(JsonError { line: 2, column: 3 })
        );
        for broken in [
            "", "{", "[1,]", "{\"a\"}", "01", "1.", "\"\\x\"", "[1}", "1 2", "\"a\nb\"", "nul",
            "]", "{1:2}",
        ] {
            assert!(tokens(broken).is_err(), "{broken}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_the_other_parser_does(text in "[\\[\\]{}:,\"0-9a-z\\\\ .eE+-]{0,24}") {
            // `serde_json` rejects lone surrogates and huge exponents, which
            // are well formed.
            if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
                prop_assert!(tokens(&text).is_ok());
            }
        }
    }
}
