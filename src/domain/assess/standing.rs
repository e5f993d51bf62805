//! Decides which of the secrets configured for a delivery may check it.

use super::Assessor;
use crate::domain::keyring::{Counting, Withheld};
use crate::domain::provider::{Provider, Scheme};
use crate::domain::request::Request;
use crate::domain::secret::{KeyKind, Secret};
use crate::domain::signature::{self, Keys};
use crate::domain::timestamp::Timestamp;
use crate::domain::verification::{Finding, Status};

impl Assessor {
    /// Parts the secrets as they concern a provider's deliveries to an
    /// endpoint. One that everybody may know checks no signature that whoever
    /// knows it could make.
    pub(super) fn secrets_for(&self, endpoint: Option<&str>, provider: &Provider) -> Counting<'_> {
        let mut counting = self
            .keyring
            .counting(endpoint, &provider.name, |name| self.alike(name, provider));
        let why = |secret: &Secret| self.withheld(endpoint, provider, secret);
        counting.withheld = counting
            .own
            .iter()
            .filter_map(|secret| Some((*secret, why(secret)?)))
            .collect();
        counting.own.retain(|secret| why(secret).is_none());
        counting
    }

    /// Says whether the configuration names a provider for a secret: its own
    /// name does, or its endpoint.
    fn is_named(&self, endpoint: Option<&str>, provider: &Provider, secret: &Secret) -> bool {
        secret.name() == provider.name
            || self.alike(secret.name(), provider)
            || self.configured(endpoint).is_some()
    }

    fn withheld(
        &self,
        endpoint: Option<&str>,
        provider: &Provider,
        secret: &Secret,
    ) -> Option<Withheld> {
        let scheme = provider.signature.as_ref()?;
        if !scheme.shared_secret() {
            return None;
        }
        match secret.kind() {
            KeyKind::Shared => None,
            KeyKind::Public | KeyKind::Certificate => {
                (!takes_public_key(scheme, secret)).then_some(Withheld::Public)
            }
            KeyKind::MaybePublic => {
                (!self.is_named(endpoint, provider, secret)).then_some(Withheld::Unnamed)
            }
        }
    }
}

/// Says of each secret that was not used why, and whether the signature
/// would hold with it.
pub(super) fn explain_withheld(
    provider: &Provider,
    request: &Request,
    url: Option<&str>,
    withheld: &[(&Secret, Withheld)],
    at: Timestamp,
) -> Vec<Finding> {
    let explain = |(secret, why): &(&Secret, Withheld)| {
        let secrets = &[*secret];
        let status = signature::verify(request, provider, Keys { secrets, url }, at).status;
        let holds = matches!(status, Status::Valid | Status::Stale);
        let begin = if holds {
            format!("The signature would hold with {secret}, but that secret is not used here")
        } else {
            format!("{secret} is not used here")
        };
        let (name, title) = (&provider.name, &provider.title);
        let (message, advice) = match why {
            Withheld::Public => (
                format!(
                    "{begin}: it is {}, and {title}'s signatures are made with a shared secret.",
                    secret.kind().word()
                ),
                format!("Configure {title}'s shared secret:  --secret {name}=SECRET"),
            ),
            Withheld::Unnamed => (
                format!(
                    "{begin}: it may be a public key, with which anybody could sign, and no provider is named for it."
                ),
                format!(
                    "If it is {title}'s shared secret, name the provider:  --secret {name}=SECRET   (creel.toml: provider = \"{name}\"; creel verify: --provider {name})"
                ),
            ),
        };
        Finding {
            code: why.code().to_owned(),
            proved: holds,
            message,
            advice,
            proof: String::new(),
        }
    };
    let mut findings: Vec<Finding> = withheld.iter().map(explain).collect();
    findings.sort_by_key(|finding| !finding.proved);
    findings
}

/// Says whether a scheme has signatures made with a private key, and a secret
/// is the key that checks them.
fn takes_public_key(scheme: &Scheme, secret: &Secret) -> bool {
    scheme.asymmetric.as_ref().is_some_and(|asymmetric| {
        signature::decode_key(secret.reveal(), asymmetric.secret).is_some()
    })
}
