//! Saying what senders are answered from now on.

use crossterm::event::{KeyCode, KeyEvent};

use crate::domain::failure::Failure;
use crate::engine::command::{AppInfo, ResponseOverrideRequest};
use crate::tui::advice;
use crate::tui::effect::Effect;
use crate::tui::keymap::Chord;
use crate::tui::overlay::Overlay;
use crate::tui::overlay::answer::{AnswerForm, Part};

use super::App;

impl App {
    /// Opens the form for the endpoint of the delivery under the cursor.
    pub(super) fn open_answer(&mut self) {
        if self.info.listening.is_none() {
            self.say("Nothing is answered here: this creel does not receive");
            return;
        }
        let endpoint = self.list.selected().and_then(|row| row.endpoint.clone());
        let known = endpoint.filter(|name| self.info.endpoints.iter().any(|e| e.name == *name));
        let form = AnswerForm::new(known.as_deref(), self.ctx());
        self.overlay = Some(Overlay::Answer(Box::new(form)));
    }

    /// Takes a key in the form.
    pub(super) fn answer_key(&mut self, key: KeyEvent, chord: Chord) -> Vec<Effect> {
        let Some(Overlay::Answer(form)) = &mut self.overlay else {
            return Vec::new();
        };
        if form.sent.is_some() {
            // It is not changed while it is asked whether that is accepted.
            return Vec::new();
        }
        match (chord.code(), form.part) {
            (KeyCode::Enter | KeyCode::Char(' '), Part::Cancel) => self.overlay = None,
            (KeyCode::Enter, _) | (KeyCode::Char(' '), Part::Apply) => return self.apply_answer(),
            (KeyCode::Down | KeyCode::Char('j'), Part::Picks) => form.step(1),
            (KeyCode::Up | KeyCode::Char('k'), Part::Picks) => form.step(-1),
            (KeyCode::Tab | KeyCode::Down, _) => form.turn(1),
            (KeyCode::BackTab | KeyCode::Up, _) => form.turn(-1),
            (KeyCode::Left, Part::Mode) => form.other_mode(-1),
            (KeyCode::Right | KeyCode::Char(' '), Part::Mode) => form.other_mode(1),
            (KeyCode::Left | KeyCode::Right, Part::Apply) => form.part = Part::Cancel,
            (KeyCode::Left | KeyCode::Right, Part::Cancel) => form.part = Part::Apply,
            (KeyCode::Char(digit), Part::Picks | Part::Mode | Part::Apply | Part::Cancel) => {
                let number = digit.to_digit(10).unwrap_or(0) as usize;
                if form.choose(number) {
                    return self.apply_answer();
                }
            }
            _ => {
                if form.field().is_some_and(|field| field.key(key)) {
                    form.problem = None;
                }
            }
        }
        Vec::new()
    }

    fn apply_answer(&mut self) -> Vec<Effect> {
        let Some(Overlay::Answer(form)) = &mut self.overlay else {
            return Vec::new();
        };
        let Some(order) = form.order() else {
            return Vec::new();
        };
        form.problem = None;
        form.sent = Some(order.clone());
        vec![Effect::Answer(order)]
    }

    /// Takes the end of saying what is answered.
    pub(super) fn take_answered(
        &mut self,
        order: &ResponseOverrideRequest,
        answer: Result<(), Failure>,
    ) -> Vec<Effect> {
        let open = self.overlay.take_if(
            |overlay| matches!(overlay, Overlay::Answer(form) if form.sent.as_ref() == Some(order)),
        );
        if let Err(failure) = answer {
            let Some(Overlay::Answer(mut form)) = open else {
                self.fail_with(&failure);
                return Vec::new();
            };
            form.sent = None;
            form.problem = Some(advice::parts(&failure, &self.keys).join(" "));
            self.overlay = Some(Overlay::Answer(form));
            return Vec::new();
        }
        let at = match &order.endpoint {
            Some(name) => format!("At endpoint {name}: "),
            None => String::new(),
        };
        let what = match (&order.plan, order.mode) {
            (Some(plan), Some(mode)) if !self.info.apps.is_empty() => {
                format!("answering {plan} from now on, {}", mode.word())
            }
            (Some(plan), _) => format!("answering {plan} from now on"),
            (None, _) => "answering as configured again".to_owned(),
        };
        self.done(&format!("{at}{what}"));
        Vec::new()
    }

    /// Notes what is known of an app.
    pub(super) fn app_changed(&mut self, app: AppInfo) {
        let known = self.info.apps.iter_mut().find(|a| a.origin == app.origin);
        match known {
            Some(known) => *known = app,
            None => self.info.apps.push(app),
        }
    }
}
