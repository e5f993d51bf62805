//! Says why a signature does not hold, and proves it.
//!
//! A cause is called proved only where computing the signature anew under
//! that cause gives exactly the signature that came, or where the
//! contradiction is visible in the bytes. The causes are a closed list of
//! small pure functions ([`list`]), each tried alone and then two at once
//! ([`search`], [`pairs`]); what was tried in vain is told as well.

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
mod percent;
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

/// A delivery whose signature is looked into.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The request as it came.
    pub request: &'a Request,
    /// Who sent it.
    pub provider: &'a Provider,
    /// Every provider there is.
    pub known: &'a [Provider],
    /// The secrets configured for it.
    pub secrets: &'a [&'a Secret],
    /// All other configured secrets.
    pub others: &'a [&'a Secret],
    /// Secrets that counted once and no longer do.
    pub old: &'a [&'a OldSecret],
    /// The public address, where it is configured.
    pub url: Option<&'a str>,
    /// When it came.
    pub now: Timestamp,
    /// What came before it.
    pub history: History<'a>,
}

/// What is known of the time before a delivery; all of it may be empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct History<'a> {
    /// Arrival minus signed time, in seconds, of the same sender's last deliveries.
    pub offsets: &'a [i64],
    /// The same of other senders' last deliveries.
    pub other_offsets: &'a [i64],
    /// An older delivery that carried the same signature.
    pub same_signature: Option<EarlierDelivery>,
}

/// An older delivery that carried the same signature.
#[derive(Clone, Copy, Debug)]
pub struct EarlierDelivery {
    /// The delivery.
    pub id: Id,
    /// When it came.
    pub received_at: Timestamp,
    /// Whether its body is the same too.
    pub same_body: bool,
}

/// How much a diagnosis may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// None: only what can be seen is told.
    Least,
    /// Little, and nothing is recomputed for a signature that holds: for each
    /// delivery that arrives. It ends at the first cause.
    Brief,
    /// All hypotheses: for the delivery that somebody looks at.
    Full,
}

/// Says when a diagnosis must end, whatever it has found by then.
#[derive(Clone, Copy, Default)]
pub struct Deadline<'a>(Option<&'a dyn Fn() -> bool>);

impl<'a> Deadline<'a> {
    /// Makes a deadline of a function that says whether it has passed. The
    /// search asks it before each digest.
    pub const fn new(is_over: &'a dyn Fn() -> bool) -> Self {
        Self(Some(is_over))
    }

    /// Says whether it has passed.
    fn is_over(self) -> bool {
        self.0.is_some_and(|is_over| is_over())
    }
}

impl std::fmt::Debug for Deadline<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Deadline").field(&self.0.is_some()).finish()
    }
}

/// What a diagnosis gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// What was found, the most telling first.
    pub findings: Vec<Finding>,
    /// Every hypothesis with its answer; empty after a brief one.
    pub tried: Vec<HypothesisTrial>,
}

/// Finds what explains a verdict.
pub fn diagnose(subject: &Subject<'_>, verification: &Verification, effort: Effort) -> Diagnosis {
    diagnose_until(subject, verification, effort, Deadline::default())
}

/// Finds what explains a verdict before a deadline. Where that cuts the search
/// short, a signature is not called unexplained.
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
    // What stands in the headers and the body explains as well, a time does not.
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

/// A code that a finding may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FindingCode {
    /// The code.
    pub code: &'static str,
    /// What it is about; `None` where it is about nothing in particular.
    pub group: Option<Group>,
    /// The word for it in a list; empty where the verdict says as much.
    pub word: &'static str,
    /// What it stands for.
    pub what: &'static str,
}

/// Returns the word that a list shows of a finding.
pub fn word(code: &str) -> &'static str {
    find_code(code).map_or("", |known| known.word)
}

/// Returns what is known of a finding's code.
pub fn find_code(code: &str) -> Option<FindingCode> {
    codes().find(|known| known.code == code)
}

/// Returns every code a finding may have, in the order in which they are told.
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
                "fields_unsigned" => "unsigned",
                "sender_unconfirmed" => "sender",
                _ => "part",
            },
            what,
        });
    hypotheses
        .chain(hypotheses::OTHER_CODES.iter().copied())
        .chain(open)
}

/// Says what to do about a request that nobody known sent.
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
            "The header {} is no known provider's.",
            super::text::visible(header.name)
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

/// Says that a request is the handshake of a service without a provider file.
pub fn unlisted_handshake(handshake: &Handshake) -> Finding {
    header::handshake_finding(&handshake.sender, &handshake.name)
}

/// How many changes that were not tried are named.
const MAX_CHANGES_NAMED: usize = 3;

/// Says that nothing explains the signature, and what was not tried.
fn unexplained(case: &Case<'_>, effort: Effort, skipped: &[&str]) -> Finding {
    let many = if case.subject.secrets.len() == 1 {
        "the secret"
    } else {
        "any of the secrets"
    };
    let changes = match skipped {
        _ if effort == Effort::Least => {
            "; the usual changes to them were not tried, as many deliveries arrived. Open it to try them".to_owned()
        }
        [] => ", nor over any of the usual changes to them".to_owned(),
        _ => {
            let named = skipped.len().min(MAX_CHANGES_NAMED);
            let rest = match skipped.len() - named {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!(
                ". The body has {} bytes, so of the usual changes not all were tried; left out, wholly or in part: {}{rest}",
                thousands(case.body().len() as u64),
                skipped[..named].join("; "),
            )
        }
    };
    finding(
        "unexplained",
        false,
        format!("The signature does not come from {many} over these bytes{changes}."),
        "Compare the secret's fingerprint with the provider's page; then look for a proxy that changes the body.",
    )
}

/// Makes a finding.
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

/// Returns whose a secret is.
fn visible_name(secret: &Secret) -> String {
    if secret.name().is_empty() {
        "a secret without a name".to_owned()
    } else {
        format!("\"{}\"", secret.name())
    }
}

#[cfg(test)]
mod tests;
