//! Implements the engine of the process that owns the store.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::apps::AppRegistry;
use super::background_assessor::BackgroundAssessor;
use super::command::{Command, Event, Info, JobResults, ListQuery, Page, Reply};
use super::jobs::Jobs;
use super::pin_file::{self, PinFile};
use super::response_plans::ResponsePlans;
use super::retention::AgeClock;
use super::retry::RetrySchedules;
use super::swap::Swap;
use super::target_queue::TargetQueues;
use super::{Backend, EVENT_BUFFER, Engine, sample};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::assess::Assessor;
use crate::domain::contract_json::{self, Bodies};
use crate::domain::doctor::{Deadline, Effort};
use crate::domain::endpoint::Endpoint;
use crate::domain::failure::{Failure, Remedy, sentence};
use crate::domain::filter::Filter;
use crate::domain::id::Id;
use crate::domain::response_plan::ResponsePlan;
use crate::domain::retention::Retention;
use crate::domain::route::{ForwardMode, PathMode, Route};
use crate::domain::summary::Summary;
use crate::domain::verification::{Status, Verification};
use crate::outbound;
use crate::store::{self, Change, FindError, Store};

/// Timeout of all searches for causes in one window of the list.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a command waits for the check of the journal for damage.
const JOURNAL_CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// How long passed-through deliveries may take at shutdown.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

/// The state of a running creel.
pub struct Local {
    pub(super) store: Store,
    pub(super) assessor: Arc<Swap<Assessor>>,
    /// The persisted pins of unnamed secrets.
    pub(super) pinning: PinFile,
    /// The problem of the persisted pins, if any.
    pub(super) pin_trouble: Option<String>,
    /// Held while secrets change.
    pub(super) adopting: tokio::sync::Mutex<()>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) client: outbound::Client,
    pub(super) options: outbound::SendOptions,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) target: OnceLock<String>,
    pub(super) routes: Vec<Route>,
    pub(super) path_mode: PathMode,
    /// Maximum number of deliveries in flight to one target.
    pub(super) parallel: Option<u32>,
    pub(super) response_plans: ResponsePlans,
    pub(super) apps: AppRegistry,
    /// The deliveries that wait to be forwarded.
    pub(super) queues: TargetQueues,
    /// The deliveries that are being passed through.
    pub(super) exchanges: TaskTracker,
    /// Cancelled when the time for them is over.
    pub(super) ending: CancellationToken,
    answer: ResponsePlan,
    mode: ForwardMode,
    pub(super) listening: OnceLock<SocketAddr>,
    pub(super) events: broadcast::Sender<Event>,
    pub(super) jobs: Jobs,
    pub(super) retries: RetrySchedules,
    /// A reference to itself, for tasks that outlive a command.
    pub(super) me: Weak<Self>,
    /// Whether changes of the store are published as events.
    is_publishing: Arc<AtomicBool>,
    data_dir: PathBuf,
    pub(super) keep: Retention,
    pub(super) age_clock: AgeClock,
    demo: bool,
    /// Whether this is the receiving creel and not a single command.
    pub(super) is_receiver: bool,
}

impl Local {
    /// Opens the store in the configured data directory.
    ///
    /// # Errors
    /// Returns a [`Failure`] if it is locked, damaged beyond use or of a newer
    /// version.
    pub fn open(
        config: &Config,
        clock: Arc<dyn Clock>,
        demo: bool,
    ) -> Result<(Arc<Self>, store::Opened), Failure> {
        Self::open_with(config, clock, demo, true)
    }

    /// Opens the store for a single command, which trusts the stored
    /// verifications: the receiving creel may have had other secrets.
    ///
    /// # Errors
    /// As [`Local::open`].
    pub fn open_for_command(
        config: &Config,
        clock: Arc<dyn Clock>,
    ) -> Result<(Arc<Self>, store::Opened), Failure> {
        Self::open_with(config, clock, false, false)
    }

    fn open_with(
        config: &Config,
        clock: Arc<dyn Clock>,
        demo: bool,
        is_receiver: bool,
    ) -> Result<(Arc<Self>, store::Opened), Failure> {
        let mut assessor = Assessor::new(
            config.catalog.clone(),
            config.endpoints.clone(),
            config.secrets.clone(),
            config.provider.clone(),
        )
        .answering_handshakes(config.handshakes);
        assessor.sample_secret = sample::secret(&config.data_dir);
        assessor.keyring.remember(config.old_secrets.clone());
        let (pins, pin_trouble) = pin_file::load(&config.data_dir);
        assessor.pins = pins;
        let pins_before = assessor.pins.clone();
        assessor.release_named_pins();
        let is_released = assessor.pins != pins_before;
        let assessor = Arc::new(Swap::new(assessor));
        let pinning = PinFile::new(Arc::clone(&assessor), &config.data_dir);
        let judge: Arc<dyn store::Assess> = Arc::new(BackgroundAssessor::new(
            Arc::clone(&assessor),
            is_receiver.then(|| pinning.clone()),
        ));
        let options = store::Options {
            or_read_only: !is_receiver,
            ..store::Options::keeping(&config.keep)
        };
        let (store, opened) = Store::open(&config.data_dir, &options, &judge)
            .map_err(|error| error.failure(&config.data_dir))?;
        if is_receiver && is_released {
            pinning.save();
        }
        let (events, _) = broadcast::channel(EVENT_BUFFER);
        let target = OnceLock::new();
        if let Some(url) = &config.target {
            let _ = target.set(url.clone());
        }
        let local = Arc::new_cyclic(|me| Self {
            store,
            assessor,
            pinning,
            pin_trouble,
            adopting: tokio::sync::Mutex::default(),
            endpoints: config.endpoints.clone(),
            client: outbound::Client::default(),
            options: outbound::SendOptions {
                insecure: config.insecure,
                link_local: config.allow_link_local,
            },
            clock,
            target,
            routes: config.routes.clone(),
            path_mode: config.path_mode,
            parallel: config.parallel,
            response_plans: ResponsePlans::new(config),
            apps: AppRegistry::new(events.clone()),
            queues: TargetQueues::default(),
            exchanges: TaskTracker::new(),
            ending: CancellationToken::new(),
            answer: config.answer.clone(),
            mode: config.mode,
            listening: OnceLock::new(),
            events,
            jobs: Jobs::default(),
            retries: RetrySchedules::default(),
            me: me.clone(),
            is_publishing: Arc::default(),
            data_dir: config.data_dir.clone(),
            keep: config.keep,
            age_clock: AgeClock::default(),
            demo,
            is_receiver,
        });
        Ok((local, opened))
    }

    /// Returns an engine handle.
    pub fn engine(self: &Arc<Self>) -> Engine {
        let backend: Arc<dyn Backend> = Arc::<Self>::clone(self);
        Engine::new(backend, self.events.clone())
    }

    /// Returns the data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Returns `true` if a process has locked the data directory.
    pub fn is_locked(data_dir: &Path) -> bool {
        Store::locked(data_dir)
    }

    /// Sets the address where deliveries are received.
    pub fn set_listening(&self, address: SocketAddr) {
        let _ = self.listening.set(address);
    }

    /// Sets the default target, unless one is configured.
    pub fn set_default_target(&self, target: String) {
        let _ = self.target.set(target);
    }

    /// Finishes pending writes and releases the data directory.
    pub async fn close(&self) {
        self.retries.suspended.cancel();
        self.jobs.stop();
        self.exchanges.close();
        if tokio::time::timeout(SHUTDOWN_GRACE, self.exchanges.wait())
            .await
            .is_err()
        {
            self.ending.cancel();
            let _ = tokio::time::timeout(SHUTDOWN_GRACE, self.exchanges.wait()).await;
        }
        self.store.close().await;
    }

    /// Returns the endpoint with the given name.
    pub(super) fn endpoint(&self, name: Option<&str>) -> Option<&Endpoint> {
        self.endpoints
            .iter()
            .find(|e| Some(e.name.as_str()) == name)
    }

    /// Returns the current assessor.
    pub(super) fn assessor(&self) -> Arc<Assessor> {
        self.assessor.get()
    }

    /// Finds a delivery by an id, part of one or `@latest`.
    pub(super) fn find(&self, text: &str) -> Result<u64, Failure> {
        self.store.find(text).map_err(|error| match error {
            FindError::None if self.store.count() == 0 => Failure::no(
                format!("There is no delivery {text}."),
                "Nothing has been received yet.",
                "Start receiving:  creel",
            ),
            FindError::None => Failure::no(
                format!("There is no delivery {text}."),
                "",
                "List all deliveries:  creel list",
            )
            .with_remedy(Remedy::ChooseDelivery),
            FindError::Ambiguous(count) => Failure::usage(
                format!("{text} could be any of {count} deliveries."),
                "",
                "Type more of the id; creel list shows them.",
            )
            .with_remedy(Remedy::ChooseDelivery),
            FindError::Unreadable(error) => read_failure(error),
            FindError::TooShort => Failure::usage(
                format!("{text} is too short to tell deliveries apart."),
                "",
                "Type four or more characters of the id, from its start or its end, or @latest.",
            ),
        })
    }

    /// Returns the id of a delivery, or all zeros if it was removed.
    pub(super) fn id_of(&self, seq: u64) -> Id {
        let summary = self.store.summary(seq).ok().flatten();
        summary.map_or(Id::from_bits(0), |summary| summary.id)
    }

    /// Returns the unread results of a job.
    async fn results(&self, job: u64) -> Result<JobResults, Failure> {
        let running = self
            .jobs
            .get(job)
            .ok_or_else(|| Failure::no("That job is over.", "", ""))?;
        let results = running.results().await;
        if results.last {
            self.jobs.forget(job);
        }
        Ok(results)
    }

    fn info(&self) -> Info {
        Info {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            listening: self
                .listening
                .get()
                .map(|address| format!("http://{address}")),
            data_dir: self.data_dir.display().to_string(),
            target: self.target.get().cloned(),
            routes: self.routes.clone(),
            path_mode: self.path_mode,
            mode: self.mode,
            answer: self.answer.clone(),
            live: self.response_plans.live(),
            apps: self.apps.list(),
            endpoints: self.endpoints.clone(),
            secrets: self.known_secrets(),
            demo: self.demo,
            options: self.options,
            kept: self.store.count() as u64,
            bytes: self.store.bytes_on_disk(),
            trouble: self.store.trouble(),
            jobs: self.jobs.list(),
            verifying: self.store.verifying(),
            lag: self.store.lag(),
            clock: self.age_clock.doubt(),
            damaged: self.store.damaged().unwrap_or_default(),
        }
    }

    /// Returns a window of the list, newest first.
    pub(super) fn page(&self, query: &ListQuery) -> Result<Page, Failure> {
        let filter = Filter::parse(&query.filter);
        let total = self.store.count();
        let anchor = match query.around {
            Some(seq) => self.store.summary(seq).map_err(read_failure)?.map(Box::new),
            None => None,
        };
        if filter.is_empty() && query.before.is_none() {
            let offset = query.around.map_or(query.offset, |seq| {
                self.store.newer_than(seq).saturating_sub(query.offset)
            });
            let rows = self.store.page(offset, query.limit).map_err(read_failure)?;
            return Ok(Page {
                offset,
                rows,
                matching: total,
                total,
                notes: Vec::new(),
                anchor,
            });
        }
        let now = self.clock.now();
        let mut rows: VecDeque<Summary> = VecDeque::new();
        let mut matching = 0;
        let mut newer = 0;
        let mut visit = |summary: &Summary| {
            if query.before.is_none_or(|before| summary.seq < before)
                && filter.matches(summary, now)
            {
                if query.around.is_some_and(|seq| summary.seq > seq) {
                    // Keeps only the last rows before the anchor.
                    newer += 1;
                    rows.push_back(summary.clone());
                    if rows.len() > query.offset {
                        rows.pop_front();
                    }
                } else if (query.around.is_some() || matching >= query.offset)
                    && rows.len() < query.limit
                {
                    rows.push_back(summary.clone());
                }
                matching += 1;
            }
            // A reader that pages by sequence number needs no count.
            query.before.is_none() || rows.len() < query.limit
        };
        self.store
            .scan(query.before, &mut visit)
            .map_err(read_failure)?;
        let offset = match query.around {
            Some(_) => newer - newer.min(query.offset),
            None => query.offset,
        };
        Ok(Page {
            offset,
            rows: rows.into(),
            matching,
            total,
            notes: filter.notes().to_vec(),
            anchor,
        })
    }

    /// Returns a window of the list as lines of JSON, without bodies.
    fn listing(&self, query: &ListQuery) -> Result<Vec<String>, Failure> {
        let page = self.page(query)?;
        let mut values = Vec::with_capacity(page.rows.len());
        let began = Instant::now();
        let is_over = || began.elapsed() > SEARCH_TIMEOUT;
        let deadline = Deadline::new(&is_over);
        for summary in page.rows {
            // Skips deliveries that were removed in between.
            let delivery = match self.store.delivery(summary.seq) {
                Ok(Some(delivery)) => delivery,
                // Damaged deliveries are reported separately.
                Ok(None) | Err(store::ReadError::Damaged(_)) => continue,
                Err(error) => return Err(read_failure(error)),
            };
            let verification = if summary.status == Status::Pending {
                Verification {
                    provider: summary.provider.clone(),
                    ..Verification::new(Status::Pending)
                }
            } else {
                self.recorded_verification(
                    &summary,
                    self.assessment(&delivery, deadline).verification,
                )
            };
            let attempts = self.store.attempts(summary.seq).map_err(read_failure)?;
            values.push(contract_json::line(&contract_json::delivery(
                &delivery,
                &summary,
                &verification,
                &attempts,
                Bodies::LeftOut,
            )));
        }
        Ok(values)
    }

    /// Waits a limited time for the check of the journal, as a single command
    /// cannot report damage later.
    async fn wait_for_check(&self) {
        const PAUSE: Duration = Duration::from_millis(10);
        let begun = Instant::now();
        while !self.store.is_checked() && begun.elapsed() < JOURNAL_CHECK_TIMEOUT {
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn execute(&self, command: Command) -> Result<Reply, Failure> {
        // A delivery acknowledged before this command must be found. The list
        // of the interface does not wait while the index is rebuilt after
        // opening; it receives events.
        let at_once = match &command {
            Command::Info => true,
            Command::List(query) => query.before.is_none() && query.filter.is_empty(),
            _ => false,
        };
        // Deliveries given by their complete ids are usually indexed already,
        // while the index may lag behind stored attempts.
        let waits = match &command {
            Command::Resend(order) => !self.are_known(order),
            Command::Results(_) | Command::Stop(_) => false,
            _ => true,
        };
        if waits && !(at_once && self.store.is_starting()) {
            if needs_verification(&command) {
                self.store.settle().await;
            } else {
                self.store.settle_index().await;
            }
        }
        match command {
            Command::Info => {
                if !self.is_receiver {
                    self.wait_for_check().await;
                }
                Ok(Reply::Info(Box::new(self.info())))
            }
            Command::List(query) => Ok(Reply::Page(run_blocking(|| self.page(&query))?)),
            Command::Listing(query) => Ok(Reply::Listing(run_blocking(|| self.listing(&query))?)),
            Command::Show(text) => {
                let detail = run_blocking(|| self.detail(self.find(&text)?, Effort::Brief))?;
                Ok(Reply::Detail(Box::new(detail)))
            }
            Command::Locate(order) => Ok(Reply::Places(self.locate(&order).await?)),
            Command::Resend(order) => Ok(Reply::Job(run_blocking(|| self.resend(order))?)),
            Command::Preview(order) => {
                let preview = run_blocking(|| self.preview(order))?;
                Ok(Reply::Preview(Box::new(preview)))
            }
            Command::Which(which) => {
                let seqs = run_blocking(|| self.resolve_selection(&which))?;
                Ok(Reply::Ids(
                    seqs.into_iter().map(|seq| self.id_of(seq)).collect(),
                ))
            }
            Command::Results(job) => Ok(Reply::Results(self.results(job).await?)),
            Command::Stop(job) => {
                if let Some(running) = self.jobs.get(job) {
                    running.stop.cancel();
                }
                Ok(Reply::Done)
            }
            Command::GiveUp(which) => Ok(Reply::GivenUp(self.give_up(&which).await?)),
            Command::TrustClock => {
                run_blocking(|| self.trust_clock());
                Ok(Reply::Done)
            }
            Command::Mark(order) => {
                self.store
                    .set_marked(&order.seqs, order.marked)
                    .await
                    .map_err(|error| {
                        Failure::cannot("The mark could not be kept.", sentence(&error), "")
                    })?;
                Ok(Reply::Done)
            }
            Command::Examine(text) => {
                let detail = run_blocking(|| self.detail(self.find(&text)?, Effort::Full))?;
                Ok(Reply::Detail(Box::new(detail)))
            }
            Command::Secret(order) => Ok(Reply::Adopted(self.adopt(order).await?)),
            Command::Sample(provider) => {
                self.send_sample(provider.as_deref()).await?;
                Ok(Reply::Done)
            }
            Command::Answer(order) => {
                let live = self.response_plans.set_override(order)?;
                // An error means that there is no subscriber.
                let _ = self.events.send(Event::Answering(live));
                Ok(Reply::Done)
            }
        }
    }
}

impl Backend for Local {
    fn call(&self, command: Command) -> BoxFuture<'_, Result<Reply, Failure>> {
        self.execute(command).boxed()
    }

    fn on_subscribe(&self) {
        if !self.is_publishing.swap(true, Ordering::SeqCst) {
            let (changes, events) = (self.store.watch(), self.events.clone());
            tokio::spawn(publish_changes(
                changes,
                events,
                Arc::clone(&self.is_publishing),
            ));
        }
    }
}

/// Returns `true` if a command needs many verifications, so that it waits a
/// limited time for pending ones.
fn needs_verification(command: &Command) -> bool {
    match command {
        Command::List(query) => query.before == Some(u64::MAX),
        Command::Resend(order) | Command::Locate(order) | Command::Preview(order) => {
            order.which.is_filter()
        }
        Command::Which(which) => which.is_filter(),
        _ => false,
    }
}

/// Publishes changes of the store while the engine has subscribers. Publishing
/// costs more than storing.
async fn publish_changes(
    mut changes: broadcast::Receiver<Change>,
    events: broadcast::Sender<Event>,
    is_publishing: Arc<AtomicBool>,
) {
    loop {
        let event = match changes.recv().await {
            Ok(Change::Added(summary)) => Event::Added(summary),
            Ok(Change::Changed(summary)) => Event::Changed(summary),
            Ok(Change::Attempted(attempt)) => Event::Attempted(attempt),
            Ok(Change::Trouble(trouble)) => Event::Trouble(trouble),
            Ok(Change::Verifying(share)) => Event::Verifying(share),
            Ok(Change::Lag(lag)) => Event::Lag(lag),
            Ok(Change::Removed(_)) | Err(RecvError::Lagged(_)) => Event::Missed,
            Err(RecvError::Closed) => return,
        };
        if events.send(event).is_err() {
            is_publishing.store(false, Ordering::SeqCst);
            // A subscriber may have been added at this moment.
            if events.receiver_count() == 0 || is_publishing.swap(true, Ordering::SeqCst) {
                return;
            }
        }
    }
}

/// Runs blocking work without blocking the runtime's other tasks.
pub(super) fn run_blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// Creates the failure for an unreadable store.
#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
pub(super) fn read_failure(error: store::ReadError) -> Failure {
    let next = match error {
        store::ReadError::Damaged(_) => {
            "End creel, and copy the readable data to a new directory:  creel repair --to DIR"
        }
        _ => {
            "Close every creel on this data directory and start it again; the list is rebuilt from the journal."
        }
    };
    Failure::cannot("The stored data cannot be read.", sentence(&error), next)
}

/// Creates the failure for an attempt that was made but not stored.
#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
pub(super) fn persist_failure(error: store::AppendError) -> Failure {
    Failure::cannot(
        "The delivery was sent, but the attempt could not be kept.",
        sentence(&error),
        "Free some space; the target's own log shows what it answered.",
    )
}
