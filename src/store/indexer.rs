//! The thread that owns the index: puts what the journal holds into it, off
//! the answering path; makes it anew when it is broken, and smaller when it
//! has grown.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::ReadError;
use super::again::{Progress, Review};
use super::asked::Asked;
use super::disk::Disk;
use super::editor::Editor;
use super::folders;
use super::journal::Record;
use super::line::{Line, TOGETHER};
use super::rows::Rows;
use super::shared::Shared;
use super::verify::{Lag, Unverified, Verdict, VerdictOf, VerifyQueue};
use super::work::{Item, work_of};
use crate::domain::verification::Status;

/// After how many records the database is flushed.
const FLUSH_AFTER: usize = 8192;

/// A database below this size is not worth rewriting, in bytes.
const SMALL: u64 = 32 << 20;

/// How many times its content a database may take before it is rewritten.
const GROWN: u64 = 4;

/// How much the thread gives way to those that receive, by nice(2).
const NICE: i32 = 3;

/// After so many records at once, or while verdicts are being found, the
/// thread rests a little: more come together, and a batch costs the database
/// about the same whatever its size.
const BUSY: usize = 16;

/// How long it rests.
const REST: Duration = Duration::from_millis(10);

/// How many verdicts are put into the index at once.
const MAX_VERDICTS: usize = 512;

/// How long after the store is closed records are still indexed. The rest is
/// when it is opened again.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// From what lag on it is told that verifying is behind.
const MIN_REPORTED_LAG: Duration = Duration::from_secs(1);

/// How often it is told how far.
const LAG_EVERY: Duration = Duration::from_millis(500);

/// How long the thread waits for room on the disk before it looks again.
const PAUSE: Duration = Duration::from_millis(200);

/// The way to the indexer's thread.
pub(super) struct Indexer {
    pub(super) shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// How many attempts deliveries have that were sent since the start.
    attempts: HashMap<u64, u32>,
    /// The newest delivery as the store was opened.
    newest: u64,
    /// How many the journal told of beyond the index, as the store was opened.
    beyond: HashMap<u64, u32>,
    rows: Rows,
}

impl Indexer {
    /// Starts the thread, which first reads what the journal holds beyond the
    /// index, up to record `until`. `newest` is the newest delivery, `beyond`
    /// has the highest numbers of attempts there, by delivery.
    pub(super) fn start(
        shared: Arc<Shared>,
        editor: Editor,
        until: u64,
        rebuilding: bool,
        (newest, beyond): (u64, HashMap<u64, u32>),
    ) -> std::io::Result<Self> {
        let mut hand = Hand {
            shared: Arc::clone(&shared),
            editor,
            rebuilding,
            unfinished: false,
            reviews: VecDeque::new(),
            review_number: 0,
            lag_told: None,
            rewritten: 0,
        };
        VerifyQueue::start(&shared)?;
        let thread = std::thread::Builder::new()
            .name("index".to_owned())
            .spawn(move || hand.run(until))?;
        Ok(Self {
            shared,
            thread: Some(thread),
            attempts: HashMap::new(),
            newest,
            beyond,
            rows: Rows::default(),
        })
    }

    /// Notes up to which number records are durable; said before their
    /// senders are answered, so that whoever was answered finds them.
    pub(super) fn durable(&self, number: u64) {
        self.shared.durable.send_replace(number);
    }

    /// Gives it records that are durable.
    pub(super) fn push(&self, items: impl Iterator<Item = Item>) {
        self.shared.line.push(items);
    }

    /// Returns the number that a delivery's next attempt gets.
    pub(super) fn next_attempt(&mut self, seq: u64, before: Option<u32>) -> u32 {
        let known = || {
            if seq > self.newest {
                // All that were made with it were numbered here.
                return 0;
            }
            // One that is made anew does not know yet what was there before.
            while self.shared.is_renewed() {
                std::thread::sleep(PAUSE);
            }
            let beyond = self.beyond.get(&seq).copied().unwrap_or(0);
            let row = self.rows.find(&self.shared.index(), seq).ok().flatten();
            row.map_or(0, |row| row.summary.attempts).max(beyond)
        };
        // Whoever saw less than there are now saw it before one of these.
        let count = self.attempts.entry(seq);
        let count = count.or_insert_with(|| before.unwrap_or_else(known));
        *count += 1;
        *count
    }

    /// Takes numbers back that were given to attempts which are not kept, one
    /// for each time a delivery is named.
    pub(super) fn take_back(&mut self, numbered: &[u64]) {
        for seq in numbered {
            if let Some(count) = self.attempts.get_mut(seq) {
                *count -= 1;
            }
        }
    }

    /// Lets the thread do what waits, and waits for its end.
    pub(super) fn finish(mut self) {
        self.shared.line.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's own state.
struct Hand {
    shared: Arc<Shared>,
    editor: Editor,
    /// Whether the index is being made of the whole journal.
    rebuilding: bool,
    /// Whether it was given up to index all that the journal holds: what comes
    /// behind that must not be indexed either, and is after the next start.
    unfinished: bool,
    /// What is being verified again, the first first.
    reviews: VecDeque<Review>,
    /// The number of the newest review.
    review_number: u64,
    /// When it was last told how far verifying is behind.
    lag_told: Option<Instant>,
    /// What the database took after it was rewritten.
    rewritten: u64,
}

impl Hand {
    fn run(&mut self, until: u64) {
        let shared = Arc::clone(&self.shared);
        let line = &shared.line;
        // Receiving goes before listing. Where the system says no, they share.
        let _ = rustix::process::setpriority_process(None, NICE);
        self.start(line, until);
        let mut dirty = 0;
        let mut closed = None;
        loop {
            let has_step = self.reviews.front().is_some_and(Review::has_step);
            let taken = line.take(!has_step && !shared.unverified.has_verdicts());
            self.asked(taken.asked);
            let count = taken.items.len();
            if count == 0 && taken.closed {
                break;
            }
            if taken.closed {
                let closed = closed.get_or_insert_with(Instant::now);
                self.unfinished |= closed.elapsed() > CLOSE_TIMEOUT;
            }
            if self.unfinished {
                self.reviews.clear();
                continue;
            }
            let last = taken.items.last().map(|(_, last, _)| *last);
            let verdicts = shared.unverified.verdicts(MAX_VERDICTS);
            let (first, again): (Vec<_>, Vec<_>) = verdicts
                .into_iter()
                .partition(|(_, verdict)| matches!(verdict.of, VerdictOf::First { .. }));
            let changes = count + first.len();
            if changes > 0 {
                if !self.wait_for_room() {
                    self.unfinished = true;
                    continue;
                }
                dirty += changes;
                if let Err(error) = self.editor.put(&shared, taken.items, first) {
                    let last = last.unwrap_or(self.editor.position.number);
                    self.renew(line, last, &error);
                }
                self.reached();
            }
            dirty += self.reviewed(line, &again);
            if std::mem::take(&mut self.editor.recount) {
                let number = self.next_review();
                self.reviews.push_back(Review::counting(number));
            }
            let lag = shared.unverified.lag();
            if self.reviews.front().is_some_and(Review::has_step) {
                dirty += self.review(line);
            } else if changes >= BUSY || (changes > 0 && lag.is_some()) {
                line.rest(REST);
            }
            self.tell_lag(lag);
            let limited = self.shared.room.limit().is_some();
            if limited && changes > 0 {
                self.keep_small();
            }
            if dirty >= FLUSH_AFTER {
                dirty = 0;
                self.keep_small();
                if let Err(error) = self.editor.index.flush() {
                    tracing::error!(%error, "the index cannot be flushed");
                }
            }
        }
        // Whoever asked hears that there is no answer any more.
        self.reviews.clear();
        shared.unverified.close();
        let verdicts = shared.unverified.verdicts(usize::MAX);
        if !self.unfinished && self.has_room() {
            let first =
                |(_, verdict): &(usize, Verdict)| matches!(verdict.of, VerdictOf::First { .. });
            let verdicts = verdicts.into_iter().filter(first).collect();
            if let Err(error) = self.editor.put(&shared, Vec::new(), verdicts) {
                tracing::warn!(%error, "the last verdicts could not be kept");
            }
        }
        shared.tell_lag(None);
        self.tell_verifying(None);
        if self.has_room() {
            let _ = self.editor.index.flush();
        }
    }

    /// Takes what was asked for: before the work nobody waits for.
    fn asked(&mut self, asked: Vec<Asked>) {
        for one in asked {
            let waited_for = |review: &Review| review.is_waited_for();
            let at = self.reviews.iter().take_while(|r| waited_for(r)).count();
            let number = self.next_review();
            self.reviews.insert(at, Review::new(number, one));
        }
    }

    fn next_review(&mut self) -> u64 {
        self.review_number += 1;
        self.review_number
    }

    /// Puts verdicts of reviews into the index; returns how many rows changed.
    fn reviewed(&mut self, line: &Line, verdicts: &[(usize, Verdict)]) -> usize {
        if verdicts.is_empty() {
            return 0;
        }
        let shared = Arc::clone(&self.shared);
        let done: Vec<_> = verdicts
            .iter()
            .map(|(lane, verdict)| (*lane, verdict.seq, false))
            .collect();
        let (mut changed, mut failed) = (0, None);
        for review in &mut self.reviews {
            let own =
                |(_, verdict): &&(usize, Verdict)| verdict.of == VerdictOf::Review(review.number());
            if !verdicts.iter().any(|verdict| own(&verdict)) {
                continue;
            }
            let before = review.changed();
            let own: Vec<_> = verdicts.iter().filter(own).map(|(_, v)| v).collect();
            if let Err(error) = self.editor.reviewed(&shared, review, &own) {
                failed = Some(error);
                break;
            }
            changed += review.changed() - before;
        }
        if let Some(error) = failed {
            let number = self.editor.position.number;
            self.renew(line, number, &error);
        }
        shared.unverified.done(&done);
        self.reached();
        changed
    }

    /// Tells how far verifying is behind, now and then.
    fn tell_lag(&mut self, lag: Option<Lag>) {
        let late = lag.filter(|lag| {
            self.shared.lag().is_some() || u128::from(lag.millis) >= MIN_REPORTED_LAG.as_millis()
        });
        if late.is_none() {
            self.lag_told = None;
            self.shared.tell_lag(None);
        } else if self.lag_told.is_none_or(|told| told.elapsed() >= LAG_EVERY) {
            self.lag_told = Some(Instant::now());
            self.shared.tell_lag(late);
        }
    }

    /// Verifies some rows again; returns how many changed.
    fn review(&mut self, line: &Line) -> usize {
        if !self.has_room() {
            line.rest(PAUSE);
            return 0;
        }
        let Some(mut review) = self.reviews.pop_front() else {
            return 0;
        };
        let before = review.changed();
        match self.editor.review(&self.shared, &mut review) {
            Ok(Progress::On) => {
                self.tell_verifying(review.share(self.editor.runs().len()));
                let changed = review.changed() - before;
                self.reviews.push_front(review);
                changed
            }
            Ok(Progress::Done) => {
                let changed = review.changed() - before;
                if review.verifies() {
                    // Said before the asker hears, who may look at once.
                    self.verified();
                }
                review.end(&self.shared);
                changed
            }
            Err(error) => {
                let number = self.editor.position.number;
                if review.again(self.review_number + 1) {
                    self.review_number += 1;
                    self.reviews.push_front(review);
                    self.renew(line, number, &error);
                } else {
                    tracing::error!(%error, "deliveries could not be verified again");
                    review.fail(error);
                }
                0
            }
        }
    }

    /// Notes what the rows were judged by, once nothing is left to be judged.
    fn verified(&mut self) {
        if !self.reviews.is_empty() || self.shared.line.is_asked() {
            return;
        }
        let stamp = self.shared.assess.stamp();
        if let Err(error) = self.editor.index.set_stamp(stamp) {
            tracing::warn!(%error, "it cannot be noted what deliveries were verified with");
        }
        self.tell_verifying(None);
        self.shared.verifying.send_replace(false);
    }

    /// Tells how far verifying has come.
    fn tell_verifying(&self, share: Option<u8>) {
        self.shared.tell_verifying(share);
    }

    /// Sees whether the rows were judged by what judges now; where not, all
    /// of them are to be verified again.
    fn compare_stamp(&mut self, until: u64) -> Result<(), ReadError> {
        let index = &self.editor.index;
        let Some(stamp) = self.shared.assess.stamp() else {
            // What is indexed now is judged by somebody who leaves the rest
            // alone: whoever looks at all of them next has to.
            return if self.editor.position.number < until {
                index.set_stamp(None)
            } else {
                Ok(())
            };
        };
        if index.stamp()? == Some(stamp) {
            return Ok(());
        }
        if self.editor.position.number == 0 {
            return index.set_stamp(Some(stamp));
        }
        // Before the first row is judged otherwise.
        index.set_stamp(None)?;
        let number = self.next_review();
        self.reviews.push_back(Review::of_all(number));
        self.shared.verifying.send_replace(true);
        Ok(())
    }

    /// Looks the index through and brings it up to the journal's end.
    fn start(&mut self, line: &Line, until: u64) {
        let looked = self.editor.index.events(self.editor.runs());
        let ready = looked.and_then(|events| {
            *self
                .shared
                .events
                .write()
                .unwrap_or_else(PoisonError::into_inner) = events;
            self.compare_stamp(until)?;
            self.go_on_verifying()?;
            self.catch_up(line, until)
        });
        match ready {
            Ok(whole) => self.unfinished = !whole,
            Err(error) => self.renew(line, until, &error),
        }
        self.reached();
        self.shared.starting.send_replace(false);
    }

    /// Queues the rows that are pending since an earlier time.
    fn go_on_verifying(&mut self) -> Result<(), ReadError> {
        let mut pending = Vec::new();
        let from = self.editor.position.verified;
        self.editor.index.rows_upwards(from, &mut |row| {
            if row.summary.status == Status::Pending {
                pending.push(Unverified {
                    seq: row.summary.seq,
                    endpoint: row.summary.endpoint,
                    delivery: None,
                });
            }
            true
        })?;
        if !pending.is_empty() && self.shared.assess.stamp().is_none() {
            // As in `compare_stamp`.
            self.editor.index.set_stamp(None)?;
        }
        self.shared.unverified.push(pending);
        Ok(())
    }

    /// Lets those who wait know how far the index has come.
    fn reached(&self) {
        let lowest = self.shared.unverified.lowest().unwrap_or(u64::MAX);
        advance(&self.shared.verified, lowest);
        advance(&self.shared.indexed, self.editor.position.number);
    }

    /// Indexes what the journal holds up to record `until`. Says no where the
    /// store is closed before that.
    fn catch_up(&mut self, line: &Line, until: u64) -> Result<bool, ReadError> {
        let shared = Arc::clone(&self.shared);
        let start = self.editor.position;
        for (segment, _) in shared.segments.list().map_err(ReadError::io)? {
            if segment < start.segment || segment > until {
                continue;
            }
            let offset = if segment == start.segment {
                start.offset
            } else {
                0
            };
            let mut waiting: Vec<Item> = Vec::new();
            let mut some = Ok(true);
            let mut each = |record: Record| {
                if record.number > until {
                    return false;
                }
                if let Some(work) = work_of(&record) {
                    waiting.push((work, record.number, record.place));
                }
                if waiting.len() >= TOGETHER {
                    some = self.some(std::mem::take(&mut waiting), until);
                }
                matches!(some, Ok(true)) && !line.is_closed()
            };
            shared
                .segments
                .scan(segment, offset, &mut each)
                .map_err(ReadError::io)?;
            if !some? || line.is_closed() || !self.some(waiting, until)? {
                return Ok(false);
            }
        }
        self.rebuilding = false;
        shared.set_progress(None);
        Ok(true)
    }

    fn some(&mut self, items: Vec<Item>, until: u64) -> Result<bool, ReadError> {
        if !self.wait_for_room() {
            return Ok(false);
        }
        let verdicts = self.shared.unverified.verdicts(MAX_VERDICTS);
        let first = |(_, verdict): &(usize, Verdict)| matches!(verdict.of, VerdictOf::First { .. });
        let verdicts = verdicts.into_iter().filter(first).collect();
        self.editor.put(&self.shared, items, verdicts)?;
        if self.rebuilding {
            let share = self.editor.position.number * 100 / until.max(1);
            self.shared.set_progress(Some(format!(
                "The list is being made anew from the journal: {share} %"
            )));
        }
        self.reached();
        Ok(true)
    }

    /// Makes the index anew from the journal, up to record `until`.
    fn renew(&mut self, line: &Line, until: u64, why: &ReadError) {
        tracing::warn!(error = %why, "the index is broken; it is made anew from the journal");
        let store = self.shared.folder.clone();
        let starting = self.shared.starting.send_replace(true);
        self.shared.set_renewed(true);
        let made = folders::create(&store)
            .map_err(ReadError::Database)
            .and_then(|index| Editor::new(Arc::new(index)))
            .and_then(|editor| {
                self.take(editor);
                self.rebuilding = true;
                self.catch_up(line, until)
            });
        match made {
            Ok(false) => self.unfinished = true,
            Ok(true) => {
                // All rows are new, and so are their verdicts.
                self.reviews.retain(Review::is_waited_for);
                for review in &mut self.reviews {
                    self.review_number += 1;
                    review.restart(self.review_number);
                }
                self.verified();
                folders::remove_old(&store);
            }
            Err(error) => {
                self.unfinished = true;
                tracing::error!(%error, "the index cannot be made");
                self.shared.set_progress(Some(format!(
                    "New deliveries are kept but not listed: {error}. They are listed after a restart."
                )));
            }
        }
        self.shared.set_renewed(false);
        self.shared.starting.send_replace(starting);
        // Whoever shows the list reads it again.
        let _ = self.shared.changes.send(super::Change::Removed(0));
    }

    /// Goes on with another index.
    fn take(&mut self, editor: Editor) {
        let write = |index: &std::sync::RwLock<_>, new| {
            *index.write().unwrap_or_else(PoisonError::into_inner) = new;
        };
        write(&self.shared.index, Arc::clone(&editor.index));
        *self
            .shared
            .runs
            .write()
            .unwrap_or_else(PoisonError::into_inner) = editor.runs().clone();
        if editor.position.number == 0 {
            self.shared.unverified.clear();
            *self
                .shared
                .events
                .write()
                .unwrap_or_else(PoisonError::into_inner) = super::events::Events::default();
        }
        self.editor = editor;
    }

    /// Returns from what size on the database is rewritten.
    fn index_bytes(&self) -> u64 {
        let rows = self.editor.position.bytes;
        let usual = rows.saturating_mul(GROWN).max(SMALL);
        match self.shared.room.index_bytes(rows) {
            // What cannot be smaller need not be rewritten again and again.
            Some(limited) => limited.max(self.rewritten * 2).min(usual),
            None => usual,
        }
    }

    /// Rewrites a database that has grown far beyond its content.
    fn keep_small(&mut self) {
        let size = self.editor.index.size();
        if size < self.index_bytes() {
            return;
        }
        let store = self.shared.folder.clone();
        let rewritten = folders::create(&store)
            .map_err(ReadError::Database)
            .and_then(|new| {
                self.editor.index.copy_to(&new)?;
                Editor::new(Arc::new(new))
            });
        match rewritten {
            Ok(editor) => {
                self.take(editor);
                self.rewritten = self.editor.index.size();
                folders::remove_old(&store);
            }
            Err(error) => tracing::warn!(%error, "the index cannot be rewritten"),
        }
    }

    /// Waits until the disk has room; says no where the store is to be closed
    /// before that.
    fn wait_for_room(&self) -> bool {
        while !self.has_room() {
            if self.shared.is_closing() {
                return false;
            }
            std::thread::sleep(PAUSE);
        }
        true
    }

    fn has_room(&self) -> bool {
        self.editor.index.is_in_memory() || has_room(&*self.shared.disk, &self.shared.folder)
    }
}

/// Replaces a number and wakes those who watch it, where it is another.
fn advance(watched: &watch::Sender<u64>, to: u64) {
    watched.send_if_modified(|number| std::mem::replace(number, to) != to);
}

/// Says whether the disk has room for the index; sled hangs on a full one.
/// The journal stops at a sixteenth, so half of that is the index's alone.
pub(super) fn has_room(disk: &dyn Disk, folder: &Path) -> bool {
    disk.space(folder)
        .is_ok_and(|space| space.free >= (512 << 10).min(space.total / 32))
}
