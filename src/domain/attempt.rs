//! One forward or resend of a delivery to a target, and its answer.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::encoding_base64;
use super::headers::Headers;
use super::id::Id;
use super::request::Request;
use super::timestamp::Timestamp;

/// How many bytes of a target's answer are kept.
pub const KEPT_ANSWER_BYTES: usize = 64 * 1024;

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
    pub edited: Option<Edited>,
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
    pub retry: Option<Try>,
}

/// What an edited request has besides its fields, which are kept as
/// [`Attempt::sent_headers`], and its address, which is [`Attempt::target`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edited {
    /// The method.
    pub method: String,
    /// The body.
    #[serde(with = "encoding_base64")]
    pub body: Bytes,
}

/// One try of a retry schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
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
}

/// A target's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The header fields.
    pub headers: Headers,
    /// The first [`KEPT_ANSWER_BYTES`] of the body.
    #[serde(with = "encoding_base64")]
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

    /// Returns the answer's status, where one came.
    pub fn status(&self) -> Option<u16> {
        self.response.as_ref().map(|r| r.status)
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
