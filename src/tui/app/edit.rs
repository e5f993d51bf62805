//! Editing a delivery before it is sent again: to the editor and back.

use crate::domain::edit::text;
use crate::domain::failure::Failure;
use crate::engine::command::Preview;
use crate::engine::command::ResendRequest;
use crate::tui::effect::Effect;
use crate::tui::overlay::Overlay;
use crate::tui::overlay::confirm::{Confirm, Then};
use crate::tui::overlay::resend::{self, ResendForm};

use super::App;

/// A delivery that is in the editor.
#[derive(Clone, Debug)]
pub(super) struct Editing {
    form: Box<ResendForm>,
    /// The text as it went to the editor.
    written: Vec<u8>,
    /// Whether the form was open before.
    again: bool,
}

impl App {
    /// Opens the editor on the delivery.
    pub(super) fn edit(&mut self) -> Vec<Effect> {
        if self.list.chosen.len() > 1 {
            self.say("One delivery is edited at a time; several are selected");
            return Vec::new();
        }
        let Some(form) = self.form() else {
            self.say("Nothing to edit: no delivery is selected");
            return Vec::new();
        };
        if self.has_no_body() {
            return Vec::new();
        }
        if form.original().is_none() {
            // It is still being read.
            self.edit_next = self.list.seq();
            return Vec::new();
        }
        self.hand_over(form, false)
    }

    /// Opens the editor on what the form holds.
    pub(super) fn edit_again(&mut self) -> Vec<Effect> {
        let Some(Overlay::Resend(form)) = self.overlay.take() else {
            return Vec::new();
        };
        if form.original().is_none() {
            self.say("One delivery is edited at a time");
            self.overlay = Some(Overlay::Resend(form));
            return Vec::new();
        }
        self.hand_over(form, true)
    }

    /// Opens the editor on a delivery that has just been read, where that was
    /// asked for and it is still the selected one.
    pub(super) fn edit_when_read(&mut self, seq: u64) -> Vec<Effect> {
        if self.edit_next.take_if(|next| *next == seq).is_none() || self.list.seq() != Some(seq) {
            return Vec::new();
        }
        match self.overlay {
            None => self.edit(),
            Some(_) => Vec::new(),
        }
    }

    fn hand_over(&mut self, form: Box<ResendForm>, again: bool) -> Vec<Effect> {
        let written = form.request().map(text::write).unwrap_or_default();
        self.list.follow = false;
        self.editing = Some(Editing {
            form,
            written: written.clone(),
            again,
        });
        vec![Effect::Edit(written)]
    }

    /// Takes what the editor left.
    pub(super) fn take_edited(&mut self, left: Result<Vec<u8>, Failure>) -> Vec<Effect> {
        let Some(mut editing) = self.editing.take() else {
            return Vec::new();
        };
        let left = match left {
            Ok(left) => left,
            Err(failure) => {
                self.fail_with(&failure);
                self.reopen(editing);
                return Vec::new();
            }
        };
        if left == editing.written {
            self.say(
                "Nothing was changed, so nothing is sent. An editor with a window of its own must \
                 be waited for: EDITOR='code --wait'",
            );
            self.reopen(editing);
            return Vec::new();
        }
        let Some(before) = editing.form.request() else {
            return Vec::new();
        };
        match text::read(&left, before) {
            Err(failure) => {
                self.overlay = Some(Overlay::Confirm(Confirm {
                    what: failure.what,
                    why: format!("{} {}", failure.why, failure.next),
                    then: Then::Edit(left),
                }));
                self.editing = Some(editing);
            }
            Ok(read) if !editing.again && editing.form.original() == Some(&read.request) => {
                let more = read.notes.concat();
                self.say(format!("Nothing was changed, so nothing is sent. {more}").trim_end());
            }
            Ok(read) => {
                editing.form.edit(read.request, read.notes);
                self.overlay = Some(Overlay::Resend(editing.form));
            }
        }
        Vec::new()
    }

    fn reopen(&mut self, editing: Editing) {
        if editing.again {
            self.overlay = Some(Overlay::Resend(editing.form));
        }
    }

    /// Takes what would be sent, for the form.
    pub(super) fn take_preview(
        &mut self,
        order: &ResendRequest,
        answer: Result<Box<Preview>, Failure>,
    ) -> Vec<Effect> {
        if let Some(Overlay::Resend(form)) = &mut self.overlay {
            form.take(order, answer, &self.look);
        }
        Vec::new()
    }

    /// Scrolls what will change.
    pub(super) fn scroll_form(&mut self, by: isize) {
        let screen = self.areas().screen;
        if let Some(Overlay::Resend(mut form)) = self.overlay.take() {
            resend::scroll(&mut form, by, self.ctx(), screen);
            self.overlay = Some(Overlay::Resend(form));
        }
    }
}
