//! Lets old deliveries go, now and then, by a time that is believed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::command::Event;
use super::local::{Local, run_blocking};
use crate::domain::timestamp::Timestamp;
use crate::domain::trusted_time::{ClockDoubt, TrustedTime};

/// How often old deliveries are looked for.
const PRUNE_INTERVAL: Duration = Duration::from_mins(1);

/// The same where deliveries are refused for want of room.
const FULL_DISK_PRUNE_INTERVAL: Duration = Duration::from_secs(2);

/// How often the time that is believed is saved.
const CLOCK_SAVE_INTERVAL: Duration = Duration::from_mins(10);

/// The file it is saved in.
const CLOCK_FILE: &str = "clock";

/// The time that age is counted by.
#[derive(Default)]
pub(super) struct AgeClock(Mutex<Option<ClockState>>);

struct ClockState {
    time: TrustedTime,
    /// When the clock was looked at, as uptime.
    at: Duration,
    saved_at: Duration,
    doubted: bool,
}

impl AgeClock {
    fn lock(&self) -> MutexGuard<'_, Option<ClockState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says why the clock is not believed, where that is so.
    pub(super) fn doubt(&self) -> Option<ClockDoubt> {
        let state = self.lock();
        state.as_ref().and_then(|state| state.time.doubt())
    }
}

impl Local {
    /// Lets old deliveries go, now and then, until `shutdown`.
    pub async fn retain(self: Arc<Self>, shutdown: CancellationToken) {
        let mut pause = tokio::time::interval(PRUNE_INTERVAL);
        loop {
            let filled = self.store.is_filled();
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = pause.tick() => {}
                () = self.store.room_wanted(), if !filled => {}
                () = tokio::time::sleep(FULL_DISK_PRUNE_INTERVAL), if filled => {}
            }
            self.prune().await;
        }
        run_blocking(|| self.update_clock(|_| {}));
    }

    /// Lets old deliveries go that need not be kept any longer.
    pub async fn prune(&self) {
        // The newest delivery must be known.
        self.store.settle_index().await;
        let now = run_blocking(|| self.believed_time());
        match self.store.retire(&self.keep, now).await {
            Ok(0) => {}
            Ok(gone) => {
                tracing::info!(gone, "old deliveries were let go");
                self.prune_queues();
            }
            Err(error) => tracing::warn!(%error, "old deliveries could not be let go"),
        }
    }

    /// Believes the clock as it is, because somebody says that it is right.
    pub(super) fn trust_clock(&self) {
        self.update_clock(TrustedTime::trust);
        self.store.want_room();
    }

    /// Returns the time that age is counted by.
    fn believed_time(&self) -> Timestamp {
        self.update_clock(|_| {})
    }

    /// Looks at the clock, changes what is believed of it, and tells where that
    /// is another than before.
    fn update_clock(&self, change: impl FnOnce(&mut TrustedTime)) -> Timestamp {
        let clock = self.clock.now();
        let Some(age) = self.keep.age_seconds else {
            return clock;
        };
        let uptime = self.clock.uptime();
        let mut state = self.age_clock.lock();
        let first = state.is_none();
        let state = state.get_or_insert_with(|| ClockState {
            time: self.restore_clock(clock, age),
            at: uptime,
            saved_at: uptime,
            doubted: false,
        });
        state.time.observe(clock, uptime.saturating_sub(state.at));
        change(&mut state.time);
        state.at = uptime;
        let doubt = state.time.doubt();
        let changed = state.doubted != doubt.is_some();
        state.doubted = doubt.is_some();
        if first || changed || uptime.saturating_sub(state.saved_at) >= CLOCK_SAVE_INTERVAL {
            state.saved_at = uptime;
            self.save_clock(&state.time);
        }
        if changed && let Some(doubt) = doubt {
            tracing::warn!("{doubt}; nothing goes by age until it was steady for an hour");
        }
        if changed || doubt.is_some() {
            // Nobody listening is no error.
            let _ = self.events.send(Event::Clock(doubt));
        }
        state.time.now()
    }

    /// Begins where an earlier creel ended.
    fn restore_clock(&self, clock: Timestamp, age: u64) -> TrustedTime {
        let saved = std::fs::read_to_string(self.data_dir().join(CLOCK_FILE)).ok();
        let newest = self.store.page(0, 1).unwrap_or_default();
        let newest = newest.first().map(|row| row.received_at);
        TrustedTime::begin(clock, age, saved.as_deref(), newest)
    }

    fn save_clock(&self, time: &TrustedTime) {
        let path = self.data_dir().join(CLOCK_FILE);
        if let Err(error) = std::fs::write(path, time.to_state()) {
            tracing::debug!(%error, "the time that is believed cannot be saved");
        }
    }
}
