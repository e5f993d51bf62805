//! Deliveries and attempts to be kept, and those who judge them.

use std::time::Instant;

use bytes::Bytes;
use creel::domain::assess::{Assessment, Classification};
use creel::domain::attempt::{AttemptKind, Outcome, Response, Signing};
use creel::domain::delivery::{RecordedResponse, Responder};
use creel::domain::event_key::EventKey;
use creel::domain::headers::Headers;
use creel::domain::request::Request;
use creel::domain::timestamp::Timestamp;
use creel::domain::verification::{Status, Verification};
use creel::store::{Assess, Incoming, NewAttempt};

/// Knows nobody.
pub(crate) struct Unknown;

impl Assess for Unknown {
    fn assess(&self, _: Option<&str>, _: &Request, _: Timestamp) -> Assessment {
        Assessment {
            provider: None,
            event: None,
            delivery_id: None,
            group: None,
            verification: Verification::new(Status::UnknownProvider),
            pin: None,
        }
    }
}

/// Groups by the path, so that a test says what is one event.
pub(crate) struct ByPath;

impl Assess for ByPath {
    fn classify(&self, _: Option<&str>, request: &Request, _: usize) -> Classification {
        Classification {
            provider: Some("test".into()),
            event: None,
            delivery_id: Some(request.path.clone()),
            group: Some(EventKey::of_id("test", &request.path)),
        }
    }

    fn assess(&self, _: Option<&str>, request: &Request, _: Timestamp) -> Assessment {
        assert_ne!(request.path, "/panic", "a mistake in the assessment");
        Assessment {
            provider: Some("test".into()),
            event: None,
            delivery_id: Some(request.path.clone()),
            group: Some(EventKey::of_id("test", &request.path)),
            verification: Verification::new(Status::Valid),
            pin: None,
        }
    }
}

/// Makes a delivery with a query, a field twice and a byte that is no text.
pub(crate) fn incoming(path: &str, body: &[u8]) -> Incoming {
    Incoming {
        received_at: Timestamp::from_unix_seconds(1_790_000_000),
        remote_addr: "127.0.0.1:1".into(),
        endpoint: None,
        request: Request {
            method: "POST".into(),
            path: path.into(),
            query: Some("q=1".into()),
            http_version: "1.1".into(),
            headers: [("a", &b"1"[..]), ("b", b"\xff"), ("a", b"2")]
                .into_iter()
                .collect(),
            body: body.to_vec().into(),
        },
        answer: RecordedResponse {
            status: 200,
            by: Responder::Creel,
            duration_us: None,
        },
        refused: None,
        started: Instant::now(),
    }
}

/// Makes an attempt that was delivered.
pub(crate) fn attempt(seq: u64) -> NewAttempt {
    NewAttempt {
        delivery_seq: seq,
        target: "http://127.0.0.1:3000/".into(),
        started_at: Timestamp::from_unix_seconds(1_790_000_001),
        kind: AttemptKind::Resend,
        signing: Signing::Kept,
        edited: None,
        sent_headers: Headers::new(),
        outcome: Outcome::Delivered,
        response: None,
        duration_us: 5,
        within_ack_timeout: None,
        error: None,
        retry: None,
        ends: None,
        before: None,
    }
}

/// Makes an attempt that the app answered.
pub(crate) fn answered(seq: u64) -> NewAttempt {
    NewAttempt {
        response: Some(Response {
            status: 200,
            headers: Headers::new(),
            body: Bytes::new(),
            body_size: 0,
        }),
        ..attempt(seq)
    }
}
