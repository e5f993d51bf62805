//! Applies the configuration to a delivery: who sent it, which event it is and
//! whether its signature is valid.

mod adoption;
mod sender_findings;
mod trusted_secrets;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::trusted_secrets::CheckedSignature;
use super::doctor::{self, Deadline, Effort, History, Subject};
use super::endpoint::Endpoint;
use super::event_key::EventKey;
use super::handshake::{self, Handshake};
use super::headers::Headers;
use super::keyring::{ApplicableSecrets, Keyring};
use super::pins::{Pin, Pins};
use super::provider::{Catalog, MAX_HANDSHAKE_BODY_BYTES, Provider, Scheme, ValueSource};
use super::request::Request;
use super::route::without_credentials;
use super::secret::Secret;
use super::signature::{self, Keys, Reading, coverage};
use super::timestamp::Timestamp;
use super::verification::{Status, Verification};

/// The assessment of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// The provider's name.
    pub provider: Option<String>,
    /// The event name.
    pub event: Option<String>,
    /// The provider's own id of the event.
    pub delivery_id: Option<String>,
    /// The key that groups arrivals of the same event; `None` if the delivery
    /// is not grouped.
    pub group: Option<EventKey>,
    /// The verification result.
    pub verification: Verification,
    /// The pin to add, if an unnamed secret without a pin matched.
    pub pin: Option<Pin>,
}

/// The part of an assessment that is known before the signature is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classification {
    /// The provider's name.
    pub provider: Option<String>,
    /// The event name.
    pub event: Option<String>,
    /// The provider's own id of the event.
    pub delivery_id: Option<String>,
    /// The key that groups arrivals of the same event; `None` if it is not
    /// known yet.
    pub group: Option<EventKey>,
}

/// The part of the configuration that determines how deliveries are assessed.
#[derive(Clone, Debug)]
pub struct Assessor {
    /// The known providers.
    pub catalog: Catalog,
    /// The configured endpoints.
    pub endpoints: Vec<Endpoint>,
    /// All secrets and their scopes.
    pub keyring: Keyring,
    /// The secret of creel's own samples. It is only used if no other secret is
    /// configured for a delivery.
    pub sample_secret: Option<Secret>,
    /// The providers to which unnamed secrets are pinned.
    pub pins: Pins,
    default_provider: Option<String>,
    /// Providers adapted to the header names of an endpoint, by endpoint.
    adapted: BTreeMap<String, Provider>,
    /// Whether handshakes are answered by default.
    handshakes: bool,
    /// The providers without their handshakes, if some handshakes are not
    /// answered.
    silent: Option<Catalog>,
}

/// The first bytes of the text that a signature covers, and its size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedText {
    /// The scheme's template.
    pub template: String,
    /// The first bytes, at most [`SIGNED_BYTES_SHOWN`].
    pub start: Vec<u8>,
    /// The total number of signed bytes.
    pub size: u64,
}

/// Larger bodies are not parsed before the delivery is listed, in bytes.
pub const MAX_CLASSIFIED_BODY_BYTES: usize = 16 << 10;

/// How the cause of an invalid signature is searched for.
#[derive(Clone, Copy)]
struct Search<'a> {
    effort: Effort,
    history: History<'a>,
    deadline: Deadline<'a>,
}

impl Search<'_> {
    fn of(effort: Effort) -> Self {
        Self {
            effort,
            history: History::default(),
            deadline: Deadline::default(),
        }
    }
}

/// How many bytes of a signed text are returned for display.
pub const SIGNED_BYTES_SHOWN: usize = 256;

impl Assessor {
    /// Creates an assessor from a configuration.
    pub fn new(
        catalog: Catalog,
        endpoints: Vec<Endpoint>,
        secrets: Vec<Secret>,
        default_provider: Option<String>,
    ) -> Self {
        let adapt = |endpoint: &Endpoint| {
            let provider = catalog.get(
                endpoint
                    .provider
                    .as_deref()
                    .or(default_provider.as_deref())?,
            )?;
            let differs = !endpoint.headers.is_empty() || !endpoint.params.is_empty();
            differs.then(|| (endpoint.name.clone(), adapted(provider, endpoint)))
        };
        let adapted = endpoints.iter().filter_map(adapt).collect();
        let silent = endpoints
            .iter()
            .any(|endpoint| endpoint.handshakes == Some(false))
            .then(|| catalog.without_handshakes());
        let mut assessor = Self {
            catalog,
            endpoints,
            keyring: Keyring::new(secrets),
            sample_secret: None,
            pins: Pins::default(),
            default_provider,
            adapted,
            handshakes: true,
            silent,
        };
        assessor.silence_adapted();
        assessor
    }

    /// Sets whether handshakes are answered by default.
    #[must_use]
    pub fn answering_handshakes(mut self, answered: bool) -> Self {
        self.handshakes = answered;
        if !answered {
            self.silent = Some(self.catalog.without_handshakes());
        }
        self.silence_adapted();
        self
    }

    fn silence_adapted(&mut self) {
        let mut adapted = std::mem::take(&mut self.adapted);
        for (name, provider) in &mut adapted {
            if !self.answers_handshakes(Some(name)) {
                provider.handshakes.clear();
            }
        }
        self.adapted = adapted;
    }

    fn answers_handshakes(&self, endpoint: Option<&str>) -> bool {
        self.endpoint(endpoint)
            .and_then(|endpoint| endpoint.handshakes)
            .unwrap_or(self.handshakes)
    }

    /// Returns the providers for an endpoint: without handshakes if they are
    /// not answered there.
    fn catalog_for(&self, endpoint: Option<&str>) -> &Catalog {
        match &self.silent {
            Some(silent) if !self.answers_handshakes(endpoint) => silent,
            _ => &self.catalog,
        }
    }

    /// Returns the handshake that a request of an unknown provider matches.
    fn challenge(&self, endpoint: Option<&str>, request: &Request) -> Option<&Handshake> {
        let (_, handshake) = self.catalog_for(endpoint).challenge(request)?;
        Some(handshake)
    }

    /// Assesses a request that arrived at `at` with the small budget that is
    /// available at arrival.
    pub fn assess(&self, endpoint: Option<&str>, request: &Request, at: Timestamp) -> Assessment {
        self.assess_until(endpoint, request, at, Deadline::default())
    }

    /// Like [`Self::assess`], with a deadline for the search.
    pub fn assess_until(
        &self,
        endpoint: Option<&str>,
        request: &Request,
        at: Timestamp,
        deadline: Deadline<'_>,
    ) -> Assessment {
        let search = Search {
            deadline,
            ..Search::of(Effort::Brief)
        };
        self.assess_with(endpoint, request, at, search)
    }

    /// Like [`Self::assess`], without any recomputation: reports only what is
    /// visible in the bytes.
    pub fn assess_minimal(
        &self,
        endpoint: Option<&str>,
        request: &Request,
        at: Timestamp,
    ) -> Assessment {
        self.assess_with(endpoint, request, at, Search::of(Effort::Least))
    }

    /// Like [`Self::assess`], for a request that a user opened: if its
    /// signature is invalid, all hypotheses are tested and reported.
    pub fn assess_fully(
        &self,
        endpoint: Option<&str>,
        request: &Request,
        at: Timestamp,
        history: History<'_>,
    ) -> Assessment {
        self.assess_fully_until(endpoint, request, at, history, Deadline::default())
    }

    /// Like [`Self::assess_fully`], with a deadline for the search.
    pub fn assess_fully_until(
        &self,
        endpoint: Option<&str>,
        request: &Request,
        at: Timestamp,
        history: History<'_>,
        deadline: Deadline<'_>,
    ) -> Assessment {
        let effort = Effort::Full;
        let search = Search {
            effort,
            history,
            deadline,
        };
        self.assess_with(endpoint, request, at, search)
    }

    /// Returns the reply to an endpoint verification request. A request with a
    /// wrong signature is refused with 401, because some providers test that.
    pub fn handshake(
        &self,
        endpoint: Option<&str>,
        request: &Request,
        at: Timestamp,
    ) -> Option<handshake::HandshakeReply> {
        if request.body.len() > MAX_HANDSHAKE_BODY_BYTES {
            return None;
        }
        let Some(provider) = self.provider_of(endpoint, request) else {
            let handshake = self.challenge(endpoint, request)?;
            return Some(handshake.reply_by_shape(request));
        };
        let name = Handshake::name_of(provider, request)?;
        let search = Search::of(Effort::Least);
        let (mut verification, _) = self.verify(endpoint, provider, request, at, search);
        let mut secrets = self.secrets_for(endpoint, provider).own;
        let wrong = matches!(
            verification.status,
            Status::Invalid | Status::Malformed | Status::Stale
        );
        // A secret without a name may be meant for another provider.
        let is_shared = provider
            .signature
            .as_ref()
            .is_some_and(Scheme::shared_secret);
        let is_loose = |secret: &&Secret| self.is_loose(endpoint, provider, secret);
        if is_shared && verification.secret.is_none() && secrets.iter().all(is_loose) {
            secrets.clear();
            if verification.status == Status::Invalid {
                verification.status = Status::NoSecret;
            }
        }
        Handshake::reply(provider, request, &verification, &secrets).or_else(|| {
            wrong.then(|| handshake::HandshakeReply {
                name: name.to_owned(),
                status: 401,
                headers: Headers::new(),
                body: Vec::new(),
            })
        })
    }

    fn assess_with(
        &self,
        endpoint: Option<&str>,
        request: &Request,
        at: Timestamp,
        search: Search<'_>,
    ) -> Assessment {
        let Some(provider) = self.provider_of(endpoint, request) else {
            let challenge = self.challenge(endpoint, request);
            let findings = match challenge {
                Some(handshake) => vec![doctor::unlisted_handshake(handshake)],
                None => doctor::unknown_provider(request, self.catalog.iter().as_slice()),
            };
            return Assessment {
                provider: None,
                event: challenge.map(|handshake| handshake.name.clone()),
                delivery_id: None,
                group: Some(EventKey::of_body("", Some(&request.path), &request.body)),
                verification: Verification {
                    findings,
                    ..Verification::new(Status::UnknownProvider)
                },
                pin: None,
            };
        };
        let EventFacts {
            event,
            delivery_id,
            group,
        } = event_facts(provider, request);
        let (verification, pin) = self.verify(endpoint, provider, request, at, search);
        Assessment {
            provider: Some(provider.name.clone()),
            verification,
            pin,
            event,
            delivery_id,
            group: Some(group),
        }
    }

    /// Reads the values shown in the list, at almost no cost: a body of more
    /// than [`MAX_CLASSIFIED_BODY_BYTES`] bytes is not parsed. The body of such
    /// a request may be omitted; `body_size` is its size.
    pub fn classify(
        &self,
        endpoint: Option<&str>,
        request: &Request,
        body_size: usize,
    ) -> Classification {
        if body_size > MAX_CLASSIFIED_BODY_BYTES {
            return self.classify_head(endpoint, request);
        }
        let Some(provider) = self.provider_of(endpoint, request) else {
            let challenge = self.challenge(endpoint, request);
            return Classification {
                event: challenge.map(|handshake| handshake.name.clone()),
                group: Some(EventKey::of_body("", Some(&request.path), &request.body)),
                ..Classification::default()
            };
        };
        let EventFacts {
            event,
            delivery_id,
            group,
        } = event_facts(provider, request);
        Classification {
            provider: Some(provider.name.clone()),
            event,
            delivery_id,
            group: Some(group),
        }
    }

    /// Like [`Self::classify`], from the headers and the query alone.
    fn classify_head(&self, endpoint: Option<&str>, request: &Request) -> Classification {
        let provider = match self.configured(endpoint) {
            Some(provider) => provider,
            None => self
                .catalog_for(endpoint)
                .detect_by_header(&request.headers),
        };
        let Some(provider) = provider else {
            return Classification::default();
        };
        let read = |source: &Option<ValueSource>| {
            let outside = |s: &&ValueSource| s.header.is_some() || s.query.is_some();
            source.as_ref().filter(outside)?.read(request)
        };
        let delivery_id = read(&provider.fields.delivery_id);
        Classification {
            provider: Some(provider.name.clone()),
            event: read(&provider.fields.event),
            group: delivery_id
                .as_deref()
                .map(|id| EventKey::of_id(&provider.name, id)),
            delivery_id,
        }
    }

    /// Returns the provider and the event name of a request.
    pub fn names(
        &self,
        endpoint: Option<&str>,
        request: &Request,
    ) -> (Option<String>, Option<String>) {
        let Some(provider) = self.provider_of(endpoint, request) else {
            let challenge = self.challenge(endpoint, request);
            return (None, challenge.map(|handshake| handshake.name.clone()));
        };
        let tried = || Handshake::name_of(provider, request).map(str::to_owned);
        let event = provider.event(request).or_else(tried);
        (Some(provider.name.clone()), event)
    }

    /// Returns the event whose arrivals are forwarded in order. Returns `None`
    /// if the provider is not known: equal bodies alone do not make later
    /// requests wait for earlier ones.
    pub fn ordered_event(&self, endpoint: Option<&str>, request: &Request) -> Option<EventKey> {
        let provider = self.provider_of(endpoint, request)?;
        Some(event_facts(provider, request).group)
    }

    /// Returns the key that groups arrivals of the same event, without
    /// verifying the signature.
    pub fn event_key(&self, endpoint: Option<&str>, request: &Request) -> EventKey {
        match self.provider_of(endpoint, request) {
            Some(provider) => event_facts(provider, request).group,
            None => EventKey::of_body("", Some(&request.path), &request.body),
        }
    }

    fn verify(
        &self,
        endpoint: Option<&str>,
        provider: &Provider,
        request: &Request,
        at: Timestamp,
        search: Search<'_>,
    ) -> (Verification, Option<Pin>) {
        let url = self.address_of(endpoint, request);
        let url = url.as_deref();
        let ApplicableSecrets {
            own: secrets,
            others,
            old,
            withheld,
        } = self.secrets_for(endpoint, provider);
        let keys = Keys {
            secrets: &secrets,
            url,
        };
        let CheckedSignature {
            mut verification,
            pin,
            is_unclear,
        } = self.checked(endpoint, provider, request, keys, at);
        let subject = Subject {
            request,
            provider,
            known: self.catalog.iter().as_slice(),
            secrets: &secrets,
            others: &others,
            old: &old,
            url,
            now: at,
            history: search.history,
        };
        let (effort, deadline) = (search.effort, search.deadline);
        let found = doctor::diagnose_until(&subject, &verification, effort, deadline);
        // Proved findings take precedence over those of the header check.
        let (first, rest): (Vec<_>, Vec<_>) = found
            .findings
            .into_iter()
            .partition(|f| !f.proof.is_empty());
        verification.findings.splice(0..0, first);
        verification.findings.extend(rest);
        let is_right = matches!(verification.status, Status::Valid | Status::Stale);
        if is_unclear || !is_right && !withheld.is_empty() {
            let mut explained =
                sender_findings::explain_withheld(provider, request, url, &withheld, at);
            // Where another secret is right, those that are not explain nothing.
            explained.retain(|finding| finding.proved || !is_unclear);
            // A secret that is right and may not count is no wrong signature.
            let mut wrong = vec!["no_secret"];
            if verification.status == Status::Invalid && explained.iter().any(|f| f.proved) {
                verification.status = Status::NoSecret;
                wrong.push("unexplained");
            }
            verification
                .findings
                .retain(|f| !wrong.contains(&f.code.as_str()));
            verification.findings.splice(0..0, explained);
        }
        // The caveats of a valid signature are reported last.
        verification
            .findings
            .sort_by_key(|finding| coverage::is_caveat(&finding.code));
        verification.tried = found.tried;
        (verification, pin)
    }

    /// Returns the verification status of a request if it arrived at `at`,
    /// where `came` is its status at arrival. If that status identifies the
    /// provider, only the time is checked and nothing is recomputed.
    pub fn status_at(
        &self,
        endpoint: Option<&str>,
        request: &Request,
        came: Status,
        at: Timestamp,
    ) -> Status {
        let known = || self.provider_of(endpoint, request);
        match came {
            Status::Valid | Status::Stale => {
                known().map_or(came, |provider| signature::freshness(request, provider, at))
            }
            Status::NoSecret if self.keyring.iter().next().is_some() => known()
                .map_or(came, |provider| {
                    self.bare_status(endpoint, provider, request, at)
                }),
            Status::Pending => known().map_or(Status::UnknownProvider, |provider| {
                self.bare_status(endpoint, provider, request, at)
            }),
            _ => came,
        }
    }

    fn bare_status(
        &self,
        endpoint: Option<&str>,
        provider: &Provider,
        request: &Request,
        at: Timestamp,
    ) -> Status {
        let url = self.address_of(endpoint, request);
        let keys = Keys {
            secrets: &self.secrets_for(endpoint, provider).own,
            url: url.as_deref(),
        };
        let checked = self.checked(endpoint, provider, request, keys, at);
        checked.verification.status
    }

    fn address_of(&self, endpoint: Option<&str>, request: &Request) -> Option<String> {
        self.endpoint(endpoint)?.address_of(request)
    }

    /// Returns the provider of a request: the endpoint's, else the configured
    /// default, else the detected one.
    pub fn provider_of(&self, endpoint: Option<&str>, request: &Request) -> Option<&Provider> {
        if let Some(configured) = self.configured(endpoint) {
            return configured;
        }
        let detected = self.catalog_for(endpoint).detect(request)?;
        let namesake = self.namesake(endpoint, request, detected);
        Some(namesake.unwrap_or(detected))
    }

    /// Returns the provider that a request is signed as, where another has the
    /// same header, and the event is not one that tells them apart.
    fn namesake(
        &self,
        endpoint: Option<&str>,
        request: &Request,
        detected: &Provider,
    ) -> Option<&Provider> {
        if request.body.len() > MAX_CLASSIFIED_BODY_BYTES {
            return None;
        }
        let is_signer = |provider: &&Provider| {
            // Those that may not count as well: the finding names the right provider then.
            let ApplicableSecrets { own, withheld, .. } = self.secrets_for(endpoint, provider);
            let withheld = withheld.iter().map(|(secret, _)| *secret);
            let secrets: Vec<&Secret> = own.into_iter().chain(withheld).collect();
            let keys = Keys {
                secrets: &secrets,
                url: None,
            };
            // Only whether it was signed counts here, not when.
            let verification = signature::verify(request, provider, keys, Timestamp(0));
            verification.secret.is_some()
        };
        let catalog = self.catalog_for(endpoint);
        let detected = catalog.get(&detected.name)?;
        catalog.namesakes(detected).find(is_signer)
    }

    /// Returns the provider configured for an endpoint; the outer `None` means
    /// that it must be detected.
    #[expect(
        clippy::option_option,
        reason = "the inner one is a configured name that no provider has"
    )]
    fn configured(&self, endpoint: Option<&str>) -> Option<Option<&Provider>> {
        if let Some(adapted) = endpoint.and_then(|name| self.adapted.get(name)) {
            return Some(Some(adapted));
        }
        let named = self
            .endpoint(endpoint)
            .and_then(|e| e.provider.as_deref())
            .or(self.default_provider.as_deref());
        named.map(|name| self.catalog_for(endpoint).get(name))
    }

    /// Returns the secret that signs a delivery again: the first one configured
    /// for it.
    pub fn secret_for(&self, endpoint: Option<&str>, request: &Request) -> Option<&Secret> {
        self.secret_of(endpoint, self.provider_of(endpoint, request)?)
    }

    /// Returns the first secret configured for a provider's deliveries to an
    /// endpoint, else that of creel's own samples.
    pub fn secret_of(&self, endpoint: Option<&str>, provider: &Provider) -> Option<&Secret> {
        let secrets = self.secrets_for(endpoint, provider).own;
        let signs = |secret: &&&Secret| signature::can_sign(provider, secret);
        let first = secrets.iter().find(signs).or(secrets.first());
        first.copied().or(self.sample_secret.as_ref())
    }

    /// Returns the beginning of the text that a request's signature covers.
    pub fn signed_text(&self, endpoint: Option<&str>, request: &Request) -> Option<SignedText> {
        let scheme = self.provider_of(endpoint, request)?.signature.as_ref()?;
        let scheme = scheme.for_request(request);
        let reading = Reading::of(request, &scheme);
        let url = self.address_of(endpoint, request);
        let url = url.as_deref().map(without_credentials);
        let filling = reading.template_values(request, url.as_deref());
        let mut text = SignedText {
            template: scheme.signed.text().to_owned(),
            start: Vec::new(),
            size: 0,
        };
        for piece in scheme.signed.pieces(&filling) {
            let room = SIGNED_BYTES_SHOWN - text.start.len();
            text.start
                .extend_from_slice(&piece[..piece.len().min(room)]);
            text.size += piece.len() as u64;
        }
        Some(text)
    }

    fn endpoint(&self, name: Option<&str>) -> Option<&Endpoint> {
        self.endpoints
            .iter()
            .find(|e| Some(e.name.as_str()) == name)
    }

    /// Returns whether the provider with this name signs like another one.
    fn signs_alike(&self, name: &str, provider: &Provider) -> bool {
        self.catalog
            .get(name)
            .is_some_and(|other| other.shares_scheme(provider))
    }
}

/// The event of a delivery.
struct EventFacts {
    event: Option<String>,
    delivery_id: Option<String>,
    group: EventKey,
}

/// Reads the event of a delivery. A delivery without an id is identified by its
/// body.
fn event_facts(provider: &Provider, request: &Request) -> EventFacts {
    let tried = || Handshake::name_of(provider, request).map(str::to_owned);
    let event = provider.event(request).or_else(tried);
    let delivery_id = provider.delivery_id(request);
    let name = &provider.name;
    let group = match &delivery_id {
        Some(id) => EventKey::of_id(name, id),
        None => EventKey::of_body(name, event.as_deref(), &request.body),
    };
    EventFacts {
        event,
        delivery_id,
        group,
    }
}

/// Returns a provider adapted to the header names and parameters of an
/// endpoint.
fn adapted(provider: &Provider, endpoint: &Endpoint) -> Provider {
    let mut provider = provider.clone();
    if let Some(scheme) = &mut provider.signature {
        if !endpoint.headers.is_empty() {
            scheme.alias = None;
        }
        let key = scheme.key_param.as_ref();
        scheme.key = key.and_then(|name| endpoint.params.get(name).cloned());
    }
    for (role, name) in &endpoint.headers {
        let source = Some(ValueSource::header(name));
        match (role.as_str(), &mut provider.signature) {
            ("signature", Some(scheme)) => scheme.header = name.to_ascii_lowercase(),
            ("timestamp", Some(scheme)) => scheme.timestamp = source,
            ("id", Some(scheme)) => scheme.id = source,
            ("delivery_id", _) => provider.fields.delivery_id = source,
            ("event", _) => provider.fields.event = source,
            _ => {}
        }
    }
    provider
}

/// The roles for which an endpoint may configure header names.
pub const HEADER_ROLES: [&str; 5] = ["signature", "timestamp", "id", "delivery_id", "event"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::provider::Algorithm;
    use crate::domain::signature::digest;

    fn endpoint(name: &str, provider: Option<&str>) -> Endpoint {
        Endpoint {
            name: name.into(),
            path: format!("/{name}"),
            provider: provider.map(Into::into),
            ..Endpoint::default()
        }
    }

    fn signed_with(secret: &str, header: &str) -> Request {
        let mac = hex::encode(digest(
            Algorithm::HmacSha256,
            secret.as_bytes(),
            [&b"{}"[..]].into_iter(),
        ));
        Request {
            method: "POST".into(),
            headers: [(header, mac)].into_iter().collect(),
            body: "{}".into(),
            ..Request::default()
        }
    }

    fn assess(assessor: &Assessor, endpoint: Option<&str>, request: &Request) -> Verification {
        assessor
            .assess(endpoint, request, Timestamp(0))
            .verification
    }

    #[test]
    fn an_endpoint_s_own_secrets_come_first_and_the_others_are_tried_by_the_doctor() {
        let assessor = Assessor::new(
            Catalog::builtin(),
            vec![endpoint("a", Some("zyra")), endpoint("b", None)],
            vec![
                Secret::new("a", "f", "secret-of-a"),
                Secret::new("zyra", "f", "secret-of-zyra"),
                Secret::new("", "f", "nobody-s"),
            ],
            None,
        );
        let of = |endpoint, secret| {
            assess(
                &assessor,
                endpoint,
                &signed_with(secret, "x-zyra-signature"),
            )
        };
        assert_eq!(of(Some("a"), "secret-of-a").status, Status::Valid);
        let other = of(Some("a"), "secret-of-zyra");
        assert_eq!(
            (other.status, other.findings[0].code.as_str()),
            (Status::Invalid, "other_secret")
        );
        assert_eq!(of(Some("b"), "secret-of-zyra").status, Status::Valid);
        assert_eq!(of(None, "secret-of-zyra").status, Status::Valid);
    }

    #[test]
    fn header_names_are_settings_of_the_endpoint() {
        let mut own = endpoint("tenants", Some("tenant-platform"));
        own.headers = [
            ("signature", "X-Acme-Signature"),
            ("delivery_id", "X-Acme-Id"),
        ]
        .map(|(role, name)| (role.to_owned(), name.to_owned()))
        .into();
        let assessor = Assessor::new(
            Catalog::builtin(),
            vec![own],
            vec![Secret::new("tenants", "f", "key")],
            None,
        );
        let mut request = signed_with("key", "x-acme-signature");
        request.headers.push("x-acme-id", "d-1");
        let found = assessor.assess(Some("tenants"), &request, Timestamp(0));
        assert_eq!(found.verification.status, Status::Valid);
        assert_eq!(found.delivery_id.as_deref(), Some("d-1"));
    }

    #[test]
    fn a_sample_s_secret_counts_only_where_no_other_is_configured() {
        let mut assessor = Assessor::new(Catalog::builtin(), Vec::new(), Vec::new(), None);
        assessor.sample_secret = Some(Secret::new("sample", "creel", "made-by-creel"));
        let request = signed_with("made-by-creel", "x-zyra-signature");
        assert_eq!(assess(&assessor, None, &request).status, Status::Valid);
        let foreign = signed_with("somebody-else-s", "x-zyra-signature");
        assert_eq!(assess(&assessor, None, &foreign).status, Status::NoSecret);
        assessor
            .keyring
            .push(Secret::new("zyra", "f", "configured"));
        assert_eq!(assess(&assessor, None, &request).status, Status::Invalid);
    }

    #[test]
    fn zyra_s_arrivals_are_grouped_by_a_guess() {
        let assessor = Assessor::new(Catalog::builtin(), Vec::new(), Vec::new(), None);
        let request = signed_with("x", "x-zyra-signature");
        let group = assessor.assess(None, &request, Timestamp(0)).group.unwrap();
        assert!(group.guessed);
    }

    #[test]
    fn arrivals_are_counted_as_the_scripted_response_counts_them() {
        let assessor = Assessor::new(Catalog::builtin(), Vec::new(), Vec::new(), None);
        let mut requests = vec![Request::default(), signed_with("x", "x-zyra-signature")];
        // A delivery whose provider specifies an id that is absent.
        requests.push(signed_with("x", "x-porkbun-signature"));
        for request in requests {
            let assessed = assessor.assess(None, &request, Timestamp(0));
            let key = assessor.event_key(None, &request);
            assert_eq!(assessed.group, Some(key));
            let sketch = assessor.classify(None, &request, request.body.len());
            assert_eq!(sketch.group, Some(key));
            assert_eq!(sketch.provider, assessed.provider);
            assert_eq!(sketch.event, assessed.event);
            assert_eq!(sketch.delivery_id, assessed.delivery_id);
            // Of a large body, nothing is reported that a full assessment would
            // correct.
            let head = assessor.classify(None, &request, 1 << 20);
            assert!(head.group.is_none_or(|group| group == key));
            assert!(head.provider.is_none() || head.provider == assessed.provider);
        }
    }

    #[test]
    fn what_is_visible_is_not_searched_for() {
        let mut catalog = Catalog::builtin();
        let text = "name = \"acme\"\ntitle = \"Acme\"\n[detect]\nheaders = [\"x-acme\"]\n[signature]\nalgorithm = \"hmac-sha256\"\nheader = \"x-acme\"\nsigned = \"{body}\"\nencoding = \"hex\"\nrequire = [{ at = { header = \"x-version\" }, is = \"1\" }]";
        catalog.add(text, "acme.toml").unwrap();
        let secrets = vec![Secret::new("", "test", "s")];
        let assessor = Assessor::new(catalog, Vec::new(), secrets, None);
        let codes = |headers: &[(&str, &str)]| {
            let request = Request {
                method: "POST".into(),
                headers: headers.iter().copied().collect(),
                body: "{}".into(),
                ..Request::default()
            };
            let verification = assessor.assess(None, &request, Timestamp(0)).verification;
            assert_eq!(verification.status, Status::Invalid);
            let codes = verification.findings.into_iter().map(|f| f.code);
            codes.collect::<Vec<_>>()
        };
        let mac = digest(Algorithm::HmacSha256, b"s", [b"{}"].into_iter());
        assert_eq!(
            codes(&[("x-acme", &hex::encode(mac))]),
            ["requirement_unmet"]
        );
        let plain = hex::encode(digest(Algorithm::Sha256, b"", [b"{}"].into_iter()));
        assert_eq!(codes(&[("x-hubspot-signature", &plain)]), ["unexplained"]);
    }
}
