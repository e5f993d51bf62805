//! Lines of words, each with its role, as a screen draws them.

use crate::domain::text::{self, Marks};

/// What a word in a readable form is; it decides the colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The name of a member, a form field or a part's header.
    Key,
    /// A string.
    String,
    /// A number.
    Number,
    /// `true`, `false` or `null`.
    Literal,
    /// Braces, brackets, commas, colons, `=`, part boundaries.
    Punctuation,
    /// Anything else, and the blanks the layout adds.
    Plain,
    /// The place in the body, in hex lines.
    Offset,
    /// A mark in the place of something that cannot be shown.
    Mark,
}

/// A word and its role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// What to show; safe for a terminal.
    pub text: String,
    /// What it is.
    pub role: Role,
}

/// One line of a readable form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Its words, in order.
    pub spans: Vec<Span>,
    /// Whether it goes on where the line before had become too long.
    pub continued: bool,
}

impl Line {
    /// Returns the line's text without its roles.
    pub fn text(&self) -> String {
        self.spans.iter().map(|s| s.text.as_str()).collect()
    }

    /// Adds text that creel made itself.
    pub(super) fn own(&mut self, text: impl Into<String>, role: Role) {
        let text = text.into();
        if !text.is_empty() {
            self.spans.push(Span { text, role });
        }
    }

    /// Adds bytes from outside, their marks as words of their own.
    pub(super) fn foreign(&mut self, bytes: &[u8], role: Role, marks: Marks) {
        for piece in text::pieces(bytes, marks) {
            let role = if piece.mark { Role::Mark } else { role };
            match self.spans.last_mut() {
                Some(last) if last.role == role && role == Role::Mark => {
                    last.text.push_str(&piece.text);
                }
                _ => self.own(piece.text, role),
            }
        }
    }
}
