//! Providers: who sends and how it signs, as described by one TOML file each.
//!
//! [`super::signature`] verifies signatures with these descriptions.

mod algorithm;
mod check;
pub mod definition;
pub(crate) mod derived;
mod requirement;
pub mod scheme;
pub mod template;
pub(crate) mod value_source;

use std::collections::HashMap;

pub use self::algorithm::{Algorithm, Encoding, KeyForm, TimeUnit};
pub use self::definition::Provider;
pub use self::requirement::{IgnoredDifference, Requirement, UnmetStatus};
pub use self::scheme::Scheme;
pub use self::value_source::ValueSource;
pub use super::duration_spec::DurationSpec;
use super::failure::Failure;
pub use super::future_tolerance::FutureTolerance;
use super::handshake::Handshake;
use super::headers::{Header, Headers};
use super::request::Request;
use super::signature::Reading;
use super::toml_error;

/// The maximum body size of a handshake, in bytes.
pub const MAX_HANDSHAKE_BODY_BYTES: usize = 64 << 10;

/// The built-in providers, each with the text of its file.
const BUILTIN: &[(&str, &str)] = &[
    (
        "stackryze.toml",
        include_str!("../../assets/providers/stackryze.toml"),
    ),
    (
        "porkbun.toml",
        include_str!("../../assets/providers/porkbun.toml"),
    ),
    (
        "tenant-platform.toml",
        include_str!("../../assets/providers/tenant-platform.toml"),
    ),
    (
        "zyra.toml",
        include_str!("../../assets/providers/zyra.toml"),
    ),
    (
        "stack-auth.toml",
        include_str!("../../assets/providers/stack-auth.toml"),
    ),
    (
        "svix.toml",
        include_str!("../../assets/providers/svix.toml"),
    ),
    (
        "standard-webhooks.toml",
        include_str!("../../assets/providers/standard-webhooks.toml"),
    ),
    (
        "adyen-payments.toml",
        include_str!("../../assets/providers/adyen-payments.toml"),
    ),
    (
        "adyen-platform.toml",
        include_str!("../../assets/providers/adyen-platform.toml"),
    ),
    (
        "amazon-sns.toml",
        include_str!("../../assets/providers/amazon-sns.toml"),
    ),
    (
        "asana.toml",
        include_str!("../../assets/providers/asana.toml"),
    ),
    (
        "bigcommerce.toml",
        include_str!("../../assets/providers/bigcommerce.toml"),
    ),
    ("box.toml", include_str!("../../assets/providers/box.toml")),
    (
        "cloudinary.toml",
        include_str!("../../assets/providers/cloudinary.toml"),
    ),
    (
        "coinbase-commerce.toml",
        include_str!("../../assets/providers/coinbase-commerce.toml"),
    ),
    (
        "contentful.toml",
        include_str!("../../assets/providers/contentful.toml"),
    ),
    (
        "discord.toml",
        include_str!("../../assets/providers/discord.toml"),
    ),
    (
        "dropbox.toml",
        include_str!("../../assets/providers/dropbox.toml"),
    ),
    (
        "github.toml",
        include_str!("../../assets/providers/github.toml"),
    ),
    (
        "gocardless.toml",
        include_str!("../../assets/providers/gocardless.toml"),
    ),
    (
        "hubspot-v3.toml",
        include_str!("../../assets/providers/hubspot-v3.toml"),
    ),
    (
        "line.toml",
        include_str!("../../assets/providers/line.toml"),
    ),
    (
        "linear.toml",
        include_str!("../../assets/providers/linear.toml"),
    ),
    (
        "liveblocks.toml",
        include_str!("../../assets/providers/liveblocks.toml"),
    ),
    (
        "livekit.toml",
        include_str!("../../assets/providers/livekit.toml"),
    ),
    (
        "messagebird.toml",
        include_str!("../../assets/providers/messagebird.toml"),
    ),
    (
        "microsoft-graph.toml",
        include_str!("../../assets/providers/microsoft-graph.toml"),
    ),
    ("mux.toml", include_str!("../../assets/providers/mux.toml")),
    (
        "openai.toml",
        include_str!("../../assets/providers/openai.toml"),
    ),
    (
        "paddle.toml",
        include_str!("../../assets/providers/paddle.toml"),
    ),
    (
        "pagerduty.toml",
        include_str!("../../assets/providers/pagerduty.toml"),
    ),
    (
        "pusher.toml",
        include_str!("../../assets/providers/pusher.toml"),
    ),
    (
        "razorpay.toml",
        include_str!("../../assets/providers/razorpay.toml"),
    ),
    (
        "resend.toml",
        include_str!("../../assets/providers/resend.toml"),
    ),
    (
        "sanity.toml",
        include_str!("../../assets/providers/sanity.toml"),
    ),
    (
        "sendgrid.toml",
        include_str!("../../assets/providers/sendgrid.toml"),
    ),
    (
        "shopify.toml",
        include_str!("../../assets/providers/shopify.toml"),
    ),
    (
        "slack.toml",
        include_str!("../../assets/providers/slack.toml"),
    ),
    (
        "square.toml",
        include_str!("../../assets/providers/square.toml"),
    ),
    (
        "stripe.toml",
        include_str!("../../assets/providers/stripe.toml"),
    ),
    (
        "telnyx.toml",
        include_str!("../../assets/providers/telnyx.toml"),
    ),
    (
        "twilio.toml",
        include_str!("../../assets/providers/twilio.toml"),
    ),
    (
        "upstash-qstash.toml",
        include_str!("../../assets/providers/upstash-qstash.toml"),
    ),
    (
        "workos.toml",
        include_str!("../../assets/providers/workos.toml"),
    ),
    (
        "zendesk.toml",
        include_str!("../../assets/providers/zendesk.toml"),
    ),
    (
        "zoom.toml",
        include_str!("../../assets/providers/zoom.toml"),
    ),
    (
        "hubspot-v1-v2.toml",
        include_str!("../../assets/providers/hubspot-v1-v2.toml"),
    ),
    (
        "meta.toml",
        include_str!("../../assets/providers/meta.toml"),
    ),
];

/// The handshakes of services without a provider file.
const HANDSHAKES: &str = include_str!("../../assets/handshakes.toml");

/// All known providers.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    providers: Vec<Provider>,
    /// The handshakes of services that are not among the providers.
    handshakes: Vec<Handshake>,
    /// For each identifying header, the indexes of the providers.
    by_header: HashMap<String, Vec<usize>>,
}

impl Catalog {
    /// Returns the built-in providers.
    pub fn builtin() -> Self {
        let read = |(file, text): &(&str, &str)| {
            Provider::parse(file, text).expect("a test reads every file that is compiled in")
        };
        let handshakes = read_handshakes(HANDSHAKES).expect("a test reads this file too");
        Self::of(BUILTIN.iter().map(read).collect(), handshakes)
    }

    fn of(providers: Vec<Provider>, handshakes: Vec<Handshake>) -> Self {
        let mut by_header: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, provider) in providers.iter().enumerate() {
            for name in &provider.detect.headers {
                let places = by_header.entry(name.to_ascii_lowercase()).or_default();
                places.push(place);
            }
        }
        Self {
            providers,
            handshakes,
            by_header,
        }
    }

    /// Returns the same providers without their handshakes.
    #[must_use]
    pub fn without_handshakes(&self) -> Self {
        let mut catalog = self.clone();
        catalog.handshakes.clear();
        for provider in &mut catalog.providers {
            provider.handshakes.clear();
        }
        catalog
    }

    /// Adds a provider from the text of a file, replacing a provider of the
    /// same name.
    ///
    /// # Errors
    /// Returns a [`Failure`] that names the file and the line and suggests a
    /// fix.
    pub fn add(&mut self, text: &str, file: &str) -> Result<(), Failure> {
        let provider = Provider::parse(file, text)?;
        let mut providers = std::mem::take(&mut self.providers);
        providers.retain(|p| p.name != provider.name);
        providers.push(provider);
        *self = Self::of(providers, std::mem::take(&mut self.handshakes));
        Ok(())
    }

    /// Returns the provider with this name.
    pub fn get(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|p| p.name == name)
    }

    /// Returns an iterator over all providers.
    #[expect(
        clippy::iter_without_into_iter,
        reason = "a catalog is asked, not looped over as a whole"
    )]
    pub fn iter(&self) -> std::slice::Iter<'_, Provider> {
        self.providers.iter()
    }

    /// Finds the handshake that a request matches by its shape alone, with its
    /// provider if that is known. A request that matches two handshakes matches
    /// none.
    pub fn challenge(&self, request: &Request) -> Option<(Option<&Provider>, &Handshake)> {
        if request.body.len() > MAX_HANDSHAKE_BODY_BYTES {
            return None;
        }
        let view = value_source::RequestView::of(request);
        let theirs = self.providers.iter().flat_map(|provider| {
            let of = move |handshake| (Some(provider), handshake);
            provider.handshakes.iter().map(of)
        });
        let others = self.handshakes.iter().map(|handshake| (None, handshake));
        let mut found = theirs
            .chain(others)
            .filter(|(_, handshake)| handshake.has_shape(request, &view));
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    /// Finds the sender of a request by its headers, by its body, or by the
    /// shape of a handshake. If several providers share a header (as with
    /// Svix), the provider whose events include the received one takes
    /// precedence.
    pub fn detect(&self, request: &Request) -> Option<&Provider> {
        let places = |header: Header<'_>| self.by_header.get(header.name);
        let mut candidates: Vec<usize> = request
            .headers
            .iter()
            .filter_map(places)
            .flatten()
            .copied()
            .collect();
        if candidates.is_empty() {
            return self
                .detect_in_body(request)
                .or_else(|| self.challenge(request)?.0);
        }
        candidates.sort_unstable();
        let candidates = || candidates.iter().map(|place| &self.providers[*place]);
        let fits = |p: &&Provider| {
            p.detect.known_event
                && p.event(request)
                    .is_some_and(|event| p.events.contains(&event))
        };
        if let Some(named) = candidates().find(fits) {
            return Some(named);
        }
        let general = candidates().find(|p| !p.detect.known_event);
        // If the event does not identify the provider, the form of the
        // signature header does.
        let formed = |p: &&Provider| p.signature_has_form(request);
        match general {
            Some(general) if candidates().count() > 1 && !formed(&general) => {
                candidates().find(formed).or(Some(general))
            }
            general => general,
        }
    }

    /// Returns the providers that share the signature header of `provider` and are
    /// distinguished by their events, but sign in another way.
    pub fn namesakes<'a>(&'a self, provider: &'a Provider) -> impl Iterator<Item = &'a Provider> {
        let headers = (!provider.detect.known_event).then_some(&provider.detect.headers);
        headers
            .into_iter()
            .flatten()
            .filter_map(|header| self.by_header.get(header.as_str()))
            .flatten()
            .map(|place| &self.providers[*place])
            .filter(|other| other.detect.known_event && !other.shares_scheme(provider))
    }

    /// Finds a provider other than `provider` that the request's headers
    /// identify, and the header. Ignores headers that both providers have, and
    /// providers that sign alike.
    pub fn other_sender<'a>(
        &self,
        request: &'a Request,
        provider: &Provider,
    ) -> Option<(&Provider, &'a str)> {
        let others = request.headers.iter().flat_map(|header| {
            let places = self.by_header.get(header.name).into_iter().flatten();
            places.map(move |place| (&self.providers[*place], header.name))
        });
        let is_other = |(other, header): &(&Provider, &str)| {
            let is_known = |event: String| other.events.contains(&event);
            other.name != provider.name
                && !other.shares_scheme(provider)
                && !provider.has_header(header)
                && (!other.detect.known_event || other.event(request).is_some_and(is_known))
        };
        others.into_iter().find(is_other)
    }

    /// Finds the sender of a request by its headers alone. Returns `None` if
    /// the body is needed to choose between several providers.
    pub fn detect_by_header(&self, headers: &Headers) -> Option<&Provider> {
        let named = |header: Header<'_>| self.by_header.get(header.name);
        let first = headers.iter().filter_map(named).flatten().min()?;
        let mut all = headers.iter().filter_map(named).flatten();
        if all.any(|place| self.providers[*place].detect.known_event) {
            return None;
        }
        self.providers.get(*first)
    }

    fn detect_in_body(&self, request: &Request) -> Option<&Provider> {
        let json = value_source::json(&request.body)?;
        let holds = |pointer: &String| json.pointer(pointer).is_some();
        self.providers
            .iter()
            .find(|p| p.detect.pointers.iter().any(holds))
    }
}

/// Parses a file of handshakes.
fn read_handshakes(text: &str) -> Result<Vec<Handshake>, Failure> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        handshake: Vec<Handshake>,
    }
    let shown = "handshakes.toml";
    let file: File = toml::from_str(text)
        .map_err(|error| toml_error::explain_toml_error(shown, text, &error))?;
    for handshake in &file.handshake {
        handshake
            .check()
            .map_err(|(what, next)| Failure::usage(format!("{shown}: {what}"), "", next))?;
    }
    Ok(file.handshake)
}

impl Provider {
    /// Returns the event name, read from the delivery's headers or body.
    pub fn event(&self, request: &Request) -> Option<String> {
        self.fields
            .event
            .as_ref()
            .and_then(|source| source.read(request))
    }

    /// Returns whether the provider's own deliveries have a header with this
    /// name.
    fn has_header(&self, name: &str) -> bool {
        let is = |own: &str| own.eq_ignore_ascii_case(name);
        let scheme = self.signature.as_ref();
        let of_scheme = scheme.is_some_and(|scheme| {
            let alias = scheme.alias.as_ref().map(|alias| alias.signature.as_str());
            is(&scheme.header) || scheme.additional_headers().chain(alias).any(is)
        });
        of_scheme || self.detect.headers.iter().any(|own| is(own))
    }

    /// Returns whether the signature header has the form of the scheme.
    fn signature_has_form(&self, request: &Request) -> bool {
        let scheme = self.signature.as_ref().filter(|s| s.pointer.is_none());
        scheme.is_some_and(|scheme| Reading::has_form(request, scheme))
    }

    /// Returns the provider's own id of the event.
    pub fn delivery_id(&self, request: &Request) -> Option<String> {
        let source = self.fields.delivery_id.as_ref()?;
        source.read(request).or_else(|| {
            // A sender with alternative header names also sends the id under
            // another name.
            let scheme = self.signature.as_ref()?;
            let same = scheme.id.as_ref() == Some(source) && scheme.alias.is_some();
            let suited = same.then(|| scheme.for_request(request))?;
            suited.id.as_ref()?.read(request)
        })
    }

    /// Returns whether `other` signs in the same way, so that they share
    /// secrets.
    pub fn shares_scheme(&self, other: &Self) -> bool {
        self.family.is_some() && self.family == other.family
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_in_the_folder_is_compiled_in_and_reads_well() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/providers");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let mut compiled: Vec<&str> = BUILTIN.iter().map(|(file, _)| *file).collect();
        compiled.sort_unstable();
        assert_eq!(files, compiled);
        for (file, text) in BUILTIN {
            let provider =
                Provider::parse(file, text).unwrap_or_else(|failure| panic!("{failure}"));
            assert_eq!(format!("{}.toml", provider.name), *file);
        }
    }

    fn request(header: &str, body: &'static str) -> Request {
        Request {
            headers: [(header, "x")].into_iter().collect(),
            body: body.into(),
            ..Request::default()
        }
    }

    #[test]
    fn one_header_of_several_providers_is_told_apart_by_the_event() {
        let catalog = Catalog::builtin();
        let name = |header, body| {
            catalog
                .detect(&request(header, body))
                .map(|p| p.name.as_str())
        };
        assert_eq!(
            name("Svix-Signature", r#"{"type":"team.created"}"#),
            Some("stack-auth")
        );
        assert_eq!(
            name("svix-signature", r#"{"type":"invoice.paid"}"#),
            Some("svix")
        );
        assert_eq!(
            name("webhook-signature", "not json"),
            Some("standard-webhooks")
        );
        // Test deliveries of GoCardless contain no event.
        let digest = hex::encode([7; 32]);
        let sent = |value: &str, body: &'static str| {
            let mut request = request("webhook-signature", body);
            request.headers.set("webhook-signature", value);
            catalog.detect(&request).map(|p| p.name.as_str())
        };
        for body in [
            r#"{"events":[]}"#,
            "{}",
            "",
            r#"{"events":[{"action":"new"}]}"#,
        ] {
            assert_eq!(sent(&digest, body), Some("gocardless"), "{body}");
        }
        let listed = format!("v1,{}=", "A".repeat(43));
        assert_eq!(sent(&listed, r#"{"events":[]}"#), Some("standard-webhooks"));
        assert_eq!(sent("other", r#"{"events":[]}"#), Some("standard-webhooks"));
        assert_eq!(name("x-porkbun-signature", ""), Some("porkbun"));
        assert_eq!(name("x-unknown", ""), None);
    }

    /// The messages about contradictions in a user's provider file.
    #[test]
    fn a_contradiction_is_explained() {
        let scheme = |more: &str| {
            format!(
                "name = \"acme\"\ntitle = \"Acme\"\n[signature]\nalgorithm = \"hmac-sha256\"\nencoding = \"hex\"\n{more}"
            )
        };
        let header = "header = \"x-acme\"\n";
        for (text, expected) in [
            (scheme("signed = \"{body}\""), "a signature is either in a header"),
            (
                scheme(&format!("{header}pointer = \"/s\"\nsigned = \"{{body}}\"")),
                "a signature is either in a header",
            ),
            (scheme(&format!("{header}signed = \"fixed\"")), "has no {body}"),
            (
                scheme(&format!("{header}signed = \"{{secret}}{{body}}\"")),
                "plain hash",
            ),
            (scheme(&format!("{header}signed = \"{{token}}\"")), "JSON Web Token"),
            (scheme(&format!("{header}signed = \"{{timestamp}}{{body}}\"")), "place of the timestamp"),
            (scheme(&format!("{header}signed = \"{{id}}{{body}}\"")), "place of the id"),
            (scheme(&format!("{header}signed = \"{{headers}}{{body}}\"")), "signed headers"),
            (
                scheme(&format!("{header}signed = \"{{body}}\"\nformat = \"v1\"")),
                "no {signature}",
            ),
            (
                scheme(&format!("{header}signed = \"{{body}}\"\ntimestamp = {{ claim = \"iat\" }}")),
                "not a JSON Web Token",
            ),
            (
                scheme(&format!("{header}signed = \"{{body}}\"\ntimestamp = {{ pointer = \"t\" }}")),
                "begins with a slash",
            ),
            (
                scheme(&format!("{header}signed = \"{{body}}\"\n[[signature.variant]]\nat = {{ header = \"v\" }}\nalgorithm = \"sha256\"")),
                "plain hash",
            ),
            (
                "name = \"acme\"\ntitle = \"Acme\"\n[[handshake]]\nname = \"any\"".to_owned(),
                "every request",
            ),
            (
                "name = \"acme\"\ntitle = \"Acme\"\n[[handshake]]\nname = \"any\"\nwhen = [{ at = { query = \"c\" } }]\nsigned = \"no\"\ntext = \"{query:c|hmac-sha256}\"".to_owned(),
                "value made with the secret",
            ),
        ] {
            let failure = Provider::parse("acme.toml", &text).unwrap_err().to_string();
            assert!(failure.starts_with("acme.toml line "), "{failure}");
            assert!(failure.contains(expected), "{failure}, expected {expected}");
        }
    }

    #[test]
    fn a_definition_s_mistake_names_file_line_and_mend() {
        let mut catalog = Catalog::builtin();
        let text = "name = \"acme\"\ntitle = \"Acme\"\n[signature]\nalgoritm = \"hmac-sha256\"\n";
        let failure = catalog.add(text, "acme.toml").unwrap_err().to_string();
        assert!(
            failure.starts_with("acme.toml line 4: there is no setting algoritm."),
            "{failure}"
        );
        assert!(failure.contains("Did you mean algorithm?"), "{failure}");
    }

    #[test]
    fn a_user_s_file_takes_the_place_of_one_of_the_same_name() {
        let mut catalog = Catalog::builtin();
        catalog
            .add("name = \"porkbun\"\ntitle = \"Ours\"\n", "porkbun.toml")
            .unwrap();
        assert_eq!(catalog.get("porkbun").unwrap().title, "Ours");
        assert_eq!(catalog.iter().filter(|p| p.name == "porkbun").count(), 1);
    }
}
