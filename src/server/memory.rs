//! Bounds the memory that requests under way take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes of requests a server may hold at once.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    held: AtomicU64,
    max_bytes: u64,
}

impl MemoryBudget {
    /// Makes a budget of `max_bytes`, none of which are taken.
    pub(super) fn new(max_bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            held: AtomicU64::new(0),
            max_bytes,
        })
    }
}

/// The share of a budget that one request or connection takes, given back when
/// this is dropped.
#[derive(Debug)]
pub(super) struct BytesGuard {
    budget: Arc<MemoryBudget>,
    bytes: u64,
}

impl BytesGuard {
    /// Makes a guard that takes nothing yet.
    pub(super) fn new(budget: &Arc<MemoryBudget>) -> Self {
        Self {
            budget: Arc::clone(budget),
            bytes: 0,
        }
    }

    /// Makes the share `bytes` large. Returns `false`, and leaves the share as
    /// it was, where the budget does not allow it.
    pub(super) fn set(&mut self, bytes: u64) -> bool {
        let held = &self.budget.held;
        if bytes == self.bytes {
            return true;
        }
        if let Some(less) = self.bytes.checked_sub(bytes) {
            held.fetch_sub(less, Ordering::Relaxed);
        } else {
            let more = bytes - self.bytes;
            if held.fetch_add(more, Ordering::Relaxed) + more > self.budget.max_bytes {
                held.fetch_sub(more, Ordering::Relaxed);
                return false;
            }
        }
        self.bytes = bytes;
        true
    }
}

impl Drop for BytesGuard {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_bounded_together_and_given_back() {
        let budget = MemoryBudget::new(100);
        let (mut one, mut two) = (BytesGuard::new(&budget), BytesGuard::new(&budget));
        assert!(one.set(60));
        assert!(!two.set(41));
        assert!(two.set(40));
        assert!(!one.set(61));
        assert!(one.set(10));
        assert!(two.set(90));
        drop(one);
        assert!(two.set(100));
        drop(two);
        assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    }
}
