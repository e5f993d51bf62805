//! A one-line text field.

use crossterm::event::{Event, KeyEvent};
use tui_input::backend::crossterm::EventHandler;
use unicode_segmentation::UnicodeSegmentation;

use crate::domain::text::{Marks, visible_as, width};

/// A one-line text field and where its cursor stands.
#[derive(Clone, Debug, Default)]
pub struct Field {
    input: tui_input::Input,
}

/// A field as it is drawn in so many columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// What to write.
    pub text: String,
    /// The column of the cursor.
    pub cursor: usize,
}

impl Field {
    /// Makes a field with a text in it and the cursor behind.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            input: tui_input::Input::new(text.into()),
        }
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        self.input.value()
    }

    /// Takes a key; says whether the text changed.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let change = self.input.handle_event(&Event::Key(key));
        change.is_some_and(|c| c.value)
    }

    /// Takes pasted text, line ends as blanks.
    pub fn paste(&mut self, text: &str) {
        let text = text.trim_end_matches(['\r', '\n']);
        let text = text.replace("\r\n", " ").replace(['\r', '\n', '\t'], " ");
        for c in text.chars().filter(|c| !c.is_control()) {
            self.input.handle(tui_input::InputRequest::InsertChar(c));
        }
    }

    /// Lays the field out in so many columns, the cursor always inside.
    pub fn draw(&self, columns: usize, marks: Marks) -> Drawn {
        let before: String = self.text().chars().take(self.input.cursor()).collect();
        let shown_before = visible_as(&before, marks);
        let shown = visible_as(self.text(), marks);
        lay_out(&shown, width(&shown_before), columns)
    }

    /// Lays it out with a star for each character.
    pub fn draw_masked(&self, columns: usize) -> Drawn {
        let stars = "*".repeat(self.text().chars().count());
        lay_out(&stars, self.input.cursor(), columns)
    }
}

/// Cuts from the front what would push the cursor out of so many columns.
fn lay_out(shown: &str, mut cursor: usize, columns: usize) -> Drawn {
    // The cursor takes a column of its own at the end.
    let room = columns.saturating_sub(1);
    let mut rest: &str = shown;
    while cursor > room {
        let Some(first) = rest.graphemes(true).next() else {
            break;
        };
        cursor = cursor.saturating_sub(width(first));
        rest = &rest[first.len()..];
    }
    Drawn {
        text: crate::domain::text::cut_with(rest, columns, ""),
        cursor: cursor.min(room),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_cursor_inside() {
        let field = Field::new("http://localhost:3000");
        let drawn = field.draw(10, Marks::Pictures);
        assert_eq!((drawn.text.as_str(), drawn.cursor), ("host:3000", 9));
        let drawn = field.draw(0, Marks::Pictures);
        assert_eq!((drawn.text.as_str(), drawn.cursor), ("", 0));
    }

    #[test]
    fn pastes_one_line_without_commands() {
        let mut field = Field::default();
        field.paste("a\r\nb\u{1b}[2J\tc\n");
        assert_eq!(field.text(), "a b[2J c");
    }
}
