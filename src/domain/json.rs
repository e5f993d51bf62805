//! A delivery as JSON: the form that scripts rely on.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::attempt::Attempt;
use super::delivery::Delivery;
use super::headers::Headers;
use super::summary::Summary;
use super::verification::Verification;

/// Whether bodies' contents are part of the JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bodies {
    /// As `text` or `base64`.
    Whole,
    /// Neither `text` nor `base64`.
    LeftOut,
}

#[derive(Serialize)]
struct DeliveryJson<'a> {
    id: String,
    received_at: String,
    endpoint: &'a Option<String>,
    provider: &'a Option<String>,
    event: &'a Option<String>,
    delivery_id: &'a Option<String>,
    arrival: u32,
    method: &'a str,
    path: &'a str,
    query: &'a Option<String>,
    http_version: &'a str,
    remote_addr: &'a str,
    headers: Value,
    body: Value,
    signature: &'a Verification,
    answer: Value,
    attempts: Vec<Value>,
    refused: &'a Option<String>,
    marked: bool,
    seq: u64,
}

#[derive(Serialize)]
struct BodyJson<'a> {
    size: u64,
    sha256: String,
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<Option<String>>,
}

#[derive(Serialize)]
struct AttemptJson<'a> {
    id: String,
    target: &'a str,
    started_at: String,
    number: u32,
    kind: &'a str,
    signing: &'a str,
    edited: bool,
    outcome: &'a str,
    status: Option<u16>,
    headers: Option<Value>,
    body: Option<Value>,
    duration_ms: u64,
    within_ack_timeout: Option<bool>,
    error: &'a Option<String>,
    sent_headers: Value,
}

/// Returns a delivery as JSON.
pub fn delivery(
    delivery: &Delivery,
    summary: &Summary,
    verification: &Verification,
    attempts: &[Attempt],
    bodies: Bodies,
) -> Value {
    let request = &delivery.request;
    value(&DeliveryJson {
        id: delivery.id.to_string(),
        received_at: delivery.received_at.to_rfc3339(),
        endpoint: &delivery.endpoint,
        provider: &summary.provider,
        event: &summary.event,
        delivery_id: &summary.delivery_id,
        arrival: summary.arrival,
        method: &request.method,
        path: &request.path,
        query: &request.query,
        http_version: &request.http_version,
        remote_addr: &delivery.remote_addr,
        headers: headers(&request.headers),
        body: body(&request.body, request.body.len() as u64, request.content_type(), bodies),
        signature: verification,
        answer: json!({
            "status": delivery.answer.status,
            "by": delivery.answer.by.word(),
            "duration_ms": summary.answer.duration_us.map(|us| us / 1000),
        }),
        attempts: attempts.iter().map(attempt).collect(),
        refused: &delivery.refused,
        marked: summary.marked,
        seq: delivery.seq,
    })
}

/// Returns an attempt as JSON; of the answer's body, what was kept.
pub fn attempt(attempt: &Attempt) -> Value {
    let response = attempt.response.as_ref();
    value(&AttemptJson {
        id: attempt.id.to_string(),
        target: &attempt.target,
        started_at: attempt.started_at.to_rfc3339(),
        number: attempt.number,
        kind: attempt.kind.word(),
        signing: attempt.signing.word(),
        edited: attempt.edited,
        outcome: attempt.outcome.word(),
        status: attempt.status(),
        headers: response.map(|r| headers(&r.headers)),
        body: response.map(|r| body(&r.body, r.body_size, r.headers.text("content-type"), Bodies::Whole)),
        duration_ms: attempt.duration_us / 1000,
        within_ack_timeout: attempt.within_ack_timeout,
        error: &attempt.error,
        sent_headers: headers(&attempt.sent_headers),
    })
}

/// Returns headers as pairs; a value that is no UTF-8 as base64.
pub fn headers(headers: &Headers) -> Value {
    let pair = |name: &str, value: &[u8]| match std::str::from_utf8(value) {
        Ok(text) => json!([name, text]),
        Err(_) => json!([name, { "base64": STANDARD.encode(value) }]),
    };
    headers.iter().map(|h| pair(&h.name, &h.value)).collect()
}

fn body(bytes: &[u8], size: u64, content_type: Option<&str>, bodies: Bodies) -> Value {
    let text = std::str::from_utf8(bytes).ok();
    let whole = bodies == Bodies::Whole;
    value(&BodyJson {
        size,
        sha256: hex::encode(Sha256::digest(bytes)),
        content_type,
        text: whole.then_some(text),
        base64: whole.then(|| text.is_none().then(|| STANDARD.encode(bytes))),
    })
}

fn value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).expect("plain values with text keys serialise")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::attempt::{AttemptKind, Outcome, Response, Signing};
    use crate::domain::delivery::{Answer, AnsweredBy};
    use crate::domain::id::Id;
    use crate::domain::request::Request;
    use crate::domain::timestamp::Timestamp;
    use crate::domain::verification::Status;

    fn kept(body: &'static [u8]) -> (Delivery, Summary) {
        let at = Timestamp(1_795_269_751_204_512);
        let id = Id::new(at, 7);
        let answer = Answer { status: 200, by: AnsweredBy::Creel, duration_us: Some(3_400) };
        let request = Request {
            method: "POST".into(),
            path: "/hooks".into(),
            query: None,
            http_version: "1.1".into(),
            headers: [("X-A", &b"1"[..]), ("x-b", b"\xff"), ("x-a", b"2")].into_iter().collect(),
            body: body.into(),
        };
        let delivery = Delivery { seq: 1, id, received_at: at, remote_addr: "127.0.0.1:5".into(), endpoint: None, request, answer, refused: None };
        let summary = Summary {
            seq: 1, id, received_at: at, endpoint: None, provider: Some("zyra".into()), event: None, delivery_id: None,
            arrival: 1, group_guessed: true, method: "POST".into(), path: "/hooks".into(), query: None,
            remote_addr: "127.0.0.1:5".into(), body_size: body.len() as u64, content_type: None, status: Status::NoSecret,
            cause: None, answer, refused: None, attempts: 0, last_attempt: None, marked: false,
        };
        (delivery, summary)
    }

    #[test]
    fn a_delivery_has_every_field_of_the_contract_in_its_order() {
        let (kept, summary) = kept(b"{}");
        let shown = delivery(&kept, &summary, &Verification::bare(Status::NoSecret), &[], Bodies::Whole);
        let expected = json!({
            "id": kept.id.to_string(), "received_at": "2026-11-21T14:02:31.204512Z",
            "endpoint": null, "provider": "zyra", "event": null, "delivery_id": null, "arrival": 1,
            "method": "POST", "path": "/hooks", "query": null, "http_version": "1.1", "remote_addr": "127.0.0.1:5",
            "headers": [["x-a", "1"], ["x-b", {"base64": "/w=="}], ["x-a", "2"]],
            "body": {"size": 2, "sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
                     "content_type": null, "text": "{}", "base64": null},
            "signature": {"status": "no_secret", "provider": null, "scheme": null, "secret": null, "timestamp": null,
                          "age_seconds": null, "tolerance_seconds": null, "received": [], "expected": [], "findings": []},
            "answer": {"status": 200, "by": "creel", "duration_ms": 3}, "attempts": [],
            "refused": null, "marked": false, "seq": 1,
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_body_that_is_no_text_is_base64_and_a_list_leaves_both_out() {
        let (kept, summary) = kept(b"\xff\x00");
        let none = Verification::bare(Status::NoSecret);
        let whole = delivery(&kept, &summary, &none, &[], Bodies::Whole);
        assert_eq!((&whole["body"]["text"], &whole["body"]["base64"]), (&Value::Null, &json!("/wA=")));
        let listed = delivery(&kept, &summary, &none, &[], Bodies::LeftOut);
        assert_eq!(listed["body"].as_object().unwrap().len(), 3);
    }

    #[test]
    fn an_attempt_tells_the_true_size_of_the_answer() {
        let shown = attempt(&Attempt {
            id: Id::new(Timestamp(0), 1), delivery_seq: 1, number: 2, target: "http://127.0.0.1:3000/".into(),
            started_at: Timestamp(0), kind: AttemptKind::Resend, signing: Signing::Fresh, edited: false,
            sent_headers: Headers::new(), outcome: Outcome::Failed,
            response: Some(Response { status: 500, headers: Headers::new(), body: "no".into(), body_size: 70_000 }),
            duration_us: 12_900, within_ack_timeout: Some(true), error: None,
        });
        assert_eq!((&shown["body"]["size"], &shown["duration_ms"], &shown["status"]), (&json!(70_000), &json!(12), &json!(500)));
        assert_eq!((&shown["kind"], &shown["signing"], &shown["outcome"]), (&json!("resend"), &json!("fresh"), &json!("failed")));
    }
}
