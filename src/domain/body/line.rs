//! Lines of spans with roles, as drawn on the screen.

use crate::domain::text::{self, Marks};

/// The role of a span, which determines its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The name of a member, a form field or a part header.
    Key,
    /// A string.
    String,
    /// A number.
    Number,
    /// `true`, `false` or `null`.
    Literal,
    /// Braces, brackets, commas, colons, `=`, part boundaries.
    Punctuation,
    /// Anything else, and the whitespace added by the layout.
    Plain,
    /// The offset in the body, in hex lines.
    Offset,
    /// A visible mark for a character that cannot be shown.
    Mark,
}

/// A piece of text with its role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The text, safe for a terminal.
    pub text: String,
    /// The role.
    pub role: Role,
}

/// One line of a formatted body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The spans, in order.
    pub spans: Vec<Span>,
    /// Whether the line continues a line that was too long.
    pub continued: bool,
}

impl Line {
    /// Returns the line's text without its roles.
    pub fn text(&self) -> String {
        self.spans.iter().map(|s| s.text.as_str()).collect()
    }

    /// Adds text that creel generated.
    pub(super) fn own(&mut self, text: impl Into<String>, role: Role) {
        let text = text.into();
        if !text.is_empty() {
            self.spans.push(Span { text, role });
        }
    }

    /// Adds received bytes, with marks as separate spans.
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
