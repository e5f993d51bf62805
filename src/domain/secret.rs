//! Signing secrets, which never appear in output.

mod kind;

use std::fmt;

pub use self::kind::{KeyKind, is_named_public};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// A signing secret as configured.
///
/// `Debug` and `Display` show only its name and fingerprint. The bytes are
/// wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    name: String,
    origin: String,
    value: Zeroizing<Vec<u8>>,
    kind: KeyKind,
}

impl Secret {
    /// Creates a secret. `name` is the endpoint or provider it belongs to;
    /// `origin` is the source of its value: `env:PORKBUN_SECRET`, `creel.toml`
    /// …
    pub fn new(
        name: impl Into<String>,
        origin: impl Into<String>,
        value: impl Into<Vec<u8>>,
    ) -> Self {
        let value = Zeroizing::new(value.into());
        Self {
            name: name.into(),
            origin: origin.into(),
            kind: KeyKind::of(&value),
            value,
        }
    }

    /// Returns the endpoint or provider it belongs to; empty if it applies to
    /// all.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the source of its value.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the secret's bytes as configured, undecoded.
    pub fn reveal(&self) -> &[u8] {
        &self.value
    }

    /// Returns the kind of key that it may be.
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Returns the secrets in this value, as split by [`split_list`]; the
    /// secret itself if it is a single one.
    #[must_use]
    pub fn split(self) -> Vec<Self> {
        let Some(list) = split_list(&self.value) else {
            return vec![self];
        };
        let one = |value: &[u8]| Self::new(self.name.clone(), self.origin.clone(), value);
        list.into_iter().map(one).collect()
    }

    /// Returns the same secret under another name.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..self.clone()
        }
    }

    /// Returns whether two secrets have the same value, regardless of their
    /// names.
    pub fn same_value(&self, other: &Self) -> bool {
        self.value == other.value
    }

    /// Returns the first and last four characters of a long secret, and fewer
    /// of a short one: `whse…4fTq`. Never shows more than a third of it.
    pub fn fingerprint(&self) -> String {
        let text = String::from_utf8_lossy(&self.value);
        let shown: Vec<char> = text
            .chars()
            .map(|c| if c.is_ascii_graphic() { c } else { '?' })
            .collect();
        let each = (shown.len() / 6).min(4);
        let head: String = shown[..each].iter().collect();
        let tail: String = shown[shown.len() - each..].iter().collect();
        format!("{head}…{tail}")
    }
}

/// The prefixes of Standard Webhooks keys: shared secrets and public keys.
const KEY_PREFIXES: [&[u8]; 2] = [b"whsec_", b"whpk_"];

/// Versions that providers write before a key.
const KEY_VERSIONS: [&[u8]; 2] = [b"v1,", b"v1a,"];

/// Splits Standard Webhooks keys as providers display them: after a version
/// (`v1,whsec_…`), and several joined by `|` during a rotation. Returns `None`
/// for a single key and for any other value.
pub fn split_list(value: &[u8]) -> Option<Vec<&[u8]>> {
    let key = |part| {
        let part = <[u8]>::trim_ascii(part);
        let version = KEY_VERSIONS.iter().find_map(|v| part.strip_prefix(*v));
        let key = version.unwrap_or(part);
        let prefix = KEY_PREFIXES.iter().find(|p| key.starts_with(p))?;
        let rest = &key[prefix.len()..];
        (!rest.is_empty() && rest.iter().all(u8::is_ascii_graphic)).then_some(key)
    };
    let keys: Vec<&[u8]> = value
        .split(|b| *b == b'|')
        .map(key)
        .collect::<Option<_>>()?;
    (keys.len() > 1 || keys[0].len() < value.trim_ascii().len()).then_some(keys)
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() {
            "secret"
        } else {
            &self.name
        };
        write!(f, "{name} ({})", self.fingerprint())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self}, from {})", self.origin)
    }
}

/// A secret as entered: the secret itself, `env:NAME` or `file:PATH`.
///
/// `Debug` does not print it, so that it does not appear in messages.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretInput(Zeroizing<String>);

impl SecretInput {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Returns the text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed(…)")
    }
}

impl Serialize for SecretInput {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_its_fingerprint_only() {
        let secret = Secret::new("billing", "literal", "whsec_abcdefghijklmnopqrstuvwx4fTq");
        assert_eq!(secret.to_string(), "billing (whse…4fTq)");
        assert_eq!(
            format!("{secret:?}"),
            "Secret(billing (whse…4fTq), from literal)"
        );
    }

    #[test]
    fn keys_are_split_where_each_has_its_prefix() {
        let split = |value: &str| -> Vec<String> {
            let list = Secret::new("a", "literal", value).split();
            let text = |secret: &Secret| String::from_utf8_lossy(secret.reveal()).into_owned();
            list.iter().map(text).collect()
        };
        for (value, expected) in [
            ("v1,whsec_YWJj", &["whsec_YWJj"][..]),
            ("v1a,whpk_YWJj", &["whpk_YWJj"]),
            (" v1,whsec_YWJj\n", &["whsec_YWJj"]),
            ("whsec_YQ==|whsec_Yg==", &["whsec_YQ==", "whsec_Yg=="]),
            (
                "v1,whsec_YQ== | v1,whsec_Yg==",
                &["whsec_YQ==", "whsec_Yg=="],
            ),
            (
                "v1,whsec_YQ|whsec_Yg|v1a,whpk_Yw",
                &["whsec_YQ", "whsec_Yg", "whpk_Yw"],
            ),
            // Any other value is one secret, byte by byte.
            ("whsec_YWJj", &["whsec_YWJj"]),
            (" whsec_YWJj\n", &[" whsec_YWJj\n"]),
            ("pass|word", &["pass|word"]),
            ("whsec_YWJj|word", &["whsec_YWJj|word"]),
            ("whsec_YWJj|", &["whsec_YWJj|"]),
            ("v1,whsec_", &["v1,whsec_"]),
            ("v1,word", &["v1,word"]),
            ("v2,whsec_YWJj", &["v2,whsec_YWJj"]),
            ("|", &["|"]),
            ("", &[""]),
        ] {
            assert_eq!(split(value), expected, "{value:?}");
        }
    }

    #[test]
    fn shows_nothing_of_a_short_secret() {
        assert_eq!(Secret::new("a", "literal", "abc").fingerprint(), "…");
    }
}
