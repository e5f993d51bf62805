//! Explains why a signature that may be valid is not attributed to its
//! provider.

use crate::domain::keyring::Withheld;
use crate::domain::provider::Provider;
use crate::domain::request::Request;
use crate::domain::secret::Secret;
use crate::domain::signature::{self, Keys, SchemeOverlap};
use crate::domain::text::visible;
use crate::domain::timestamp::Timestamp;
use crate::domain::verification::{Finding, Status};

/// Explains why secrets were not used: each secret with which the signature
/// would be valid or, if there is none, how many there are of each kind.
pub(super) fn explain_withheld(
    provider: &Provider,
    request: &Request,
    url: Option<&str>,
    withheld: &[(&Secret, Withheld)],
    at: Timestamp,
) -> Vec<Finding> {
    let holds = |secret: &Secret| {
        let secrets = &[secret];
        let status = signature::verify(request, provider, Keys { secrets, url }, at).status;
        matches!(status, Status::Valid | Status::Stale)
    };
    let (right, rest): (Vec<_>, Vec<_>) = withheld.iter().partition(|(secret, _)| holds(secret));
    if !right.is_empty() {
        let begin = |secret| {
            format!("The signature would hold with {secret}, but that secret is not used here")
        };
        let found = right.into_iter();
        return found
            .map(|(secret, why)| explain(provider, why, true, &begin(secret)))
            .collect();
    }
    let mut found: Vec<Finding> = Vec::new();
    for (secret, why) in &rest {
        if found.iter().any(|finding| finding.code == why.code()) {
            continue;
        }
        let alike = rest.iter().filter(|(_, other)| other.code() == why.code());
        let begin = match alike.count() {
            1 => format!("{secret} is not used here"),
            many => format!("{secret} is not used here, nor are {} others", many - 1),
        };
        found.push(explain(provider, why, false, &begin));
    }
    found
}

/// Creates the finding that a secret was not used; `begin` starts its message.
fn explain(provider: &Provider, why: &Withheld, is_right: bool, begin: &str) -> Finding {
    let (name, title) = (&provider.name, &provider.title);
    let (message, advice) = match why {
        Withheld::Public => (
            format!(
                "{begin}: it is a public key or a certificate, and {title}'s signatures are made with a shared secret."
            ),
            format!("Configure {title}'s shared secret:  --secret {name}=SECRET"),
        ),
        Withheld::Unnamed => (
            format!(
                "{begin}: it may be a public key, with which anybody could sign, and no provider is named for it."
            ),
            name_it(provider),
        ),
        Withheld::Pinned(pinned) => (
            format!(
                "{begin}: it is pinned to {pinned}, whose delivery it was right for first, and no provider is named for it."
            ),
            format!(
                "If it is {title}'s secret, name the provider:  --secret {name}=SECRET   (creel.toml: provider = \"{name}\"; in the inspector: s)"
            ),
        ),
    };
    Finding {
        code: why.code().to_owned(),
        proved: is_right,
        message,
        advice,
        proof: String::new(),
    }
}

/// Creates the finding that the headers of a delivery belong to two providers.
pub(super) fn conflicting_senders(provider: &Provider, other: &Provider, header: &str) -> Finding {
    let (name, title) = (&provider.name, &provider.title);
    Finding {
        code: "two_senders".to_owned(),
        proved: true,
        message: format!(
            "The signature is valid for {title}, but {} is a header of {}: no sender uses both.",
            visible(header),
            other.title
        ),
        advice: format!(
            "If only {title} sends here, name it:  provider = \"{name}\" for the endpoint in creel.toml, or --provider {name}"
        ),
        proof: String::new(),
    }
}

/// Creates the finding that a signature could be from another provider, which
/// would reject the delivery.
pub(super) fn unclear(
    provider: &Provider,
    other: &Provider,
    overlap: SchemeOverlap,
    secret: &Secret,
) -> Finding {
    let (title, other) = (&provider.title, &other.title);
    let why = match overlap {
        SchemeOverlap::OtherParts => {
            format!("{other} signs the same bytes with another boundary between timestamp and body")
        }
        SchemeOverlap::OutOfTime | SchemeOverlap::Same => {
            format!(
                "{other} signs the same bytes and would reject the delivery because of its time"
            )
        }
    };
    Finding {
        code: "sender_unclear".to_owned(),
        proved: true,
        message: format!(
            "The signature is valid with {secret}, but only the headers attribute it to {title}: {why}, and no provider is named for the secret."
        ),
        advice: name_it(provider),
        proof: String::new(),
    }
}

/// Creates the finding that only the headers identify the sender.
pub(super) fn unconfirmed(provider: &Provider, others: &[&Provider]) -> Finding {
    let first = others.first().map_or("", |other| other.title.as_str());
    let more = match others.len() {
        0 | 1 => String::new(),
        many => format!(" and {} more", many - 1),
    };
    Finding {
        code: "sender_unconfirmed".to_owned(),
        proved: false,
        message: format!(
            "Only the headers identify {} as the sender: no provider is named for the secret, and {first}{more} would sign alike.",
            provider.title
        ),
        advice: name_it(provider),
        proof: String::new(),
    }
}

/// Returns the advice to name the provider of a secret.
fn name_it(provider: &Provider) -> String {
    let (name, title) = (&provider.name, &provider.title);
    format!(
        "If it is {title}'s secret, name the provider:  --secret {name}=SECRET   (creel.toml: provider = \"{name}\"; creel verify: --provider {name})"
    )
}
