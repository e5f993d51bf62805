//! Bounds the memory that requests under way take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

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

    /// Makes a body whose bytes count until its last clone is dropped, wherever
    /// that waits.
    pub(super) fn guard(self, body: Vec<u8>) -> Bytes {
        if body.is_empty() {
            return Bytes::new();
        }
        Bytes::from_owner(GuardedBody { body, _guard: self })
    }
}

/// A body and the share of the budget that it takes.
struct GuardedBody {
    body: Vec<u8>,
    _guard: BytesGuard,
}

impl AsRef<[u8]> for GuardedBody {
    fn as_ref(&self) -> &[u8] {
        &self.body
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

    #[test]
    fn a_body_counts_until_its_last_clone_is_dropped() {
        let budget = MemoryBudget::new(100);
        let mut guard = BytesGuard::new(&budget);
        assert!(guard.set(60));
        let body = guard.guard(vec![b'x'; 50]);
        let clone = body.slice(10..20);
        drop(body);
        assert!(!BytesGuard::new(&budget).set(41));
        assert_eq!(clone, vec![b'x'; 10]);
        drop(clone);
        assert!(BytesGuard::new(&budget).set(100));
        let empty = BytesGuard::new(&budget).guard(Vec::new());
        assert!(empty.is_empty());
    }
}
