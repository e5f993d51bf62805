//! What a list shows of a delivery: enough for a row, a filter and a group.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::attempt::{Attempt, Outcome};
use super::delivery::{Responder, SenderResponse};
use super::id::Id;
use super::signature::coverage;
use super::timestamp::Timestamp;
use super::verification::Status;

/// A delivery without its headers and body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Its place in the order of arrival, from 1.
    pub seq: u64,
    /// Its ULID.
    pub id: Id,
    /// When its head had arrived.
    pub received_at: Timestamp,
    /// The configured endpoint that took it.
    pub endpoint: Option<String>,
    /// The provider's name.
    pub provider: Option<String>,
    /// What the provider says happened.
    pub event: Option<String>,
    /// The provider's own id of the event.
    pub delivery_id: Option<String>,
    /// Counts the arrivals of the same event, from 1.
    pub arrival: u32,
    /// Whether the group is a guess by body and event, for want of a provider's id.
    pub group_guessed: bool,
    /// The method as sent.
    pub method: String,
    /// The path as sent.
    pub path: String,
    /// What stood behind `?`.
    pub query: Option<String>,
    /// The peer.
    pub remote_addr: String,
    /// Size of the body in bytes.
    pub body_size: u64,
    /// The body's media type, where it is named.
    pub content_type: Option<String>,
    /// The verdict on the signature.
    pub status: Status,
    /// The code of the first finding, where there is one.
    pub cause: Option<String>,
    /// What the sender was answered.
    pub answer: SenderResponse,
    /// Why it was refused.
    pub refused: Option<String>,
    /// How many attempts were made with it.
    pub attempts: u32,
    /// The newest attempt.
    pub last_attempt: Option<LastAttempt>,
    /// Whether it is marked to be kept.
    pub marked: bool,
    /// The number of the attempt that a retry schedule has come to, while there
    /// is more of it to come.
    pub pending: Option<u32>,
}

impl Summary {
    /// Says in four columns what the app made of it: the newest attempt's
    /// status, else what the sender was answered.
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

    /// Says whether the signature holds and leaves open something that is shown.
    pub fn is_partly_signed(&self) -> bool {
        self.status == Status::Valid && self.cause.as_deref().is_some_and(coverage::is_caveat)
    }

    /// Returns the word for the verdict, in seven columns at most.
    pub fn status_word(&self) -> &'static str {
        if self.is_partly_signed() {
            "ok part"
        } else {
            self.status.word()
        }
    }

    /// Says whether it is acknowledged and not handled: its sender heard "ok",
    /// and no app has answered it yet.
    pub const fn is_unanswered(&self) -> bool {
        self.answer.is_unanswered()
    }

    /// Says whether an app is still to get it: it is owed, or a retry schedule
    /// goes on.
    pub const fn is_waiting(&self) -> bool {
        self.is_unanswered() || self.pending.is_some()
    }

    /// Says whether it is kept whatever its age and however many there are.
    pub const fn is_exempt_from_retention(&self) -> bool {
        self.marked || self.is_waiting()
    }
}

/// What a row shows of the newest attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastAttempt {
    /// The answer's status; `None` where no answer came.
    pub status: Option<u16>,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took, in microseconds.
    pub duration_us: u64,
}

impl LastAttempt {
    /// Returns what a row shows after another attempt. One that waits until it
    /// is due or was stopped does not hide the target's last response.
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
    /// A plain delivery for tests.
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
            answer: SenderResponse {
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
