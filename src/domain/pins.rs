//! Pins: the provider for which a secret without a name matched first.
//!
//! The sender of a delivery controls its headers, and several providers sign
//! alike. Without pins, an attacker who has one signed delivery could replay it
//! as another provider's delivery, whose rules are weaker.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::secret::Secret;

/// All pins, by endpoint and secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins(BTreeMap<(Option<String>, String), String>);

/// Binds a secret to one provider at an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// The endpoint; `None` for deliveries without an endpoint.
    pub endpoint: Option<String>,
    /// A hash of the secret.
    pub secret: String,
    /// The provider's name.
    pub provider: String,
}

impl Pin {
    /// Creates a pin.
    pub fn new(endpoint: Option<&str>, secret: &Secret, provider: &str) -> Self {
        Self {
            endpoint: endpoint.map(str::to_owned),
            secret: hash(secret),
            provider: provider.to_owned(),
        }
    }
}

impl Pins {
    /// Returns the provider to which a secret is pinned at an endpoint.
    pub fn provider(&self, endpoint: Option<&str>, secret: &Secret) -> Option<&str> {
        if self.0.is_empty() {
            return None;
        }
        let key = (endpoint.map(str::to_owned), hash(secret));
        self.0.get(&key).map(String::as_str)
    }

    /// Adds a pin unless the secret is pinned at that endpoint; returns whether
    /// it was added.
    pub fn add(&mut self, pin: Pin) -> bool {
        let key = (pin.endpoint, pin.secret);
        let is_new = !self.0.contains_key(&key);
        self.0.entry(key).or_insert(pin.provider);
        is_new
    }

    /// Pins a secret, replacing an existing pin.
    pub fn replace(&mut self, pin: Pin) {
        self.0.insert((pin.endpoint, pin.secret), pin.provider);
    }

    /// Removes the pin of a secret at an endpoint.
    pub fn release(&mut self, endpoint: Option<&str>, secret: &Secret) {
        self.0.remove(&(endpoint.map(str::to_owned), hash(secret)));
    }

    /// Removes the pins for which `is_named` returns that a provider is
    /// configured, by endpoint and hash of the secret.
    pub fn release_named(&mut self, is_named: impl Fn(Option<&str>, &str) -> bool) {
        self.0
            .retain(|(endpoint, secret), _| !is_named(endpoint.as_deref(), secret));
    }

    /// Returns the endpoints and providers to which a secret is pinned.
    pub fn of(&self, secret: &Secret) -> Vec<(Option<String>, String)> {
        let hash = hash(secret);
        let own = self.0.iter().filter(|((_, other), _)| *other == hash);
        own.map(|((endpoint, _), provider)| (endpoint.clone(), provider.clone()))
            .collect()
    }

    /// Returns all pins.
    pub fn iter(&self) -> impl Iterator<Item = Pin> {
        self.0.iter().map(|((endpoint, secret), provider)| Pin {
            endpoint: endpoint.clone(),
            secret: secret.clone(),
            provider: provider.clone(),
        })
    }
}

impl FromIterator<Pin> for Pins {
    fn from_iter<I: IntoIterator<Item = Pin>>(pins: I) -> Self {
        let mut all = Self::default();
        for pin in pins {
            all.add(pin);
        }
        all
    }
}

/// Returns a hash that identifies a secret without revealing it.
pub fn hash(secret: &Secret) -> String {
    let mut hash = Sha256::new();
    hash.update(b"creel pin\0");
    hash.update(secret.reveal());
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_provider_stays_until_it_is_replaced_or_released() {
        let secret = Secret::new("", "test", "secret");
        let mut pins = Pins::default();
        assert!(pins.add(Pin::new(None, &secret, "porkbun")));
        assert!(!pins.add(Pin::new(None, &secret, "zyra")));
        assert!(pins.add(Pin::new(Some("shop"), &secret, "zyra")));
        assert_eq!(pins.provider(None, &secret), Some("porkbun"));
        assert_eq!(pins.provider(Some("shop"), &secret), Some("zyra"));
        assert_eq!(pins.provider(Some("other"), &secret), None);
        assert_eq!(pins.iter().collect::<Pins>(), pins);
        pins.replace(Pin::new(None, &secret, "stripe"));
        assert_eq!(pins.provider(None, &secret), Some("stripe"));
        pins.release_named(|endpoint, _| endpoint == Some("shop"));
        assert_eq!(pins.of(&secret), [(None, "stripe".to_owned())]);
        pins.release(None, &secret);
        assert_eq!(pins, Pins::default());
    }
}
