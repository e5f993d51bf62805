//! Warns of secrets that other users of the machine can read.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::expand_home;
use crate::domain::endpoint::Endpoint;
use crate::domain::secret::{KeyKind, Secret};
use crate::domain::text::visible;

/// Permission bits that let the group or others read a file.
const GROUP_OR_OTHERS_READ: u32 = 0o044;

/// Returns warnings about a configuration file and its secrets, as sentences.
pub(super) fn collect<'a, S>(file: Option<&Path>, secrets: impl Fn() -> S) -> Vec<String>
where
    S: Iterator<Item = &'a Secret>,
{
    let mut warnings = Vec::new();
    let mut add = |warning: String| {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    };
    if secrets().any(|secret| secret.origin() == super::SECRET_FLAG) {
        add(
            "A secret is on the command line, where other users can read it (ps). Write --secret NAME=env:VARIABLE or NAME=file:PATH"
                .to_owned(),
        );
    }
    for secret in secrets() {
        if let Some(path) = secret.origin().strip_prefix("file:")
            && is_readable(&expand_home(path))
        {
            add(unsafe_file("secret file", path));
        }
    }
    if let Some(path) = file {
        let shown = path.display().to_string();
        let is_literal = |secret: &Secret| {
            let rest = secret.origin().strip_prefix(&shown);
            rest.is_some_and(|rest| rest.starts_with(" line "))
        };
        if secrets().any(is_literal) && is_readable(path) {
            add(unsafe_file("configuration file", &shown));
        }
    }
    warnings
}

/// Returns warnings about secrets that may be public keys and have no provider,
/// so that they are not used as shared secrets.
pub(super) fn unnamed_public_keys(secrets: &[Secret], endpoints: &[Endpoint]) -> Vec<String> {
    let is_unnamed = |secret: &Secret| {
        let of = |e: &&Endpoint| e.name == secret.name();
        secret.kind() == KeyKind::MaybePublic
            && match endpoints.iter().find(of) {
                Some(endpoint) => endpoint.provider.is_none(),
                None => secret.name().is_empty(),
            }
    };
    let warning = |secret: &Secret| {
        let origin = visible(secret.origin()).into_owned();
        let fix = if secret.name().is_empty() {
            "--secret PROVIDER=SECRET".to_owned()
        } else {
            format!("provider = \"…\" under [endpoints.{}]", secret.name())
        };
        format!(
            "The secret {} ({origin}) may be a public key, so it only checks signatures that are made with a private key, as Discord's. If it is a shared secret, name its provider:  {fix}",
            secret.fingerprint(),
        )
    };
    let unnamed = secrets.iter().filter(|secret| is_unnamed(secret));
    unnamed.map(warning).collect()
}

fn unsafe_file(what: &str, path: &str) -> String {
    let path = visible(path);
    format!(
        "The {what} {path} can be read by other users, and holds a secret. Make it yours alone:  chmod 600 {path}"
    )
}

fn is_readable(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|metadata| metadata.permissions().mode() & GROUP_OR_OTHERS_READ != 0)
}
