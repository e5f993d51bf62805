//! Persists the pins of unnamed secrets in the data directory.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::swap::Swap;
use crate::domain::assess::Assessor;
use crate::domain::pins::{Pin, Pins};

/// The name of the file in the data directory.
const FILE_NAME: &str = "pins.json";

/// The version of the file format.
const FORMAT_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct PinFileContents {
    version: u32,
    pins: Vec<Pin>,
}

/// The file of pins and the assessor that uses them.
#[derive(Clone, Debug)]
pub(super) struct PinFile {
    assessor: Arc<Swap<Assessor>>,
    folder: PathBuf,
    /// Held while the file is written, so that the latest state is written
    /// last.
    writing: Arc<Mutex<()>>,
}

/// Reads the pins of a data directory, with a note if that failed. An
/// unreadable file counts as empty: the next valid delivery pins its secret
/// again.
pub(super) fn load(folder: &Path) -> (Pins, Option<String>) {
    let path = folder.join(FILE_NAME);
    let why = match std::fs::read(&path) {
        Ok(bytes) => match serde_json::from_slice::<PinFileContents>(&bytes) {
            Ok(contents) if contents.version == FORMAT_VERSION => {
                return (contents.pins.into_iter().collect(), None);
            }
            Ok(_) => "is of another version".to_owned(),
            Err(_) => "is damaged".to_owned(),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Default::default(),
        Err(error) => format!("cannot be read ({error})"),
    };
    let note = format!(
        "{} {why}, so secrets without a name are pinned again, to the provider of the next valid delivery. Name the provider:  --secret PROVIDER=SECRET",
        path.display()
    );
    (Pins::default(), Some(note))
}

impl PinFile {
    pub(super) fn new(assessor: Arc<Swap<Assessor>>, folder: &Path) -> Self {
        Self {
            assessor,
            folder: folder.to_owned(),
            writing: Arc::default(),
        }
    }

    /// Adds a pin, unless another thread has added it, and saves the file.
    pub(super) fn add(&self, pin: Pin) {
        self.assessor.update(|assessor| {
            let mut pinned = assessor.clone();
            pinned.pins.add(pin).then_some(pinned)
        });
        self.save();
    }

    /// Writes all pins atomically.
    pub(super) fn save(&self) {
        let writing = self.writing.lock();
        let _writing = writing.unwrap_or_else(PoisonError::into_inner);
        let contents = PinFileContents {
            version: FORMAT_VERSION,
            pins: self.assessor.get().pins.iter().collect(),
        };
        if let Err(error) = write(&self.folder, &contents) {
            tracing::warn!(%error, "the pins cannot be saved; they are lost when creel ends");
        }
    }
}

fn write(folder: &Path, contents: &PinFileContents) -> io::Result<()> {
    let new = folder.join("pins.json.new");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(&serde_json::to_vec_pretty(contents)?)?;
    file.sync_all()?;
    std::fs::rename(&new, folder.join(FILE_NAME))?;
    File::open(folder)?.sync_all()
}
