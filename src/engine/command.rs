//! What may be asked of a running creel, and what it answers and tells.
//!
//! These are plain values that serialise, so the same words serve in this
//! process and over the control socket.

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
    /// The same delivery with every hypothesis tried, even where its signature
    /// holds: [`Reply::Detail`].
    Examine(String),
    /// Lets a secret count from now on, and verifies again what it concerns:
    /// [`Reply::Adopted`], after the last of them.
    Secret(AdoptSecretRequest),
    /// Begins to send deliveries again: [`Reply::Job`]. How it goes is told by
    /// [`Event::Job`], each attempt by [`Event::Attempted`].
    Resend(ResendRequest),
    /// Looks up where an order would go: [`Reply::Places`], each host once.
    Locate(ResendRequest),
    /// What would be sent for the first of the deliveries: [`Reply::Preview`].
    Preview(ResendRequest),
    /// Which deliveries are meant, in their order: [`Reply::Ids`].
    Which(Selection),
    /// What came of a followed job since the last time it was asked for:
    /// [`Reply::Results`], as soon as there is something to tell.
    Results(u64),
    /// Ends a job: what is under way is finished, nothing more is begun:
    /// [`Reply::Done`].
    Stop(u64),
    /// Gives up on those of the deliveries that wait: for their app, or for the
    /// next try of a retry schedule. They are kept as all others are from now
    /// on: [`Reply::GivenUp`].
    GiveUp(Selection),
    /// Believes the clock as it is: [`Reply::Done`].
    TrustClock,
    /// Marks deliveries to be kept, or takes the mark away: [`Reply::Done`].
    Mark(MarkRequest),
    /// Sends a signed sample delivery to creel's own receiving address, by
    /// provider name, or one of the five systems in turn: [`Reply::Done`].
    Sample(Option<String>),
    /// Answers otherwise from now on, or as configured again: [`Reply::Done`].
    Answer(ResponseOverrideRequest),
}

/// How deliveries to an endpoint are answered from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseOverrideRequest {
    /// The endpoint; `None`: those that no endpoint takes.
    pub endpoint: Option<String>,
    /// When they are sent on; `None`: as configured.
    pub mode: Option<ForwardMode>,
    /// What creel answers; `None`: as configured.
    pub plan: Option<ResponsePlan>,
}

/// What differs from the configuration, because somebody said so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseOverride {
    /// The endpoint; `None`: deliveries that no endpoint takes.
    pub endpoint: Option<String>,
    /// When deliveries are sent on, where that differs.
    pub mode: Option<ForwardMode>,
    /// What creel answers, where that differs.
    pub plan: Option<ResponsePlan>,
}

/// What is known of an app that deliveries go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppInfo {
    /// Its scheme, host and port.
    pub origin: String,
    /// Whether it answers.
    pub state: AppState,
    /// How many deliveries are acknowledged and wait for it.
    pub waiting: u64,
    /// When the oldest of them was received.
    #[serde(default)]
    pub oldest: Option<Timestamp>,
}

/// Whether an app answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppState {
    /// Nothing was sent to it yet.
    #[default]
    Unknown,
    /// It answered the last time, or takes connections at least.
    Answering,
    /// It does not.
    Down {
        /// Since when that is known.
        since: Timestamp,
        /// Whether it takes connections, but says nothing.
        silent: bool,
    },
}

/// Which window of the list is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListQuery {
    /// The filter as typed; empty matches all.
    pub filter: String,
    /// Only deliveries older than this sequence number. A reader that walks
    /// through all pages uses it, for offsets move as deliveries arrive, and
    /// begins with `u64::MAX`: it is answered when what is there is verified,
    /// or after a short time;
    /// [`Page::matching`] then counts no further than the page.
    pub before: Option<u64>,
    /// Anchors the window to this sequence number, so that it shows the same
    /// part of the list however many deliveries arrive before the query is
    /// answered.
    #[serde(default)]
    pub around: Option<u64>,
    /// How many matching rows to skip, counted from the newest; with
    /// [`Self::around`], how many rows the window begins before that delivery.
    pub offset: usize,
    /// How many rows are wanted at the most.
    pub limit: usize,
}

/// Which deliveries to mark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkRequest {
    /// The deliveries' sequence numbers.
    pub seqs: Vec<u64>,
    /// Whether they shall be marked.
    pub marked: bool,
}

/// Which secret shall count, and for what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdoptSecretRequest {
    /// The delivery for whose endpoint it shall count, by id as in
    /// [`Command::Show`]; where it has none, for its provider; where that is
    /// not known, for all.
    pub id: String,
    /// The secret.
    pub secret: SecretChoice,
    /// Whether it counts beside those before it or in their place.
    pub how: Adoption,
}

/// A secret that was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecretChoice {
    /// One of [`Info::secrets`]: its place there, and what stood there.
    Known(usize, KnownSecret),
    /// One that was typed. `env:` and `file:` are read by the running creel.
    Typed(SecretInput),
}

/// What may be shown of a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSecret {
    /// The endpoint or provider it belongs to; empty: all.
    pub name: String,
    /// Its first and last characters.
    pub fingerprint: String,
    /// Where it came from.
    pub origin: String,
    /// Whether it counted once and no longer does.
    pub old: bool,
    /// Which providers it is pinned to, as it has no name.
    #[serde(default)]
    pub pinned: Vec<PinnedSecret>,
}

/// Where a secret without a name counts for one provider alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedSecret {
    /// The endpoint; `None`: deliveries that no endpoint takes.
    pub endpoint: Option<String>,
    /// The provider whose delivery it was right for first.
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
    /// Returns what may be shown of a secret.
    pub fn of(secret: &Secret, old: bool) -> Self {
        Self {
            name: secret.name().to_owned(),
            fingerprint: secret.fingerprint(),
            origin: secret.origin().to_owned(),
            old,
            pinned: Vec::new(),
        }
    }

    /// Says whether both are the same secret, wherever it is pinned.
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

/// A secret that counts now, and what it changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    /// Its first and last characters.
    pub fingerprint: String,
    /// What it counts for.
    pub scope: Scope,
    /// Whether it did so before.
    pub before: bool,
    /// How many deliveries were verified again, by verdict; none is 0.
    pub verified: Vec<(Status, u64)>,
}

/// The answer to a [`Command`].
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
    /// To [`Command::GiveUp`]: how many waited.
    GivenUp(u64),
    /// To [`Command::Results`].
    Results(JobResults),
    /// To [`Command::Locate`]: those that are asked for before anything is
    /// sent to them, for they are not this machine.
    Places(Vec<ResolvedHost>),
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
    /// Targets for some deliveries.
    pub routes: Vec<Route>,
    /// What becomes of paths on the way to a target.
    pub path_mode: PathMode,
    /// When deliveries are sent on where no endpoint says otherwise.
    pub mode: ForwardMode,
    /// What is answered where no endpoint says otherwise.
    pub answer: ResponsePlan,
    /// What is answered otherwise than configured.
    pub live: Vec<ResponseOverride>,
    /// The apps that deliveries go to.
    pub apps: Vec<AppInfo>,
    /// The configured endpoints.
    pub endpoints: Vec<Endpoint>,
    /// What may be shown of the secrets.
    pub secrets: Vec<KnownSecret>,
    /// How many hundredths of the deliveries are verified again, where that
    /// takes long.
    pub verifying: Option<u8>,
    /// How far verifying is behind what is listed, where that is worth a word.
    #[serde(default)]
    pub lag: Option<Lag>,
    /// Why nothing goes by age for the time being.
    #[serde(default)]
    pub clock: Option<ClockDoubt>,
    /// Whether demo deliveries are being sent.
    pub demo: bool,
    /// What is allowed whenever something is sent.
    #[serde(default)]
    pub options: SendOptions,
    /// How many deliveries are kept.
    pub kept: u64,
    /// How many bytes they take on disk.
    pub bytes: u64,
    /// Why nothing can be kept at the moment, where that is so.
    pub trouble: Option<String>,
    /// What is known to be damaged.
    #[serde(default)]
    pub damaged: Damaged,
    /// The jobs that are not over.
    pub jobs: Vec<Job>,
}

impl Info {
    /// Returns where a delivery goes, and is resent to unless told otherwise.
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
    /// The delivery of [`ListQuery::around`], whether it matches or not;
    /// `None` where there is none or it was removed.
    #[serde(default)]
    pub anchor: Option<Box<Summary>>,
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
    /// Which of [`Info::secrets`] the doctor proved to be the sender's.
    pub suggested: Option<usize>,
    /// The start of the text that was signed; `None` where no scheme applies.
    pub signed: Option<SignedText>,
    /// What the provider states of its sending side, for verdicts.
    pub provider: Option<ProviderFacts>,
    /// The arrivals of the same event, oldest first, this one among them.
    pub arrivals: Vec<EventArrival>,
    /// The attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// What to make of each of them.
    pub verdicts: Vec<AttemptVerdict>,
    /// The newest retry schedule, where there was one.
    pub schedule: Option<RetryPlan>,
    /// Where a plain resend would go.
    pub target: Option<String>,
    /// Which ways of sending it again work for it.
    #[serde(default)]
    pub offers: ResendSupport,
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
    /// What it says besides of how long it waits.
    #[serde(default)]
    pub answer_note: Option<String>,
    /// What it says besides of when it tries again.
    #[serde(default)]
    pub retry_note: Option<String>,
    /// How many attempts it makes.
    pub attempts: Option<u32>,
    /// Things worth knowing where its deliveries are shown.
    pub notes: Vec<String>,
    /// Its documentation's address.
    pub docs: Option<String>,
    /// The form of its secrets; `None` where it has none, or one for each key.
    pub secret_form: Option<KeyForm>,
}

/// One arrival of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventArrival {
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
    /// Whether an app answers, or how many deliveries wait for it, changed.
    App(AppInfo),
    /// All that is now answered otherwise than configured.
    Answering(Vec<ResponseOverride>),
    /// Deliveries can no longer be kept, or can again (`None`).
    Trouble(Option<String>),
    /// So many hundredths of the deliveries are verified again; `None`: it is
    /// done.
    Verifying(Option<u8>),
    /// Verifying is so far behind what is listed; `None`: it has caught up.
    Lag(Option<Lag>),
    /// The clock is doubted, or is believed again (`None`).
    Clock(Option<ClockDoubt>),
    /// A task of creel's ended unexpectedly; the rest goes on.
    Panicked(String),
    /// So many events were missed that everything should be asked anew.
    Missed,
    /// The creel on the other end is gone.
    Gone,
}
