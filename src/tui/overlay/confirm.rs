//! A question before something is done that cannot be taken back.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::engine::command::{ResendRequest, Selection};
use crate::tui::action::Action;
use crate::tui::layout::centred;
use crate::tui::pane::{Ctx, detail};
use crate::tui::theme::Role;
use crate::tui::widget::wrap;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirm {
    /// What will be done, as a sentence.
    pub what: String,
    /// What there is to know of it.
    pub why: String,
    /// What is done on Enter.
    pub then: Then,
}

impl Confirm {
    /// Returns whether deliveries are sent when the answer is yes.
    pub const fn sends(&self) -> bool {
        matches!(self.then, Then::Send { .. })
    }
}

/// What is done when the answer is yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// Send deliveries to hosts that are not asked for again.
    Send {
        /// What is sent.
        order: ResendRequest,
        /// The hosts.
        hosts: Vec<String>,
        /// Where to, as the screen says it.
        to: String,
    },
    /// Give up on deliveries that wait for their app.
    GiveUp(Selection),
    /// Perform an action that was found by words.
    Do(Action),
    /// Quit while deliveries are being sent.
    Quit,
    /// Open the editor again, on a text that could not be read.
    Edit(Vec<u8>),
}

/// Draws the question.
pub fn draw(confirm: &Confirm, ctx: Ctx<'_>, screen: Rect, frame: &mut Frame) {
    let look = ctx.look;
    let width = 64.min(screen.width);
    let room = usize::from(width.saturating_sub(4));
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (text, role) in [(&confirm.what, Role::Strong), (&confirm.why, Role::Plain)] {
        for line in wrap::words(&look.own(text), room) {
            lines.push(Line::from(look.span(line, role)));
        }
    }
    lines.push(Line::default());
    let keys = match confirm.then {
        Then::Send { .. } => "Enter sends, Esc does not",
        Then::GiveUp(_) => "Enter gives up, Esc does not",
        Then::Do(_) => "Enter does it, Esc does not",
        Then::Quit => "Enter quits, Esc does not",
        Then::Edit(_) => "Enter edits again, Esc gives it up",
    };
    lines.push(Line::from(look.span(keys, Role::Focus)));
    let title = match confirm.then {
        Then::Send { .. } | Then::GiveUp(_) | Then::Do(_) | Then::Quit => "Sure?",
        Then::Edit(_) => "Edit again?",
    };
    let area = centred(screen, width, lines.len() as u16 + 2);
    let inner = super::window(title, area, look, frame);
    detail::put(&lines, inner, frame);
}
