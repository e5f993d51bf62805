//! Rejects secrets and parameters that would have no effect.

use std::collections::BTreeMap;

use crate::domain::doctor::check_secret_entry;
use crate::domain::endpoint::Endpoint;
use crate::domain::failure::Failure;
use crate::domain::provider::{Catalog, Provider};
use crate::domain::secret::Secret;
use crate::domain::text::{is_hidden, visible};
use crate::domain::toml_error::nearest;

/// Rejects a secret that is empty, blank or the name of a provider.
///
/// # Errors
/// Returns a [`Failure`] of kind usage that suggests a fix.
pub fn check_secret(secret: &Secret, catalog: &Catalog) -> Result<(), Failure> {
    let text = secret.reveal().trim_ascii();
    let origin = visible(secret.origin());
    if !has_content(text) {
        let what = if secret.reveal().is_empty() {
            "is empty"
        } else {
            "is blank"
        };
        return Err(Failure::usage(
            format!("A secret {what} ({origin})."),
            "Anybody could sign with it.",
            "Copy the secret from the provider's page:  --secret PROVIDER=SECRET",
        ));
    }
    let is_reference = origin.starts_with("env:") || origin.starts_with("file:");
    let named = named_provider(text, catalog);
    if let Some(provider) = named
        && !is_reference
        && secret.name() != provider.name
    {
        let name = &provider.name;
        return Err(Failure::usage(
            format!("Is {name} the secret, or the provider ({origin})?"),
            format!(
                "A secret reads like the name of the provider {}.",
                provider.title
            ),
            format!(
                "Write the secret after the name:  --secret {name}=SECRET   (if the secret is that word: file:PATH or env:VARIABLE that holds it)"
            ),
        ));
    }
    let versioned = [&b"v1,"[..], b"v1a,"]
        .iter()
        .find_map(|v| text.strip_prefix(*v));
    let prefixed = versioned.unwrap_or(text).strip_prefix(b"whsec_");
    let is_base64 = |key: &[u8]| {
        let digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte);
        !key.is_empty() && key.iter().all(digit)
    };
    if prefixed.is_some_and(|key| !is_base64(key)) {
        return Err(Failure::usage(
            format!("A secret that begins with whsec_ is cut or misspelt ({origin})."),
            "The part after the prefix has to be base64, but is not.",
            "Copy it again, whole, from the provider's page.",
        ));
    }
    Ok(())
}

/// Returns whether a secret contains anything but spaces, invisible characters
/// and quotes around them.
fn has_content(text: &[u8]) -> bool {
    let is_nothing = |c: char| c.is_whitespace() || is_hidden(c);
    match std::str::from_utf8(text) {
        Ok(text) => {
            let text = text.trim_matches(is_nothing);
            !matches!(text, "" | "\"\"" | "''" | "``")
        }
        Err(_) => true,
    }
}

/// Returns the provider whose name or title a text is, in any spelling.
fn named_provider<'a>(text: &[u8], catalog: &'a Catalog) -> Option<&'a Provider> {
    let letters = |text: &str| -> String {
        let letters = text.chars().filter(char::is_ascii_alphanumeric);
        letters.map(|c| c.to_ascii_lowercase()).collect()
    };
    let text = letters(std::str::from_utf8(text).ok()?);
    let mut providers = catalog.iter();
    providers.find(|provider| letters(&provider.name) == text || letters(&provider.title) == text)
}

/// Rejects a secret that cannot be decoded as a key of its provider.
///
/// # Errors
/// Returns a [`Failure`] of kind usage with the expected form.
pub(super) fn check_secret_form(secret: &Secret, provider: &Provider) -> Result<(), Failure> {
    match check_secret_entry(secret.reveal(), provider.secret_form()) {
        Some(seen) if !seen.usable => Err(Failure::usage(
            format!(
                "A secret is not a valid key of {} ({}).",
                provider.title,
                visible(secret.origin())
            ),
            seen.message,
            seen.advice,
        )),
        _ => Ok(()),
    }
}

/// Returns the provider that a secret is configured for.
pub(super) fn provider_of<'a>(
    secret: &Secret,
    endpoints: &[Endpoint],
    default: Option<&str>,
    catalog: &'a Catalog,
) -> Option<&'a Provider> {
    let endpoint = endpoints.iter().find(|e| e.name == secret.name());
    let name = match endpoint {
        Some(endpoint) => endpoint.provider.as_deref().or(default),
        None if secret.name().is_empty() => default,
        None => Some(secret.name()),
    };
    catalog.get(name?)
}

/// Rejects parameters that a provider does not have.
///
/// # Errors
/// Returns a [`Failure`] of kind usage that names the known parameters.
pub fn check_params(
    params: &BTreeMap<String, String>,
    provider: Option<&Provider>,
    shown: &str,
) -> Result<(), Failure> {
    let known = |provider: &Provider| {
        let scheme = provider.signature.as_ref();
        scheme.and_then(|scheme| scheme.key_param.clone())
    };
    for (name, value) in params {
        let name = visible(name);
        let Some(provider) = provider else {
            return Err(Failure::usage(
                format!("The parameter {name} has no provider ({shown})."),
                "Parameters belong to a provider, but no provider is named.",
                "Name it:  --provider NAME   (provider = \"…\" in creel.toml)",
            ));
        };
        let known = known(provider);
        if known.as_deref() != Some(&*name) {
            let (why, next) = match &known {
                Some(known) => (
                    format!("{} knows one parameter: {known}.", provider.title),
                    match nearest(&name, &[known.as_str()]) {
                        Some(near) => format!("Did you mean {near}?"),
                        None => format!("Write {known}=VALUE, or leave it out."),
                    },
                ),
                None => (
                    format!("{} knows no parameters.", provider.title),
                    "Leave it out.".to_owned(),
                ),
            };
            return Err(Failure::usage(
                format!("There is no parameter {name} ({shown})."),
                why,
                next,
            ));
        }
        if value.trim().is_empty() {
            return Err(Failure::usage(
                format!("The parameter {name} is empty ({shown})."),
                "It says which key the secret belongs to.",
                format!("Write it whole:  {name}=VALUE"),
            ));
        }
    }
    Ok(())
}
