//! Computes, encodes and compares digests.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq as _;

use crate::domain::provider::{Algorithm, Encoding};

/// Computes a digest over the concatenated `pieces`. A plain hash uses no key,
/// the digest of a token is the text itself, and an algorithm with a public key
/// has none.
pub fn digest<P: AsRef<[u8]>>(
    algorithm: Algorithm,
    key: &[u8],
    pieces: impl Iterator<Item = P>,
) -> Vec<u8> {
    macro_rules! hmac {
        ($hash:ty) => {{
            let mut mac =
                Hmac::<$hash>::new_from_slice(key).expect("an HMAC takes a key of any length");
            for piece in pieces {
                mac.update(piece.as_ref());
            }
            mac.finalize().into_bytes().to_vec()
        }};
    }
    macro_rules! hash {
        ($hash:ty) => {{
            let mut hash = <$hash>::new();
            for piece in pieces {
                hash.update(piece.as_ref());
            }
            hash.finalize().to_vec()
        }};
    }
    match algorithm {
        Algorithm::HmacSha1 => hmac!(Sha1),
        Algorithm::HmacSha256 => hmac!(Sha256),
        Algorithm::HmacSha384 => hmac!(Sha384),
        Algorithm::HmacSha512 => hmac!(Sha512),
        Algorithm::Sha1 => hash!(Sha1),
        Algorithm::Sha256 => hash!(Sha256),
        Algorithm::Sha512 => hash!(Sha512),
        Algorithm::Token => pieces.fold(Vec::new(), |mut text, piece| {
            text.extend_from_slice(piece.as_ref());
            text
        }),
        Algorithm::Ed25519
        | Algorithm::EcdsaP256Sha256
        | Algorithm::RsaSha256
        | Algorithm::RsaSha1 => Vec::new(),
    }
}

/// Encodes a digest as the scheme does.
pub fn encode(encoding: Encoding, digest: &[u8]) -> String {
    match encoding {
        Encoding::Hex => hex::encode(digest),
        Encoding::Base64 => STANDARD.encode(digest),
        Encoding::Base64Url => URL_SAFE_NO_PAD.encode(digest),
        Encoding::Text => String::from_utf8_lossy(digest).into_owned(),
    }
}

/// Decodes the result of [`encode`]; returns `None` for any other notation.
pub(super) fn decode(encoding: Encoding, text: &[u8]) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Hex => hex::decode(text).ok(),
        Encoding::Base64 => STANDARD.decode(text).ok(),
        Encoding::Base64Url => URL_SAFE_NO_PAD.decode(text).ok(),
        Encoding::Text => Some(text.to_vec()),
    }
}

/// Normalizes a signature to the notation of [`encode`], regardless of its
/// case, alphabet or padding; returns `None` if it cannot be decoded.
pub(super) fn normalize(encoding: Encoding, text: &[u8]) -> Option<Vec<u8>> {
    let digest = match encoding {
        Encoding::Hex | Encoding::Text => decode(encoding, text)?,
        Encoding::Base64 | Encoding::Base64Url => {
            let standard = |byte: &u8| match byte {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            };
            let text: Vec<u8> = text.iter().map(standard).collect();
            let end = text.iter().rposition(|b| *b != b'=').map_or(0, |at| at + 1);
            STANDARD_NO_PAD.decode(&text[..end]).ok()?
        }
    };
    Some(encode(encoding, &digest).into_bytes())
}

/// Compares two signatures in constant time.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
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

    #[test]
    fn a_plain_hash_and_a_token_need_no_key() {
        let of = |algorithm| digest(algorithm, b"", [b"a".as_slice(), b"bc"].into_iter());
        assert_eq!(
            hex::encode(of(Algorithm::Sha1)),
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        );
        assert_eq!(of(Algorithm::Token), b"abc");
        assert!(of(Algorithm::Ed25519).is_empty());
    }

    #[test]
    fn other_spellings_of_one_digest_are_respelled() {
        for text in [&b"-_8="[..], b"+/8=", b"-_8", b"+/8"] {
            assert_eq!(normalize(Encoding::Base64, text).unwrap(), b"+/8=");
        }
        assert_eq!(normalize(Encoding::Hex, b"AbcD").unwrap(), b"abcd");
        assert_eq!(normalize(Encoding::Base64, b"?"), None);
    }
}
