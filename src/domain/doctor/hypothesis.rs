//! The types that make up a hypothesis.

use std::borrow::Cow;

use zeroize::Zeroizing;

use super::case::{Case, DigestInputs};
use super::mac::Method;
use super::signed_part::SignedPart;
use crate::domain::secret::Secret;
use crate::domain::verification::{Finding, Group};

/// One possible cause of a verification status.
pub(crate) struct Hypothesis {
    /// The finding code.
    pub(crate) code: &'static str,
    /// The subject.
    pub(crate) group: Group,
    /// The word that the list shows.
    pub(crate) word: &'static str,
    /// A short description of what is tried.
    pub(crate) what: &'static str,
    /// How the hypothesis is tested.
    pub(super) procedure: Procedure,
}

impl Hypothesis {
    /// Returns whether the hypothesis can be tested. If a scheme signs more
    /// than body, time, id, method and address, only the address can be varied.
    pub(super) fn applies_to(&self, case: &Case<'_>) -> bool {
        case.plain
            || !matches!(self.group, Group::Body | Group::Text)
            || case.signs_address() && self.code.starts_with("url_")
    }
}

/// How a hypothesis is tested.
pub(super) enum Procedure {
    /// Recomputes the signature for each variation.
    Compute(for<'a> fn(&Case<'a>) -> Variations<'a>),
    /// Decodes the received signature in other ways.
    Deviation,
    /// Inspects the bytes.
    Inspect(fn(&Case<'_>) -> Observation),
}

/// The variations to compute, or the reason why there are none.
pub(super) type Variations<'a> = Result<Vec<Variation<'a>>, &'static str>;

/// One way in which the signature may have been made.
#[derive(Clone)]
pub(super) struct Variation<'a> {
    /// The difference from the scheme.
    pub(super) change: InputChange<'a>,
    /// The message of the finding if it matches.
    pub(super) what: String,
    /// The advice of the finding.
    pub(super) advice: Cow<'static, str>,
    /// The secret concerned, if any.
    pub(super) secret: Option<&'a Secret>,
}

/// A difference from scheme and configuration.
#[derive(Clone)]
pub(super) enum InputChange<'a> {
    /// Another key.
    Key(Zeroizing<Vec<u8>>),
    /// Another body.
    Body(Cow<'a, [u8]>),
    /// Another signed text around the body.
    Text(Vec<SignedPart>),
    /// Another method of making the digest.
    Method(Method),
}

/// The result of inspecting the bytes.
pub(super) enum Observation {
    /// The problem is present.
    Present(Finding),
    /// The problem is absent, with the reason.
    Absent(&'static str),
    /// The inspection does not apply, with the reason.
    NotApplicable(&'static str),
}

impl<'a> Variation<'a> {
    /// Creates a variation of the body.
    pub(super) fn body(
        body: impl Into<Cow<'a, [u8]>>,
        what: impl Into<String>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(InputChange::Body(body.into()), what, advice)
    }

    /// Creates a variation of the signed text.
    pub(super) fn text(
        text: Vec<SignedPart>,
        what: impl Into<String>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(InputChange::Text(text), what, advice)
    }

    /// Creates a variation of the method.
    pub(super) fn method(
        method: Method,
        what: impl Into<String>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(InputChange::Method(method), what, advice)
    }

    /// Creates a variation of the key.
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

/// Returns the variations, or `why` as the reason if there are none.
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
    /// Returns whether the variation differs from scheme and configuration.
    pub(super) fn changes(&self, case: &Case<'_>) -> bool {
        match &self.change {
            InputChange::Key(key) => case.keys.iter().all(|(_, own)| own != key),
            InputChange::Body(body) => body[..] != *case.body(),
            InputChange::Text(text) => *text != case.text,
            InputChange::Method(method) => *method != case.method,
        }
    }

    /// Returns the inputs with the variation applied.
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
