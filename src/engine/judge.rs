//! Lets the store ask what the configuration says of a delivery, and sees to
//! it that the answers do not take too long.
//!
//! Why a signature does not hold is computed, which takes a millisecond or
//! two. While many such deliveries come at once only some are looked into; of
//! the others the list shows the verdict without a cause, until somebody
//! looks at them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::swap::Swap;
use crate::domain::assess::{Assessment, Assessor};
use crate::domain::request::Request;
use crate::domain::timestamp::Timestamp;
use crate::store::Assess;

/// How much time for looking into deliveries is saved up at the most.
const SAVED: Duration = Duration::from_secs(1);

/// One part in so many of the time goes into it.
const SHARE: u32 = 5;

/// What any delivery takes, and is not counted.
const FREE: Duration = Duration::from_micros(50);

/// Assesses deliveries for the store.
pub(super) struct Judge {
    assessor: Arc<Swap<Assessor>>,
    /// Whether what it says counts for what was judged before, too.
    reviews: bool,
    allowance: Mutex<Allowance>,
}

struct Allowance {
    left: Duration,
    since: Instant,
}

impl Judge {
    pub(super) fn new(assessor: Arc<Swap<Assessor>>, reviews: bool) -> Self {
        Self {
            assessor,
            reviews,
            allowance: Mutex::new(Allowance {
                left: SAVED,
                since: Instant::now(),
            }),
        }
    }

    fn allowance(&self) -> std::sync::MutexGuard<'_, Allowance> {
        self.allowance
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Assess for Judge {
    fn assess(&self, endpoint: Option<&str>, request: &Request, at: Timestamp) -> Assessment {
        let began = Instant::now();
        if !self.allowance().is_left(began) {
            return self.assessor.get().glance(endpoint, request, at);
        }
        let assessment = self.assessor.get().assess(endpoint, request, at);
        self.allowance().spend(began.elapsed());
        assessment
    }

    fn assess_again(&self, endpoint: Option<&str>, request: &Request, at: Timestamp) -> Assessment {
        self.assessor.get().assess(endpoint, request, at)
    }

    fn stamp(&self) -> Option<[u8; 32]> {
        self.reviews.then(|| self.assessor.get().stamp())
    }
}

impl Allowance {
    /// Adds what has been saved up by `now`; says whether any is left.
    fn is_left(&mut self, now: Instant) -> bool {
        let saved = now.saturating_duration_since(self.since) / SHARE;
        self.left = SAVED.min(self.left + saved);
        self.since = now;
        !self.left.is_zero()
    }

    fn spend(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time.saturating_sub(FREE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_time_may_be_spent() {
        let start = Instant::now();
        let mut allowance = Allowance {
            left: Duration::from_millis(10),
            since: start,
        };
        allowance.spend(FREE);
        assert!(allowance.is_left(start));
        allowance.spend(Duration::from_millis(11));
        assert!(!allowance.is_left(start));
        let later = start + Duration::from_millis(50);
        assert!(allowance.is_left(later));
        assert_eq!(allowance.left, Duration::from_millis(10));
        assert!(allowance.is_left(start + Duration::from_mins(1)));
        assert_eq!(allowance.left, SAVED);
    }
}
