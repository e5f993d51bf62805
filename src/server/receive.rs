//! Handles one request: reads its head and body and calls the intake.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Instant;

use axum::body::Body;
use axum::extract::Request as HttpRequest;
use axum::http::request::Parts;
use axum::http::{Method, Version, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::BodyExt;

use super::connection::{Context, ServerState};
use super::connection_state::ConnectionState;
use super::header_tracker::{HeaderTracker, RequestHead};
use super::memory::BodyBuffer;
use super::response::{self, AfterResponse};
use super::{ReceivedRequest, Refusal, ReplyTiming, SenderResponse};
use crate::domain::headers::Headers;
use crate::domain::request::Request;

/// `retry-after` in seconds for a request that exceeds the memory budget.
const RETRY_AFTER_SECONDS: &str = "5";

/// Handles one request.
pub(super) async fn receive(request: HttpRequest) -> Response {
    let (mut parts, body) = request.into_parts();
    let Context { server, connection } = parts
        .extensions
        .remove::<Context>()
        .expect("every connection's service adds its context");
    let began = connection.take_head_received();
    let (received_at, started) = began.unwrap_or_else(|| (server.clock.now(), Instant::now()));
    let _in_flight = connection.begin_request();
    let is_head = parts.method == Method::HEAD;
    let close = AfterResponse::close(&parts);
    let refuse = |status| response::build(SenderResponse::new(status), is_head, close);
    let wire_head = connection.next_head();
    if parts.method == Method::CONNECT {
        return refuse(405);
    }
    if wire_head.as_ref().is_some_and(|head| head.ambiguous) {
        return refuse(400);
    }
    let Some(mut request) = read_head(&parts, wire_head, &connection) else {
        return refuse(400);
    };
    let declared = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    // hyper's header map keeps its read buffer alive.
    drop(parts);
    let refused = match read_body(declared, started, body, &server).await {
        Ok(body) => {
            request.body = body;
            None
        }
        Err(BodyError::Refused(refused)) => Some(refused),
        Err(BodyError::TooSlow) => return refuse(408),
        Err(BodyError::NoMemory) => {
            tracing::warn!(
                "the memory limit for requests is reached; a sender was asked to try again"
            );
            let mut reply = SenderResponse::new(503);
            reply.headers.push("retry-after", RETRY_AFTER_SECONDS);
            return response::build(reply, is_head, close);
        }
        Err(BodyError::Broken) => return refuse(400),
    };
    let in_intake = connection.enter_intake();
    let mut reply = call_intake(
        &server,
        ReceivedRequest {
            received_at,
            started,
            remote_addr: connection.remote_addr,
            request,
            refused,
        },
    )
    .await;
    drop(in_intake);
    delay_reply(&server, &connection, reply.timing).await;
    let Some(refused) = refused else {
        return response::build_slow(reply, is_head, &server.shutdown);
    };
    if reply.status < 400 {
        reply.status = refused.status();
    }
    response::build(reply, is_head, close)
}

/// Waits for the delay of a response; a shutdown ends the wait. Never returns
/// for [`ReplyTiming::Drop`].
async fn delay_reply(server: &ServerState, connection: &ConnectionState, timing: ReplyTiming) {
    let (ReplyTiming::Delayed { delay, .. } | ReplyTiming::Drop { delay }) = timing else {
        return;
    };
    if !delay.is_zero() {
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = server.shutdown.cancelled() => {}
        }
    }
    if let ReplyTiming::Drop { .. } = timing {
        connection.drop.notify_one();
        std::future::pending::<()>().await;
    }
}

/// Calls the intake. A panic there becomes status 500.
async fn call_intake(server: &ServerState, arrival: ReceivedRequest) -> SenderResponse {
    let work = AssertUnwindSafe(async { (server.intake)(arrival).await });
    work.catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!("keeping a delivery failed unexpectedly");
        SenderResponse::new(500)
    })
}

/// Reads the head; `None` if the request target is not a path.
fn read_head(
    parts: &Parts,
    wire_head: Option<RequestHead>,
    connection: &ConnectionState,
) -> Option<Request> {
    let http_version = match parts.version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    };
    let agreed = wire_head.filter(|head| matches_hyper(head, parts));
    if agreed.is_none() {
        // After one mismatch the tracker cannot be trusted any more.
        connection.with_tracker(HeaderTracker::give_up);
    }
    let target = match &agreed {
        Some(head) if head.target.starts_with('/') => head.target.clone(),
        _ => parts.uri.path_and_query()?.as_str().to_owned(),
    };
    if !target.starts_with('/') && target != "*" {
        return None;
    }
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
        None => (target, None),
    };
    Some(Request {
        method: parts.method.as_str().to_owned(),
        path,
        query,
        http_version: http_version.to_owned(),
        headers: agreed.map_or_else(|| headers_from_map(parts), |head| head.headers),
        body: Bytes::new(),
    })
}

/// Returns `true` if a tracked head equals the one that hyper read: the same
/// method, the same target and, for each name, the same values in the same
/// order.
fn matches_hyper(head: &RequestHead, parts: &Parts) -> bool {
    if head.method != parts.method.as_str() {
        return false;
    }
    // hyper drops a fragment, which is not allowed in a request target.
    let target = parts.uri.path_and_query().map_or("", |p| p.as_str());
    if head.target.starts_with('/') && !head.target.starts_with(target) {
        return false;
    }
    let found = head.headers.iter().map(|field| (field.name, field.value));
    let read = || {
        let fields = parts.headers.iter();
        fields.map(|(name, value)| (name.as_str(), value.as_bytes()))
    };
    // Without repeats, hyper keeps the wire order.
    if found.clone().eq(read()) {
        return true;
    }
    let (mut found, mut read): (Vec<_>, Vec<_>) = (found.collect(), read().collect());
    // Both sorts are stable and keep the order of values within a name.
    found.sort_by_key(|(name, _)| *name);
    read.sort_by_key(|(name, _)| *name);
    // hyper drops repeated equal `content-length` headers.
    found.dedup_by(|(name, _), (before, _)| *name == "content-length" && name == before);
    found == read
}

/// Returns the headers in the order of hyper's map: by the first occurrence of
/// each name. HTTP/2 states the host in a pseudo-header, which is added as
/// `host` (RFC 9113 section 8.3.1).
fn headers_from_map(parts: &Parts) -> Headers {
    let mut headers = Headers::new();
    if parts.version == Version::HTTP_2
        && !parts.headers.contains_key(header::HOST)
        && let Some(authority) = parts.uri.authority()
    {
        headers.push("host", authority.as_str());
    }
    for (name, value) in &parts.headers {
        headers.push(name.as_str(), value.as_bytes());
    }
    headers
}

/// Reason why a body was not read completely.
enum BodyError {
    Refused(Refusal),
    TooSlow,
    /// The memory budget is exhausted.
    NoMemory,
    Broken,
}

/// Reads the complete body within the limits. `declared` is its
/// `content-length` in bytes; `began` is when its head was complete.
async fn read_body(
    declared: Option<u64>,
    began: Instant,
    body: Body,
    server: &ServerState,
) -> Result<Bytes, BodyError> {
    let limits = &server.limits;
    let too_large = BodyError::Refused(Refusal::TooLarge {
        limit: limits.max_body,
        declared,
    });
    if declared.is_some_and(|declared| declared > limits.max_body) {
        return Err(too_large);
    }
    let mut body = pin!(body);
    let mut whole = BodyBuffer::new(&server.memory, declared);
    loop {
        let size = whole.len();
        let deadline = limits.body_deadline(began, size, Instant::now());
        let frame = tokio::time::timeout_at(deadline.into(), body.frame())
            .await
            .map_err(|_| BodyError::TooSlow)?;
        let Some(frame) = frame else {
            return Ok(whole.freeze());
        };
        // Trailers are skipped; no webhook uses them.
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else {
            continue;
        };
        let size = size + data.len() as u64;
        if size > limits.max_body {
            return Err(too_large);
        }
        // Copies the data, so that the connection can reuse its buffer.
        if !whole.append(&data) {
            return Err(BodyError::NoMemory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(target: &str, fields: &[(&str, &str)]) -> Parts {
        let mut request = axum::http::Request::builder().method("POST").uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn head(target: &str, fields: &[(&str, &str)]) -> RequestHead {
        RequestHead {
            method: "POST".to_owned(),
            target: target.to_owned(),
            headers: fields.iter().copied().collect(),
            ambiguous: false,
        }
    }

    #[test]
    fn a_head_of_the_wire_is_used_only_where_hyper_read_the_same() {
        let fields = [("a", "1"), ("b", "2"), ("a", "3"), ("content-length", "0")];
        let parts = parts("/x?y", &fields);
        assert!(matches_hyper(&head("/x?y", &fields), &parts));
        assert!(matches_hyper(&head("/x?y#z", &fields), &parts));
        assert!(!matches_hyper(&head("/other", &fields), &parts));
        let swapped = [("a", "3"), ("b", "2"), ("a", "1"), ("content-length", "0")];
        assert!(!matches_hyper(&head("/x?y", &swapped), &parts));
        assert!(!matches_hyper(&head("/x?y", &fields[..3]), &parts));
        let more = [fields.as_slice(), &[("b", "2")]].concat();
        assert!(!matches_hyper(&head("/x?y", &more), &parts));
        let again = [fields.as_slice(), &[("content-length", "0")]].concat();
        assert!(matches_hyper(&head("/x?y", &again), &parts));
    }

    #[tokio::test]
    async fn out_of_step_the_map_is_used() {
        let connection = ConnectionState::new("127.0.0.1:1".parse().unwrap());
        let parts = parts("/x", &[("a", "1"), ("b", "2"), ("a", "3")]);
        let request = read_head(&parts, Some(head("/y", &[])), &connection).unwrap();
        assert_eq!(request.path, "/x");
        let expected: Headers = [("a", "1"), ("a", "3"), ("b", "2")].into_iter().collect();
        assert_eq!(request.headers, expected);
    }
}
