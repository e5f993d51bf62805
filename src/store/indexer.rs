//! The thread that owns the index: puts what the journal holds into it, off
//! the answering path, and tells what changed.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{broadcast, watch};

use super::disk::Disk;
use super::index::{Changes, Group, Index, Position, Row};
use super::journal::{Place, Record, Segments};
use super::record::Kind;
use super::{Assess, Change, ReadError, codec};
use crate::domain::assess::Assessment;
use crate::domain::attempt::Attempt;
use crate::domain::delivery::Delivery;
use crate::domain::id::Id;
use crate::domain::summary::{LastAttempt, Summary};
use crate::domain::verification::{Status, Verification};

/// How many bytes of deliveries may wait in memory; of those beyond, only
/// the place is held and they are read from the journal again.
const HELD: usize = 32 << 20;

/// How many records are indexed together at the most.
const TOGETHER: usize = 512;

/// After how many records the database is flushed.
const FLUSH_AFTER: usize = 4096;

/// Says whether the disk has room for the index; sled hangs on a full one.
/// The journal stops at a sixteenth, so half of that is the index's alone.
fn enough(disk: &dyn Disk, folder: &std::path::Path) -> bool {
    disk.space(folder)
        .is_ok_and(|space| space.free >= (512 << 10).min(space.total / 32))
}

/// What is to be indexed.
pub(super) enum Work {
    Delivery(Box<Delivery>),
    /// A delivery to be read from the journal, and how long its answer took.
    Reread(Option<u64>),
    Attempt(Box<Attempt>),
    Mark(Vec<u64>, bool),
}

/// What readers and the indexer share.
pub(super) struct Shared {
    pub(super) index: Index,
    pub(super) segments: Segments,
    pub(super) assess: Arc<dyn Assess>,
    pub(super) changes: broadcast::Sender<Change>,
    pub(super) trouble: Mutex<Option<String>>,
    /// Every kept delivery, oldest first: 24 bytes each.
    pub(super) ids: RwLock<Vec<(u64, Id)>>,
    /// The newest indexed record's number.
    pub(super) indexed: watch::Sender<u64>,
    /// The newest durable record's number.
    pub(super) durable: watch::Sender<u64>,
}

/// The way to the indexer's thread.
pub(super) struct Indexer {
    pub(super) shared: Arc<Shared>,
    line: Arc<Line>,
    thread: Option<JoinHandle<()>>,
    attempts: HashMap<u64, u32>,
}

#[derive(Default)]
struct Line {
    inner: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Default)]
struct Waiting {
    items: VecDeque<(Work, u64, Place)>,
    bytes: usize,
    closed: bool,
}

impl Indexer {
    /// Starts the thread.
    pub(super) fn start(
        shared: Arc<Shared>,
        position: Position,
        disk: Arc<dyn Disk>,
        folder: PathBuf,
    ) -> std::io::Result<Self> {
        let line = Arc::new(Line::default());
        let (theirs, ours) = (Arc::clone(&shared), Arc::clone(&line));
        let thread = std::thread::Builder::new()
            .name("index".to_owned())
            .spawn(move || run(&theirs, &ours, position, &*disk, &folder))?;
        Ok(Self {
            shared,
            line,
            thread: Some(thread),
            attempts: HashMap::new(),
        })
    }

    /// Notes up to which number records are durable; said before their
    /// senders are answered, so that whoever was answered finds them.
    pub(super) fn durable(&self, number: u64) {
        self.shared.durable.send_replace(number);
    }

    /// Gives it a record that is durable.
    pub(super) fn push(&self, work: Work, number: u64, place: Place) {
        let mut waiting = self
            .line
            .inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let work = match work {
            Work::Delivery(delivery) if waiting.bytes > HELD => {
                Work::Reread(delivery.answer.duration_us)
            }
            work => work,
        };
        waiting.bytes += work.size();
        waiting.items.push_back((work, number, place));
        drop(waiting);
        self.line.arrived.notify_one();
    }

    /// Returns the number that a delivery's next attempt gets.
    pub(super) fn next_attempt(&mut self, seq: u64) -> u32 {
        let indexed = || {
            self.shared
                .index
                .attempts(seq)
                .map_or(0, |places| places.len() as u32)
        };
        let number = self.attempts.get(&seq).copied().unwrap_or_else(indexed) + 1;
        self.attempts.insert(seq, number);
        number
    }

    /// Notes that nothing can be kept, or that it can again.
    pub(super) fn trouble(&self, trouble: Option<String>) {
        let mut known = self
            .shared
            .trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *known != trouble {
            known.clone_from(&trouble);
            drop(known);
            let _ = self.shared.changes.send(Change::Trouble(trouble));
        }
    }

    /// Lets the thread do what waits, and waits for its end.
    pub(super) fn finish(mut self) {
        self.line
            .inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .closed = true;
        self.line.arrived.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Work {
    fn size(&self) -> usize {
        match self {
            Self::Delivery(delivery) => 512 + delivery.request.body.len(),
            Self::Attempt(attempt) => 512 + attempt.response.as_ref().map_or(0, |r| r.body.len()),
            Self::Reread(_) | Self::Mark(..) => 64,
        }
    }
}

fn run(
    shared: &Shared,
    line: &Line,
    mut position: Position,
    disk: &dyn Disk,
    folder: &std::path::Path,
) {
    let mut dirty = 0;
    loop {
        let items = {
            let waiting = line.inner.lock().unwrap_or_else(PoisonError::into_inner);
            let mut waiting = line
                .arrived
                .wait_while(waiting, |w| w.items.is_empty() && !w.closed)
                .unwrap_or_else(PoisonError::into_inner);
            let count = waiting.items.len().min(TOGETHER);
            let items: Vec<_> = waiting.items.drain(..count).collect();
            waiting.bytes = waiting
                .bytes
                .saturating_sub(items.iter().map(|(work, ..)| work.size()).sum());
            items
        };
        if items.is_empty() {
            break;
        }
        while !enough(disk, folder) {
            std::thread::sleep(Duration::from_millis(200));
        }
        dirty += items.len();
        if let Err(error) = put(shared, items, &mut position) {
            tracing::error!(%error, "the index cannot be written; it is made anew at the next start");
        }
        shared.indexed.send_replace(position.number);
        if dirty >= FLUSH_AFTER {
            dirty = 0;
            if let Err(error) = shared.index.flush() {
                tracing::error!(%error, "the index cannot be flushed");
            }
        }
    }
    if enough(disk, folder) {
        let _ = shared.index.flush();
    }
}

/// Indexes records and tells what changed.
pub(super) fn put(
    shared: &Shared,
    items: Vec<(Work, u64, Place)>,
    position: &mut Position,
) -> Result<(), ReadError> {
    let mut draft = Draft {
        shared,
        rows: HashMap::new(),
        changes: Changes::default(),
        told: Vec::new(),
        new: Vec::new(),
        arrivals: HashMap::new(),
    };
    for (work, number, place) in items {
        draft.add(work, place, position)?;
        position.number = number;
        position.segment = place.segment;
        position.offset = place.offset + u64::from(place.length);
    }
    for row in draft.rows.values() {
        draft.changes.row(row);
    }
    shared.index.apply(draft.changes, *position)?;
    shared
        .ids
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(draft.new);
    for change in draft.told {
        // Nobody watching is no error.
        let _ = shared.changes.send(change);
    }
    Ok(())
}

/// Changes being gathered.
struct Draft<'a> {
    shared: &'a Shared,
    rows: HashMap<u64, Row>,
    changes: Changes,
    told: Vec<Change>,
    new: Vec<(u64, Id)>,
    /// The newest arrival's count of the events in this draft.
    arrivals: HashMap<Group, u32>,
}

impl Draft<'_> {
    fn add(&mut self, work: Work, place: Place, position: &mut Position) -> Result<(), ReadError> {
        match work {
            Work::Delivery(delivery) => self.delivery(&delivery, place, position),
            Work::Reread(duration_us) => {
                let mut delivery = read_delivery(&self.shared.segments, place)?
                    .ok_or(ReadError::Damaged(place.segment))?;
                delivery.answer.duration_us = duration_us;
                self.delivery(&delivery, place, position)
            }
            Work::Attempt(attempt) => self.attempt(&attempt, place, position),
            Work::Mark(seqs, marked) => {
                for seq in seqs {
                    if let Some(row) = self.row(seq)? {
                        row.summary.marked = marked;
                        let row = row.summary.clone();
                        self.told.push(Change::Changed(row));
                    }
                }
                Ok(())
            }
        }
    }

    fn delivery(
        &mut self,
        delivery: &Delivery,
        place: Place,
        position: &mut Position,
    ) -> Result<(), ReadError> {
        let assessment = assessed(self.shared, delivery);
        let group = assessment.group.map(|key| key.hash);
        let known = self.shared.index.row(delivery.seq)?.map(|row| row.summary);
        let arrival = match (&known, &group) {
            (Some(known), _) => known.arrival,
            (None, Some(group)) => self.next_arrival(group)?,
            (None, None) => 1,
        };
        if let Some(group) = &group {
            self.arrivals.insert(*group, arrival);
            self.changes.arrival(group, delivery.seq);
        }
        let mut summary = summary(delivery, &assessment, arrival);
        match known {
            // Indexed before and read from the journal once more.
            Some(known) => {
                summary.answer.duration_us =
                    summary.answer.duration_us.or(known.answer.duration_us);
                (summary.attempts, summary.last_attempt, summary.marked) =
                    (known.attempts, known.last_attempt, known.marked);
            }
            None => self.new.push((delivery.seq, delivery.id)),
        }
        self.told.push(Change::Added(summary.clone()));
        self.rows.insert(
            delivery.seq,
            Row {
                summary,
                place,
                group,
            },
        );
        position.seq = position.seq.max(delivery.seq);
        position.id = position.id.max(delivery.id.bits());
        Ok(())
    }

    /// Counts the next arrival of an event: one more than its newest.
    fn next_arrival(&self, group: &Group) -> Result<u32, ReadError> {
        if let Some(newest) = self.arrivals.get(group) {
            return Ok(newest + 1);
        }
        let Some(newest) = self.shared.index.arrivals(group, 1)?.pop() else {
            return Ok(1);
        };
        Ok(self
            .shared
            .index
            .row(newest)?
            .map_or(1, |row| row.summary.arrival + 1))
    }

    fn attempt(
        &mut self,
        attempt: &Attempt,
        place: Place,
        position: &mut Position,
    ) -> Result<(), ReadError> {
        self.changes
            .attempt(attempt.delivery_seq, attempt.number, place);
        position.id = position.id.max(attempt.id.bits());
        self.told.push(Change::Attempted(attempt.clone()));
        if let Some(row) = self.row(attempt.delivery_seq)?.map(|row| &mut row.summary) {
            row.attempts = row.attempts.max(attempt.number);
            row.last_attempt = Some(LastAttempt {
                status: attempt.status(),
                outcome: attempt.outcome,
                duration_us: attempt.duration_us,
            });
            let row = row.clone();
            self.told.push(Change::Changed(row));
        }
        Ok(())
    }

    /// Returns a row to change, from the draft or the index.
    fn row(&mut self, seq: u64) -> Result<Option<&mut Row>, ReadError> {
        if !self.rows.contains_key(&seq) {
            let Some(row) = self.shared.index.row(seq)? else {
                return Ok(None);
            };
            self.rows.insert(seq, row);
        }
        Ok(self.rows.get_mut(&seq))
    }
}

/// Asks what the configuration says of a delivery. A mistake there must not
/// cost the delivery its place in the list.
fn assessed(shared: &Shared, delivery: &Delivery) -> Assessment {
    let ask = || {
        shared.assess.assess(
            delivery.endpoint.as_deref(),
            &delivery.request,
            delivery.received_at,
        )
    };
    catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|_| Assessment {
        provider: None,
        event: None,
        delivery_id: None,
        group: None,
        verification: Verification::bare(Status::UnknownProvider),
    })
}

fn summary(delivery: &Delivery, assessment: &Assessment, arrival: u32) -> Summary {
    let request = &delivery.request;
    Summary {
        seq: delivery.seq,
        id: delivery.id,
        received_at: delivery.received_at,
        endpoint: delivery.endpoint.clone(),
        provider: assessment.provider.clone(),
        event: assessment.event.clone(),
        delivery_id: assessment.delivery_id.clone(),
        arrival,
        group_guessed: assessment.group.is_some_and(|key| key.guessed),
        method: request.method.clone(),
        path: short(&request.path),
        query: request.query.as_deref().map(short),
        remote_addr: delivery.remote_addr.clone(),
        body_size: request.body.len() as u64,
        content_type: request.content_type().map(short),
        status: assessment.verification.status,
        cause: assessment
            .verification
            .findings
            .first()
            .map(|finding| finding.code.clone()),
        answer: delivery.answer,
        refused: delivery.refused.clone(),
        attempts: 0,
        last_attempt: None,
        marked: false,
    }
}

/// Cuts what a stranger may have made very long, so that rows stay small.
fn short(text: &str) -> String {
    const LONGEST: usize = 512;
    text.chars().take(LONGEST).collect()
}

/// Reads a delivery from the journal; `None` where the record does not check.
pub(super) fn read_delivery(
    segments: &Segments,
    place: Place,
) -> Result<Option<Delivery>, ReadError> {
    let record = segments.read(place).map_err(ReadError::io)?;
    Ok(record
        .filter(|record| record.kind == Kind::Delivery)
        .and_then(|record| delivery_of(&record)))
}

/// Reads the delivery in a record.
pub(super) fn delivery_of(record: &Record) -> Option<Delivery> {
    let (head, body) = codec::delivery_parts(&record.payload)?;
    codec::delivery(head, bytes::Bytes::copy_from_slice(body))
}

/// Says what is to be indexed of a record read from the journal.
pub(super) fn work_of(record: &Record) -> Option<Work> {
    match record.kind {
        Kind::Delivery => delivery_of(record).map(|delivery| Work::Delivery(Box::new(delivery))),
        Kind::Attempt => {
            codec::attempt(&record.payload).map(|attempt| Work::Attempt(Box::new(attempt)))
        }
        Kind::Mark => codec::mark(&record.payload).map(|(seqs, marked)| Work::Mark(seqs, marked)),
    }
}
