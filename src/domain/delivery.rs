//! One HTTP request that arrived, and what the sender was told.

use serde::{Deserialize, Serialize};

use super::id::Id;
use super::request::Request;
use super::timestamp::Timestamp;

/// A delivery: one request that arrived and was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its place in the order of arrival, without gaps, from 1.
    pub seq: u64,
    /// Its ULID; sorts as `seq` does.
    pub id: Id,
    /// When its head had arrived.
    pub received_at: Timestamp,
    /// The peer, as `address:port`.
    pub remote_addr: String,
    /// The name of the configured endpoint that took it.
    pub endpoint: Option<String>,
    /// The request itself.
    pub request: Request,
    /// What the sender was answered.
    pub answer: SenderResponse,
    /// Why it was refused; its body is then not kept.
    pub refused: Option<String>,
}

/// What the sender was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderResponse {
    /// The HTTP status; 0 where none was given: the connection was dropped, or
    /// creel ended before it could.
    pub status: u16,
    /// Who made the answer.
    pub by: Responder,
    /// From the request's head to the answer, in microseconds; `None` where
    /// creel ended before it could note it.
    pub duration_us: Option<u64>,
}

/// Who made the answer to the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Responder {
    /// creel itself.
    Creel,
    /// The app behind creel.
    Target,
    /// creel, in the place of an app that could not be reached: acknowledged, not handled.
    CreelTargetDown,
}

impl SenderResponse {
    /// Says whether the sender heard "ok" for a delivery that no app has
    /// answered yet: acknowledged, not handled.
    pub const fn is_unanswered(&self) -> bool {
        matches!(self.by, Responder::CreelTargetDown) && self.status >= 200 && self.status < 400
    }

    /// Returns what is true once nobody waits for an app any more.
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
