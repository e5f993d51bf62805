//! Digests: made, written and compared.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq as _;

use crate::domain::provider::{Algorithm, Encoding};

/// Computes a digest over `pieces` put together.
pub fn digest<'a>(
    algorithm: Algorithm,
    key: &[u8],
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Vec<u8> {
    macro_rules! hmac {
        ($hash:ty) => {{
            let mut mac =
                Hmac::<$hash>::new_from_slice(key).expect("an HMAC takes a key of any length");
            for piece in pieces {
                mac.update(piece);
            }
            mac.finalize().into_bytes().to_vec()
        }};
    }
    match algorithm {
        Algorithm::HmacSha1 => hmac!(Sha1),
        Algorithm::HmacSha256 => hmac!(Sha256),
        Algorithm::HmacSha384 => hmac!(Sha384),
        Algorithm::HmacSha512 => hmac!(Sha512),
    }
}

/// Writes a digest as the scheme does.
pub fn encode(encoding: Encoding, digest: &[u8]) -> String {
    match encoding {
        Encoding::Hex => hex::encode(digest),
        Encoding::Base64 => STANDARD.encode(digest),
        Encoding::Base64Url => URL_SAFE_NO_PAD.encode(digest),
    }
}

/// Compares two signatures in a time that does not depend on where they differ.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    bool::from(a.ct_eq(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2202 case 2 and RFC 4231 case 2.
    #[test]
    fn known_answers() {
        let text = b"what do ya want for nothing?".as_slice();
        let of = |algorithm| {
            hex::encode(digest(
                algorithm,
                b"Jefe",
                [&text[..4], &text[4..]].into_iter(),
            ))
        };
        assert_eq!(
            of(Algorithm::HmacSha1),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
        );
        assert_eq!(
            of(Algorithm::HmacSha256),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert!(of(Algorithm::HmacSha384).starts_with("af45d2e376484031617f78d2b58a6b1b"));
        assert!(of(Algorithm::HmacSha512).starts_with("164b7a7bfcf819e2e395fbe73b56e0a3"));
    }
}
