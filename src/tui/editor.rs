//! Lends the terminal to the user's editor and reads back what it left.
//!
//! What is edited may be secret: it lies in a folder that only its owner may
//! open, and the folder is removed afterwards, whatever happened.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::oneshot;

use crate::clock::random_bits;
use crate::domain::failure::Failure;
use crate::domain::text::visible;
use crate::engine::withhold_secrets;

/// What is run where neither `VISUAL` nor `EDITOR` names an editor.
const USUAL: &str = "vi";
/// What a shell says of a program it does not find.
const NOT_FOUND: i32 = 127;

/// An editor that has the terminal.
pub(super) struct Editor {
    command: String,
    folder: Folder,
    pid: Option<Pid>,
    ended: oneshot::Receiver<io::Result<ExitStatus>>,
}

impl Editor {
    /// Starts the user's editor on a text.
    pub(super) fn start(text: &[u8]) -> Result<Self, Failure> {
        let command = chosen(|name| std::env::var(name).ok());
        let folder = Folder::make(text).map_err(|error| {
            Failure::cannot(
                "There is no place to edit in.",
                format!("{}: {error}.", std::env::temp_dir().display()),
                "Make room there, or name another folder: TMPDIR=/path creel",
            )
        })?;
        let mut child = shell(&command, &folder.file())
            .spawn()
            .map_err(|error| no_start(&command, &error.to_string()))?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let (tell, ended) = oneshot::channel();
        // A thread of its own: it must not hold up the end of the program.
        std::thread::spawn(move || tell.send(child.wait()));
        Ok(Self {
            command,
            folder,
            pid,
            ended,
        })
    }

    /// Waits for the editor's end and returns what it left.
    pub(super) async fn ended(&mut self) -> Result<Vec<u8>, Failure> {
        let status = (&mut self.ended).await;
        self.pid = None;
        let status = match status {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => return Err(no_start(&self.command, &error.to_string())),
            Err(_) => return Err(no_start(&self.command, "nobody waited for it")),
        };
        if !status.success() {
            return Err(failed(&self.command, status));
        }
        fs::read(self.folder.file()).map_err(|error| {
            Failure::cannot(
                "The edited text is gone.",
                format!("{}: {error}.", self.folder.file().display()),
                "Edit it once more, and save it in its place.",
            )
        })
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

/// Returns the editor a user has chosen, as a command of the shell.
fn chosen(variable: impl Fn(&str) -> Option<String>) -> String {
    let named = |name| variable(name).filter(|command| !command.trim().is_empty());
    named("VISUAL")
        .or_else(|| named("EDITOR"))
        .unwrap_or_else(|| USUAL.to_owned())
}

/// Makes the command that opens a file: the shell takes the editor's own
/// arguments apart (`code --wait`).
fn shell(command: &str, file: &Path) -> Command {
    let script = format!("{command} \"$@\"");
    let arguments: [&OsStr; 4] = [
        "-c".as_ref(),
        script.as_ref(),
        command.as_ref(),
        file.as_ref(),
    ];
    let mut shell = Command::new("sh");
    shell.args(arguments);
    withhold_secrets(&mut shell);
    shell
}

fn no_start(command: &str, why: &str) -> Failure {
    Failure::cannot(
        format!("The editor {} could not be started.", visible(command)),
        format!("{why}."),
        "Name one: EDITOR=nano creel",
    )
}

fn failed(command: &str, status: ExitStatus) -> Failure {
    if status.code() == Some(NOT_FOUND) {
        return no_start(command, "there is no such program");
    }
    Failure::cannot(
        format!("The editor {} failed.", visible(command)),
        format!("It ended with {status}; what it left is not used."),
        "Nothing was sent.",
    )
}

/// A private folder with one file, removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn make(text: &[u8]) -> io::Result<Self> {
        let name = format!("creel-{:032x}", random_bits());
        let path = std::env::temp_dir().join(name);
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        let folder = Self(path);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(folder.file())?
            .write_all(text)?;
        Ok(folder)
    }

    /// Returns the file; its name tells editors how to colour it.
    fn file(&self) -> PathBuf {
        self.0.join("request.http")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn visual_comes_before_editor_and_both_before_vi() {
        let with = |visual: Option<&str>, editor: Option<&str>| {
            chosen(|name| match name {
                "VISUAL" => visual.map(Into::into),
                _ => editor.map(Into::into),
            })
        };
        assert_eq!(with(Some("code --wait"), Some("ed")), "code --wait");
        assert_eq!(with(Some(" "), Some("ed")), "ed");
        assert_eq!(with(None, None), "vi");
    }

    #[test]
    fn the_text_is_private_and_gone_afterwards() {
        let folder = Folder::make(b"secret").unwrap();
        let file = folder.file();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&folder.0)), (0o600, 0o700));
        assert_eq!(fs::read(&file).unwrap(), b"secret");
        drop(folder);
        assert!(!file.exists());
    }

    #[test]
    fn arguments_of_the_editor_are_the_shells() {
        let folder = Folder::make(b"a").unwrap();
        let status = shell("sed -i -e 's/a/b c/'", &folder.file())
            .status()
            .unwrap();
        assert!(status.success());
        assert_eq!(fs::read(folder.file()).unwrap(), b"b c");
    }
}
