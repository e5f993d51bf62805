//! Says why a signature does not hold, and proves it.
//!
//! A cause is called proved only where computing the signature anew under
//! that cause gives exactly the signature that came, or where the
//! contradiction is visible in the bytes. Checks are small pure functions in
//! families ([`secret`], [`body`], [`header`], [`time`]); the most telling
//! come first.

pub mod body;
pub mod header;
mod rewrite;
pub mod secret;
pub mod time;

use super::provider::{Provider, Scheme};
use super::request::Request;
use super::secret::Secret;
use super::signature::{self, Reading, same};
use super::timestamp::Timestamp;
use super::verification::{Finding, Status, Verification};

/// A delivery whose signature is looked into.
#[derive(Clone, Copy, Debug)]
pub struct Patient<'a> {
    /// The request as it came.
    pub request: &'a Request,
    /// Who sent it.
    pub provider: &'a Provider,
    /// The secrets configured for it.
    pub secrets: &'a [&'a Secret],
    /// All other configured secrets.
    pub others: &'a [&'a Secret],
    /// The public address, where it is configured.
    pub url: Option<&'a str>,
    /// When it came.
    pub now: Timestamp,
}

/// A patient with its headers read by its provider's scheme.
pub(crate) struct Case<'a> {
    pub(crate) patient: Patient<'a>,
    pub(crate) scheme: &'a Scheme,
    pub(crate) reading: Reading,
    pub(crate) verification: &'a Verification,
}

/// One check: gives what it found, nothing where it does not apply.
type Check = fn(&Case<'_>) -> Vec<Finding>;

/// What may explain a signature that does not match, the most telling first.
const MISMATCH: &[Check] = &[
    secret::other,
    secret::spelling,
    body::line_ends,
    body::rewritten,
    header::encoding,
];

/// What is worth saying whatever the verdict.
const ALWAYS: &[Check] = &[
    header::content_length,
    header::content_encoding,
    time::outside,
    time::unguarded,
];

/// Finds what explains a verdict.
pub fn diagnose(patient: &Patient<'_>, verification: &Verification) -> Vec<Finding> {
    let Some(scheme) = &patient.provider.signature else {
        return Vec::new();
    };
    let reading = Reading::of(patient.request, scheme);
    let case = Case {
        patient: *patient,
        scheme,
        reading,
        verification,
    };
    let mut findings = Vec::new();
    match verification.status {
        Status::Invalid => {
            let found = MISMATCH
                .iter()
                .map(|check| check(&case))
                .find(|found| !found.is_empty());
            findings.extend(found.unwrap_or_else(|| vec![unexplained(&case)]));
        }
        Status::NoSecret => findings.push(secret::none(&case)),
        Status::MissingSignature => findings.push(header::absent(&case)),
        Status::Malformed => findings.extend(header::encoding(&case)),
        Status::Valid | Status::Stale | Status::UnknownProvider => {}
    }
    for check in ALWAYS {
        findings.extend(check(&case));
    }
    findings
}

/// Says what to do about a request that nobody known sent.
pub fn unknown_provider(request: &Request) -> Vec<Finding> {
    let signed = request
        .headers
        .iter()
        .find(|h| h.name.contains("signature") || h.name.contains("hmac"));
    let message = match signed {
        Some(header) => format!(
            "The header {} is no known provider's.",
            super::text::visible(&header.name)
        ),
        None => "No header speaks for a known provider.".to_owned(),
    };
    vec![finding(
        "unknown_provider",
        false,
        message,
        "Say who sends here:  creel --provider NAME   (creel providers lists them)",
    )]
}

fn unexplained(case: &Case<'_>) -> Finding {
    let many = if case.patient.secrets.len() == 1 {
        "the secret"
    } else {
        "any of the secrets"
    };
    finding(
        "unexplained",
        false,
        format!(
            "The signature does not come from {many} over these bytes, nor over any of the usual changes to them."
        ),
        "Compare the secret's fingerprint with the provider's page; then look for a proxy that changes the body.",
    )
}

/// Makes a finding.
pub(crate) fn finding(
    code: &str,
    proved: bool,
    message: impl Into<String>,
    advice: impl Into<String>,
) -> Finding {
    Finding {
        code: code.to_owned(),
        proved,
        message: message.into(),
        advice: advice.into(),
    }
}

impl Case<'_> {
    /// Says whether a key over a body gives one of the signatures that came.
    pub(crate) fn matches(&self, key: &[u8], body: &[u8]) -> bool {
        let mut filling = self.reading.filling(self.patient.request, self.patient.url);
        filling.body = body;
        let digest = signature::digest(
            self.scheme.algorithm,
            key,
            self.scheme.signed.pieces(&filling),
        );
        let expected = signature::encode(self.scheme.encoding, &digest);
        self.reading
            .signatures
            .iter()
            .any(|received| same(received, expected.as_bytes()))
    }

    /// Says whether a configured secret over a body gives a signature that came.
    pub(crate) fn explains(&self, body: &[u8]) -> bool {
        self.patient
            .secrets
            .iter()
            .filter_map(|secret| signature::decode_key(secret.reveal(), self.scheme.secret))
            .any(|key| self.matches(&key, body))
    }
}

#[cfg(test)]
mod tests;
