//! Groups deliveries of the same event.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The key that groups arrivals of one event: 16 bytes of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EventKey {
    /// The hash.
    pub hash: [u8; 16],
    /// Whether the key was derived from event name and body, because the
    /// provider gave no id.
    pub guessed: bool,
}

impl EventKey {
    /// Creates the key of an event that has a provider's id.
    pub fn of_id(provider: &str, delivery_id: &str) -> Self {
        Self {
            hash: hash(&[b"id", provider.as_bytes(), delivery_id.as_bytes()]),
            guessed: false,
        }
    }

    /// Creates the key of an event without an id, from its name and body.
    pub fn of_body(provider: &str, event: Option<&str>, body: &[u8]) -> Self {
        let event = event.unwrap_or_default().as_bytes();
        Self {
            hash: hash(&[b"body", provider.as_bytes(), event, body]),
            guessed: true,
        }
    }
}

/// Hashes a list of parts such that different lists give different inputs.
fn hash(parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(EventKey::of_id("ab", "c"), EventKey::of_id("a", "bc"));
        assert_eq!(EventKey::of_id("a", "b"), EventKey::of_id("a", "b"));
    }
}
