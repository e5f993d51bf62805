//! From a delivery and an order to the request that will be sent.

use super::command::ResendOrder;
use super::local::{Local, unreadable};
use crate::domain::attempt::{Edited, Signing};
use crate::domain::delivery::Delivery;
use crate::domain::failure::Failure;
use crate::domain::headers::Headers;
use crate::domain::route::Destination;
use crate::domain::signature;
use crate::outbound::{self, Options, Outgoing};

/// A request that is ready to be sent.
pub(super) struct Prepared {
    /// The delivery it is made of.
    pub(super) delivery: Delivery,
    /// What goes out.
    pub(super) outgoing: Outgoing,
    /// The target as it was asked for.
    pub(super) to: String,
    /// What is allowed when it is sent.
    pub(super) options: Options,
    /// Which signature it carries.
    pub(super) signing: Signing,
    /// What was edited.
    pub(super) edited: Option<Edited>,
}

impl Local {
    /// Reads a delivery and makes the request that will be sent.
    pub(super) fn prepare(&self, seq: u64, order: &ResendOrder) -> Result<Prepared, Failure> {
        let delivery = self.sendable(seq)?;
        let to = self.target_for(&delivery, order.target.as_deref())?;
        let signing = self.signing(&delivery, order);
        let headers = self.headers(&delivery, signing)?;
        let mut outgoing = outbound::prepare(&delivery.request, &to.target, headers)?;
        if let Some(path) = &to.path {
            outgoing = outgoing.at_path(path)?;
        }
        Ok(Prepared {
            delivery,
            outgoing,
            to: to.address(),
            options: order.options.or(self.options),
            signing,
            edited: None,
        })
    }

    /// Reads a delivery that can be sent.
    fn sendable(&self, seq: u64) -> Result<Delivery, Failure> {
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
        Ok(delivery)
    }

    /// Says where a delivery goes: where it was told to, else where it is
    /// configured to go.
    fn target_for(&self, delivery: &Delivery, told: Option<&str>) -> Result<Destination, Failure> {
        told.map(Destination::to)
            .or_else(|| self.destination_of(delivery))
            .ok_or_else(|| {
                Failure::usage(
                    "There is no target to send to.",
                    format!(
                        "Neither the command nor the configuration names one for {}.",
                        delivery.request.path
                    ),
                    "Name one:  --to http://127.0.0.1:3000   (in the inspector: R)",
                )
            })
    }

    /// Says which signature goes: the one asked for; else the one that was
    /// received, but for a retry a new one, as the provider would make, where
    /// there is a secret for it.
    fn signing(&self, delivery: &Delivery, order: &ResendOrder) -> Signing {
        let endpoint = delivery.endpoint.as_deref();
        let assessor = self.assessor();
        let secret = || assessor.secret_for(endpoint, &delivery.request);
        match order.signing {
            Some(signing) => signing,
            None if order.retry.is_some() && secret().is_some() => Signing::Fresh,
            None => Signing::Kept,
        }
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
        let assessor = self.assessor();
        let provider = assessor
            .provider_of(endpoint, &delivery.request)
            .ok_or_else(|| unsignable("Nothing says which provider sent it."))?;
        let secret = assessor
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
