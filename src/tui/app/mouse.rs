//! What the mouse does: wheel, and a click to select, to focus, to turn a tab.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use crate::tui::effect::Effect;
use crate::tui::overlay::Overlay;
use crate::tui::pane::detail::Tab;
use crate::tui::widget::tabs;

use super::{App, Focus};

/// How many lines a turn of the wheel moves.
const WHEEL: isize = 3;

impl App {
    /// Takes what the mouse did.
    pub(super) fn mouse(&mut self, event: MouseEvent) -> Vec<Effect> {
        let at = Position::new(event.column, event.row);
        match event.kind {
            MouseEventKind::ScrollDown => self.wheel(at, WHEEL),
            MouseEventKind::ScrollUp => self.wheel(at, -WHEEL),
            MouseEventKind::Down(MouseButton::Left) => return self.click(at),
            _ => {}
        }
        Vec::new()
    }

    fn wheel(&mut self, at: Position, by: isize) {
        let areas = self.areas();
        match self.overlay.take() {
            Some(Overlay::Help(mut help)) => {
                help.scroll(by, self.ctx(), areas.screen);
                self.overlay = Some(Overlay::Help(help));
            }
            Some(Overlay::Palette(mut palette)) => {
                palette.step(by);
                self.overlay = Some(Overlay::Palette(palette));
            }
            Some(Overlay::Resend(form)) => {
                self.overlay = Some(Overlay::Resend(form));
                self.scroll_form(by);
            }
            Some(other @ (Overlay::Copy | Overlay::Confirm(_))) => {
                self.overlay = Some(other);
            }
            prompt => {
                self.overlay = prompt;
                if areas.list.is_some_and(|l| l.outer.contains(at)) {
                    self.list.step(by, areas.list_height());
                } else if areas.detail.is_some_and(|d| d.outer.contains(at)) {
                    self.list.follow = false;
                    self.scroll(by);
                }
            }
        }
    }

    fn click(&mut self, at: Position) -> Vec<Effect> {
        let areas = self.areas();
        if let Some(Overlay::Palette(palette)) = &mut self.overlay
            && let Some(line) = palette.at(at.x, at.y, areas.screen)
        {
            palette.pick(line);
            let action = palette.chosen();
            self.overlay = None;
            return action.map_or_else(Vec::new, |a| self.perform(a));
        }
        if self.overlay.is_some() {
            return Vec::new();
        }
        if let Some(list) = areas.list.filter(|l| l.outer.contains(at)) {
            self.focus = Focus::List;
            if list.rows.contains(at) {
                let place = self.list.top + usize::from(at.y - list.rows.y);
                if place < self.list.rows.matching() {
                    self.list.go(place, areas.list_height());
                }
            }
        }
        if let Some(detail) = areas.detail.filter(|d| d.outer.contains(at)) {
            self.focus = Focus::Detail;
            self.list.follow = false;
            if detail.tabs.contains(at) {
                let column = usize::from(at.x - detail.tabs.x);
                let width = usize::from(detail.tabs.width);
                let placed = tabs::place(&Tab::TITLES, self.detail.tab as usize, width);
                let hit = placed.iter().position(|t| t.columns.contains(&column));
                if let Some(index) = hit {
                    self.detail.go(Tab::ALL[index]);
                }
            }
        }
        Vec::new()
    }
}
