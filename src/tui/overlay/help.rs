//! Every key and what it does, searchable; those of this place first.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::text::{find_folded, pad};
use crate::tui::action::{ACTIONS, Place, Spec};
use crate::tui::layout::centred;
use crate::tui::pane::Ctx;
use crate::tui::theme::Role;
use crate::tui::widget::field::Field;
use crate::tui::widget::{scroll, wrap};

/// How many columns the keys take.
const KEYS: usize = 14;
/// How many columns a column of the help takes at least.
const COLUMN: usize = 54;

/// The help's state.
#[derive(Clone, Debug)]
pub struct Help {
    /// What is searched for.
    pub field: Field,
    /// The first line on the screen.
    pub top: usize,
    /// Where it was asked for.
    pub place: Place,
}

/// The words under the keys.
const NOTES: &[&str] = &[
    "NOTES",
    "Copying goes through the terminal (OSC 52); inside tmux it needs: set -g set-clipboard on",
    "Shift and drag selects text with the mouse; a pane shown alone has no borders at its sides",
];

impl Help {
    /// Opens the help for a place.
    pub fn new(place: Place) -> Self {
        Self {
            field: Field::default(),
            top: 0,
            place,
        }
    }

    /// Writes the lines that answer what is searched for.
    fn lines(&self, ctx: Ctx<'_>, width: usize) -> Vec<Line<'static>> {
        let look = ctx.look;
        let typed = self.field.text().trim();
        let mut places = Place::ALL.to_vec();
        places.sort_by_key(|p| *p != self.place);
        let mut lines: Vec<Line<'static>> = Vec::new();
        for place in places {
            let shown: Vec<&Spec> = ACTIONS
                .iter()
                .filter(|s| s.place == place)
                .filter(|s| answers(s, &keys(s, ctx), typed))
                .collect();
            if shown.is_empty() {
                continue;
            }
            if !lines.is_empty() {
                lines.push(Line::default());
            }
            lines.push(Line::from(look.span(place.title(), Role::Key)));
            for spec in shown {
                let room = width.saturating_sub(KEYS).max(12);
                for (at, part) in wrap::words(spec.sentence, room).into_iter().enumerate() {
                    let keys = if at == 0 {
                        keys(spec, ctx)
                    } else {
                        String::new()
                    };
                    let keys = look.span(pad(&keys, KEYS), Role::Strong);
                    lines.push(Line::from(vec![keys, Span::raw(part)]));
                }
            }
        }
        if typed.is_empty() {
            lines.push(Line::default());
            for (at, note) in NOTES.iter().enumerate() {
                let role = if at == 0 { Role::Key } else { Role::Plain };
                let parts = wrap::words(note, width).into_iter();
                lines.extend(parts.map(|part| Line::from(look.span(part, role))));
            }
        } else if lines.is_empty() {
            let typed = look.foreign(typed).into_owned();
            lines.push(Line::from(format!("No key answers \"{typed}\".")));
        }
        lines
    }

    /// Scrolls by so many lines.
    pub fn scroll(&mut self, by: isize, ctx: Ctx<'_>, screen: Rect) {
        let area = area(screen);
        let (columns, column) = shape(area);
        let total = self.lines(ctx, column).len().div_ceil(columns);
        let top = scroll::clamp(self.top, height(area), total);
        self.top = scroll::clamp(top.saturating_add_signed(by), height(area), total);
    }
}

/// Draws the help; returns where the cursor stands.
pub fn draw(help: &Help, ctx: Ctx<'_>, screen: Rect, frame: &mut Frame) -> (u16, u16) {
    let area = area(screen);
    let inner = super::window("Keys", area, ctx.look, frame);
    let hint = "Type to search, Esc closes";
    let typed_to = super::typed(&help.field, hint, inner, ctx.look, frame);

    let (columns, width) = shape(area);
    let lines = help.lines(ctx, width);
    let per_column = lines.len().div_ceil(columns);
    let height = height(area);
    let top = scroll::clamp(help.top, height, per_column);
    for column in 0..columns {
        let x = inner.x + (column * (width + 2)) as u16;
        let start = column * per_column;
        let end = lines.len().min(start + per_column);
        let shown = lines.get(start..end).unwrap_or_default().iter().skip(top);
        for (line, y) in shown.take(height).zip(inner.y + 2..) {
            let rect = Rect::new(x, y, width as u16, 1).intersection(inner);
            frame.render_widget(line, rect);
        }
    }
    if per_column > height {
        let place = format!(" {}/{per_column} ", (top + height).min(per_column));
        super::bottom_right(&place, area, ctx.look, frame);
    }
    typed_to
}

/// Says whether an action answers what is searched for.
fn answers(spec: &Spec, keys: &str, typed: &str) -> bool {
    let holds = |text: &str| find_folded(text, typed).is_some();
    typed.is_empty()
        || holds(spec.sentence)
        || holds(spec.name)
        || keys.split("  ").any(|k| k == typed)
}

/// Writes the keys of an action.
fn keys(spec: &Spec, ctx: Ctx<'_>) -> String {
    let chords = ctx.keys.chords(spec.action).iter();
    let names: Vec<String> = chords.map(ToString::to_string).collect();
    names.join("  ")
}

fn area(screen: Rect) -> Rect {
    let width = if columns_fit(screen.width) > 1 {
        118
    } else {
        90
    };
    let height = if screen.height < 30 {
        screen.height
    } else {
        screen.height - 4
    };
    centred(screen, width, height.min(40))
}

fn columns_fit(width: u16) -> usize {
    (usize::from(width).saturating_sub(4) / (COLUMN + 2)).clamp(1, 2)
}

/// Returns how many columns there are, and how wide they are.
fn shape(area: Rect) -> (usize, usize) {
    let inner = usize::from(area.width.saturating_sub(4));
    let number = columns_fit(area.width);
    (number, (inner + 2) / number - 2)
}

fn height(area: Rect) -> usize {
    usize::from(area.height.saturating_sub(4)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_and_sentences_are_plain() {
        for note in NOTES {
            assert!(note.is_ascii());
        }
        for spec in ACTIONS {
            assert!(spec.sentence.len() < 74, "{}", spec.sentence);
        }
    }
}
