//! From a delivery and an order to the request that will be sent.

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
    /// The delivery it is made of.
    pub(super) delivery: Delivery,
    /// What its row says.
    pub(super) listed: Listed,
    /// Within how many milliseconds its provider wants an answer.
    pub(super) acknowledged_in: Option<u64>,
    /// What goes out.
    pub(super) outgoing: Outgoing,
    /// The target as it was asked for.
    pub(super) to: String,
    /// What is allowed when it is sent.
    pub(super) options: SendOptions,
    /// Which signature it carries.
    pub(super) signing: Signing,
    /// What was edited.
    pub(super) edited: Option<attempt::EditedParts>,
    /// Headers whose value is the signature made for it.
    pub(super) later: Vec<String>,
    /// Headers that hold the time of sending.
    pub(super) times: Vec<String>,
    /// What should be known before it is sent, as sentences.
    pub(super) notes: Vec<String>,
}

impl PreparedResend {
    /// Makes the attempt that is to be kept once it was sent.
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

/// Which signature a request gets, and with what it is made.
enum SignatureChoice<'a> {
    /// The one it came with.
    AsReceived,
    /// A new one.
    New(&'a Provider, &'a Secret),
}

impl Local {
    /// Reads a delivery and makes the request that will be sent.
    pub(super) fn prepare(
        &self,
        seq: u64,
        order: &ResendRequest,
    ) -> Result<PreparedResend, Failure> {
        self.prepare_listed(&self.look_up(seq, &mut Rows::default())?, order)
    }

    /// Looks up a delivery that is to be sent.
    pub(super) fn look_up(&self, seq: u64, rows: &mut Rows) -> Result<Listed, Failure> {
        let listed = self.store.listed(seq, rows).map_err(read_failure)?;
        listed.ok_or_else(removed_failure)
    }

    /// Reads a delivery that was looked up, and makes the request that will be
    /// sent.
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

    /// Makes a new event of a request.
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
                "Nothing says which provider sent it, so nothing says where its id is.",
                "Send it as it came, and set what is to differ:  --header 'X-Id: 7', --set .id=7",
            )
            .with_remedy(Remedy::EditRequest)
        })?;
        // Deliveries sent together get different ids.
        let random = seed.map_or_else(random_bits, |seed| {
            u128::from(seed) << 64 ^ delivery.id.bits()
        });
        let new = new_event::with_new_id(request, provider, self.clock.now(), random);
        notes.extend(new.notes);
        Ok(new.request)
    }

    /// Signs what is prepared, with the time of now.
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

    /// Reads a delivery that can be sent.
    fn sendable(&self, listed: &Listed) -> Result<Delivery, Failure> {
        let delivery = match self.store.read(listed) {
            Ok(delivery) => delivery,
            // It may have been carried to another place since.
            Err(_) => self
                .store
                .delivery(listed.seq)
                .map_err(read_failure)?
                .ok_or_else(removed_failure)?,
        };
        if let Some(why) = &delivery.refused {
            return Err(Failure::no(
                format!("Delivery {} cannot be sent again.", delivery.id),
                format!("It was refused when it came, so its body was not kept: {why}"),
                "Raise --max-body and let its sender try again.",
            ));
        }
        Ok(delivery)
    }

    /// Says where a delivery goes: where it was told to, else where it is
    /// configured to go. The configured address means the configured way.
    fn target_for(
        &self,
        delivery: &Delivery,
        requested: Option<&str>,
    ) -> Result<Destination, Failure> {
        let configured = self.destination_of(delivery);
        // A path of "/" that is meant cannot be told from none in an address.
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
        "That delivery is no longer kept.",
        "",
        "List what there is:  creel list",
    )
    .with_remedy(Remedy::ChooseDelivery)
}

/// Says which signature goes: the one asked for; else the one that was
/// received, but a new one for what is changed or tried again as the
/// provider would, where one can be made.
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
            format!("Delivery {} cannot be signed afresh.", delivery.id),
            why,
            "Name its provider and secret:  creel --secret NAME=VALUE   or send it with the signature it came with:  --sign kept",
        )
.with_remedy(Remedy::AddSecretOrKeepSignature)
    };
    let mut as_received = |why: String| {
        if changed {
            notes.push(format!("{why} It goes with the signature it came with."));
        }
        Ok(SignatureChoice::AsReceived)
    };
    let Some(provider) = provider else {
        let why = "Nothing says which provider sent it.";
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

/// Returns the secret to sign a delivery with. That of creel's own samples
/// signs nothing but them.
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

/// Returns the target to fit a request to: where the path was edited, that
/// path counts, and not the target's.
fn target_to_fit(to: &Destination, path_edited: bool) -> Destination {
    if path_edited {
        Destination::to(&origin(&to.target))
    } else {
        to.clone()
    }
}
