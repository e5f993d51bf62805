//! Provides a value that can be replaced while it is read.

use std::sync::{Arc, PoisonError, RwLock};

/// A value that can be replaced while readers keep the previous one.
#[derive(Debug)]
pub(super) struct Swap<T>(RwLock<Arc<T>>);

impl<T> Swap<T> {
    pub(super) fn new(value: T) -> Self {
        Self(RwLock::new(Arc::new(value)))
    }

    /// Returns the current value.
    pub(super) fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the value by the result of `change`; `None` keeps it. Updates
    /// are serialised. Returns the previous value.
    pub(super) fn update(&self, change: impl FnOnce(&T) -> Option<T>) -> Arc<T> {
        let mut value = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = Arc::clone(&value);
        if let Some(new) = change(&before) {
            *value = Arc::new(new);
        }
        before
    }
}
