//! The ways the loop waits; what is not there is waited for for ever.

use std::time::Duration;

use crossterm::event::{Event as TerminalEvent, EventStream};
use futures_util::StreamExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep, sleep_until};

use crate::domain::failure::Failure;
use crate::engine::command::Event;
use crate::tui::editor::Editor;

/// The signals that end the inspector.
pub(super) struct Signals {
    term: Signal,
    hangup: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for any of them. An interrupt that is typed while an editor has
    /// the terminal is meant for the editor.
    pub(super) async fn any(&mut self, lent: bool) {
        loop {
            tokio::select! {
                _ = self.term.recv() => return,
                _ = self.hangup.recv() => return,
                _ = self.interrupt.recv() => if !lent { return },
            }
        }
    }
}

pub(super) async fn next_input(
    input: Option<&mut EventStream>,
) -> Option<std::io::Result<TerminalEvent>> {
    match input {
        Some(input) => input.next().await,
        None => std::future::pending().await,
    }
}

pub(super) async fn next_event(
    events: Option<&mut broadcast::Receiver<Event>>,
) -> Result<Event, RecvError> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}

pub(super) async fn ended(editor: Option<&mut Editor>) -> Result<Vec<u8>, Failure> {
    match editor {
        Some(editor) => editor.ended().await,
        None => std::future::pending().await,
    }
}

pub(super) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

pub(super) async fn after(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => std::future::pending().await,
    }
}
