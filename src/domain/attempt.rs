//! Attempts: one forward or resend of a delivery to a target, and the response.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::delivery::{RecordedResponse, Responder};
use super::headers::Headers;
use super::id::Id;
use super::request::Request;
use super::serde_base64;
use super::timestamp::Timestamp;

/// How many bytes of a response body are stored.
pub const MAX_STORED_RESPONSE_BYTES: usize = 64 * 1024;

/// One forward or resend: the request, the response and the duration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The ULID.
    pub id: Id,
    /// The sequence number of the delivery.
    pub delivery_seq: u64,
    /// The ordinal among this delivery's attempts, counted from 1.
    pub number: u32,
    /// The target URL.
    pub target: String,
    /// The start time.
    pub started_at: Timestamp,
    /// The reason for the attempt.
    pub kind: AttemptKind,
    /// The signature that was sent.
    pub signing: Signing,
    /// The edited parts of the request; `None` if the request is the
    /// delivery's.
    pub edited: Option<EditedParts>,
    /// The header fields as sent.
    pub sent_headers: Headers,
    /// The outcome.
    pub outcome: Outcome,
    /// The response, if one was received.
    pub response: Option<Response>,
    /// The time from the start to the end of the response or to the error, in
    /// microseconds.
    pub duration_us: u64,
    /// Whether the response arrived within the provider's acknowledgement
    /// timeout; `None` if the provider documents none.
    pub within_ack_timeout: Option<bool>,
    /// The network error, if one occurred.
    pub error: Option<String>,
    /// The position in a retry schedule, if the attempt is part of one.
    pub retry: Option<RetryPosition>,
}

/// The parts of an edited request that are not stored elsewhere: the headers
/// are in [`Attempt::sent_headers`], the address is in [`Attempt::target`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditedParts {
    /// The method.
    pub method: String,
    /// The body.
    #[serde(with = "serde_base64")]
    pub body: Bytes,
}

/// The position of an attempt in a retry schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPosition {
    /// The ordinal of the try, counted from 1.
    pub number: u32,
    /// The maximum number of tries.
    pub of: u32,
    /// The factor by which the delays are shorter than the provider's.
    pub compress: u32,
    /// When the schedule started.
    pub began: Timestamp,
    /// When this try is or was due.
    pub due: Timestamp,
    /// When the next try is due; `None` if there is none or it is not known
    /// yet.
    pub next: Option<Timestamp>,
    /// How many consecutive failures of this target the provider has seen,
    /// including this try.
    pub failures: u32,
    /// The target as requested, before it was adapted to the delivery.
    pub to: String,
    /// Whether any certificate is accepted.
    pub insecure: bool,
    /// Whether link-local addresses are allowed.
    pub link_local: bool,
}

/// A target's response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The header fields.
    pub headers: Headers,
    /// The first [`MAX_STORED_RESPONSE_BYTES`] of the body.
    #[serde(with = "serde_base64")]
    pub body: Bytes,
    /// The total size of the body in bytes.
    pub body_size: u64,
}

/// The reason for an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptKind {
    /// creel forwarded the delivery on arrival.
    Forward,
    /// A user requested it.
    Resend,
    /// A retry schedule requested it.
    Retry,
}

impl AttemptKind {
    /// Returns the word used on screen and in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Resend => "resend",
            Self::Retry => "retry",
        }
    }
}

/// The signature of an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signing {
    /// The received signature.
    #[default]
    Kept,
    /// A new signature, made with the endpoint's secret at the time of sending.
    Fresh,
}

impl Signing {
    /// Returns the word used on screen and in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Fresh => "fresh",
        }
    }
}

/// The outcome of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// In progress.
    Pending,
    /// A 2xx was received within the provider's acknowledgement timeout.
    Delivered,
    /// Failed; may be tried again.
    Failed,
    /// Failed, and no tries are left.
    Expired,
}

impl Outcome {
    /// Returns the word used on screen and in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

impl Attempt {
    /// Returns the request that was sent, if it was edited.
    pub fn edited_request(&self) -> Option<Request> {
        let edited = self.edited.as_ref()?;
        let address = &self.target;
        let host = address.find("://").map_or(0, |at| at + 3);
        let path = address[host..]
            .find('/')
            .map_or("/", |at| &address[host + at..]);
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (path, None),
        };
        Some(Request {
            method: edited.method.clone(),
            path: path.to_owned(),
            query,
            http_version: "1.1".to_owned(),
            headers: self.sent_headers.clone(),
            body: edited.body.clone(),
        })
    }

    /// Returns the location to which the response redirects.
    pub fn redirect(&self) -> Option<&str> {
        let response = self.response.as_ref()?;
        let location = response.headers.text("location")?;
        (300..400).contains(&response.status).then_some(location)
    }

    /// Returns whether the attempt was stopped before it had a response, by a
    /// user or because creel exited. Such an attempt says nothing about the
    /// target.
    pub fn is_stopped(&self) -> bool {
        let stopped =
            |error: &str| [INTERRUPTED_ERROR, STOPPED_ERROR, REPLACED_ERROR].contains(&error);
        self.response.is_none() && self.error.as_deref().is_some_and(stopped)
    }

    /// Returns the status of the response, if one was received.
    pub fn status(&self) -> Option<u16> {
        self.response.as_ref().map(|r| r.status)
    }
}

/// The error of an attempt that was interrupted because creel exited.
pub const INTERRUPTED_ERROR: &str = "creel ended before the app answered.";

/// The error of a scheduled try that a user stopped.
pub const STOPPED_ERROR: &str = "It was stopped before this try.";

/// The error of a scheduled try that another schedule replaced.
pub const REPLACED_ERROR: &str = "Another schedule took its place.";

/// The text that every timeout error contains.
pub const TIMEOUT_MARK: &str = "time-out)";

/// Returns the response to the sender of a delivery that is passed through: the
/// app's status, or a gateway status after an error.
pub fn pass_through_response(status: Option<u16>, error: Option<&str>) -> (u16, Responder) {
    match (status, error) {
        (Some(status @ 200..), None) => (status, Responder::Target),
        (_, Some(error)) if error.contains(TIMEOUT_MARK) => (504, Responder::CreelTargetDown),
        _ => (502, Responder::CreelTargetDown),
    }
}

/// Returns the sender's response after an attempt with a delivery that arrived
/// at `received_at`. An acknowledged delivery counts as handled once an app
/// responds; a delivery that is passed through takes its response from the app.
pub fn response_after(
    answer: RecordedResponse,
    received_at: Timestamp,
    attempt: &Attempt,
) -> RecordedResponse {
    let answered = attempt.response.is_some();
    if answer.is_unanswered() && answered {
        return answer.without_app();
    }
    let waits = answer.by == Responder::CreelTargetDown && answer.status == 0;
    if !waits || attempt.kind != AttemptKind::Forward || attempt.outcome == Outcome::Pending {
        return answer;
    }
    let (status, by) = pass_through_response(attempt.status(), attempt.error.as_deref());
    let before = attempt.started_at.0.saturating_sub(received_at.0).max(0);
    RecordedResponse {
        status,
        by,
        duration_us: Some(before.cast_unsigned().saturating_add(attempt.duration_us)),
    }
}

/// Returns the outcome for a response: a 2xx within the acknowledgement timeout
/// is delivered, anything else failed.
pub fn outcome(status: Option<u16>, within_ack_timeout: Option<bool>) -> Outcome {
    match status {
        Some(200..=299) if within_ack_timeout != Some(false) => Outcome::Delivered,
        _ => Outcome::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(kind: AttemptKind, status: Option<u16>, error: Option<&str>) -> Attempt {
        Attempt {
            id: Id::from_bits(1),
            delivery_seq: 1,
            number: 1,
            target: "http://h/".into(),
            started_at: Timestamp(5_000),
            kind,
            signing: Signing::Kept,
            edited: None,
            sent_headers: Headers::new(),
            outcome: Outcome::Failed,
            response: status.map(|status| Response {
                status,
                headers: Headers::new(),
                body: Bytes::new(),
                body_size: 0,
            }),
            duration_us: 700,
            within_ack_timeout: None,
            error: error.map(str::to_owned),
            retry: None,
        }
    }

    fn answer(status: u16, by: Responder) -> RecordedResponse {
        RecordedResponse {
            status,
            by,
            duration_us: Some(3),
        }
    }

    #[test]
    fn what_was_acknowledged_is_handled_by_any_answer() {
        use Responder::{Creel, CreelTargetDown, Target};
        let owed = answer(200, CreelTargetDown);
        let at = Timestamp(1_000);
        for kind in [
            AttemptKind::Forward,
            AttemptKind::Resend,
            AttemptKind::Retry,
        ] {
            let after = response_after(owed, at, &attempt(kind, Some(500), None));
            assert_eq!(after, answer(200, Creel));
            assert_eq!(
                response_after(owed, at, &attempt(kind, None, Some("no"))),
                owed
            );
        }
        // Responses from other sources are unchanged.
        for answer in [
            answer(200, Creel),
            answer(500, Target),
            answer(502, CreelTargetDown),
        ] {
            let attempt = attempt(AttemptKind::Forward, Some(200), None);
            assert_eq!(response_after(answer, at, &attempt), answer);
        }
    }

    #[test]
    fn what_is_passed_through_has_its_answer_from_the_app() {
        use Responder::{CreelTargetDown, Target};
        let asked = answer(0, CreelTargetDown);
        let late = format!("No answer (first-byte {TIMEOUT_MARK}.");
        for (status, error, expected) in [
            (Some(404), None, (404, Target)),
            (Some(200), Some("cut"), (502, CreelTargetDown)),
            (Some(101), None, (502, CreelTargetDown)),
            (None, Some("refused"), (502, CreelTargetDown)),
            (None, Some(late.as_str()), (504, CreelTargetDown)),
            (None, None, (502, CreelTargetDown)),
        ] {
            let attempt = attempt(AttemptKind::Forward, status, error);
            let after = response_after(asked, Timestamp(1_000), &attempt);
            assert_eq!((after.status, after.by), expected, "{status:?} {error:?}");
            assert_eq!(after.duration_us, Some(4_700));
        }
        let resent = attempt(AttemptKind::Resend, Some(200), None);
        assert_eq!(response_after(asked, Timestamp(1_000), &resent), asked);
    }
}
