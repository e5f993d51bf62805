//! Forwards one delivery and stores the attempt.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::local::{Local, run_blocking};
use super::routing::{attempt_record, outgoing, unsent_exchange};
use crate::domain::delivery::Delivery;
use crate::domain::headers::Headers;
use crate::domain::route::{Destination, ForwardMode};
use crate::domain::summary::Summary;
use crate::store::{AppendError, NewAttempt};

/// How long an exchange may take at shutdown.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// The outcome of forwarding one delivery.
pub(super) enum ForwardOutcome {
    /// The app answered and the attempt was stored.
    Answered,
    /// The delivery cannot be sent.
    Unsendable,
    /// The app did not answer. The attempt is not stored yet. If the app
    /// accepted the connection, its state is not updated either: it may answer
    /// other deliveries.
    Unanswered {
        attempt: Box<NewAttempt>,
        /// Whether the app accepted the connection.
        connected: bool,
    },
    /// The exchange was cancelled by a shutdown.
    Cancelled,
}

/// The result of reading a delivery to forward.
pub(super) enum Loaded {
    Owed(Box<Delivery>),
    /// Its endpoint is in the mode hold.
    HeldBack,
    /// It is no longer owed or cannot be read.
    NotOwed,
}

impl Local {
    /// Returns the destination of a delivery, if it is to be forwarded now.
    pub(super) fn destination_due(&self, row: &Summary) -> Option<Destination> {
        let endpoint = row.endpoint.as_deref();
        if !row.is_unanswered() || self.response_plans.of(endpoint).mode == ForwardMode::Hold {
            return None;
        }
        self.destination_of_row(row)
    }

    /// Reads a delivery to forward.
    pub(super) fn load_owed(&self, seq: u64) -> Loaded {
        let delivery = match self.store.delivery(seq) {
            Ok(Some(delivery)) if delivery.answer.is_unanswered() => delivery,
            Ok(_) => return Loaded::NotOwed,
            Err(error) => {
                tracing::warn!(%error, seq, "a delivery to be forwarded cannot be read");
                return Loaded::NotOwed;
            }
        };
        match self.response_plans.of(delivery.endpoint.as_deref()).mode {
            ForwardMode::Hold => Loaded::HeldBack,
            ForwardMode::AckFirst | ForwardMode::PassThrough => Loaded::Owed(Box::new(delivery)),
        }
    }
}

/// Forwards one delivery and stores the app's response. Calls `on_response`
/// when the response was received, before it is stored.
pub(super) async fn forward_one(
    local: &Arc<Local>,
    delivery: Box<Delivery>,
    to: Destination,
    on_response: impl FnOnce() + Send,
    shutdown: &CancellationToken,
) -> ForwardOutcome {
    let (seq, endpoint) = (delivery.seq, delivery.endpoint.as_deref());
    let limit = run_blocking(|| local.acknowledged_in(endpoint, &delivery.request));
    let started_at = local.clock.now();
    let attempt = |address, exchange| attempt_record(seq, limit, address, started_at, exchange);
    let outgoing = match outgoing(&delivery.request, &to, delivery.request.headers.clone()) {
        Ok(outgoing) => outgoing,
        Err(failure) => {
            let why = format!("{} {}", failure.what, failure.why);
            let never = attempt(to.address(), unsent_exchange(why, Headers::new()));
            warn_unpersisted(local.store.append_attempt(never).await.err().as_ref());
            return ForwardOutcome::Unsendable;
        }
    };
    drop(delivery);
    let exchange = tokio::select! {
        exchange = local.client.send(&outgoing, local.options) => exchange,
        () = shutdown_deadline(shutdown) => return ForwardOutcome::Cancelled,
    };
    let (answered, connected) = (exchange.response.is_some(), exchange.connected);
    if answered || !connected {
        local
            .apps
            .record_exchange(&outgoing.origin(), &exchange, local.clock.now());
    }
    let attempt = attempt(outgoing.address(), exchange);
    if answered {
        on_response();
        warn_unpersisted(local.store.append_attempt(attempt).await.err().as_ref());
        return ForwardOutcome::Answered;
    }
    ForwardOutcome::Unanswered {
        attempt: Box::new(attempt),
        connected,
    }
}

/// Logs that an attempt could not be stored.
pub(super) fn warn_unpersisted(error: Option<&AppendError>) {
    if let Some(error) = error {
        tracing::warn!(%error, "a delivery was forwarded, but the attempt could not be stored");
    }
}

/// Waits for the shutdown and its grace period.
async fn shutdown_deadline(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(SHUTDOWN_GRACE).await;
}
