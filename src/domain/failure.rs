//! Errors for users: what happened, why, and what to do next.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A failure in three short parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct Failure {
    /// The kind, which determines the exit code.
    pub kind: FailureKind,
    /// What failed, as a sentence.
    pub what: String,
    /// Why, as a sentence.
    pub why: String,
    /// What to do next.
    pub next: String,
    /// What to do next in the inspector, which refers to a key instead of a
    /// command or a flag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Remedy>,
}

/// What can be done about a failure in the inspector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// Select a stored delivery.
    ChooseDelivery,
    /// Enter another target.
    NameTarget,
    /// Add the provider's secret.
    AddSecret,
    /// Add the provider's secret, or keep the received signature.
    AddSecretOrKeepSignature,
    /// Keep the received signature.
    KeepSignature,
    /// Edit the request.
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
    /// The request was processed and the result is negative: exit code 1.
    No,
    /// Invalid usage or configuration: exit code 2.
    Usage,
    /// The operation failed: exit code 3.
    Cannot,
}

impl Failure {
    /// Creates a failure about invalid usage or configuration.
    pub fn usage(what: impl Into<String>, why: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(FailureKind::Usage, what, why, next)
    }

    /// Creates a failure about an operation that could not be performed.
    pub fn cannot(
        what: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::new(FailureKind::Cannot, what, why, next)
    }

    /// Creates a failure for a negative result, for example an unknown id.
    pub fn no(what: impl Into<String>, why: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(FailureKind::No, what, why, next)
    }

    /// Adds what can be done about it in the inspector.
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

/// Formats an error's text as a sentence.
pub fn sentence(error: &impl fmt::Display) -> String {
    let text = error.to_string();
    let text = text.trim_end_matches('.');
    let mut chars = text.chars();
    let first = chars.next().map(char::to_uppercase);
    let sentence: String = first.into_iter().flatten().chain(chars).collect();
    sentence + "."
}
