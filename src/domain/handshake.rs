//! Endpoint verification requests (handshakes) of providers, and the replies
//! they expect.
//!
//! The provider's file describes the request and the reply; services without a
//! provider file are described in `assets/handshakes.toml`. This module
//! recognises the requests and fills in the replies. Whatever a reply echoes
//! from a request is short printable text without markup.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::headers::Headers;
use super::provider::definition::Contradiction;
use super::provider::template::{Template, TemplateValues};
use super::provider::value_source::RequestView;
use super::provider::{Provider, ValueSource};
use super::request::Request;
use super::secret::Secret;
use super::signature::decode_key;
use super::verification::{Status, Verification};

/// An endpoint verification request: how it is recognised and what is replied.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handshake {
    /// The name shown to users: `url_verification`.
    pub name: String,
    /// The service that sends it, if it is not described by a provider file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sender: String,
    /// Whether the shape alone identifies the handshake if no provider is
    /// configured.
    #[serde(default, skip_serializing_if = "ByShape::is_no")]
    pub by_shape: ByShape,
    /// The request method; `None` accepts any.
    pub method: Option<String>,
    /// What the request must contain; all fields must be present.
    #[serde(default)]
    pub when: Vec<HandshakeField>,
    /// What the request must not contain.
    #[serde(default)]
    pub without: Vec<ValueSource>,
    /// Whether the request must have an empty body.
    #[serde(default, skip_serializing_if = "is_false")]
    pub empty_body: bool,
    /// The required state of the signature.
    #[serde(default)]
    pub signed: SignatureRequirement,
    /// The status of the reply.
    #[serde(default = "ok")]
    pub status: u16,
    /// The headers of the reply; each value is a template.
    #[serde(default)]
    pub headers: std::collections::BTreeMap<String, Template>,
    /// The body of the reply as text.
    pub text: Option<Template>,
    /// The body of the reply as a JSON object of strings.
    #[serde(default)]
    pub json: std::collections::BTreeMap<String, Template>,
    /// The body of the reply as constant JSON.
    pub fixed: Option<toml::Table>,
    /// The field in which the request hands over the secret of later
    /// deliveries.
    pub hands_over_secret: Option<ValueSource>,
}

/// A field that a handshake must contain.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandshakeField {
    /// The place of the field.
    pub at: ValueSource,
    /// The required value; `None` accepts any value that may be echoed.
    pub is: Option<String>,
    /// Whether the value must be an integer.
    #[serde(default, skip_serializing_if = "is_false")]
    pub number: bool,
    /// Whether the field may be absent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
}

/// Whether a handshake is recognised by its shape if no provider is configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ByShape {
    /// Only requests of the handshake's provider are considered.
    #[default]
    No,
    /// The required fields suffice; other fields may be present.
    Yes,
    /// The required fields suffice if the query or the JSON object has no other
    /// fields.
    Alone,
}

impl ByShape {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
    const fn is_no(&self) -> bool {
        matches!(self, Self::No)
    }
}

/// The required state of the signature before a handshake is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureRequirement {
    /// The signature must be valid.
    #[default]
    Valid,
    /// The signature is ignored, because the request is sent unsigned.
    No,
}

/// The reply to a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeReply {
    /// The name of the handshake.
    pub name: String,
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

impl Handshake {
    /// Returns the reply to an endpoint verification request. Returns `None` if
    /// the request is not one, or if it should be refused like any other
    /// request.
    ///
    /// `verification` is the verification result of the request; `secrets` are
    /// the secrets configured for it. A reply that depends on a secret uses the
    /// one that matched, and is only given if one did.
    pub fn reply(
        provider: &Provider,
        request: &Request,
        verification: &Verification,
        secrets: &[&Secret],
    ) -> Option<HandshakeReply> {
        let handshake = Self::find(provider, request)?;
        let valid = verification.status == Status::Valid;
        // Without a configured secret, a challenge is answered unless the reply
        // depends on the secret.
        let unknown = match verification.status {
            Status::NoSecret => true,
            Status::MissingSignature => secrets.is_empty() && handshake.by_shape != ByShape::No,
            _ => false,
        };
        if handshake.signed == SignatureRequirement::Valid && !valid && !unknown {
            return None;
        }
        let matched = secrets
            .iter()
            .find(|secret| verification.secret.as_ref() == Some(&secret.to_string()))
            .filter(|_| valid);
        let form = provider.signature.as_ref().map(|s| s.secret);
        let key = matched.and_then(|s| decode_key(s.reveal(), form.unwrap_or_default()));
        if key.is_none() && handshake.uses_secret() {
            return None;
        }
        let filling = TemplateValues {
            body: &request.body,
            method: request.method.as_bytes(),
            secret: key.as_ref().map_or(&[], |key| key.as_slice()),
            request: Some(request),
            ..TemplateValues::default()
        };
        Some(handshake.build_reply(&filling))
    }

    /// Returns the reply to a request that was recognised by its shape.
    pub fn reply_by_shape(&self, request: &Request) -> HandshakeReply {
        self.build_reply(&TemplateValues {
            body: &request.body,
            method: request.method.as_bytes(),
            request: Some(request),
            ..TemplateValues::default()
        })
    }

    /// Returns whether a request has the shape of this handshake, regardless of
    /// the sender.
    pub(crate) fn has_shape(&self, request: &Request, view: &RequestView<'_>) -> bool {
        self.by_shape != ByShape::No
            && self.matches(request, view)
            && (self.by_shape == ByShape::Yes || self.is_alone(request, view))
    }

    /// Returns whether the query and the JSON object contain only the fields in
    /// `when`.
    fn is_alone(&self, request: &Request, view: &RequestView<'_>) -> bool {
        let named = |of: fn(&ValueSource) -> Option<&String>, name: &str| {
            self.when
                .iter()
                .any(|sign| of(&sign.at).is_some_and(|known| known == name))
        };
        let query = request.query.as_deref().unwrap_or_default().as_bytes();
        let members = match view.json() {
            Some(Value::Object(members)) => members.keys().map(|key| format!("/{key}")).collect(),
            _ => Vec::new(),
        };
        let in_query = self.when.iter().any(|sign| sign.at.query.is_some());
        (!in_query
            || url::form_urlencoded::parse(query)
                .all(|(key, _)| named(|at| at.query.as_ref(), &key)))
            && members
                .iter()
                .all(|pointer| named(|at| at.pointer.as_ref(), pointer))
    }

    /// Returns the name of the handshake that a request matches.
    pub fn name_of<'p>(provider: &'p Provider, request: &Request) -> Option<&'p str> {
        Self::find(provider, request).map(|handshake| handshake.name.as_str())
    }

    /// Returns the secret that a request hands over for later deliveries, as
    /// written in the request. Anyone who can reach the address can send one,
    /// so it should only be stored if a user asked for it.
    pub fn handed_over_secret(provider: &Provider, request: &Request) -> Option<String> {
        Self::find(provider, request)?
            .hands_over_secret
            .as_ref()?
            .read(request)
    }

    /// Returns the name of the handshake that a request matches, if that
    /// handshake is unsigned.
    pub fn unsigned<'p>(provider: &'p Provider, request: &Request) -> Option<&'p str> {
        Self::find(provider, request)
            .filter(|handshake| handshake.signed == SignatureRequirement::No)
            .map(|handshake| handshake.name.as_str())
    }

    /// Returns the handshake that a request matches, regardless of the sender.
    fn find<'p>(provider: &'p Provider, request: &Request) -> Option<&'p Self> {
        let view = RequestView::of(request);
        provider
            .handshakes
            .iter()
            .find(|handshake| handshake.matches(request, &view))
    }

    fn matches(&self, request: &Request, view: &RequestView<'_>) -> bool {
        self.method.as_ref().is_none_or(|m| *m == request.method)
            && (!self.empty_body || request.body.is_empty())
            && !(self.signed == SignatureRequirement::No
                && self.echoes_request()
                && looks_signed(request))
            && !self
                .without
                .iter()
                .any(|place| place.read_in(view).is_some())
            && self.when.iter().all(|sign| sign.matches(view))
    }

    fn build_reply(&self, filling: &TemplateValues<'_>) -> HandshakeReply {
        let mut headers = Headers::new();
        let json = |value: &Value| (Some("application/json"), value.to_string().into_bytes());
        let (kind, body) = if let Some(text) = &self.text {
            (Some("text/plain"), text.fill(filling))
        } else if let Some(fixed) = &self.fixed {
            json(&serde_json::to_value(fixed).unwrap_or_default())
        } else if self.json.is_empty() {
            (None, Vec::new())
        } else {
            let text = |t: &Template| String::from_utf8_lossy(&t.fill(filling)).into_owned();
            let object: Map<String, Value> = self
                .json
                .iter()
                .map(|(name, template)| (name.clone(), Value::String(text(template))))
                .collect();
            json(&Value::Object(object))
        };
        if let Some(kind) = kind {
            headers.push("content-type", kind);
            headers.push("x-content-type-options", "nosniff");
        }
        for (name, template) in &self.headers {
            let value = header_value(template.fill(filling));
            // Fields that the request does not contain are not replied.
            if !value.is_empty() {
                headers.push(name, value);
            }
        }
        HandshakeReply {
            name: self.name.clone(),
            status: self.status,
            headers,
            body,
        }
    }

    fn templates(&self) -> impl Iterator<Item = &Template> {
        self.headers
            .values()
            .chain(&self.text)
            .chain(self.json.values())
    }

    /// Returns whether the reply echoes a part of the request.
    fn echoes_request(&self) -> bool {
        self.templates()
            .any(|template| template.literal().is_none())
    }

    fn uses_secret(&self) -> bool {
        self.templates().any(Template::uses_secret)
    }

    /// Checks the definition for contradictions that its types do not exclude.
    pub(crate) fn check(&self) -> Result<(), Contradiction> {
        let no = |what: String, next| Err((what, next));
        let name = &self.name;
        for sign in &self.when {
            sign.at.check_outside_token()?;
        }
        for place in self.without.iter().chain(&self.hands_over_secret) {
            place.check_outside_token()?;
        }
        if self.when.is_empty() && self.without.is_empty() {
            return no(
                format!("the handshake {name} would match every request."),
                "Specify how it is recognised:  when = [{ at = { pointer = \"/type\" }, is = \"ping\" }]",
            );
        }
        if !(200..300).contains(&self.status) {
            return no(
                format!("the handshake {name} would be answered with an error."),
                "Write a status from 200 to 299; a wrong signature is always refused",
            );
        }
        let bodies = [
            self.text.is_some(),
            !self.json.is_empty(),
            self.fixed.is_some(),
        ];
        if bodies.iter().filter(|given| **given).count() > 1 {
            return no(
                format!("the handshake {name} has more than one body."),
                "Keep one of text, json and fixed",
            );
        }
        if self.by_shape != ByShape::No && self.uses_secret() {
            return no(
                format!("the handshake {name} needs a secret, and its shape names no provider."),
                "Remove by_shape",
            );
        }
        if self.signed == SignatureRequirement::No && self.uses_secret() {
            return no(
                format!(
                    "the handshake {name} would reveal a value made with the secret to anyone."
                ),
                "Write signed = \"valid\", or remove the secret from the reply",
            );
        }
        Ok(())
    }
}

impl HandshakeField {
    /// Returns whether the field has the required value and occurs exactly
    /// once.
    fn matches(&self, view: &RequestView<'_>) -> bool {
        if !self.at.is_single(view) {
            return false;
        }
        let Some(value) = self.at.read_in(view) else {
            return self.optional;
        };
        match &self.is {
            Some(is) => *is == value,
            None if self.number => value.len() <= 9 && value.bytes().all(|b| b.is_ascii_digit()),
            None => is_safe_to_echo(&value),
        }
    }
}

/// The maximum length of an echoed text, in bytes.
const MAX_ECHOED_BYTES: usize = 1024;

/// Returns whether a text may be echoed: it is short and printable and contains
/// no markup, in case the reply is displayed as a page.
fn is_safe_to_echo(value: &str) -> bool {
    let plain = |b: u8| (b' '..=b'~').contains(&b) && b != b'<' && b != b'>';
    value.len() <= MAX_ECHOED_BYTES && value.bytes().all(plain)
}

/// Returns whether a header of the request looks like a signature, by its name.
fn looks_signed(request: &Request) -> bool {
    let marks = ["signature", "hmac", "digest"];
    let is_mark = |name: &str| marks.iter().any(|mark| name.contains(mark));
    request.headers.iter().any(|header| is_mark(header.name))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// Removes the bytes that a header value must not contain.
fn header_value(mut value: Vec<u8>) -> Vec<u8> {
    value.retain(|byte| !byte.is_ascii_control());
    value
}

const fn ok() -> u16 {
    200
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::provider::Catalog;
    use crate::domain::signature::{Keys, verify};
    use crate::domain::timestamp::Timestamp;

    fn request(method: &str, query: &str, headers: &[(&str, &str)], body: &'static str) -> Request {
        Request {
            method: method.into(),
            path: "/in".into(),
            query: (!query.is_empty()).then(|| query.to_owned()),
            headers: headers.iter().copied().collect(),
            body: body.into(),
            ..Request::default()
        }
    }

    fn answer(provider: &str, request: &Request) -> Option<HandshakeReply> {
        let catalog = Catalog::builtin();
        let provider = catalog.get(provider).unwrap();
        let secret = Secret::new("", "test", "s");
        let keys = Keys {
            secrets: &[&secret],
            url: None,
        };
        let verification = verify(request, provider, keys, Timestamp::from_unix_seconds(100));
        Handshake::reply(provider, request, &verification, &[&secret])
    }

    #[test]
    fn a_signed_challenge_is_sent_back_where_no_secret_is_known_yet() {
        let catalog = Catalog::builtin();
        let slack = catalog.get("slack").unwrap();
        let body = r#"{"type":"url_verification","challenge":"c-1"}"#;
        let signed = [
            ("content-type", "application/json"),
            ("x-slack-request-timestamp", "100"),
            (
                "x-slack-signature",
                "v0=0000000000000000000000000000000000000000000000000000000000000000",
            ),
        ];
        let request = request("POST", "", &signed, body);
        let keys = Keys {
            secrets: &[],
            url: None,
        };
        let verification = verify(&request, slack, keys, Timestamp::from_unix_seconds(100));
        assert_eq!(verification.status, Status::NoSecret);
        let reply = Handshake::reply(slack, &request, &verification, &[]).unwrap();
        assert!(reply.body.windows(3).any(|w| w == b"c-1"), "{reply:?}");
        assert_eq!(
            answer("slack", &request),
            None,
            "with a secret it must be right"
        );
    }

    #[test]
    fn a_challenge_in_the_query_is_sent_back_as_text() {
        for (provider, method, query) in [
            (
                "meta",
                "GET",
                "hub.mode=subscribe&hub.challenge=a%20b&hub.verify_token=x",
            ),
            ("dropbox", "GET", "challenge=a+b"),
            ("microsoft-graph", "POST", "validationToken=a%20b"),
        ] {
            let reply = answer(provider, &request(method, query, &[], "")).unwrap();
            assert_eq!(
                (reply.status, reply.body),
                (200, b"a b".to_vec()),
                "{provider}"
            );
            assert_eq!(reply.headers.text("content-type"), Some("text/plain"));
            assert_eq!(answer(provider, &request(method, "", &[], "{}")), None);
        }
        assert_eq!(
            answer("meta", &request("GET", "hub.challenge=x", &[], "")),
            None
        );
        assert_eq!(
            answer("dropbox", &request("POST", "challenge=x", &[], "")),
            None
        );
    }

    #[test]
    fn asana_s_secret_is_sent_back_in_its_header_and_handed_over() {
        let first = request("POST", "", &[("X-Hook-Secret", "b5370")], "");
        let reply = answer("asana", &first).unwrap();
        assert_eq!(reply.status, 200);
        assert_eq!(reply.headers.text("x-hook-secret"), Some("b5370"));
        assert!(reply.body.is_empty());
        let catalog = Catalog::builtin();
        let handed =
            |provider| Handshake::handed_over_secret(catalog.get(provider).unwrap(), &first);
        assert_eq!(handed("asana").as_deref(), Some("b5370"));
        assert_eq!(handed("slack"), None);
        assert_eq!(answer("asana", &request("POST", "", &[], "{}")), None);
    }

    #[test]
    fn a_verification_post_needs_only_a_200() {
        let reply = answer("stackryze", &request("POST", "", &[], "{}")).unwrap();
        assert_eq!((reply.status, reply.body), (200, Vec::new()));
        let event = request("POST", "", &[("x-stackryze-event", "zone.created")], "{}");
        assert_eq!(answer("stackryze", &event), None);
        let catalog = Catalog::builtin();
        let unsigned = |provider, request| {
            Handshake::unsigned(catalog.get(provider).unwrap(), request).map(str::to_owned)
        };
        let post = request("POST", "", &[], "{}");
        assert_eq!(
            unsigned("stackryze", &post).as_deref(),
            Some("verification")
        );
        assert_eq!(unsigned("slack", &post), None);
        assert_eq!(answer("stackryze", &request("GET", "", &[], "")), None);
    }

    /// Whatever an unsigned request contains, the reply contains nothing that
    /// only the secret could produce.
    #[test]
    fn an_unsigned_request_gets_nothing_made_with_a_secret() {
        let body = r#"{"event":"endpoint.url_validation","payload":{"plainToken":"x"},"type":"url_verification","challenge":"x"}"#;
        for provider in ["zoom", "slack", "discord"] {
            for headers in [&[][..], &[("x-zm-signature", "v0=00")]] {
                assert_eq!(answer(provider, &request("POST", "", headers, body)), None);
            }
        }
        for provider in Catalog::builtin().iter() {
            for handshake in &provider.handshakes {
                assert!(
                    handshake.signed == SignatureRequirement::Valid || !handshake.uses_secret()
                );
            }
        }
    }

    #[test]
    fn an_event_is_no_ping() {
        let catalog = Catalog::builtin();
        let discord = catalog.get("discord").unwrap();
        let valid = Verification::new(Status::Valid);
        let answer = |body| {
            let request = request("POST", "", &[], body);
            Handshake::reply(discord, &request, &valid, &[]).map(|r| r.status)
        };
        let event = r#"{"type":1,"event":{"type":"ENTITLEMENT_CREATE"}}"#;
        assert_eq!(answer(event), None);
        assert_eq!(answer(r#"{"type":1}"#), Some(200));
        assert_eq!(answer(r#"{"type":0}"#), Some(204));
        assert_eq!(answer(r#"{"type":2}"#), None);
    }

    #[test]
    fn a_verdict_of_another_secret_makes_no_answer() {
        let catalog = Catalog::builtin();
        let zoom = catalog.get("zoom").unwrap();
        let body = r#"{"event":"endpoint.url_validation","payload":{"plainToken":"x"}}"#;
        let request = request("POST", "", &[], body);
        let valid = Verification {
            secret: Some("another".into()),
            ..Verification::new(Status::Valid)
        };
        let secret = Secret::new("", "test", "s");
        assert_eq!(Handshake::reply(zoom, &request, &valid, &[&secret]), None);
    }

    #[test]
    fn line_ends_do_not_enter_a_header() {
        assert_eq!(header_value(b"a\r\nb: c".to_vec()), b"ab: c");
    }
}
