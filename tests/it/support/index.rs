//! The index in a data directory, which is derived from the journal.

use std::path::{Path, PathBuf};

/// Returns the index folders in a data directory.
pub(crate) fn index_folders(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data).unwrap();
    let named =
        |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with("index");
    let found = entries.map(Result::unwrap).filter(named);
    found.map(|entry| entry.path()).collect()
}

/// Removes the index, which creel then rebuilds from the journal.
pub(crate) fn remove_index(data: &Path) {
    for folder in index_folders(data) {
        std::fs::remove_dir_all(folder).unwrap();
    }
}
