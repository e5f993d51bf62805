//! Every action by words, with its key.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::text::width as columns;
use crate::tui::action::{ACTIONS, Action, Place, Spec};
use crate::tui::layout::centred;
use crate::tui::pane::Ctx;
use crate::tui::theme::Role;
use crate::tui::widget::field::Field;
use crate::tui::widget::{pick, scroll};

/// The palette's state.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    /// What is looked for.
    pub field: Field,
    /// Which line is chosen.
    pub cursor: usize,
}

impl Palette {
    /// Returns the actions that answer what was typed, the best first.
    pub fn matches(&self) -> Vec<&'static Spec> {
        let rate = |spec: &Spec| {
            let typed = self.field.text();
            let by_name = pick::rate(spec.name, typed);
            [pick::rate(spec.sentence, typed), by_name]
                .into_iter()
                .flatten()
                .min()
        };
        let mut rated: Vec<_> = ACTIONS
            .iter()
            .filter(|s| !matches!(s.action, Action::Palette))
            .filter_map(|s| Some((rate(s)?, s)))
            .collect();
        rated.sort_by_key(|(rate, _)| *rate);
        rated.into_iter().map(|(_, spec)| spec).collect()
    }

    /// Returns the action that is chosen.
    pub fn chosen(&self) -> Option<Action> {
        let matches = self.matches();
        let at = self.cursor.min(matches.len().checked_sub(1)?);
        Some(matches[at].action)
    }

    /// Moves to another line.
    pub fn step(&mut self, by: isize) {
        self.cursor = scroll::step(self.cursor, by, self.matches().len());
    }

    /// Returns the line at a place of the screen.
    pub fn at(&self, x: u16, y: u16, screen: Rect) -> Option<usize> {
        let area = area(screen);
        let rows = rows(area);
        let inside = rows.contains((x, y).into());
        let top = scroll::follow(0, self.cursor, usize::from(rows.height), usize::MAX);
        let line = top + usize::from(y.saturating_sub(rows.y));
        (inside && line < self.matches().len()).then_some(line)
    }
}

/// Draws the palette; returns where the cursor stands.
pub fn draw(palette: &Palette, ctx: Ctx<'_>, screen: Rect, frame: &mut Frame) -> (u16, u16) {
    let look = ctx.look;
    let area = area(screen);
    let inner = super::window("Commands", area, look, frame);
    let hint = "Type what to do, Enter does it";
    let typed_to = super::typed(&palette.field, hint, inner, look, frame);
    let matches = palette.matches();
    let rows = rows(area);
    let cursor = palette.cursor.min(matches.len().saturating_sub(1));
    let top = scroll::follow(0, cursor, usize::from(rows.height), matches.len());
    let width = usize::from(rows.width);
    for ((at, spec), y) in matches
        .iter()
        .enumerate()
        .skip(top)
        .zip(rows.y..rows.bottom())
    {
        let rect = Rect {
            y,
            height: 1,
            ..rows
        };
        let sign = if at == cursor {
            look.glyphs.cursor
        } else {
            " "
        };
        let key = keys(spec, ctx);
        let room = width.saturating_sub(columns(&key) + 4);
        let sentence = look.cut(spec.sentence, room);
        let gap = " ".repeat(room.saturating_sub(columns(&sentence)) + 1);
        let line = Line::from(vec![
            Span::raw(format!("{sign} {sentence}{gap}")),
            look.span(key, Role::Key),
        ]);
        frame.render_widget(line, rect);
        if at == cursor {
            let style = look.theme.style(Role::Selected);
            frame.buffer_mut().set_style(rect, style);
        }
    }
    if matches.is_empty() && rows.height > 0 {
        let none = Line::from("Nothing answers that.");
        frame.render_widget(none, Rect { height: 1, ..rows });
    }
    typed_to
}

/// Writes the keys that do the same, the one for copying before its letters.
fn keys(spec: &Spec, ctx: Ctx<'_>) -> String {
    let key = ctx.keys.key(spec.action);
    if spec.place == Place::Copy {
        format!("{} {key}", ctx.keys.key(Action::Copy))
    } else {
        key
    }
}

fn area(screen: Rect) -> Rect {
    let height = screen.height.saturating_sub(4).clamp(5, 24);
    centred(
        screen,
        84.min(screen.width.saturating_sub(4).max(20)),
        height,
    )
}

fn rows(area: Rect) -> Rect {
    Rect {
        x: area.x + 2,
        y: area.y + 2,
        width: area.width.saturating_sub(4),
        height: area.height.saturating_sub(3),
    }
    .intersection(area)
}
