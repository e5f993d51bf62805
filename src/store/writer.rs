//! The thread that owns the journal's end: takes what waits, writes it in one
//! go, syncs once, and tells everybody who waited.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use super::disk;
use super::indexer::Indexer;
use super::journal::{Place, Record, Tail};
use super::record::{self, Kind};
use super::room::Space;
use super::work::{Item, Retired, Work, work_of};
use super::{AppendError, Appended, Incoming, NewAttempt, codec};
use crate::domain::attempt::Attempt;
use crate::domain::delivery::Delivery;
use crate::domain::id::Id;
use crate::domain::timestamp::Timestamp;

/// Something to be kept, and who waits for it.
pub(super) enum Job {
    Delivery(
        Box<Incoming>,
        oneshot::Sender<Result<Appended, AppendError>>,
    ),
    /// Attempts that are kept together.
    Attempts(
        Vec<NewAttempt>,
        oneshot::Sender<Result<Vec<Attempt>, AppendError>>,
    ),
    /// A mark, a retirement or a record that is carried to the journal's end.
    Other(Other, oneshot::Sender<Result<u64, AppendError>>),
}

/// A record that is known before it is written.
#[derive(Clone)]
pub(super) enum Other {
    /// Deliveries that are marked, or no longer.
    Mark(Vec<u64>, bool),
    /// Deliveries and records that are gone; see [`Work::Retire`].
    Retire(Retired),
    /// Deliveries that no longer wait for an app.
    GiveUp(Vec<u64>),
    /// A record that is written once more.
    Again(Record),
    /// Whether a delivery is marked, written once more.
    MarkAgain(u64, bool),
}

/// What waits to be kept.
pub(super) struct Queue {
    inner: Mutex<Waiting>,
    arrived: Condvar,
    limit: usize,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    gate: Gate,
    /// Deliveries before the gate.
    held: VecDeque<Job>,
    bytes: usize,
    closed: bool,
    /// Why nothing at all is taken.
    refused: Option<AppendError>,
    /// Whether the writer sleeps until something arrives.
    asleep: bool,
}

/// Whether deliveries are let through; everything else always is.
#[derive(Default)]
enum Gate {
    #[default]
    Open,
    /// For a moment: old ones are going.
    Held,
    /// They are refused.
    Shut(AppendError),
}

impl Queue {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            inner: Mutex::default(),
            arrived: Condvar::new(),
            limit,
        }
    }

    /// Puts a job in; refuses it where too many bytes wait already.
    pub(super) fn push(&self, job: Job) -> Result<(), AppendError> {
        let size = job.size();
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(AppendError::Closed);
        }
        if let Some(refused) = &waiting.refused {
            return Err(refused.clone());
        }
        if waiting.bytes > 0 && waiting.bytes + size > self.limit {
            return Err(AppendError::Busy);
        }
        match &waiting.gate {
            Gate::Shut(error) if job.is_delivery() => return Err(error.clone()),
            Gate::Held if job.is_delivery() => {
                waiting.bytes += size;
                waiting.held.push_back(job);
                return Ok(());
            }
            Gate::Open | Gate::Held | Gate::Shut(_) => {}
        }
        waiting.bytes += size;
        waiting.jobs.push_back(job);
        if std::mem::take(&mut waiting.asleep) {
            drop(waiting);
            self.arrived.notify_one();
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds deliveries until it is known whether there is room for them.
    pub(super) fn hold(&self) {
        let mut waiting = self.lock();
        if matches!(waiting.gate, Gate::Open) {
            waiting.gate = Gate::Held;
            let jobs = std::mem::take(&mut waiting.jobs);
            (waiting.held, waiting.jobs) = jobs.into_iter().partition(Job::is_delivery);
        }
    }

    /// Lets deliveries through.
    pub(super) fn open(&self) {
        let mut waiting = self.lock();
        waiting.open();
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Refuses deliveries from now on, those too that are held.
    pub(super) fn shut(&self, error: &AppendError) {
        let mut waiting = self.lock();
        waiting.gate = Gate::Shut(error.clone());
        let held = std::mem::take(&mut waiting.held);
        let size: usize = held.iter().map(Job::size).sum();
        waiting.bytes = waiting.bytes.saturating_sub(size);
        drop(waiting);
        for job in held {
            job.fail(error);
        }
    }

    /// Refuses everything from now on.
    pub(super) fn refuse_all(&self, error: AppendError) {
        self.lock().refused = Some(error);
    }

    /// Says whether deliveries are refused.
    pub(super) fn is_shut(&self) -> bool {
        matches!(self.lock().gate, Gate::Shut(_))
    }

    /// Lets no more in; the writer ends when it has done what waits.
    pub(super) fn close(&self) {
        let mut waiting = self.lock();
        waiting.open();
        waiting.closed = true;
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Waits for jobs and takes up to `limit` bytes of them; `None` at the end.
    fn take(&self, limit: usize) -> Option<Vec<Job>> {
        let mut waiting = self.lock();
        while waiting.jobs.is_empty() && !waiting.closed {
            waiting.asleep = true;
            waiting = self
                .arrived
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        waiting.asleep = false;
        let mut taken = Vec::new();
        let mut bytes = 0;
        while let Some(job) = waiting.jobs.pop_front() {
            let size = job.size();
            bytes += size;
            waiting.bytes = waiting.bytes.saturating_sub(size);
            taken.push(job);
            if bytes >= limit {
                break;
            }
        }
        (!taken.is_empty()).then_some(taken)
    }
}

impl Waiting {
    fn open(&mut self) {
        self.gate = Gate::Open;
        self.held.append(&mut self.jobs);
        self.jobs = std::mem::take(&mut self.held);
    }
}

impl Job {
    const fn is_delivery(&self) -> bool {
        matches!(self, Self::Delivery(..))
    }

    /// Returns how many records it is written as.
    fn records(&self) -> usize {
        match self {
            Self::Attempts(attempts, _) => attempts.len(),
            Self::Delivery(..) | Self::Other(..) => 1,
        }
    }

    /// Returns about how many bytes it takes in memory and in the journal.
    fn size(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Delivery(incoming, _) => {
                    let request = &incoming.request;
                    let headers: usize = request
                        .headers
                        .iter()
                        .map(|h| h.name.len() + h.value.len())
                        .sum();
                    request.body.len() + request.path.len() + headers
                }
                Self::Attempts(attempts, _) => attempts.iter().map(NewAttempt::size).sum(),
                Self::Other(Other::Mark(seqs, _) | Other::GiveUp(seqs), _) => seqs.len() * 8,
                Self::Other(Other::Retire(..) | Other::MarkAgain(..), _) => 0,
                Self::Other(Other::Again(record), _) => record.payload.len(),
            }
    }

    fn fail(self, error: &AppendError) {
        // Who no longer waits needs no answer.
        match self {
            Self::Delivery(_, done) => drop(done.send(Err(error.clone()))),
            Self::Attempts(_, done) => drop(done.send(Err(error.clone()))),
            Self::Other(_, done) => drop(done.send(Err(error.clone()))),
        }
    }
}

impl NewAttempt {
    /// Returns about how many bytes it takes in memory and in the journal.
    pub fn size(&self) -> usize {
        let answer = self.response.as_ref().map_or(0, |r| r.body.len());
        OVERHEAD + answer + self.edited.as_ref().map_or(0, |e| e.body.len())
    }
}

/// How many bytes something takes besides its contents, about.
const OVERHEAD: usize = 512;

/// How many bytes are written and synced together at the most.
pub(super) const BATCH: usize = 8 << 20;

/// How many bytes of room for a batch are held while nothing comes.
const HELD: usize = 1 << 20;

/// The writer's own state.
pub(super) struct Writer {
    pub(super) queue: Arc<Queue>,
    pub(super) tail: Tail,
    pub(super) indexer: Indexer,
    pub(super) folder: PathBuf,
    pub(super) reserve: u64,
    /// How many bytes are written and synced together at the most.
    pub(super) batch_bytes: usize,
    pub(super) random: fn() -> u128,
    pub(super) next_number: u64,
    pub(super) next_seq: u64,
    pub(super) last_id: Id,
    /// Room for a batch's records, used again and again.
    pub(super) bytes: Vec<u8>,
}

/// Records that are written and synced together.
struct Batch {
    bytes: Vec<u8>,
    /// What each record is, where it begins, how long it is, and its number.
    records: Vec<(Done, usize, usize, u64)>,
    /// Attempts that were given together, and who waits for them.
    together: Vec<Together>,
    /// The deliveries of which attempts were given numbers, once for each.
    numbered: Vec<u64>,
    /// How many records are still to come.
    left: usize,
}

type Together = (
    oneshot::Sender<Result<Vec<Attempt>, AppendError>>,
    Vec<Attempt>,
);

/// What a record is of, with the answer it gets once it is on disk.
enum Done {
    Delivery(
        Box<Delivery>,
        Instant,
        oneshot::Sender<Result<Appended, AppendError>>,
    ),
    /// Answered together with others.
    Attempt(Box<Attempt>),
    Other(Other, oneshot::Sender<Result<u64, AppendError>>),
}

impl Writer {
    /// Keeps what arrives until the queue is closed.
    pub(super) fn run(mut self) {
        loop {
            self.look_for_room();
            let Some(jobs) = self.queue.take(self.batch_bytes) else {
                break;
            };
            self.keep(jobs);
        }
        self.indexer.finish();
    }

    /// Has old deliveries let go where the journal begins a segment and there
    /// is little room.
    fn look_for_room(&self) {
        if !self.tail.is_full() {
            return;
        }
        let shared = &self.indexer.shared;
        match shared.space() {
            Space::Enough => return,
            Space::Scarce => {}
            Space::None => self.queue.hold(),
        }
        shared.room.wanted.notify_one();
    }

    fn keep(&mut self, jobs: Vec<Job>) {
        let needed: usize = jobs.iter().map(Job::size).sum();
        if let Err(error) = self.room_for(needed as u64) {
            self.indexer.shared.set_trouble(Some(error.to_string()));
            for job in jobs {
                job.fail(&error);
            }
            return;
        }
        let before = (self.next_number, self.next_seq, self.last_id);
        let left = jobs.iter().map(Job::records).sum();
        let mut batch = Batch {
            bytes: std::mem::take(&mut self.bytes),
            records: Vec::with_capacity(left),
            together: Vec::new(),
            numbered: Vec::new(),
            left,
        };
        batch.bytes.reserve(needed);
        for job in jobs {
            self.frame(job, &mut batch);
        }
        let Batch {
            mut bytes,
            records,
            together,
            numbered,
            left: _,
        } = batch;
        let appended = self.tail.append(before.0, &bytes);
        bytes.clear();
        bytes.shrink_to(HELD);
        self.bytes = bytes;
        match appended {
            Ok((segment, offset)) => {
                self.indexer.shared.set_trouble(None);
                self.indexer.durable(self.next_number - 1);
                for (done, kept) in together {
                    // Who no longer waits needs no answer.
                    let _ = done.send(Ok(kept));
                }
                let items = records.into_iter().map(|(job, start, length, number)| {
                    let place = Place {
                        segment,
                        offset: offset + start as u64,
                        length: length as u32,
                    };
                    tell(job, number, place)
                });
                self.indexer.push(items);
            }
            Err(error) => {
                // The numbers were given to nobody.
                (self.next_number, self.next_seq, self.last_id) = before;
                self.indexer.take_back(&numbered);
                let error = AppendError::Disk(error.to_string());
                self.indexer.shared.set_trouble(Some(error.to_string()));
                for (done, _) in together {
                    let _ = done.send(Err(error.clone()));
                }
                for (job, ..) in records {
                    job.fail(&error);
                }
            }
        }
    }

    /// Says whether the disk has room for a batch besides the reserve.
    fn room_for(&self, needed: u64) -> Result<(), AppendError> {
        match self.tail.disk().space(&self.folder) {
            Ok(disk::Space { free, total })
                if free < needed.saturating_add(self.reserve.min(total / 16)) =>
            {
                Err(AppendError::Full { free })
            }
            // Where the system does not tell, writing will.
            _ => Ok(()),
        }
    }

    /// Puts a job's records into a batch.
    fn frame(&mut self, job: Job, batch: &mut Batch) {
        match job {
            Job::Delivery(incoming, done) => {
                let Incoming {
                    received_at,
                    remote_addr,
                    endpoint,
                    request,
                    answer,
                    refused,
                    started,
                } = *incoming;
                let id = self.id(received_at);
                let delivery = Delivery {
                    seq: self.next_seq,
                    id,
                    received_at,
                    remote_addr,
                    endpoint,
                    request,
                    answer,
                    refused,
                };
                self.next_seq += 1;
                let head = codec::delivery_head(&delivery);
                let length = (head.len() as u32).to_le_bytes();
                let body = delivery.request.body.clone();
                let done = Done::Delivery(Box::new(delivery), started, done);
                self.write(batch, Kind::Delivery, &[&length, &head, &body], done);
            }
            Job::Attempts(attempts, done) => {
                let mut kept = Vec::with_capacity(attempts.len());
                for new in attempts {
                    let (id, number) = new.ends.unwrap_or_else(|| {
                        batch.numbered.push(new.delivery_seq);
                        let number = self.indexer.next_attempt(new.delivery_seq, new.before);
                        (self.id(new.started_at), number)
                    });
                    let attempt = new.with(id, number);
                    kept.push(attempt.clone());
                    let payload = codec::attempt_bytes(&attempt);
                    let done = Done::Attempt(Box::new(attempt));
                    self.write(batch, Kind::Attempt, &[&payload], done);
                }
                batch.together.push((done, kept));
            }
            Job::Other(other, done) => {
                let (kind, payload) = match &other {
                    Other::Mark(seqs, marked) => {
                        (Kind::Mark, codec::mark_bytes(seqs, *marked).into())
                    }
                    Other::Retire(Retired { below, first, .. }) => {
                        (Kind::Retire, codec::retire_bytes(*below, *first).into())
                    }
                    Other::GiveUp(seqs) => (Kind::GiveUp, codec::seqs_bytes(seqs).into()),
                    Other::Again(old) => (old.kind, old.payload.clone()),
                    Other::MarkAgain(seq, marked) => {
                        (Kind::Mark, codec::mark_bytes(&[*seq], *marked).into())
                    }
                };
                self.write(batch, kind, &[&payload], Done::Other(other, done));
            }
        }
    }

    /// Puts a record into a batch.
    fn write(&mut self, batch: &mut Batch, kind: Kind, payload: &[&[u8]], done: Done) {
        let number = self.next_number;
        self.next_number += 1;
        batch.left -= 1;
        let start = batch.bytes.len();
        record::write(&mut batch.bytes, kind, number, batch.left, payload);
        let length = batch.bytes.len() - start;
        batch.records.push((done, start, length, number));
    }

    fn id(&mut self, at: Timestamp) -> Id {
        self.last_id = self.last_id.next(at, (self.random)());
        self.last_id
    }
}

impl Done {
    fn fail(self, error: &AppendError) {
        match self {
            Self::Delivery(_, _, done) => drop(done.send(Err(error.clone()))),
            Self::Attempt(_) => {}
            Self::Other(_, done) => drop(done.send(Err(error.clone()))),
        }
    }
}

/// Tells whoever waits that the record is on disk, and says what is to be
/// indexed of it.
fn tell(job: Done, number: u64, place: Place) -> Item {
    // Who no longer waits needs no answer.
    let work = match job {
        Done::Delivery(mut delivery, started, done) => {
            let elapsed = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            delivery.answer.duration_us = Some(elapsed);
            let _ = done.send(Ok(Appended {
                seq: delivery.seq,
                id: delivery.id,
            }));
            Work::Delivery(delivery)
        }
        Done::Attempt(attempt) => Work::Attempt(attempt),
        Done::Other(other, done) => {
            let _ = done.send(Ok(number));
            match other {
                Other::Mark(seqs, marked) => Work::Mark(seqs, marked),
                Other::Retire(retired) => Work::Retire(retired),
                Other::GiveUp(seqs) => Work::GiveUp(seqs),
                Other::Again(record) => {
                    work_of(&record).unwrap_or_else(|| Work::Mark(Vec::new(), false))
                }
                // The row says so already, or something newer.
                Other::MarkAgain(_, marked) => Work::Mark(Vec::new(), marked),
            }
        }
    };
    (work, number, place)
}
