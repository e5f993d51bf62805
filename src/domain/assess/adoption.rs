//! What changes when a secret is given while creel runs, and how it is known
//! that something changed.

use sha2::{Digest, Sha256};

use super::Assessor;
use crate::domain::keyring::{Adoption, ApplicableSecrets, Scope};
use crate::domain::pins::Pin;
use crate::domain::request::Request;
use crate::domain::secret::Secret;
use crate::domain::summary::Summary;

impl Assessor {
    /// Returns what a secret given for a delivery counts for: its endpoint;
    /// where it has none, its provider; where nothing says who sent it, all.
    pub fn scope_of(&self, endpoint: Option<&str>, request: &Request) -> Scope {
        match (endpoint, self.provider_of(endpoint, request)) {
            (Some(endpoint), _) => Scope::Endpoint(endpoint.to_owned()),
            (None, Some(provider)) => Scope::Provider(provider.name.clone()),
            (None, None) => Scope::All,
        }
    }

    /// Says whether a secret of a scope may count for the delivery of a row.
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

    /// Returns the assessor that there is when a secret counts from now on for
    /// whatever a delivery belongs to.
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
        // A secret given for a delivery is confirmed as its provider's.
        match self.provider_of(endpoint, request) {
            Some(provider) if self.configured(endpoint).is_none() => {
                new.pins.replace(Pin::new(endpoint, secret, &provider.name));
            }
            _ => new.pins.release(endpoint, secret),
        }
        new
    }

    /// Returns the assessor that there is when several secrets count from now
    /// on; the others stay beside the first.
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

    /// Returns a hash of all that a verdict depends on besides the request,
    /// the version of creel included. Nothing can be read from it.
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
            // Where deliveries go on and what is answered says nothing of them.
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
