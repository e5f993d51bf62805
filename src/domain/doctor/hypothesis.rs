//! What a hypothesis is made of.

use std::borrow::Cow;

use zeroize::Zeroizing;

use super::case::{Case, Setting};
use super::mac::Method;
use super::piece::Piece;
use crate::domain::secret::Secret;
use crate::domain::verification::{Finding, Group};

/// One thing that may explain a verdict.
pub(crate) struct Hypothesis {
    /// The stable word for programs.
    pub(crate) code: &'static str,
    /// What it is about.
    pub(crate) group: Group,
    /// What the list shows of it.
    pub(crate) word: &'static str,
    /// What is tried, in a few words.
    pub(crate) what: &'static str,
    /// How it is tried.
    pub(super) test: Test,
}

impl Hypothesis {
    /// Says whether body and text can be changed as it would have them: of a
    /// scheme that signs more than body, time, id, method and address, only
    /// the address can.
    pub(super) fn fits(&self, case: &Case<'_>) -> bool {
        case.plain
            || !matches!(self.group, Group::Body | Group::Text)
            || case.signs_address() && self.code.starts_with("url_")
    }
}

/// How a hypothesis is tried.
pub(super) enum Test {
    /// By computing the signature anew as if each idea were true.
    Compute(for<'a> fn(&Case<'a>) -> Ideas<'a>),
    /// By reading the signature that came in another spelling.
    Spelled,
    /// By looking at the bytes.
    Look(fn(&Case<'_>) -> Seen),
}

/// What is to be computed; the reason where there is nothing to.
pub(super) type Ideas<'a> = Result<Vec<Idea<'a>>, &'static str>;

/// A way in which the signature may have been made.
#[derive(Clone)]
pub(super) struct Idea<'a> {
    /// What differs from the scheme.
    pub(super) change: Change<'a>,
    /// What would then be true, as a sentence.
    pub(super) what: String,
    /// What to do then.
    pub(super) advice: Cow<'static, str>,
    /// The secret it is about, where it is about one.
    pub(super) secret: Option<&'a Secret>,
}

/// What differs from what the scheme and the configuration say.
#[derive(Clone)]
pub(super) enum Change<'a> {
    /// Another key.
    Key(Zeroizing<Vec<u8>>),
    /// Other bytes in the place of the body.
    Body(Cow<'a, [u8]>),
    /// Another text around the body.
    Text(Vec<Piece>),
    /// Another way to make the digest.
    Method(Method),
}

/// What looking at the bytes gave.
pub(super) enum Seen {
    /// It is so.
    Yes(Finding),
    /// It is not so; what shows it.
    No(&'static str),
    /// There was nothing to look at; why.
    Nothing(&'static str),
}

impl<'a> Idea<'a> {
    /// Makes an idea of the body.
    pub(super) fn body(
        body: impl Into<Cow<'a, [u8]>>,
        what: impl Into<String>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(Change::Body(body.into()), what, advice)
    }

    /// Makes an idea of the signed text.
    pub(super) fn text(
        text: Vec<Piece>,
        what: impl Into<String>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(Change::Text(text), what, advice)
    }

    /// Makes an idea of the digest.
    pub(super) fn method(
        method: Method,
        what: impl Into<String>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(Change::Method(method), what, advice)
    }

    /// Makes an idea of the key.
    pub(super) fn key(
        secret: &'a Secret,
        key: Vec<u8>,
        what: impl Into<String>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            secret: Some(secret),
            ..Self::new(Change::Key(Zeroizing::new(key)), what, advice)
        }
    }

    fn new(
        change: Change<'a>,
        what: impl Into<String>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            change,
            what: what.into(),
            advice: advice.into(),
            secret: None,
        }
    }
}

/// Gives ideas on, or the reason where there are none.
pub(super) fn some<'a>(why: &'static str) -> impl FnOnce(Vec<Idea<'a>>) -> Ideas<'a> {
    move |ideas| {
        if ideas.is_empty() {
            Err(why)
        } else {
            Ok(ideas)
        }
    }
}

impl Idea<'_> {
    /// Says whether it differs from what scheme and configuration say.
    pub(super) fn changes(&self, case: &Case<'_>) -> bool {
        match &self.change {
            Change::Key(key) => case.keys.iter().all(|(_, own)| own != key),
            Change::Body(body) => body[..] != *case.body(),
            Change::Text(text) => *text != case.text,
            Change::Method(method) => *method != case.method,
        }
    }

    /// Changes a setting as it says.
    pub(super) fn applied<'s>(&'s self, setting: Setting<'s>) -> Setting<'s> {
        match &self.change {
            Change::Key(key) => Setting {
                key: Some(key),
                ..setting
            },
            Change::Body(body) => Setting { body, ..setting },
            Change::Text(text) => Setting { text, ..setting },
            Change::Method(method) => Setting {
                method: *method,
                ..setting
            },
        }
    }
}
