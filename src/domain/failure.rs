//! What went wrong, for a person: what, why, what to do next.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A failure in three short parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct Failure {
    /// What kind it is; decides the exit code.
    pub kind: FailureKind,
    /// What did not work, as a sentence.
    pub what: String,
    /// Why, as a sentence.
    pub why: String,
    /// What to do next.
    pub next: String,
    /// What to do next, for the inspector, which names a key of its own
    /// instead of a command or a flag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Remedy>,
}

/// What can be done about a failure inside the inspector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// Choose a delivery that is kept.
    ChooseDelivery,
    /// Name another target.
    NameTarget,
    /// Add the provider's secret.
    AddSecret,
    /// Add the provider's secret, or keep the signature.
    AddSecretOrKeepSignature,
    /// Keep the signature.
    KeepSignature,
    /// Change the request by hand.
    EditRequest,
    /// Send it once.
    SendOnce,
    /// Correct the filter.
    CorrectFilter,
}

/// The kinds of failure, by exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// It worked and the answer is no: exit code 1.
    No,
    /// Wrong usage or configuration: exit code 2.
    Usage,
    /// It could not be done: exit code 3.
    Cannot,
}

impl Failure {
    /// A wrong usage or configuration.
    pub fn usage(what: impl Into<String>, why: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(FailureKind::Usage, what, why, next)
    }

    /// Something that could not be done.
    pub fn cannot(
        what: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::new(FailureKind::Cannot, what, why, next)
    }

    /// A question whose answer is no, for example an id that is not there.
    pub fn no(what: impl Into<String>, why: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(FailureKind::No, what, why, next)
    }

    /// Adds what can be done about it inside the inspector.
    #[must_use]
    pub fn with_remedy(self, remedy: Remedy) -> Self {
        Self {
            remedy: Some(remedy),
            ..self
        }
    }

    /// Returns the three parts on one line.
    pub fn line(&self) -> String {
        let parts = [&self.what, &self.why, &self.next];
        let parts: Vec<&str> = parts
            .into_iter()
            .map(|part| part.trim())
            .filter(|part| !part.is_empty())
            .collect();
        parts.join(" ")
    }

    fn new(
        kind: FailureKind,
        what: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            what: what.into(),
            why: why.into(),
            next: next.into(),
            remedy: None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        for part in [&self.why, &self.next] {
            if !part.is_empty() {
                write!(f, "\n{part}")?;
            }
        }
        Ok(())
    }
}

/// Makes a sentence of an error's text.
pub fn sentence(error: &impl fmt::Display) -> String {
    let text = error.to_string();
    let text = text.trim_end_matches('.');
    let mut chars = text.chars();
    let first = chars.next().map(char::to_uppercase);
    let sentence: String = first.into_iter().flatten().chain(chars).collect();
    sentence + "."
}
