//! Determines where deliveries go and records attempts.

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

/// Timeout for resolving a target at the start.
const DNS_TIMEOUT: Duration = Duration::from_secs(2);

impl Local {
    /// Returns the destination of a delivery from its summary.
    pub(super) fn destination_of_row(&self, row: &Summary) -> Option<Destination> {
        let endpoint = self.endpoint(row.endpoint.as_deref());
        // The summary of a pending delivery with a large body has no provider
        // and event yet.
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

    /// Returns the destination of a delivery, which is also the default of a
    /// resend.
    pub(super) fn destination_of(&self, delivery: &Delivery) -> Option<Destination> {
        let endpoint = self.endpoint(delivery.endpoint.as_deref());
        self.destination_for(endpoint, &delivery.request)
    }

    /// Returns the destination of a request to an endpoint.
    pub(super) fn destination_for(
        &self,
        endpoint: Option<&Endpoint>,
        request: &Request,
    ) -> Option<Destination> {
        // Determines the provider and event only if a route depends on them.
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

    /// Returns `true` if a route of the endpoint depends on the provider or
    /// event.
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

    /// Returns all configured targets.
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

    /// Returns all configured apps, by scheme, host and port.
    pub(super) fn origins(&self) -> BTreeSet<String> {
        self.targets().map(origin).collect()
    }

    /// Refuses targets that are creel's own address.
    ///
    /// # Errors
    /// Returns a [`Failure`] that names the target.
    pub async fn refuse_loops(&self, listening: SocketAddr) -> Result<(), Failure> {
        for target in self.targets() {
            if is_itself(target, listening) || resolves_to(target, listening).await {
                return Err(Failure::usage(
                    format!("The target {target} is creel itself."),
                    format!(
                        "creel receives on {listening}, so every delivery would return to it endlessly."
                    ),
                    "Name the app's own address, or let creel receive elsewhere:  --listen ADDR:PORT",
                )
.with_remedy(Remedy::NameTarget));
            }
        }
        Ok(())
    }

    /// Returns the response timeout of a delivery's provider, in milliseconds.
    pub(super) fn acknowledged_in(&self, endpoint: Option<&str>, request: &Request) -> Option<u64> {
        self.assessor()
            .provider_of(endpoint, request)
            .and_then(Provider::answer_within_ms)
    }
}

/// Creates the request to send.
///
/// # Errors
/// Returns a [`Failure`] if the request cannot be expressed in HTTP.
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

/// Creates the record of a forwarded delivery.
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

/// Creates an exchange that did not take place, with the reason.
pub(super) fn unsent_exchange(why: String, sent_headers: Headers) -> Exchange {
    Exchange {
        response: None,
        error: Some(why),
        duration_us: 0,
        sent_headers,
        connected: false,
    }
}

/// Returns `true` if the host of a target resolves to creel's own address.
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
