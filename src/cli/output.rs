//! Prints to standard output and standard error; the only code that does.
//!
//! Data goes to standard output, everything else to standard error. A closed
//! pipe is not an error.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::LazyLock;

use serde::Serialize;

use super::CommandOutcome;
use super::args::{Color, Global};
use crate::domain::failure::Failure;
use crate::domain::verification::Status;
use crate::domain::{contract_json, text};

/// The style of a piece of text on a coloured terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Normal text.
    Plain,
    /// A positive result.
    Good,
    /// A warning.
    Warn,
    /// A negative result.
    Bad,
    /// Secondary text.
    Context,
}

impl Style {
    /// Returns the style of a verification status.
    pub(super) const fn of(status: Status) -> Self {
        match status {
            Status::Valid => Self::Good,
            Status::Stale | Status::NoSecret => Self::Warn,
            Status::Invalid | Status::Malformed | Status::MissingSignature => Self::Bad,
            Status::UnknownProvider | Status::Pending => Self::Context,
        }
    }

    /// Returns the parameter of the terminal's escape sequence (ECMA-48, SGR).
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("32"),
            Self::Warn => Some("1;35"),
            Self::Bad => Some("1;31"),
            Self::Context => Some("2"),
        }
    }
}

/// Returns `true` if the locale of this process is limited to ASCII.
pub(super) fn is_ascii() -> bool {
    static IS_ASCII: LazyLock<bool> = LazyLock::new(|| {
        let [all, ctype, lang] =
            ["LC_ALL", "LC_CTYPE", "LANG"].map(|name| std::env::var(name).ok());
        text::is_ascii_locale(all.as_deref(), ctype.as_deref(), lang.as_deref())
    });
    *IS_ASCII
}

/// Escapes text for the locale and makes control characters visible.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    if is_ascii() {
        text::ascii(text)
    } else {
        text::visible(text)
    }
}

/// Prints the output of a command.
#[derive(Debug)]
pub(super) struct Output {
    /// Whether to print JSON.
    pub(super) json: bool,
    quiet: bool,
    /// Whether text is coloured.
    color: bool,
    /// Whether the pipe of standard output is closed.
    gone: Cell<bool>,
}

impl Output {
    pub(super) fn new(global: &Global) -> Self {
        Self {
            json: global.json,
            quiet: global.quiet,
            color: colored(global.color, io::stdout().is_terminal()),
            gone: Cell::new(false),
        }
    }

    /// Prints one line of text, with control characters made visible.
    pub(super) fn line(&self, line: &str) -> Result<CommandOutcome, Failure> {
        self.raw(format!("{}\n", shown(line)).as_bytes())
    }

    /// Prints one line of styled pieces, with control characters made visible.
    pub(super) fn styled(&self, pieces: &[(String, Style)]) -> Result<CommandOutcome, Failure> {
        let mut line = String::new();
        for (text, style) in pieces {
            let text = shown(text);
            match style.code().filter(|_| self.color) {
                Some(code) => {
                    let (word, blanks) = text.split_at(text.trim_end().len());
                    line.extend(["\u{1b}[", code, "m", word, "\u{1b}[0m", blanks]);
                }
                None => line.push_str(&text),
            }
        }
        self.raw(format!("{}\n", line.trim_end()).as_bytes())
    }

    /// Returns the width of the terminal in columns; `None` if standard output
    /// is not a terminal.
    pub(super) fn width() -> Option<usize> {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        (size.ws_col > 0).then_some(usize::from(size.ws_col))
    }

    /// Prints a value as one line of JSON.
    pub(super) fn json(&self, value: &impl Serialize) -> Result<CommandOutcome, Failure> {
        self.raw(format!("{}\n", contract_json::line(value)).as_bytes())
    }

    /// Writes bytes to standard output unaltered.
    pub(super) fn raw(&self, bytes: &[u8]) -> Result<CommandOutcome, Failure> {
        let mut out = io::stdout().lock();
        let written = out.write_all(bytes).and_then(|()| out.flush());
        self.gone.set(is_broken_pipe(&written));
        check(written)
    }

    /// Returns `true` if the pipe of standard output is closed.
    pub(super) fn gone(&self) -> bool {
        self.gone.get()
    }

    /// Prints a note on standard error, unless `--quiet` is set.
    pub(super) fn note(&self, note: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "{}", shown(note));
        }
    }

    /// Writes a line on standard error that the next one replaces; an empty one
    /// removes it. For terminals only.
    pub(super) fn transient(line: &str) {
        let mut err = io::stderr().lock();
        let _ = write!(err, "\r\u{1b}[K{}", shown(line));
        let _ = err.flush();
    }

    /// Prints a failure on standard error.
    pub(super) fn failure(failure: &Failure) {
        let lines = failure.to_string();
        let mut err = io::stderr().lock();
        for line in lines.lines() {
            let _ = writeln!(err, "{}", shown(line));
        }
    }
}

/// Prints help, the version or a usage error to the proper stream.
pub(super) fn print_usage(error: &clap::Error) -> Result<CommandOutcome, Failure> {
    check(error.print().and_then(|()| io::stdout().flush()))
}

/// Converts the result of a write to standard output. A closed pipe is not an
/// error.
fn check(written: io::Result<()>) -> Result<CommandOutcome, Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::cannot(
            "Standard output cannot be written.",
            format!("{error}."),
            "",
        )),
        Ok(()) | Err(_) => Ok(CommandOutcome::Success),
    }
}

fn is_broken_pipe(written: &io::Result<()>) -> bool {
    matches!(written, Err(error) if error.kind() == io::ErrorKind::BrokenPipe)
}

/// Returns `true` if output is coloured: decided by the flag, then by
/// `NO_COLOR` and `TERM`, then by the terminal.
pub(super) fn colored(choice: Color, terminal: bool) -> bool {
    match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
            terminal
                && !set("NO_COLOR")
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}
