//! Prepares the request of a resend.

use super::command::ResendRequest;
use super::local::{Local, read_failure};
use super::routing::{attempt_record, outgoing};
use crate::clock::random_bits;
use crate::domain::assess::Assessor;
use crate::domain::attempt::{self, AttemptKind, Signing};
use crate::domain::delivery::Delivery;
use crate::domain::edit::EditResult;
use crate::domain::failure::{Failure, Remedy};
use crate::domain::provider::Provider;
use crate::domain::request::Request;
use crate::domain::route::{Destination, origin};
use crate::domain::secret::Secret;
use crate::domain::timestamp::Timestamp;
use crate::domain::verification::Status;
use crate::domain::{new_event, signature};
use crate::outbound::{Exchange, Outgoing, SendOptions};
use crate::store::{Listed, NewAttempt, Rows};

/// A request that is ready to be sent.
pub(super) struct PreparedResend {
    /// The delivery.
    pub(super) delivery: Delivery,
    /// Its index entry.
    pub(super) listed: Listed,
    /// The provider's response timeout, in milliseconds.
    pub(super) acknowledged_in: Option<u64>,
    /// The request.
    pub(super) outgoing: Outgoing,
    /// The requested target.
    pub(super) to: String,
    /// The permissions for sending it.
    pub(super) options: SendOptions,
    /// The signature that it carries.
    pub(super) signing: Signing,
    /// What was edited.
    pub(super) edited: Option<attempt::EditedParts>,
    /// Headers whose value is the signature made for it.
    pub(super) later: Vec<String>,
    /// The headers that contain the time of sending.
    pub(super) times: Vec<String>,
    /// Warnings, as sentences.
    pub(super) notes: Vec<String>,
}

impl PreparedResend {
    /// Returns the attempt to store after sending.
    pub(super) fn attempt(
        &self,
        kind: AttemptKind,
        started_at: Timestamp,
        exchange: Exchange,
    ) -> NewAttempt {
        let to = self.outgoing.address();
        let seq = self.listed.seq;
        NewAttempt {
            kind,
            signing: self.signing,
            edited: self.edited.clone(),
            before: self.listed.attempts,
            ..attempt_record(seq, self.acknowledged_in, to, started_at, exchange)
        }
    }
}

/// The signature of a resent request.
enum SignatureChoice<'a> {
    /// The received signature.
    AsReceived,
    /// A new signature, with the provider and secret to make it.
    New(&'a Provider, &'a Secret),
}

impl Local {
    /// Reads a delivery and prepares the request.
    pub(super) fn prepare(
        &self,
        seq: u64,
        order: &ResendRequest,
    ) -> Result<PreparedResend, Failure> {
        self.prepare_listed(&self.look_up(seq, &mut Rows::default())?, order)
    }

    /// Looks up a delivery in the index.
    pub(super) fn look_up(&self, seq: u64, rows: &mut Rows) -> Result<Listed, Failure> {
        let listed = self.store.listed(seq, rows).map_err(read_failure)?;
        listed.ok_or_else(removed_failure)
    }

    /// Reads a delivery that was looked up and prepares the request.
    pub(super) fn prepare_listed(
        &self,
        listed: &Listed,
        order: &ResendRequest,
    ) -> Result<PreparedResend, Failure> {
        let delivery = self.sendable(listed)?;
        let to = self.target_for(&delivery, order.target.as_deref())?;
        let original = &delivery.request;
        let EditResult {
            request,
            warnings: mut notes,
        } = match &order.edit {
            Some(edit) => edit.apply(original)?,
            None => EditResult::unchanged(original),
        };
        let fitted = target_to_fit(&to, request.path != original.path);
        let assessor = self.assessor();
        let provider = assessor.provider_of(delivery.endpoint.as_deref(), original);
        let acknowledged_in = provider.and_then(Provider::answer_within_ms);
        let request = if order.new_event {
            self.as_new_event(provider, &delivery, &request, order.seed, &mut notes)?
        } else {
            request
        };
        let is_edited = request != *original;
        let changed = is_edited || order.new_event;
        let choice = choose_signature(&assessor, provider, &delivery, order, changed, &mut notes)?;
        let mut prepared = PreparedResend {
            outgoing: outgoing(&request, &fitted, request.headers.clone())?,
            to: to.address(),
            options: order.options.or(self.options),
            signing: Signing::Kept,
            edited: None,
            later: Vec::new(),
            times: Vec::new(),
            notes,
            delivery,
            listed: *listed,
            acknowledged_in,
        };
        if let SignatureChoice::New(provider, secret) = choice {
            self.sign_prepared(&mut prepared, &request, &fitted, provider, secret)?;
        }
        let Outgoing { method, body, .. } = &prepared.outgoing;
        if is_edited || *body != prepared.delivery.request.body {
            prepared.edited = Some(attempt::EditedParts {
                method: method.clone(),
                body: body.clone(),
            });
        }
        Ok(prepared)
    }

    /// Turns a request into a new event with its own id.
    fn as_new_event(
        &self,
        provider: Option<&Provider>,
        delivery: &Delivery,
        request: &Request,
        seed: Option<u64>,
        notes: &mut Vec<String>,
    ) -> Result<Request, Failure> {
        let provider = provider.ok_or_else(|| {
            Failure::no(
                format!("Delivery {} cannot go as a new event.", delivery.id),
                "Its provider is not known, so the place of its event id is not known either.",
                "Send it as received, and set the id yourself:  --header 'X-Id: 7', --set .id=7",
            )
            .with_remedy(Remedy::EditRequest)
        })?;
        // Deliveries of one request get different ids.
        let random = seed.map_or_else(random_bits, |seed| {
            u128::from(seed) << 64 ^ delivery.id.bits()
        });
        let new = new_event::with_new_id(request, provider, self.clock.now(), random);
        notes.extend(new.notes);
        Ok(new.request)
    }

    /// Signs a prepared request with the current time.
    fn sign_prepared(
        &self,
        prepared: &mut PreparedResend,
        request: &Request,
        target: &Destination,
        provider: &Provider,
        secret: &Secret,
    ) -> Result<(), Failure> {
        let url = self
            .endpoint(prepared.delivery.endpoint.as_deref())
            .and_then(|e| e.address_of(request));
        let now = self.clock.now();
        let request = new_event::with_current_time(request, provider, now);
        let headers = signature::sign_again(&request, provider, secret, url.as_deref(), now)?;
        prepared.outgoing = outgoing(&request, target, headers)?;
        prepared.signing = Signing::Fresh;
        if let Some(scheme) = &provider.signature {
            let scheme = scheme.for_request(&request);
            let time = scheme.timestamp.as_ref().and_then(|s| s.header.as_ref());
            prepared.times.extend(time.map(|t| t.to_ascii_lowercase()));
            prepared.later.push(scheme.header.to_ascii_lowercase());
            let further = scheme.additional_headers();
            let further = further.filter(|name| prepared.outgoing.headers.contains(name));
            prepared.later.extend(further.map(str::to_ascii_lowercase));
        }
        Ok(())
    }

    /// Reads a delivery; fails if it cannot be sent.
    fn sendable(&self, listed: &Listed) -> Result<Delivery, Failure> {
        let delivery = match self.store.read(listed) {
            Ok(delivery) => delivery,
            // Retention may have moved the record since.
            Err(_) => self
                .store
                .delivery(listed.seq)
                .map_err(read_failure)?
                .ok_or_else(removed_failure)?,
        };
        if let Some(why) = &delivery.refused {
            return Err(Failure::no(
                format!("Delivery {} cannot be sent again.", delivery.id),
                format!("It was refused when it arrived, so its body was not stored: {why}"),
                "Raise --max-body and let its sender try again.",
            ));
        }
        Ok(delivery)
    }

    /// Returns the destination: the requested target, otherwise the configured
    /// one. A requested address that equals the configured one also uses the
    /// configured path.
    fn target_for(
        &self,
        delivery: &Delivery,
        requested: Option<&str>,
    ) -> Result<Destination, Failure> {
        let configured = self.destination_of(delivery);
        // An explicit path of "/" equals no path in an address.
        let same = |requested: &str| {
            configured
                .as_ref()
                .is_some_and(|c| c.address() == requested)
        };
        requested
            .filter(|requested| !same(requested))
            .map(Destination::to)
            .or(configured)
            .ok_or_else(|| {
                Failure::usage(
                    "There is no target to send to.",
                    format!(
                        "Neither the command nor the configuration names one for {}.",
                        delivery.request.path
                    ),
                    "Name one:  --to http://127.0.0.1:3000",
                )
                .with_remedy(Remedy::NameTarget)
            })
    }
}

fn removed_failure() -> Failure {
    Failure::no(
        "That delivery is no longer stored.",
        "",
        "List all deliveries:  creel list",
    )
    .with_remedy(Remedy::ChooseDelivery)
}

/// Chooses the signature: the requested one; otherwise the received one, but a
/// new one for changed requests and retries if it can be made.
fn choose_signature<'a>(
    assessor: &'a Assessor,
    provider: Option<&'a Provider>,
    delivery: &Delivery,
    order: &ResendRequest,
    changed: bool,
    notes: &mut Vec<String>,
) -> Result<SignatureChoice<'a>, Failure> {
    let requested_new = match order.signing {
        Some(Signing::Fresh) => true,
        None if changed || order.retry.is_some() => false,
        Some(Signing::Kept) | None => return Ok(SignatureChoice::AsReceived),
    };
    let unsignable = |why: &str| {
        Failure::no(
            format!("Delivery {} cannot be signed again.", delivery.id),
            why,
            "Name its provider and secret:  creel --secret NAME=VALUE   or send it with the received signature:  --sign kept",
        )
.with_remedy(Remedy::AddSecretOrKeepSignature)
    };
    let mut as_received = |why: String| {
        if changed {
            notes.push(format!("{why} It is sent with the received signature."));
        }
        Ok(SignatureChoice::AsReceived)
    };
    let Some(provider) = provider else {
        let why = "Its provider is not known.";
        return if requested_new {
            Err(unsignable(why))
        } else {
            as_received(why.to_owned())
        };
    };
    if !requested_new && let Some(why) = signature::why_unsignable(provider) {
        return as_received(why);
    }
    match secret_to_sign(assessor, delivery, provider) {
        Some(secret) => Ok(SignatureChoice::New(provider, secret)),
        None if requested_new || changed => Err(unsignable(&format!(
            "No secret is configured for {}.",
            provider.title
        ))),
        None => Ok(SignatureChoice::AsReceived),
    }
}

/// Returns the secret to sign a delivery with. The secret of creel's own
/// samples signs samples only.
pub(super) fn secret_to_sign<'a>(
    assessor: &'a Assessor,
    delivery: &Delivery,
    provider: &Provider,
) -> Option<&'a Secret> {
    let endpoint = delivery.endpoint.as_deref();
    let secret = assessor.secret_of(endpoint, provider)?;
    let own = assessor.sample_secret.as_ref();
    if own.is_none_or(|own| !std::ptr::eq(own, secret)) {
        return Some(secret);
    }
    let at = delivery.received_at;
    let came = assessor.assess_minimal(endpoint, &delivery.request, at);
    let status = came.verification.status;
    matches!(status, Status::Valid | Status::Stale).then_some(secret)
}

/// Returns the target to fit a request to. An edited path replaces the path of
/// the target.
fn target_to_fit(to: &Destination, path_edited: bool) -> Destination {
    if path_edited {
        Destination::to(&origin(&to.target))
    } else {
        to.clone()
    }
}
