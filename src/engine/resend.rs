//! Sends deliveries again and keeps what came of it.

use super::command::ResendOrder;
use super::local::{Local, unreadable};
use crate::domain::attempt::{Attempt, AttemptKind, Signing, outcome};
use crate::domain::delivery::Delivery;
use crate::domain::failure::Failure;
use crate::domain::headers::Headers;
use crate::domain::signature;
use crate::outbound;
use crate::store::NewAttempt;

impl Local {
    /// Sends deliveries again, in the order given, and keeps every attempt.
    ///
    /// Whatever could be known to be wrong beforehand (an id that is not
    /// there, no target, no secret to sign with) is found before the first
    /// one is sent.
    pub(super) async fn resend(&self, order: ResendOrder) -> Result<Vec<Attempt>, Failure> {
        let mut seqs = Vec::with_capacity(order.ids.len());
        for id in &order.ids {
            seqs.push(self.find(id)?);
        }
        for &seq in &seqs {
            self.prepared(seq, &order)?;
        }
        let mut attempts = Vec::with_capacity(seqs.len());
        for seq in seqs {
            attempts.push(self.resend_one(seq, &order).await?);
        }
        Ok(attempts)
    }

    async fn resend_one(&self, seq: u64, order: &ResendOrder) -> Result<Attempt, Failure> {
        let (delivery, outgoing) = self.prepared(seq, order)?;
        let started_at = self.clock.now();
        let exchange = self.client.send(&outgoing).await;
        let within_ack_timeout = self
            .assessor
            .provider_of(delivery.endpoint.as_deref(), &delivery.request)
            .and_then(super::super::domain::provider::definition::Provider::answer_within_ms)
            .filter(|_| exchange.response.is_some())
            .map(|limit| exchange.duration_us <= limit.saturating_mul(1000));
        let status = exchange
            .response
            .as_ref()
            .map(|r| r.status)
            .filter(|_| exchange.error.is_none());
        self.store
            .append_attempt(NewAttempt {
                delivery_seq: seq,
                target: outgoing.address(),
                started_at,
                kind: AttemptKind::Resend,
                signing: order.signing,
                edited: false,
                sent_headers: exchange.sent_headers,
                outcome: outcome(status, within_ack_timeout),
                response: exchange.response,
                duration_us: exchange.duration_us,
                within_ack_timeout,
                error: exchange.error,
            })
            .await
            .map_err(|error| {
                Failure::cannot(
                    "The delivery was sent, but the attempt could not be kept.",
                    format!("{error}."),
                    "Free some space; the target's own log shows what it answered.",
                )
            })
    }

    /// Reads a delivery and makes the request that will be sent.
    fn prepared(
        &self,
        seq: u64,
        order: &ResendOrder,
    ) -> Result<(Delivery, outbound::Outgoing), Failure> {
        let delivery = self
            .store
            .delivery(seq)
            .map_err(unreadable)?
            .ok_or_else(|| {
                Failure::no(
                    "That delivery is no longer kept.",
                    "",
                    "List what there is:  creel list",
                )
            })?;
        if let Some(why) = &delivery.refused {
            return Err(Failure::no(
                format!("Delivery {} cannot be sent again.", delivery.id),
                format!("It was refused when it came, so its body was not kept: {why}"),
                "Raise --max-body and let its sender try again.",
            ));
        }
        let target = order
            .target
            .clone()
            .or_else(|| self.target_of(&delivery))
            .ok_or_else(|| {
                Failure::usage(
                    "There is no target to send to.",
                    format!(
                        "Neither the command nor the configuration names one for {}.",
                        delivery.request.path
                    ),
                    "Name one:  --to http://127.0.0.1:3000   (in the inspector: R)",
                )
            })?;
        let headers = self.headers(&delivery, order.signing)?;
        let outgoing = outbound::prepare(&delivery.request, &target, headers)?;
        Ok((delivery, outgoing))
    }

    fn headers(&self, delivery: &Delivery, signing: Signing) -> Result<Headers, Failure> {
        if signing == Signing::Kept {
            return Ok(delivery.request.headers.clone());
        }
        let endpoint = delivery.endpoint.as_deref();
        let unsignable = |why: &str| {
            Failure::no(
                format!("Delivery {} cannot be signed afresh.", delivery.id),
                why,
                "Send it with the signature it came with, or name its provider and secret:  creel --secret NAME=VALUE",
            )
        };
        let provider = self
            .assessor
            .provider_of(endpoint, &delivery.request)
            .ok_or_else(|| unsignable("Nothing says which provider sent it."))?;
        let secret = self
            .assessor
            .secret_for(endpoint, &delivery.request)
            .ok_or_else(|| {
                unsignable(&format!("No secret is configured for {}.", provider.title))
            })?;
        let url = self
            .endpoint(endpoint)
            .and_then(|e| e.public_url.as_deref());
        signature::resign(&delivery.request, provider, secret, url, self.clock.now())
    }
}
