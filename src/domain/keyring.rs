//! Which secret counts for which deliveries, and how that changes while
//! creel runs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// Every secret there is.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    /// Those of the configuration, and those that took their place.
    configured: Vec<Secret>,
    /// Those that count besides, the newest last.
    added: Vec<Secret>,
    old: Vec<OldSecret>,
    /// Providers whose own secret was replaced: those of providers that sign
    /// alike no longer count for them.
    alone: BTreeSet<String>,
}

/// A secret that counted once and no longer does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldSecret {
    /// The secret.
    pub secret: Secret,
    /// Whether it was replaced while creel ran, rather than configured as old.
    pub replaced: bool,
}

/// The secrets as they concern one delivery.
#[derive(Clone, Debug, Default)]
pub struct ApplicableSecrets<'a> {
    /// Those that count for it, the one to sign with first.
    pub own: Vec<&'a Secret>,
    /// All others that are configured.
    pub others: Vec<&'a Secret>,
    /// Those that no longer count, its own first.
    pub old: Vec<&'a OldSecret>,
    /// Those that are configured for it and may not check it, and why not.
    pub withheld: Vec<(&'a Secret, Withheld)>,
}

/// Why a secret that is configured for a delivery may not check it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// It is a public key, and the scheme takes a shared secret.
    Public,
    /// It may be a public key, and no provider is named for it.
    Unnamed,
    /// It is pinned to the provider of this name.
    Pinned(String),
}

impl Withheld {
    /// Returns the code of the finding that says so.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Public => "public_key",
            Self::Unnamed => "secret_unnamed",
            Self::Pinned(_) => "secret_pinned",
        }
    }
}

/// What a secret given while creel runs counts for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// For an endpoint.
    Endpoint(String),
    /// For a provider, at every endpoint that has no secret of its own.
    Provider(String),
    /// For all that have no secret of their own.
    All,
}

impl Scope {
    /// Returns the name that a secret of that scope has.
    pub fn name(&self) -> &str {
        match self {
            Self::Endpoint(name) | Self::Provider(name) => name,
            Self::All => "",
        }
    }
}

/// Whether a secret counts beside those before it or in their place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Adoption {
    /// Beside them.
    #[default]
    Add,
    /// In their place; they are remembered as old ones.
    Replace,
}

impl Keyring {
    /// Makes a keyring of the configured secrets.
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

    /// Adds secrets that the configuration calls old.
    pub fn remember(&mut self, old: impl IntoIterator<Item = Secret>) {
        self.old.extend(old.into_iter().map(|secret| OldSecret {
            secret,
            replaced: false,
        }));
    }

    /// Returns the secrets that count for some delivery.
    pub fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.configured.iter().chain(&self.added)
    }

    /// Returns the secrets that no longer count.
    pub fn old(&self) -> &[OldSecret] {
        &self.old
    }

    /// Parts the secrets as they concern a provider's deliveries to an
    /// endpoint; `alike` says of a name whether that provider signs alike.
    ///
    /// An endpoint's own secrets come first; where it has none, those named
    /// like its provider or one that signs alike; where there are none, those
    /// without a name. What was added while creel ran counts besides.
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

    /// Lets a secret count for a scope, where `before` counted until now.
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

    /// Gives every setting to `each` that a verdict depends on, as bytes.
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

    /// Returns what counts, what else there is and what no longer counts.
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
        // One without a secret of its own keeps what counted by its provider.
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
        // An endpoint without its own goes the same way; the nameless one stays.
        assert_eq!(of(&keyring, Some("shop"), "zyra")[0], ["new"]);
        assert_eq!(of(&keyring, None, "porkbun")[0], ["three"]);
        // Taken back, it is no longer old.
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
