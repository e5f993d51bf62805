//! The shape of a signing scheme: the `[signature]` table of a provider's file.

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
    /// Signatures of other schemes that come beside this one and are not
    /// checked. Where a delivery is signed afresh, each that it has is renewed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<CompanionSignature>,
    /// Where the signature stands in the body, as a JSON pointer (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// The list in the body whose items are each signed by themselves, as a
    /// JSON pointer. Pointers in the scheme name its first item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<String>,
    /// What stands in that header: `{signature}`, a prefix before it
    /// (`sha256={signature}`), or labelled parts (`t={timestamp},v1={signature}`).
    #[serde(default = "bare")]
    pub format: String,
    /// What parts the entries where the header is a list.
    pub separator: Option<String>,
    /// Whether a header of labelled parts may come only once.
    #[serde(default, skip_serializing_if = "is_false")]
    pub once: bool,
    /// Whether the provider's own library refuses a blank before one of the
    /// labelled parts, which is read all the same.
    #[serde(default, skip_serializing_if = "is_false")]
    pub library_refuses_blanks: bool,
    /// In which other spellings the provider's own library accepts a signature
    /// that is refused here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub library_accepts: Vec<Leniency>,
    /// The text that is signed.
    pub signed: Template,
    /// Where the timestamp is, unless it stands in the signature header.
    pub timestamp: Option<ValueSource>,
    /// What the timestamp counts.
    #[serde(default)]
    pub unit: TimeUnit,
    /// Where the id is that is part of the signed text.
    pub id: Option<ValueSource>,
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
    pub key_id: Option<ValueSource>,
    /// What that key is called where it is given as a parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_param: Option<String>,
    /// The key that deliveries must name, where that parameter is given.
    #[serde(skip)]
    pub key: Option<String>,
    /// How far the timestamp may be from the receiver's clock: back, and ahead
    /// as far unless `ahead` says otherwise.
    pub tolerance: Option<DurationSpec>,
    /// How far it may lie ahead, where that differs.
    #[serde(default, skip_serializing_if = "FutureTolerance::is_same")]
    pub ahead: FutureTolerance,
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
    /// A second kind of signature that may stand in the same list, made with
    /// a private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asymmetric: Option<Asymmetric>,
    /// Further names that the sender's headers may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<HeaderNames>,
    /// Versions of the scheme. What a delivery says of its version is looked
    /// up here; `creel sign` makes the first.
    #[serde(default, rename = "variant", skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Variant>,
    /// What must hold besides the signature.
    #[serde(default, rename = "require", skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<Requirement>,
}

/// A signature of another scheme, made with the same secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompanionSignature {
    /// The header that carries it.
    pub header: String,
    /// How it is made; `None`: not known, so that it is taken away where the
    /// delivery is signed afresh.
    pub algorithm: Option<Algorithm>,
    /// What stands in the header.
    #[serde(default = "bare")]
    pub format: String,
    /// The text that is signed; `None`: the same.
    pub signed: Option<Template>,
    /// How the signature is written; `None`: the same way.
    pub encoding: Option<Encoding>,
    /// The header that carries its own copy of the timestamp.
    pub timestamp: Option<String>,
    /// Where the delivery names this signature's version.
    pub at: Option<ValueSource>,
    /// The word for the version that this entry describes.
    pub is: Option<String>,
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

/// A signature made with a private key that may stand beside one made with a
/// shared secret: Standard Webhooks' `v1a`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asymmetric {
    /// What an entry looks like: `v1a,{signature}`.
    pub format: String,
    /// How the signature is made.
    pub algorithm: Algorithm,
    /// How a public key is written.
    pub secret: KeyForm,
}

/// The names of the headers that a signature is made of.
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

/// A spelling of a signature that a library accepts beside the scheme's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leniency {
    /// Base64 without its padding.
    Padding,
    /// Base64 in the URL-safe alphabet.
    Alphabet,
    /// Between quotes.
    Quotes,
}

/// How a JSON Web Token (RFC 7519) is read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// How far the clocks may differ where `exp` and `nbf` are checked.
    pub leeway: DurationSpec,
    /// How long a token is valid that `creel sign` makes.
    pub lifetime: DurationSpec,
}

/// A version of a scheme: where it applies and what it changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Where the delivery says which version it is.
    pub at: ValueSource,
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

    /// Says how far the timestamp may be from the receiver's clock; `None`
    /// where no limit is stated.
    pub fn limit(&self) -> Option<String> {
        let seconds = self.tolerance?.seconds();
        Some(self.ahead.limit(seconds.cast_signed()))
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

    /// Returns the scheme of the entries that are made with a private key;
    /// `None` where there are none.
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

    /// Returns the names under which a request carries the signature where
    /// some differ from the scheme's own: each that is absent may have its
    /// alias, as Svix's libraries read them.
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

    /// Returns the scheme in the version that a request says it has.
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

    /// Returns the scheme of a signature that comes beside this one; `None`
    /// where it is not known.
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

    /// Returns the headers that hold a signature of a request, besides the
    /// first, and those that hold a copy of its time.
    pub fn additional_headers(&self) -> impl Iterator<Item = &str> {
        let beside = self.beside.iter();
        let others = beside.flat_map(|b| [Some(&b.header), b.timestamp.as_ref()]);
        let all = self.also.iter().chain(others.flatten());
        all.map(String::as_str)
    }

    /// Finds what a request says of its version where no version is called so.
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
