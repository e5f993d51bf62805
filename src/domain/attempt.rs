//! One forward or resend of a delivery to a target, and its answer.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::delivery::{Responder, SenderResponse};
use super::headers::Headers;
use super::id::Id;
use super::request::Request;
use super::serde_base64;
use super::timestamp::Timestamp;

/// How many bytes of a target's answer are kept.
pub const MAX_STORED_RESPONSE_BYTES: usize = 64 * 1024;

/// One forward or resend: what was sent, what came back, how long it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its ULID.
    pub id: Id,
    /// The sequence number of the delivery that was sent.
    pub delivery_seq: u64,
    /// Counts this delivery's attempts, from 1.
    pub number: u32,
    /// Where it was sent: the whole URL.
    pub target: String,
    /// When it began.
    pub started_at: Timestamp,
    /// Why it was sent.
    pub kind: AttemptKind,
    /// Which signature it carried.
    pub signing: Signing,
    /// What was edited before sending; `None`: the request is the delivery's.
    pub edited: Option<EditedParts>,
    /// What was sent besides the body, as it went out.
    pub sent_headers: Headers,
    /// How it ended.
    pub outcome: Outcome,
    /// The target's answer, where one came.
    pub response: Option<Response>,
    /// From the start to the end of the answer or to the error, in microseconds.
    pub duration_us: u64,
    /// Whether the answer came inside the provider's acknowledgement time;
    /// `None` where the provider states none.
    pub within_ack_timeout: Option<bool>,
    /// The exact network error, where there was one.
    pub error: Option<String>,
    /// Its place in a provider's retry schedule, where it is part of one.
    pub retry: Option<RetryPosition>,
}

/// What an edited request has besides its fields, which are kept as
/// [`Attempt::sent_headers`], and its address, which is [`Attempt::target`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditedParts {
    /// The method.
    pub method: String,
    /// The body.
    #[serde(with = "serde_base64")]
    pub body: Bytes,
}

/// One try of a retry schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPosition {
    /// Which try of the schedule it is, from 1.
    pub number: u32,
    /// How many there are at the most.
    pub of: u32,
    /// How many times shorter than the provider's the waits are.
    pub compress: u32,
    /// When the schedule began.
    pub began: Timestamp,
    /// When it is or was due.
    pub due: Timestamp,
    /// When the next one is due; `None`: there is none, or it is not known yet.
    pub next: Option<Timestamp>,
    /// How many failures in a row the provider had seen of this target with it.
    pub failures: u32,
    /// The target as it was asked for, before it was fitted to the delivery.
    pub to: String,
    /// Whether any certificate is taken.
    pub insecure: bool,
    /// Whether it may go to a link-local address.
    pub link_local: bool,
}

/// A target's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The header fields.
    pub headers: Headers,
    /// The first [`MAX_STORED_RESPONSE_BYTES`] of the body.
    #[serde(with = "serde_base64")]
    pub body: Bytes,
    /// How many bytes of body came in all.
    pub body_size: u64,
}

/// Why an attempt was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptKind {
    /// By creel as the delivery came in.
    Forward,
    /// Because somebody asked.
    Resend,
    /// By a schedule.
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

/// Which signature an attempt carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signing {
    /// The one that was received.
    #[default]
    Kept,
    /// A new one, made now with the endpoint's secret.
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

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is under way.
    Pending,
    /// A 2xx came inside the provider's acknowledgement time.
    Delivered,
    /// It will be or could be tried again.
    Failed,
    /// It used up its attempts.
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
    /// Returns what was sent where it was edited, put together again.
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

    /// Returns where the answer wants to have the request sent instead.
    pub fn redirect(&self) -> Option<&str> {
        let response = self.response.as_ref()?;
        let location = response.headers.text("location")?;
        (300..400).contains(&response.status).then_some(location)
    }

    /// Says whether it was stopped, by its user or by the end of creel, before
    /// it had a response: then it says nothing of the target.
    pub fn is_stopped(&self) -> bool {
        let stopped =
            |error: &str| [INTERRUPTED_ERROR, STOPPED_ERROR, REPLACED_ERROR].contains(&error);
        self.response.is_none() && self.error.as_deref().is_some_and(stopped)
    }

    /// Returns the answer's status, where one came.
    pub fn status(&self) -> Option<u16> {
        self.response.as_ref().map(|r| r.status)
    }
}

/// The error of an attempt that the end of creel cut off.
pub const INTERRUPTED_ERROR: &str = "creel ended before the app answered.";

/// The error of a try of a schedule that its user stopped.
pub const STOPPED_ERROR: &str = "It was stopped before this try.";

/// The error of a try of a schedule that another one replaced.
pub const REPLACED_ERROR: &str = "Another schedule took its place.";

/// What every error of an attempt says in which time ran out.
pub const TIMEOUT_MARK: &str = "time-out)";

/// Returns what the sender of a delivery that is passed through is told, by
/// what came of it: the app's status, or that of a gateway.
pub fn pass_through_response(status: Option<u16>, error: Option<&str>) -> (u16, Responder) {
    match (status, error) {
        (Some(status @ 200..), None) => (status, Responder::Target),
        (_, Some(error)) if error.contains(TIMEOUT_MARK) => (504, Responder::CreelTargetDown),
        _ => (502, Responder::CreelTargetDown),
    }
}

/// Returns what is true of the sender's answer once `attempt` is made with a
/// delivery that came at `received_at`: one that was acknowledged is handled
/// when an app answers; one that is passed through has its answer from it.
pub fn response_after(
    answer: SenderResponse,
    received_at: Timestamp,
    attempt: &Attempt,
) -> SenderResponse {
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
    SenderResponse {
        status,
        by,
        duration_us: Some(before.cast_unsigned().saturating_add(attempt.duration_us)),
    }
}

/// Says how an attempt with this answer ended: a 2xx inside the
/// acknowledgement time is delivered, all else failed.
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

    fn answer(status: u16, by: Responder) -> SenderResponse {
        SenderResponse {
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
        // What was answered otherwise stays as it was.
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
