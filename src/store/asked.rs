//! What is asked of the index's thread besides what the journal says, and what
//! it answers.

use tokio::sync::oneshot;

use super::ReadError;
use crate::domain::summary::Summary;
use crate::domain::verification::Status;

/// Which rows are meant.
pub(super) type Wanted = Box<dyn Fn(&Summary) -> bool + Send>;

/// Rows that somebody wants verified again.
pub(super) struct Asked {
    pub(super) wanted: Wanted,
    pub(super) done: oneshot::Sender<Result<Reassessed, ReadError>>,
}

/// What came of verifying rows again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reassessed {
    /// How many there are with each verdict, in the order of [`Status::ALL`].
    pub statuses: [u64; Status::ALL.len()],
    /// How many rows are not what they were.
    pub changed: u64,
}

impl Reassessed {
    /// Returns how many were verified.
    pub fn rows(&self) -> u64 {
        self.statuses.iter().sum()
    }

    pub(super) fn count(&mut self, status: Status) {
        let at = Status::ALL.iter().position(|s| *s == status);
        if let Some(count) = at.and_then(|at| self.statuses.get_mut(at)) {
            *count += 1;
        }
    }
}
