//! Connects store, server and client: executes commands and publishes events.
//!
//! The interface and the command line use an [`Engine`]. It executes commands
//! on the store of this process ([`local`]) or sends them to the creel process
//! that owns the store (`control::client`).

// Tracks the state of the apps that receive deliveries.
mod apps;
// Verifies deliveries for the store within a time budget.
mod background_assessor;
// Resends the deliveries of a job in batches.
mod batch;
// Defines the commands, replies and events of an engine.
pub mod command;
// Sends demo deliveries and runs a demo app.
pub mod demo;
// Reads one delivery with its verification and attempts.
mod detail;
// Fills the queues of targets from the store.
mod forward;
// Forwards one delivery.
mod forward_one;
// Forwards the deliveries of one target's queue.
mod forwarder;
// Gives up on deliveries that wait for their app.
mod give_up;
// Reads earlier deliveries that may explain a signature.
mod history;
// Stores received requests and responds to their senders.
mod intake;
// Tracks resend jobs and their results.
mod jobs;
// Implements the engine of the process that owns the store.
pub mod local;
// Resolves the hosts of a resend request.
mod locate;
// Passes deliveries through to their app.
mod pass_through;
// Persists the pins of unnamed secrets.
mod pin_file;
// Prepares the request of a resend.
mod prepare;
// Previews the request of a resend.
mod preview;
// Starts resend jobs.
mod resend;
// Determines which ways of resending a delivery supports.
mod resend_support;
// Determines the responses to senders and counts arrivals.
mod response_plans;
// Removes old deliveries.
mod retention;
// Retries deliveries on their provider's schedule.
mod retry;
// Determines where deliveries go and records attempts.
mod routing;
// Creates signed sample deliveries.
pub mod sample;
// Adopts secrets at run time.
mod secret;
// Provides a value that can be replaced while it is read.
mod swap;
// Queues the deliveries that wait for each target.
mod target_queue;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::broadcast;

use self::command::{Command, Event, Reply};
pub use crate::config::withhold_secrets;
use crate::domain::failure::Failure;

/// Capacity of the event channel. A subscriber that lags further behind
/// receives [`Event::Missed`].
pub const EVENT_BUFFER: usize = 4096;

/// A handle to a running creel in this process or another one.
#[derive(Clone)]
pub struct Engine {
    backend: Arc<dyn Backend>,
    events: broadcast::Sender<Event>,
}

/// Executes the commands of an [`Engine`].
pub trait Backend: Send + Sync + 'static {
    /// Executes a command.
    fn call(&self, command: Command) -> BoxFuture<'_, Result<Reply, Failure>>;

    /// Called when a subscriber is added.
    fn on_subscribe(&self) {}
}

impl Engine {
    /// Creates an engine from its backend and its event channel.
    pub fn new(backend: Arc<dyn Backend>, events: broadcast::Sender<Event>) -> Self {
        Self { backend, events }
    }

    /// Executes a command.
    ///
    /// # Errors
    /// Returns a [`Failure`] if the command fails.
    pub async fn call(&self, command: Command) -> Result<Reply, Failure> {
        self.backend.call(command).await
    }

    /// Subscribes to events.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        let events = self.events.subscribe();
        self.backend.on_subscribe();
        events
    }
}
