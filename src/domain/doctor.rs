//! Explains why a signature does not verify, and proves the explanation.
//!
//! A cause counts as proved only if recomputing the signature under that cause
//! yields exactly the received signature, or if the contradiction is visible in
//! the bytes. The hypotheses are a closed list of small pure functions
//! ([`hypotheses`]). Each is tried alone, then in pairs ([`search`],
//! [`pairs`]). Hypotheses that did not match are reported as well.

mod algorithm;
mod body;
mod budget;
mod candidates;
mod case;
mod charset;
mod deviation;
mod deviation_finding;
mod form;
mod header;
mod hmac_prefix_cache;
mod hypotheses;
mod hypothesis;
mod inflate;
mod json;
mod json_body;
mod mac;
mod pairs;
mod rewrite;
mod search;
mod secret;
mod secret_entry;
mod signed_part;
mod signed_shape;
mod text;
mod time;
mod tokens;
mod url;
mod value_style;

use self::case::Case;
pub use self::secret_entry::{SecretWarning, check_secret_entry};
use super::handshake::Handshake;
use super::id::Id;
use super::keyring::OldSecret;
use super::provider::Provider;
use super::request::Request;
use super::secret::Secret;
use super::signature::coverage;
use super::text::thousands;
use super::timestamp::Timestamp;
use super::verification::{Finding, Group, HypothesisTrial, Status, Verification};

/// A delivery whose signature is diagnosed.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The request as received.
    pub request: &'a Request,
    /// The provider that sent it.
    pub provider: &'a Provider,
    /// All known providers.
    pub known: &'a [Provider],
    /// The secrets configured for this delivery.
    pub secrets: &'a [&'a Secret],
    /// All other configured secrets.
    pub others: &'a [&'a Secret],
    /// Secrets that were valid earlier and are not any more.
    pub old: &'a [&'a OldSecret],
    /// The public address, if one is configured.
    pub url: Option<&'a str>,
    /// The time of arrival.
    pub now: Timestamp,
    /// Earlier deliveries to compare with.
    pub history: History<'a>,
}

/// Facts from earlier deliveries; all of them may be empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct History<'a> {
    /// Arrival time minus signed time, in seconds, of the sender's last
    /// deliveries.
    pub offsets: &'a [i64],
    /// The same offsets for the last deliveries of other senders.
    pub other_offsets: &'a [i64],
    /// An older delivery with the same signature.
    pub same_signature: Option<EarlierDelivery>,
}

/// An older delivery with the same signature.
#[derive(Clone, Copy, Debug)]
pub struct EarlierDelivery {
    /// The id of the delivery.
    pub id: Id,
    /// The time of arrival.
    pub received_at: Timestamp,
    /// Whether the body is the same as well.
    pub same_body: bool,
}

/// How much work a diagnosis may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// No recomputation: reports only what is visible in the bytes.
    Least,
    /// A small budget, and no recomputation if the signature is valid. Used for
    /// each arriving delivery; ends at the first cause.
    Brief,
    /// All hypotheses. Used when a user opens a delivery.
    Full,
}

/// A deadline after which a diagnosis stops with what it has found so far.
#[derive(Clone, Copy, Default)]
pub struct Deadline<'a>(Option<&'a dyn Fn() -> bool>);

impl<'a> Deadline<'a> {
    /// Creates a deadline from a function that returns whether the time is up.
    /// The search calls it before each digest.
    pub const fn new(is_over: &'a dyn Fn() -> bool) -> Self {
        Self(Some(is_over))
    }

    /// Returns whether the deadline has passed.
    fn is_over(self) -> bool {
        self.0.is_some_and(|is_over| is_over())
    }
}

impl std::fmt::Debug for Deadline<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Deadline").field(&self.0.is_some()).finish()
    }
}

/// The result of a diagnosis.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// The findings, most relevant first.
    pub findings: Vec<Finding>,
    /// Every hypothesis with its outcome; empty after a brief diagnosis.
    pub tried: Vec<HypothesisTrial>,
}

/// Finds the cause of a verification status.
pub fn diagnose(subject: &Subject<'_>, verification: &Verification, effort: Effort) -> Diagnosis {
    diagnose_until(subject, verification, effort, Deadline::default())
}

/// Finds the cause of a verification status, with a deadline. A search that was
/// cut short never reports the signature as unexplained.
pub fn diagnose_until(
    subject: &Subject<'_>,
    verification: &Verification,
    effort: Effort,
    deadline: Deadline<'_>,
) -> Diagnosis {
    let Some(scheme) = &subject.provider.signature else {
        return Diagnosis::default();
    };
    let suited = scheme.for_request(subject.request);
    let scheme = suited.as_ref();
    let right = matches!(verification.status, Status::Valid | Status::Stale);
    let compared = effort == Effort::Full || effort == Effort::Brief && !right;
    let case = Case::new(*subject, scheme, verification, compared).until(deadline);
    let found = search::search(&case, effort);
    // A proved finding in the headers or the body is an explanation; a finding
    // about the time is not.
    let seen = |(group, finding): &(Group, Finding)| finding.proved && *group != Group::Time;
    let unexplained = verification.status == Status::Invalid
        && verification.findings.is_empty()
        && !found.explained
        && effort != Effort::Least
        && !deadline.is_over()
        && !found.findings.iter().any(seen);
    let mut findings: Vec<Finding> = Vec::new();
    if unexplained {
        findings.push(if mac::Hash::of(scheme.algorithm).is_some() {
            self::unexplained(&case, effort, &found.skipped)
        } else {
            super::signature::unexplained()
        });
    }
    let mut rest = found.findings.into_iter().map(|(_, finding)| finding);
    if verification.status == Status::NoSecret {
        findings.extend(rest.by_ref().take(usize::from(found.explained)));
        findings.push(secret::none(&case));
    }
    findings.extend(rest);
    Diagnosis {
        findings,
        tried: found.tried,
    }
}

/// A finding code and its description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FindingCode {
    /// The code, as published in JSON.
    pub code: &'static str,
    /// The subject of the finding; `None` if it has no particular subject.
    pub group: Option<Group>,
    /// The word shown in the list; empty if the status says the same.
    pub word: &'static str,
    /// The meaning of the code.
    pub what: &'static str,
}

/// Returns the word that the list shows for a finding code.
pub fn word(code: &str) -> &'static str {
    find_code(code).map_or("", |known| known.word)
}

/// Returns the description of a finding code.
pub fn find_code(code: &str) -> Option<FindingCode> {
    codes().find(|known| known.code == code)
}

/// Returns all finding codes, in the order in which they are reported.
pub fn codes() -> impl Iterator<Item = FindingCode> {
    let hypotheses = hypotheses::HYPOTHESES.iter().map(|h| FindingCode {
        code: h.code,
        group: Some(h.group),
        word: h.word,
        what: h.what,
    });
    let open = coverage::CAVEAT_CODES
        .iter()
        .map(|(code, what)| FindingCode {
            code,
            group: None,
            word: match *code {
                "sender_unconfirmed" => "sender",
                _ => "part",
            },
            what,
        });
    hypotheses
        .chain(hypotheses::OTHER_CODES.iter().copied())
        .chain(open)
}

/// Returns the findings for a request whose provider is not known.
pub fn unknown_provider(request: &Request, known: &[Provider]) -> Vec<Finding> {
    if let Some(renamed) = header::find_renamed_header(request, known) {
        return vec![renamed];
    }
    let signed = request
        .headers
        .iter()
        .find(|h| h.name.contains("signature") || h.name.contains("hmac"));
    let message = match signed {
        Some(header) => format!(
            "The header {} does not belong to a known provider.",
            super::text::visible(header.name)
        ),
        None => "No header identifies a known provider.".to_owned(),
    };
    vec![finding(
        "unknown_provider",
        false,
        message,
        "Name the sender:  creel --provider NAME   (creel providers lists them)",
    )]
}

/// Returns the finding for a handshake of a service that has no provider file.
pub fn unlisted_handshake(handshake: &Handshake) -> Finding {
    header::handshake_finding(&handshake.sender, &handshake.name)
}

/// How many skipped hypotheses the message names.
const MAX_CHANGES_NAMED: usize = 3;

/// Returns the finding that nothing explains the signature, naming the
/// hypotheses that were skipped.
fn unexplained(case: &Case<'_>, effort: Effort, skipped: &[&str]) -> Finding {
    let many = if case.subject.secrets.len() == 1 {
        "the secret"
    } else {
        "any of the secrets"
    };
    let changes = match skipped {
        _ if effort == Effort::Least => {
            "; the usual changes to them were not tried because many deliveries arrived. Open the delivery to try them".to_owned()
        }
        [] => ", nor from any of the usual changes to them".to_owned(),
        _ => {
            let named = skipped.len().min(MAX_CHANGES_NAMED);
            let rest = match skipped.len() - named {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!(
                ". The body has {} bytes, so some of the usual changes were skipped, fully or in part: {}{rest}",
                thousands(case.body().len() as u64),
                skipped[..named].join("; "),
            )
        }
    };
    finding(
        "unexplained",
        false,
        format!("The signature cannot be computed from {many} and these bytes{changes}."),
        "Compare the secret's fingerprint with the provider's dashboard; then look for a proxy that changes the body.",
    )
}

/// Creates a finding without proof.
fn finding(
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
        proof: String::new(),
    }
}

/// Returns the name of a secret's owner for a message.
fn visible_name(secret: &Secret) -> String {
    if secret.name().is_empty() {
        "a secret without a name".to_owned()
    } else {
        format!("\"{}\"", secret.name())
    }
}

#[cfg(test)]
mod tests;
