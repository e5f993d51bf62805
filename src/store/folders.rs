//! Where the index lies: `index-1`, `index-2` …, the highest number counts.
//!
//! A new one is made beside the old, which goes when the new is whole; so a
//! broken database, even one that hangs, is left behind and never waited for.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use super::index::Index;
use super::open::make_folder;

/// How long the database may take to open before it counts as broken.
const PATIENCE: Duration = Duration::from_secs(8);

/// Lists the index folders, newest first. The first version's had no number.
pub(super) fn list(store: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(store)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = match name.to_str() {
            Some("index") => Some(0),
            Some(name) => name.strip_prefix("index-").and_then(|n| n.parse().ok()),
            None => None,
        };
        if let Some(number) = number {
            found.push((number, entry.path()));
        }
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// Makes and opens an empty index with a number above all others.
pub(super) fn create(store: &Path) -> Result<Index, String> {
    let newest = list(store)
        .map_err(|error| error.to_string())?
        .first()
        .map_or(0, |(number, _)| *number);
    let folder = store.join(format!("index-{}", newest + 1));
    make_folder(&folder).map_err(|error| error.to_string())?;
    open(&folder)
}

/// Removes every index folder but the newest.
pub(super) fn remove_old(store: &Path) {
    for (_, path) in list(store).unwrap_or_default().into_iter().skip(1) {
        if let Err(error) = std::fs::remove_dir_all(&path) {
            tracing::warn!(path = %path.display(), %error, "an old index cannot be removed");
        }
    }
}

/// Opens an index, on a thread of its own: over damaged files the database
/// may never come back.
pub(super) fn open(folder: &Path) -> Result<Index, String> {
    let (done, opened) = mpsc::channel();
    let path = folder.to_owned();
    std::thread::Builder::new()
        .name("index-open".to_owned())
        .spawn(move || {
            let _ = done.send(Index::open(&path));
        })
        .map_err(|error| error.to_string())?;
    opened
        .recv_timeout(PATIENCE)
        .unwrap_or_else(|_| Err("it did not open in time".to_owned()))
}
