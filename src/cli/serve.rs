//! `creel serve`: receives without the interface.

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::CommandOutcome;
use super::args::{Global, Receiving};
use super::output::Output;
use super::session;
use crate::config;
use crate::domain::failure::Failure;

/// Runs `creel serve`.
pub(super) async fn run(
    global: &Global,
    receiving: &Receiving,
    output: &Output,
) -> Result<CommandOutcome, Failure> {
    session::log(global, None);
    let config = config::load(&session::overrides(global, receiving))?;
    // Installed before the port is bound, so that no signal is lost.
    let mut signals = Signals::new()?;
    let receiver = session::receive(config, receiving.demo, &mut |note| output.note(&note)).await?;
    let url = format!("http://{}", receiver.address);
    if output.json {
        output.json(&json!({ "ready": url }))?;
    } else {
        output.line(&format!("ready {url}"))?;
    }
    let ended = signals.next().await;
    tokio::select! {
        () = receiver.stop() => {}
        () = signals.force() => {}
    }
    Ok(ended)
}

/// The signals that end creel.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::cannot("creel cannot listen for signals.", format!("{error}."), "")
            })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal and returns the outcome of the command.
    async fn next(&mut self) -> CommandOutcome {
        tokio::select! {
            _ = self.interrupt.recv() => CommandOutcome::Interrupted,
            _ = self.terminate.recv() => CommandOutcome::Success,
            _ = self.hangup.recv() => CommandOutcome::Success,
        }
    }

    /// Waits for a signal that ends the command immediately, during its
    /// shutdown. Ignores further hangups: the shell and the system each send
    /// one when a terminal is closed.
    async fn force(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
