//! The only place that prints on the command line.
//!
//! Data goes to standard output, all else to standard error. A reader that
//! closed the pipe has seen enough: that is no error.

use std::cell::Cell;
use std::io::{self, Write as _};

use serde::Serialize;

use super::Ended;
use super::args::{Color, Global};
use crate::domain::failure::Failure;
use crate::domain::{json, text};

/// Prints what a command found.
#[derive(Debug)]
pub(super) struct Output {
    /// Whether to print JSON.
    pub(super) json: bool,
    quiet: bool,
    /// Whether the reader of standard output is gone.
    gone: Cell<bool>,
}

impl Output {
    pub(super) fn new(global: &Global) -> Self {
        Self {
            json: global.json,
            quiet: global.quiet,
            gone: Cell::new(false),
        }
    }

    /// Prints one line of text; whatever a stranger put into it is made visible.
    pub(super) fn line(&self, line: &str) -> Result<Ended, Failure> {
        self.raw(format!("{}\n", text::visible(line)).as_bytes())
    }

    /// Prints a value as one line of JSON.
    pub(super) fn json(&self, value: &impl Serialize) -> Result<Ended, Failure> {
        self.raw(format!("{}\n", json::line(value)).as_bytes())
    }

    /// Writes bytes to standard output as they are.
    pub(super) fn raw(&self, bytes: &[u8]) -> Result<Ended, Failure> {
        let mut out = io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Ok(()) => Ok(Ended::Well),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.gone.set(true);
                Ok(Ended::Well)
            }
            Err(error) => Err(Failure::cannot(
                "Standard output cannot be written.",
                format!("{error}."),
                "",
            )),
        }
    }

    /// Says whether nobody reads standard output any more.
    pub(super) fn gone(&self) -> bool {
        self.gone.get()
    }

    /// Says something on standard error, unless told to be quiet.
    pub(super) fn note(&self, note: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "{}", text::visible(note));
        }
    }

    /// Writes a line on standard error that the next one takes the place of;
    /// an empty one takes it away. Only for terminals.
    pub(super) fn transient(line: &str) {
        let mut err = io::stderr().lock();
        let _ = write!(err, "\r\u{1b}[K{}", text::visible(line));
        let _ = err.flush();
    }

    /// Explains a failure on standard error.
    pub(super) fn failure(failure: &Failure) {
        let shown = failure.to_string();
        let mut err = io::stderr().lock();
        for line in shown.lines() {
            let _ = writeln!(err, "{}", text::visible(line));
        }
    }
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
