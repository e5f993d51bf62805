//! What a hypothesis is made of.

use std::borrow::Cow;

use zeroize::Zeroizing;

use super::case::{Case, DigestInputs};
use super::mac::Method;
use super::signed_part::SignedPart;
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
    pub(super) procedure: Procedure,
}

impl Hypothesis {
    /// Says whether body and text can be changed as it would have them: of a
    /// scheme that signs more than body, time, id, method and address, only
    /// the address can.
    pub(super) fn applies_to(&self, case: &Case<'_>) -> bool {
        case.plain
            || !matches!(self.group, Group::Body | Group::Text)
            || case.signs_address() && self.code.starts_with("url_")
    }
}

/// How a hypothesis is tried.
pub(super) enum Procedure {
    /// By computing the signature anew as if each idea were true.
    Compute(for<'a> fn(&Case<'a>) -> Variations<'a>),
    /// By reading the signature that came in another spelling.
    Deviation,
    /// By looking at the bytes.
    Inspect(fn(&Case<'_>) -> Observation),
}

/// What is to be computed; the reason where there is nothing to.
pub(super) type Variations<'a> = Result<Vec<Variation<'a>>, &'static str>;

/// A way in which the signature may have been made.
#[derive(Clone)]
pub(super) struct Variation<'a> {
    /// What differs from the scheme.
    pub(super) change: InputChange<'a>,
    /// What would then be true, as a sentence.
    pub(super) what: String,
    /// What to do then.
    pub(super) advice: Cow<'static, str>,
    /// The secret it is about, where it is about one.
    pub(super) secret: Option<&'a Secret>,
}

/// What differs from what the scheme and the configuration say.
#[derive(Clone)]
pub(super) enum InputChange<'a> {
    /// Another key.
    Key(Zeroizing<Vec<u8>>),
    /// Other bytes in the place of the body.
    Body(Cow<'a, [u8]>),
    /// Another text around the body.
    Text(Vec<SignedPart>),
    /// Another way to make the digest.
    Method(Method),
}

/// What looking at the bytes gave.
pub(super) enum Observation {
    /// It is so.
    Present(Finding),
    /// It is not so; what shows it.
    Absent(&'static str),
    /// There was nothing to look at; why.
    NotApplicable(&'static str),
}

impl<'a> Variation<'a> {
    /// Makes an idea of the body.
    pub(super) fn body(
        body: impl Into<Cow<'a, [u8]>>,
        what: impl Into<String>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(InputChange::Body(body.into()), what, advice)
    }

    /// Makes an idea of the signed text.
    pub(super) fn text(
        text: Vec<SignedPart>,
        what: impl Into<String>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(InputChange::Text(text), what, advice)
    }

    /// Makes an idea of the digest.
    pub(super) fn method(
        method: Method,
        what: impl Into<String>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(InputChange::Method(method), what, advice)
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
            ..Self::new(InputChange::Key(Zeroizing::new(key)), what, advice)
        }
    }

    fn new(
        change: InputChange<'a>,
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
pub(super) fn non_empty_or<'a>(
    why: &'static str,
) -> impl FnOnce(Vec<Variation<'a>>) -> Variations<'a> {
    move |variations| {
        if variations.is_empty() {
            Err(why)
        } else {
            Ok(variations)
        }
    }
}

impl Variation<'_> {
    /// Says whether it differs from what scheme and configuration say.
    pub(super) fn changes(&self, case: &Case<'_>) -> bool {
        match &self.change {
            InputChange::Key(key) => case.keys.iter().all(|(_, own)| own != key),
            InputChange::Body(body) => body[..] != *case.body(),
            InputChange::Text(text) => *text != case.text,
            InputChange::Method(method) => *method != case.method,
        }
    }

    /// Changes a setting as it says.
    pub(super) fn applied<'s>(&'s self, inputs: DigestInputs<'s>) -> DigestInputs<'s> {
        match &self.change {
            InputChange::Key(key) => DigestInputs {
                key: Some(key),
                ..inputs
            },
            InputChange::Body(body) => DigestInputs { body, ..inputs },
            InputChange::Text(text) => DigestInputs { text, ..inputs },
            InputChange::Method(method) => DigestInputs {
                method: *method,
                ..inputs
            },
        }
    }
}
