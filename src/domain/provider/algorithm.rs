//! The vocabulary of a scheme: algorithms, encodings, forms of keys, and units
//! of timestamps.

use serde::{Deserialize, Serialize};

/// The algorithm of a signature.
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
    /// SHA-1 of a text that contains the secret.
    Sha1,
    /// SHA-256 of a text that contains the secret.
    Sha256,
    /// SHA-512 of a text that contains the secret.
    Sha512,
    /// The text itself: a secret that is sent with each delivery.
    Token,
    /// Ed25519 (RFC 8032); the secret is the public key.
    Ed25519,
    /// ECDSA with P-256 and SHA-256 (FIPS 186-5); the secret is the public key.
    /// The signature is in DER, or 64 bytes in a token.
    EcdsaP256Sha256,
    /// RSA PKCS #1 v1.5 with SHA-256 (RFC 8017); the secret is the public key
    /// or a certificate.
    RsaSha256,
    /// RSA PKCS #1 v1.5 with SHA-1.
    RsaSha1,
}

/// The encoding of a signature.
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
    /// Verbatim; for tokens.
    #[serde(rename = "text")]
    Text,
}

/// How a key is derived from a secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyForm {
    /// The bytes of the secret.
    #[default]
    #[serde(rename = "text")]
    Text,
    /// Base64, with or without the prefix `whsec_`.
    #[serde(rename = "whsec")]
    Whsec,
    /// Base64 after the prefix `whsec_`; without the prefix, the bytes of the
    /// secret.
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

/// The unit of a timestamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimeUnit {
    /// Seconds since the Unix epoch.
    #[default]
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds since the Unix epoch.
    #[serde(rename = "ms")]
    Milliseconds,
    /// A date and time according to RFC 3339.
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

    /// Returns whether the verification key differs from the signing key.
    pub const fn is_public(self) -> bool {
        matches!(
            self,
            Self::Ed25519 | Self::EcdsaP256Sha256 | Self::RsaSha256 | Self::RsaSha1
        )
    }

    /// Returns whether the algorithm uses a shared key.
    pub(super) const fn is_keyed(self) -> bool {
        self.family() == Self::HmacSha256.family()
    }

    /// Returns whether the secret is part of the signed text, because the
    /// algorithm has no key.
    pub(super) const fn holds_secret(self) -> bool {
        matches!(self, Self::Sha1 | Self::Sha256 | Self::Sha512 | Self::Token)
    }

    /// Returns a number that is equal for algorithms that accept the same key.
    /// A token may choose among these and no others; otherwise an attacker
    /// could have a public key used as a shared secret.
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
