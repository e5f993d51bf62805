//! One request: its head as it stood, its body as it came, then the intake.

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

use super::answer::{self, Connection};
use super::connection::{Context, Desk};
use super::link::Link;
use super::memory::BodyBuffer;
use super::wire::{Head, Wire};
use super::{Arrival, Manner, Refused, Reply};
use crate::domain::headers::Headers;
use crate::domain::request::Request;

/// How many seconds a sender is asked to wait when there is no room for its body.
const RETRY_AFTER_SECONDS: &str = "5";

/// Takes one request and answers it.
pub(super) async fn receive(request: HttpRequest) -> Response {
    let (mut parts, body) = request.into_parts();
    let Context { desk, link } = parts
        .extensions
        .remove::<Context>()
        .expect("every connection's service adds its context");
    let began = link.take_began();
    let (received_at, started) = began.unwrap_or_else(|| (desk.clock.now(), Instant::now()));
    let _under_way = link.begin();
    let is_head = parts.method == Method::HEAD;
    let close = Connection::close(&parts);
    let refuse = |status| answer::make(Reply::new(status), is_head, close);
    let wire_head = link.next_head();
    if parts.method == Method::CONNECT {
        return refuse(405);
    }
    if wire_head.as_ref().is_some_and(|head| head.ambiguous) {
        return refuse(400);
    }
    let Some(mut request) = read_head(&parts, wire_head, &link) else {
        return refuse(400);
    };
    let declared = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    // The fields of hyper's map keep its read buffer alive.
    drop(parts);
    let refused = match read_body(declared, started, body, &desk).await {
        Ok(body) => {
            request.body = body;
            None
        }
        Err(Stop::Refused(refused)) => Some(refused),
        Err(Stop::TooSlow) => return refuse(408),
        Err(Stop::TooMany) => {
            tracing::warn!(
                "too many bytes of deliveries wait to be kept; a sender was told to try again"
            );
            let mut reply = Reply::new(503);
            reply.headers.push("retry-after", RETRY_AFTER_SECONDS);
            return answer::make(reply, is_head, close);
        }
        Err(Stop::Broken) => return refuse(400),
    };
    let kept = link.keep();
    let mut reply = hand_over(
        &desk,
        Arrival {
            received_at,
            started,
            remote_addr: link.remote_addr,
            request,
            refused,
        },
    )
    .await;
    drop(kept);
    take_time(&desk, &link, reply.manner).await;
    let Some(refused) = refused else {
        return answer::slowly(reply, is_head, &desk.shutdown);
    };
    if reply.status < 400 {
        reply.status = refused.status();
    }
    answer::make(reply, is_head, close)
}

/// Waits as long as an answer is held back, but not when creel is to end. What
/// is to be dropped never comes back from here.
async fn take_time(desk: &Desk, link: &Link, manner: Manner) {
    let (Manner::Slow { delay, .. } | Manner::Drop { delay }) = manner else {
        return;
    };
    if !delay.is_zero() {
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = desk.shutdown.cancelled() => {}
        }
    }
    if let Manner::Drop { .. } = manner {
        link.drop.notify_one();
        std::future::pending::<()>().await;
    }
}

/// Hands an arrival to the intake, whose panic ends nothing else.
async fn hand_over(desk: &Desk, arrival: Arrival) -> Reply {
    let work = AssertUnwindSafe(async { (desk.intake)(arrival).await });
    work.catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!("keeping a delivery failed unexpectedly");
        Reply::new(500)
    })
}

/// Reads the head; `None` where its target is no path.
fn read_head(parts: &Parts, wire_head: Option<Head>, link: &Link) -> Option<Request> {
    let http_version = match parts.version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    };
    let agreed = wire_head.filter(|head| agrees(head, parts));
    if agreed.is_none() {
        // Out of step once, out of step for good.
        link.with_wire(Wire::lose);
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
        headers: agreed.map_or_else(|| mapped(parts), |head| head.headers),
        body: Bytes::new(),
    })
}

/// Says whether a head found on the wire is the one hyper read: same method,
/// same target, the same fields with the same values in the same order for
/// each name.
fn agrees(head: &Head, parts: &Parts) -> bool {
    if head.method != parts.method.as_str() {
        return false;
    }
    // hyper leaves out a fragment, which has no place in a target.
    let target = parts.uri.path_and_query().map_or("", |p| p.as_str());
    if head.target.starts_with('/') && !head.target.starts_with(target) {
        return false;
    }
    let found = head.headers.iter().map(|field| (field.name, field.value));
    let read = || {
        let fields = parts.headers.iter();
        fields.map(|(name, value)| (name.as_str(), value.as_bytes()))
    };
    // Without repeats hyper's order is that of the wire.
    if found.clone().eq(read()) {
        return true;
    }
    let (mut found, mut read): (Vec<_>, Vec<_>) = (found.collect(), read().collect());
    // Both sorts keep the order of values within a name.
    found.sort_by_key(|(name, _)| *name);
    read.sort_by_key(|(name, _)| *name);
    // hyper drops repeats of a length that agree with the first.
    found.dedup_by(|(name, _), (before, _)| *name == "content-length" && name == before);
    found == read
}

/// Returns the fields in the order of hyper's map: that of each name's first
/// appearance. HTTP/2 says who is asked in a pseudo field; it is added as the
/// `host` that it stands for (RFC 9113 section 8.3.1).
fn mapped(parts: &Parts) -> Headers {
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

/// Why a body was not read to its end.
enum Stop {
    Refused(Refused),
    TooSlow,
    /// Other senders' bodies take all the room there is.
    TooMany,
    Broken,
}

/// Reads the body whole, within the limits. `declared` is the length that its
/// head states, in bytes; `began` is when its head had arrived.
async fn read_body(
    declared: Option<u64>,
    began: Instant,
    body: Body,
    desk: &Desk,
) -> Result<Bytes, Stop> {
    let limits = &desk.limits;
    let too_large = Stop::Refused(Refused::TooLarge {
        limit: limits.max_body,
        declared,
    });
    if declared.is_some_and(|declared| declared > limits.max_body) {
        return Err(too_large);
    }
    let mut body = pin!(body);
    let mut whole = BodyBuffer::new(&desk.memory, declared);
    loop {
        let size = whole.len();
        let deadline = limits.body_deadline(began, size, Instant::now());
        let frame = tokio::time::timeout_at(deadline.into(), body.frame())
            .await
            .map_err(|_| Stop::TooSlow)?;
        let Some(frame) = frame else {
            return Ok(whole.freeze());
        };
        // Trailer fields say nothing a webhook needs; they are passed over.
        let Ok(data) = frame.map_err(|_| Stop::Broken)?.into_data() else {
            continue;
        };
        let size = size + data.len() as u64;
        if size > limits.max_body {
            return Err(too_large);
        }
        // A copy of its own lets the connection use its buffer again.
        if !whole.append(&data) {
            return Err(Stop::TooMany);
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

    fn head(target: &str, fields: &[(&str, &str)]) -> Head {
        Head {
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
        assert!(agrees(&head("/x?y", &fields), &parts));
        assert!(agrees(&head("/x?y#z", &fields), &parts));
        assert!(!agrees(&head("/other", &fields), &parts));
        let swapped = [("a", "3"), ("b", "2"), ("a", "1"), ("content-length", "0")];
        assert!(!agrees(&head("/x?y", &swapped), &parts));
        assert!(!agrees(&head("/x?y", &fields[..3]), &parts));
        let more = [fields.as_slice(), &[("b", "2")]].concat();
        assert!(!agrees(&head("/x?y", &more), &parts));
        let again = [fields.as_slice(), &[("content-length", "0")]].concat();
        assert!(agrees(&head("/x?y", &again), &parts));
    }

    #[tokio::test]
    async fn out_of_step_the_map_is_used() {
        let link = Link::new("127.0.0.1:1".parse().unwrap());
        let parts = parts("/x", &[("a", "1"), ("b", "2"), ("a", "3")]);
        let request = read_head(&parts, Some(head("/y", &[])), &link).unwrap();
        assert_eq!(request.path, "/x");
        let expected: Headers = [("a", "1"), ("a", "3"), ("b", "2")].into_iter().collect();
        assert_eq!(request.headers, expected);
    }
}
