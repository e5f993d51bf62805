//! Where a delivery goes, and what is kept of having sent it there.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::local::Local;
use crate::domain::attempt::{AttemptKind, Signing, outcome};
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::Endpoint;
use crate::domain::failure::{Failure, Remedy};
use crate::domain::headers::Headers;
use crate::domain::provider::definition::Provider;
use crate::domain::request::Request;
use crate::domain::route::{
    Destination, RouteDefaults, RouteQuery, authority, destination, is_itself, origin,
};
use crate::domain::summary::Summary;
use crate::domain::timestamp::Timestamp;
use crate::domain::verification::Status;
use crate::outbound::{self, Exchange, Outgoing};
use crate::store::NewAttempt;

/// How long finding out a target's address may take at the start.
const DNS_TIMEOUT: Duration = Duration::from_secs(2);

impl Local {
    /// Returns where a delivery goes that is listed.
    pub(super) fn destination_of_row(&self, row: &Summary) -> Option<Destination> {
        let endpoint = self.endpoint(row.endpoint.as_deref());
        // What a large body names is not in the row until it is verified.
        if row.status == Status::Pending
            && (row.provider.is_none() || row.event.is_none())
            && self.is_routed(endpoint)
            && let Ok(Some(delivery)) = self.store.delivery(row.seq)
        {
            return self.destination_of(&delivery);
        }
        let asked = RouteQuery {
            endpoint,
            path: &row.path,
            provider: row.provider.as_deref(),
            event: row.event.as_deref(),
        };
        destination(self.everywhere(), &asked)
    }

    /// Returns where a delivery goes, and is resent to unless told otherwise.
    pub(super) fn destination_of(&self, delivery: &Delivery) -> Option<Destination> {
        let endpoint = self.endpoint(delivery.endpoint.as_deref());
        self.destination_for(endpoint, &delivery.request)
    }

    /// Returns where a request to an endpoint goes.
    pub(super) fn destination_for(
        &self,
        endpoint: Option<&Endpoint>,
        request: &Request,
    ) -> Option<Destination> {
        // Who sent what is asked only where it makes a difference.
        let (provider, event) = if self.is_routed(endpoint) {
            self.assessor()
                .names(endpoint.map(|e| e.name.as_str()), request)
        } else {
            (None, None)
        };
        let asked = RouteQuery {
            endpoint,
            path: &request.path,
            provider: provider.as_deref(),
            event: event.as_deref(),
        };
        destination(self.everywhere(), &asked)
    }

    /// Says whether a delivery's target may depend on its provider or event.
    fn is_routed(&self, endpoint: Option<&Endpoint>) -> bool {
        let own = endpoint.map_or(&[][..], |e| &e.routes);
        let mut routes = own.iter().chain(&self.routes);
        routes.any(|route| route.provider.is_some() || route.event.is_some())
    }

    fn everywhere(&self) -> RouteDefaults<'_> {
        RouteDefaults {
            target: self.target.get().map(String::as_str),
            routes: &self.routes,
            path_mode: self.path_mode,
            parallel: self.parallel,
        }
    }

    /// Returns every configured target.
    fn targets(&self) -> impl Iterator<Item = &str> {
        let endpoints = self.endpoints.iter().flat_map(|endpoint| {
            let routes = endpoint.routes.iter().map(|route| route.target.as_str());
            endpoint.target.as_deref().into_iter().chain(routes)
        });
        let routes = self.routes.iter().map(|route| route.target.as_str());
        self.target
            .get()
            .map(String::as_str)
            .into_iter()
            .chain(routes)
            .chain(endpoints)
    }

    /// Returns every app that is configured, by scheme, host and port.
    pub(super) fn origins(&self) -> BTreeSet<String> {
        self.targets().map(origin).collect()
    }

    /// Refuses a target that is the address creel itself receives at.
    ///
    /// # Errors
    /// A [`Failure`] that names it.
    pub async fn refuse_loops(&self, listening: SocketAddr) -> Result<(), Failure> {
        for target in self.targets() {
            if is_itself(target, listening) || resolves_to(target, listening).await {
                return Err(Failure::usage(
                    format!("The target {target} is creel itself."),
                    format!(
                        "creel receives on {listening}, so every delivery would come back to it without end."
                    ),
                    "Name the app's own address, or let creel receive elsewhere:  --listen ADDR:PORT",
                )
.with_remedy(Remedy::NameTarget));
            }
        }
        Ok(())
    }

    /// Returns within how many milliseconds a delivery's provider wants an answer.
    pub(super) fn acknowledged_in(&self, endpoint: Option<&str>, request: &Request) -> Option<u64> {
        self.assessor()
            .provider_of(endpoint, request)
            .and_then(Provider::answer_within_ms)
    }
}

/// Makes the request that is sent.
///
/// # Errors
/// A [`Failure`] where it cannot be written in HTTP.
pub(super) fn outgoing(
    request: &Request,
    to: &Destination,
    headers: Headers,
) -> Result<Outgoing, Failure> {
    let outgoing = outbound::prepare(request, &to.target, headers)?;
    match &to.path {
        Some(path) => outgoing.at_path(path),
        None => Ok(outgoing),
    }
}

/// Makes the record of having sent a delivery on.
pub(super) fn attempt_record(
    delivery_seq: u64,
    acknowledged_in: Option<u64>,
    to: String,
    started_at: Timestamp,
    exchange: Exchange,
) -> NewAttempt {
    let within_ack_timeout = acknowledged_in
        .filter(|_| exchange.response.is_some())
        .map(|limit| exchange.duration_us <= limit.saturating_mul(1000));
    let status = exchange
        .response
        .as_ref()
        .map(|response| response.status)
        .filter(|_| exchange.error.is_none());
    NewAttempt {
        delivery_seq,
        target: to,
        started_at,
        kind: AttemptKind::Forward,
        signing: Signing::Kept,
        edited: None,
        sent_headers: exchange.sent_headers,
        outcome: outcome(status, within_ack_timeout),
        response: exchange.response,
        duration_us: exchange.duration_us,
        within_ack_timeout,
        error: exchange.error,
        retry: None,
        ends: None,
        before: None,
    }
}

/// Makes the exchange that did not take place, and why.
pub(super) fn unsent_exchange(why: String, sent_headers: Headers) -> Exchange {
    Exchange {
        response: None,
        error: Some(why),
        duration_us: 0,
        sent_headers,
        connected: false,
    }
}

/// Says whether a target's name stands for the address creel receives at.
async fn resolves_to(target: &str, listening: SocketAddr) -> bool {
    let Some((host, port)) = authority(target).filter(|(_, port)| *port == listening.port()) else {
        return false;
    };
    let looking = tokio::net::lookup_host((host, port));
    let Ok(Ok(found)) = tokio::time::timeout(DNS_TIMEOUT, looking).await else {
        return false;
    };
    found
        .into_iter()
        .any(|found| is_itself(&format!("http://{found}"), listening))
}
