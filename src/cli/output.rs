//! The only place that prints on the command line.
//!
//! Data goes to standard output, all else to standard error. A reader that
//! closed the pipe has seen enough: that is no error.

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

/// How a piece of text looks where there is colour. Each is a word first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Text like any other.
    Plain,
    /// Something that is right.
    Good,
    /// Something to look at.
    Warn,
    /// Something that is wrong.
    Bad,
    /// Something that says little.
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

/// Returns whether the locale of this process has ASCII alone.
pub(super) fn is_ascii() -> bool {
    static IS_ASCII: LazyLock<bool> = LazyLock::new(|| {
        let [all, ctype, lang] =
            ["LC_ALL", "LC_CTYPE", "LANG"].map(|name| std::env::var(name).ok());
        text::is_ascii_locale(all.as_deref(), ctype.as_deref(), lang.as_deref())
    });
    *IS_ASCII
}

/// Writes text as the locale can, whatever a stranger put into it made visible.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    if is_ascii() {
        text::ascii(text)
    } else {
        text::visible(text)
    }
}

/// Prints what a command found.
#[derive(Debug)]
pub(super) struct Output {
    /// Whether to print JSON.
    pub(super) json: bool,
    quiet: bool,
    /// Whether text is coloured.
    color: bool,
    /// Whether the reader of standard output is gone.
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

    /// Prints one line of text; whatever a stranger put into it is made visible.
    pub(super) fn line(&self, line: &str) -> Result<CommandOutcome, Failure> {
        self.raw(format!("{}\n", shown(line)).as_bytes())
    }

    /// Prints one line of pieces with a style each; whatever a stranger put into
    /// them is made visible.
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

    /// Returns how many columns the terminal has that is written to; `None`
    /// where standard output is none.
    pub(super) fn width() -> Option<usize> {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        (size.ws_col > 0).then_some(usize::from(size.ws_col))
    }

    /// Prints a value as one line of JSON.
    pub(super) fn json(&self, value: &impl Serialize) -> Result<CommandOutcome, Failure> {
        self.raw(format!("{}\n", contract_json::line(value)).as_bytes())
    }

    /// Writes bytes to standard output as they are.
    pub(super) fn raw(&self, bytes: &[u8]) -> Result<CommandOutcome, Failure> {
        let mut out = io::stdout().lock();
        let written = out.write_all(bytes).and_then(|()| out.flush());
        self.gone.set(is_broken_pipe(&written));
        check(written)
    }

    /// Says whether nobody reads standard output any more.
    pub(super) fn gone(&self) -> bool {
        self.gone.get()
    }

    /// Says something on standard error, unless told to be quiet.
    pub(super) fn note(&self, note: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "{}", shown(note));
        }
    }

    /// Writes a line on standard error that the next one takes the place of;
    /// an empty one takes it away. Only for terminals.
    pub(super) fn transient(line: &str) {
        let mut err = io::stderr().lock();
        let _ = write!(err, "\r\u{1b}[K{}", shown(line));
        let _ = err.flush();
    }

    /// Explains a failure on standard error.
    pub(super) fn failure(failure: &Failure) {
        let lines = failure.to_string();
        let mut err = io::stderr().lock();
        for line in lines.lines() {
            let _ = writeln!(err, "{}", shown(line));
        }
    }
}

/// Prints a help text, the version or a usage error where each belongs.
pub(super) fn print_usage(error: &clap::Error) -> Result<CommandOutcome, Failure> {
    check(error.print().and_then(|()| io::stdout().flush()))
}

/// Turns what became of a write to standard output into an end. A reader that
/// closed the pipe has seen enough.
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

/// Decides on colour: the flag first, then `NO_COLOR` and `TERM`, then the terminal.
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
