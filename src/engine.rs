//! Joins store, server and outbound: commands in, events out.
//!
//! The interface and the command line speak to an [`Engine`] and never to
//! what is behind it: the store of this process ([`local`]), or another creel
//! that already owns it (`control::client`).

mod apps;
mod background_assessor;
mod batch;
pub mod command;
pub mod demo;
mod detail;
mod forward;
mod forward_one;
mod forwarder;
mod give_up;
mod history;
mod intake;
mod jobs;
pub mod local;
mod locate;
mod pass_through;
mod pin_file;
mod prepare;
mod preview;
mod resend;
mod resend_support;
mod response_plans;
mod retention;
mod retry;
mod routing;
pub mod sample;
mod secret;
mod swap;
mod target_queue;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::broadcast;

use self::command::{Command, Event, Reply};
pub use crate::config::withhold_secrets;
use crate::domain::failure::Failure;

/// How many events may wait for a slow reader before it is told [`Event::Missed`].
pub const EVENT_BUFFER: usize = 4096;

/// A running creel, here or elsewhere.
#[derive(Clone)]
pub struct Engine {
    backend: Arc<dyn Backend>,
    events: broadcast::Sender<Event>,
}

/// What carries out an [`Engine`]'s commands.
pub trait Backend: Send + Sync + 'static {
    /// Carries out one command.
    fn call(&self, command: Command) -> BoxFuture<'_, Result<Reply, Failure>>;

    /// Hears that somebody listens to the events from now on.
    fn on_subscribe(&self) {}
}

impl Engine {
    /// Makes an engine of what carries out its commands and where its events come from.
    pub fn new(backend: Arc<dyn Backend>, events: broadcast::Sender<Event>) -> Self {
        Self { backend, events }
    }

    /// Carries out one command.
    ///
    /// # Errors
    /// A [`Failure`] in three parts.
    pub async fn call(&self, command: Command) -> Result<Reply, Failure> {
        self.backend.call(command).await
    }

    /// Returns the events from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        let events = self.events.subscribe();
        self.backend.on_subscribe();
        events
    }
}
