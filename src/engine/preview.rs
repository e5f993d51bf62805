//! Previews the request of a resend.

use super::command::{Preview, ResendRequest};
use super::local::Local;
use super::prepare::PreparedResend;
use crate::clock::random_bits;
use crate::domain::failure::{Failure, Remedy};
use crate::domain::request::Request;

impl Local {
    /// Returns the request that would be sent for the first delivery of a
    /// selection.
    pub(super) fn preview(&self, mut order: ResendRequest) -> Result<Preview, Failure> {
        let seed = order.seed.unwrap_or_else(|| random_bits() as u64);
        order.seed = Some(seed);
        let seqs = self.resolve_selection(&order.which)?;
        let seq = *seqs.first().ok_or_else(|| {
            Failure::usage(
                "No delivery is named.",
                "",
                "Name one:  creel resend @latest",
            )
            .with_remedy(Remedy::ChooseDelivery)
        })?;
        let PreparedResend {
            delivery,
            outgoing,
            signing,
            edited,
            later,
            times,
            notes,
            ..
        } = self.prepare(seq, &order)?;
        let (path, query) = match outgoing.target.split_once('?') {
            Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
            None => (outgoing.target.clone(), None),
        };
        Ok(Preview {
            delivery: delivery.id,
            address: outgoing.address(),
            new: Request {
                method: outgoing.method,
                path,
                query,
                http_version: "1.1".to_owned(),
                headers: outgoing.headers,
                body: outgoing.body,
            },
            old: delivery.request,
            signing,
            edited: edited.is_some(),
            later,
            times,
            notes,
            seed,
        })
    }
}
