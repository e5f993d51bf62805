//! Deliveries: an HTTP request that was received and stored, and the response
//! to its sender.

use serde::{Deserialize, Serialize};

use super::id::Id;
use super::request::Request;
use super::timestamp::Timestamp;

/// A delivery: one request that was received and stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The sequence number in the order of arrival, without gaps, counted from
    /// 1.
    pub seq: u64,
    /// The ULID; sorts like `seq`.
    pub id: Id,
    /// When the request head was received.
    pub received_at: Timestamp,
    /// The peer as `address:port`.
    pub remote_addr: String,
    /// The name of the configured endpoint that received it.
    pub endpoint: Option<String>,
    /// The request.
    pub request: Request,
    /// The response to the sender.
    pub answer: RecordedResponse,
    /// Why it was refused; the body of a refused delivery is not stored.
    pub refused: Option<String>,
}

/// The response to the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedResponse {
    /// The HTTP status; 0 if there was no response because the connection was
    /// dropped or creel exited.
    pub status: u16,
    /// Who produced the response.
    pub by: Responder,
    /// The time from the request head to the response, in microseconds; `None`
    /// if creel exited before it was recorded.
    pub duration_us: Option<u64>,
}

/// Who produced the response to the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Responder {
    /// creel itself.
    Creel,
    /// The target.
    Target,
    /// creel, because the target was not reachable: the delivery is
    /// acknowledged but not handled.
    CreelTargetDown,
}

impl RecordedResponse {
    /// Returns whether the delivery was acknowledged with success and no app
    /// has responded yet.
    pub const fn is_unanswered(&self) -> bool {
        matches!(self.by, Responder::CreelTargetDown) && self.status >= 200 && self.status < 400
    }

    /// Returns the response after waiting for an app was abandoned.
    #[must_use]
    pub const fn without_app(self) -> Self {
        if self.is_unanswered() {
            Self {
                by: Responder::Creel,
                ..self
            }
        } else {
            self
        }
    }
}

impl Responder {
    /// Returns the word used in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Creel => "creel",
            Self::Target => "target",
            Self::CreelTargetDown => "creel-target-down",
        }
    }
}
