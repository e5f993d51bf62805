//! Bounds the memory of requests in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use memmap2::MmapMut;

/// A budget for the bytes of all requests of a server.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    held: AtomicU64,
    max_bytes: u64,
}

impl MemoryBudget {
    /// Creates an unused budget of `max_bytes`.
    pub(super) fn new(max_bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            held: AtomicU64::new(0),
            max_bytes,
        })
    }
}

/// The share of a budget that one request or connection uses. Returned to the
/// budget when dropped.
#[derive(Debug)]
pub(super) struct BytesGuard {
    budget: Arc<MemoryBudget>,
    bytes: u64,
}

impl BytesGuard {
    /// Creates a guard with an empty share.
    pub(super) fn new(budget: &Arc<MemoryBudget>) -> Self {
        Self {
            budget: Arc::clone(budget),
            bytes: 0,
        }
    }

    /// Sets the share to `bytes`. Returns `false` and leaves the share
    /// unchanged if the budget does not allow it.
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

/// Minimum declared length of a body that gets its own memory mapping, in
/// bytes. Its pages are allocated as they are filled and returned to the system
/// at once, while the allocator keeps freed memory for a while.
const MIN_MAPPED_BYTES: u64 = 256 << 10;

/// A body that is being received and counts towards a budget.
#[derive(Debug)]
pub(super) struct BodyBuffer {
    memory: Memory,
    guard: BytesGuard,
    /// The `content-length`, in bytes.
    declared: Option<u64>,
}

#[derive(Debug)]
enum Memory {
    Allocated(Vec<u8>),
    /// The mapping and the number of filled bytes.
    Mapped(MmapMut, usize),
}

impl BodyBuffer {
    /// Creates an empty buffer for a body of the declared length.
    pub(super) fn new(budget: &Arc<MemoryBudget>, declared: Option<u64>) -> Self {
        let mapped = declared
            .filter(|declared| *declared >= MIN_MAPPED_BYTES)
            .and_then(|declared| MmapMut::map_anon(usize::try_from(declared).ok()?).ok());
        Self {
            memory: match mapped {
                Some(mapped) => Memory::Mapped(mapped, 0),
                None => Memory::Allocated(Vec::new()),
            },
            guard: BytesGuard::new(budget),
            declared,
        }
    }

    pub(super) fn len(&self) -> u64 {
        match &self.memory {
            Memory::Allocated(bytes) => bytes.len() as u64,
            Memory::Mapped(_, filled) => *filled as u64,
        }
    }

    /// Appends bytes. Returns `false` and appends nothing if the budget or the
    /// declared length does not allow it.
    pub(super) fn append(&mut self, data: &[u8]) -> bool {
        let size = self.len() + data.len() as u64;
        match &mut self.memory {
            Memory::Allocated(bytes) => {
                if bytes.len() + data.len() > bytes.capacity() {
                    let room = reserve_bytes(size, self.declared);
                    // Counts the reserved capacity, not only the received
                    // bytes.
                    if !self.guard.set(room) {
                        return false;
                    }
                    bytes.reserve_exact((room as usize).saturating_sub(bytes.len()));
                }
                bytes.extend_from_slice(data);
            }
            Memory::Mapped(mapped, filled) => {
                let until = *filled + data.len();
                let Some(place) = mapped.get_mut(*filled..until) else {
                    return false;
                };
                if !self.guard.set(size) {
                    return false;
                }
                place.copy_from_slice(data);
                *filled = until;
            }
        }
        true
    }

    /// Returns the body. Its bytes count towards the budget until the last
    /// clone is dropped.
    pub(super) fn freeze(self) -> Bytes {
        if self.len() == 0 {
            return Bytes::new();
        }
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for BodyBuffer {
    fn as_ref(&self) -> &[u8] {
        match &self.memory {
            Memory::Allocated(bytes) => bytes,
            Memory::Mapped(mapped, filled) => &mapped[..*filled],
        }
    }
}

/// Returns the capacity to reserve for a body of which `size` bytes have
/// arrived: the declared length once a quarter of it is there, otherwise twice
/// the received size.
fn reserve_bytes(size: u64, declared: Option<u64>) -> u64 {
    match declared {
        Some(declared) if declared <= 4 * size => declared.max(size),
        _ => 2 * size,
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
        let full = |budget: &Arc<MemoryBudget>| !BytesGuard::new(budget).set(1);
        for (declared, size) in [(None, 50), (Some(100), 100), (Some(1 << 20), 1 << 20)] {
            let budget = MemoryBudget::new(size as u64);
            let mut buffer = BodyBuffer::new(&budget, declared);
            assert!(buffer.append(&vec![b'x'; size / 2]));
            assert!(buffer.append(&vec![b'x'; size / 2]));
            assert!(!buffer.append(b"y"));
            assert!(full(&budget));
            let body = buffer.freeze();
            assert_eq!(body, vec![b'x'; size]);
            let clone = body.slice(10..20);
            drop(body);
            assert!(full(&budget));
            assert_eq!(clone, vec![b'x'; 10]);
            drop(clone);
            assert!(!full(&budget));
        }
        let budget = MemoryBudget::new(100);
        assert!(BodyBuffer::new(&budget, Some(1 << 20)).freeze().is_empty());
    }

    #[test]
    fn a_large_body_counts_by_what_has_arrived() {
        let budget = MemoryBudget::new(3 << 20);
        let mut buffers: Vec<_> = (0..4)
            .map(|_| BodyBuffer::new(&budget, Some(10 << 20)))
            .collect();
        let data = vec![b'x'; 1 << 20];
        let allowed = buffers
            .iter_mut()
            .filter_map(|b| b.append(&data).then_some(()));
        assert_eq!(allowed.count(), 3);
    }
}
