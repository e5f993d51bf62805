//! Digests as senders make them, correct or not.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::domain::provider::Algorithm;

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// How a digest is made from a key and a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// An HMAC (RFC 2104).
    Hmac(Hash),
    /// An HMAC with the roles of key and text swapped.
    Swapped(Hash),
    /// A hash of the key followed by the text.
    KeyFirst(Hash),
    /// A hash of the text followed by the key.
    KeyLast(Hash),
    /// A hash of the text alone.
    NoKey(Hash),
}

impl Hash {
    pub(super) const ALL: [Self; 4] = [Self::Sha256, Self::Sha1, Self::Sha512, Self::Sha384];

    /// Returns the hash function of an HMAC algorithm.
    pub(super) const fn of(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::HmacSha1 => Some(Self::Sha1),
            Algorithm::HmacSha256 => Some(Self::Sha256),
            Algorithm::HmacSha384 => Some(Self::Sha384),
            Algorithm::HmacSha512 => Some(Self::Sha512),
            Algorithm::Sha1
            | Algorithm::Sha256
            | Algorithm::Sha512
            | Algorithm::Token
            | Algorithm::Ed25519
            | Algorithm::EcdsaP256Sha256
            | Algorithm::RsaSha256
            | Algorithm::RsaSha1 => None,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    const fn size(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

impl Method {
    /// Returns the size of the digest in bytes.
    pub(super) const fn size(self) -> usize {
        self.hash().size()
    }

    /// Returns whether the method uses a key.
    pub(super) const fn uses_key(self) -> bool {
        !matches!(self, Self::NoKey(_))
    }

    const fn hash(self) -> Hash {
        match self {
            Self::Hmac(hash)
            | Self::Swapped(hash)
            | Self::KeyFirst(hash)
            | Self::KeyLast(hash)
            | Self::NoKey(hash) => hash,
        }
    }

    /// Describes the method in a few words.
    pub(super) fn describe(self) -> String {
        let hash = self.hash().word();
        match self {
            Self::Hmac(_) => format!("hmac-{hash}"),
            Self::Swapped(_) => format!("hmac-{hash} with key and text swapped"),
            Self::KeyFirst(_) => format!("{hash} of the secret and the text"),
            Self::KeyLast(_) => format!("{hash} of the text and the secret"),
            Self::NoKey(_) => format!("{hash} of the text, without any secret,"),
        }
    }

    /// Computes the digest over the concatenated `pieces`.
    pub(super) fn digest<'a>(
        self,
        key: &[u8],
        pieces: impl Iterator<Item = &'a [u8]> + Clone,
    ) -> Vec<u8> {
        match self.hash() {
            Hash::Sha1 => self.with::<Hmac<Sha1>, Sha1>(key, pieces),
            Hash::Sha256 => self.with::<Hmac<Sha256>, Sha256>(key, pieces),
            Hash::Sha384 => self.with::<Hmac<Sha384>, Sha384>(key, pieces),
            Hash::Sha512 => self.with::<Hmac<Sha512>, Sha512>(key, pieces),
        }
    }

    fn with<'a, M, H>(self, key: &[u8], pieces: impl Iterator<Item = &'a [u8]> + Clone) -> Vec<u8>
    where
        M: Mac + KeyInit,
        H: Digest,
    {
        let mac = |key: &[u8]| {
            <M as KeyInit>::new_from_slice(key).expect("an HMAC takes a key of any length")
        };
        match self {
            Self::Hmac(_) => {
                let mut mac = mac(key);
                pieces.for_each(|piece| mac.update(piece));
                mac.finalize().into_bytes().to_vec()
            }
            Self::Swapped(_) => {
                let mut mac = mac(&pieces.collect::<Vec<_>>().concat());
                mac.update(key);
                mac.finalize().into_bytes().to_vec()
            }
            Self::KeyFirst(_) | Self::KeyLast(_) | Self::NoKey(_) => {
                let mut hash = H::new();
                if matches!(self, Self::KeyFirst(_)) {
                    hash.update(key);
                }
                pieces.for_each(|piece| hash.update(piece));
                if matches!(self, Self::KeyLast(_)) {
                    hash.update(key);
                }
                hash.finalize().to_vec()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        let of = |method: Method, key: &str, text: &[&str]| {
            hex::encode(method.digest(key.as_bytes(), text.iter().map(|t| t.as_bytes())))
        };
        let right = of(
            Method::Hmac(Hash::Sha256),
            "Jefe",
            &["what do ya want", " for nothing?"],
        );
        assert!(right.starts_with("5bdcc146bf60754e6a042426089575c7"));
        let swapped = of(
            Method::Swapped(Hash::Sha256),
            "what do ya want for nothing?",
            &["Je", "fe"],
        );
        assert_eq!(swapped, right);
        let abc = of(Method::NoKey(Hash::Sha1), "", &["a", "bc"]);
        assert_eq!(abc, "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(of(Method::KeyFirst(Hash::Sha1), "a", &["bc"]), abc);
        assert_eq!(of(Method::KeyLast(Hash::Sha1), "c", &["a", "b"]), abc);
    }
}
