//! Caches HMACs over common prefixes. Many variations of a large body differ
//! only at its end, so the HMAC over the common part is computed once.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::mac::Hash;

/// An HMAC over the first part of a text.
#[derive(Clone)]
pub(super) enum PartialHmac {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
}

/// Cached partial HMACs, by hash function, key and the text before the body.
#[derive(Default)]
pub(super) struct HmacPrefixCache(Vec<CachedPrefix>);

struct CachedPrefix {
    hash: Hash,
    key: Zeroizing<Vec<u8>>,
    before: Vec<u8>,
    partial: PartialHmac,
}

/// How many prefixes are cached at most.
const MAX_CACHED_PREFIXES: usize = 512;

impl PartialHmac {
    /// Starts an HMAC.
    pub(super) fn new(hash: Hash, key: &[u8]) -> Self {
        const ANY: &str = "an HMAC takes a key of any length";
        match hash {
            Hash::Sha1 => Self::Sha1(KeyInit::new_from_slice(key).expect(ANY)),
            Hash::Sha256 => Self::Sha256(KeyInit::new_from_slice(key).expect(ANY)),
            Hash::Sha384 => Self::Sha384(KeyInit::new_from_slice(key).expect(ANY)),
            Hash::Sha512 => Self::Sha512(KeyInit::new_from_slice(key).expect(ANY)),
        }
    }

    /// Feeds a part of the text to the HMAC.
    pub(super) fn update(&mut self, piece: &[u8]) {
        match self {
            Self::Sha1(mac) => mac.update(piece),
            Self::Sha256(mac) => mac.update(piece),
            Self::Sha384(mac) => mac.update(piece),
            Self::Sha512(mac) => mac.update(piece),
        }
    }

    /// Finishes the HMAC and returns the digest.
    pub(super) fn finalize(self) -> Vec<u8> {
        match self {
            Self::Sha1(mac) => mac.finalize().into_bytes().to_vec(),
            Self::Sha256(mac) => mac.finalize().into_bytes().to_vec(),
            Self::Sha384(mac) => mac.finalize().into_bytes().to_vec(),
            Self::Sha512(mac) => mac.finalize().into_bytes().to_vec(),
        }
    }
}

impl HmacPrefixCache {
    /// Returns whether the HMAC over a prefix is cached.
    pub(super) fn contains(&self, hash: Hash, key: &[u8], before: &[u8]) -> bool {
        self.find(hash, key, before).is_some()
    }

    /// Returns the HMAC over `before` and `stem`, from the cache if possible.
    pub(super) fn get_or_compute(
        &mut self,
        hash: Hash,
        key: &[u8],
        before: &[u8],
        stem: &[u8],
    ) -> PartialHmac {
        if let Some(partial) = self.find(hash, key, before) {
            return partial.clone();
        }
        let mut partial = PartialHmac::new(hash, key);
        partial.update(before);
        partial.update(stem);
        if self.0.len() < MAX_CACHED_PREFIXES {
            self.0.push(CachedPrefix {
                hash,
                key: Zeroizing::new(key.to_vec()),
                before: before.to_vec(),
                partial: partial.clone(),
            });
        }
        partial
    }

    fn find(&self, hash: Hash, key: &[u8], before: &[u8]) -> Option<&PartialHmac> {
        self.0
            .iter()
            .find(|cached| cached.hash == hash && cached.key[..] == *key && cached.before == before)
            .map(|cached| &cached.partial)
    }
}
