//! Passes deliveries through: stores a delivery, sends it to the app and
//! returns the app's response to the waiting sender.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::intake::{append_failure_response, text_response};
use super::local::Local;
use super::routing::{attempt_record, outgoing, unsent_exchange};
use crate::domain::attempt::{INTERRUPTED_ERROR, pass_through_response};
use crate::domain::delivery::{RecordedResponse, Responder};
use crate::domain::headers::Headers;
use crate::domain::route::Destination;
use crate::outbound::Exchange;
use crate::server::{ReceivedRequest, ReplyTiming, SenderResponse};
use crate::store::Incoming;

/// Maximum size of a response that is passed through, in bytes.
const MAX_RESPONSE_BYTES: usize = 16 << 20;

impl Local {
    /// Stores a delivery, sends it to its app and returns the app's response.
    /// Continues if the sender disconnects.
    pub(super) async fn pass_through(
        self: &Arc<Self>,
        arrival: ReceivedRequest,
        to: Destination,
    ) -> SenderResponse {
        let (sender, receiver) = oneshot::channel();
        let local = Arc::clone(self);
        self.exchanges.spawn(async move {
            let reply = local.exchange_and_record(arrival, &to).await;
            // An error means that the sender has disconnected.
            let _ = sender.send(reply);
        });
        receiver.await.unwrap_or_else(|_| SenderResponse::new(500))
    }

    async fn exchange_and_record(
        &self,
        arrival: ReceivedRequest,
        to: &Destination,
    ) -> SenderResponse {
        let ReceivedRequest {
            received_at,
            started,
            remote_addr,
            request,
            refused: _,
        } = arrival;
        let endpoint = crate::domain::endpoint::route(&self.endpoints, &request.path);
        let name = endpoint.map(|e| e.name.clone());
        let limit = self.acknowledged_in(name.as_deref(), &request);
        let outgoing = outgoing(&request, to, request.headers.clone());
        let kept = self
            .store
            .append(Incoming {
                received_at,
                remote_addr: remote_addr.to_string(),
                endpoint: name,
                request,
                // What the sender is answered is known by the attempt.
                answer: RecordedResponse {
                    status: 0,
                    by: Responder::CreelTargetDown,
                    duration_us: None,
                },
                refused: None,
                started,
            })
            .await;
        let kept = match kept {
            Ok(kept) => kept,
            Err(error) => return append_failure_response(&error),
        };
        let started_at = self.clock.now();
        let (address, exchange, body) = match outgoing {
            Err(failure) => {
                let why = format!("{} {}", failure.what, failure.why);
                (
                    to.address(),
                    unsent_exchange(why, Headers::new()),
                    Bytes::new(),
                )
            }
            Ok(outgoing) => {
                let (exchange, body) = tokio::select! {
                    answered = self.client.send_buffered(&outgoing, self.options, MAX_RESPONSE_BYTES) => answered,
                    () = self.ending.cancelled() => {
                        let took = self.clock.now().0.saturating_sub(started_at.0).max(0);
                        let cut_off = Exchange {
                            duration_us: took.cast_unsigned(),
                            connected: true,
                            ..unsent_exchange(INTERRUPTED_ERROR.to_owned(), outgoing.headers.clone())
                        };
                        (cut_off, Bytes::new())
                    }
                };
                self.apps
                    .record_exchange(&outgoing.origin(), &exchange, self.clock.now());
                (outgoing.address(), exchange, body)
            }
        };
        let reply = reply(&exchange, body);
        let attempt = attempt_record(kept.seq, limit, address, started_at, exchange);
        if let Err(error) = self.store.append_attempt(attempt).await {
            tracing::warn!(%error, "a delivery was passed through, but the app's response could not be stored");
        }
        reply
    }
}

/// Converts the app's response to the response for the sender, or explains why
/// there is none.
fn reply(exchange: &Exchange, body: Bytes) -> SenderResponse {
    let response = exchange.response.as_ref();
    let error = exchange.error.as_deref();
    let (status, by) = pass_through_response(response.map(|r| r.status), error);
    match (response, by) {
        (Some(response), Responder::Target) => SenderResponse {
            status,
            headers: response.headers.clone(),
            body,
            timing: ReplyTiming::Immediate,
        },
        (Some(response), _) if error.is_none() => text_response(
            status,
            &format!(
                "The app answered {}, which is not a final response.\n",
                response.status
            ),
        ),
        _ => {
            let why = error.unwrap_or("It gave no reason.");
            text_response(
                status,
                &format!(
                    "The delivery is kept, but the app behind creel did not answer it. {why}\n"
                ),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::request::Request;
    use crate::outbound::{Client, SendOptions, Timeouts, prepare};

    fn get() -> Request {
        Request {
            method: "GET".into(),
            path: "/".into(),
            ..Request::default()
        }
    }

    #[tokio::test]
    async fn an_app_that_takes_too_long_is_a_504() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = format!("http://{}", listener.local_addr().unwrap());
        let timeouts = Timeouts {
            first_byte: Duration::from_millis(20),
            ..Timeouts::default()
        };
        let outgoing = prepare(&get(), &target, Headers::new()).unwrap();
        let client = Client::new(timeouts);
        let (exchange, body) = client
            .send_buffered(&outgoing, SendOptions::default(), MAX_RESPONSE_BYTES)
            .await;
        let reply = reply(&exchange, body);
        assert_eq!(reply.status, 504);
        let text = String::from_utf8(reply.body.to_vec()).unwrap();
        assert!(text.contains("No answer within 20 ms"), "{text}");
    }

    #[tokio::test]
    async fn an_answer_without_end_is_a_502() {
        use tokio::io::AsyncWriteExt as _;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
            stream.write_all(head).await.unwrap();
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        });
        let outgoing = prepare(&get(), &target, Headers::new()).unwrap();
        let (exchange, body) = Client::default()
            .send_buffered(&outgoing, SendOptions::default(), 1 << 20)
            .await;
        assert_eq!(body.len(), 0);
        let response = exchange.response.as_ref().unwrap();
        assert_eq!(response.body.len(), 64 << 10);
        assert_eq!(reply(&exchange, body).status, 502);
    }
}
