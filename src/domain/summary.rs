//! Summaries: what the list shows of a delivery, and what filters and groups
//! use.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::attempt::{Attempt, Outcome};
use super::delivery::{RecordedResponse, Responder};
use super::id::Id;
use super::signature::coverage;
use super::timestamp::Timestamp;
use super::verification::Status;

/// A delivery without its headers and body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The sequence number in the order of arrival, counted from 1.
    pub seq: u64,
    /// The ULID.
    pub id: Id,
    /// When the request head was received.
    pub received_at: Timestamp,
    /// The configured endpoint that received it.
    pub endpoint: Option<String>,
    /// The provider's name.
    pub provider: Option<String>,
    /// The event name.
    pub event: Option<String>,
    /// The provider's own id of the event.
    pub delivery_id: Option<String>,
    /// The ordinal among the arrivals of the same event, counted from 1.
    pub arrival: u32,
    /// Whether the group was derived from body and event, because the provider
    /// gave no id.
    pub group_guessed: bool,
    /// The method as sent.
    pub method: String,
    /// The path as sent.
    pub path: String,
    /// The query as sent.
    pub query: Option<String>,
    /// The peer.
    pub remote_addr: String,
    /// The size of the body in bytes.
    pub body_size: u64,
    /// The media type of the body, if specified.
    pub content_type: Option<String>,
    /// The verification status.
    pub status: Status,
    /// The code of the first finding, if there is one.
    pub cause: Option<String>,
    /// The response to the sender.
    pub answer: RecordedResponse,
    /// Why it was refused.
    pub refused: Option<String>,
    /// The number of attempts.
    pub attempts: u32,
    /// The latest attempt.
    pub last_attempt: Option<LastAttempt>,
    /// Whether it is marked and exempt from retention.
    pub marked: bool,
    /// The number of the current attempt of a retry schedule that is not
    /// finished.
    pub pending: Option<u32>,
}

impl Summary {
    /// Returns the result of the app in four columns: the status of the latest
    /// attempt, else of the response to the sender.
    pub fn app_word(&self) -> Cow<'static, str> {
        match self.last_attempt {
            Some(LastAttempt {
                status: Some(status),
                ..
            }) => status.to_string().into(),
            Some(_) if self.is_unanswered() => "down".into(),
            Some(_) => "---".into(),
            None if self.is_unanswered() => "wait".into(),
            None => match (self.answer.status, self.answer.by) {
                (0, Responder::Creel) => "drop".into(),
                (0, Responder::Target | Responder::CreelTargetDown) => "wait".into(),
                (status, _) => status.to_string().into(),
            },
        }
    }

    /// Returns whether the signature is valid with a caveat.
    pub fn is_partly_signed(&self) -> bool {
        self.status == Status::Valid && self.cause.as_deref().is_some_and(coverage::is_caveat)
    }

    /// Returns the word for the verification status, at most seven columns
    /// wide.
    pub fn status_word(&self) -> &'static str {
        if self.is_partly_signed() {
            "ok part"
        } else {
            self.status.word()
        }
    }

    /// Returns whether the delivery was acknowledged with success and no app
    /// has responded yet.
    pub const fn is_unanswered(&self) -> bool {
        self.answer.is_unanswered()
    }

    /// Returns whether the delivery is still to be sent to an app: it is
    /// unanswered, or a retry schedule is active.
    pub const fn is_waiting(&self) -> bool {
        self.is_unanswered() || self.pending.is_some()
    }

    /// Returns whether retention does not remove the delivery.
    pub const fn is_exempt_from_retention(&self) -> bool {
        self.marked || self.is_waiting()
    }
}

/// The latest attempt, as shown in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastAttempt {
    /// The status of the response; `None` if there was none.
    pub status: Option<u16>,
    /// The outcome.
    pub outcome: Outcome,
    /// The duration in microseconds.
    pub duration_us: u64,
}

impl LastAttempt {
    /// Returns the row's attempt after another one. An attempt that is pending
    /// or was stopped does not replace the target's last response.
    pub fn after(before: Option<Self>, attempt: &Attempt) -> Option<Self> {
        let before = before.filter(|before| before.outcome != Outcome::Pending);
        let says_nothing = attempt.outcome == Outcome::Pending && before.is_some();
        if says_nothing || attempt.is_stopped() {
            return before;
        }
        Some(Self {
            status: attempt.status(),
            outcome: attempt.outcome,
            duration_us: attempt.duration_us,
        })
    }
}

#[cfg(test)]
impl Summary {
    /// Creates a plain delivery for tests.
    pub(crate) fn plain(seq: u64) -> Self {
        Self {
            seq,
            id: Id::from_bits(u128::from(seq)),
            received_at: Timestamp(0),
            endpoint: None,
            provider: None,
            event: None,
            delivery_id: None,
            arrival: 1,
            group_guessed: false,
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: None,
            remote_addr: "127.0.0.1:1".to_owned(),
            body_size: 0,
            content_type: None,
            status: Status::Valid,
            cause: None,
            answer: RecordedResponse {
                status: 200,
                by: super::delivery::Responder::Creel,
                duration_us: None,
            },
            refused: None,
            attempts: 0,
            last_attempt: None,
            marked: false,
            pending: None,
        }
    }
}
