//! Opens a store: lock, format, journal, index; finds out what is missing.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

use tokio::sync::{broadcast, watch};

use super::index::{Index, Position};
use super::indexer::{self, Indexer, Shared, Work};
use super::journal::{Gap, Place, Record, Segments, Tail};
use super::writer::{Queue, Writer};
use super::{Assess, Inner, Options, ReadError, Store};
use crate::domain::failure::Failure;
use crate::domain::id::Id;
use crate::domain::text;

/// The format of the files that this version writes.
const FORMAT: u32 = 1;

/// How many changes may wait for a slow reader.
const CHANGES_HELD: usize = 8192;

/// How many records read from the journal are indexed together.
const TOGETHER: usize = 512;

/// What was found on opening.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// How many bytes of a record that was being written at the end were cut off.
    pub torn: u64,
    /// How many records were read from the journal into the index.
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
    /// Records of the journal are gone.
    #[error("records {} are gone or damaged", describe(.0))]
    Damaged(Vec<(u64, u64)>),
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

fn describe(gaps: &[(u64, u64)]) -> String {
    let one = |(from, to): &(u64, u64)| {
        if from == to {
            from.to_string()
        } else {
            format!("{from} to {to}")
        }
    };
    gaps.iter().map(one).collect::<Vec<_>>().join(", ")
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
                "Nothing was changed. Keep a copy of the folder, and start on a fresh one:  --data-dir DIR"
            }
            Self::Index(_) | Self::Io(_) => {
                "Check the folder's permissions and the disk, or take another place:  --data-dir DIR"
            }
        };
        Failure::cannot(
            format!("The data directory {shown} cannot be opened."),
            format!("{}.", sentence(&self.to_string())),
            next,
        )
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
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
    make_folder(folder)?;
    let lock = private()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::Locked),
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    check_format(folder)?;
    let (journal, index) = (folder.join("journal"), folder.join("index"));
    make_folder(&journal)?;
    let (opening, shared) = match Opening::read(&journal, &index, assess, None) {
        Err(Again::Rebuild(why)) => {
            // All of it is derived, so nothing is lost with it.
            if index.exists() {
                std::fs::remove_dir_all(&index)?;
            }
            Opening::read(&journal, &index, assess, Some(why)).map_err(|again| match again {
                Again::Rebuild(why) => OpenError::Index(why),
                Again::Never(error) => error,
            })?
        }
        Err(Again::Never(error)) => return Err(error),
        Ok(opened) => opened,
    };
    if !opening.gaps.is_empty() {
        return Err(OpenError::Damaged(
            opening
                .gaps
                .iter()
                .map(|gap| (gap.from, gap.until - 1))
                .collect(),
        ));
    }
    let mut tail = Tail::new(&journal, Arc::clone(&options.disk), options.segment_bytes);
    if let Some((segment, end)) = opening.end {
        tail.resume(segment, end)?;
    }
    let queue = Arc::new(Queue::new(options.queue_bytes));
    let position = opening.position;
    let indexer = Indexer::start(
        Arc::clone(&shared),
        position,
        Arc::clone(&options.disk),
        folder.to_owned(),
    )?;
    let writer = Writer {
        queue: Arc::clone(&queue),
        tail,
        indexer,
        folder: folder.to_owned(),
        reserve: options.reserve_bytes,
        random: options.random,
        next_number: position.number + 1,
        next_seq: position.seq + 1,
        last_id: Id::from_bits(position.id),
    };
    let thread = std::thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || writer.run())?;
    let inner = Inner {
        shared,
        queue,
        writer: Mutex::new(Some(thread)),
        _lock: lock,
    };
    Ok((Store(Arc::new(inner)), opening.report))
}

/// Why reading has to begin again, or cannot go on.
enum Again {
    Rebuild(String),
    Never(OpenError),
}

impl<E: Into<OpenError>> From<E> for Again {
    fn from(error: E) -> Self {
        Self::Never(error.into())
    }
}

/// What reading the journal's end found.
struct Opening {
    position: Position,
    /// The last segment and where it ends.
    end: Option<(u64, u64)>,
    gaps: Vec<Gap>,
    report: Opened,
}

impl Opening {
    /// Opens the index and brings it up to the journal's end.
    fn read(
        journal: &Path,
        index: &Path,
        assess: &Arc<dyn Assess>,
        rebuilt: Option<String>,
    ) -> Result<(Self, Arc<Shared>), Again> {
        let segments = Segments::new(journal.to_owned());
        let listed = segments.list()?;
        let fresh = !index.exists();
        let opened = Index::open(index).map_err(Again::Rebuild)?;
        std::fs::set_permissions(index, std::fs::Permissions::from_mode(0o700))?;
        let position = match opened.position() {
            Some(position) => position,
            None if fresh || listed.is_empty() => Position::default(),
            None => {
                return Err(Again::Rebuild(
                    "it was empty or of another version".to_owned(),
                ));
            }
        };
        let fits = position.number == 0
            || listed
                .iter()
                .any(|(segment, size)| *segment == position.segment && position.offset <= *size);
        if !fits {
            return Err(Again::Rebuild(
                "it did not belong to the journal".to_owned(),
            ));
        }
        let ids = opened
            .ids()
            .map_err(|error| Again::Rebuild(error.to_string()))?;
        let shared = Arc::new(Shared {
            index: opened,
            segments,
            assess: Arc::clone(assess),
            changes: broadcast::channel(CHANGES_HELD).0,
            trouble: Mutex::new(None),
            ids: RwLock::new(ids),
            indexed: watch::channel(position.number).0,
            durable: watch::channel(position.number).0,
        });
        // Making an index that was never there before is worth no word, where
        // there is nothing to make it of.
        let rebuilt =
            rebuilt.or_else(|| (fresh && !listed.is_empty()).then(|| "it was missing".to_owned()));
        let mut opening = Self {
            position,
            end: None,
            gaps: Vec::new(),
            report: Opened {
                rebuilt,
                ..Opened::default()
            },
        };
        opening.catch_up(&shared, &listed)?;
        shared.indexed.send_replace(opening.position.number);
        shared.durable.send_replace(opening.position.number);
        Ok((opening, shared))
    }

    /// Reads what the journal holds beyond the index, and indexes it.
    fn catch_up(&mut self, shared: &Shared, listed: &[(u64, u64)]) -> Result<(), Again> {
        let start = self.position;
        let mut expected = (start.number > 0).then_some(start.number + 1);
        let last = listed.last().map(|(segment, _)| *segment);
        for (segment, _) in listed
            .iter()
            .filter(|(segment, _)| *segment >= start.segment)
        {
            let offset = if *segment == start.segment {
                start.offset
            } else {
                0
            };
            let mut waiting: Vec<(Work, u64, Place)> = Vec::new();
            let mut failed = None;
            let mut each = |record: Record| {
                let wanted = expected.unwrap_or(record.number);
                if record.number > wanted {
                    self.gaps.push(Gap {
                        from: wanted,
                        until: record.number,
                    });
                }
                expected = Some(record.number + 1);
                match indexer::work_of(&record) {
                    Some(work) => waiting.push((work, record.number, record.place)),
                    None => self.gaps.push(Gap {
                        from: record.number,
                        until: record.number + 1,
                    }),
                }
                self.report.indexed += 1;
                if waiting.len() >= TOGETHER && failed.is_none() {
                    failed = indexer::put(shared, std::mem::take(&mut waiting), &mut self.position)
                        .err();
                }
            };
            let scanned = shared.segments.scan(*segment, offset, &mut each)?;
            if let Some(error) = failed {
                return Err(Again::Rebuild(error.to_string()));
            }
            indexer::put(shared, waiting, &mut self.position)
                .map_err(|error| Again::Rebuild(error.to_string()))?;
            if scanned.end < scanned.size {
                if Some(*segment) == last {
                    // Its sender was never answered.
                    self.report.torn = scanned.size - scanned.end;
                    shared.segments.cut(*segment, scanned.end)?;
                } else {
                    tracing::warn!(
                        segment,
                        "a journal segment does not end with a whole record"
                    );
                }
            }
            if Some(*segment) == last {
                self.end = Some((*segment, scanned.end));
            }
        }
        Ok(())
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Makes a folder for its owner alone; one that is there is left as it is.
fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Reads the format's number, or writes it into a new store.
fn check_format(folder: &Path) -> Result<(), OpenError> {
    let path: PathBuf = folder.join("format");
    let mut text = String::new();
    match File::open(&path) {
        Ok(mut file) => file.read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if folder.join("journal").exists() {
                return Err(OpenError::Format);
            }
            // An existing folder that becomes a store is for its owner alone.
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
            let mut file = private()
                .create(true)
                .truncate(true)
                .write(true)
                .open(&path)?;
            file.write_all(format!("creel store {FORMAT}\n").as_bytes())?;
            file.sync_all()?;
            File::open(folder)?.sync_all()?;
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    match text
        .trim()
        .strip_prefix("creel store ")
        .and_then(|number| number.parse::<u32>().ok())
    {
        Some(FORMAT) => Ok(()),
        Some(newer) if newer > FORMAT => Err(OpenError::Newer(newer)),
        _ => Err(OpenError::Format),
    }
}
