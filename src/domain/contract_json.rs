//! The JSON output for scripts: deliveries, verification results and attempts,
//! with the published keys in their published order.
//!
//! [`line()`] writes a value such that a terminal can print it: characters that
//! are hidden or control a terminal are escaped (`\\u001b`), which is
//! equivalent for a JSON parser.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;
use sha2::{Digest as _, Sha256};

use super::attempt::{Attempt, Outcome, Response, RetryPosition};
use super::delivery::{Delivery, RecordedResponse};
use super::headers::{Header, Headers};
use super::id::Id;
use super::request::Request;
use super::summary::Summary;
use super::text;
use super::timestamp::Timestamp;
use super::verification::Verification;

/// Whether bodies are included or only described.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bodies {
    /// Each body has its `text` or `base64`.
    #[default]
    Whole,
    /// Both keys are absent, as in lists.
    LeftOut,
}

/// A delivery in the published JSON form.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveryJson<'a> {
    id: Id,
    received_at: Moment,
    endpoint: Option<&'a str>,
    provider: Option<&'a str>,
    event: Option<&'a str>,
    delivery_id: Option<&'a str>,
    arrival: u32,
    method: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    http_version: &'a str,
    remote_addr: &'a str,
    headers: Fields<'a>,
    body: BodyJson<'a>,
    signature: &'a Verification,
    answer: AnswerJson,
    attempts: Vec<AttemptJson<'a>>,
    seq: u64,
    marked: bool,
    refused: Option<&'a str>,
}

/// An attempt in the published JSON form.
#[derive(Clone, Debug, Serialize)]
pub struct AttemptJson<'a> {
    id: Id,
    target: &'a str,
    started_at: Moment,
    number: u32,
    kind: &'static str,
    signing: &'static str,
    edited: bool,
    outcome: &'static str,
    status: Option<u16>,
    headers: Fields<'a>,
    body: Option<BodyJson<'a>>,
    duration_ms: Option<u64>,
    within_ack_timeout: Option<bool>,
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<TryJson>,
}

/// The position of an attempt in a retry schedule.
#[derive(Clone, Copy, Debug, Serialize)]
struct TryJson {
    number: u32,
    of: u32,
    compress: u32,
    due: Moment,
    next: Option<Moment>,
    failures_in_a_row: u32,
}

/// A verification result in the published JSON form, as printed by `verify`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SignatureJson<'a> {
    /// The status and its evidence.
    pub signature: &'a Verification,
}

/// A request as JSON.
#[derive(Clone, Debug, Serialize)]
pub struct RequestJson<'a> {
    method: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    headers: Fields<'a>,
    body: BodyJson<'a>,
}

#[derive(Clone, Debug, Serialize)]
struct BodyJson<'a> {
    size: u64,
    /// Null if the bytes were not stored.
    sha256: Option<String>,
    content_type: Option<&'a str>,
    #[serde(flatten)]
    bytes: Option<BytesJson<'a>>,
}

/// Exactly one of the two is not null.
#[derive(Clone, Debug, Serialize)]
struct BytesJson<'a> {
    text: Option<&'a str>,
    base64: Option<String>,
}

/// A time as RFC 3339 with microseconds.
#[derive(Clone, Copy, Debug)]
struct Moment(Timestamp);

/// Header fields as `["name", "value"]`, or `["name", {"base64": "…"}]` if the
/// value is not UTF-8; empty if there are none.
#[derive(Clone, Copy, Debug)]
struct Fields<'a>(Option<&'a Headers>);

#[derive(Clone, Copy, Debug, Serialize)]
struct AnswerJson {
    status: u16,
    by: &'static str,
    duration_ms: Option<u64>,
}

/// Converts a delivery to its published form, with `seq`, `marked` and
/// `refused` at the end.
pub fn delivery<'a>(
    delivery: &'a Delivery,
    summary: &'a Summary,
    verification: &'a Verification,
    attempts: &'a [Attempt],
    bodies: Bodies,
) -> DeliveryJson<'a> {
    let request = &delivery.request;
    let size = if delivery.refused.is_some() {
        summary.body_size
    } else {
        request.body.len() as u64
    };
    let mut body = body(&request.body, size, request.content_type(), bodies);
    if size != request.body.len() as u64 {
        body.sha256 = None;
    }
    DeliveryJson {
        id: delivery.id,
        received_at: Moment(delivery.received_at),
        endpoint: summary.endpoint.as_deref(),
        provider: summary.provider.as_deref(),
        event: summary.event.as_deref(),
        delivery_id: summary.delivery_id.as_deref(),
        arrival: summary.arrival,
        method: &request.method,
        path: &request.path,
        query: request.query.as_deref(),
        http_version: &request.http_version,
        remote_addr: &delivery.remote_addr,
        headers: Fields(Some(&request.headers)),
        body,
        signature: verification,
        answer: answer(delivery.answer),
        attempts: attempts.iter().map(|a| attempt(a, bodies)).collect(),
        seq: delivery.seq,
        marked: summary.marked,
        refused: delivery.refused.as_deref(),
    }
}

/// Converts an attempt to its published form. If no response was received,
/// `status` and `body` are null and `headers` is empty. `body.size` is the
/// original size; `body.sha256` covers the stored part.
pub fn attempt(attempt: &Attempt, bodies: Bodies) -> AttemptJson<'_> {
    let response = attempt.response.as_ref();
    AttemptJson {
        id: attempt.id,
        target: &attempt.target,
        started_at: Moment(attempt.started_at),
        number: attempt.number,
        kind: attempt.kind.word(),
        signing: attempt.signing.word(),
        edited: attempt.edited.is_some(),
        outcome: attempt.outcome.word(),
        status: attempt.status(),
        headers: Fields(response.map(|r| &r.headers)),
        body: response.map(|r| answered_body(r, bodies)),
        duration_ms: (attempt.outcome != Outcome::Pending).then(|| millis(attempt.duration_us)),
        within_ack_timeout: attempt.within_ack_timeout,
        error: attempt.error.as_deref(),
        retry: attempt.retry.as_ref().map(a_try),
    }
}

const fn a_try(retry: &RetryPosition) -> TryJson {
    TryJson {
        number: retry.number,
        of: retry.of,
        compress: retry.compress,
        due: Moment(retry.due),
        next: match retry.next {
            Some(next) => Some(Moment(next)),
            None => None,
        },
        failures_in_a_row: retry.failures,
    }
}

/// Converts a request, with the same keys as in a delivery.
pub fn request(request: &Request) -> RequestJson<'_> {
    let size = request.body.len() as u64;
    RequestJson {
        method: &request.method,
        path: &request.path,
        query: request.query.as_deref(),
        headers: Fields(Some(&request.headers)),
        body: body(&request.body, size, request.content_type(), Bodies::Whole),
    }
}

/// Writes a value as one line of JSON, without the newline.
///
/// Characters that are hidden or control a terminal are escaped beyond the
/// requirements of JSON; a parser gets the same value.
pub fn line(value: &impl Serialize) -> String {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Escaping);
    value
        .serialize(&mut serializer)
        .expect("values of the domain have string keys, and memory takes all that is written");
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn answered_body(response: &Response, bodies: Bodies) -> BodyJson<'_> {
    let content_type = response.headers.text("content-type");
    body(&response.body, response.body_size, content_type, bodies)
}

fn body<'a>(
    bytes: &'a [u8],
    size: u64,
    content_type: Option<&'a str>,
    bodies: Bodies,
) -> BodyJson<'a> {
    let bytes_json = || match std::str::from_utf8(bytes) {
        Ok(text) => BytesJson {
            text: Some(text),
            base64: None,
        },
        Err(_) => BytesJson {
            text: None,
            base64: Some(STANDARD.encode(bytes)),
        },
    };
    BodyJson {
        size,
        sha256: Some(hex::encode(Sha256::digest(bytes))),
        content_type,
        bytes: (bodies == Bodies::Whole).then(bytes_json),
    }
}

fn answer(answer: RecordedResponse) -> AnswerJson {
    AnswerJson {
        status: answer.status,
        by: answer.by.word(),
        duration_ms: answer.duration_us.map(millis),
    }
}

/// Converts microseconds to milliseconds, rounded.
const fn millis(us: u64) -> u64 {
    us / 1_000 + (us % 1_000 >= 500) as u64
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_rfc3339())
    }
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Value<'a> {
            Text(&'a str),
            Bytes { base64: String },
        }
        let fields = self.0.into_iter().flatten();
        serializer.collect_seq(fields.map(|Header { name, value }| {
            let value = match std::str::from_utf8(value) {
                Ok(text) => Value::Text(text),
                Err(_) => Value::Bytes {
                    base64: STANDARD.encode(value),
                },
            };
            (name, value)
        }))
    }
}

/// Writes compact JSON with every hidden character escaped.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut plain = 0;
        for (at, c) in fragment.char_indices().filter(|&(_, c)| text::is_hidden(c)) {
            writer.write_all(&fragment.as_bytes()[plain..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            plain = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[plain..])
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::attempt::{AttemptKind, EditedParts, Signing};
    use crate::domain::delivery::Responder;
    use crate::domain::verification::{Finding, Status};

    fn id() -> Id {
        "01JD2M7Q9V3K8ZP5T6WXYB4C0E".parse().unwrap()
    }

    fn sample() -> (Delivery, Summary, Verification) {
        let at = Timestamp(1_795_269_751_204_512);
        let answer = RecordedResponse {
            status: 200,
            by: Responder::CreelTargetDown,
            duration_us: Some(2_600),
        };
        let request = Request {
            method: "POST".to_owned(),
            path: "/hooks/billing".to_owned(),
            query: None,
            http_version: "1.1".to_owned(),
            headers: [
                ("X-Porkbun-Event", &b"dns.record.updated"[..]),
                ("content-type", b"application/json"),
                ("x-odd", b"\xff"),
                ("x-porkbun-event", b"again"),
            ]
            .into_iter()
            .collect(),
            body: Bytes::from_static(b"{\"n\": 1.0}"),
        };
        let delivery = Delivery {
            seq: 7,
            id: id(),
            received_at: at,
            remote_addr: "127.0.0.1:51514".to_owned(),
            endpoint: Some("billing".to_owned()),
            request,
            answer,
            refused: None,
        };
        let summary = Summary {
            seq: 7,
            id: id(),
            received_at: at,
            endpoint: Some("billing".to_owned()),
            provider: Some("porkbun".to_owned()),
            event: Some("dns.record.updated".to_owned()),
            delivery_id: Some("7c91d8".to_owned()),
            arrival: 3,
            group_guessed: false,
            method: "POST".to_owned(),
            path: "/hooks/billing".to_owned(),
            query: None,
            remote_addr: "127.0.0.1:51514".to_owned(),
            body_size: 10,
            content_type: Some("application/json".to_owned()),
            status: Status::Invalid,
            cause: Some("other_secret".to_owned()),
            answer,
            refused: None,
            attempts: 2,
            last_attempt: None,
            marked: true,
            pending: None,
        };
        let verification = Verification {
            provider: Some("porkbun".to_owned()),
            scheme: Some("hmac-sha256 over {timestamp}.{body}, hex".to_owned()),
            timestamp: Some(1_795_269_749),
            age_seconds: Some(2),
            tolerance_seconds: Some(300),
            received: vec!["35c5".to_owned()],
            expected: vec!["764a".to_owned()],
            findings: vec![Finding {
                code: "other_secret".to_owned(),
                proved: true,
                message: "m".to_owned(),
                advice: "a".to_owned(),
                proof: String::new(),
            }],
            ..Verification::new(Status::Invalid)
        };
        (delivery, summary, verification)
    }

    fn tries() -> [Attempt; 2] {
        let failed = Attempt {
            id: id(),
            delivery_seq: 7,
            number: 1,
            target: "http://127.0.0.1:3000/".to_owned(),
            started_at: Timestamp(0),
            kind: AttemptKind::Forward,
            signing: Signing::Kept,
            edited: None,
            sent_headers: Headers::new(),
            outcome: Outcome::Failed,
            response: None,
            duration_us: 1_499,
            within_ack_timeout: None,
            error: Some("connection refused".to_owned()),
            retry: None,
        };
        let delivered = Attempt {
            number: 2,
            kind: AttemptKind::Resend,
            signing: Signing::Fresh,
            edited: Some(EditedParts {
                method: "POST".to_owned(),
                body: Bytes::new(),
            }),
            outcome: Outcome::Delivered,
            response: Some(Response {
                status: 204,
                headers: [("content-type", "text/plain")].into_iter().collect(),
                body: Bytes::from_static(b"\xfe\xff"),
                body_size: 70_000,
            }),
            within_ack_timeout: Some(true),
            error: None,
            ..failed.clone()
        };
        [failed, delivered]
    }

    const SIGNATURE: &str = r#""signature":{"status":"invalid","provider":"porkbun","scheme":"hmac-sha256 over {timestamp}.{body}, hex","secret":null,"timestamp":1795269749,"age_seconds":2,"tolerance_seconds":300,"received":["35c5"],"expected":["764a"],"findings":[{"code":"other_secret","proved":true,"message":"m","advice":"a"}]}"#;

    #[test]
    fn writes_a_delivery_as_the_contract_does() {
        let (kept, summary, verification) = sample();
        let expected = [
            r#"{"id":"01JD2M7Q9V3K8ZP5T6WXYB4C0E","received_at":"2026-11-21T14:02:31.204512Z","#,
            r#""endpoint":"billing","provider":"porkbun","event":"dns.record.updated","#,
            r#""delivery_id":"7c91d8","arrival":3,"method":"POST","path":"/hooks/billing","#,
            r#""query":null,"http_version":"1.1","remote_addr":"127.0.0.1:51514","#,
            r#""headers":[["x-porkbun-event","dns.record.updated"],"#,
            r#"["content-type","application/json"],["x-odd",{"base64":"/w=="}],"#,
            r#"["x-porkbun-event","again"]],"body":{"size":10,"#,
            r#""sha256":"98f25079e96d74247de4854223c8c4175e719fac20753f81cfcaca00d59e9d23","#,
            r#""content_type":"application/json","text":"{\"n\": 1.0}","base64":null},"#,
            SIGNATURE,
            r#","answer":{"status":200,"by":"creel-target-down","duration_ms":3},"#,
            r#""attempts":[],"seq":7,"marked":true,"refused":null}"#,
        ]
        .concat();
        let written = line(&delivery(
            &kept,
            &summary,
            &verification,
            &[],
            Bodies::Whole,
        ));
        assert_eq!(written, expected);
    }

    #[test]
    fn leaves_bodies_out_of_lists() {
        let (kept, summary, verification) = sample();
        let tries = tries();
        let written = delivery(&kept, &summary, &verification, &tries, Bodies::LeftOut);
        let value = serde_json::to_value(written).unwrap();
        for body in [&value["body"], &value["attempts"][1]["body"]] {
            let keys: Vec<_> = body.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["content_type", "sha256", "size"]);
        }
    }

    #[test]
    fn writes_attempts_as_the_contract_does() {
        let [failed, delivered] = tries();
        assert_eq!(
            line(&attempt(&failed, Bodies::Whole)),
            [
                r#"{"id":"01JD2M7Q9V3K8ZP5T6WXYB4C0E","target":"http://127.0.0.1:3000/","#,
                r#""started_at":"1970-01-01T00:00:00.000000Z","number":1,"kind":"forward","#,
                r#""signing":"kept","edited":false,"outcome":"failed","status":null,"#,
                r#""headers":[],"body":null,"duration_ms":1,"within_ack_timeout":null,"#,
                r#""error":"connection refused"}"#,
            ]
            .concat()
        );
        assert_eq!(
            line(&attempt(&delivered, Bodies::Whole)),
            [
                r#"{"id":"01JD2M7Q9V3K8ZP5T6WXYB4C0E","target":"http://127.0.0.1:3000/","#,
                r#""started_at":"1970-01-01T00:00:00.000000Z","number":2,"kind":"resend","#,
                r#""signing":"fresh","edited":true,"outcome":"delivered","status":204,"#,
                r#""headers":[["content-type","text/plain"]],"body":{"size":70000,"#,
                r#""sha256":"f197692810d457e297fce9c5653b02581ff99a50852370f29d7e5fe47d9d37e6","#,
                r#""content_type":"text/plain","text":null,"base64":"/v8="},"duration_ms":1,"#,
                r#""within_ack_timeout":true,"error":null}"#,
            ]
            .concat()
        );
        let pending = Attempt {
            outcome: Outcome::Pending,
            ..failed
        };
        let value = serde_json::to_value(attempt(&pending, Bodies::Whole)).unwrap();
        assert!(value["duration_ms"].is_null());
    }

    #[test]
    fn claims_no_digest_of_a_body_that_was_not_kept() {
        let (mut kept, mut summary, verification) = sample();
        kept.refused = Some("body too large".to_owned());
        kept.request.body = Bytes::new();
        summary.body_size = 20_000_000;
        let written = delivery(&kept, &summary, &verification, &[], Bodies::Whole);
        let value = serde_json::to_value(written).unwrap();
        assert_eq!(value["body"]["size"], 20_000_000);
        assert!(value["body"]["sha256"].is_null());
        assert_eq!(value["body"]["text"], "");
        assert_eq!(value["refused"], "body too large");
    }

    #[test]
    fn a_verdict_alone_has_one_key() {
        let (_, _, verification) = sample();
        let signature = &verification;
        assert_eq!(
            line(&SignatureJson { signature }),
            format!("{{{SIGNATURE}}}")
        );
    }

    #[test]
    fn escapes_what_a_terminal_would_obey() {
        assert_eq!(
            line(&"a\u{1b}\u{9b}\u{7f}é\u{202e}\u{e0041}\"\n"),
            r#""a\u001b\u009b\u007fé\u202e\udb40\udc41\"\n""#
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_as_it_was(text in any::<String>()) {
            let written = line(&text);
            prop_assert!(!written.chars().any(text::is_hidden));
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}
