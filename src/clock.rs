//! The only place that asks the time or for random bits.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::timestamp::Timestamp;

/// Something that knows what time it is.
pub trait Clock: Send + Sync + 'static {
    /// Returns the present moment.
    fn now(&self) -> Timestamp;

    /// Returns how much time has passed since some moment, whatever the
    /// machine's clock is set to.
    fn uptime(&self) -> Duration;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Clock for System {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Timestamp {
        let now = SystemTime::now();
        Timestamp(match now.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
        })
    }

    fn uptime(&self) -> Duration {
        static BEGAN: OnceLock<Instant> = OnceLock::new();
        BEGAN.get_or_init(Instant::now).elapsed()
    }
}

/// A clock that stands where it was put, for tests.
#[derive(Debug, Default)]
pub struct Fixed {
    now: AtomicI64,
    uptime_us: AtomicU64,
}

impl Fixed {
    /// Makes a clock that stands at `at`.
    pub const fn at(at: Timestamp) -> Self {
        Self {
            now: AtomicI64::new(at.0),
            uptime_us: AtomicU64::new(0),
        }
    }

    /// Moves the clock to `at`, though no time has passed.
    pub fn set(&self, at: Timestamp) {
        self.now.store(at.0, Ordering::Relaxed);
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.uptime_us.fetch_add(micros, Ordering::Relaxed);
        self.now.fetch_add(micros.cast_signed(), Ordering::Relaxed);
    }
}

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::Relaxed))
    }

    fn uptime(&self) -> Duration {
        Duration::from_micros(self.uptime_us.load(Ordering::Relaxed))
    }
}

/// Returns 128 random bits from the operating system, for ids.
///
/// Where the system gives none (it always does after boot), ids fall back to
/// the time alone, which keeps them unique within one store.
pub fn random_bits() -> u128 {
    let mut bytes = [0; 16];
    let _ = getrandom::fill(&mut bytes);
    u128::from_le_bytes(bytes)
}
