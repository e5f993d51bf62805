//! Removes secrets from the environment of child processes.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

/// Minimum length of a secret that is searched for inside other values, in
/// bytes. Shorter secrets may occur in them by chance.
const MIN_SUBSTRING_BYTES: usize = 8;

/// creel's own variables that do not contain secrets.
const NON_SECRET_VARIABLES: [&str; 2] = ["CREEL_CONFIG", "CREEL_DATA_DIR"];

/// The variables and values of all secrets that this process has read.
static SECRETS: Mutex<KnownSecrets> = Mutex::new(KnownSecrets {
    variables: BTreeSet::new(),
    values: Vec::new(),
});

struct KnownSecrets {
    variables: BTreeSet<OsString>,
    values: Vec<Zeroizing<Vec<u8>>>,
}

/// Records a variable that a secret is read from, whether or not it is set.
pub(super) fn note_variable(name: &str) {
    let mut known = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
    known.variables.insert(name.into());
}

/// Records the value of a secret.
pub(super) fn note_value(value: &[u8]) {
    let mut known = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
    if !value.is_empty() && !known.values.iter().any(|old| old[..] == *value) {
        known.values.push(Zeroizing::new(value.to_vec()));
    }
}

/// Removes from the environment of a child process the variables that secrets
/// are read from, those whose value contains a secret, and creel's own.
pub fn withhold_secrets(command: &mut Command) {
    let known = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, value) in std::env::vars_os() {
        if known.is_secret(&name, &value) {
            command.env_remove(name);
        }
    }
}

impl KnownSecrets {
    fn is_secret(&self, name: &OsStr, value: &OsStr) -> bool {
        let own = name.as_bytes().starts_with(b"CREEL_");
        let excluded = NON_SECRET_VARIABLES
            .iter()
            .any(|excluded| name == *excluded);
        own && !excluded || self.variables.contains(name) || self.holds_value(value.as_bytes())
    }

    fn holds_value(&self, value: &[u8]) -> bool {
        self.values.iter().any(|secret| {
            value == &secret[..]
                || secret.len() >= MIN_SUBSTRING_BYTES
                    && value.windows(secret.len()).any(|part| part == &secret[..])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_secret_by_its_name_or_its_value() {
        let known = KnownSecrets {
            variables: BTreeSet::from(["PORKBUN".into()]),
            values: vec![
                Zeroizing::new(b"vi".to_vec()),
                Zeroizing::new(b"whsec_0123456789".to_vec()),
            ],
        };
        for (name, value, secret) in [
            ("PORKBUN", "", true),
            ("PORKBUN_URL", "x", false),
            ("CREEL_SECRET", "x", true),
            ("CREEL_DATA_DIR", "/d", false),
            ("CREEL_CONFIG", "whsec_0123456789", true),
            ("OTHER", "whsec_0123456789", true),
            ("OTHER", "stripe=whsec_0123456789,x", true),
            ("OTHER", "whsec_012345678", false),
            ("OTHER", "vi", true),
            ("OTHER", "vim", false),
        ] {
            let found = known.is_secret(name.as_ref(), value.as_ref());
            assert_eq!(found, secret, "{name}={value}");
        }
    }
}
