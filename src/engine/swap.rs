//! A value that many read at once and few replace.

use std::sync::{Arc, PoisonError, RwLock};

/// A value that can be replaced while others still use the one before.
#[derive(Debug)]
pub(super) struct Swap<T>(RwLock<Arc<T>>);

impl<T> Swap<T> {
    pub(super) fn new(value: T) -> Self {
        Self(RwLock::new(Arc::new(value)))
    }

    /// Returns the value there is now.
    pub(super) fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the value by one made of it; `None` leaves it. Nobody replaces
    /// it in between. Returns the value there was.
    pub(super) fn update(&self, change: impl FnOnce(&T) -> Option<T>) -> Arc<T> {
        let mut value = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = Arc::clone(&value);
        if let Some(new) = change(&before) {
            *value = Arc::new(new);
        }
        before
    }
}
