//! Removes old deliveries periodically, based on a trusted clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::command::Event;
use super::local::{Local, run_blocking};
use crate::domain::timestamp::Timestamp;
use crate::domain::trusted_time::{ClockDoubt, TrustedTime};

/// Interval between two runs.
const PRUNE_INTERVAL: Duration = Duration::from_mins(1);

/// Interval between two runs while deliveries are refused because the disk is
/// full.
const FULL_DISK_PRUNE_INTERVAL: Duration = Duration::from_secs(2);

/// Interval between two saves of the trusted time.
const CLOCK_SAVE_INTERVAL: Duration = Duration::from_mins(10);

/// The name of the file in the data directory.
const CLOCK_FILE: &str = "clock";

/// The clock that retention by age uses.
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

    /// Returns why the clock is not trusted; `None` if it is.
    pub(super) fn doubt(&self) -> Option<ClockDoubt> {
        let state = self.lock();
        state.as_ref().and_then(|state| state.time.doubt())
    }
}

impl Local {
    /// Removes old deliveries periodically until `shutdown`.
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

    /// Removes the deliveries that exceed the retention limits.
    pub async fn prune(&self) {
        // The newest delivery must be indexed.
        self.store.settle_index().await;
        let now = run_blocking(|| self.believed_time());
        match self.store.retire(&self.keep, now).await {
            Ok(0) => {}
            Ok(gone) => {
                tracing::info!(gone, "old deliveries were removed");
                self.prune_queues();
            }
            Err(error) => tracing::warn!(%error, "old deliveries could not be removed"),
        }
    }

    /// Trusts the system clock on the user's request.
    pub(super) fn trust_clock(&self) {
        self.update_clock(TrustedTime::trust);
        self.store.want_room();
    }

    /// Returns the trusted time.
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
            tracing::warn!(
                "{doubt}; no delivery is removed by age until the clock was steady for an hour"
            );
        }
        if changed || doubt.is_some() {
            // An error means that there is no subscriber.
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
