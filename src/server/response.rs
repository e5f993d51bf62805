//! Builds the HTTP response of a [`SenderResponse`].

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, Version, header};
use axum::response::Response;
use tokio_util::sync::CancellationToken;

use super::slow_body::SlowBody;
use super::{ReplyTiming, SenderResponse};
use crate::domain::hop_by_hop;

/// What happens to the connection after a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterResponse {
    /// It stays open for further requests.
    KeepAlive,
    /// It is closed, because the bytes that follow cannot be parsed or are not
    /// wanted.
    Close,
}

impl AfterResponse {
    /// Returns [`Self::Close`] for HTTP/1. With HTTP/2 only the stream ends.
    pub(super) fn close(parts: &Parts) -> Self {
        if parts.version == Version::HTTP_2 {
            Self::KeepAlive
        } else {
            Self::Close
        }
    }
}

/// Builds a response whose body may be sent slowly; cancelling `shutdown` sends
/// the rest immediately.
pub(super) fn build_slow(
    reply: SenderResponse,
    is_head: bool,
    shutdown: &CancellationToken,
) -> Response {
    let slow = match reply.timing {
        ReplyTiming::Delayed { over, .. } if !over.is_zero() && !is_head => {
            Some(SlowBody::new(reply.body.clone(), over, shutdown.clone()))
        }
        ReplyTiming::Delayed { .. } | ReplyTiming::Immediate | ReplyTiming::Drop { .. } => None,
    };
    let mut response = build(reply, is_head, AfterResponse::KeepAlive);
    if let Some(slow) = slow {
        *response.body_mut() = Body::new(slow);
    }
    response
}

/// Builds a response. Drops hop-by-hop headers, `content-length` and invalid
/// headers.
pub(super) fn build(reply: SenderResponse, is_head: bool, connection: AfterResponse) -> Response {
    let mut fields = reply.headers;
    hop_by_hop::remove(&mut fields);
    // An answer to HEAD tells the length of a body that is not there.
    if !is_head {
        fields.retain(|field| field.name != "content-length");
    }
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status)
        .ok()
        .filter(|status| !status.is_informational())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.reserve(fields.len());
    for field in &fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_bytes(field.value);
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    if connection == AfterResponse::Close {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_out_what_concerns_one_connection() {
        let mut reply = SenderResponse::new(200);
        reply.headers = [
            ("set-cookie", "a"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("content-length", "999"),
            ("set-cookie", "b"),
        ]
        .into_iter()
        .collect();
        let response = build(reply, false, AfterResponse::KeepAlive);
        let names: Vec<_> = response.headers().iter().map(|(n, _)| n.as_str()).collect();
        assert_eq!(names, ["set-cookie", "set-cookie"]);
    }

    #[test]
    fn a_status_no_response_can_have_becomes_500() {
        for status in [0, 101, 1000] {
            let response = build(SenderResponse::new(status), false, AfterResponse::Close);
            assert_eq!(response.status(), 500);
            assert_eq!(response.headers()["connection"], "close");
        }
        assert_eq!(
            build(SenderResponse::new(299), false, AfterResponse::KeepAlive).status(),
            299
        );
    }
}
