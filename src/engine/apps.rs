//! Tracks the apps that receive deliveries: whether they respond, and how many
//! deliveries wait for them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::command::{AppInfo, AppState, Event};
use super::local::Local;
use super::target_queue::QueueDepth;
use crate::domain::timestamp::Timestamp;
use crate::outbound::{self, Exchange};

/// Interval between probes of local apps while the interface is open.
const PROBE_INTERVAL: Duration = Duration::from_secs(2);

/// Minimum interval between two updates of the number of waiting deliveries.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(200);

/// The known apps, by scheme, host and port.
pub(super) struct AppRegistry {
    known: Mutex<BTreeMap<String, AppEntry>>,
    events: broadcast::Sender<Event>,
}

struct AppEntry {
    info: AppInfo,
    /// Counts how often the app recovered.
    recovered: watch::Sender<u64>,
}

impl AppRegistry {
    pub(super) fn new(events: broadcast::Sender<Event>) -> Self {
        Self {
            known: Mutex::default(),
            events,
        }
    }

    /// Registers the app of a target and returns a receiver that changes
    /// whenever the app recovers.
    pub(super) fn add(&self, origin: &str) -> watch::Receiver<u64> {
        let known = || AppEntry {
            info: AppInfo {
                origin: origin.to_owned(),
                state: AppState::Unknown,
                waiting: 0,
                oldest: None,
            },
            recovered: watch::Sender::default(),
        };
        let mut all = self.lock();
        let known = all.entry(origin.to_owned()).or_insert_with(known);
        known.recovered.subscribe()
    }

    /// Returns the state of all apps.
    pub(super) fn list(&self) -> Vec<AppInfo> {
        self.lock()
            .values()
            .map(|known| known.info.clone())
            .collect()
    }

    /// Records the result of an exchange with an app at `now`.
    pub(super) fn record_exchange(&self, origin: &str, exchange: &Exchange, now: Timestamp) {
        let result = if exchange.response.is_some() {
            ContactResult::Answered
        } else if exchange.connected {
            ContactResult::NoAnswer
        } else {
            ContactResult::NotConnected
        };
        self.record(origin, result, now);
    }

    /// Records that an app accepted a connection and did not respond.
    pub(super) fn record_no_answer(&self, origin: &str, now: Timestamp) {
        self.record(origin, ContactResult::NoAnswer, now);
    }

    fn record(&self, origin: &str, result: ContactResult, now: Timestamp) {
        self.update(origin, |info| {
            let (since, silent) = match info.state {
                AppState::Down { since, silent } => (since, silent),
                AppState::Unknown | AppState::Answering => (now, false),
            };
            info.state = match result {
                ContactResult::NotConnected => AppState::Down {
                    since,
                    silent: false,
                },
                ContactResult::NoAnswer => AppState::Down {
                    since,
                    silent: true,
                },
                // Accepting connections does not prove that the app responds.
                ContactResult::Connected if silent => info.state,
                ContactResult::Connected | ContactResult::Answered => AppState::Answering,
            };
        });
    }

    /// Records how many deliveries wait for an app, and since when.
    pub(super) fn set_waiting(&self, origin: &str, waiting: QueueDepth) {
        self.update(origin, |info| {
            (info.waiting, info.oldest) = (waiting.count, waiting.oldest);
        });
    }

    fn update(&self, origin: &str, change: impl FnOnce(&mut AppInfo)) {
        let mut all = self.lock();
        let Some(known) = all.get_mut(origin) else {
            return;
        };
        let before = known.info.clone();
        change(&mut known.info);
        if before == known.info {
            return;
        }
        if known.info.state == AppState::Answering && before.state != AppState::Answering {
            known.recovered.send_modify(|times| *times += 1);
        }
        // An error means that there is no subscriber.
        let _ = self.events.send(Event::App(known.info.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, AppEntry>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The result of contacting an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ContactResult {
    /// It responded.
    Answered,
    /// It accepted a connection and did not respond.
    NoAnswer,
    /// It accepted a connection; nothing was sent.
    Connected,
    /// It did not accept a connection.
    NotConnected,
}

impl Local {
    /// Publishes how many deliveries wait for each app until `shutdown`.
    pub(super) async fn publish_waiting(self: Arc<Self>, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.queues.changed.notified() => {}
            }
            for app in self.apps.list() {
                self.apps
                    .set_waiting(&app.origin, self.queues.waiting(&app.origin));
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(PUBLISH_INTERVAL) => {}
            }
        }
    }

    /// Probes the local apps while there is an event subscriber, until
    /// `shutdown`.
    pub(super) async fn probe_apps(self: Arc<Self>, shutdown: CancellationToken) {
        let mut pause = tokio::time::interval(PROBE_INTERVAL);
        pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = pause.tick() => {}
            }
            if self.events.receiver_count() == 0 {
                continue;
            }
            for app in self.apps.list() {
                let result = match outbound::probe_loopback(&app.origin).await {
                    Some(true) => ContactResult::Connected,
                    Some(false) => ContactResult::NotConnected,
                    None => continue,
                };
                self.apps.record(&app.origin, result, self.clock.now());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_is_down_since_it_was_first_missed() {
        let (events, mut received) = broadcast::channel(16);
        let apps = AppRegistry::new(events);
        let state = || apps.list()[0].state;
        apps.add("http://h");
        let at = Timestamp;
        apps.record("http://other", ContactResult::NotConnected, at(1));
        assert_eq!(state(), AppState::Unknown);
        apps.record("http://h", ContactResult::Connected, at(1));
        assert_eq!(state(), AppState::Answering);
        apps.record("http://h", ContactResult::NotConnected, at(2));
        apps.record("http://h", ContactResult::NoAnswer, at(3));
        let down = AppState::Down {
            since: at(2),
            silent: true,
        };
        assert_eq!(state(), down);
        // An accepted connection does not end the silence.
        apps.record("http://h", ContactResult::Connected, at(4));
        assert_eq!(state(), down);
        apps.record("http://h", ContactResult::Answered, at(5));
        apps.record("http://h", ContactResult::Answered, at(6));
        assert_eq!(state(), AppState::Answering);
        let waiting = QueueDepth {
            count: 3,
            oldest: Some(at(1)),
        };
        apps.set_waiting("http://h", waiting);
        apps.set_waiting("http://h", waiting);
        let mut count = 0;
        while let Ok(Event::App(_)) = received.try_recv() {
            count += 1;
        }
        assert_eq!(count, 5, "only changes are published");
    }
}
