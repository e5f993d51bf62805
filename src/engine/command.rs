//! Defines the commands, replies and events of a running creel.
//!
//! All are plain serialisable values, used in this process and over the control
//! socket.

// Defines the requests and results of resending.
mod resend;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::resend::{
    Job, JobResults, Preview, ResendRequest, ResendSupport, RetryOptions, RetryPlan, Selection,
    SendResult,
};
use crate::domain::address::ResolvedHost;
use crate::domain::assess::SignedText;
use crate::domain::attempt::Attempt;
use crate::domain::attempt_verdict::AttemptVerdict;
use crate::domain::damage::Damaged;
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::Endpoint;
use crate::domain::id::Id;
use crate::domain::keyring::{Adoption, Scope};
use crate::domain::provider::KeyForm;
use crate::domain::response_plan::ResponsePlan;
use crate::domain::route::{
    Destination, ForwardMode, PathMode, Route, RouteDefaults, RouteQuery, destination,
};
use crate::domain::secret::{Secret, SecretInput};
use crate::domain::summary::Summary;
use crate::domain::timestamp::Timestamp;
use crate::domain::trusted_time::ClockDoubt;
use crate::domain::verification::{Status, Verification};
pub use crate::outbound::SendOptions;
pub use crate::store::Lag;

/// A command to a running creel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Returns the state of the running creel: [`Reply::Info`].
    Info,
    /// Returns a window of the list, newest first: [`Reply::Page`].
    List(ListQuery),
    /// Returns a window of the list as lines of the published JSON, without
    /// bodies: [`Reply::Listing`].
    Listing(ListQuery),
    /// Returns one delivery with all its details: [`Reply::Detail`]. The text
    /// is an id, a unique prefix or suffix of an id with four or more
    /// characters, or `@latest`.
    Show(String),
    /// Returns one delivery with every hypothesis tested, even if its signature
    /// is valid: [`Reply::Detail`].
    Examine(String),
    /// Adopts a secret and verifies the affected deliveries again:
    /// [`Reply::Adopted`] once all are verified.
    Secret(AdoptSecretRequest),
    /// Starts a resend job: [`Reply::Job`]. [`Event::Job`] reports its
    /// progress, [`Event::Attempted`] each attempt.
    Resend(ResendRequest),
    /// Resolves the hosts that a request would send to, each once:
    /// [`Reply::Places`].
    Locate(ResendRequest),
    /// Previews the request for the first of the deliveries:
    /// [`Reply::Preview`].
    Preview(ResendRequest),
    /// Resolves a selection to delivery ids, in order: [`Reply::Ids`].
    Which(Selection),
    /// Returns the results of a followed job since the last call:
    /// [`Reply::Results`] as soon as there are any.
    Results(u64),
    /// Stops a job. Sends in flight are finished, further ones are skipped:
    /// [`Reply::Done`].
    Stop(u64),
    /// Gives up on those deliveries of a selection that wait for their app or
    /// for the next try of a retry schedule. Retention applies to them again:
    /// [`Reply::GivenUp`].
    GiveUp(Selection),
    /// Trusts the system clock: [`Reply::Done`].
    TrustClock,
    /// Marks deliveries, which protects them from retention, or removes the
    /// mark: [`Reply::Done`].
    Mark(MarkRequest),
    /// Sends a signed sample delivery of the named provider, or of one of five
    /// in turn, to creel's own address: [`Reply::Done`].
    Sample(Option<String>),
    /// Overrides the response of an endpoint, or restores the configured one:
    /// [`Reply::Done`].
    Answer(ResponseOverrideRequest),
}

/// A request to override the response of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseOverrideRequest {
    /// The endpoint; `None` for deliveries without an endpoint.
    pub endpoint: Option<String>,
    /// When they are sent on; `None`: as configured.
    pub mode: Option<ForwardMode>,
    /// What creel answers; `None`: as configured.
    pub plan: Option<ResponsePlan>,
}

/// An override of the configured response of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseOverride {
    /// The endpoint; `None` for deliveries without an endpoint.
    pub endpoint: Option<String>,
    /// When deliveries are sent on, where that differs.
    pub mode: Option<ForwardMode>,
    /// What creel answers, where that differs.
    pub plan: Option<ResponsePlan>,
}

/// The state of an app that receives deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppInfo {
    /// Its scheme, host and port.
    pub origin: String,
    /// Whether it responds.
    pub state: AppState,
    /// Number of acknowledged deliveries that wait for it.
    pub waiting: u64,
    /// When the oldest of them was received.
    #[serde(default)]
    pub oldest: Option<Timestamp>,
}

/// Whether an app responds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppState {
    /// Nothing was sent to it yet.
    #[default]
    Unknown,
    /// Its last exchange succeeded, or it accepts connections.
    Answering,
    /// It does not respond.
    Down {
        /// When the first failure was observed.
        since: Timestamp,
        /// Whether it accepts connections without responding.
        silent: bool,
    },
}

/// A window of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListQuery {
    /// The filter as typed; an empty one matches all deliveries.
    pub filter: String,
    /// Selects deliveries older than this sequence number. A reader of all
    /// pages uses this instead of offsets, which move as deliveries arrive, and
    /// starts with `u64::MAX`: the reply then waits a short time for pending
    /// verifications. [`Page::matching`] counts only the deliveries of the
    /// page.
    pub before: Option<u64>,
    /// Anchors the window to this sequence number, so that it shows the same
    /// part of the list even if deliveries arrive before the query is executed.
    #[serde(default)]
    pub around: Option<u64>,
    /// Number of matching rows to skip, counted from the newest; with
    /// [`Self::around`], number of rows before the anchor.
    pub offset: usize,
    /// Maximum number of rows.
    pub limit: usize,
}

/// A request to set or remove the mark of deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkRequest {
    /// The sequence numbers of the deliveries.
    pub seqs: Vec<u64>,
    /// Whether to set the mark.
    pub marked: bool,
}

/// A request to adopt a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdoptSecretRequest {
    /// The delivery that determines the scope, by id as in [`Command::Show`]:
    /// its endpoint, otherwise its provider, otherwise everything.
    pub id: String,
    /// The secret.
    pub secret: SecretChoice,
    /// Whether it is added to the current secrets or replaces them.
    pub how: Adoption,
}

/// The choice of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecretChoice {
    /// One of [`Info::secrets`]: its index and the expected value there.
    Known(usize, KnownSecret),
    /// One that was typed. `env:` and `file:` are read by the running creel.
    Typed(SecretInput),
}

/// The public description of a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSecret {
    /// The endpoint or provider that it belongs to; empty for all.
    pub name: String,
    /// Its first and last characters.
    pub fingerprint: String,
    /// Where it was read from.
    pub origin: String,
    /// Whether it is an old secret that no longer verifies.
    pub old: bool,
    /// The providers that it is pinned to, if it has no name.
    #[serde(default)]
    pub pinned: Vec<PinnedSecret>,
}

/// The scope in which an unnamed secret is pinned to one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedSecret {
    /// The endpoint; `None` for deliveries without an endpoint.
    pub endpoint: Option<String>,
    /// The provider of the first delivery that it verified.
    pub provider: String,
}

impl fmt::Display for PinnedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.provider)?;
        match &self.endpoint {
            Some(endpoint) => write!(f, " at {endpoint}"),
            None => Ok(()),
        }
    }
}

impl KnownSecret {
    /// Returns the public description of a secret.
    pub fn of(secret: &Secret, old: bool) -> Self {
        Self {
            name: secret.name().to_owned(),
            fingerprint: secret.fingerprint(),
            origin: secret.origin().to_owned(),
            old,
            pinned: Vec::new(),
        }
    }

    /// Returns `true` if both describe the same secret, ignoring pins.
    pub fn is(&self, other: &Self) -> bool {
        (&self.name, &self.fingerprint, &self.origin, self.old)
            == (&other.name, &other.fingerprint, &other.origin, other.old)
    }
}

impl fmt::Display for KnownSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() {
            "secret"
        } else {
            &self.name
        };
        write!(f, "{name} ({})", self.fingerprint)
    }
}

/// The result of adopting a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    /// Its first and last characters.
    pub fingerprint: String,
    /// What it is used for.
    pub scope: Scope,
    /// Whether it was in use before.
    pub before: bool,
    /// Number of deliveries verified again, by verification status; zero counts
    /// are omitted.
    pub verified: Vec<(Status, u64)>,
}

/// The reply to a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To [`Command::Info`].
    Info(Box<Info>),
    /// To [`Command::List`].
    Page(Page),
    /// To [`Command::Listing`].
    Listing(Vec<String>),
    /// To [`Command::Show`] and [`Command::Examine`].
    Detail(Box<Detail>),
    /// To [`Command::Secret`].
    Adopted(Adopted),
    /// To [`Command::Resend`].
    Job(Job),
    /// To [`Command::Preview`].
    Preview(Box<Preview>),
    /// To [`Command::Which`].
    Ids(Vec<Id>),
    /// To [`Command::GiveUp`]: the number of deliveries that waited.
    GivenUp(u64),
    /// To [`Command::Results`].
    Results(JobResults),
    /// To [`Command::Locate`]: those that are asked for before anything is
    /// sent to them, for they are not this machine.
    Places(Vec<ResolvedHost>),
    /// It is done.
    Done,
}

/// The state of a running creel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Its version.
    pub version: String,
    /// The address where it receives, such as `http://127.0.0.1:2733`; `None`
    /// if it does not receive.
    pub listening: Option<String>,
    /// The data directory.
    pub data_dir: String,
    /// The configured target.
    pub target: Option<String>,
    /// The routes to other targets.
    pub routes: Vec<Route>,
    /// How paths are changed for a target.
    pub path_mode: PathMode,
    /// When deliveries are sent on where no endpoint says otherwise.
    pub mode: ForwardMode,
    /// What is answered where no endpoint says otherwise.
    pub answer: ResponsePlan,
    /// What is answered otherwise than configured.
    pub live: Vec<ResponseOverride>,
    /// The apps that receive deliveries.
    pub apps: Vec<AppInfo>,
    /// The configured endpoints.
    pub endpoints: Vec<Endpoint>,
    /// The public descriptions of the secrets.
    pub secrets: Vec<KnownSecret>,
    /// Progress of verifying all deliveries again, in percent, while that takes
    /// long.
    pub verifying: Option<u8>,
    /// How far verification lags behind the list, if noticeably.
    #[serde(default)]
    pub lag: Option<Lag>,
    /// Why retention by age is suspended.
    #[serde(default)]
    pub clock: Option<ClockDoubt>,
    /// Whether the demo is running.
    pub demo: bool,
    /// The permissions for all sends.
    #[serde(default)]
    pub options: SendOptions,
    /// Number of stored deliveries.
    pub kept: u64,
    /// Their size on disk, in bytes.
    pub bytes: u64,
    /// Why deliveries cannot be stored at the moment.
    pub trouble: Option<String>,
    /// The known damage of the journal.
    #[serde(default)]
    pub damaged: Damaged,
    /// The running jobs.
    pub jobs: Vec<Job>,
}

impl Info {
    /// Returns the destination of a delivery, which is also the default of a
    /// resend.
    pub fn destination(&self, row: &Summary) -> Option<Destination> {
        let everywhere = RouteDefaults {
            target: self.target.as_deref(),
            routes: &self.routes,
            path_mode: self.path_mode,
            ..RouteDefaults::default()
        };
        let asked = RouteQuery {
            endpoint: self
                .endpoints
                .iter()
                .find(|e| Some(&e.name) == row.endpoint.as_ref()),
            path: &row.path,
            provider: row.provider.as_deref(),
            event: row.event.as_deref(),
        };
        destination(everywhere, &asked)
    }

    /// Returns when deliveries to an endpoint are sent on and what they are
    /// answered, just now.
    pub fn answering(&self, endpoint: Option<&str>) -> (ForwardMode, ResponsePlan) {
        let live = self.live.iter().find(|l| l.endpoint.as_deref() == endpoint);
        let own = self
            .endpoints
            .iter()
            .find(|e| Some(e.name.as_str()) == endpoint);
        let mode = live
            .and_then(|l| l.mode)
            .or_else(|| own?.mode)
            .unwrap_or(self.mode);
        let plan = live
            .and_then(|l| l.plan.clone())
            .or_else(|| own?.answer.clone())
            .unwrap_or_else(|| self.answer.clone());
        (mode, plan)
    }
}

/// A window of the list, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The index of the first row, counted from the newest match.
    pub offset: usize,
    /// The rows.
    pub rows: Vec<Summary>,
    /// Number of deliveries that match the filter.
    pub matching: usize,
    /// Number of stored deliveries.
    pub total: usize,
    /// Problems of the filter.
    pub notes: Vec<String>,
    /// The delivery of [`ListQuery::around`], whether it matches or not; `None`
    /// if there is none or it was removed.
    #[serde(default)]
    pub anchor: Option<Box<Summary>>,
}

/// A delivery with all its details.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// The delivery.
    pub delivery: Delivery,
    /// Its summary.
    pub summary: Summary,
    /// Its verification with the current secrets.
    pub verification: Verification,
    /// The index in [`Info::secrets`] of the secret that the doctor proved to
    /// be the sender's.
    pub suggested: Option<usize>,
    /// The start of the signed text; `None` if no signature scheme applies.
    pub signed: Option<SignedText>,
    /// What the provider documents about its sender.
    pub provider: Option<ProviderFacts>,
    /// The arrivals of the same event, oldest first, including this one.
    pub arrivals: Vec<EventArrival>,
    /// The attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// What to make of each of them.
    pub verdicts: Vec<AttemptVerdict>,
    /// The newest retry schedule, where there was one.
    pub schedule: Option<RetryPlan>,
    /// The default target of a resend.
    pub target: Option<String>,
    /// The ways of resending that it supports.
    #[serde(default)]
    pub offers: ResendSupport,
}

/// What a provider documents about its sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderFacts {
    /// Its display name, such as `Stack Auth`.
    pub title: String,
    /// Its response timeout in milliseconds; `None` if not documented.
    pub answer_within_ms: Option<u64>,
    /// Its delays between attempts, in seconds; empty if not documented.
    pub retry_seconds: Vec<u64>,
    /// Further documentation of the response timeout.
    #[serde(default)]
    pub answer_note: Option<String>,
    /// Further documentation of retries.
    #[serde(default)]
    pub retry_note: Option<String>,
    /// Number of attempts that it makes.
    pub attempts: Option<u32>,
    /// Notes to show with its deliveries.
    pub notes: Vec<String>,
    /// The URL of its documentation.
    pub docs: Option<String>,
    /// The form of its secrets; `None` if it has none, or one per key.
    pub secret_form: Option<KeyForm>,
}

/// One arrival of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventArrival {
    /// The delivery.
    pub summary: Summary,
    /// Whether its body equals that of the displayed delivery.
    pub same_body: bool,
}

/// An event in a running creel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A delivery was stored; it is the newest.
    Added(Summary),
    /// The summary of a delivery changed.
    Changed(Summary),
    /// An attempt started or ended.
    Attempted(Attempt),
    /// Progress of a job.
    Job(Job),
    /// The state of an app or its number of waiting deliveries changed.
    App(AppInfo),
    /// The overridden responses changed; holds all of them.
    Answering(Vec<ResponseOverride>),
    /// Deliveries cannot be stored any more, or can be again (`None`).
    Trouble(Option<String>),
    /// Progress of verifying all deliveries again, in percent; `None` when it
    /// is complete.
    Verifying(Option<u8>),
    /// Verification lags behind the list; `None` when it has caught up.
    Lag(Option<Lag>),
    /// The system clock is distrusted, or trusted again (`None`).
    Clock(Option<ClockDoubt>),
    /// A task panicked; the other tasks continue.
    Panicked(String),
    /// Events were lost; the subscriber has to reload everything.
    Missed,
    /// The connected creel is gone.
    Gone,
}
