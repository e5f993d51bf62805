//! What may be wrong with the secret.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::{Case, finding};
use crate::domain::provider::KeyForm;
use crate::domain::secret::Secret;
use crate::domain::signature::decode_key;
use crate::domain::verification::Finding;

/// Tries every other configured secret.
pub(super) fn other(case: &Case<'_>) -> Vec<Finding> {
    let body = &case.patient.request.body;
    let fits = |secret: &&&Secret| {
        decode_key(secret.reveal(), case.scheme.secret).is_some_and(|key| case.matches(&key, body))
    };
    let Some(secret) = case.patient.others.iter().find(fits) else {
        return Vec::new();
    };
    let whose = if secret.name().is_empty() {
        "a secret without a name".to_owned()
    } else {
        format!("\"{}\"", secret.name())
    };
    vec![finding(
        "other_secret",
        true,
        format!(
            "Signed with another secret, that of {whose} ({}, from {}); the bytes are intact.",
            secret.fingerprint(),
            secret.origin()
        ),
        format!(
            "Give this endpoint the secret of {whose}, or send that provider's deliveries to its own endpoint."
        ),
    )]
}

/// Tries each secret configured here in the ways it is commonly mistyped.
pub(super) fn spelling(case: &Case<'_>) -> Vec<Finding> {
    let body = &case.patient.request.body;
    for secret in case.patient.secrets.iter().chain(case.patient.others) {
        for (how, advice, key) in variants(secret.reveal(), case.scheme.secret) {
            if !key.is_empty() && case.matches(&key, body) {
                return vec![finding(
                    "secret_spelling",
                    true,
                    format!("The secret {secret} is right {how}."),
                    advice,
                )];
            }
        }
    }
    Vec::new()
}

/// Returns the ways to read a secret otherwise: how, what to do, and the key.
fn variants(secret: &[u8], form: KeyForm) -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let mut found: Vec<(&'static str, &'static str, Vec<u8>)> = Vec::new();
    let trimmed = secret.trim_ascii();
    let decode = |text: &[u8]| decode_key(text, form).map(|key| key.to_vec());
    if trimmed.len() != secret.len() {
        found.extend(decode(trimmed).map(|key| {
            (
                "without the blanks or line end around it",
                "Write it without them.",
                key,
            )
        }));
    }
    for end in ["\n", "\r\n"] {
        let key = decode(&[secret, end.as_bytes()].concat());
        found.extend(key.map(|key| {
            (
                "with a line end behind it",
                "The sender keeps its secret with a line end: store it anew there, without one.",
                key,
            )
        }));
    }
    let unquoted = trimmed
        .strip_prefix(b"\"")
        .and_then(|s| s.strip_suffix(b"\""))
        .or_else(|| {
            trimmed
                .strip_prefix(b"'")
                .and_then(|s| s.strip_suffix(b"'"))
        });
    if let Some(unquoted) = unquoted {
        found.extend(decode(unquoted).map(|key| {
            (
                "without the quotes around it",
                "Write it without quotes.",
                key,
            )
        }));
    }
    for prefix in [&b"v1,whsec_"[..], b"whsec_", b"v1,", b"sk_"] {
        if let Some(rest) = trimmed.strip_prefix(prefix) {
            found.extend(
                decode(rest).map(|key| ("without its prefix", "Write it without the prefix.", key)),
            );
            let text = "as text, without its prefix";
            found.push((
                text,
                "Its text is the key here, not what base64 makes of it.",
                rest.to_vec(),
            ));
        } else if prefix.ends_with(b"_") {
            let key = decode(&[prefix, trimmed].concat());
            found
                .extend(key.map(|key| ("with its prefix", "Copy it whole, with the prefix.", key)));
        }
    }
    found.push((
        "as plain text",
        "Its text is the key here, not what base64 or hex makes of it.",
        trimmed.to_vec(),
    ));
    let bare = trimmed.strip_prefix(b"whsec_").unwrap_or(trimmed);
    let forms = [
        ("decoded from base64", STANDARD.decode(bare).ok()),
        (
            "decoded from base64 without padding",
            STANDARD_NO_PAD.decode(bare).ok(),
        ),
        (
            "decoded from url-safe base64",
            URL_SAFE
                .decode(bare)
                .ok()
                .or_else(|| URL_SAFE_NO_PAD.decode(bare).ok()),
        ),
        ("decoded from hex", hex::decode(trimmed).ok()),
    ];
    for (how, key) in forms {
        let advice = "The sender decodes its secret before it signs; this provider's scheme does not say so.";
        found.extend(key.map(|key| (how, advice, key)));
    }
    found
}

/// Says how to add a secret.
pub(super) fn none(case: &Case<'_>) -> Finding {
    let name = &case.patient.provider.name;
    finding(
        "no_secret",
        false,
        format!(
            "No secret is configured for {}.",
            case.patient.provider.title
        ),
        format!(
            "Add it:  creel --secret {name}=SECRET   (or secrets = [\"env:NAME\"] in creel.toml)"
        ),
    )
}
