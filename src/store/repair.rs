//! Copies what can be read of a damaged store into a fresh one.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::disk::RealDisk;
use super::folders;
use super::journal::{Segments, Tail};
use super::open::{self, OpenError};
use super::record::{self, Kind};
use super::survey::{Damage, survey};

/// How many bytes are written together.
const TOGETHER: usize = 4 << 20;

/// How large the new segments get.
const SEGMENT: u64 = 64 << 20;

/// What a repair brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// What was lost, and how many deliveries were not.
    pub damage: Damage,
    /// How many attempts were copied.
    pub attempts: u64,
}

/// Copies every record of the store in `from` that can be read into a fresh
/// store in `to`. Nothing in `from` is changed. `progress` hears how many
/// records of how many are copied.
///
/// # Errors
/// [`OpenError`]: the old store is in use or of a newer version, the new
/// folder is not empty, or the disk says no.
pub fn repair(
    from: &Path,
    to: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Repaired, OpenError> {
    let _lock = open::read_lock(from)?;
    if let Err(error @ OpenError::Newer(_)) = open::read_format(from) {
        return Err(error);
    }
    if to.exists() && std::fs::read_dir(to)?.next().is_some() {
        let error = format!("{} is not empty", to.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, error).into());
    }
    let segments = Segments::new(from.join("journal"));
    open::make_folder(to)?;
    let survey = survey(&segments, known(from, to))?;
    let journal = to.join("journal");
    open::make_folder(&journal)?;
    let mut tail = Tail::new(&journal, Arc::new(RealDisk), SEGMENT);
    let mut repaired = Repaired {
        damage: survey.damage,
        attempts: 0,
    };
    let total = survey.records.len() as u64;
    let (mut bytes, mut first, mut number) = (Vec::new(), 1, 1);
    for found in survey.records {
        // The new store's records begin at 1: nothing of it was ever let go.
        if !matches!(found.kind, Kind::Retire | Kind::RetireAll)
            && let Some(record) = segments.read(found.place)?
        {
            repaired.attempts += u64::from(record.kind == Kind::Attempt);
            record::write(&mut bytes, record.kind, number, 0, &[&record.payload]);
            number += 1;
        }
        if bytes.len() >= TOGETHER {
            tail.append(first, &bytes)?;
            bytes.clear();
            first = number;
            progress(number - 1, total);
        }
    }
    if !bytes.is_empty() {
        tail.append(first, &bytes)?;
    }
    progress(total, total);
    // The key of creel's own samples, so that they stay verified.
    if let Ok(key) = std::fs::read(from.join("sample.key")) {
        open::write_private(&to.join("sample.key"), &key)?;
    }
    // A folder without it is no store, so it comes last.
    open::write_format(to)?;
    Ok(repaired)
}

/// Asks a copy of the old index, where it can still be read, for the newest
/// record's and the newest delivery's numbers: what is missing at the
/// journal's end can be known from nowhere else.
fn known(from: &Path, to: &Path) -> (u64, u64) {
    let newest = folders::list(from)
        .ok()
        .and_then(|list| list.into_iter().next());
    let Some((_, index)) = newest else {
        return (0, 0);
    };
    let probe = to.join("probe");
    let position = copy(&index, &probe)
        .ok()
        .and_then(|()| folders::open(&probe).ok())
        .and_then(|index| index.position())
        .unwrap_or_default();
    let _ = std::fs::remove_dir_all(probe);
    (position.number, position.seq)
}

/// Copies a folder's files.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    open::make_folder(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
