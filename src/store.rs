//! Keeps deliveries, attempts and marks.
//!
//! The journal ([`journal`]) is what is true: a checksummed record, appended
//! and synced before the sender hears "ok". The index ([`index`]) is a sled
//! database made from it, for lists and look-ups; it can be thrown away.
//!
//! One thread ([`writer`]) owns the journal's end, one ([`indexer`]) the
//! index. Reading happens on the caller's thread.

mod again;
mod asked;
mod block;
mod check;
mod codec;
pub mod disk;
mod draft;
mod editor;
mod error;
mod events;
mod find;
mod folders;
mod follow;
mod index;
mod indexer;
mod journal;
mod line;
mod open;
mod permissions;
mod prepare;
mod record;
mod repair;
mod retention;
mod room;
mod row;
mod rows;
mod runs;
mod shared;
mod survey;
mod tree;
mod verify;
mod work;
mod writer;

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, oneshot};

use self::asked::Asked;
pub use self::asked::Reassessed;
use self::disk::{Disk, RealDisk};
pub use self::error::{AppendError, Filled, FindError, ReadError};
pub use self::open::{OpenError, Opened};
pub use self::permissions::tighten;
pub use self::repair::{Repaired, repair};
pub use self::retention::RetireError;
pub use self::rows::{Listed, Rows};
use self::shared::Shared;
pub use self::survey::Damage;
pub use self::verify::Lag;
use self::writer::{Job, Other, Queue};
use crate::domain::assess::{Assessment, Classification};
use crate::domain::attempt::{
    Attempt, AttemptKind, EditedParts, Outcome, Response, RetryPosition, Signing,
};
use crate::domain::delivery::{Delivery, RecordedResponse};
use crate::domain::headers::Headers;
use crate::domain::id::Id;
use crate::domain::request::Request;
use crate::domain::retention::Retention;
use crate::domain::summary::Summary;
use crate::domain::timestamp::Timestamp;

/// How long a reader waits for the index to catch up.
const PATIENCE: Duration = Duration::from_secs(2);

/// An open store. Clones share it; the last one closes it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    /// The delivery that was found last by its whole id.
    found: AtomicU64,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
    /// Holds the folder for this process.
    _lock: Option<std::fs::File>,
}

/// How a store works.
#[derive(Clone)]
pub struct Options {
    /// Whether a folder that cannot be written, or has no room, is opened for
    /// reading alone.
    pub or_read_only: bool,
    /// How many bytes journal and database may take in all; what goes is said
    /// by [`Store::retire`]. `None`: without limit.
    pub keep_bytes: Option<u64>,
    /// From what size on a new segment is begun, in bytes.
    pub segment_bytes: u64,
    /// How many bytes may wait to be written; beyond it [`AppendError::Busy`].
    pub queue_bytes: usize,
    /// How many bytes of the disk are left free, but never more than a
    /// sixteenth of it: the index needs room, and so does its owner.
    pub reserve_bytes: u64,
    /// Where ids get their random bits.
    pub random: fn() -> u128,
    /// The disk.
    pub disk: Arc<dyn Disk>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            or_read_only: false,
            keep_bytes: None,
            segment_bytes: 64 << 20,
            queue_bytes: 256 << 20,
            reserve_bytes: 64 << 20,
            random: crate::clock::random_bits,
            disk: Arc::new(RealDisk),
        }
    }
}

impl Options {
    /// Makes the segments small enough that `keep` can be held to: the
    /// journal gives room back by whole segments.
    pub fn keeping(keep: &Retention) -> Self {
        let usual = Self::default();
        let segment_bytes = keep.bytes.map_or(usual.segment_bytes, |bytes| {
            (bytes / 8).clamp(256 << 10, usual.segment_bytes)
        });
        Self {
            keep_bytes: keep.bytes,
            segment_bytes,
            ..usual
        }
    }
}

/// Says what the configuration makes of a delivery. Asked off the answering
/// path, on threads of low priority; of each endpoint's deliveries one at a
/// time, in the order of arrival.
pub trait Assess: Send + Sync + 'static {
    /// Says what a list shows before the delivery is assessed. Asked on the
    /// index's thread, which lists everything: it must cost next to nothing.
    /// The body may be left out of a request; `body_size` is its size.
    fn classify(
        &self,
        _endpoint: Option<&str>,
        _request: &Request,
        _body_size: usize,
    ) -> Classification {
        Classification::default()
    }

    /// Assesses a request that came at `at`.
    fn assess(&self, endpoint: Option<&str>, request: &Request, at: Timestamp) -> Assessment;

    /// Assesses a request that is kept already, where there is time.
    fn assess_again(&self, endpoint: Option<&str>, request: &Request, at: Timestamp) -> Assessment {
        self.assess(endpoint, request, at)
    }

    /// Returns whether a verdict may depend on those of earlier deliveries, so
    /// that stored ones are to be verified again from the oldest on.
    fn depends_on_order(&self) -> bool {
        false
    }

    /// Returns a hash of what the answers depend on besides the request. Where
    /// it is not the one of the last time, all deliveries are assessed again.
    /// `None` leaves what is known of them as it is.
    fn stamp(&self) -> Option<[u8; 32]> {
        Some([0; 32])
    }
}

/// A delivery to be kept.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// When its head had arrived.
    pub received_at: Timestamp,
    /// The peer.
    pub remote_addr: String,
    /// The endpoint that takes it.
    pub endpoint: Option<String>,
    /// The request.
    pub request: Request,
    /// What its sender will be answered; how long it took is filled in.
    pub answer: RecordedResponse,
    /// Why it is refused.
    pub refused: Option<String>,
    /// When its head had arrived, for measuring.
    pub started: Instant,
}

/// A delivery that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its sequence number.
    pub seq: u64,
    /// Its id.
    pub id: Id,
}

/// An attempt to be kept; as [`Attempt`], without an id and a number of its own.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the other fields are those of Attempt")]
pub struct NewAttempt {
    pub delivery_seq: u64,
    pub target: String,
    pub started_at: Timestamp,
    pub kind: AttemptKind,
    pub signing: Signing,
    pub edited: Option<EditedParts>,
    pub sent_headers: Headers,
    pub outcome: Outcome,
    pub response: Option<Response>,
    pub duration_us: u64,
    pub within_ack_timeout: Option<bool>,
    pub error: Option<String>,
    pub retry: Option<RetryPosition>,
    /// The id and number of the pending attempt that this one is the end of.
    pub ends: Option<(Id, u32)>,
    /// How many attempts its delivery was seen to have, by [`Listed::attempts`];
    /// `None`: that is looked up.
    pub before: Option<u32>,
}

impl NewAttempt {
    fn with(self, id: Id, number: u32) -> Attempt {
        Attempt {
            id,
            number,
            delivery_seq: self.delivery_seq,
            target: self.target,
            started_at: self.started_at,
            kind: self.kind,
            signing: self.signing,
            edited: self.edited,
            sent_headers: self.sent_headers,
            outcome: self.outcome,
            response: self.response,
            duration_us: self.duration_us,
            within_ack_timeout: self.within_ack_timeout,
            error: self.error,
            retry: self.retry,
        }
    }
}

/// Something that changed; told after it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A delivery was kept; it is the newest.
    Added(Summary),
    /// A delivery's row changed.
    Changed(Summary),
    /// An attempt was kept.
    Attempted(Attempt),
    /// So many deliveries went, or the list was made anew: whoever shows it
    /// reads it again.
    Removed(u64),
    /// Nothing can be kept, and why; or it can again.
    Trouble(Option<String>),
    /// So many hundredths of the rows are verified again; `None`: it is done.
    Verifying(Option<u8>),
    /// Verifying is so far behind; `None`: it has caught up.
    Lag(Option<Lag>),
}

impl Store {
    /// Opens the store in a folder, which is made where it is missing.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        folder: &Path,
        options: &Options,
        assess: &Arc<dyn Assess>,
    ) -> Result<(Self, Opened), OpenError> {
        open::open(folder, options, assess)
    }

    /// Says whether a panic of this thread would be the database's, over
    /// damaged files: it is dealt with, and nobody need hear of it.
    pub fn expects_panic() -> bool {
        index::is_guarded()
    }

    /// Says whether some process holds the folder.
    pub fn locked(folder: &Path) -> bool {
        open::locked(folder)
    }

    /// Keeps a delivery. It is on disk when this returns.
    ///
    /// # Errors
    /// [`AppendError`]; the delivery is then not kept.
    pub async fn append(&self, incoming: Incoming) -> Result<Appended, AppendError> {
        let (done, kept) = oneshot::channel();
        self.0.queue.push(Job::Delivery(Box::new(incoming), done))?;
        kept.await.unwrap_or(Err(AppendError::Closed))
    }

    /// Keeps an attempt. It is on disk when this returns.
    ///
    /// # Errors
    /// [`AppendError`].
    pub async fn append_attempt(&self, attempt: NewAttempt) -> Result<Attempt, AppendError> {
        let kept = self.append_attempts(vec![attempt]).await?;
        kept.into_iter().next().ok_or(AppendError::Closed)
    }

    /// Keeps attempts, which share one write and one sync. They are on disk
    /// when this returns; where it fails, none is kept.
    ///
    /// # Errors
    /// [`AppendError`].
    pub async fn append_attempts(
        &self,
        attempts: Vec<NewAttempt>,
    ) -> Result<Vec<Attempt>, AppendError> {
        if attempts.is_empty() {
            return Ok(Vec::new());
        }
        let (done, kept) = oneshot::channel();
        self.0.queue.push(Job::Attempts(attempts, done))?;
        kept.await.unwrap_or(Err(AppendError::Closed))
    }

    /// Marks deliveries, or takes their marks away.
    ///
    /// # Errors
    /// [`AppendError`].
    pub async fn set_marked(&self, seqs: &[u64], marked: bool) -> Result<(), AppendError> {
        self.other(Other::Mark(seqs.to_vec(), marked)).await?;
        Ok(())
    }

    async fn other(&self, other: Other) -> Result<u64, AppendError> {
        self.begin(other)?.await.unwrap_or(Err(AppendError::Closed))
    }

    /// Has a record written; its number comes when it is on disk.
    fn begin(
        &self,
        other: Other,
    ) -> Result<oneshot::Receiver<Result<u64, AppendError>>, AppendError> {
        let (done, kept) = oneshot::channel();
        self.0.queue.push(Job::Other(other, done))?;
        Ok(kept)
    }

    /// Returns rows, newest first, without reading bodies.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn page(&self, offset: usize, limit: usize) -> Result<Vec<Summary>, ReadError> {
        let newest = self.runs().newest_first(offset as u64).next();
        let mut rows = Vec::new();
        if let Some(newest) = newest
            && limit > 0
        {
            self.0.shared.index().rows(newest + 1, &mut |summary| {
                rows.push(summary.clone());
                rows.len() < limit
            })?;
        }
        Ok(rows)
    }

    /// Returns how many deliveries are newer than this sequence number.
    pub fn newer_than(&self, seq: u64) -> usize {
        usize::try_from(self.runs().newer_than(seq)).unwrap_or(usize::MAX)
    }

    /// Gives rows to `each`, newest first and older than `before`, until it
    /// has had enough.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn scan(
        &self,
        before: Option<u64>,
        each: &mut dyn FnMut(&Summary) -> bool,
    ) -> Result<(), ReadError> {
        self.0.shared.index().rows(before.unwrap_or(u64::MAX), each)
    }

    /// Returns all deliveries that were not refused as they came, oldest first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn taken(&self) -> Result<Vec<u64>, ReadError> {
        let mut seqs = Vec::with_capacity(self.count());
        self.0.shared.index().heads(&mut |head| {
            if !head.refused {
                seqs.push(head.seq);
            }
            true
        })?;
        seqs.reverse();
        Ok(seqs)
    }

    /// Returns how many deliveries are kept.
    pub fn count(&self) -> usize {
        self.runs().len() as usize
    }

    /// Returns how many bytes the store takes on disk.
    pub fn bytes_on_disk(&self) -> u64 {
        let (journal, index) = self.0.shared.sizes();
        journal + index
    }

    /// Returns one row.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn summary(&self, seq: u64) -> Result<Option<Summary>, ReadError> {
        Ok(self.0.shared.index().row(seq)?.map(|row| row.summary))
    }

    /// Returns one delivery with its body.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn delivery(&self, seq: u64) -> Result<Option<Delivery>, ReadError> {
        let listed = self.listed(seq, &mut Rows::default())?;
        listed.map(|listed| self.read(&listed)).transpose()
    }

    /// Looks a delivery up. Whoever wants many, one behind the other, gives
    /// the same `rows` each time.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn listed(&self, seq: u64, rows: &mut Rows) -> Result<Option<Listed>, ReadError> {
        rows.listed(&self.0.shared, seq)
    }

    /// Reads a delivery that was looked up.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&self, listed: &Listed) -> Result<Delivery, ReadError> {
        let shared = &self.0.shared;
        let found = work::read_delivery(&shared.segments, listed.place)?;
        let found = found.filter(|delivery| delivery.seq == listed.seq);
        let Some(mut delivery) = found else {
            shared.note_damaged(&[listed.seq]);
            return Err(ReadError::Damaged(listed.place.segment));
        };
        delivery.answer = listed.answer;
        Ok(delivery)
    }

    /// Returns a delivery's attempts, oldest first; without those whose records
    /// are damaged, which is noted.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn attempts(&self, seq: u64) -> Result<Vec<Attempt>, ReadError> {
        let index = self.0.shared.index();
        let Some(row) = index.row(seq)? else {
            return Ok(Vec::new());
        };
        let mut attempts = Vec::new();
        for place in index.attempts(&row)? {
            match work::read_attempt(&self.0.shared.segments, place, seq)? {
                Some(attempt) => attempts.push(attempt),
                None => self.0.shared.note_damaged(&[seq]),
            }
        }
        Ok(attempts)
    }

    /// Returns the newest deliveries of the same event, `limit` at the most,
    /// oldest first; at least the one asked for.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn arrivals(&self, seq: u64, limit: usize) -> Result<Vec<u64>, ReadError> {
        let group = self.0.shared.index().row(seq)?.and_then(|row| row.group);
        let Some(group) = group else {
            return Ok(vec![seq]);
        };
        let newest = {
            let events = &self.0.shared.events;
            let events = events.read().unwrap_or_else(PoisonError::into_inner);
            events.newest(group).unwrap_or(seq)
        };
        let mut seqs = self.0.shared.index().arrivals(newest, group, limit)?;
        if !seqs.contains(&seq) {
            seqs.insert(0, seq);
        }
        Ok(seqs)
    }

    /// Returns what changes from now on.
    pub fn watch(&self) -> broadcast::Receiver<Change> {
        self.0.shared.changes.subscribe()
    }

    /// Notes that the rows will be judged by something else: said before that
    /// is so, that no end of the process leaves old verdicts for new ones.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn judged_otherwise(&self) -> Result<(), ReadError> {
        self.0.shared.index().set_stamp(None)
    }

    /// Assesses those deliveries again whose rows are `wanted`, the newest
    /// first and between what arrives; returns after the last.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn reassess(
        &self,
        wanted: impl Fn(&Summary) -> bool + Send + 'static,
    ) -> Result<Reassessed, ReadError> {
        // Verdicts that are being found may depend on what was before.
        self.0.shared.unverified.next_generation();
        let (done, ended) = oneshot::channel();
        self.0.shared.line.ask(Asked {
            wanted: Box::new(wanted),
            done,
        });
        let closed = || Err(ReadError::Io("the store is closing".to_owned()));
        ended.await.unwrap_or_else(|_| closed())
    }

    /// Says how many hundredths of the rows are verified again, where that
    /// takes long.
    pub fn verifying(&self) -> Option<u8> {
        self.0.shared.share()
    }

    /// Says how far verifying is behind what is listed, where that is worth a
    /// word.
    pub fn lag(&self) -> Option<Lag> {
        self.0.shared.lag()
    }

    /// Waits until the rows say what the configuration makes of them, but not
    /// for long: there may be many.
    pub async fn verified(&self) {
        self.settle().await;
        let mut verifying = self.0.shared.verifying.subscribe();
        let done = verifying.wait_for(|verifying| !verifying);
        let _ = tokio::time::timeout(PATIENCE, done).await;
    }

    /// Waits until old deliveries should be let go, because there is not much
    /// room for new ones.
    pub async fn room_wanted(&self) {
        self.0.shared.room.wanted.notified().await;
    }

    /// Has whoever waits for [`Store::room_wanted`] let old deliveries go.
    pub fn want_room(&self) {
        self.0.shared.room.wanted.notify_one();
    }

    /// Says whether deliveries are refused because all that is kept must stay.
    pub fn is_filled(&self) -> bool {
        self.0.queue.is_shut()
    }

    /// Says why nothing can be kept, where that is so.
    pub fn trouble(&self) -> Option<String> {
        self.0.shared.trouble()
    }

    fn runs(&self) -> std::sync::RwLockReadGuard<'_, runs::Runs> {
        let runs = &self.0.shared.runs;
        runs.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether the index is still looked through or made, after opening:
    /// the list may lack rows, and the newest come last.
    pub fn is_starting(&self) -> bool {
        !self.0.shared.is_whole()
    }

    /// Waits until all that is durable now can be read and is verified; not
    /// for long: what is verified later is pending until then.
    pub async fn settle(&self) {
        self.settle_index().await;
        let newest = self.runs().newest().unwrap_or_default();
        let mut verified = self.0.shared.verified.subscribe();
        let all = verified.wait_for(|below| *below > newest);
        let _ = tokio::time::timeout(PATIENCE, all).await;
    }

    /// Waits until the index is whole and all that is durable now can be read;
    /// for the last not for long: there may be no room on the disk.
    pub async fn settle_index(&self) {
        let mut starting = self.0.shared.starting.subscribe();
        let _ = starting.wait_for(|starting| !starting).await;
        let durable = *self.0.shared.durable.borrow();
        let mut indexed = self.0.shared.indexed.subscribe();
        let caught_up = indexed.wait_for(|number| *number >= durable);
        let _ = tokio::time::timeout(PATIENCE, caught_up).await;
    }

    /// Keeps what waits, writes the index out and ends the threads.
    pub async fn close(&self) {
        let inner = Arc::clone(&self.0);
        // Joining a thread blocks, and this is no place to.
        let _ = tokio::task::spawn_blocking(move || inner.end()).await;
    }
}

impl Inner {
    fn end(&self) {
        self.shared.close();
        self.queue.close();
        let thread = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.end();
    }
}
