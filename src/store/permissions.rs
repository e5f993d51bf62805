//! Whose the data directory is, and that nobody else may read it.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// The bits that let a group or others in.
const FOREIGN: u32 = 0o077;

/// Sees that a data directory is its owner's alone: what others may read is
/// tightened to 0700 and 0600. Returns what should be known, as sentences.
pub fn tighten(folder: &Path) -> Vec<String> {
    let Ok(metadata) = std::fs::symlink_metadata(folder).and_then(|m| {
        // The folder itself may be a link; what it leads to counts.
        if m.is_symlink() {
            std::fs::metadata(folder)
        } else {
            Ok(m)
        }
    }) else {
        return Vec::new();
    };
    let shown = folder.display();
    let mut notes = Vec::new();
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user {
        notes.push(format!(
            "The data directory {shown} belongs to another user (uid {}), who can read and change all deliveries. Take one of your own:  --data-dir DIR",
            metadata.uid()
        ));
    }
    let mut loose = 0;
    let result = walk(folder, &metadata, &mut loose);
    if loose > 0 {
        notes.push(format!(
            "The data directory {shown} could be read by other users; it is for its owner alone again (0700, files 0600)."
        ));
    }
    if let Err(error) = result {
        notes.push(format!(
            "The data directory {shown} can be read by other users, and that cannot be changed: {error}. Make it yours alone:  chmod -R go= {shown}"
        ));
    }
    notes
}

/// Tightens a folder and all in it; the first failure is returned at the end.
fn walk(path: &Path, metadata: &std::fs::Metadata, loose: &mut u64) -> io::Result<()> {
    let mut result = Ok(());
    let mode = metadata.permissions().mode();
    if mode & FOREIGN != 0 {
        let kept = if metadata.is_dir() { 0o700 } else { 0o600 };
        match std::fs::set_permissions(path, std::fs::Permissions::from_mode(kept)) {
            Ok(()) => *loose += 1,
            Err(error) => result = Err(error),
        }
    }
    if !metadata.is_dir() {
        return result;
    }
    for entry in std::fs::read_dir(path)?.flatten() {
        // Neither links nor sockets: what is elsewhere is not ours to change.
        if let Ok(metadata) = entry.metadata()
            && (metadata.is_dir() || metadata.is_file())
        {
            result = result.and(walk(&entry.path(), &metadata, loose));
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_others_may_read_is_tightened_and_said_once() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("data");
        let inner = folder.join("journal");
        std::fs::create_dir_all(&inner).unwrap();
        let file = inner.join("1");
        std::fs::write(&file, "x").unwrap();
        let elsewhere = home.path().join("elsewhere");
        std::fs::write(&elsewhere, "x").unwrap();
        std::os::unix::fs::symlink(&elsewhere, inner.join("link")).unwrap();
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        for path in [&folder, &inner] {
            set(path, 0o755);
        }
        set(&file, 0o644);
        set(&elsewhere, 0o644);
        let notes = tighten(&folder);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("could be read by other users"));
        assert_eq!(
            (mode(&folder), mode(&inner), mode(&file), mode(&elsewhere)),
            (0o700, 0o700, 0o600, 0o644)
        );
        assert!(tighten(&folder).is_empty());
        assert!(tighten(&home.path().join("none")).is_empty());
    }
}
