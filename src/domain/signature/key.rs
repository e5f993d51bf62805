//! From a configured secret to a key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::domain::provider::KeyForm;

/// Decodes a secret; `None` where it is empty or not in that form.
///
/// An empty key would let anybody sign, so it is never one.
pub fn decode(secret: &[u8], form: KeyForm) -> Option<Zeroizing<Vec<u8>>> {
    let key = match form {
        KeyForm::Text => secret.to_vec(),
        KeyForm::Whsec => STANDARD
            .decode(secret.strip_prefix(b"whsec_").unwrap_or(secret))
            .ok()?,
        KeyForm::Base64 => STANDARD.decode(secret).ok()?,
        KeyForm::Hex => hex::decode(secret).ok()?,
    };
    (!key.is_empty()).then(|| Zeroizing::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_key_is_none() {
        assert!(decode(b"", KeyForm::Text).is_none());
        assert!(decode(b"whsec_", KeyForm::Whsec).is_none());
    }

    #[test]
    fn the_prefix_may_be_left_out() {
        assert_eq!(
            decode(b"whsec_YWJj", KeyForm::Whsec),
            decode(b"YWJj", KeyForm::Whsec)
        );
        assert!(decode(b"whsec_not base64", KeyForm::Whsec).is_none());
    }
}
