//! What may be asked of a running creel, and what it answers and tells.
//!
//! These are plain values that serialise, so the same words serve in this
//! process and over the control socket.

use serde::{Deserialize, Serialize};

use super::preview::Preview;
use crate::domain::assess::SignedText;
use crate::domain::attempt::{Attempt, Signing};
use crate::domain::delivery::Delivery;
use crate::domain::edit::Edit;
use crate::domain::endpoint::{AnswerPlan, Endpoint};
use crate::domain::failure::Failure;
use crate::domain::id::Id;
use crate::domain::summary::Summary;
use crate::domain::timestamp::Timestamp;
use crate::domain::verdict::Verdict;
use crate::domain::verification::Verification;

/// Something asked of a running creel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// What it is and what it does just now: [`Reply::Info`].
    Info,
    /// A window of the list, newest first: [`Reply::Page`].
    List(ListQuery),
    /// A window of the list as lines of the contract's JSON, bodies left out:
    /// [`Reply::Listing`].
    Listing(ListQuery),
    /// One delivery, whole: [`Reply::Detail`]. An id, a unique prefix or
    /// suffix of one of four or more characters, or `@latest`.
    Show(String),
    /// Begins to send deliveries again: [`Reply::Job`]. How it goes is told by
    /// [`Event::Job`], each attempt by [`Event::Attempted`].
    Resend(ResendOrder),
    /// What would be sent for one of the deliveries, counted from 0:
    /// [`Reply::Preview`].
    Preview(ResendOrder, u64),
    /// What came of a followed job since the last time it was asked for:
    /// [`Reply::Results`], as soon as there is something to tell.
    Results(u64),
    /// Ends a job: what is under way is finished, nothing more is begun:
    /// [`Reply::Done`].
    Stop(u64),
    /// Ends the retry schedules of deliveries, by sequence number: [`Reply::Done`].
    StopRetries(Vec<u64>),
    /// Marks deliveries to be kept, or takes the mark away: [`Reply::Done`].
    Mark(MarkOrder),
    /// Sends a signed sample delivery to creel's own receiving address, by
    /// provider name, or one of the five systems in turn: [`Reply::Done`].
    Sample(Option<String>),
}

/// Which window of the list is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListQuery {
    /// The filter as typed; empty matches all.
    pub filter: String,
    /// Only deliveries older than this sequence number. A reader that walks
    /// through all pages uses it, for offsets move as deliveries arrive;
    /// [`Page::matching`] then counts no further than the page.
    pub before: Option<u64>,
    /// How many matching rows to skip, counted from the newest.
    pub offset: usize,
    /// How many rows are wanted at the most.
    pub limit: usize,
}

/// What to send again, where to, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResendOrder {
    /// Which deliveries.
    pub which: Which,
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
    pub retry: Option<RetryOrder>,
    /// Whether somebody asks for the [`Command::Results`]; the job then waits
    /// for them to be taken.
    pub followed: bool,
    /// Whether the job ends when the very first gets no answer at all.
    pub stop_unanswered: bool,
}

/// Which deliveries to send, in the order of arrival.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Which {
    /// Those with such ids, as in [`Command::Show`], in the order given.
    Ids(Vec<String>),
    /// All that match a filter, oldest first.
    Matching(String),
}

impl Default for Which {
    fn default() -> Self {
        Self::Ids(Vec::new())
    }
}

/// How to follow a provider's retry schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryOrder {
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
    /// Why one could not be sent, the last of them.
    pub failure: Option<Failure>,
    /// About how long it will still take, in milliseconds, where that can be said.
    pub left_ms: Option<u64>,
    /// Whether it was told to stop.
    pub stopped: bool,
    /// Whether it is over.
    pub ended: bool,
}

/// What came of a followed job since the last time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    /// The attempts, in the order they ended.
    pub sent: Vec<Sent>,
    /// How the job goes.
    pub job: Job,
    /// Whether nothing more comes; the job is then forgotten.
    pub last: bool,
}

impl Sent {
    /// Says whether the target answered.
    pub fn is_answered(&self) -> bool {
        matches!(&self.attempt, Ok((attempt, _)) if attempt.response.is_some())
    }
}

/// What came of sending one delivery once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The delivery.
    pub delivery: Id,
    /// The attempt and what to make of it; or why nothing could be sent.
    pub attempt: Result<(Attempt, Verdict), Failure>,
    /// What its provider would do now: disable the endpoint.
    pub note: Option<String>,
}

/// Which deliveries to mark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkOrder {
    /// The deliveries' sequence numbers.
    pub seqs: Vec<u64>,
    /// Whether they shall be marked.
    pub marked: bool,
}

/// The answer to a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To [`Command::Info`].
    Info(Info),
    /// To [`Command::List`].
    Page(Page),
    /// To [`Command::Listing`].
    Listing(Vec<String>),
    /// To [`Command::Show`].
    Detail(Box<Detail>),
    /// To [`Command::Resend`].
    Job(Job),
    /// To [`Command::Preview`].
    Preview(Box<Preview>),
    /// To [`Command::Results`].
    Results(Results),
    /// It is done.
    Done,
}

/// What a running creel is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Its version.
    pub version: String,
    /// Where it receives: `http://127.0.0.1:2733`; `None` where it does not.
    pub listening: Option<String>,
    /// Where it keeps its data.
    pub data_dir: String,
    /// The configured target.
    pub target: Option<String>,
    /// What is answered where no endpoint says otherwise.
    pub answer: AnswerPlan,
    /// The configured endpoints.
    pub endpoints: Vec<Endpoint>,
    /// Fingerprints of the configured secrets: `billing (whse…4fTq)`.
    pub secrets: Vec<String>,
    /// Whether demo deliveries are being sent.
    pub demo: bool,
    /// How many deliveries are kept.
    pub kept: u64,
    /// How many bytes they take on disk.
    pub bytes: u64,
    /// Why nothing can be kept at the moment, where that is so.
    pub trouble: Option<String>,
    /// The jobs that are not over.
    pub jobs: Vec<Job>,
}

/// A window of the list, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Where the window begins, counted from the newest match.
    pub offset: usize,
    /// The rows.
    pub rows: Vec<Summary>,
    /// How many deliveries match the filter.
    pub matching: usize,
    /// How many deliveries are kept.
    pub total: usize,
    /// What the filter could not make sense of.
    pub notes: Vec<String>,
}

/// One delivery and all that is known about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// The delivery.
    pub delivery: Delivery,
    /// Its row.
    pub summary: Summary,
    /// The verdict, made now with the secrets configured now.
    pub verification: Verification,
    /// The start of the text that was signed; `None` where no scheme applies.
    pub signed: Option<SignedText>,
    /// What the provider states of its sending side, for verdicts.
    pub provider: Option<ProviderFacts>,
    /// The arrivals of the same event, oldest first, this one among them.
    pub arrivals: Vec<Arrival>,
    /// The attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// What to make of each of them.
    pub verdicts: Vec<Verdict>,
    /// The newest retry schedule, where there was one.
    pub schedule: Option<Planned>,
    /// Where a plain resend would go.
    pub target: Option<String>,
}

/// A retry schedule of a delivery: what was tried stands among its attempts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// When it began; its attempts' [`crate::domain::attempt::Try::began`].
    pub began: Timestamp,
    /// When the tries after the newest would be made, if all fail.
    pub later: Vec<Timestamp>,
    /// Whether the steps are creel's assumption, for want of stated ones.
    pub assumed: bool,
    /// What the provider would do now: disable the endpoint.
    pub note: Option<String>,
}

/// What a provider states of its sending side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderFacts {
    /// Its name as people write it: `Stack Auth`.
    pub title: String,
    /// How long it waits for an answer, in milliseconds; `None`: not stated.
    pub answer_within_ms: Option<u64>,
    /// Its waits between attempts, in seconds; empty: not stated.
    pub retry_seconds: Vec<u64>,
    /// How many attempts it makes.
    pub attempts: Option<u32>,
    /// Things worth knowing where its deliveries are shown.
    pub notes: Vec<String>,
    /// Its documentation's address.
    pub docs: Option<String>,
}

/// One arrival of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// The delivery.
    pub summary: Summary,
    /// Whether its body is byte for byte that of the delivery shown.
    pub same_body: bool,
}

/// Something that happened in a running creel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A delivery was kept; it is the newest.
    Added(Summary),
    /// A delivery's row changed.
    Changed(Summary),
    /// An attempt began or ended.
    Attempted(Attempt),
    /// How a job goes.
    Job(Job),
    /// Deliveries can no longer be kept, or can again (`None`).
    Trouble(Option<String>),
    /// A task of creel's ended unexpectedly; the rest goes on.
    Panicked(String),
    /// So many events were missed that everything should be asked anew.
    Missed,
    /// The creel on the other end is gone.
    Gone,
}
