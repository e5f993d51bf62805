//! What is known of the apps that deliveries go to: whether they answer, and
//! how many deliveries wait for them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::command::{AppInfo, AppState, Event};
use super::local::Local;
use super::target_queue::Waiting;
use crate::domain::timestamp::Timestamp;
use crate::outbound::{self, Exchange};

/// How often apps on this machine are tried while somebody looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often it is published at most how many deliveries wait.
const PUBLISH_EVERY: Duration = Duration::from_millis(200);

/// The apps, by scheme, host and port.
pub(super) struct Apps {
    known: Mutex<BTreeMap<String, Known>>,
    events: broadcast::Sender<Event>,
}

struct Known {
    info: AppInfo,
    /// Counts how often it came to answer again.
    back: watch::Sender<u64>,
}

impl Apps {
    pub(super) fn new(events: broadcast::Sender<Event>) -> Self {
        Self {
            known: Mutex::default(),
            events,
        }
    }

    /// Knows the app behind a target from now on, and returns what changes
    /// whenever it answers again.
    pub(super) fn add(&self, origin: &str) -> watch::Receiver<u64> {
        let known = || Known {
            info: AppInfo {
                origin: origin.to_owned(),
                state: AppState::Unknown,
                waiting: 0,
                oldest: None,
            },
            back: watch::Sender::default(),
        };
        let mut all = self.lock();
        let known = all.entry(origin.to_owned()).or_insert_with(known);
        known.back.subscribe()
    }

    /// Returns what is known.
    pub(super) fn list(&self) -> Vec<AppInfo> {
        self.lock()
            .values()
            .map(|known| known.info.clone())
            .collect()
    }

    /// Notes what came of sending to an app at `now`.
    pub(super) fn sent(&self, origin: &str, exchange: &Exchange, now: Timestamp) {
        let heard = if exchange.response.is_some() {
            Heard::Answer
        } else if exchange.connected {
            Heard::Silence
        } else {
            Heard::Nobody
        };
        self.heard(origin, heard, now);
    }

    /// Notes that an app took a connection and answered nothing.
    pub(super) fn silent(&self, origin: &str, now: Timestamp) {
        self.heard(origin, Heard::Silence, now);
    }

    fn heard(&self, origin: &str, heard: Heard, now: Timestamp) {
        self.change(origin, |info| {
            let (since, silent) = match info.state {
                AppState::Down { since, silent } => (since, silent),
                AppState::Unknown | AppState::Answering => (now, false),
            };
            info.state = match heard {
                Heard::Nobody => AppState::Down {
                    since,
                    silent: false,
                },
                Heard::Silence => AppState::Down {
                    since,
                    silent: true,
                },
                // That it takes connections does not say that it answers.
                Heard::Somebody if silent => info.state,
                Heard::Somebody | Heard::Answer => AppState::Answering,
            };
        });
    }

    /// Notes how many deliveries wait for an app, and since when.
    pub(super) fn wait(&self, origin: &str, waiting: Waiting) {
        self.change(origin, |info| {
            (info.waiting, info.oldest) = (waiting.count, waiting.oldest);
        });
    }

    fn change(&self, origin: &str, change: impl FnOnce(&mut AppInfo)) {
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
            known.back.send_modify(|times| *times += 1);
        }
        // Nobody listening is no error.
        let _ = self.events.send(Event::App(known.info.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was heard of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// It answered.
    Answer,
    /// It took a connection, and nothing came back.
    Silence,
    /// It took a connection; nothing was sent.
    Somebody,
    /// There was no connection.
    Nobody,
}

impl Local {
    /// Keeps what is known of how many deliveries wait for each app near the
    /// truth, until `shutdown`.
    pub(super) async fn publish_waiting(self: Arc<Self>, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.queues.changed.notified() => {}
            }
            for app in self.apps.list() {
                self.apps
                    .wait(&app.origin, self.queues.waiting(&app.origin));
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(PUBLISH_EVERY) => {}
            }
        }
    }

    /// Looks now and then whether the apps on this machine are there, as long
    /// as somebody looks at creel.
    pub(super) async fn look_after_apps(self: Arc<Self>, shutdown: CancellationToken) {
        let mut pause = tokio::time::interval(LOOK_EVERY);
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
                let heard = match outbound::reachable(&app.origin).await {
                    Some(true) => Heard::Somebody,
                    Some(false) => Heard::Nobody,
                    None => continue,
                };
                self.apps.heard(&app.origin, heard, self.clock.now());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_is_down_since_it_was_first_missed() {
        let (events, mut told) = broadcast::channel(16);
        let apps = Apps::new(events);
        let state = || apps.list()[0].state;
        apps.add("http://h");
        let at = Timestamp;
        apps.heard("http://other", Heard::Nobody, at(1));
        assert_eq!(state(), AppState::Unknown);
        apps.heard("http://h", Heard::Somebody, at(1));
        assert_eq!(state(), AppState::Answering);
        apps.heard("http://h", Heard::Nobody, at(2));
        apps.heard("http://h", Heard::Silence, at(3));
        let down = AppState::Down {
            since: at(2),
            silent: true,
        };
        assert_eq!(state(), down);
        // That somebody listens proves nothing against silence.
        apps.heard("http://h", Heard::Somebody, at(4));
        assert_eq!(state(), down);
        apps.heard("http://h", Heard::Answer, at(5));
        apps.heard("http://h", Heard::Answer, at(6));
        assert_eq!(state(), AppState::Answering);
        let waiting = Waiting {
            count: 3,
            oldest: Some(at(1)),
        };
        apps.wait("http://h", waiting);
        apps.wait("http://h", waiting);
        let mut count = 0;
        while let Ok(Event::App(_)) = told.try_recv() {
            count += 1;
        }
        assert_eq!(count, 5, "only changes are told");
    }
}
