//! Checks a secret while it is typed or pasted.

use super::secret::{bare, is_variable};
use crate::domain::provider::KeyForm;
use crate::domain::secret::split_list;
use crate::domain::signature::decode_key;

/// A likely mistake in a secret, shown before the secret is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretWarning {
    /// Whether the text could be a secret anyway.
    pub usable: bool,
    /// What looks wrong.
    pub message: String,
    /// What to do.
    pub advice: String,
}

/// Returns what looks wrong with a secret; `form` is the form of the provider's
/// secrets, if known.
pub fn check_secret_entry(secret: &[u8], form: Option<KeyForm>) -> Option<SecretWarning> {
    if let Some(list) = split_list(secret) {
        return list
            .into_iter()
            .find_map(|one| check_secret_entry(one, form));
    }
    let seen = |usable, message: &str, advice: &str| {
        Some(SecretWarning {
            usable,
            message: message.to_owned(),
            advice: advice.to_owned(),
        })
    };
    if secret.is_empty() {
        return seen(
            false,
            "The secret is empty.",
            "Copy the secret from the provider's dashboard.",
        );
    }
    let reads = |text: &[u8]| {
        form.is_none_or(|form| {
            // A provider with such secrets may sign with a private key as well.
            let public = matches!(form, KeyForm::Whsec | KeyForm::WhsecOrText)
                && decode_key(text, KeyForm::Whpk).is_some();
            public || decode_key(text, form).is_some()
        })
    };
    let trimmed = secret.trim_ascii();
    let inner = bare(trimmed);
    let text = String::from_utf8_lossy(secret);
    if trimmed.len() != secret.len() {
        return seen(
            reads(secret),
            "The secret has whitespace around it, which would be part of the secret.",
            "Remove them, unless the sender has them too.",
        );
    }
    if inner.len() != trimmed.len() {
        return seen(
            reads(secret),
            "The secret has quotes around it, which would be part of the secret.",
            "Remove them, unless the sender has them too.",
        );
    }
    if is_variable(&text) {
        return seen(
            reads(secret),
            "The secret looks like the name of a variable.",
            "To use the variable's value, write env:NAME.",
        );
    }
    if reads(secret) {
        return None;
    }
    let message = match form? {
        KeyForm::Text => "A public key is not a shared secret.",
        KeyForm::Whsec | KeyForm::WhsecOrText => {
            "The secret should be whsec_ followed by base64, and this is not base64."
        }
        KeyForm::Base64 => "The secret should be base64, and it is not.",
        KeyForm::Hex => "The secret should be hexadecimal, and it is not.",
        KeyForm::Whpk => "The key should be whpk_ followed by base64.",
        KeyForm::Pem => "The key should be a public key in PEM: -----BEGIN PUBLIC KEY----- …",
    };
    seen(
        false,
        message,
        "Copy the whole secret again from the provider's dashboard.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_secret_is_worth_no_word() {
        for (secret, form) in [
            ("whsec_YWJj", Some(KeyForm::Whsec)),
            ("YWJj", Some(KeyForm::Whsec)),
            ("whpk_YWJj", Some(KeyForm::Whsec)),
            ("v1,whsec_YWJj", Some(KeyForm::Whsec)),
            (
                "v1,whsec_YQ== | v1,whsec_Yg==|v1a,whpk_Yg==",
                Some(KeyForm::Whsec),
            ),
            ("whsec_YQ==|whsec_Yg==", None),
            ("anything at all", Some(KeyForm::Text)),
            ("anything at all", None),
            ("00ff", Some(KeyForm::Hex)),
        ] {
            assert_eq!(
                check_secret_entry(secret.as_bytes(), form),
                None,
                "{secret}"
            );
        }
    }

    #[test]
    fn what_seems_wrong_is_named_before_it_is_used() {
        for (secret, form, usable, word) in [
            ("", None, false, "empty"),
            ("abc\n", Some(KeyForm::Text), true, "whitespace"),
            ("\"abc\"", Some(KeyForm::Text), true, "quotes"),
            ("\"YWJj\"", Some(KeyForm::Base64), false, "quotes"),
            ("PORKBUN_SECRET", Some(KeyForm::Text), true, "variable"),
            ("whsec_a b", Some(KeyForm::Whsec), false, "base64"),
            ("v1,whsec_a!", Some(KeyForm::Whsec), false, "base64"),
            ("whsec_YQ==|whsec_a!", Some(KeyForm::Whsec), false, "base64"),
            ("xyz", Some(KeyForm::Hex), false, "hexadecimal"),
            ("xyz", Some(KeyForm::Pem), false, "PEM"),
        ] {
            let seen =
                check_secret_entry(secret.as_bytes(), form).unwrap_or_else(|| panic!("{secret}"));
            assert_eq!(seen.usable, usable, "{secret}");
            assert!(seen.message.contains(word), "{secret}: {}", seen.message);
        }
    }
}
