//! A trusted clock for retention by age. The system clock may be wrong, and
//! deliveries that were deleted because of it cannot be restored.
//!
//! The clock starts at the time that was trusted before and advances with the
//! elapsed time. If the system clock disagrees, it is doubted until it has been
//! steady for an hour or a user confirms it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::text::span;
use super::timestamp::Timestamp;

/// How long a doubted clock must be steady before it is trusted, in
/// microseconds.
const STEADY_MICROS: i64 = 3_600 * SECOND_MICROS;

/// The maximum tolerated deviation of the clock, in microseconds.
const MAX_TOLERANCE_MICROS: i64 = 86_400 * SECOND_MICROS;

/// The minimum deviation that makes the clock doubtful, in microseconds.
const MIN_TOLERANCE_MICROS: i64 = 60 * SECOND_MICROS;

const SECOND_MICROS: i64 = 1_000_000;

/// A time that is safe to use for retention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedTime {
    believed: Timestamp,
    /// The system clock at the last observation.
    clock: Timestamp,
    /// How long the doubted clock has been steady, in microseconds; `None` if
    /// it is not doubted.
    doubted: Option<i64>,
    tolerance: i64,
}

/// Why retention by age is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockDoubt {
    /// How far the system clock is ahead of the trusted time, in seconds.
    pub ahead_seconds: i64,
    /// How long the system clock must stay steady until it is trusted, in
    /// seconds.
    pub steady_seconds: u64,
}

impl fmt::Display for ClockDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.ahead_seconds < 0 {
            "behind"
        } else {
            "ahead of"
        };
        let by = span(self.ahead_seconds.unsigned_abs());
        write!(f, "the clock is {by} {way} the expected time")
    }
}

impl TrustedTime {
    /// Starts at the system time, with a retention of `age_seconds`. `before`
    /// is the state that an earlier run [saved](Self::to_state); `newest` is
    /// the arrival of the newest delivery.
    pub fn begin(
        clock: Timestamp,
        age_seconds: u64,
        before: Option<&str>,
        newest: Option<Timestamp>,
    ) -> Self {
        let age = i64::try_from(age_seconds).unwrap_or(i64::MAX);
        let tolerance = age
            .saturating_mul(SECOND_MICROS / 10)
            .clamp(MIN_TOLERANCE_MICROS, MAX_TOLERANCE_MICROS);
        let near = |a: Timestamp, b: Timestamp| a.0.abs_diff(b.0) <= tolerance.cast_unsigned();
        let saved = before.and_then(read);
        // A delivery that arrived after the state was last saved, if that is
        // plausible.
        let newest = newest.filter(|newest| saved.is_none_or(|saved| near(saved.0, *newest)));
        let known = saved.map(|saved| saved.0).max(newest);
        let believed = known.unwrap_or(clock);
        let mut time = Self {
            believed,
            clock,
            doubted: None,
            tolerance,
        };
        if near(clock, believed) {
            time.believed = clock;
        } else {
            // A clock that continues where it was doubted has been steady in
            // between.
            let steady = saved.and_then(|(_, at, steady)| steady.filter(|_| near(at, clock)));
            time.doubted = Some(steady.unwrap_or(0));
        }
        time
    }

    /// Observes the system clock after `elapsed` time.
    pub fn observe(&mut self, clock: Timestamp, elapsed: Duration) {
        let elapsed = i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX);
        let expected = self.clock.0.saturating_add(elapsed);
        let is_steady = clock.0.abs_diff(expected) <= self.tolerance.cast_unsigned();
        self.clock = clock;
        self.believed = Timestamp(self.believed.0.saturating_add(elapsed));
        match &mut self.doubted {
            None if is_steady => self.believed = clock,
            Some(steady) if is_steady => {
                *steady = steady.saturating_add(elapsed);
                if *steady >= STEADY_MICROS {
                    self.trust();
                }
            }
            doubted => *doubted = Some(0),
        }
    }

    /// Trusts the system clock as it is.
    pub const fn trust(&mut self) {
        self.believed = self.clock;
        self.doubted = None;
    }

    /// Returns the trusted time. Deliveries that arrive while the system clock
    /// is slow must not look old.
    pub fn now(&self) -> Timestamp {
        self.believed.min(self.clock)
    }

    /// Returns why the system clock is doubted, if it is.
    pub fn doubt(&self) -> Option<ClockDoubt> {
        let steady = self.doubted?;
        Some(ClockDoubt {
            ahead_seconds: self.clock.0.saturating_sub(self.believed.0) / SECOND_MICROS,
            steady_seconds: (STEADY_MICROS.saturating_sub(steady) / SECOND_MICROS).unsigned_abs(),
        })
    }

    /// Serializes the state for the next run.
    pub fn to_state(&self) -> String {
        let steady = self
            .doubted
            .map_or_else(|| "-".to_owned(), |s| s.to_string());
        format!("{} {} {steady}\n", self.believed.0, self.clock.0)
    }
}

/// Parses a saved state: the trusted time, the system time, and how long the
/// doubted clock has been steady.
fn read(saved: &str) -> Option<(Timestamp, Timestamp, Option<i64>)> {
    let mut parts = saved.split_whitespace();
    let mut time = || parts.next()?.parse().ok().map(Timestamp);
    let (believed, clock) = (time()?, time()?);
    let steady = match parts.next()? {
        "-" => None,
        steady => Some(steady.parse().ok()?),
    };
    Some((believed, clock, steady))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AGE: u64 = 30 * 86_400;
    const DAY: i64 = 86_400;
    const NOW: i64 = 1_790_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    fn begun(before: i64, clock: i64) -> TrustedTime {
        TrustedTime::begin(at(clock), AGE, None, Some(at(before)))
    }

    #[test]
    fn a_clock_that_goes_as_time_does_is_believed() {
        let mut time = begun(NOW - 3 * 3_600, NOW);
        for hour in 1..100 {
            // A clock is corrected by a minute now and then.
            time.observe(at(NOW + hour * 3_600 + hour * 50), Duration::from_hours(1));
            assert_eq!((time.now(), time.doubt()), (at(NOW + hour * 3_650), None));
        }
        // The very first start.
        let first = TrustedTime::begin(at(NOW), AGE, None, None);
        assert_eq!((first.now(), first.doubt()), (at(NOW), None));
    }

    #[test]
    fn a_jump_is_doubted_until_the_clock_was_steady_for_an_hour_or_is_trusted() {
        for jump in [3 * DAY, 400 * DAY, -3 * DAY, -400 * DAY] {
            let mut time = begun(NOW, NOW);
            time.observe(at(NOW + 60 + jump), Duration::from_mins(1));
            assert_eq!(time.now(), at(NOW + 60 + jump.min(0)), "{jump}");
            assert_eq!(time.doubt().unwrap().ahead_seconds, jump);
            let mut trusted = time.clone();
            trusted.trust();
            assert_eq!(
                (trusted.now(), trusted.doubt()),
                (at(NOW + 60 + jump), None)
            );
            for minute in 2..61 {
                time.observe(at(NOW + minute * 60 + jump), Duration::from_mins(1));
                assert_eq!(time.now(), at(NOW + minute * 60 + jump.min(0)), "{jump}");
            }
            time.observe(at(NOW + 61 * 60 + jump), Duration::from_mins(1));
            assert_eq!((time.now(), time.doubt()), (at(NOW + 61 * 60 + jump), None));
        }
    }

    #[test]
    fn a_start_after_a_long_pause_is_doubted_and_goes_on_being_so() {
        let mut time = begun(NOW, NOW + 40 * DAY);
        assert_eq!(time.now(), at(NOW));
        for minute in 1..=40 {
            time.observe(at(NOW + 40 * DAY + minute * 60), Duration::from_mins(1));
        }
        // A delivery that arrived at the doubted time proves nothing.
        let newest = Some(at(NOW + 40 * DAY + 2000));
        let clock = at(NOW + 40 * DAY + 50 * 60);
        let saved = time.to_state();
        let mut again = TrustedTime::begin(clock, AGE, Some(&saved), newest);
        assert_eq!(again.now(), at(NOW + 2_400));
        assert_eq!(again.doubt().unwrap().steady_seconds, 20 * 60);
        again.observe(
            Timestamp(clock.0 + 1_200 * SECOND_MICROS),
            Duration::from_mins(20),
        );
        assert_eq!(again.doubt(), None);
        // Once trusted, the clock is trusted after a restart as well.
        let next = TrustedTime::begin(clock, AGE, Some(&again.to_state()), newest);
        assert_eq!(next.doubt(), None);
        // An invalid state counts as no state.
        let odd = TrustedTime::begin(clock, AGE, Some("1 x"), newest);
        assert_eq!(odd.doubt(), None);
    }

    #[test]
    fn a_short_age_makes_a_small_jump_doubtful() {
        let hour = TrustedTime::begin(at(NOW), 3_600, None, Some(at(NOW - 600)));
        assert!(hour.doubt().is_some());
    }

    proptest! {
        #[test]
        fn no_clock_makes_it_panic_or_run_ahead(
            clocks in proptest::collection::vec(any::<i64>(), 1..20),
            begin in any::<i64>(),
        ) {
            let mut time = TrustedTime::begin(at(NOW), AGE, None, Some(at(NOW)));
            for clock in &clocks {
                time.observe(Timestamp(*clock), Duration::from_mins(1));
            }
            let passed = i64::try_from(clocks.len()).unwrap() * (60 + 2 * DAY);
            prop_assert!(time.now() <= at(NOW + passed));
            let _ = time.doubt();
            let again = TrustedTime::begin(Timestamp(begin), AGE, Some(&time.to_state()), None);
            let _ = again.doubt();
        }
    }
}
