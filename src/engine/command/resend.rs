//! The requests and results of resending.

use serde::{Deserialize, Serialize};

use crate::domain::attempt::{Attempt, Signing};
use crate::domain::attempt_verdict::AttemptVerdict;
use crate::domain::edit::Edit;
use crate::domain::failure::Failure;
use crate::domain::id::Id;
use crate::domain::request::Request;
use crate::domain::timestamp::Timestamp;
use crate::outbound::SendOptions;

/// A request to resend deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResendRequest {
    /// The deliveries.
    pub which: Selection,
    /// The target; `None` for the destination of each delivery.
    pub target: Option<String>,
    /// The signature to send. `None` keeps the received one, but signs edited
    /// deliveries, new events and retries again if there is a secret.
    pub signing: Option<Signing>,
    /// Whether to send it as a new event with its own id.
    pub new_event: bool,
    /// The seed of new ids, so that they equal those of a [`Preview`].
    pub seed: Option<u64>,
    /// The edit to apply.
    pub edit: Option<Box<Edit>>,
    /// Delay between two sends, in microseconds.
    pub spacing_us: u64,
    /// Maximum number of sends in flight; 0 means 1.
    pub parallel: u32,
    /// Retries on the provider's schedule.
    pub retry: Option<RetryOptions>,
    /// Whether the caller reads the [`super::Command::Results`]. The job then
    /// waits for its results to be read.
    pub followed: bool,
    /// Whether to stop the job if the first send gets no connection and all
    /// sends go to the same app.
    pub stop_unreached: bool,
    /// Permissions in addition to those of the running creel.
    #[serde(default)]
    pub options: SendOptions,
}

/// The deliveries of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selection {
    /// By id as in [`super::Command::Show`], in the given order.
    Ids(Vec<String>),
    /// All that match a filter, oldest first.
    Matching(String),
}

impl Selection {
    /// Returns `true` for a filter.
    pub(in crate::engine) const fn is_filter(&self) -> bool {
        matches!(self, Self::Matching(_))
    }
}

impl Default for Selection {
    fn default() -> Self {
        Self::Ids(Vec::new())
    }
}

/// How to follow a provider's retry schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryOptions {
    /// Factor that shortens the delays, at least 1.
    pub compress: u32,
}

/// The progress of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: u64,
    /// Number of deliveries.
    pub total: u64,
    /// Number of completed deliveries.
    pub done: u64,
    /// Number of deliveries that succeeded: delivered, or rightly refused.
    pub well: u64,
    /// Number of deliveries that the target accepted despite a stale or invalid
    /// signature.
    #[serde(default)]
    pub wrongly_accepted: u64,
    /// The last failure to send a delivery.
    pub failure: Option<Failure>,
    /// Estimated remaining time in milliseconds, if known.
    pub left_ms: Option<u64>,
    /// Whether it was stopped.
    pub stopped: bool,
    /// Whether it has ended.
    pub ended: bool,
}

/// The ways of resending that a delivery does not support, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResendSupport {
    /// Why it cannot be signed again; `None` if it can.
    pub no_signature: Option<String>,
    /// Why it cannot be retried on its provider's schedule; `None` if it can.
    pub no_retries: Option<String>,
}

/// The results of a followed job since the last call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobResults {
    /// The results, in the order of completion.
    pub sent: Vec<SendResult>,
    /// The progress of the job.
    pub job: Job,
    /// Whether these are the last results, after which the job is removed.
    pub last: bool,
}

/// The result of sending one delivery once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendResult {
    /// The delivery.
    pub delivery: Id,
    /// The attempt and what to make of it; or why nothing could be sent.
    pub attempt: Result<(Attempt, AttemptVerdict), Failure>,
    /// Whether there was a connection to send it on.
    pub reached: bool,
    /// What its provider would do now: disable the endpoint.
    pub note: Option<String>,
}

impl SendResult {
    /// Returns `true` if its target could not be reached.
    pub fn is_unreached(&self) -> bool {
        !self.reached && self.attempt.is_ok()
    }
}

/// The retry schedule of a delivery. Its past tries are attempts of the
/// delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPlan {
    /// When it began; its attempts' [`crate::domain::attempt::RetryPosition::began`].
    pub began: Timestamp,
    /// The times of the remaining tries if all fail.
    pub later: Vec<Timestamp>,
    /// Whether creel assumes the schedule because the provider documents none.
    pub assumed: bool,
    /// What the provider would do now: disable the endpoint.
    pub note: Option<String>,
}

/// A preview of a resent request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// The delivery.
    pub delivery: Id,
    /// The received request.
    pub old: Request,
    /// The complete request to send.
    pub new: Request,
    /// The complete URL.
    pub address: String,
    /// The signature that it carries.
    pub signing: Signing,
    /// Whether the method or the body differ from the delivery.
    pub edited: bool,
    /// Headers that are computed when the request is sent: the signature.
    pub later: Vec<String>,
    /// Headers that contain the time of sending.
    pub times: Vec<String>,
    /// Warnings, as sentences.
    pub notes: Vec<String>,
    /// The seed of new ids.
    pub seed: u64,
}
