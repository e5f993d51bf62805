//! Decides which configured secrets may verify a delivery.

use super::Assessor;
use super::sender_findings::{conflicting_senders, unclear, unconfirmed};
use crate::domain::keyring::{ApplicableSecrets, Withheld};
use crate::domain::pins::{self, Pin};
use crate::domain::provider::{Provider, Scheme};
use crate::domain::request::Request;
use crate::domain::secret::{KeyKind, Secret};
use crate::domain::signature::{self, Keys, SchemeOverlap};
use crate::domain::timestamp::Timestamp;
use crate::domain::verification::{Finding, Status, Verification};

impl Assessor {
    /// Partitions the secrets for a provider's deliveries to an endpoint and
    /// withholds those that must not verify its signatures.
    pub(super) fn secrets_for(
        &self,
        endpoint: Option<&str>,
        provider: &Provider,
    ) -> ApplicableSecrets<'_> {
        let mut counting = self.keyring.applicable(endpoint, &provider.name, |name| {
            self.signs_alike(name, provider)
        });
        let why = |secret: &Secret| self.withheld(endpoint, provider, secret);
        counting.withheld = counting
            .own
            .iter()
            .filter_map(|secret| Some((*secret, why(secret)?)))
            .collect();
        counting.own.retain(|secret| why(secret).is_none());
        counting
    }

    /// Returns whether the configuration names a provider for a secret, by the
    /// secret's own name or by its endpoint.
    fn is_named(&self, endpoint: Option<&str>, provider: &Provider, secret: &Secret) -> bool {
        secret.name() == provider.name
            || self.signs_alike(secret.name(), provider)
            || self.configured(endpoint).is_some()
    }

    /// Returns whether a secret is not bound to a provider: none is named for
    /// it, and it is not pinned.
    pub(super) fn is_loose(
        &self,
        endpoint: Option<&str>,
        provider: &Provider,
        secret: &Secret,
    ) -> bool {
        !self.is_named(endpoint, provider, secret) && self.pins.provider(endpoint, secret).is_none()
    }

    fn withheld(
        &self,
        endpoint: Option<&str>,
        provider: &Provider,
        secret: &Secret,
    ) -> Option<Withheld> {
        let scheme = provider.signature.as_ref()?;
        let mut is_named = self.is_named(endpoint, provider, secret);
        if let Some(pinned) = self.pins.provider(endpoint, secret)
            && !is_named
        {
            if pinned != provider.name && !self.signs_alike(pinned, provider) {
                return Some(Withheld::Pinned(pinned.to_owned()));
            }
            is_named = true;
        }
        if !scheme.shared_secret() {
            return None;
        }
        match secret.kind() {
            KeyKind::Shared => None,
            KeyKind::Public | KeyKind::Certificate => {
                (!takes_public_key(scheme, secret)).then_some(Withheld::Public)
            }
            KeyKind::MaybePublic => (!is_named).then_some(Withheld::Unnamed),
        }
    }

    /// Verifies a signature and its sender: a signature that several providers
    /// could have made does not prove its sender.
    pub(super) fn checked(
        &self,
        endpoint: Option<&str>,
        provider: &Provider,
        request: &Request,
        keys: Keys<'_>,
        at: Timestamp,
    ) -> CheckedSignature {
        let (mut verification, matched) = signature::verify_and_match(request, provider, keys, at);
        let loose = |secret: &Secret| self.is_loose(endpoint, provider, secret);
        if matches!(verification.status, Status::NoSecret | Status::Invalid)
            && let Some(sample) = &self.sample_secret
            && keys.secrets.iter().all(|secret| loose(secret))
        {
            let secrets = &[sample];
            let keys = Keys { secrets, ..keys };
            let own = signature::verify(request, provider, keys, at);
            if matches!(own.status, Status::Valid | Status::Stale) {
                return CheckedSignature::of(own);
            }
        }
        let Some(secret) = matched else {
            return CheckedSignature::of(verification);
        };
        if !matches!(verification.status, Status::Valid | Status::Stale) {
            return CheckedSignature::of(verification);
        }
        if self.configured(endpoint).is_none()
            && let Some((other, header)) = self.catalog.other_sender(request, provider)
        {
            let conflict = conflicting_senders(provider, other, header);
            refuse(&mut verification, Status::Malformed, conflict);
            return CheckedSignature::of(verification);
        }
        if !loose(secret) {
            return CheckedSignature::of(verification);
        }
        let others = self
            .catalog
            .iter()
            .filter(|other| other.name != provider.name && !other.shares_scheme(provider));
        let alike = signature::overlapping_schemes(request, provider, others, secret, keys.url, at);
        if let Some((other, overlap)) = alike.iter().find(|(_, l)| *l != SchemeOverlap::Same) {
            let unclear = unclear(provider, other, *overlap, secret);
            refuse(&mut verification, Status::NoSecret, unclear);
            return CheckedSignature {
                is_unclear: true,
                ..CheckedSignature::of(verification)
            };
        }
        if verification.status == Status::Valid && !alike.is_empty() {
            let others: Vec<&Provider> = alike.iter().map(|(other, _)| *other).collect();
            verification.findings.push(unconfirmed(provider, &others));
        }
        CheckedSignature {
            verification,
            pin: Some(Pin::new(endpoint, secret, &provider.name)),
            is_unclear: false,
        }
    }

    /// Returns the secret that signs a provider's samples: one that is bound to
    /// that provider, else that of creel's own samples.
    pub fn sample_secret_for(
        &self,
        endpoint: Option<&str>,
        provider: &Provider,
    ) -> Option<&Secret> {
        let own = self.secrets_for(endpoint, provider).own;
        let mut tied = own
            .into_iter()
            .filter(|secret| !self.is_loose(endpoint, provider, secret));
        tied.find(|secret| signature::can_sign(provider, secret))
            .or(self.sample_secret.as_ref())
    }

    /// Returns whether the next valid delivery may pin a secret somewhere.
    pub fn has_unpinned_secret(&self) -> bool {
        let endpoints = self.endpoints.iter().map(|e| Some(e.name.as_str()));
        endpoints.chain([None]).any(|endpoint| {
            self.configured(endpoint).is_none()
                && self.keyring.iter().any(|secret| {
                    let name = secret.name();
                    (name.is_empty() || Some(name) == endpoint)
                        && self.pins.provider(endpoint, secret).is_none()
                })
        })
    }

    /// Releases the pins of all secrets for which the configuration names a
    /// provider.
    pub fn release_named_pins(&mut self) {
        let mut pins = std::mem::take(&mut self.pins);
        let named: Vec<String> = self
            .keyring
            .iter()
            .filter(|secret| self.catalog.get(secret.name()).is_some())
            .map(pins::hash)
            .collect();
        pins.release_named(|endpoint, secret| {
            self.configured(endpoint).is_some() || named.iter().any(|hash| hash == secret)
        });
        self.pins = pins;
    }
}

/// The result of verifying a signature and its sender.
pub(super) struct CheckedSignature {
    pub(super) verification: Verification,
    /// The pin to add.
    pub(super) pin: Option<Pin>,
    /// Whether the signature is valid but does not identify its sender.
    pub(super) is_unclear: bool,
}

impl CheckedSignature {
    fn of(verification: Verification) -> Self {
        Self {
            verification,
            pin: None,
            is_unclear: false,
        }
    }
}

/// Replaces a valid status by a refusal.
fn refuse(verification: &mut Verification, status: Status, why: Finding) {
    verification.status = status;
    verification.covers.clear();
    verification.unsigned.clear();
    verification.findings = vec![why];
}

/// Returns whether a scheme has signatures made with a private key, and the
/// secret is the matching public key.
fn takes_public_key(scheme: &Scheme, secret: &Secret) -> bool {
    scheme.asymmetric.as_ref().is_some_and(|asymmetric| {
        signature::decode_key(secret.reveal(), asymmetric.secret).is_some()
    })
}
