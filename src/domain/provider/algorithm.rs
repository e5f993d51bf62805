//! The words of a scheme: how a signature is made and written, how a secret
//! becomes a key, what a timestamp counts.

use serde::{Deserialize, Serialize};

/// How a signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// HMAC with SHA-1 (RFC 2104, FIPS 180-4).
    HmacSha1,
    /// HMAC with SHA-256.
    HmacSha256,
    /// HMAC with SHA-384.
    HmacSha384,
    /// HMAC with SHA-512.
    HmacSha512,
    /// SHA-1 of a text that holds the secret.
    Sha1,
    /// SHA-256 of a text that holds the secret.
    Sha256,
    /// SHA-512 of a text that holds the secret.
    Sha512,
    /// The text itself: a secret that is sent along.
    Token,
    /// Ed25519 (RFC 8032); the secret is the public key.
    Ed25519,
    /// ECDSA with P-256 and SHA-256 (FIPS 186-5); the secret is the public
    /// key, the signature is in DER, or 64 bytes in a token.
    EcdsaP256Sha256,
    /// RSA PKCS #1 v1.5 with SHA-256 (RFC 8017); the secret is the public key
    /// or a certificate.
    RsaSha256,
    /// RSA PKCS #1 v1.5 with SHA-1.
    RsaSha1,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// Lower-case hexadecimal.
    #[serde(rename = "hex")]
    Hex,
    /// Base64 with the standard alphabet and padding (RFC 4648 section 4).
    #[serde(rename = "base64")]
    Base64,
    /// Base64 with the URL-safe alphabet, no padding (RFC 4648 section 5).
    #[serde(rename = "base64url")]
    Base64Url,
    /// As it is; for tokens.
    #[serde(rename = "text")]
    Text,
}

/// How a secret becomes a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyForm {
    /// Its bytes as they are.
    #[default]
    #[serde(rename = "text")]
    Text,
    /// Base64, with or without the prefix `whsec_`.
    #[serde(rename = "whsec")]
    Whsec,
    /// Base64 after the prefix `whsec_`; without the prefix its bytes as they are.
    #[serde(rename = "whsec-or-text")]
    WhsecOrText,
    /// Base64.
    #[serde(rename = "base64")]
    Base64,
    /// Hexadecimal.
    #[serde(rename = "hex")]
    Hex,
    /// Base64 after the prefix `whpk_`: an Ed25519 public key as Standard
    /// Webhooks writes it.
    #[serde(rename = "whpk")]
    Whpk,
    /// A public key or a certificate in PEM (RFC 7468).
    #[serde(rename = "pem")]
    Pem,
}

/// What a timestamp counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimeUnit {
    /// Seconds since the Unix epoch.
    #[default]
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds since the Unix epoch.
    #[serde(rename = "ms")]
    Milliseconds,
    /// A date and time as RFC 3339 writes it.
    #[serde(rename = "rfc3339")]
    Rfc3339,
}

impl Algorithm {
    /// Returns the word used in files and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::HmacSha1 => "hmac-sha1",
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Token => "token",
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
            Self::RsaSha256 => "rsa-sha256",
            Self::RsaSha1 => "rsa-sha1",
        }
    }

    /// Returns the signature's size in bytes; 0 where it has no fixed size.
    pub const fn size(self) -> usize {
        match self {
            Self::HmacSha1 | Self::Sha1 => 20,
            Self::HmacSha256 | Self::Sha256 => 32,
            Self::HmacSha384 => 48,
            Self::HmacSha512 | Self::Sha512 | Self::Ed25519 => 64,
            Self::Token | Self::EcdsaP256Sha256 | Self::RsaSha256 | Self::RsaSha1 => 0,
        }
    }

    /// Says whether the key that checks is not the key that signs.
    pub const fn is_public(self) -> bool {
        matches!(
            self,
            Self::Ed25519 | Self::EcdsaP256Sha256 | Self::RsaSha256 | Self::RsaSha1
        )
    }

    /// Says whether it takes a key that both sides have.
    pub(super) const fn is_keyed(self) -> bool {
        self.family() == Self::HmacSha256.family()
    }

    /// Says whether the secret is part of the text, for there is no key.
    pub(super) const fn holds_secret(self) -> bool {
        matches!(self, Self::Sha1 | Self::Sha256 | Self::Sha512 | Self::Token)
    }

    /// Returns a number that is the same for algorithms that take the same
    /// key. A token may choose among these, and among no others: else one
    /// could have a public key taken for a shared secret.
    pub(crate) const fn family(self) -> u8 {
        match self {
            Self::HmacSha1 | Self::HmacSha256 | Self::HmacSha384 | Self::HmacSha512 => 0,
            Self::Sha1 | Self::Sha256 | Self::Sha512 => 1,
            Self::Token => 2,
            Self::Ed25519 => 3,
            Self::EcdsaP256Sha256 => 4,
            Self::RsaSha256 | Self::RsaSha1 => 5,
        }
    }
}

impl Encoding {
    /// Returns the word used in files and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::Base64 => "base64",
            Self::Base64Url => "base64url",
            Self::Text => "text",
        }
    }
}
