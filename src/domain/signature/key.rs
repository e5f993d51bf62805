//! Derives a key from a configured secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::domain::provider::{KeyForm, Scheme};
use crate::domain::secret::is_named_public;

/// The prefix of Standard Webhooks public keys, which are not shared secrets.
const PUBLIC_KEY_PREFIX: &[u8] = b"whpk_";

/// Decodes a secret; returns `None` if it is empty or not in this form.
///
/// An empty key would let anyone sign, so it is never valid. A shared secret is
/// never PEM, even after other text, because anyone may know a public key.
pub fn decode(secret: &[u8], form: KeyForm) -> Option<Zeroizing<Vec<u8>>> {
    let key = match form {
        KeyForm::Whpk => STANDARD
            .decode(secret.strip_prefix(PUBLIC_KEY_PREFIX)?)
            .ok()?,
        KeyForm::Pem => pem(std::str::from_utf8(secret).ok()?)?,
        _ if is_named_public(secret) => return None,
        KeyForm::Text => secret.to_vec(),
        KeyForm::Whsec => STANDARD
            .decode(secret.strip_prefix(b"whsec_").unwrap_or(secret))
            .ok()?,
        KeyForm::WhsecOrText => match secret.strip_prefix(b"whsec_") {
            Some(encoded) => STANDARD.decode(encoded).ok()?,
            None => secret.to_vec(),
        },
        KeyForm::Base64 => STANDARD.decode(secret).ok()?,
        KeyForm::Hex => hex::decode(secret).ok()?,
    };
    (!key.is_empty()).then(|| Zeroizing::new(key))
}

/// Returns the data between the first BEGIN and END lines of a PEM text.
fn pem(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (_, rest) = rest.split_once("-----")?;
    let (inside, _) = rest.split_once("-----END ")?;
    let inside: String = inside.split_ascii_whitespace().collect();
    STANDARD.decode(inside).ok()
}

/// Splits a secret written as `ID:SECRET`, if the scheme's deliveries name
/// their keys.
pub(super) fn parts<'a>(secret: &'a [u8], scheme: &Scheme) -> (Option<&'a [u8]>, &'a [u8]) {
    let colon = secret.iter().position(|byte| *byte == b':');
    match colon {
        Some(at) if scheme.key_id.is_some() => (Some(&secret[..at]), &secret[at + 1..]),
        _ => (None, secret),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_key_is_none() {
        assert!(decode(b"", KeyForm::Text).is_none());
        assert!(decode(b"whsec_", KeyForm::Whsec).is_none());
        assert!(decode(b"-----BEGIN X-----\n-----END X-----", KeyForm::Pem).is_none());
    }

    #[test]
    fn the_prefix_may_be_left_out() {
        assert_eq!(
            decode(b"whsec_YWJj", KeyForm::Whsec),
            decode(b"YWJj", KeyForm::Whsec)
        );
        assert!(decode(b"whsec_not base64", KeyForm::Whsec).is_none());
        assert_eq!(*decode(b"YWJj", KeyForm::WhsecOrText).unwrap(), b"YWJj");
    }

    #[test]
    fn pem_may_have_any_line_ends() {
        for text in [
            "-----BEGIN PUBLIC KEY-----\nYW\nJj\n-----END PUBLIC KEY-----\n",
            "-----BEGIN PUBLIC KEY-----\r\nYWJj\r\n-----END PUBLIC KEY-----",
        ] {
            assert_eq!(*decode(text.as_bytes(), KeyForm::Pem).unwrap(), b"abc");
        }
        assert!(decode(b"YWJj", KeyForm::Pem).is_none());
        assert!(decode(b"-----BEGIN PUBLIC KEY-----", KeyForm::Text).is_none());
    }
}
