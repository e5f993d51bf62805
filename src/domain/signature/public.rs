//! Verifies signatures with a public key.

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ED25519,
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};

use crate::domain::provider::Algorithm;

/// Returns whether a signature over a text was made with the private half of a
/// key. The key is given raw or in DER: as a `SubjectPublicKeyInfo` or in a
/// certificate (RFC 5280).
///
/// RSA keys of 2048 to 8192 bits are supported. An ECDSA signature is two
/// numbers in a token (RFC 7518 section 3.4) and DER elsewhere.
pub(super) fn verifies(
    algorithm: Algorithm,
    form: EcdsaForm,
    key: &[u8],
    text: &[u8],
    signature: &[u8],
) -> bool {
    let with: &'static dyn VerificationAlgorithm = match algorithm {
        Algorithm::Ed25519 => &ED25519,
        Algorithm::EcdsaP256Sha256 => match form {
            EcdsaForm::Token => &ECDSA_P256_SHA256_FIXED,
            EcdsaForm::Der => &ECDSA_P256_SHA256_ASN1,
        },
        Algorithm::RsaSha256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RsaSha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Algorithm::HmacSha1
        | Algorithm::HmacSha256
        | Algorithm::HmacSha384
        | Algorithm::HmacSha512
        | Algorithm::Sha1
        | Algorithm::Sha256
        | Algorithm::Sha512
        | Algorithm::Token => return false,
    };
    let key = bare(key).unwrap_or(key);
    UnparsedPublicKey::new(with, key)
        .verify(text, signature)
        .is_ok()
}

/// The encoding of an ECDSA signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EcdsaForm {
    /// Two numbers of 32 bytes each, as in a token.
    Token,
    /// As DER.
    Der,
}

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
/// The optional version of a certificate.
const VERSION: u8 = 0xa0;

/// Extracts the raw key from DER; returns `None` if the DER has another
/// structure.
fn bare(der: &[u8]) -> Option<&[u8]> {
    let (SEQUENCE, inside, []) = element(der)? else {
        return None;
    };
    let (SEQUENCE, first, rest) = element(inside)? else {
        return None;
    };
    match element(rest)? {
        (BIT_STRING, [0, key @ ..], []) => Some(key),
        (SEQUENCE, ..) => in_certificate(first),
        _ => None,
    }
}

/// Finds the key in the body of a certificate, after version, serial number,
/// algorithm, issuer, validity and subject.
fn in_certificate(mut stated: &[u8]) -> Option<&[u8]> {
    if let (VERSION, _, rest) = element(stated)? {
        stated = rest;
    }
    for _ in 0..5 {
        stated = element(stated)?.2;
    }
    let (SEQUENCE, info, _) = element(stated)? else {
        return None;
    };
    match element(element(info)?.2)? {
        (BIT_STRING, [0, key @ ..], []) => Some(key),
        _ => None,
    }
}

/// Splits off the first DER element: its tag, its content, and the rest.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, first, rest @ ..] = der else {
        return None;
    };
    let (size, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let size = bytes.iter().fold(0, |size, b| size << 8 | usize::from(*b));
            (size, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(size)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032 section 7.1, test 2.
    #[test]
    fn ed25519_known_answer() {
        let key = hex::decode("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
            .unwrap();
        let signature = hex::decode(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        )
        .unwrap();
        let verifies =
            |algorithm, text| verifies(algorithm, EcdsaForm::Der, &key, text, &signature);
        assert!(verifies(Algorithm::Ed25519, &[0x72]));
        assert!(!verifies(Algorithm::Ed25519, &[0x73]));
        assert!(!verifies(Algorithm::RsaSha256, &[0x72]));
        assert!(!verifies(Algorithm::HmacSha256, &[0x72]));
    }

    /// RFC 7515 appendix A.3: a token with ES256.
    #[test]
    fn ecdsa_known_answer() {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let decode = |text| URL_SAFE_NO_PAD.decode(text).unwrap();
        let key = [
            vec![4],
            decode("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
            decode("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"),
        ]
        .concat();
        let text = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = decode(
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        );
        let verifies =
            |form, text| verifies(Algorithm::EcdsaP256Sha256, form, &key, text, &signature);
        assert!(verifies(EcdsaForm::Token, text));
        assert!(!verifies(EcdsaForm::Token, &text[1..]));
        assert!(!verifies(EcdsaForm::Der, text));
    }

    #[test]
    fn broken_der_is_no_key() {
        let info = [0x30, 0x07, 0x30, 0x00, 0x03, 0x03, 0x00, 0xaa, 0xbb];
        assert_eq!(bare(&info), Some(&[0xaa, 0xbb][..]));
        for end in 0..info.len() {
            assert_eq!(bare(&info[..end]), None);
        }
        assert_eq!(bare(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
