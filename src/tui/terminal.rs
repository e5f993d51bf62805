//! The terminal: taken once, given back once, whatever happens.
//!
//! The only writer to standard output while the inspector is on the screen.

use std::io::{self, BufWriter, Stdout, Write as _};
use std::panic::{self, PanicHookInfo};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::Show;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect, Size};
use ratatui::{Frame, Terminal};
use rustix::process::{Signal, getpid, kill_process};
use tokio::sync::mpsc::UnboundedSender;

/// Whether the terminal is creel's now. A second "leave" would move the
/// cursor over what a panic has said.
static ON: AtomicBool = AtomicBool::new(false);

type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync + 'static;

/// The terminal while it is creel's.
pub(super) struct Session {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    mouse: bool,
    report: Arc<Hook>,
}

impl Session {
    /// Takes the terminal. A panic on this thread gives it back and is
    /// reported as ever; one on another thread goes to `panics` as text.
    pub(super) fn enter(mouse: bool, panics: UnboundedSender<String>) -> io::Result<Self> {
        let backend = CrosstermBackend::new(BufWriter::with_capacity(64 * 1024, io::stdout()));
        let terminal = Terminal::new(backend)?;
        let report = install_hook(panics);
        let session = Self {
            terminal,
            mouse,
            report,
        };
        enter(mouse)?;
        Ok(session)
    }

    /// Gives the terminal back; doing it twice changes nothing.
    #[expect(clippy::unused_self, reason = "who leaves must have entered")]
    pub(super) fn leave(&mut self) {
        leave();
    }

    /// Returns how large the terminal is.
    pub(super) fn size(&self) -> io::Result<Size> {
        self.terminal.size()
    }

    /// Draws a screen.
    pub(super) fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(render).map(|_| ())
    }

    /// Has every cell drawn anew. `Terminal::clear` would ask the terminal
    /// for its cursor, whose answer the input stream would swallow.
    pub(super) fn repaint(&mut self) -> io::Result<()> {
        let full = Rect::from((Position::ORIGIN, self.terminal.size()?));
        self.terminal.resize(full)
    }

    /// Puts bytes on the clipboard, through the terminal (OSC 52).
    pub(super) fn copy(&mut self, bytes: &[u8]) -> io::Result<()> {
        let writer = self.terminal.backend_mut();
        execute!(writer, CopyToClipboard::to_clipboard_from(bytes))
    }

    /// Takes the mouse from the terminal, or gives it back.
    pub(super) fn mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        let writer = self.terminal.backend_mut();
        if on {
            execute!(writer, EnableMouseCapture)
        } else {
            execute!(writer, DisableMouseCapture)
        }
    }

    /// Gives the terminal back for a while, to another program.
    #[expect(clippy::unused_self, reason = "who lends must have it")]
    pub(super) fn lend(&mut self) {
        leave();
    }

    /// Takes the terminal again after [`Session::lend`].
    pub(super) fn take_back(&mut self) -> io::Result<()> {
        enter(self.mouse)?;
        self.repaint()
    }

    /// Gives the terminal back, stops the process, and takes the terminal
    /// again when the process goes on.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        leave();
        // SIGTSTP to oneself is dropped in an orphaned process group.
        kill_process(getpid(), Signal::STOP)?;
        enter(self.mouse)?;
        self.repaint()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        leave();
        // While a panic unwinds, the hook cannot be changed.
        if !thread::panicking() {
            let report = Arc::clone(&self.report);
            panic::set_hook(Box::new(move |info| report(info)));
        }
    }
}

fn enter(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    ON.store(true, Ordering::SeqCst);
    let mut out = io::stdout().lock();
    execute!(out, EnterAlternateScreen, EnableBracketedPaste)?;
    if mouse {
        execute!(out, EnableMouseCapture)?;
    }
    Ok(())
}

/// Gives the terminal back where it is creel's; safe in a panic hook.
fn leave() {
    if !ON.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    let _ = execute!(
        out,
        DisableBracketedPaste,
        DisableMouseCapture,
        LeaveAlternateScreen,
        Show
    );
    let _ = disable_raw_mode();
    let _ = out.flush();
}

/// Has a panic on this thread give the terminal back before it is reported,
/// and one on another thread told to the screen, which goes on.
fn install_hook(panics: UnboundedSender<String>) -> Arc<Hook> {
    let screen = thread::current().id();
    let report: Arc<Hook> = Arc::from(panic::take_hook());
    let reporting = Arc::clone(&report);
    panic::set_hook(Box::new(move |info| {
        if thread::current().id() == screen {
            leave();
            reporting(info);
            return;
        }
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let what = info.payload_as_str().unwrap_or("a panic without words");
        tracing::error!(%place, what, "a task panicked");
        let _ = panics.send(format!("{what} ({place})"));
    }));
    report
}
