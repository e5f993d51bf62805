//! The confirmation dialog for actions that cannot be undone.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::engine::command::{ResendRequest, Selection};
use crate::tui::action::Action;
use crate::tui::layout::centred;
use crate::tui::pane::{Ctx, detail};
use crate::tui::theme::Role;
use crate::tui::widget::wrap;

/// A confirmation dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirm {
    /// The question, as a sentence.
    pub what: String,
    /// The consequences.
    pub why: String,
    /// The action that Enter performs.
    pub then: Then,
}

impl Confirm {
    /// Returns whether confirming sends deliveries.
    pub const fn sends(&self) -> bool {
        matches!(self.then, Then::Send { .. })
    }
}

/// The action that a confirmation performs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// Send deliveries; these hosts need no further confirmation.
    Send {
        /// The deliveries and how they are sent.
        order: ResendRequest,
        /// The hosts.
        hosts: Vec<String>,
        /// The target, as shown on the screen.
        to: String,
    },
    /// Give up on deliveries that wait for their app.
    GiveUp(Selection),
    /// Trust the clock, which lets retention remove deliveries by age again.
    TrustClock,
    /// Perform an action that the palette found.
    Do(Action),
    /// Quit while deliveries are being sent.
    Quit,
    /// Open the editor again on a text that could not be parsed.
    Edit(Vec<u8>),
}

/// Draws the dialog.
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
        Then::Send { .. } => "Enter send, Esc cancel",
        Then::GiveUp(_) => "Enter give up, Esc cancel",
        Then::TrustClock => "Enter trust the clock, Esc cancel",
        Then::Do(_) => "Enter continue, Esc cancel",
        Then::Quit => "Enter quit, Esc cancel",
        Then::Edit(_) => "Enter edit again, Esc discard the edit",
    };
    lines.push(Line::from(look.span(keys, Role::Focus)));
    let title = match confirm.then {
        Then::Edit(_) => "Edit again?",
        _ => "Confirm",
    };
    let area = centred(screen, width, lines.len() as u16 + 2);
    let inner = super::window(title, area, look, frame);
    detail::put(&lines, inner, frame);
}
