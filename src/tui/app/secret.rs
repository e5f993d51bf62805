//! Adding a secret, and the result of verifying with it.

use crossterm::event::{KeyCode, KeyEvent};

use crate::domain::failure::Failure;
use crate::domain::keyring::Scope;
use crate::domain::text::thousands;
use crate::domain::verification::Status;
use crate::engine::command::Adopted;
use crate::tui::advice;
use crate::tui::effect::Effect;
use crate::tui::keymap::Chord;
use crate::tui::overlay::Overlay;
use crate::tui::overlay::secret::{Part, SecretForm};

use super::App;

impl App {
    /// Opens the form for the secret of the selected delivery.
    pub(super) fn open_secret(&mut self) {
        let Some(row) = self.list.selected() else {
            self.say("Nothing to add a secret for: no delivery is selected");
            return;
        };
        let form = SecretForm::new(row, self.detail.shown.as_ref(), &self.info);
        self.list.follow = false;
        self.overlay = Some(Overlay::Secret(form));
    }

    /// Handles a key in the form.
    pub(super) fn secret_key(&mut self, key: KeyEvent, chord: Chord) -> Vec<Effect> {
        let Some(Overlay::Secret(form)) = &mut self.overlay else {
            return Vec::new();
        };
        if form.waiting {
            return Vec::new();
        }
        match (chord.code(), form.part) {
            (KeyCode::Tab | KeyCode::BackTab, _) => form.turn(),
            (KeyCode::Down, _) => form.step(1),
            (KeyCode::Up, _) => form.step(-1),
            (KeyCode::Char(' ') | KeyCode::Left | KeyCode::Right, Part::How) => form.toggle(),
            (KeyCode::F(2), _) => form.field.shown = !form.field.shown,
            (KeyCode::Enter, _) => return form.order().map(Effect::Secret).into_iter().collect(),
            (_, Part::Which | Part::How) => form.type_key(key),
        }
        Vec::new()
    }

    /// Handles the result of verifying again.
    pub(super) fn take_adopted(&mut self, answer: Result<Adopted, Failure>) -> Vec<Effect> {
        let open = match &mut self.overlay {
            Some(Overlay::Secret(form)) if form.waiting => Some(form),
            _ => None,
        };
        match (answer, open) {
            (Ok(adopted), open) => {
                if open.is_some() {
                    self.overlay = None;
                }
                self.list.expire();
                self.detail.expire();
                self.info_wish.stale = true;
                self.done(&describe(&adopted));
            }
            (Err(failure), Some(form)) => {
                form.waiting = false;
                form.problem = Some(advice::parts(&failure, &self.keys).join(" "));
            }
            (Err(failure), None) => self.fail_with(&failure),
        }
        Vec::new()
    }
}

/// Describes what a secret changed.
fn describe(adopted: &Adopted) -> String {
    let whose = match &adopted.scope {
        Scope::Endpoint(name) | Scope::Provider(name) => name.as_str(),
        Scope::All => "deliveries without a secret of their own",
    };
    let counts = if adopted.before {
        "counted"
    } else {
        "now counts"
    };
    let all: u64 = adopted.verified.iter().map(|(_, count)| count).sum();
    let of = |(status, count): &(Status, u64)| {
        let still = if *status == Status::Invalid {
            "still "
        } else {
            ""
        };
        format!("{} {still}{}", thousands(*count), status.word())
    };
    let each: Vec<String> = adopted.verified.iter().map(of).collect();
    let already = if adopted.before { " already" } else { "" };
    let mut text = format!(
        "Secret {} {counts} for {whose}{already}: {} verified again",
        adopted.fingerprint,
        thousands(all)
    );
    for part in each {
        text.push_str(", ");
        text.push_str(&part);
    }
    text
}
