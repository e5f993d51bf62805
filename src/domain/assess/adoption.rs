//! Applies a secret that is added at run time, and detects changes of the
//! rules.

use sha2::{Digest, Sha256};

use super::Assessor;
use crate::domain::keyring::{Adoption, ApplicableSecrets, Scope};
use crate::domain::pins::Pin;
use crate::domain::request::Request;
use crate::domain::secret::Secret;
use crate::domain::summary::Summary;

impl Assessor {
    /// Returns the scope of a secret that was given for a delivery: its
    /// endpoint, else its provider, else all deliveries.
    pub fn scope_of(&self, endpoint: Option<&str>, request: &Request) -> Scope {
        match (endpoint, self.provider_of(endpoint, request)) {
            (Some(endpoint), _) => Scope::Endpoint(endpoint.to_owned()),
            (None, Some(provider)) => Scope::Provider(provider.name.clone()),
            (None, None) => Scope::All,
        }
    }

    /// Returns whether a secret of this scope may apply to the delivery of a
    /// row.
    pub fn concerns(&self, scope: &Scope, row: &Summary) -> bool {
        match scope {
            Scope::Endpoint(name) => row.endpoint.as_ref() == Some(name),
            Scope::Provider(name) => row.provider.as_deref().is_some_and(|theirs| {
                let own = self.catalog.get(theirs);
                theirs == name || own.is_some_and(|own| self.signs_alike(name, own))
            }),
            Scope::All => true,
        }
    }

    /// Returns an assessor in which a secret applies to the scope of a
    /// delivery.
    #[must_use]
    pub fn with_adopted_secret(
        &self,
        endpoint: Option<&str>,
        request: &Request,
        secret: &Secret,
        how: Adoption,
    ) -> Self {
        let before: Vec<Secret> = match self.provider_of(endpoint, request) {
            Some(provider) => {
                let ApplicableSecrets { own, withheld, .. } = self.secrets_for(endpoint, provider);
                let withheld = withheld.into_iter().map(|(secret, _)| secret);
                own.into_iter().chain(withheld).cloned().collect()
            }
            None => Vec::new(),
        };
        let scope = self.scope_of(endpoint, request);
        let mut new = self.clone();
        new.keyring.adopt(&scope, secret, how, &before);
        // A secret that was given for a delivery is confirmed for its provider.
        match self.provider_of(endpoint, request) {
            Some(provider) if self.configured(endpoint).is_none() => {
                new.pins.replace(Pin::new(endpoint, secret, &provider.name));
            }
            _ => new.pins.release(endpoint, secret),
        }
        new
    }

    /// Returns an assessor in which several secrets apply; all but the first
    /// are added.
    #[must_use]
    pub fn with_adopted_secrets(
        &self,
        endpoint: Option<&str>,
        request: &Request,
        secrets: &[Secret],
        how: Adoption,
    ) -> Self {
        let Some((first, others)) = secrets.split_first() else {
            return self.clone();
        };
        let new = self.with_adopted_secret(endpoint, request, first, how);
        others.iter().fold(new, |new, secret| {
            new.with_adopted_secret(endpoint, request, secret, Adoption::Add)
        })
    }

    /// Returns a hash of everything that the verification depends on apart from
    /// the request, including the version of creel. The hash does not reveal
    /// any secret.
    pub fn stamp(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        add(env!("CARGO_PKG_VERSION").as_bytes());
        for provider in self.catalog.iter() {
            add(&serde_json::to_vec(provider).unwrap_or_default());
        }
        for e in &self.endpoints {
            // Forwarding and response settings do not affect the verification.
            let told = (&e.name, &e.provider, &e.public_url, &e.headers, &e.params);
            add(&serde_json::to_vec(&told).unwrap_or_default());
            add(&[u8::from(self.answers_handshakes(Some(&e.name)))]);
        }
        add(&[u8::from(self.handshakes)]);
        add(self.default_provider.as_deref().unwrap_or("").as_bytes());
        if let Some(sample) = &self.sample_secret {
            add(sample.reveal());
        }
        self.keyring.settings(&mut add);
        hash.finalize().into()
    }
}
