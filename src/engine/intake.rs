//! What happens to a request that arrived: kept first, then answered.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::answering::Told;
use super::local::Local;
use crate::domain::answer::Step;
use crate::domain::delivery::{Answer, AnsweredBy};
use crate::domain::endpoint::route;
use crate::domain::handshake;
use crate::domain::headers::Headers;
use crate::domain::route::Mode;
use crate::server::{Arrival, Intake, Reply, ReplyTiming};
use crate::store::{AppendError, Incoming};

/// How many seconds a sender is asked to wait when its delivery could not be kept.
const RETRY_AFTER_SECONDS: &str = "5";

/// How often it is said that deliveries cannot be kept.
const UNKEPT_TOLD_EVERY: Duration = Duration::from_secs(1);

impl Local {
    /// Returns what the server calls for every request.
    pub fn intake(self: &Arc<Self>) -> Intake {
        let local = Arc::clone(self);
        Arc::new(move |arrival| {
            let local = Arc::clone(&local);
            Box::pin(async move { local.take(arrival).await })
        })
    }

    /// Keeps one request and says what to answer.
    async fn take(self: &Arc<Self>, arrival: Arrival) -> Reply {
        if let Some(refused) = &arrival.refused {
            let reply = plain(refused.status(), &format!("{refused}\n"));
            return self.receive(arrival, reply, AnsweredBy::Creel).await;
        }
        let endpoint = route(&self.endpoints, &arrival.request.path);
        let name = endpoint.map(|e| e.name.as_str());
        let told = self.answering.of(name);
        let destination = match told.mode {
            Mode::Hold => None,
            Mode::AckFirst | Mode::PassThrough => self.destination_for(endpoint, &arrival.request),
        };
        if destination.is_some() && self.is_own(arrival.remote_addr) {
            let reply = plain(
                508,
                "This delivery came from creel itself: its target leads back to creel.\n",
            );
            return self.receive(arrival, reply, AnsweredBy::Creel).await;
        }
        if let (Mode::PassThrough, Some(to)) = (told.mode, &destination) {
            return self.pass(arrival, to.clone()).await;
        }
        let expected = self
            .assessor()
            .handshake(name, &arrival.request, arrival.received_at);
        if let Some(handshake::Reply {
            status,
            headers,
            body,
            ..
        }) = expected
        {
            let reply = Reply {
                status,
                headers,
                body: body.into(),
                timing: ReplyTiming::Immediate,
            };
            return self.receive(arrival, reply, AnsweredBy::Creel).await;
        }
        let reply = self.planned(name, &told, &arrival);
        // Whoever is told no sends it again, so it is not for the app yet.
        let acknowledged = reply.status < 400 && !matches!(reply.timing, ReplyTiming::Drop { .. });
        let by = if destination.is_some() && acknowledged {
            AnsweredBy::CreelTargetDown
        } else {
            AnsweredBy::Creel
        };
        self.receive(arrival, reply, by).await
    }

    /// Says whether what comes from an address was sent by creel itself.
    fn is_own(&self, remote: SocketAddr) -> bool {
        let port = self.listening.get().map(SocketAddr::port);
        self.client.is_ours(remote, port)
    }

    /// Makes the answer that is planned for the next arrival of an event.
    fn planned(&self, endpoint: Option<&str>, told: &Told, arrival: &Arrival) -> Reply {
        let step = self.answering.step(
            told,
            || self.assessor().event_key(endpoint, &arrival.request),
            |key| self.store.arrived(key).unwrap_or_default(),
        );
        let plan = &told.plan;
        let (status, timing) = match step {
            Step::Drop => (0, ReplyTiming::Drop { delay: plan.delay }),
            Step::Status(status) if plan.delay.is_zero() && plan.slow.is_zero() => {
                (status, ReplyTiming::Immediate)
            }
            Step::Status(status) => {
                let (delay, over) = (plan.delay, plan.slow);
                (status, ReplyTiming::Delayed { delay, over })
            }
        };
        let mut headers = plan.headers.clone();
        if !plan.body.is_empty() && !headers.contains("content-type") {
            headers.push("content-type", "text/plain; charset=utf-8");
        }
        Reply {
            status,
            headers,
            body: Bytes::copy_from_slice(plan.body.as_bytes()),
            timing,
        }
    }

    /// Keeps a delivery and returns its answer, once that may be given.
    async fn receive(&self, arrival: Arrival, reply: Reply, by: AnsweredBy) -> Reply {
        let endpoint = route(&self.endpoints, &arrival.request.path);
        // The time that the answer is to take counts as if it had passed.
        let still = match reply.timing {
            ReplyTiming::Immediate => None,
            ReplyTiming::Delayed { delay, over } => Some(delay + over),
            ReplyTiming::Drop { delay } => Some(delay),
        };
        let started = still
            .and_then(|still| arrival.started.checked_sub(still))
            .unwrap_or(arrival.started);
        let kept = self
            .store
            .append(Incoming {
                received_at: arrival.received_at,
                remote_addr: arrival.remote_addr.to_string(),
                endpoint: endpoint.map(|e| e.name.clone()),
                request: arrival.request,
                answer: Answer {
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
            Err(error) => kept_badly(&error),
        }
    }
}

/// Makes the answer to a sender whose delivery could not be kept.
pub(super) fn kept_badly(error: &AppendError) -> Reply {
    tell_unkept(error);
    let mut reply = plain(
        503,
        "This delivery could not be kept. Please send it again.\n",
    );
    reply.headers.push("retry-after", RETRY_AFTER_SECONDS);
    reply
}

/// Says that a delivery could not be kept; of a flood of them, of one a second.
fn tell_unkept(error: &AppendError) {
    static TOLD: Mutex<Option<Instant>> = Mutex::new(None);
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.is_some_and(|told| told.elapsed() < UNKEPT_TOLD_EVERY) {
        return;
    }
    *told = Some(Instant::now());
    drop(told);
    tracing::warn!(%error, "a delivery could not be kept; its sender was told to try again");
}

/// Makes an answer of a status and a text.
pub(super) fn plain(status: u16, body: &str) -> Reply {
    let mut headers = Headers::new();
    if !body.is_empty() {
        headers.push("content-type", "text/plain; charset=utf-8");
    }
    Reply {
        status,
        headers,
        body: Bytes::copy_from_slice(body.as_bytes()),
        timing: ReplyTiming::Immediate,
    }
}
