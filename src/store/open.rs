//! Opens a store: lock, format, journal, index; finds out what is missing.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::editor::Editor;
use super::index::{Index, Position};
use super::indexer::{Indexer, has_room};
use super::journal::{Record, Segments, Tail};
use super::record::Kind;
use super::shared::Shared;
use super::survey::{Damage, survey};
use super::writer::{BATCH, Queue, Writer};
use super::{AppendError, Assess, Inner, Options, ReadError, Store, check, codec, folders};
use crate::clock::{Clock as _, System};
use crate::domain::failure::{Failure, sentence};
use crate::domain::id::Id;
use crate::domain::text;
use crate::domain::timestamp::Timestamp;

/// The format of the files that this version writes. Format 2 let deliveries
/// go that waited for their app, and format 1 had no record of those that are
/// gone; both are otherwise the same.
const FORMAT: u32 = 3;

/// The oldest format that is read.
const OLDEST: u32 = 1;

/// What was found on opening.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// How many bytes of a record that was being written at the end were cut off.
    pub torn: u64,
    /// How many records of the journal the index did not have yet.
    pub indexed: u64,
    /// Whether the index was made anew, and why.
    pub rebuilt: Option<String>,
}

impl Opened {
    /// Says what is worth saying.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(why) = &self.rebuilt {
            notes.push(format!(
                "The index was made anew from the journal ({why}): {} records.",
                text::thousands(self.indexed)
            ));
        }
        notes
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds it.
    #[error("another process holds it")]
    Locked,
    /// A newer creel made it.
    #[error("it has format {0}; this version reads {FORMAT}")]
    Newer(u32),
    /// Its format cannot be read.
    #[error("its format file makes no sense")]
    Format,
    /// Part of the journal is gone.
    #[error("{0}")]
    Damaged(Damage),
    /// The index cannot be made.
    #[error("{0}")]
    Index(String),
    /// The system says no.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        Self::Index(error.to_string())
    }
}

impl OpenError {
    /// Explains it to a person.
    pub fn failure(&self, folder: &Path) -> Failure {
        let shown = folder.display();
        let next = match self {
            Self::Locked => {
                "Open the inspector on the creel that runs:  creel   (or take another place:  --data-dir DIR)"
            }
            Self::Newer(_) => "Use the newer creel, or take another place:  --data-dir DIR",
            Self::Format | Self::Damaged(_) => {
                "Nothing was changed. Copy what can be read into a fresh folder:  creel repair --to DIR"
            }
            Self::Index(_) | Self::Io(_) => {
                "Check the folder's permissions and the disk, or take another place:  --data-dir DIR"
            }
        };
        Failure::cannot(
            format!("The data directory {shown} cannot be opened."),
            sentence(self),
            next,
        )
    }
}

/// Says whether some process holds the folder.
pub(super) fn locked(folder: &Path) -> bool {
    File::open(folder.join("lock"))
        .is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Opens the store in a folder.
pub(super) fn open(
    folder: &Path,
    options: &Options,
    assess: &Arc<dyn Assess>,
) -> Result<(Store, Opened), OpenError> {
    let read_only = options
        .or_read_only
        .then(|| not_writable(folder, options))
        .flatten();
    let can_write = read_only.is_none();
    if can_write {
        make_folder(folder)?;
    }
    let lock = if can_write {
        Some(lock(folder)?)
    } else {
        read_lock(folder)?
    };
    let format = if can_write {
        check_format(folder)?
    } else {
        read_format(folder)?
    };
    let journal = folder.join("journal");
    if can_write {
        make_folder(&journal)?;
    }
    let segments = Segments::new(journal.clone());
    let mut report = Opened::default();
    // The database knows no time before 1970.
    let editor = if can_write && System.now() >= Timestamp(0) {
        open_index(folder, &segments, &mut report)?
    } else {
        Editor::new(Arc::new(Index::in_memory()))?
    };
    let start = editor.position;
    let end = find_end(&segments, start, can_write, &mut report)?;
    if can_write && format < FORMAT {
        write_format(folder)?;
    }
    let mut tail = Tail::new(&journal, Arc::clone(&options.disk), options.segment_bytes);
    if let Some((segment, at)) = end.at.filter(|_| can_write) {
        tail.resume(segment, at)?;
    }
    let queue = Arc::new(Queue::new(options.queue_bytes));
    let shared = Arc::new(Shared::new(
        folder.to_owned(),
        options,
        &editor,
        segments,
        Arc::clone(assess),
        (start.number, end.number),
    ));
    check::start(&shared)?;
    if let Some(why) = read_only {
        let error = AppendError::ReadOnly(why);
        shared.set_trouble(Some(sentence(&error)));
        queue.refuse_all(error);
    }
    report.indexed = end.number - start.number;
    let indexer = Indexer::start(
        Arc::clone(&shared),
        editor,
        end.number,
        report.rebuilt.is_some(),
        (end.seq, end.attempts),
    )?;
    let writer = Writer {
        queue: Arc::clone(&queue),
        tail,
        indexer,
        folder: folder.to_owned(),
        reserve: options.reserve_bytes,
        batch_bytes: BATCH.min(usize::try_from(options.segment_bytes).unwrap_or(BATCH)),
        random: options.random,
        next_number: end.number + 1,
        next_seq: end.seq + 1,
        last_id: Id::from_bits(end.id),
        bytes: Vec::new(),
    };
    let thread = std::thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || writer.run())?;
    let inner = Inner {
        shared,
        queue,
        found: AtomicU64::new(0),
        writer: Mutex::new(Some(thread)),
        _lock: lock,
    };
    Ok((Store(Arc::new(inner)), report))
}

/// Says why a store that is there can only be read.
fn not_writable(folder: &Path, options: &Options) -> Option<String> {
    if !folder.join("journal").is_dir() {
        return None;
    }
    let written = private().write(true).open(folder.join("lock"));
    match written.map_err(|error| error.kind()) {
        Err(io::ErrorKind::ReadOnlyFilesystem) => {
            Some("the data directory is on a disk that cannot be written".to_owned())
        }
        Err(io::ErrorKind::PermissionDenied) => {
            Some("the data directory may not be written".to_owned())
        }
        _ if !has_room(&*options.disk, folder) => {
            Some("the disk of the data directory is full".to_owned())
        }
        _ => None,
    }
}

/// Takes a store's lock without changing anything in it.
pub(super) fn read_lock(folder: &Path) -> Result<Option<File>, OpenError> {
    let file = match File::open(folder.join("lock")) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Says so where there is no store at all.
            std::fs::read_dir(folder.join("journal"))?;
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    take(file).map(Some)
}

/// Takes the folder for this process.
fn lock(folder: &Path) -> Result<File, OpenError> {
    let lock = private()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("lock"))?;
    take(lock)
}

/// Takes the lock of an open file. One that is let go of in a moment is waited
/// for: a process that has just been started holds all that its parent held.
fn take(lock: File) -> Result<File, OpenError> {
    const TRIES: u32 = 25;
    const PAUSE: Duration = Duration::from_millis(10);
    for _ in 0..TRIES {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    Err(OpenError::Locked)
}

/// Opens the newest index that fits the journal; where there is none, an
/// empty one: all in it is derived, so nothing is lost with a broken one.
fn open_index(
    folder: &Path,
    segments: &Segments,
    report: &mut Opened,
) -> Result<Editor, OpenError> {
    let listed = segments.list()?;
    let mut why = None;
    for (_, path) in folders::list(folder)? {
        let opened = folders::open(&path)
            .and_then(|index| match index.position() {
                Some(_) => Ok(Arc::new(index)),
                None => Err("it was empty or of another version".to_owned()),
            })
            .and_then(|index| Editor::new(index).map_err(|error| error.to_string()));
        match opened {
            Ok(editor) => {
                folders::remove_old(folder);
                match fits(&editor, segments, &listed)? {
                    Fit::Yes => return Ok(editor),
                    Fit::Lost => return Err(damaged(segments, editor.position)?),
                }
            }
            Err(error) => why = why.or(Some(error)),
        }
    }
    // Making an index where there is nothing to make it of is worth no word.
    if !listed.is_empty() {
        report.rebuilt = Some(why.unwrap_or_else(|| "it was missing".to_owned()));
    }
    let index = folders::create(folder).map_err(OpenError::Index)?;
    folders::remove_old(folder);
    Ok(Editor::new(Arc::new(index))?)
}

/// Whether a journal holds all that its index saw.
enum Fit {
    Yes,
    Lost,
}

/// Looks whether every segment that the index knows is there, as long as it
/// was, and is no other's.
fn fits(editor: &Editor, segments: &Segments, listed: &[(u64, u64)]) -> Result<Fit, OpenError> {
    let position = editor.position;
    let size = |segment: u64| {
        let found = listed.iter().find(|(number, _)| *number == segment);
        found.map_or(0, |(_, size)| *size)
    };
    let mut known: Vec<(u64, u64)> = editor
        .index
        .sealed()?
        .into_iter()
        .map(|sealed| (sealed.segment, sealed.end))
        .collect();
    if position.number > 0 {
        known.push((position.segment, position.offset));
    }
    for (segment, end) in known {
        if size(segment) < end || segments.is_foreign(segment)? {
            return Ok(Fit::Lost);
        }
    }
    Ok(Fit::Yes)
}

/// Looks the whole journal through and says what is lost.
fn damaged(segments: &Segments, position: Position) -> io::Result<OpenError> {
    let survey = survey(segments, (position.number, position.seq))?;
    Ok(OpenError::Damaged(survey.damage))
}

/// Where the journal ends.
struct End {
    /// The last segment, and where it ends.
    at: Option<(u64, u64)>,
    /// The newest record's number.
    number: u64,
    /// The newest delivery's.
    seq: u64,
    /// The newest id.
    id: u128,
    /// The highest numbers of attempts that the index does not know, by delivery.
    attempts: HashMap<u64, u32>,
}

/// Reads what the journal holds beyond the index, checks it and cuts a record
/// off that was being written.
fn find_end(
    segments: &Segments,
    start: Position,
    can_write: bool,
    report: &mut Opened,
) -> Result<End, OpenError> {
    let mut end = End {
        at: None,
        number: start.number,
        seq: start.seq,
        id: start.id,
        attempts: HashMap::new(),
    };
    let listed = segments.list()?;
    let last = listed.last().map(|(segment, _)| *segment);
    // Retention takes the oldest records away, and says so in a later one.
    let mut begins = (start.number == 0)
        .then(|| listed.first().map(|(segment, _)| *segment))
        .flatten();
    if let Some(first) = begins {
        end.number = first.saturating_sub(1);
    }
    for (segment, _) in listed.iter().filter(|(s, _)| *s >= start.segment) {
        let offset = if *segment == start.segment {
            start.offset
        } else {
            0
        };
        let mut whole = true;
        let scanned = segments.scan(*segment, offset, &mut |record: Record| {
            if record.loose {
                return true;
            }
            whole &= record.number == end.number + 1;
            let known = match record.kind {
                Kind::Delivery => codec::delivery_numbers(&record.payload).map(|(seq, id)| {
                    end.seq = end.seq.max(seq);
                    end.id = end.id.max(id);
                }),
                Kind::Attempt => codec::attempt(&record.payload).map(|attempt| {
                    end.id = end.id.max(attempt.id.bits());
                    let highest = end.attempts.entry(attempt.delivery_seq).or_default();
                    *highest = attempt.number.max(*highest);
                }),
                Kind::Mark => codec::mark(&record.payload).map(|_| ()),
                Kind::GiveUp => codec::seqs(&record.payload).map(|_| ()),
                Kind::RetireAll | Kind::Retire => {
                    codec::retire(&record.payload).map(|(below, first)| {
                        // Of those that are gone a number may be all that is left.
                        end.seq = end.seq.max(below.saturating_sub(1));
                        begins = begins.filter(|begins| *begins > first);
                    })
                }
            };
            whole &= known.is_some();
            end.number = record.number;
            whole
        })?;
        let torn = whole && !scanned.damaged && scanned.end < scanned.size;
        if !whole || scanned.damaged || (torn && Some(*segment) != last) {
            return Err(damaged(segments, start)?);
        }
        if torn {
            // Its sender was never answered.
            report.torn = scanned.size - scanned.end;
            if can_write {
                segments.cut(*segment, scanned.end)?;
            }
        }
        if Some(*segment) == last {
            end.at = Some((*segment, scanned.end));
        }
    }
    if begins.is_some_and(|first| first > 1) {
        return Err(damaged(segments, start)?);
    }
    Ok(end)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Makes a folder for its owner alone; one that is there is left as it is.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Reads the format's number, or writes it into a new store.
fn check_format(folder: &Path) -> Result<u32, OpenError> {
    if folder.join("format").exists() || folder.join("journal").exists() {
        return read_format(folder);
    }
    // An existing folder that becomes a store is for its owner alone.
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    write_format(folder)?;
    Ok(FORMAT)
}

/// Reads the format's number.
pub(super) fn read_format(folder: &Path) -> Result<u32, OpenError> {
    let bytes = match std::fs::read(folder.join("format")) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(OpenError::Format),
        Err(error) => return Err(error.into()),
    };
    match String::from_utf8_lossy(&bytes)
        .trim()
        .strip_prefix("creel store ")
        .and_then(|number| number.parse::<u32>().ok())
    {
        Some(newer) if newer > FORMAT => Err(OpenError::Newer(newer)),
        Some(number) if number >= OLDEST => Ok(number),
        _ => Err(OpenError::Format),
    }
}

/// Writes this version's format, whole or not at all.
pub(super) fn write_format(folder: &Path) -> io::Result<()> {
    let new = folder.join("format.new");
    write_private(&new, format!("creel store {FORMAT}\n").as_bytes())?;
    std::fs::rename(new, folder.join("format"))?;
    File::open(folder)?.sync_all()
}

/// Writes a file for its owner alone.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = private()
        .create(true)
        .truncate(true)
        .write(true)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
