//! Characters that are hidden or control a terminal, and the marks that replace
//! them.

use std::borrow::Cow;
use std::str::Utf8Chunks;

use unicode_width::UnicodeWidthChar;

/// The maximum number of combining marks on one character; more would overlap
/// neighbouring characters on the screen.
const MAX_COMBINING_MARKS: u8 = 4;

/// How characters that cannot be shown are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Marks {
    /// Pictures for control characters (`␛`), escapes for the others
    /// (`\u{202e}`, `\xff`).
    #[default]
    Pictures,
    /// Escapes for all of them (`\x1b`, `\u{202e}`); other text is unchanged.
    Escapes,
    /// Escapes for all of them and for all non-ASCII characters.
    Ascii,
}

/// A piece of sanitized text: plain text or a mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// What to show.
    pub text: Cow<'a, str>,
    /// Whether it is a mark.
    pub mark: bool,
}

/// An iterator over the pieces of a text, created by [`pieces`].
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    chunks: Utf8Chunks<'a>,
    valid: &'a str,
    invalid: &'a [u8],
    marks: Marks,
    /// The number of combining marks on the current character; `None` if there
    /// is no base character.
    run: Option<u8>,
}

/// Splits received bytes into plain text and marks.
pub fn pieces(bytes: &[u8], marks: Marks) -> Pieces<'_> {
    Pieces {
        chunks: bytes.utf8_chunks(),
        valid: "",
        invalid: &[],
        marks,
        run: None,
    }
}

/// Returns whether a character controls a terminal, reorders or separates text,
/// or is invisible without being a combining mark.
pub fn is_hidden(c: char) -> bool {
    match c {
        ' '..='~' => false,
        // C0, DEL and C1, including U+0085; then the line separators.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}'
        // `Default_Ignorable_Code_Point` of Unicode: zero widths, bidi marks,
        // fillers, variation selectors, tags.
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}'
        // The same block continues with interlinear annotations.
        | '\u{fff0}'..='\u{fffb}'
        | '\u{fdd0}'..='\u{fdef}' => true,
        // The last two code points of every plane are noncharacters.
        _ => u32::from(c) & 0xfffe == 0xfffe,
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        loop {
            if let Some(first) = self.valid.chars().next() {
                return Some(self.take(first));
            }
            if let Some((&byte, rest)) = self.invalid.split_first() {
                self.invalid = rest;
                self.run = None;
                return Some(mark(format!("\\x{byte:02x}")));
            }
            let chunk = self.chunks.next()?;
            self.valid = chunk.valid();
            self.invalid = chunk.invalid();
        }
    }
}

impl<'a> Pieces<'a> {
    /// Takes the longest prefix that may be shown, else a mark for `first`.
    fn take(&mut self, first: char) -> Piece<'a> {
        let end = self
            .valid
            .char_indices()
            .find(|&(_, c)| !self.passes(c))
            .map_or(self.valid.len(), |(at, _)| at);
        if end > 0 {
            let (text, rest) = self.valid.split_at(end);
            self.valid = rest;
            return Piece {
                text: Cow::Borrowed(text),
                mark: false,
            };
        }
        self.valid = &self.valid[first.len_utf8()..];
        self.run = None;
        mark(self.written(first))
    }

    /// Returns whether `c` may be shown here, and updates the run of combining
    /// marks.
    fn passes(&mut self, c: char) -> bool {
        let run = match c {
            ' '..='~' => 0,
            _ if self.marks == Marks::Ascii || is_hidden(c) => return false,
            _ if c.width() != Some(0) => 0,
            _ => match self.run {
                Some(run) if run < MAX_COMBINING_MARKS => run + 1,
                _ => return false,
            },
        };
        self.run = Some(run);
        true
    }

    fn written(&self, c: char) -> String {
        let code = u32::from(c);
        match (self.marks, c) {
            (Marks::Pictures, '\0'..='\u{1f}') => picture(code),
            (Marks::Pictures, '\u{7f}') => picture(0x21),
            (_, '\0'..='\u{7f}') => format!("\\x{code:02x}"),
            _ => format!("\\u{{{code:x}}}"),
        }
    }
}

/// Returns the picture of a control character: U+2400 to U+2421.
fn picture(code: u32) -> String {
    char::from_u32(0x2400 + code)
        .expect("the block of control pictures holds no surrogate")
        .to_string()
}

const fn mark(text: String) -> Piece<'static> {
    Piece {
        text: Cow::Owned(text),
        mark: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_marks_from_text() {
        let seen: Vec<_> = pieces(b"ab\x1b[\xff", Marks::Pictures)
            .map(|p| (p.text.into_owned(), p.mark))
            .collect();
        let expected = [("ab", false), ("␛", true), ("[", false), (r"\xff", true)];
        assert_eq!(seen, expected.map(|(t, m)| (t.to_owned(), m)));
    }

    #[test]
    fn hides_every_range_named_by_the_threat_list() {
        let ranges: &[(u32, u32)] = &[
            (0, 0x1f),
            (0x7f, 0x9f),
            (0xad, 0xad),
            (0x61c, 0x61c),
            (0x180e, 0x180e),
            (0x200b, 0x200f),
            (0x2028, 0x202e),
            (0x2060, 0x2064),
            (0x2066, 0x2069),
            (0xfe00, 0xfe0f),
            (0xfeff, 0xfeff),
            (0xfdd0, 0xfdef),
            (0xfffe, 0xffff),
            (0xe0000, 0xe007f),
            (0xe0100, 0xe01ef),
            (0x1_fffe, 0x1_ffff),
            (0x10_fffe, 0x10_ffff),
        ];
        for &(from, to) in ranges {
            for code in from..=to {
                let c = char::from_u32(code).unwrap();
                assert!(is_hidden(c), "U+{code:04X}");
            }
        }
        for c in "a~é日🎣…␛\u{301}\u{a0}\u{fffd}".chars() {
            assert!(!is_hidden(c), "{c:?}");
        }
    }
}
