//! What happens to a request that arrived: kept first, then answered.

use std::sync::Arc;

use bytes::Bytes;

use super::local::Local;
use crate::domain::delivery::{Answer, AnsweredBy};
use crate::domain::endpoint::route;
use crate::domain::headers::Headers;
use crate::server::{Arrival, Intake, Reply};
use crate::store::Incoming;

/// How many seconds a sender is asked to wait when its delivery could not be kept.
const RETRY_AFTER_SECONDS: &str = "5";

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
    async fn take(&self, arrival: Arrival) -> Reply {
        let endpoint = route(&self.endpoints, &arrival.request.path);
        let name = endpoint.map(|e| e.name.as_str());
        let handshake = || {
            self.assessor()
                .handshake(name, &arrival.request, arrival.received_at)
        };
        let reply = if let Some(refused) = &arrival.refused {
            plain(refused.status(), &format!("{refused}\n"))
        } else if let Some(expected) = handshake() {
            Reply {
                status: expected.status,
                headers: expected.headers,
                body: expected.body.into(),
            }
        } else {
            let plan = endpoint
                .and_then(|e| e.answer.as_ref())
                .unwrap_or(&self.answer);
            plain(plan.status, &plan.body)
        };
        let kept = self
            .store
            .append(Incoming {
                received_at: arrival.received_at,
                remote_addr: arrival.remote_addr.to_string(),
                endpoint: endpoint.map(|e| e.name.clone()),
                request: arrival.request,
                answer: Answer {
                    status: reply.status,
                    by: AnsweredBy::Creel,
                    duration_us: None,
                },
                refused: arrival.refused.map(|refused| refused.to_string()),
                started: arrival.started,
            })
            .await;
        match kept {
            Ok(_) => reply,
            Err(error) => {
                tracing::warn!(%error, "a delivery could not be kept; its sender was told to try again");
                let mut reply = plain(
                    503,
                    "This delivery could not be kept. Please send it again.\n",
                );
                reply.headers.push("retry-after", RETRY_AFTER_SECONDS);
                reply
            }
        }
    }
}

/// Makes an answer of a status and a text.
fn plain(status: u16, body: &str) -> Reply {
    let mut headers = Headers::new();
    if !body.is_empty() {
        headers.push("content-type", "text/plain; charset=utf-8");
    }
    Reply {
        status,
        headers,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}
