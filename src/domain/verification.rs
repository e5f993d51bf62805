//! The verification status of a delivery's signature, and the evidence for it.
//!
//! [`super::signature`] and [`super::doctor`] produce it.

use serde::{Deserialize, Serialize};

use super::future_tolerance::FutureTolerance;
use super::signature::coverage;

/// The verification status of a delivery's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A configured secret matches, and the time is within the tolerance if
    /// there is one.
    Valid,
    /// A secret matches; the time is outside the tolerance, past or future.
    Stale,
    /// The header is well formed, and no configured secret matches.
    Invalid,
    /// The signature or timestamp header cannot be read.
    Malformed,
    /// The provider is known or configured, and the signature header is absent.
    MissingSignature,
    /// There is a signature but no secret to verify it with.
    NoSecret,
    /// The provider cannot be detected.
    UnknownProvider,
    /// The delivery is received, and its signature is not verified yet.
    Pending,
}

impl Status {
    /// All statuses, in the order of the documentation.
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

/// The verification result of a delivery with all evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// The status.
    pub status: Status,
    /// The provider's name.
    pub provider: Option<String>,
    /// The scheme in a few words: `hmac-sha256 over {timestamp}.{body}, hex`.
    pub scheme: Option<String>,
    /// The secret that matched, as its name and fingerprint: `porkbun (sk1_…4fTq)`.
    pub secret: Option<String>,
    /// The signed time, in Unix seconds.
    pub timestamp: Option<i64>,
    /// Arrival time minus signed time, in seconds; negative if the signed time
    /// is in the future.
    pub age_seconds: Option<i64>,
    /// The provider's tolerance, in seconds; `None` if there is none.
    pub tolerance_seconds: Option<i64>,
    /// The tolerance for future timestamps; serialized if it differs.
    #[serde(default, skip_serializing_if = "FutureTolerance::is_same")]
    pub ahead: FutureTolerance,
    /// The received signatures, as text.
    pub received: Vec<String>,
    /// The signatures that would match, one per configured secret.
    pub expected: Vec<String>,
    /// The parts that a valid signature covers: `body`, `timestamp`, `url` …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covers: Vec<String>,
    /// The displayed fields that the signature does not cover: `event`,
    /// `delivery_id`, `timestamp`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsigned: Vec<String>,
    /// The findings, most relevant first.
    pub findings: Vec<Finding>,
    /// The tested hypotheses with their outcomes; empty if the delivery was not
    /// diagnosed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<HypothesisTrial>,
}

impl Verification {
    /// Creates a verification result without any evidence.
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

    /// Returns the finding that explains the status. Caveats do not.
    pub fn explanation(&self) -> Option<&Finding> {
        self.findings
            .first()
            .filter(|f| !coverage::is_caveat(&f.code))
    }

    /// Returns the caveats of a valid signature.
    pub fn caveats(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|f| coverage::is_caveat(&f.code))
    }

    /// Returns whether a displayed field is not signed although the signature
    /// is valid.
    pub fn is_unsigned(&self, field: &str) -> bool {
        self.unsigned.iter().any(|name| name == field)
    }

    /// Returns the code of the finding that a row shows: the first finding, or
    /// the first caveat of a valid signature.
    pub fn cause(&self) -> Option<&str> {
        let cause = match self.status {
            Status::Valid => self.caveats().next().or(self.findings.first()),
            _ => self.findings.first(),
        };
        cause.map(|finding| finding.code.as_str())
    }

    /// Describes how far the signed time may be from the arrival; `None` if the
    /// provider states no limit.
    pub fn limit(&self) -> Option<String> {
        self.tolerance_seconds
            .map(|behind| self.ahead.limit(behind))
    }

    /// Returns whether the signed time exceeds the tolerance, if there is one.
    pub fn is_out_of_tolerance(&self) -> bool {
        let (Some(age), Some(behind)) = (self.age_seconds, self.tolerance_seconds) else {
            return false;
        };
        let ahead = self.ahead.seconds(behind);
        age > behind || ahead.is_some_and(|ahead| age.saturating_neg() > ahead)
    }
}

/// A finding of the doctor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The finding code: `other_secret`.
    pub code: String,
    /// Whether recomputing yielded exactly the received signature, or the
    /// contradiction is visible in the bytes.
    pub proved: bool,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub advice: String,
    /// The proof: what was computed, and that it equals the received signature.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub proof: String,
}

/// A tested hypothesis and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HypothesisTrial {
    /// The code of the finding that it would produce.
    pub code: String,
    /// The subject.
    pub group: Group,
    /// A short description of what was tried.
    pub what: String,
    /// The outcome.
    pub outcome: TrialOutcome,
    /// The reason for the outcome, or why the hypothesis does not apply.
    pub reason: String,
}

/// The subject of a hypothesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// The key.
    Secret,
    /// The body's bytes.
    Body,
    /// The signed parts other than the body, and their order.
    Text,
    /// The algorithm and the encoding of the digest.
    Algorithm,
    /// The headers that carry the signature.
    Header,
    /// The time of signing.
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

/// The outcome of a hypothesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialOutcome {
    /// It matched.
    Matched,
    /// It was tested and did not match.
    NotMatched,
    /// There was nothing to test.
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
