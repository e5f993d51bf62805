//! Reading the list in the order of arrival, as it grows.

use std::sync::PoisonError;

use tokio::sync::watch;

use super::draft::group_of;
use super::{ReadError, Store};
use crate::domain::event_key::EventKey;
use crate::domain::summary::Summary;

impl Store {
    /// Gives rows to `each`, oldest first and younger than `after`, until it
    /// has had enough.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn scan_up(
        &self,
        after: u64,
        each: &mut dyn FnMut(&Summary) -> bool,
    ) -> Result<(), ReadError> {
        self.0
            .shared
            .index()
            .rows_upwards(after.saturating_add(1), &mut |row| each(&row.summary))
    }

    /// Returns what changes whenever more can be read.
    pub fn growth(&self) -> watch::Receiver<u64> {
        self.0.shared.indexed.subscribe()
    }

    /// Waits until the index is whole and all that is durable now can be
    /// read, however long that takes.
    pub async fn settle_whole(&self) {
        let mut starting = self.0.shared.starting.subscribe();
        let _ = starting.wait_for(|starting| !starting).await;
        let durable = *self.0.shared.durable.borrow();
        let mut indexed = self.0.shared.indexed.subscribe();
        let _ = indexed.wait_for(|number| *number >= durable).await;
    }

    /// Returns how many arrivals of an event are known so far.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn arrived(&self, key: &EventKey) -> Result<u32, ReadError> {
        let newest = {
            let events = &self.0.shared.events;
            let events = events.read().unwrap_or_else(PoisonError::into_inner);
            events.newest(group_of(key))
        };
        let Some(newest) = newest else {
            return Ok(0);
        };
        Ok(self.summary(newest)?.map_or(0, |row| row.arrival))
    }
}
