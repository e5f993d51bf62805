//! Adopts a secret at run time and verifies the affected deliveries again.

use super::command::{AdoptSecretRequest, Adopted, Event, KnownSecret, PinnedSecret, SecretChoice};
use super::local::{Local, read_failure, run_blocking};
use crate::config;
use crate::domain::assess::Assessor;
use crate::domain::delivery::Delivery;
use crate::domain::doctor::{self, SecretWarning};
use crate::domain::failure::Failure;
use crate::domain::provider::Provider;
use crate::domain::secret::Secret;
use crate::domain::verification::{Status, Verification};

/// The origin of a typed secret.
const TYPED_ORIGIN: &str = "typed into creel";

impl Local {
    /// Returns the public descriptions of all secrets: the current ones, then
    /// the old ones.
    pub(super) fn known_secrets(&self) -> Vec<KnownSecret> {
        let assessor = self.assessor();
        let counting = assessor.keyring.iter().map(|secret| KnownSecret {
            pinned: pins_of(&assessor, secret),
            ..KnownSecret::of(secret, false)
        });
        let old = assessor.keyring.old().iter();
        counting
            .chain(old.map(|old| KnownSecret::of(&old.secret, true)))
            .collect()
    }

    /// Returns, as sentences, the problem of the pin file and the pinned
    /// secrets.
    pub fn pin_notes(&self) -> Vec<String> {
        let secrets = self.known_secrets().into_iter();
        let notes = secrets.filter(|secret| !secret.pinned.is_empty()).map(|secret| {
            let pins: Vec<String> = secret.pinned.iter().map(ToString::to_string).collect();
            format!(
                "The {secret} is pinned to {}. To use it for another provider, name that:  --secret PROVIDER=SECRET",
                pins.join(", ")
            )
        });
        self.pin_trouble.clone().into_iter().chain(notes).collect()
    }

    /// Adopts a secret for the endpoint or provider of a delivery and verifies
    /// the affected deliveries again.
    pub(super) async fn adopt(&self, order: AdoptSecretRequest) -> Result<Adopted, Failure> {
        let seq = self.find(&order.id)?;
        let delivery = run_blocking(|| self.store.delivery(seq)).map_err(read_failure)?;
        let delivery = delivery.ok_or_else(|| {
            Failure::no(
                "That delivery is no longer stored.",
                "",
                "Choose another of the same endpoint.",
            )
        })?;
        let (endpoint, request) = (delivery.endpoint.as_deref(), &delivery.request);
        let one_at_a_time = self.adopting.lock().await;
        let before = self.assessor();
        let secrets = resolve_choice(&before, order.secret)?;
        for secret in &secrets {
            check_form(&before, &delivery, secret)?;
        }
        let scope = before.scope_of(endpoint, request);
        let adopting =
            |before: &Assessor| before.with_adopted_secrets(endpoint, request, &secrets, order.how);
        let fingerprints: Vec<String> = secrets.iter().map(Secret::fingerprint).collect();
        let fingerprint = fingerprints.join(", ");
        let same = adopting(&before).stamp() == before.stamp();
        self.store.judged_otherwise().map_err(read_failure)?;
        self.assessor.update(|before| Some(adopting(before)));
        run_blocking(|| self.pinning.save());
        drop(one_at_a_time);
        let (judges, concerned) = (self.assessor(), scope.clone());
        let verified = self
            .store
            .reassess(move |row| judges.concerns(&concerned, row))
            .await;
        // All subscribers have to reload the secrets and verifications.
        let _ = self.events.send(Event::Missed);
        let verified = verified.map_err(read_failure)?;
        let counts = Status::ALL.into_iter().zip(verified.statuses);
        tracing::info!(secret = fingerprint, ?scope, "a secret was adopted");
        Ok(Adopted {
            fingerprint,
            scope,
            before: same,
            verified: counts.filter(|(_, count)| *count > 0).collect(),
        })
    }
}

/// Returns the pins of a secret; empty if its name is a provider.
fn pins_of(assessor: &Assessor, secret: &Secret) -> Vec<PinnedSecret> {
    if assessor.catalog.get(secret.name()).is_some() {
        return Vec::new();
    }
    let pins = assessor.pins.of(secret).into_iter();
    let own = pins.filter(|(endpoint, _)| {
        secret.name().is_empty() || endpoint.as_deref() == Some(secret.name())
    });
    own.map(|(endpoint, provider)| PinnedSecret { endpoint, provider })
        .collect()
}

/// Returns the chosen secrets; a typed text may contain several.
fn resolve_choice(assessor: &Assessor, choice: SecretChoice) -> Result<Vec<Secret>, Failure> {
    match choice {
        SecretChoice::Typed(text) => Ok(config::secret("", text.reveal(), TYPED_ORIGIN)?.split()),
        SecretChoice::Known(at, shown) => {
            let keyring = &assessor.keyring;
            let old = keyring.old().iter().map(|old| (&old.secret, true));
            let all = keyring.iter().map(|secret| (secret, false)).chain(old);
            let found = all
                .enumerate()
                .find(|(place, (secret, old))| {
                    *place == at && shown.is(&KnownSecret::of(secret, *old))
                })
                .map(|(_, (secret, _))| secret.clone());
            found.map(|secret| vec![secret]).ok_or_else(|| {
                Failure::no(
                    "That secret is no longer there.",
                    "The secrets changed in the meantime.",
                    "Choose again.",
                )
            })
        }
    }
}

/// Returns a [`Failure`] if a text cannot be a secret of the delivery's
/// provider.
fn check_form(assessor: &Assessor, delivery: &Delivery, secret: &Secret) -> Result<(), Failure> {
    let provider = assessor.provider_of(delivery.endpoint.as_deref(), &delivery.request);
    let form = provider.and_then(Provider::secret_form);
    match doctor::check_secret_entry(secret.reveal(), form) {
        Some(SecretWarning {
            usable: false,
            message,
            advice,
        }) => Err(Failure::usage(
            format!("This cannot be a secret ({}).", secret.origin()),
            message,
            advice,
        )),
        Some(SecretWarning { usable: true, .. }) | None => Ok(()),
    }
}

/// Returns the index of the known secret that the doctor proved to be the
/// sender's.
pub(super) fn suggested_secret(assessor: &Assessor, verification: &Verification) -> Option<usize> {
    let proved = ["other_secret", "old_secret"];
    let finding = verification
        .findings
        .iter()
        .find(|f| f.proved && proved.contains(&f.code.as_str()))?;
    let keyring = &assessor.keyring;
    let old = keyring.old().iter().map(|old| &old.secret);
    let all: Vec<&Secret> = match finding.code.as_str() {
        "other_secret" => keyring.iter().collect(),
        _ => keyring.iter().chain(old).collect(),
    };
    let told = |secret: &&Secret| finding.proof.contains(&format!("with {secret} "));
    // The same secret may be known under several names, the last one old.
    match finding.code.as_str() {
        "other_secret" => all.iter().position(told),
        _ => all.iter().rposition(told),
    }
}
