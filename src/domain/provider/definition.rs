//! The shape of a provider's TOML file.

use serde::{Deserialize, Serialize};

use super::span::Span;
use super::template::{Part, Template};
use crate::domain::failure::Failure;
use crate::domain::mend;

/// A provider: who it is, how it signs, what it promises of its sending side.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The name used in configuration and JSON: `stack-auth`.
    pub name: String,
    /// The name as people write it: `Stack Auth`.
    pub title: String,
    /// The address of its documentation.
    pub docs: Option<String>,
    /// Whether the definition rests on its own documentation or library;
    /// `false` where it rests on what others say.
    #[serde(default = "yes")]
    pub verified: bool,
    /// Providers of one family sign alike and accept each other's secrets.
    pub family: Option<String>,
    /// How its deliveries are told from others.
    #[serde(default)]
    pub detect: Detect,
    /// How it signs; `None`: it does not.
    pub signature: Option<Scheme>,
    /// Where the event's name and id are.
    #[serde(default)]
    pub fields: Fields,
    /// What it promises of its sending side.
    #[serde(default)]
    pub sender: Sender,
    /// The events it names; an unknown one is normal.
    #[serde(default)]
    pub events: Vec<String>,
    /// Things worth knowing where its deliveries are shown.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// How a provider's deliveries are told from others.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Detect {
    /// Any of these headers speaks for it.
    pub headers: Vec<String>,
    /// Only where the event is one of those it names.
    pub known_event: bool,
}

/// A signing scheme: an HMAC over a template, carried in a header.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scheme {
    /// How the digest is made.
    pub algorithm: Algorithm,
    /// The header that carries the signature.
    pub header: String,
    /// What stands in that header: `{signature}`, a prefix before it
    /// (`sha256={signature}`), or labelled parts (`t={timestamp},v1={signature}`).
    #[serde(default = "bare")]
    pub format: String,
    /// What parts the entries where the header is a list.
    pub separator: Option<String>,
    /// The text that is signed.
    pub signed: Template,
    /// Where the timestamp is, unless it stands in the signature header.
    pub timestamp: Option<Source>,
    /// What the timestamp counts.
    #[serde(default)]
    pub unit: TimeUnit,
    /// Where the id is that is part of the signed text.
    pub id: Option<Source>,
    /// How the digest is written.
    pub encoding: Encoding,
    /// How the secret becomes a key.
    #[serde(default)]
    pub secret: KeyForm,
    /// How far the timestamp may be from the receiver's clock, either way.
    pub tolerance: Option<Span>,
}

/// Where the event's name and id are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fields {
    /// The provider's own id of the event: the same in every retry.
    pub delivery_id: Option<Source>,
    /// What happened.
    pub event: Option<Source>,
}

/// A place in a request: a header, or a JSON pointer into the body (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The header.
    pub header: Option<String>,
    /// The JSON pointer.
    pub pointer: Option<String>,
}

/// What a provider's documentation promises of its sending side.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sender {
    /// How long it waits for an answer.
    pub answer_within: Option<Span>,
    /// What it says of that, where it gives no number.
    pub answer_note: Option<String>,
    /// The waits before the second, third … attempt.
    pub retry: Vec<Span>,
    /// What it says of retries, where it gives no numbers or more than them.
    pub retry_note: Option<String>,
    /// How many attempts it makes in all.
    pub attempts: Option<u32>,
    /// After how many failures in a row it stops sending to an endpoint.
    pub disabled_after_failures: Option<u32>,
    /// The event it sends to try an endpoint.
    pub test_event: Option<String>,
    /// What it sends when an endpoint is registered, and what it expects.
    pub handshake: Option<String>,
    /// How long its own delivery history reaches back.
    pub history: Option<Span>,
}

/// How a digest is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// HMAC with SHA-1.
    HmacSha1,
    /// HMAC with SHA-256 (RFC 2104, FIPS 180-4).
    HmacSha256,
    /// HMAC with SHA-384.
    HmacSha384,
    /// HMAC with SHA-512.
    HmacSha512,
}

/// How a digest is written.
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
    /// Base64.
    #[serde(rename = "base64")]
    Base64,
    /// Hexadecimal.
    #[serde(rename = "hex")]
    Hex,
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

const fn yes() -> bool {
    true
}

fn bare() -> String {
    "{signature}".to_owned()
}

impl Provider {
    /// Reads a provider from the text of its file.
    ///
    /// # Errors
    /// A [`Failure`] that names the file, the line and the mend.
    pub fn parse(file: &str, text: &str) -> Result<Self, Failure> {
        let provider: Self =
            toml::from_str(text).map_err(|error| mend::explain(file, text, &error))?;
        provider.check().map_err(|(what, next)| {
            Failure::usage(
                format!("{file}: {what}"),
                "The definition would never match a delivery.",
                next,
            )
        })?;
        Ok(provider)
    }

    /// Finds contradictions that the shape alone does not rule out.
    fn check(&self) -> Result<(), (String, &'static str)> {
        let no = |what: &str, next| Err((what.to_owned(), next));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return no(
                "the name is not made of a-z, 0-9 and -.",
                "Write, for example, name = \"acme\"",
            );
        }
        for source in [&self.fields.delivery_id, &self.fields.event]
            .into_iter()
            .flatten()
        {
            source.check()?;
        }
        let Some(scheme) = &self.signature else {
            return Ok(());
        };
        for source in [&scheme.timestamp, &scheme.id].into_iter().flatten() {
            source.check()?;
        }
        if !scheme.format.contains("{signature}") {
            return no(
                "signature.format has no {signature}.",
                "Write, for example, format = \"sha256={signature}\"",
            );
        }
        if !scheme.signed.has(&Part::Body) {
            return no(
                "signature.signed has no {body}.",
                "Write, for example, signed = \"{timestamp}.{body}\"",
            );
        }
        let in_header = scheme.format.contains("{timestamp}");
        if scheme.signed.has(&Part::Timestamp) && scheme.timestamp.is_none() && !in_header {
            return no(
                "nothing says where the timestamp is.",
                "Add timestamp = { header = \"…\" } under [signature]",
            );
        }
        if scheme.signed.has(&Part::Id) && scheme.id.is_none() {
            return no(
                "nothing says where the id is.",
                "Add id = { header = \"…\" } under [signature]",
            );
        }
        Ok(())
    }

    /// Describes the scheme in a few words: `hmac-sha256 over {timestamp}.{body}, hex`.
    pub fn scheme(&self) -> String {
        match &self.signature {
            Some(scheme) => scheme.describe(),
            None => "not signed".to_owned(),
        }
    }

    /// Returns how long the provider waits for an answer, in milliseconds; `None`: not stated.
    pub fn answer_within_ms(&self) -> Option<u64> {
        self.sender.answer_within.map(|span| span.0)
    }

    /// Returns the waits between attempts, in seconds; empty: not stated.
    pub fn retry_seconds(&self) -> Vec<u64> {
        self.sender
            .retry
            .iter()
            .map(|span| span.seconds())
            .collect()
    }
}

impl Source {
    fn check(&self) -> Result<(), (String, &'static str)> {
        if self.header.is_some() == self.pointer.is_some() {
            return Err((
                "a place is either a header or a pointer.".to_owned(),
                "Write { header = \"x-acme-id\" } or { pointer = \"/id\" }",
            ));
        }
        Ok(())
    }
}

impl Scheme {
    /// Describes the scheme in a few words.
    pub fn describe(&self) -> String {
        format!(
            "{} over {}, {}",
            self.algorithm.word(),
            self.signed.text(),
            self.encoding.word()
        )
    }
}

impl Algorithm {
    /// Returns the word used in files and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::HmacSha1 => "hmac-sha1",
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
        }
    }

    /// Returns the digest's size in bytes.
    pub const fn size(self) -> usize {
        match self {
            Self::HmacSha1 => 20,
            Self::HmacSha256 => 32,
            Self::HmacSha384 => 48,
            Self::HmacSha512 => 64,
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
        }
    }
}
