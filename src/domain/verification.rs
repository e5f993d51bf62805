//! What is known about a delivery's signature: the verdict and its evidence.
//!
//! How the verdict is reached is left to [`super::signature`] and [`super::doctor`].

use serde::{Deserialize, Serialize};

use super::future_tolerance::FutureTolerance;
use super::signature::coverage;

/// The verdict on a delivery's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A configured secret matches and the time is within the tolerance, or there is none.
    Valid,
    /// A secret matches; the time is outside the tolerance, past or future.
    Stale,
    /// The header is well formed and no configured secret matches.
    Invalid,
    /// The signature or timestamp header cannot be read.
    Malformed,
    /// The provider is known or configured, and its signature header is absent.
    MissingSignature,
    /// There is a signature, and no secret to check it with.
    NoSecret,
    /// Nothing says who sent it.
    UnknownProvider,
    /// It is received, and its signature is not verified yet.
    Pending,
}

impl Status {
    /// Every status, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::Valid,
        Self::Stale,
        Self::Invalid,
        Self::Malformed,
        Self::MissingSignature,
        Self::NoSecret,
        Self::UnknownProvider,
        Self::Pending,
    ];

    /// Returns the word used in JSON: `valid`, `missing_signature` …
    pub const fn code(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Stale => "stale",
            Self::Invalid => "invalid",
            Self::Malformed => "malformed",
            Self::MissingSignature => "missing_signature",
            Self::NoSecret => "no_secret",
            Self::UnknownProvider => "unknown_provider",
            Self::Pending => "pending",
        }
    }

    /// Returns the word shown in a list: `ok`, `old`, `BAD` …
    pub const fn word(self) -> &'static str {
        match self {
            Self::Valid => "ok",
            Self::Stale => "old",
            Self::Invalid => "BAD",
            Self::Malformed => "bad hdr",
            Self::MissingSignature => "none",
            Self::NoSecret => "no key",
            Self::UnknownProvider => "?",
            Self::Pending => "…",
        }
    }
}

/// The verdict on one delivery and all that speaks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// The verdict.
    pub status: Status,
    /// The provider's name.
    pub provider: Option<String>,
    /// The scheme in a few words: `hmac-sha256 over {timestamp}.{body}, hex`.
    pub scheme: Option<String>,
    /// The secret that matched, as its name and fingerprint: `porkbun (sk1_…4fTq)`.
    pub secret: Option<String>,
    /// The signed time, in Unix seconds.
    pub timestamp: Option<i64>,
    /// Arrival minus signed time, in seconds; negative where the signed time lies ahead.
    pub age_seconds: Option<i64>,
    /// The provider's tolerance, in seconds; `None` where it has none.
    pub tolerance_seconds: Option<i64>,
    /// How far ahead the signed time may lie; told where it is not as far.
    #[serde(default, skip_serializing_if = "FutureTolerance::is_same")]
    pub ahead: FutureTolerance,
    /// The signatures that came, as text.
    pub received: Vec<String>,
    /// The signatures that would have been right, one for each configured secret.
    pub expected: Vec<String>,
    /// What the signature covers where it holds: `body`, `timestamp`, `url` …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covers: Vec<String>,
    /// Of what is shown of the delivery, what the signature does not cover:
    /// `event`, `delivery_id`, `timestamp`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsigned: Vec<String>,
    /// What was found besides, the most telling first.
    pub findings: Vec<Finding>,
    /// What was tried to explain the verdict, each with its answer; empty
    /// where the delivery was not looked into.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<HypothesisTrial>,
}

impl Verification {
    /// Returns a verdict without any evidence.
    pub const fn new(status: Status) -> Self {
        Self {
            status,
            provider: None,
            scheme: None,
            secret: None,
            timestamp: None,
            age_seconds: None,
            tolerance_seconds: None,
            ahead: FutureTolerance::Same,
            received: Vec::new(),
            expected: Vec::new(),
            covers: Vec::new(),
            unsigned: Vec::new(),
            findings: Vec::new(),
            tried: Vec::new(),
        }
    }

    /// Returns the finding that explains the verdict. What a signature that
    /// holds leaves open does not.
    pub fn explanation(&self) -> Option<&Finding> {
        self.findings
            .first()
            .filter(|f| !coverage::is_caveat(&f.code))
    }

    /// Returns what a signature that holds leaves open.
    pub fn caveats(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|f| coverage::is_caveat(&f.code))
    }

    /// Says whether a field that is shown is not signed although the signature holds.
    pub fn is_unsigned(&self, field: &str) -> bool {
        self.unsigned.iter().any(|name| name == field)
    }

    /// Returns the code of the finding that a row shows: the first, or the
    /// first that says what a signature that holds leaves open.
    pub fn cause(&self) -> Option<&str> {
        let cause = match self.status {
            Status::Valid => self.caveats().next().or(self.findings.first()),
            _ => self.findings.first(),
        };
        cause.map(|finding| finding.code.as_str())
    }

    /// Says how far the signed time may be from the arrival; `None` where the
    /// provider states no limit.
    pub fn limit(&self) -> Option<String> {
        self.tolerance_seconds
            .map(|behind| self.ahead.limit(behind))
    }

    /// Says whether the signed time is out of the limit, where there is one.
    pub fn is_out_of_tolerance(&self) -> bool {
        let (Some(age), Some(behind)) = (self.age_seconds, self.tolerance_seconds) else {
            return false;
        };
        let ahead = self.ahead.seconds(behind);
        age > behind || ahead.is_some_and(|ahead| age.saturating_neg() > ahead)
    }
}

/// One thing the signature doctor can say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// A stable word for programs: `other_secret`.
    pub code: String,
    /// Whether recomputing gave exactly the signature that came, or the
    /// contradiction is visible in the bytes.
    pub proved: bool,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub advice: String,
    /// How it is proved: what was computed, and that it is what came.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub proof: String,
}

/// One thing the signature doctor tried, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HypothesisTrial {
    /// A stable word for programs, that of the finding it would give.
    pub code: String,
    /// What it is about.
    pub group: Group,
    /// What was tried, in a few words.
    pub what: String,
    /// What came of it.
    pub outcome: TrialOutcome,
    /// What shows it, or why it does not apply.
    pub reason: String,
}

/// What a hypothesis is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// The key.
    Secret,
    /// The body's bytes.
    Body,
    /// What is signed besides the body, and in which order.
    Text,
    /// How the digest is made and written.
    Algorithm,
    /// The headers that carry it.
    Header,
    /// When it was signed.
    Time,
}

impl Group {
    /// Returns the word used in JSON and on the screen.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Body => "body",
            Self::Text => "text",
            Self::Algorithm => "algorithm",
            Self::Header => "header",
            Self::Time => "time",
        }
    }
}

/// What came of a hypothesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialOutcome {
    /// It is so.
    Matched,
    /// It was tried and is not so.
    NotMatched,
    /// There was nothing to try it on.
    NotApplicable,
}

impl TrialOutcome {
    /// Returns the word shown to a person.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Matched => "YES",
            Self::NotMatched => "no",
            Self::NotApplicable => "--",
        }
    }
}
