//! The structure of a signing scheme: the `[signature]` table of a provider's
//! file.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::algorithm::{Algorithm, Encoding, KeyForm, TimeUnit};
use super::requirement::Requirement;
use super::template::Template;
use super::value_source::{RequestView, ValueSource};
use crate::domain::duration_spec::DurationSpec;
use crate::domain::future_tolerance::FutureTolerance;
use crate::domain::request::Request;
use crate::domain::signature::token;

/// A signing scheme: what is signed, how, and where the signature is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own in the file"
)]
pub struct Scheme {
    /// The algorithm of the signature.
    pub algorithm: Algorithm,
    /// The header that carries the signature; empty if it is in the body.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub header: String,
    /// Additional headers with signatures. If there are as many secrets as
    /// headers, each header is verified with its own secret, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// Signatures of other schemes that are sent as well and are not verified.
    /// Each of them is renewed when a delivery is signed again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<CompanionSignature>,
    /// The place of the signature in the body, as a JSON pointer (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// The list in the body whose items are signed individually, as a JSON
    /// pointer. Other pointers in the scheme refer to its first item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<String>,
    /// The format of the header value: `{signature}`, a prefix
    /// (`sha256={signature}`), or labelled parts
    /// (`t={timestamp},v1={signature}`).
    #[serde(default = "bare")]
    pub format: String,
    /// The separator of the entries, if the header is a list.
    pub separator: Option<String>,
    /// Whether a header of labelled parts may occur only once.
    #[serde(default, skip_serializing_if = "is_false")]
    pub once: bool,
    /// Whether the provider's own library rejects a space before a labelled
    /// part. creel accepts it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub library_refuses_blanks: bool,
    /// Whether the provider's own library or sample reads the body as text, in
    /// at least one language, and so rejects bytes that are not UTF-8.
    #[serde(default, skip_serializing_if = "is_false")]
    pub library_reads_text: bool,
    /// The deviations that the provider's own library accepts and creel
    /// rejects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub library_accepts: Vec<Leniency>,
    /// The signed text.
    pub signed: Template,
    /// The place of the timestamp, unless it is in the signature header.
    pub timestamp: Option<ValueSource>,
    /// The unit of the timestamp.
    #[serde(default)]
    pub unit: TimeUnit,
    /// The place of the id in the signed text.
    pub id: Option<ValueSource>,
    /// The encoding of the signature.
    pub encoding: Encoding,
    /// Whether the signature may be written in other ways: hexadecimal in
    /// either case, base64 in either alphabet, with or without padding.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lenient: bool,
    /// How the key is derived from the secret.
    #[serde(default)]
    pub secret: KeyForm,
    /// The place in which the delivery names its key. A secret written as
    /// `ID:SECRET` is then only valid for deliveries that name that id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<ValueSource>,
    /// The name of the parameter that supplies the key id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_param: Option<String>,
    /// The key id that deliveries must name, if that parameter is configured.
    #[serde(skip)]
    pub key: Option<String>,
    /// The tolerance between timestamp and receiver's clock: for the past, and
    /// for the future unless `ahead` is set.
    pub tolerance: Option<DurationSpec>,
    /// The tolerance for future timestamps, if it differs.
    #[serde(default, skip_serializing_if = "FutureTolerance::is_same")]
    pub ahead: FutureTolerance,
    /// Whether a delivery exactly as old as the tolerance is rejected.
    #[serde(default, skip_serializing_if = "is_false")]
    pub exclusive: bool,
    /// Whether the timestamp must be a valid time although its age is not
    /// checked.
    #[serde(default, skip_serializing_if = "is_false")]
    pub strict_time: bool,
    /// Whether the signed address may be with or without its port.
    #[serde(default, skip_serializing_if = "is_false")]
    pub any_port: bool,
    /// The headers that `{headers}` expands to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<HeaderList>,
    /// How the signature is read if it is a JSON Web Token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt: Option<Jwt>,
    /// A second kind of signature in the same list, made with a private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asymmetric: Option<Asymmetric>,
    /// Alternative names of the sender's headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<HeaderNames>,
    /// The versions of the scheme. The version that a delivery names is looked
    /// up here; `creel sign` uses the first.
    #[serde(default, rename = "variant", skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Variant>,
    /// Requirements beyond the signature.
    #[serde(default, rename = "require", skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<Requirement>,
}

/// A signature of another scheme, made with the same secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompanionSignature {
    /// The header that carries it.
    pub header: String,
    /// The algorithm; `None` if it is not known, so that the signature is
    /// removed when the delivery is signed again.
    pub algorithm: Option<Algorithm>,
    /// The format of the header value.
    #[serde(default = "bare")]
    pub format: String,
    /// The signed text; `None` if it is the same.
    pub signed: Option<Template>,
    /// The encoding; `None` if it is the same.
    pub encoding: Option<Encoding>,
    /// The header with its own copy of the timestamp.
    pub timestamp: Option<String>,
    /// The place in which the delivery names the version of this signature.
    pub at: Option<ValueSource>,
    /// The name of the version that this entry describes.
    pub is: Option<String>,
}

/// The headers in the signed text, as `name:value`, sorted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderList {
    /// The header that lists them, separated by commas.
    pub named_by: String,
    /// The separator between two headers in the signed text.
    pub join: String,
    /// The headers that the provider usually lists.
    #[serde(default)]
    pub usual: Vec<String>,
}

/// A signature made with a private key, in addition to one made with a shared
/// secret: `v1a` of Standard Webhooks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asymmetric {
    /// The format of an entry: `v1a,{signature}`.
    pub format: String,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The form of the public key.
    pub secret: KeyForm,
}

/// The names of the headers that belong to a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderNames {
    /// The header that carries the signature.
    pub signature: String,
    /// The header that carries the timestamp.
    pub timestamp: Option<String>,
    /// The header that carries the id.
    pub id: Option<String>,
}

/// A deviation that a library accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leniency {
    /// Base64 without its padding.
    Padding,
    /// Base64 in the URL-safe alphabet.
    Alphabet,
    /// In quotes.
    Quotes,
    /// With more text after it.
    Trailing,
}

/// How a JSON Web Token (RFC 7519) is verified.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// The tolerance for `exp` and `nbf`.
    pub leeway: DurationSpec,
    /// The lifetime of a token that `creel sign` makes.
    pub lifetime: DurationSpec,
}

/// A version of a scheme: when it applies and what it changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// The place in which the delivery names its version.
    pub at: ValueSource,
    /// The names of this version; empty matches any.
    #[serde(default)]
    pub is: Vec<String>,
    /// The algorithm of the signature.
    pub algorithm: Option<Algorithm>,
    /// The signed text.
    pub signed: Option<Template>,
    /// Additional requirements of this version.
    #[serde(default)]
    pub require: Vec<Requirement>,
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

    /// Describes the tolerance between timestamp and receiver's clock; returns
    /// `None` if no limit is documented.
    pub fn limit(&self) -> Option<String> {
        let seconds = self.tolerance?.seconds();
        Some(self.ahead.limit(seconds.cast_signed()))
    }

    /// Returns the place of the signature for a message.
    pub fn place(&self) -> String {
        match &self.pointer {
            Some(pointer) => format!("{pointer} in the body"),
            None => self.header.clone(),
        }
    }

    /// Returns whether the verification key can also make signatures.
    pub const fn shared_secret(&self) -> bool {
        !self.algorithm.is_public()
    }

    /// Returns whether the signature is an HMAC over nothing but body, time,
    /// id, method and address, so that each of them can be varied.
    pub fn is_plain(&self) -> bool {
        self.algorithm.is_keyed()
            && self.pointer.is_none()
            && self.jwt.is_none()
            && self.variants.is_empty()
            && self.signed.is_plain()
    }

    /// Returns the scheme of the entries that are made with a private key;
    /// `None` if there are none.
    pub fn asymmetric_version(&self) -> Option<Self> {
        let asymmetric = self.asymmetric.as_ref()?;
        Some(Self {
            algorithm: asymmetric.algorithm,
            format: asymmetric.format.clone(),
            secret: asymmetric.secret,
            asymmetric: None,
            ..self.clone()
        })
    }

    /// Returns the header names of a request if some differ from the scheme's
    /// own. Each absent header may have its alias, as in Svix's libraries.
    fn names_in(&self, request: &Request) -> Option<HeaderNames> {
        let alias = self.alias.as_ref()?;
        let name = |own: &str, other: &str| {
            let aliased = !request.headers.contains(own) && request.headers.contains(other);
            (if aliased { other } else { own }).to_owned()
        };
        let of = |own: &Option<ValueSource>, other: &Option<String>| {
            let own = own.as_ref()?.header.as_deref()?;
            Some(name(own, other.as_deref().unwrap_or(own)))
        };
        let names = HeaderNames {
            signature: name(&self.header, &alias.signature),
            timestamp: of(&self.timestamp, &alias.timestamp),
            id: of(&self.id, &alias.id),
        };
        let same = names.signature == self.header
            && names.timestamp.as_deref() == self.timestamp.as_ref()?.header.as_deref()
            && names.id.as_deref() == self.id.as_ref()?.header.as_deref();
        (!same).then_some(names)
    }

    /// Returns the scheme in the version that a request names.
    pub fn for_request(&self, request: &Request) -> Cow<'_, Self> {
        let mut scheme = Cow::Borrowed(self);
        if let Some(names) = self.names_in(request) {
            let scheme = scheme.to_mut();
            scheme.header.clone_from(&names.signature);
            scheme.timestamp = names.timestamp.as_deref().map(ValueSource::header);
            scheme.id = names.id.as_deref().map(ValueSource::header);
        }
        let view = RequestView::of(request);
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
                .and_then(|value| token::JsonWebToken::read(value)?.algorithm())
            && named != self.algorithm
            && named.family() == self.algorithm.family()
        {
            scheme.to_mut().algorithm = named;
        }
        scheme
    }

    /// Returns the scheme of a companion signature; `None` if it is not known.
    pub fn companion_scheme(
        &self,
        header: &str,
        request: &Request,
    ) -> Option<(Self, &CompanionSignature)> {
        let beside = self
            .beside
            .iter()
            .find(|b| b.header == header && b.fits(request))?;
        let mut scheme = self.clone();
        scheme.algorithm = beside.algorithm?;
        scheme.header.clone_from(&beside.header);
        scheme.format.clone_from(&beside.format);
        scheme.encoding = beside.encoding.unwrap_or(scheme.encoding);
        if let Some(signed) = &beside.signed {
            scheme.signed = signed.clone();
        }
        Some((scheme, beside))
    }

    /// Returns the headers other than the first that carry a signature or a
    /// copy of the time.
    pub fn additional_headers(&self) -> impl Iterator<Item = &str> {
        let beside = self.beside.iter();
        let others = beside.flat_map(|b| [Some(&b.header), b.timestamp.as_ref()]);
        let all = self.also.iter().chain(others.flatten());
        all.map(String::as_str)
    }

    /// Returns the version that a request names if it is not a known one.
    pub(crate) fn unknown_version(&self, view: &RequestView<'_>) -> Option<(&ValueSource, String)> {
        let twice = self.variants.iter().find(|variant| {
            let pointer = variant.at.pointer.as_ref();
            pointer.is_some_and(|pointer| view.is_repeated(pointer))
        });
        if let Some(variant) = twice {
            return Some((&variant.at, "two values".to_owned()));
        }
        self.variants.iter().find_map(|variant| {
            let said = variant.at.read_word(view)?;
            let known = self
                .variants
                .iter()
                .any(|other| other.at == variant.at && other.means(&said));
            (!known).then_some((&variant.at, said))
        })
    }
}

impl CompanionSignature {
    fn fits(&self, request: &Request) -> bool {
        self.at
            .as_ref()
            .is_none_or(|at| at.read(request) == self.is)
    }
}

impl Variant {
    fn fits(&self, view: &RequestView<'_>) -> bool {
        self.at
            .read_word(view)
            .is_some_and(|said| self.means(&said))
    }

    fn means(&self, said: &str) -> bool {
        self.is.is_empty() || self.is.iter().any(|word| word == said)
    }
}
