//! Stores received requests and responds to their senders.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::local::Local;
use super::response_plans::EffectiveResponse;
use crate::domain::delivery::{RecordedResponse, Responder};
use crate::domain::endpoint::route;
use crate::domain::handshake;
use crate::domain::headers::Headers;
use crate::domain::response_plan::ResponseStep;
use crate::domain::route::ForwardMode;
use crate::server::{Intake, ReceivedRequest, ReplyTiming, SenderResponse};
use crate::store::{AppendError, Incoming};

/// `retry-after` in seconds for a delivery that could not be stored.
const RETRY_AFTER_SECONDS: &str = "5";

/// Minimum interval between two warnings that deliveries cannot be stored.
const WARNING_INTERVAL: Duration = Duration::from_secs(1);

impl Local {
    /// Returns the handler that the server calls for every request.
    pub fn intake(self: &Arc<Self>) -> Intake {
        let local = Arc::clone(self);
        Arc::new(move |arrival| {
            let local = Arc::clone(&local);
            Box::pin(async move { local.respond(arrival).await })
        })
    }

    /// Stores a request and returns the response.
    async fn respond(self: &Arc<Self>, arrival: ReceivedRequest) -> SenderResponse {
        if let Some(refused) = &arrival.refused {
            let reply = text_response(refused.status(), &format!("{refused}\n"));
            return self
                .store_and_respond(arrival, reply, Responder::Creel)
                .await;
        }
        let endpoint = route(&self.endpoints, &arrival.request.path);
        let name = endpoint.map(|e| e.name.as_str());
        let effective = self.response_plans.of(name);
        let destination = match effective.mode {
            ForwardMode::Hold => None,
            ForwardMode::AckFirst | ForwardMode::PassThrough => {
                self.destination_for(endpoint, &arrival.request)
            }
        };
        if destination.is_some() && self.is_own(arrival.remote_addr) {
            let reply = text_response(
                508,
                "This delivery came from creel itself: its target leads back to creel.\n",
            );
            return self
                .store_and_respond(arrival, reply, Responder::Creel)
                .await;
        }
        if let (ForwardMode::PassThrough, Some(to)) = (effective.mode, &destination) {
            return self.pass_through(arrival, to.clone()).await;
        }
        let expected = self
            .assessor()
            .handshake(name, &arrival.request, arrival.received_at);
        if let Some(handshake::HandshakeReply {
            status,
            headers,
            body,
            ..
        }) = expected
        {
            let reply = SenderResponse {
                status,
                headers,
                body: body.into(),
                timing: ReplyTiming::Immediate,
            };
            return self
                .store_and_respond(arrival, reply, Responder::Creel)
                .await;
        }
        let reply = self.planned_response(name, &effective, &arrival);
        // The sender of a refused delivery sends it again, so it is not
        // forwarded yet.
        let acknowledged = reply.status < 400 && !matches!(reply.timing, ReplyTiming::Drop { .. });
        let by = if destination.is_some() && acknowledged {
            Responder::CreelTargetDown
        } else {
            Responder::Creel
        };
        self.store_and_respond(arrival, reply, by).await
    }

    /// Returns `true` if a request from this address was sent by creel itself.
    fn is_own(&self, remote: SocketAddr) -> bool {
        let port = self.listening.get().map(SocketAddr::port);
        self.client.is_own_connection(remote, port)
    }

    /// Returns the planned response for the next arrival of an event.
    fn planned_response(
        &self,
        endpoint: Option<&str>,
        effective: &EffectiveResponse,
        arrival: &ReceivedRequest,
    ) -> SenderResponse {
        let step = self.response_plans.next_step(
            effective,
            || self.assessor().event_key(endpoint, &arrival.request),
            |key| self.store.arrived(key).unwrap_or_default(),
        );
        let plan = &effective.plan;
        let (status, timing) = match step {
            ResponseStep::Drop => (0, ReplyTiming::Drop { delay: plan.delay }),
            ResponseStep::Status(status) if plan.delay.is_zero() && plan.slow.is_zero() => {
                (status, ReplyTiming::Immediate)
            }
            ResponseStep::Status(status) => {
                let (delay, over) = (plan.delay, plan.slow);
                (status, ReplyTiming::Delayed { delay, over })
            }
        };
        let mut headers = plan.headers.clone();
        if !plan.body.is_empty() && !headers.contains("content-type") {
            headers.push("content-type", "text/plain; charset=utf-8");
        }
        SenderResponse {
            status,
            headers,
            body: Bytes::copy_from_slice(plan.body.as_bytes()),
            timing,
        }
    }

    /// Stores a delivery and returns its response once it is durable.
    async fn store_and_respond(
        &self,
        arrival: ReceivedRequest,
        reply: SenderResponse,
        by: Responder,
    ) -> SenderResponse {
        let endpoint = route(&self.endpoints, &arrival.request.path);
        // Subtracts the planned delay from the measured duration.
        let added_delay = match reply.timing {
            ReplyTiming::Immediate => None,
            ReplyTiming::Delayed { delay, over } => Some(delay + over),
            ReplyTiming::Drop { delay } => Some(delay),
        };
        let started = added_delay
            .and_then(|added_delay| arrival.started.checked_sub(added_delay))
            .unwrap_or(arrival.started);
        let kept = self
            .store
            .append(Incoming {
                received_at: arrival.received_at,
                remote_addr: arrival.remote_addr.to_string(),
                endpoint: endpoint.map(|e| e.name.clone()),
                request: arrival.request,
                answer: RecordedResponse {
                    status: reply.status,
                    by,
                    duration_us: None,
                },
                refused: arrival.refused.map(|refused| refused.to_string()),
                started,
            })
            .await;
        match kept {
            Ok(_) => reply,
            Err(error) => append_failure_response(&error),
        }
    }
}

/// Returns the response to a sender whose delivery could not be stored.
pub(super) fn append_failure_response(error: &AppendError) -> SenderResponse {
    warn_unpersisted(error);
    let mut reply = text_response(
        503,
        "This delivery could not be kept. Please send it again.\n",
    );
    reply.headers.push("retry-after", RETRY_AFTER_SECONDS);
    reply
}

/// Logs that a delivery could not be stored, at most once a second.
fn warn_unpersisted(error: &AppendError) {
    static LAST_WARNING: Mutex<Option<Instant>> = Mutex::new(None);
    let mut last_warning = LAST_WARNING.lock().unwrap_or_else(PoisonError::into_inner);
    if last_warning.is_some_and(|last_warning| last_warning.elapsed() < WARNING_INTERVAL) {
        return;
    }
    *last_warning = Some(Instant::now());
    drop(last_warning);
    tracing::warn!(%error, "a delivery could not be kept; its sender was asked to try again");
}

/// Creates a plain-text response.
pub(super) fn text_response(status: u16, body: &str) -> SenderResponse {
    let mut headers = Headers::new();
    if !body.is_empty() {
        headers.push("content-type", "text/plain; charset=utf-8");
    }
    SenderResponse {
        status,
        headers,
        body: Bytes::copy_from_slice(body.as_bytes()),
        timing: ReplyTiming::Immediate,
    }
}
