//! What lies over the panes; one at a time.

pub mod answer;
pub mod confirm;
pub mod copy;
pub mod help;
pub mod palette;
pub mod prompt;
pub mod resend;
pub mod secret;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear};

use super::look::Look;
use super::theme::Role;
use super::widget::field::Field;

/// Something over the panes.
#[derive(Clone, Debug)]
pub enum Overlay {
    /// Every key, searchable.
    Help(help::Help),
    /// Every action, by words.
    Palette(palette::Palette),
    /// The filter's text field, or the search's, in the status line.
    Prompt(prompt::Prompt),
    /// The letters that say what to copy.
    Copy,
    /// The form for sending again.
    Resend(Box<resend::ResendForm>),
    /// The form for a secret.
    Secret(secret::SecretForm),
    /// The form for what senders are answered.
    Answer(Box<answer::AnswerForm>),
    /// A question before something is done.
    Confirm(confirm::Confirm),
}

/// Draws an empty window with a title and returns its inside, a blank column
/// left on either side.
fn window(title: &str, area: Rect, look: &Look, frame: &mut Frame) -> Rect {
    frame.render_widget(Clear, area);
    let block = Block::bordered()
        .border_set(look.glyphs.focus)
        .border_style(look.theme.style(Role::Focus))
        .title(Line::from(look.span(format!(" {title} "), Role::Focus)));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    Rect {
        x: inner.x + 1.min(inner.width),
        width: inner.width.saturating_sub(2),
        ..inner
    }
}

/// Writes a text field on a window's first line, the hint where nothing is
/// typed; returns where the cursor stands.
fn typed(field: &Field, hint: &str, inner: Rect, look: &Look, frame: &mut Frame) -> (u16, u16) {
    let field = field.draw(usize::from(inner.width), look.marks());
    let text = if field.text.is_empty() {
        look.span(hint.to_owned(), Role::Context)
    } else {
        Span::raw(field.text)
    };
    let first = Rect {
        height: 1.min(inner.height),
        ..inner
    };
    frame.render_widget(Line::from(text), first);
    (inner.x + field.cursor as u16, inner.y)
}

/// Writes a word into the lower border.
fn bottom_right(text: &str, area: Rect, look: &Look, frame: &mut Frame) {
    let width = crate::domain::text::width(text) as u16;
    let rect = Rect {
        x: area.right().saturating_sub(width + 2),
        y: area.bottom().saturating_sub(1),
        width,
        height: 1,
    };
    let line = Line::from(look.span(text.to_owned(), Role::Focus));
    frame.render_widget(line, rect.intersection(area));
}
