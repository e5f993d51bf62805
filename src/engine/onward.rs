//! One delivery on its way to its app, and what is kept of it.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::local::{Local, aside};
use super::sending::{forwarded, not_sent, outgoing};
use crate::domain::headers::Headers;
use crate::domain::route::{Mode, origin};
use crate::domain::summary::Summary;
use crate::store::{AppendError, NewAttempt};

/// How long an exchange may still take when creel is to end.
const GRACE: Duration = Duration::from_secs(3);

/// What came of sending one delivery on.
pub(super) enum Went {
    /// The app answered, and that is kept.
    Answered,
    /// There is nothing to send any more, or it can never be sent.
    Passed,
    /// The app did not answer. That is not kept yet; nor, where it took the
    /// connection, is it known of the app: it may answer others.
    Unanswered {
        attempt: Box<NewAttempt>,
        /// Whether it took the connection.
        connected: bool,
    },
    /// creel is to end.
    Ended,
}

impl Local {
    /// Says whether a delivery is to be sent on to an app now.
    pub(super) fn due(&self, row: &Summary, to: &str) -> bool {
        row.owed()
            && self
                .destination_of_row(row)
                .is_some_and(|destination| origin(&destination.target) == to)
            && self.answering.of(row.endpoint.as_deref()).mode != Mode::Hold
    }
}

/// Sends one delivery on and keeps the app's answer.
pub(super) async fn send_on(
    local: &Arc<Local>,
    row: &Summary,
    shutdown: &CancellationToken,
) -> Went {
    let delivery = match aside(|| local.store.delivery(row.seq)) {
        Ok(Some(delivery)) => delivery,
        Ok(None) => return Went::Passed,
        Err(error) => {
            tracing::warn!(%error, id = %row.id, "a delivery to be sent on cannot be read");
            return Went::Passed;
        }
    };
    let Some(to) = local.destination_of(&delivery) else {
        return Went::Passed;
    };
    let endpoint = delivery.endpoint.as_deref();
    let limit = local.acknowledged_in(endpoint, &delivery.request);
    let started_at = local.clock.now();
    let attempt = |address, exchange| forwarded(row.seq, limit, address, started_at, exchange);
    let outgoing = match outgoing(&delivery.request, &to, delivery.request.headers.clone()) {
        Ok(outgoing) => outgoing,
        Err(failure) => {
            let why = format!("{} {}", failure.what, failure.why);
            let never = attempt(to.address(), not_sent(why, Headers::new()));
            tell(local.store.append_attempt(never).await.err().as_ref());
            return Went::Passed;
        }
    };
    drop(delivery);
    let exchange = tokio::select! {
        exchange = local.client.send(&outgoing, local.options) => exchange,
        () = late(shutdown) => return Went::Ended,
    };
    let (answered, connected) = (exchange.response.is_some(), exchange.connected);
    if answered || !connected {
        local
            .apps
            .sent(&outgoing.origin(), &exchange, local.clock.now());
    }
    let attempt = attempt(outgoing.address(), exchange);
    if answered {
        tell(local.store.append_attempt(attempt).await.err().as_ref());
        return Went::Answered;
    }
    Went::Unanswered {
        attempt: Box::new(attempt),
        connected,
    }
}

/// Says that an attempt was made and could not be kept.
pub(super) fn tell(error: Option<&AppendError>) {
    if let Some(error) = error {
        tracing::warn!(%error, "a delivery was sent on, but that could not be kept");
    }
}

/// Waits until creel is to end and some time more.
async fn late(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(GRACE).await;
}
