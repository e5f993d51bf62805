//! The last word on something: it goes by itself, or with the next key.

use crate::domain::failure::Failure;
use crate::domain::timestamp::Timestamp;

use super::App;

/// How long good news stays, in microseconds.
const STAYS: i64 = 4_000_000;

/// A line above the status line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    /// What it says.
    pub text: String,
    /// What kind of news it is.
    pub kind: ToastKind,
    /// When it goes; `None`: with the next key.
    pub until: Option<Timestamp>,
}

/// What kind of news a toast is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToastKind {
    /// Something was done.
    Done,
    /// Something to know.
    Note,
    /// Something went wrong.
    Failed,
}

impl App {
    /// Says that something was done.
    pub(super) fn done(&mut self, text: &str) {
        self.toast(text, ToastKind::Done, Some(STAYS));
    }

    /// Says something worth knowing.
    pub(super) fn say(&mut self, text: &str) {
        self.toast(text, ToastKind::Note, Some(STAYS));
    }

    /// Says what should be known at the start, until a key is pressed.
    #[must_use]
    pub fn noting(mut self, notes: &[String]) -> Self {
        match notes {
            [] => {}
            [note] => self.fail(note),
            [note, rest @ ..] => self.fail(&format!("{note} (and {} more)", rest.len())),
        }
        self
    }

    /// Says that something went wrong; it stays until a key is pressed.
    pub(super) fn fail(&mut self, text: &str) {
        self.toast(text, ToastKind::Failed, None);
    }

    /// Says what failed, why, and what to do next, on one line.
    pub(super) fn fail_with(&mut self, failure: &Failure) {
        self.fail(&failure.line());
    }

    fn toast(&mut self, text: &str, kind: ToastKind, stays: Option<i64>) {
        self.toast = Some(Toast {
            text: self.look.own(text).into_owned(),
            kind,
            until: stays.map(|us| Timestamp(self.now.0 + us)),
        });
    }
}
