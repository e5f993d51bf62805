//! The requests with which a provider tries an address, and the answers it expects.
//!
//! What such a request looks like and what is answered stands in the
//! provider's file, or in `assets/handshakes.toml` where a service has none;
//! here it is only recognised and filled in. What an answer repeats of a
//! request is short printable text without markup.

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

/// A request with which a provider tries an address: how it is known and what
/// is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handshake {
    /// A name for people: `url_verification`.
    pub name: String,
    /// The service that sends it, where no provider's file says so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sender: String,
    /// Whether its shape alone identifies it, where no provider is named.
    #[serde(default, skip_serializing_if = "ByShape::is_no")]
    pub by_shape: ByShape,
    /// The request's method; `None`: any.
    pub method: Option<String>,
    /// What the request holds; all of it must be there.
    #[serde(default)]
    pub when: Vec<HandshakeField>,
    /// What the request does not hold.
    #[serde(default)]
    pub without: Vec<ValueSource>,
    /// Whether the request has no body.
    #[serde(default, skip_serializing_if = "is_false")]
    pub empty_body: bool,
    /// What its signature must be.
    #[serde(default)]
    pub signed: SignatureRequirement,
    /// The status of the answer.
    #[serde(default = "ok")]
    pub status: u16,
    /// The answer's headers, each value a template.
    #[serde(default)]
    pub headers: std::collections::BTreeMap<String, Template>,
    /// The answer's body as text.
    pub text: Option<Template>,
    /// The answer's body as a JSON object of texts.
    #[serde(default)]
    pub json: std::collections::BTreeMap<String, Template>,
    /// The answer's body as JSON that is always the same.
    pub fixed: Option<toml::Table>,
    /// Where the request hands over the secret of later deliveries.
    pub hands_over_secret: Option<ValueSource>,
}

/// A place that must hold something.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandshakeField {
    /// Where it stands.
    pub at: ValueSource,
    /// What it must be; `None`: anything that may be repeated in an answer.
    pub is: Option<String>,
    /// Whether it must be a whole number.
    #[serde(default, skip_serializing_if = "is_false")]
    pub number: bool,
    /// Whether it may be absent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
}

/// Whether a handshake is known by its shape where no provider is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ByShape {
    /// Only its provider's requests are looked at.
    #[default]
    No,
    /// By what it holds, whatever else is there.
    Yes,
    /// By what it holds, where query or JSON object hold nothing else.
    Alone,
}

impl ByShape {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
    const fn is_no(&self) -> bool {
        matches!(self, Self::No)
    }
}

/// What a handshake's signature must be before it is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureRequirement {
    /// It must be valid.
    #[default]
    Valid,
    /// It is not looked at, for the request comes without one.
    No,
}

/// What a receiver answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeReply {
    /// The handshake's name.
    pub name: String,
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

impl Handshake {
    /// Returns the answer to a request that tries an address; `None` where the
    /// request is none, or where it should be refused like any other.
    ///
    /// `verification` is the verdict on the request; `secrets` are those that
    /// are configured for it. What is made with a secret is made with the one
    /// that matched, and only where one did.
    pub fn reply(
        provider: &Provider,
        request: &Request,
        verification: &Verification,
        secrets: &[&Secret],
    ) -> Option<HandshakeReply> {
        let handshake = Self::find(provider, request)?;
        let valid = verification.status == Status::Valid;
        // Before a secret is configured a challenge is answered, unless the
        // answer is made with the secret.
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

    /// Returns the answer to a request that only its shape identifies.
    pub fn reply_by_shape(&self, request: &Request) -> HandshakeReply {
        self.build_reply(&TemplateValues {
            body: &request.body,
            method: request.method.as_bytes(),
            request: Some(request),
            ..TemplateValues::default()
        })
    }

    /// Says whether a request has this handshake's shape, whoever sent it.
    pub(crate) fn has_shape(&self, request: &Request, view: &RequestView<'_>) -> bool {
        self.by_shape != ByShape::No
            && self.matches(request, view)
            && (self.by_shape == ByShape::Yes || self.is_alone(request, view))
    }

    /// Says whether query and JSON object hold only what `when` names.
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

    /// Returns the name of the handshake that a request is.
    pub fn name_of<'p>(provider: &'p Provider, request: &Request) -> Option<&'p str> {
        Self::find(provider, request).map(|handshake| handshake.name.as_str())
    }

    /// Reads the secret that a request hands over for later deliveries, as it
    /// stands there. Whoever can reach the address can send one: it should be
    /// kept only where a person asked for it.
    pub fn handed_over_secret(provider: &Provider, request: &Request) -> Option<String> {
        Self::find(provider, request)?
            .hands_over_secret
            .as_ref()?
            .read(request)
    }

    /// Returns the name of the handshake that a request is, where it is one
    /// that comes without a signature.
    pub fn unsigned<'p>(provider: &'p Provider, request: &Request) -> Option<&'p str> {
        Self::find(provider, request)
            .filter(|handshake| handshake.signed == SignatureRequirement::No)
            .map(|handshake| handshake.name.as_str())
    }

    /// Finds the handshake that a request is, whoever sent it.
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
            // What the request did not ask for is not answered.
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

    /// Says whether the answer repeats something of the request.
    fn echoes_request(&self) -> bool {
        self.templates()
            .any(|template| template.literal().is_none())
    }

    fn uses_secret(&self) -> bool {
        self.templates().any(Template::uses_secret)
    }

    /// Finds contradictions that the shape alone does not rule out.
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
                format!("the handshake {name} would be every request."),
                "Say how it is known:  when = [{ at = { pointer = \"/type\" }, is = \"ping\" }]",
            );
        }
        if !(200..300).contains(&self.status) {
            return no(
                format!("the handshake {name} would be refused."),
                "Write a status from 200 to 299; a wrong signature is refused in any case",
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
                "Leave by_shape out",
            );
        }
        if self.signed == SignatureRequirement::No && self.uses_secret() {
            return no(
                format!("the handshake {name} would answer anybody with what the secret makes."),
                "Write signed = \"valid\", or leave the secret out of the answer",
            );
        }
        Ok(())
    }
}

impl HandshakeField {
    /// Says whether the value stands in the request, exactly once.
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

/// The longest text of a request that an answer repeats, in bytes.
const MAX_ECHOED_BYTES: usize = 1024;

/// Says whether an answer may repeat a text: it is short, printable, and no
/// markup, whatever takes the answer for a page.
fn is_safe_to_echo(value: &str) -> bool {
    let plain = |b: u8| (b' '..=b'~').contains(&b) && b != b'<' && b != b'>';
    value.len() <= MAX_ECHOED_BYTES && value.bytes().all(plain)
}

/// Says whether some header of a request holds a signature, by its name.
fn looks_signed(request: &Request) -> bool {
    let marks = ["signature", "hmac", "digest"];
    let is_mark = |name: &str| marks.iter().any(|mark| name.contains(mark));
    request.headers.iter().any(|header| is_mark(header.name))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// Takes out what cannot stand in a header's value.
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

    /// Whatever an unsigned request holds, the answer holds nothing that only
    /// the secret could make.
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
