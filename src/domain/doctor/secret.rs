//! Hypotheses about the secret.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode::Indifferent;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::case::Case;
use super::hypothesis::{Observation, Variation, Variations};
use super::{finding, visible_name};
use crate::domain::keyring::OldSecret;
use crate::domain::provider::KeyForm;
use crate::domain::secret::Secret;
use crate::domain::signature::decode_key;
use crate::domain::verification::{Finding, Status};

/// How many secrets are tried at most.
const MAX_SECRETS_TRIED: usize = 64;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Tries every other configured secret.
pub(super) fn other<'a>(case: &Case<'a>) -> Variations<'a> {
    if case.subject.others.is_empty() {
        return Err("no other secret is configured");
    }
    Ok(case
        .subject
        .others
        .iter()
        .take(MAX_SECRETS_TRIED)
        .filter_map(|secret| {
            let key = super::case::key(secret, case.scheme)?;
            Some(other_secret_variation(secret, key.to_vec()))
        })
        .collect())
}

/// Creates the variation that the delivery is signed with another configured
/// secret.
pub(super) fn other_secret_variation(secret: &Secret, key: Vec<u8>) -> Variation<'_> {
    let whose = visible_name(secret);
    Variation::key(
        secret,
        key,
        format!(
            "Signed with another secret, the one of {whose} ({}, from {}).",
            secret.fingerprint(),
            secret.origin()
        ),
        format!(
            "Configure the secret of {whose} for this endpoint, or send that provider's deliveries to its own endpoint."
        ),
    )
}

/// Tries the secrets that were valid earlier.
pub(super) fn old<'a>(case: &Case<'a>) -> Variations<'a> {
    if case.subject.old.is_empty() {
        return Err("no earlier secret is known");
    }
    let variation = |old: &&'a OldSecret| {
        let OldSecret { secret, replaced } = *old;
        let key = super::case::key(secret, case.scheme)?.to_vec();
        let (what, advice) = if *replaced {
            (
                format!("Signed with the secret you replaced, {secret}."),
                "The sender still uses it: finish the rotation there, or accept both until then (s, then add).",
            )
        } else {
            (
                format!("Signed with the earlier secret {secret}, which is not valid any more."),
                "Finish the rotation at the sender, or configure both secrets until then.",
            )
        };
        Some(Variation::key(secret, key, what, advice))
    };
    Ok(case
        .subject
        .old
        .iter()
        .take(MAX_SECRETS_TRIED)
        .filter_map(variation)
        .collect())
}

/// Whitespace that is often stored around a secret: before and after it.
const SURROUNDING_WHITESPACE: [(&str, &str); 7] = [
    ("", "\n"),
    ("", "\r\n"),
    ("", " "),
    (" ", ""),
    ("", "\t"),
    ("\t", ""),
    (" ", " "),
];

/// Tries the secret with surrounding whitespace removed and added.
pub(super) fn space<'a>(case: &Case<'a>) -> Variations<'a> {
    each(case, |secret, add| {
        let text = secret.reveal();
        let trimmed = text.trim_ascii();
        if trimmed.len() != text.len() {
            add(
                trimmed.to_vec(),
                "matches without the whitespace around it",
                "Remove the whitespace: use echo -n, or $(cat file) instead of the file.",
            );
        }
        for (before, behind) in SURROUNDING_WHITESPACE {
            add(
                [before.as_bytes(), trimmed, behind.as_bytes()].concat(),
                if before.is_empty() {
                    "matches with whitespace after it"
                } else {
                    "matches with whitespace before it"
                },
                "The sender stores its secret with whitespace: store it without, for example with echo -n.",
            );
        }
    })
}

/// Tries the secret with surrounding quotes removed and added.
pub(super) fn quotes<'a>(case: &Case<'a>) -> Variations<'a> {
    each(case, |secret, add| {
        let text = secret.reveal().trim_ascii();
        for quote in [b'"', b'\'', b'`'] {
            match text
                .strip_prefix(&[quote])
                .and_then(|t| t.strip_suffix(&[quote]))
            {
                Some(inner) => add(
                    inner.to_vec(),
                    "matches without the quotes around it",
                    "Write it without quotes.",
                ),
                None => add(
                    [&[quote], text, &[quote]].concat(),
                    "matches with quotes around it",
                    "The sender's environment file includes the quotes in the value: remove them there.",
                ),
            }
        }
    })
}

/// Prefixes with which providers issue secrets.
const PREFIXES: [&str; 10] = [
    "v1,whsec_",
    "whsec_",
    "v1,",
    "whsk_",
    "sk_",
    "sk_live_",
    "sk_test_",
    "whs_",
    "secret_",
    "sha256=",
];

/// The maximum length of a prefix, in bytes.
const MAX_PREFIX_BYTES: usize = 16;

/// Tries the secret with its prefix removed, and with a prefix added.
pub(super) fn prefix<'a>(case: &Case<'a>) -> Variations<'a> {
    let form = case.scheme.secret;
    let mut variations = each(case, |secret, add| {
        let text = secret.reveal().trim_ascii();
        for prefix in PREFIXES {
            match text.strip_prefix(prefix.as_bytes()) {
                Some(rest) => add(
                    rest.to_vec(),
                    "matches without its prefix",
                    "Write it without the prefix.",
                ),
                None => add(
                    [prefix.as_bytes(), text].concat(),
                    "matches with its prefix",
                    "Copy the whole secret, with the prefix.",
                ),
            }
        }
        // A secret such as `pk_test_…` has more than one prefix that may be
        // missing.
        for at in text.iter().take(MAX_PREFIX_BYTES).enumerate() {
            if let (at, b'_') = at
                && !PREFIXES.iter().any(|p| p.as_bytes() == &text[..=at])
            {
                add(
                    text[at + 1..].to_vec(),
                    "matches without its prefix",
                    "Write it without the prefix.",
                );
            }
        }
    })?;
    // The text after the prefix may be the key itself, without decoding.
    for secret in case.subject.secrets.iter().take(MAX_SECRETS_TRIED) {
        let text = secret.reveal().trim_ascii();
        let rest = PREFIXES
            .iter()
            .find_map(|p| text.strip_prefix(p.as_bytes()));
        if let (Some(rest), true) = (rest, form != KeyForm::Text) {
            variations.push(Variation::key(
                secret,
                rest.to_vec(),
                format!("The secret {secret} matches as text, without its prefix."),
                "Use the text after the prefix as the key, without base64 decoding.",
            ));
        }
    }
    Ok(variations)
}

/// Tries the base64-decoded and hex-decoded form of a secret that is text.
pub(super) fn decoded<'a>(case: &Case<'a>) -> Variations<'a> {
    if case.scheme.secret != KeyForm::Text {
        return Err("the scheme already decodes the secret");
    }
    raw(
        case,
        |text| {
            let bare = after_prefix(text);
            [
                ("decoded from base64", STANDARD.decode(bare).ok()),
                ("decoded from URL-safe base64", URL_SAFE.decode(bare).ok()),
                ("decoded from hexadecimal", hex::decode(bare).ok()),
            ]
            .into_iter()
            .filter_map(|(how, key)| Some((how, key?)))
            .collect()
        },
        "The sender decodes its secret before signing; sign with the text, as with hmac.new(secret.encode(), …) in Python.",
    )
}

/// Tries the text of a secret that the scheme decodes.
pub(super) fn text<'a>(case: &Case<'a>) -> Variations<'a> {
    if case.scheme.secret == KeyForm::Text {
        return Err("the scheme already uses the secret as text");
    }
    raw(
        case,
        |text| {
            vec![
                ("as plain text", text.to_vec()),
                (
                    "as plain text without its prefix",
                    after_prefix(text).to_vec(),
                ),
            ]
        },
        "The sender signs with the text: decode it first, as with Buffer.from(secret, 'base64') in Node.",
    )
}

/// Tries the other base64 alphabet, base64 without padding, and hexadecimal.
pub(super) fn alphabet<'a>(case: &Case<'a>) -> Variations<'a> {
    if case.scheme.secret == KeyForm::Text {
        return Err("the scheme uses the secret as text");
    }
    raw(
        case,
        |text| {
            let bare = after_prefix(text);
            [
                ("read as base64 without padding", STANDARD.decode(bare).ok()),
                ("read as URL-safe base64", URL_SAFE.decode(bare).ok()),
                ("read as hexadecimal", hex::decode(bare).ok()),
            ]
            .into_iter()
            .filter_map(|(how, key)| Some((how, key?)))
            .collect()
        },
        "Copy it again from the provider's dashboard; some characters were changed.",
    )
}

/// Tries the name of an environment variable instead of its value.
pub(super) fn variable<'a>(case: &Case<'a>) -> Variations<'a> {
    let mut variations = Vec::new();
    for secret in case
        .subject
        .secrets
        .iter()
        .chain(case.subject.others)
        .take(MAX_SECRETS_TRIED)
    {
        let text = String::from_utf8_lossy(secret.reveal()).into_owned();
        let origin = secret.origin().strip_prefix("env:").map(str::to_owned);
        // Text that looks like a name may still be a secret, so it is not
        // shown.
        let shown = origin.as_ref().map_or_else(
            || "its variable".to_owned(),
            |name| format!("the variable {name}"),
        );
        let Some(name) = origin.or_else(|| is_variable(&text).then(|| text.trim().to_owned()))
        else {
            continue;
        };
        let name = name
            .trim_start_matches(['$', '{', '%'])
            .trim_end_matches(['}', '%']);
        variations.extend(variable_spellings(name).into_iter().map(|form| {
            Variation::key(
                secret,
                form.into_bytes(),
                format!("Signed with the name of {shown}, not with its value."),
                INTERPOLATION_ADVICE,
            )
        }));
    }
    // Common names of such variables.
    let Some(secret) = case.subject.secrets.first().or(case.subject.others.first()) else {
        return Err("no secret is configured");
    };
    let provider = case.subject.provider.name.replace('-', "_").to_uppercase();
    let usual = [
        "WEBHOOK_SECRET",
        "WEBHOOK_SIGNING_SECRET",
        "SIGNING_SECRET",
        "SECRET",
    ];
    for name in usual
        .iter()
        .map(|end| format!("{provider}_{end}"))
        .chain(usual.map(str::to_owned))
    {
        for form in variable_spellings(&name) {
            let what = format!("Signed with the name of a variable, {form}, not with its value.");
            variations.push(Variation::key(
                secret,
                form.into_bytes(),
                what,
                INTERPOLATION_ADVICE,
            ));
        }
    }
    Ok(variations)
}

const INTERPOLATION_ADVICE: &str = "The variable is not expanded where you sign: use double quotes in a shell, process.env.NAME in Node, os.environ[\"NAME\"] in Python.";

/// Returns a variable name in the notations of shells, files and languages.
fn variable_spellings(name: &str) -> [String; 7] {
    [
        name.to_owned(),
        format!("${name}"),
        format!("${{{name}}}"),
        format!("%{name}%"),
        format!("env:{name}"),
        format!("process.env.{name}"),
        format!("os.environ[\"{name}\"]"),
    ]
}

/// Returns whether a text looks like the name of a variable.
pub(super) fn is_variable(text: &str) -> bool {
    let name = text
        .trim()
        .trim_start_matches(['$', '{', '%'])
        .trim_end_matches(['}', '%']);
    let marked = name.len() != text.trim().len();
    name.len() >= 3
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        && (marked || name.contains('_'))
}

/// Detects the name of a variable configured as a secret.
pub(super) fn named(case: &Case<'_>) -> Observation {
    let wrong = matches!(case.verification.status, Status::Invalid | Status::NoSecret);
    let looks = |secret: &&&Secret| is_variable(&String::from_utf8_lossy(secret.reveal()));
    match case.subject.secrets.iter().find(looks) {
        Some(secret) if wrong => Observation::Present(finding(
            "secret_named",
            false,
            format!(
                "The secret configured for {} looks like the name of a variable.",
                visible_name(secret)
            ),
            "To use the variable's value, write env:NAME instead of the secret.",
        )),
        _ if case.subject.secrets.is_empty() => {
            Observation::NotApplicable("no secret is configured")
        }
        _ => Observation::Absent("the secrets do not look like names"),
    }
}

/// Placeholders that buggy code uses instead of a secret.
const PLACEHOLDERS: [&str; 7] = ["", "undefined", "null", "None", "nil", "false", "secret"];

/// Tries an empty secret, and placeholders for one.
pub(super) fn empty<'a>(case: &Case<'a>) -> Variations<'a> {
    let Some(secret) = case.subject.secrets.first().or(case.subject.others.first()) else {
        return Err("no secret is configured");
    };
    Ok(PLACEHOLDERS
        .iter()
        .map(|word| {
            let what = if word.is_empty() {
                "Signed with an empty secret.".to_owned()
            } else {
                format!("Signed with \"{word}\" instead of a secret.")
            };
            Variation::key(
                secret,
                word.as_bytes().to_vec(),
                what,
                "The sender has no secret configured: set it there, and make signing fail without one.",
            )
        })
        .collect())
}

/// Creates the finding that no usable secret is configured.
pub(super) fn none(case: &Case<'_>) -> Finding {
    let name = &case.subject.provider.name;
    let title = &case.subject.provider.title;
    let reading = &case.reading;
    if !case.subject.secrets.is_empty() {
        let (made, wanted) = if reading.asymmetric.is_empty() {
            ("made with a shared secret (v1)", "whsec_…")
        } else {
            ("made with a private key (v1a)", "whpk_…")
        };
        return finding(
            "no_secret",
            false,
            format!("The signature is {made}, and no {wanted} of {title} is configured."),
            format!("Add it to the others:  creel --secret {name}={wanted}"),
        );
    }
    finding(
        "no_secret",
        false,
        format!("No secret is configured for {title}."),
        format!(
            "Add it:  creel --secret {name}=SECRET   (or secrets = [\"env:NAME\"] in creel.toml)"
        ),
    )
}

/// Creates variations by changing the text of each configured secret; the text
/// is then decoded as the scheme does.
fn each<'a>(
    case: &Case<'a>,
    change: impl Fn(&Secret, &mut dyn FnMut(Vec<u8>, &'static str, &'static str)),
) -> Variations<'a> {
    if case.subject.secrets.is_empty() {
        return Err("no secret is configured");
    }
    let mut variations = Vec::new();
    for secret in case.subject.secrets.iter().take(MAX_SECRETS_TRIED) {
        change(secret, &mut |text, how, advice| {
            // The empty key has its own hypothesis.
            if let Some(key) = decode_key(&text, case.scheme.secret) {
                let what = format!("The secret {secret} {how}.");
                variations.push(Variation::key(secret, key.to_vec(), what, advice));
            }
        });
    }
    Ok(variations)
}

/// Creates variations by decoding each configured secret in other ways.
fn raw<'a>(
    case: &Case<'a>,
    forms: impl Fn(&[u8]) -> Vec<(&'static str, Vec<u8>)>,
    advice: &'static str,
) -> Variations<'a> {
    if case.subject.secrets.is_empty() {
        return Err("no secret is configured");
    }
    let of = |secret: &&'a Secret| {
        let secret: &'a Secret = secret;
        forms(secret.reveal().trim_ascii())
            .into_iter()
            .filter(|(_, key)| !key.is_empty())
            .map(move |(how, key)| {
                Variation::key(
                    secret,
                    key,
                    format!("The secret {secret} matches {how}."),
                    advice,
                )
            })
            .collect::<Vec<_>>()
    };
    Ok(case
        .subject
        .secrets
        .iter()
        .take(MAX_SECRETS_TRIED)
        .flat_map(of)
        .collect())
}

/// Returns the text without surrounding quotes.
pub(super) fn bare(text: &[u8]) -> &[u8] {
    [b'"', b'\'', b'`']
        .iter()
        .find_map(|quote| text.strip_prefix(&[*quote])?.strip_suffix(&[*quote]))
        .unwrap_or(text)
}

fn after_prefix(text: &[u8]) -> &[u8] {
    PREFIXES
        .iter()
        .find_map(|p| text.strip_prefix(p.as_bytes()))
        .unwrap_or(text)
}
