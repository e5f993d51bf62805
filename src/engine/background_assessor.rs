//! Verifies deliveries for the store within a time budget.
//!
//! The search for the cause of an invalid signature takes a millisecond or two,
//! and far more for large bodies and many secrets. Each search has a deadline.
//! If many such deliveries arrive at an endpoint, only some are searched; the
//! others have no cause in the list until they are opened.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::pin_file::PinFile;
use super::swap::Swap;
use crate::domain::assess::{Assessment, Assessor, Classification};
use crate::domain::doctor::Deadline;
use crate::domain::request::Request;
use crate::domain::timestamp::Timestamp;
use crate::store::Assess;

/// Timeout of one search in the background.
const SEARCH_TIMEOUT: Duration = Duration::from_millis(500);

/// Maximum search time that an endpoint can save up.
const MAX_SAVED_TIME: Duration = Duration::from_secs(1);

/// The reciprocal of the share of time for searches.
const TIME_DIVISOR: u32 = 5;

/// Duration of a verification without a search, which is not counted.
const FREE_TIME: Duration = Duration::from_micros(50);

/// Verifies deliveries for the store.
pub(super) struct BackgroundAssessor {
    assessor: Arc<Swap<Assessor>>,
    /// Records new pins. If set, assessments also replace those of stored
    /// deliveries.
    pinning: Option<PinFile>,
    /// By endpoint, so that no endpoint uses the time of another.
    allowances: Mutex<HashMap<Option<String>, SearchAllowance>>,
}

struct SearchAllowance {
    left: Duration,
    since: Instant,
}

impl BackgroundAssessor {
    pub(super) fn new(assessor: Arc<Swap<Assessor>>, pinning: Option<PinFile>) -> Self {
        Self {
            assessor,
            pinning,
            allowances: Mutex::default(),
        }
    }

    /// Pins the secret of an assessment if it has no pin yet; the next
    /// verification already uses the pin.
    fn pin_secret(&self, assessment: Assessment) -> Assessment {
        if let (Some(pinning), Some(pin)) = (&self.pinning, &assessment.pin) {
            pinning.add(pin.clone());
        }
        assessment
    }

    fn allowance<T>(
        &self,
        endpoint: Option<&str>,
        work: impl FnOnce(&mut SearchAllowance) -> T,
    ) -> T {
        let allowances = self.allowances.lock();
        let mut allowances = allowances.unwrap_or_else(PoisonError::into_inner);
        let full = || SearchAllowance {
            left: MAX_SAVED_TIME,
            since: Instant::now(),
        };
        let endpoint = endpoint.map(str::to_owned);
        work(allowances.entry(endpoint).or_insert_with(full))
    }
}

impl Assess for BackgroundAssessor {
    fn classify(
        &self,
        endpoint: Option<&str>,
        request: &Request,
        body_size: usize,
    ) -> Classification {
        self.assessor.get().classify(endpoint, request, body_size)
    }

    fn assess(&self, endpoint: Option<&str>, request: &Request, at: Timestamp) -> Assessment {
        let began = Instant::now();
        if !self.allowance(endpoint, |allowance| allowance.is_left(began)) {
            let assessor = self.assessor.get();
            return self.pin_secret(assessor.assess_minimal(endpoint, request, at));
        }
        let assessment = self.assess_again(endpoint, request, at);
        self.allowance(endpoint, |allowance| allowance.spend(began.elapsed()));
        assessment
    }

    fn assess_again(&self, endpoint: Option<&str>, request: &Request, at: Timestamp) -> Assessment {
        let began = Instant::now();
        let is_over = || began.elapsed() > SEARCH_TIMEOUT;
        let assessor = self.assessor.get();
        self.pin_secret(assessor.assess_until(endpoint, request, at, Deadline::new(&is_over)))
    }

    fn depends_on_order(&self) -> bool {
        self.pinning.is_some() && self.assessor.get().has_unpinned_secret()
    }

    fn stamp(&self) -> Option<[u8; 32]> {
        let reviews = self.pinning.is_some();
        reviews.then(|| self.assessor.get().stamp())
    }
}

impl SearchAllowance {
    /// Adds the time saved up until `now`; returns `true` if any is left.
    fn is_left(&mut self, now: Instant) -> bool {
        let saved = now.saturating_duration_since(self.since) / TIME_DIVISOR;
        self.left = MAX_SAVED_TIME.min(self.left + saved);
        self.since = now;
        !self.left.is_zero()
    }

    fn spend(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time.saturating_sub(FREE_TIME));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_time_is_available() {
        let start = Instant::now();
        let mut allowance = SearchAllowance {
            left: Duration::from_millis(10),
            since: start,
        };
        allowance.spend(FREE_TIME);
        assert!(allowance.is_left(start));
        allowance.spend(Duration::from_millis(11));
        assert!(!allowance.is_left(start));
        let later = start + Duration::from_millis(50);
        assert!(allowance.is_left(later));
        assert_eq!(allowance.left, Duration::from_millis(10));
        assert!(allowance.is_left(start + Duration::from_mins(1)));
        assert_eq!(allowance.left, MAX_SAVED_TIME);
    }
}
