//! The text field in the status line: the list's filter, or a search.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::text::width as columns;
use crate::tui::pane::Ctx;
use crate::tui::theme::Role;
use crate::tui::widget::field::Field;

/// The field's state.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// What the text is for.
    pub purpose: Purpose,
    /// The text field.
    pub field: Field,
    /// The text in effect before, which Esc restores.
    pub before: String,
}

/// What the typed text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To filter the list.
    Filter,
    /// To search in the body.
    Search,
}

impl Prompt {
    /// Opens the field. A filter is edited; a search starts from an empty field,
    /// and the last one stays in effect until something is typed.
    pub fn new(purpose: Purpose, current: &str) -> Self {
        let text = match purpose {
            Purpose::Filter => current,
            Purpose::Search => "",
        };
        Self {
            purpose,
            field: Field::new(text),
            before: current.to_owned(),
        }
    }
}

/// Draws the field and, on its right, the number of matches; returns the
/// position of the cursor.
pub fn draw(
    prompt: &Prompt,
    news: &str,
    ctx: Ctx<'_>,
    area: Rect,
    frame: &mut Frame,
) -> (u16, u16) {
    let look = ctx.look;
    let label = match prompt.purpose {
        Purpose::Filter => " filter: ",
        Purpose::Search => " search: ",
    };
    let width = usize::from(area.width);
    let news = look.cut(news, (width / 2).saturating_sub(1));
    let room = width.saturating_sub(label.len() + columns(&news) + 2);
    let field = prompt.field.draw(room, look.marks());
    let gap = room.saturating_sub(columns(&field.text)) + 1;
    let line = Line::from(vec![
        look.span(label, Role::Focus),
        Span::raw(field.text),
        Span::raw(" ".repeat(gap)),
        look.span(news, Role::Strong),
    ]);
    frame.render_widget(line, area);
    (area.x + (label.len() + field.cursor) as u16, area.y)
}
