//! The shape of a signing scheme: the `[signature]` table of a provider's file.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::definition::Wrong;
use super::place::{Source, View};
use super::span::Span;
use super::template::{Part, Template};
use crate::domain::request::Request;
use crate::domain::signature::token;

/// A signing scheme: what is signed, how, and where the signature stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own in the file"
)]
pub struct Scheme {
    /// How the signature is made.
    pub algorithm: Algorithm,
    /// The header that carries the signature; empty where it stands in the body.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub header: String,
    /// Further headers that carry signatures. Where there are as many secrets
    /// as headers, each header is checked with its own, in that order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// Where the signature stands in the body, as a JSON pointer (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// What stands in that header: `{signature}`, a prefix before it
    /// (`sha256={signature}`), or labelled parts (`t={timestamp},v1={signature}`).
    #[serde(default = "bare")]
    pub format: String,
    /// What parts the entries where the header is a list.
    pub separator: Option<String>,
    /// Whether a header of labelled parts may come only once.
    #[serde(default, skip_serializing_if = "is_false")]
    pub once: bool,
    /// The text that is signed.
    pub signed: Template,
    /// Where the timestamp is, unless it stands in the signature header.
    pub timestamp: Option<Source>,
    /// What the timestamp counts.
    #[serde(default)]
    pub unit: TimeUnit,
    /// Where the id is that is part of the signed text.
    pub id: Option<Source>,
    /// How the signature is written.
    pub encoding: Encoding,
    /// Whether the same signature may be written in other ways: hexadecimal in
    /// either case, base64 in either alphabet, with padding or without.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lenient: bool,
    /// How the secret becomes a key.
    #[serde(default)]
    pub secret: KeyForm,
    /// Where the delivery names its key. A secret written as `ID:SECRET` is
    /// then only for deliveries that name that id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<Source>,
    /// How far the timestamp may be from the receiver's clock, either way.
    pub tolerance: Option<Span>,
    /// How far it may lie ahead, where that differs.
    #[serde(default, skip_serializing_if = "Ahead::is_same")]
    pub ahead: Ahead,
    /// Whether a delivery exactly as old as the tolerance is too old.
    #[serde(default, skip_serializing_if = "is_false")]
    pub exclusive: bool,
    /// Whether the timestamp must be a time, although its age does not count.
    #[serde(default, skip_serializing_if = "is_false")]
    pub strict_time: bool,
    /// Whether the signed address may be with or without its port.
    #[serde(default, skip_serializing_if = "is_false")]
    pub any_port: bool,
    /// Which headers `{headers}` stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<HeaderList>,
    /// That the signature is a JSON Web Token, and how it is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt: Option<Jwt>,
    /// Versions of the scheme. What a delivery says of its version is looked
    /// up here; `creel sign` makes the first.
    #[serde(default, rename = "variant", skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Variant>,
    /// What must hold besides the signature.
    #[serde(default, rename = "require", skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<Requirement>,
}

/// The headers that are part of the signed text, as `name:value`, sorted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderList {
    /// The header that names them, parted by commas.
    pub named_by: String,
    /// What stands between two of them in the signed text.
    pub join: String,
    /// Those that the provider usually names.
    #[serde(default)]
    pub usual: Vec<String>,
}

/// How a JSON Web Token (RFC 7519) is read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// How far the clocks may differ where `exp` and `nbf` are checked.
    pub leeway: Span,
    /// How long a token is valid that `creel sign` makes.
    pub lifetime: Span,
}

/// A version of a scheme: where it applies and what it changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Where the delivery says which version it is.
    pub at: Source,
    /// The words for this version; empty: any.
    #[serde(default)]
    pub is: Vec<String>,
    /// How the signature is made.
    pub algorithm: Option<Algorithm>,
    /// The text that is signed.
    pub signed: Option<Template>,
    /// What must hold besides, in this version only.
    #[serde(default)]
    pub require: Vec<Requirement>,
}

/// What must hold besides the signature.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Where the value stands; it must be there.
    pub at: Source,
    /// What the value must be.
    pub is: Option<Template>,
    /// What it must look like; any one of these suffices. A `*` stands for
    /// letters, digits, `-` and `_`.
    #[serde(default)]
    pub like: Vec<String>,
    /// What does not count in the comparison.
    #[serde(default)]
    pub but: But,
    /// Whether it may be absent where there is no body.
    #[serde(default)]
    pub only_with_body: bool,
    /// What a delivery is that does not meet it.
    #[serde(default, rename = "else")]
    pub otherwise: Otherwise,
}

/// What does not count when a required value is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum But {
    /// Everything counts.
    #[default]
    Nothing,
    /// Upper and lower case are the same, as in hexadecimal.
    Case,
    /// `=` at the end is left out, as in base64.
    Padding,
}

/// What a delivery is that does not meet a requirement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Otherwise {
    /// Not authentic.
    #[default]
    Invalid,
    /// Not of the scheme's form.
    Malformed,
}

/// How far ahead of the receiver's clock a timestamp may lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ahead {
    /// As far as it may lie behind.
    #[default]
    Same,
    /// Any time ahead is accepted.
    Any,
    /// Up to this.
    Within(Span),
}

impl Ahead {
    fn is_same(&self) -> bool {
        *self == Self::Same
    }
}

impl Serialize for Ahead {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Same => serializer.serialize_str("same"),
            Self::Any => serializer.serialize_str("any"),
            Self::Within(span) => span.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Ahead {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "same" => Ok(Self::Same),
            "any" => Ok(Self::Any),
            _ => Span::parse(&text).map(Self::Within).ok_or_else(|| {
                serde::de::Error::custom(format!(
                    "{text:?} is neither \"any\" nor a span of time such as \"0s\" or \"5m\""
                ))
            }),
        }
    }
}

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

fn bare() -> String {
    "{signature}".to_owned()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
const fn is_false(value: &bool) -> bool {
    !*value
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

    /// Returns where the signature stands, as a sentence names it.
    pub fn place(&self) -> String {
        match &self.pointer {
            Some(pointer) => format!("{pointer} in the body"),
            None => self.header.clone(),
        }
    }

    /// Says whether whoever can check a signature could also make one.
    pub const fn shared_secret(&self) -> bool {
        !self.algorithm.is_public()
    }

    /// Says whether the signature is an HMAC over no more than body, time, id,
    /// method and address, so that each of them can be varied by itself.
    pub fn is_plain(&self) -> bool {
        self.algorithm.is_keyed()
            && self.pointer.is_none()
            && self.jwt.is_none()
            && self.variants.is_empty()
            && self.signed.is_plain()
    }

    /// Returns the scheme in the version that a request says it has.
    pub fn suited(&self, request: &Request) -> Cow<'_, Self> {
        let mut scheme = Cow::Borrowed(self);
        let view = View::of(request);
        for variant in self.variants.iter().filter(|v| v.fits(&view)) {
            let scheme = scheme.to_mut();
            scheme.algorithm = variant.algorithm.unwrap_or(scheme.algorithm);
            if let Some(signed) = &variant.signed {
                scheme.signed = signed.clone();
            }
            scheme.requirements.extend(variant.require.iter().cloned());
        }
        if self.jwt.is_some()
            && let Some(named) = request
                .headers
                .first(&self.header)
                .and_then(|value| token::Token::read(value)?.algorithm())
            && named != self.algorithm
            && named.family() == self.algorithm.family()
        {
            scheme.to_mut().algorithm = named;
        }
        scheme
    }

    /// Finds what a request says of its version where no version is called so.
    pub(crate) fn unknown_version(&self, view: &View<'_>) -> Option<(&Source, String)> {
        self.variants.iter().find_map(|variant| {
            let said = variant.at.read_in(view)?;
            let known = self
                .variants
                .iter()
                .any(|other| other.at == variant.at && other.means(&said));
            (!known).then_some((&variant.at, said))
        })
    }

    /// Finds contradictions that the shape alone does not rule out.
    pub(super) fn check(&self) -> Result<(), Wrong> {
        let no = |what: &str, next| Err((what.to_owned(), next));
        let places = [&self.timestamp, &self.id, &self.key_id];
        let wanted = self.requirements.iter().map(|r| &r.at);
        let versions = self.variants.iter().map(|v| &v.at);
        for place in places.into_iter().flatten().chain(wanted).chain(versions) {
            place.check()?;
            if place.claim.is_some() && self.jwt.is_none() {
                return no(
                    "a claim is named, and the signature is no JSON Web Token.",
                    "Add the table [signature.jwt], or name a header",
                );
            }
        }
        if self.variants.iter().any(|v| v.at.claim.is_some()) {
            return no(
                "a version cannot stand in a claim.",
                "Name a header, a pointer or a parameter of the query under [[signature.variant]]",
            );
        }
        if self.header.is_empty() == self.pointer.is_none() {
            return no(
                "a signature stands in a header or, by its pointer, in the body.",
                "Write, for example, header = \"x-acme-signature\" under [signature]",
            );
        }
        if !self.format.contains("{signature}") {
            return no(
                "signature.format has no {signature}.",
                "Write, for example, format = \"sha256={signature}\"",
            );
        }
        if (self.encoding == Encoding::Text) != (self.algorithm == Algorithm::Token) {
            return no(
                "the encoding \"text\" is for tokens, and tokens have no other.",
                "Write encoding = \"hex\" or encoding = \"base64\", whichever the provider sends",
            );
        }
        self.check_signed(self.algorithm, &self.signed)?;
        for variant in &self.variants {
            let algorithm = variant.algorithm.unwrap_or(self.algorithm);
            self.check_signed(algorithm, variant.signed.as_ref().unwrap_or(&self.signed))?;
        }
        Ok(())
    }

    fn check_signed(&self, algorithm: Algorithm, signed: &Template) -> Result<(), Wrong> {
        let no = |what: &str, next| Err((what.to_owned(), next));
        if self.jwt.is_some() != signed.has(&Part::Token) {
            return no(
                "a JSON Web Token signs {token}, and only it does.",
                "Write signed = \"{token}\" and the table [signature.jwt], or neither",
            );
        }
        if algorithm.holds_secret() != signed.has(&Part::Secret) {
            return no(
                "{secret} is part of the text where the algorithm is a plain hash or a token, and only there.",
                "Write, for example, algorithm = \"sha256\" and signed = \"{secret}{body}\"",
            );
        }
        let about_the_body = signed.reads_body() || algorithm == Algorithm::Token;
        if !about_the_body && !self.requires_body() {
            return no(
                "signature.signed has no {body}.",
                "Write, for example, signed = \"{timestamp}.{body}\"",
            );
        }
        let in_header = self.format.contains("{timestamp}");
        if signed.has(&Part::Timestamp) && self.timestamp.is_none() && !in_header {
            return no(
                "nothing says where the timestamp is.",
                "Add timestamp = { header = \"…\" } under [signature]",
            );
        }
        if signed.has(&Part::Id) && self.id.is_none() {
            return no(
                "nothing says where the id is.",
                "Add id = { header = \"…\" } under [signature]",
            );
        }
        if signed.has(&Part::Headers) && self.headers.is_none() {
            return no(
                "nothing says which headers are signed.",
                "Add headers = { named_by = \"…\", join = \";\" } under [signature]",
            );
        }
        Ok(())
    }

    /// Says whether a requirement binds the body to what is signed.
    fn requires_body(&self) -> bool {
        let variants = self.variants.iter().flat_map(|v| &v.require);
        self.requirements
            .iter()
            .chain(variants)
            .filter_map(|r| r.is.as_ref())
            .any(Template::reads_body)
    }
}

impl Variant {
    fn fits(&self, view: &View<'_>) -> bool {
        self.at.read_in(view).is_some_and(|said| self.means(&said))
    }

    fn means(&self, said: &str) -> bool {
        self.is.is_empty() || self.is.iter().any(|word| word == said)
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
    const fn holds_secret(self) -> bool {
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
