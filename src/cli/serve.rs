//! `creel serve`: receive without the interface.

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
    // Asked for before the port is taken, so that no signal falls between.
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

    /// Waits for a signal and says how it ends the command.
    async fn next(&mut self) -> CommandOutcome {
        tokio::select! {
            _ = self.interrupt.recv() => CommandOutcome::Interrupted,
            _ = self.terminate.recv() => CommandOutcome::Success,
            _ = self.hangup.recv() => CommandOutcome::Success,
        }
    }

    /// Waits for a signal that ends the command at once, while it finishes what
    /// is under way. Further hangups do not: the shell and the system each send
    /// one when a terminal is closed.
    async fn force(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
