//! The last word on something, above the status line.

use crate::domain::failure::Failure;
use crate::domain::timestamp::Timestamp;
use crate::tui::advice;
use crate::tui::widget::wrap;

use super::App;

/// How long news stays, in microseconds.
const STAYS: i64 = 4_000_000;

/// How many columns stand before a toast's text: its sign.
pub const SIGN: usize = 3;

/// A few lines above the status line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    /// What it says, each part on lines of its own.
    pub text: String,
    /// What kind of news it is.
    pub kind: ToastKind,
    /// When it goes; `None`: not by itself.
    pub until: Option<Timestamp>,
}

/// What kind of news a toast is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToastKind {
    /// Something was done; it goes after a while.
    Done,
    /// Something to know about the last key; it goes after a while.
    Note,
    /// Something is under way; it goes when that is over.
    Progress,
    /// Something to look at; it stays until a key is pressed.
    Warning,
    /// Something went wrong; it stays until a key is pressed.
    Failed,
}

impl Toast {
    /// Wraps the text at a width of `columns`, which includes the sign.
    pub fn lines(&self, columns: usize) -> Vec<String> {
        let room = columns.saturating_sub(SIGN);
        let parts = self.text.split('\n');
        parts.flat_map(|part| wrap::words(part, room)).collect()
    }

    /// Returns whether the next key removes it, because that key may concern
    /// another delivery.
    pub const fn goes_with_a_key(&self) -> bool {
        !matches!(self.kind, ToastKind::Progress)
    }
}

impl App {
    /// Says that something was done.
    pub(super) fn done(&mut self, text: &str) {
        self.toast(&[text], ToastKind::Done, Some(STAYS));
    }

    /// Says something worth knowing about the last key.
    pub(super) fn say(&mut self, text: &str) {
        self.toast(&[text], ToastKind::Note, Some(STAYS));
    }

    /// Shows what is under way, until [`App::end_progress`].
    pub(super) fn begin_progress(&mut self, text: &str) {
        self.toast(&[text], ToastKind::Progress, None);
    }

    /// Removes the message about what is under way.
    pub(super) fn end_progress(&mut self) {
        self.toast
            .take_if(|toast| toast.kind == ToastKind::Progress);
    }

    /// Says what should be known at the start, until a key is pressed.
    #[must_use]
    pub fn noting(mut self, notes: &[String]) -> Self {
        if !notes.is_empty() {
            self.toast(notes, ToastKind::Warning, None);
        }
        self
    }

    /// Shows a warning until a key is pressed.
    pub(super) fn warn(&mut self, text: &str) {
        self.toast(&[text], ToastKind::Warning, None);
    }

    /// Says that something went wrong, until a key is pressed.
    pub(super) fn fail(&mut self, text: &str) {
        self.toast(&[text], ToastKind::Failed, None);
    }

    /// Says what failed, why, and what to do next.
    pub(super) fn fail_with(&mut self, failure: &Failure) {
        self.fail_parts(&advice::parts(failure, &self.keys));
    }

    /// Says that something went wrong, in parts on lines of their own.
    pub(super) fn fail_parts(&mut self, parts: &[String]) {
        self.toast(parts, ToastKind::Failed, None);
    }

    fn toast(&mut self, parts: &[impl AsRef<str>], kind: ToastKind, stays: Option<i64>) {
        let parts: Vec<_> = parts.iter().map(|p| self.look.own(p.as_ref())).collect();
        self.toast = Some(Toast {
            text: parts.join("\n"),
            kind,
            until: stays.map(|us| Timestamp(self.now.0 + us)),
        });
    }
}
