//! Which secrets apply to which deliveries, and how that changes at run time.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// All secrets.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    /// The configured secrets, and those that replaced them.
    configured: Vec<Secret>,
    /// Secrets added at run time, newest last.
    added: Vec<Secret>,
    old: Vec<OldSecret>,
    /// Providers whose own secret was replaced: secrets of providers that sign
    /// alike do not apply to them any more.
    alone: BTreeSet<String>,
}

/// A secret that was valid earlier and is not any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldSecret {
    /// The secret.
    pub secret: Secret,
    /// Whether it was replaced at run time rather than configured as old.
    pub replaced: bool,
}

/// The secrets, partitioned for one delivery.
#[derive(Clone, Debug, Default)]
pub struct ApplicableSecrets<'a> {
    /// The secrets that apply, the signing secret first.
    pub own: Vec<&'a Secret>,
    /// All other configured secrets.
    pub others: Vec<&'a Secret>,
    /// Old secrets, the delivery's own first.
    pub old: Vec<&'a OldSecret>,
    /// Secrets that are configured for the delivery but must not verify it,
    /// with the reason.
    pub withheld: Vec<(&'a Secret, Withheld)>,
}

/// Why a configured secret must not verify a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// It is a public key, and the scheme uses a shared secret.
    Public,
    /// It may be a public key, and no provider is named for it.
    Unnamed,
    /// It is pinned to the provider with this name.
    Pinned(String),
}

impl Withheld {
    /// Returns the finding code for this reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Public => "public_key",
            Self::Unnamed => "secret_unnamed",
            Self::Pinned(_) => "secret_pinned",
        }
    }
}

/// The deliveries to which a secret added at run time applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// Those of an endpoint.
    Endpoint(String),
    /// Those of a provider, at every endpoint without a secret of its own.
    Provider(String),
    /// All that have no secret of their own.
    All,
}

impl Scope {
    /// Returns the name of a secret with this scope.
    pub fn name(&self) -> &str {
        match self {
            Self::Endpoint(name) | Self::Provider(name) => name,
            Self::All => "",
        }
    }
}

/// Whether a secret is added to the previous ones or replaces them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Adoption {
    /// Adds it.
    #[default]
    Add,
    /// Replaces them; the previous ones become old secrets.
    Replace,
}

impl Keyring {
    /// Creates a keyring from the configured secrets.
    pub fn new(configured: Vec<Secret>) -> Self {
        Self {
            configured,
            ..Self::default()
        }
    }

    /// Adds a configured secret.
    pub fn push(&mut self, secret: Secret) {
        self.configured.push(secret);
    }

    /// Adds secrets that are configured as old.
    pub fn remember(&mut self, old: impl IntoIterator<Item = Secret>) {
        self.old.extend(old.into_iter().map(|secret| OldSecret {
            secret,
            replaced: false,
        }));
    }

    /// Returns the secrets that apply to any delivery.
    pub fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.configured.iter().chain(&self.added)
    }

    /// Returns the old secrets.
    pub fn old(&self) -> &[OldSecret] {
        &self.old
    }

    /// Partitions the secrets for a provider's deliveries to an endpoint;
    /// `alike` returns whether the provider with this name signs alike.
    ///
    /// An endpoint's own secrets take precedence, then those named like its
    /// provider or one that signs alike, then those without a name. Secrets
    /// added at run time apply in addition.
    pub fn applicable(
        &self,
        endpoint: Option<&str>,
        provider: &str,
        alike: impl Fn(&str) -> bool,
    ) -> ApplicableSecrets<'_> {
        let alone = self.alone.contains(provider);
        let related = |name: &str| name == provider || !alone && alike(name);
        let tests: [&dyn Fn(&Secret) -> bool; 3] = [
            &|secret| endpoint.is_some_and(|name| secret.name() == name),
            &|secret| related(secret.name()),
            &|secret| secret.name().is_empty(),
        ];
        let mut own: Vec<&Secret> = Vec::new();
        for test in tests {
            let mut settled = false;
            for secret in self.added.iter().rev().filter(|secret| test(secret)) {
                add(&mut own, secret);
            }
            for secret in self.configured.iter().filter(|secret| test(secret)) {
                add(&mut own, secret);
                settled = true;
            }
            if settled {
                break;
            }
        }
        let fits = |old: &&OldSecret| tests.iter().any(|test| test(&old.secret));
        let (mut old, foreign): (Vec<_>, Vec<_>) = self.old.iter().partition(fits);
        let mut others = Vec::new();
        for secret in self.iter() {
            let gone = old.iter().any(|old| old.secret.same_value(secret));
            if !gone && !has(&own, secret) {
                add(&mut others, secret);
            }
        }
        old.extend(foreign);
        old.retain(|old| !has(&own, &old.secret));
        ApplicableSecrets {
            own,
            others,
            old,
            withheld: Vec::new(),
        }
    }

    /// Adds a secret for a scope, where the secrets in `before` applied so far.
    pub fn adopt(&mut self, scope: &Scope, secret: &Secret, how: Adoption, before: &[Secret]) {
        let secret = secret.named(scope.name());
        let is = |other: &Secret| other.name() == scope.name() && other.same_value(&secret);
        self.old.retain(|old| !is(&old.secret));
        match how {
            Adoption::Add => {
                if !self.iter().any(is) {
                    self.added.push(secret);
                }
            }
            Adoption::Replace => {
                for one in before.iter().filter(|one| !one.same_value(&secret)) {
                    let secret = one.named(scope.name());
                    self.old.retain(|old| old.secret != secret);
                    self.old.push(OldSecret {
                        secret,
                        replaced: true,
                    });
                }
                let others = |other: &Secret| other.name() != scope.name();
                self.configured.retain(others);
                self.added.retain(others);
                if let Scope::Provider(name) = scope {
                    self.alone.insert(name.clone());
                }
                self.configured.push(secret);
            }
        }
    }

    /// Passes every setting that the verification depends on to `each`, as
    /// bytes.
    pub(super) fn settings(&self, mut each: impl FnMut(&[u8])) {
        let lists: [(&[u8], Vec<&Secret>); 3] = [
            (b"configured", self.configured.iter().collect()),
            (b"added", self.added.iter().collect()),
            (b"old", self.old.iter().map(|old| &old.secret).collect()),
        ];
        for (title, list) in lists {
            each(title);
            for secret in list {
                each(secret.name().as_bytes());
                each(secret.reveal());
            }
        }
        for name in &self.alone {
            each(name.as_bytes());
        }
    }
}

fn has(list: &[&Secret], secret: &Secret) -> bool {
    list.iter().any(|other| other.same_value(secret))
}

fn add<'a>(list: &mut Vec<&'a Secret>, secret: &'a Secret) {
    if !has(list, secret) {
        list.push(secret);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str, value: &str) -> Secret {
        Secret::new(name, "test", value)
    }

    fn keyring() -> Keyring {
        Keyring::new(vec![
            secret("billing", "one"),
            secret("zyra", "two"),
            secret("", "three"),
        ])
    }

    fn values<'a>(list: impl IntoIterator<Item = &'a Secret>) -> Vec<String> {
        let text = |secret: &Secret| String::from_utf8_lossy(secret.reveal()).into_owned();
        list.into_iter().map(text).collect()
    }

    /// Returns the secrets that apply, the others and the old ones.
    fn of(keyring: &Keyring, endpoint: Option<&str>, provider: &str) -> [Vec<String>; 3] {
        let found = keyring.applicable(endpoint, provider, |_| false);
        [
            values(found.own),
            values(found.others),
            values(found.old.into_iter().map(|old| &old.secret)),
        ]
    }

    fn endpoint(name: &str) -> Scope {
        Scope::Endpoint(name.to_owned())
    }

    #[test]
    fn what_is_added_counts_beside_what_counted() {
        let mut keyring = keyring();
        keyring.adopt(
            &endpoint("billing"),
            &secret("zyra", "two"),
            Adoption::Add,
            &[],
        );
        assert_eq!(of(&keyring, Some("billing"), "zyra")[0], ["two", "one"]);
        // An endpoint without a secret of its own keeps the provider's.
        keyring.adopt(&endpoint("shop"), &secret("", "four"), Adoption::Add, &[]);
        assert_eq!(of(&keyring, Some("shop"), "zyra")[0], ["four", "two"]);
        assert_eq!(of(&keyring, Some("shop"), "porkbun")[0], ["four", "three"]);
        assert_eq!(of(&keyring, Some("else"), "zyra")[0], ["two"]);
        let before = format!("{keyring:?}");
        keyring.adopt(&endpoint("shop"), &secret("x", "four"), Adoption::Add, &[]);
        assert_eq!(format!("{keyring:?}"), before);
    }

    #[test]
    fn what_is_replaced_is_old_and_no_other() {
        let mut keyring = keyring();
        let scope = Scope::Provider("zyra".into());
        let before = [secret("zyra", "two")];
        keyring.adopt(&scope, &secret("", "new"), Adoption::Replace, &before);
        let [own, others, old] = of(&keyring, None, "zyra");
        assert_eq!((own, old), (vec!["new".to_owned()], vec!["two".to_owned()]));
        assert_eq!(others, ["one", "three"]);
        assert!(keyring.old()[0].replaced);
        // An endpoint without a secret of its own is treated alike; the unnamed
        // one stays.
        assert_eq!(of(&keyring, Some("shop"), "zyra")[0], ["new"]);
        assert_eq!(of(&keyring, None, "porkbun")[0], ["three"]);
        // After it is added again, it is not old any more.
        keyring.adopt(&scope, &secret("zyra", "two"), Adoption::Add, &[]);
        let [own, _, old] = of(&keyring, None, "zyra");
        assert_eq!(own, ["two", "new"]);
        assert!(old.is_empty());
    }

    #[test]
    fn an_endpoint_s_replacement_leaves_the_provider_s_secret_to_others() {
        let mut keyring = keyring();
        let before = [secret("zyra", "two")];
        keyring.adopt(
            &endpoint("shop"),
            &secret("", "new"),
            Adoption::Replace,
            &before,
        );
        let [own, others, old] = of(&keyring, Some("shop"), "zyra");
        assert_eq!((own, old), (vec!["new".to_owned()], vec!["two".to_owned()]));
        assert!(!others.contains(&"two".to_owned()));
        assert_eq!(of(&keyring, None, "zyra")[0], ["two"]);
    }

    #[test]
    fn a_replaced_provider_no_longer_borrows_from_those_that_sign_alike() {
        let mut keyring = Keyring::new(vec![secret("svix", "theirs")]);
        let alike = |name: &str| name == "svix" || name == "resend";
        let own =
            |keyring: &Keyring, provider| values(keyring.applicable(None, provider, alike).own);
        assert_eq!(own(&keyring, "resend"), ["theirs"]);
        let before = [secret("svix", "theirs")];
        let scope = Scope::Provider("resend".into());
        keyring.adopt(&scope, &secret("", "new"), Adoption::Replace, &before);
        assert_eq!(own(&keyring, "resend"), ["new"]);
        assert!(own(&keyring, "svix").contains(&"theirs".to_owned()));
    }

    #[test]
    fn a_configured_secret_is_not_old_whatever_is_said_of_it() {
        let mut keyring = keyring();
        keyring.remember([secret("billing", "one"), secret("billing", "zero")]);
        let [own, _, old] = of(&keyring, Some("billing"), "zyra");
        assert_eq!(
            (own, old),
            (vec!["one".to_owned()], vec!["zero".to_owned()])
        );
    }
}
