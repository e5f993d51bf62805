//! Sending again: what is asked for, and what comes of it.

use serde::{Deserialize, Serialize};

use crate::domain::attempt::{Attempt, Signing};
use crate::domain::attempt_verdict::AttemptVerdict;
use crate::domain::edit::Edit;
use crate::domain::failure::Failure;
use crate::domain::id::Id;
use crate::domain::request::Request;
use crate::domain::timestamp::Timestamp;
use crate::outbound::SendOptions;

/// What to send again, where to, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResendRequest {
    /// Which deliveries.
    pub which: Selection,
    /// The target; `None`: the endpoint's own, else the configured one.
    pub target: Option<String>,
    /// Which signature to send; `None`: the one that was received, but a new
    /// one for what is edited, a new event or a retry, where there is a secret.
    pub signing: Option<Signing>,
    /// Whether it goes as a new event, with an id of its own.
    pub new_event: bool,
    /// What new ids are made of, so that they are those of a [`Preview`].
    pub seed: Option<u64>,
    /// What is changed before.
    pub edit: Option<Box<Edit>>,
    /// How long to wait between one and the next, in microseconds.
    pub spacing_us: u64,
    /// How many may be under way at a time; 0 stands for 1.
    pub parallel: u32,
    /// Tries as often and with such waits as the provider does.
    pub retry: Option<RetryOptions>,
    /// Whether somebody asks for the [`super::Command::Results`]; the job then waits
    /// for them to be taken.
    pub followed: bool,
    /// Whether the job ends when the very first cannot be sent at all, and the
    /// others go to the same app.
    pub stop_unreached: bool,
    /// What is allowed besides what the creel that sends allows anyway.
    #[serde(default)]
    pub options: SendOptions,
}

/// Which deliveries to send, in the order of arrival.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selection {
    /// Those with such ids, as in [`super::Command::Show`], in the order given.
    Ids(Vec<String>),
    /// All that match a filter, oldest first.
    Matching(String),
}

impl Selection {
    /// Says whether a filter chooses them.
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
    /// How many times shorter the waits are, from 1.
    pub compress: u32,
}

/// How a job goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: u64,
    /// How many deliveries it is about.
    pub total: u64,
    /// How many of them are done with.
    pub done: u64,
    /// With how many of those all went well: delivered, or rightly refused.
    pub well: u64,
    /// How many of those the target accepted although their signature was
    /// stale or wrong.
    #[serde(default)]
    pub wrongly_accepted: u64,
    /// Why one could not be sent, the last of them.
    pub failure: Option<Failure>,
    /// About how long it will still take, in milliseconds, where that can be said.
    pub left_ms: Option<u64>,
    /// Whether it was told to stop.
    pub stopped: bool,
    /// Whether it is over.
    pub ended: bool,
}

/// Which ways of sending a delivery again do not work for it, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResendSupport {
    /// Why it cannot be signed anew; `None` where it can.
    pub no_signature: Option<String>,
    /// Why it cannot be tried as its provider retries; `None` where it can.
    pub no_retries: Option<String>,
}

/// What came of a followed job since the last time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobResults {
    /// The attempts, in the order they ended.
    pub sent: Vec<SendResult>,
    /// How the job goes.
    pub job: Job,
    /// Whether nothing more comes; the job is then forgotten.
    pub last: bool,
}

/// What came of sending one delivery once.
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
    /// Says whether nothing could be sent to its target.
    pub fn is_unreached(&self) -> bool {
        !self.reached && self.attempt.is_ok()
    }
}

/// A retry schedule of a delivery: what was tried stands among its attempts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPlan {
    /// When it began; its attempts' [`crate::domain::attempt::RetryPosition::began`].
    pub began: Timestamp,
    /// When the tries after the newest would be made, if all fail.
    pub later: Vec<Timestamp>,
    /// Whether the steps are creel's assumption, for want of stated ones.
    pub assumed: bool,
    /// What the provider would do now: disable the endpoint.
    pub note: Option<String>,
}

/// What sending a delivery again would send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// The delivery.
    pub delivery: Id,
    /// The request as it came.
    pub old: Request,
    /// The request as it would go out, every field of it.
    pub new: Request,
    /// The whole address it would go to.
    pub address: String,
    /// Which signature it carries.
    pub signing: Signing,
    /// Whether method or body are not those of the delivery.
    pub edited: bool,
    /// Headers whose value is made when it is sent: the signature.
    pub later: Vec<String>,
    /// Headers that hold the time of sending.
    pub times: Vec<String>,
    /// What should be known before, as sentences.
    pub notes: Vec<String>,
    /// What new ids were made of.
    pub seed: u64,
}
