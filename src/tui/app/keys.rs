//! Handles keys: in an overlay, in a text field, in a pane.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind};

use crate::tui::action::{Action, Place};
use crate::tui::effect::Effect;
use crate::tui::keymap::{Chord, Context};
use crate::tui::overlay::Overlay;
use crate::tui::overlay::confirm::{Confirm, Then};
use crate::tui::overlay::help::Help;
use crate::tui::overlay::palette::Palette;
use crate::tui::overlay::prompt::Purpose;
use crate::tui::overlay::resend::Part;

use super::{App, Focus};

impl App {
    /// Handles a key.
    pub(super) fn key(&mut self, key: KeyEvent) -> Vec<Effect> {
        if key.kind == KeyEventKind::Release {
            return Vec::new();
        }
        self.toast.take_if(|toast| toast.goes_with_a_key());
        let Some(chord) = Chord::of(key) else {
            return Vec::new();
        };
        match self.keys.action(self.context(), chord) {
            Some(action) => self.perform(action),
            None => self.overlay_key(key, chord),
        }
    }

    /// Inserts pasted text into a text field; elsewhere it is refused.
    pub(super) fn paste(&mut self, text: &str) -> Vec<Effect> {
        let typed_in = match &mut self.overlay {
            Some(Overlay::Answer(form)) => form.field(),
            Some(Overlay::Help(help)) => Some(&mut help.field),
            Some(Overlay::Palette(palette)) => Some(&mut palette.field),
            Some(Overlay::Prompt(prompt)) => Some(&mut prompt.field),
            Some(Overlay::Resend(form)) => form.field(),
            Some(Overlay::Secret(form)) => {
                form.paste(text);
                return Vec::new();
            }
            Some(Overlay::Copy | Overlay::Confirm(_)) | None => None,
        };
        let Some(field) = typed_in else {
            let find = self.keys.key(Action::Find);
            self.say(&format!(
                "Pasted text is not taken as keys; {find} opens a text field"
            ));
            return Vec::new();
        };
        field.paste(text);
        self.typed();
        Vec::new()
    }

    /// Returns the context that a key is looked up in.
    fn context(&self) -> Context {
        match &self.overlay {
            Some(
                Overlay::Help(_) | Overlay::Palette(_) | Overlay::Prompt(_) | Overlay::Secret(_),
            ) => Context::Field,
            Some(Overlay::Resend(form)) if form.types() => Context::Field,
            Some(Overlay::Answer(form)) if form.types() => Context::Field,
            Some(Overlay::Resend(_) | Overlay::Answer(_) | Overlay::Confirm(_)) => Context::Overlay,
            Some(Overlay::Copy) => Context::Copy,
            None if self.focus == Focus::List => Context::List,
            None => Context::Delivery,
        }
    }

    /// Handles a key that the keymap does not bind in this context.
    fn overlay_key(&mut self, key: KeyEvent, chord: Chord) -> Vec<Effect> {
        let screen = self.areas().screen;
        let by = match chord.code() {
            KeyCode::Up => -1,
            KeyCode::Down => 1,
            KeyCode::PageUp => -10,
            KeyCode::PageDown => 10,
            _ => 0,
        };
        let enter = chord.code() == KeyCode::Enter;
        match self.overlay.take() {
            None => self.explain_key(chord),
            Some(Overlay::Help(mut help)) => {
                if by != 0 {
                    help.scroll(by, self.ctx(), screen);
                } else if help.field.key(key) {
                    help.top = 0;
                }
                self.overlay = (!enter).then_some(Overlay::Help(help));
            }
            Some(Overlay::Palette(palette)) if enter => {
                return self.perform_found(palette);
            }
            Some(Overlay::Palette(mut palette)) => {
                if by != 0 {
                    palette.step(by);
                } else if palette.field.key(key) {
                    palette.typed();
                }
                self.overlay = Some(Overlay::Palette(palette));
            }
            Some(Overlay::Prompt(_)) if enter => {}
            Some(Overlay::Prompt(mut prompt)) => {
                let changed = prompt.field.key(key);
                self.overlay = Some(Overlay::Prompt(prompt));
                if changed {
                    self.typed();
                } else if by != 0 {
                    self.move_by(by);
                }
            }
            Some(Overlay::Confirm(confirm)) if enter => return self.confirmed(confirm.then),
            Some(Overlay::Confirm(confirm)) => self.overlay = Some(Overlay::Confirm(confirm)),
            Some(Overlay::Copy) => {
                self.say("Not copied: no item has that letter");
            }
            Some(Overlay::Resend(form)) => {
                self.overlay = Some(Overlay::Resend(form));
                return self.form_key(key, chord);
            }
            Some(Overlay::Secret(form)) => {
                self.overlay = Some(Overlay::Secret(form));
                return self.secret_key(key, chord);
            }
            Some(Overlay::Answer(form)) => {
                self.overlay = Some(Overlay::Answer(form));
                return self.answer_key(key, chord);
            }
        }
        Vec::new()
    }

    /// Says that a key does nothing in this pane, and where it does something.
    fn explain_key(&mut self, chord: Chord) {
        let (other, place, way) = match self.focus {
            Focus::List => (Context::Delivery, "delivery", Action::Open),
            Focus::Detail => (Context::List, "list", Action::FocusNext),
        };
        let text = match self.keys.action(other, chord) {
            Some(action) => format!(
                "{chord} ({}) works in the {place}: press {} first",
                action.spec().label,
                self.keys.key(way)
            ),
            None => format!(
                "{chord} does nothing here; {} shows the keys",
                self.keys.key(Action::Help)
            ),
        };
        self.say(&text);
    }

    /// Handles a key in the form.
    fn form_key(&mut self, key: KeyEvent, chord: Chord) -> Vec<Effect> {
        let Some(Overlay::Resend(form)) = &mut self.overlay else {
            return Vec::new();
        };
        if form.is_sent() {
            // The form is frozen until its order is accepted or refused.
            return Vec::new();
        }
        match (chord.code(), form.part) {
            (KeyCode::Tab | KeyCode::Down, _) | (KeyCode::Right, Part::Send | Part::Edit) => {
                form.turn(1);
            }
            (KeyCode::BackTab | KeyCode::Up, _) | (KeyCode::Left, Part::Edit | Part::Cancel) => {
                form.turn(-1);
            }
            (KeyCode::Enter | KeyCode::Char(' '), Part::Cancel) => self.close_overlay(),
            (KeyCode::Enter | KeyCode::Char(' '), Part::Edit) => return self.edit_again(),
            (KeyCode::Char('e'), _) if !form.types() => return self.edit_again(),
            (KeyCode::PageDown, _) => self.scroll_form(8),
            (KeyCode::PageUp, _) => self.scroll_form(-8),
            (KeyCode::Enter, _) | (KeyCode::Char(' '), Part::Send) => return self.send_form(),
            (KeyCode::Char(' ') | KeyCode::Right, Part::Signature | Part::Tries | Part::Which) => {
                form.choose(1);
            }
            (KeyCode::Left, Part::Signature | Part::Tries | Part::Which) => form.choose(-1),
            _ if form.field().is_some_and(|field| field.key(key)) => form.problem = None,
            _ => {}
        }
        Vec::new()
    }

    /// Applies the typed text immediately.
    fn typed(&mut self) {
        let content = self.areas().content();
        match &mut self.overlay {
            Some(Overlay::Prompt(prompt)) => {
                let text = prompt.field.text().to_owned();
                match prompt.purpose {
                    Purpose::Filter => self.list.set_filter(&text),
                    Purpose::Search => self.detail.body.search(&text, &self.look, content),
                }
            }
            Some(Overlay::Help(help)) => help.top = 0,
            Some(Overlay::Palette(palette)) => palette.typed(),
            Some(Overlay::Resend(form)) => form.problem = None,
            Some(Overlay::Answer(form)) => form.problem = None,
            Some(Overlay::Secret(_) | Overlay::Copy | Overlay::Confirm(_)) | None => {}
        }
    }

    /// Opens the help, or closes it.
    pub(super) fn toggle_help(&mut self) {
        let place = match self.focus {
            _ if matches!(self.overlay, Some(Overlay::Copy)) => Place::Copy,
            Focus::List => Place::List,
            Focus::Detail => Place::Delivery,
        };
        self.cancel_prompt();
        self.overlay = match self.overlay.take() {
            Some(Overlay::Help(_)) => None,
            _ => Some(Overlay::Help(Help::new(place))),
        };
    }

    /// Opens the palette, or closes it.
    pub(super) fn toggle_palette(&mut self) {
        self.cancel_prompt();
        self.overlay = match self.overlay.take() {
            Some(Overlay::Palette(_)) => None,
            _ => Some(Overlay::Palette(Palette::default())),
        };
    }

    /// Performs the action that the palette found. An action that sends needs a
    /// confirmation, unless it was named or selected by hand.
    fn perform_found(&mut self, palette: Palette) -> Vec<Effect> {
        let Some(action) = palette.chosen() else {
            // The palette stays open and says that nothing matches.
            self.overlay = Some(Overlay::Palette(palette));
            return Vec::new();
        };
        if action.sends() && !palette.is_meant(action) {
            self.list.follow = false;
            self.overlay = Some(Overlay::Confirm(Confirm {
                what: format!("{}?", action.spec().sentence),
                why: format!(
                    "It sends at once. The words {:?} are not the beginning of its name, {}.",
                    palette.field.text().trim(),
                    action.spec().name
                ),
                then: Then::Do(action),
            }));
            return Vec::new();
        }
        self.perform(action)
    }

    /// Closes the text field and restores the text in effect before.
    pub(super) fn cancel_prompt(&mut self) {
        let Some(Overlay::Prompt(prompt)) = &mut self.overlay else {
            return;
        };
        let before = std::mem::take(&mut prompt.before);
        prompt.field = crate::tui::widget::field::Field::new(before);
        self.typed();
        self.overlay = None;
    }
}
