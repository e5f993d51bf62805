//! The newest arrival of every event, in memory.
//!
//! One entry a delivery that is not a repeat: the event's hash and a sequence
//! number, 16 bytes and a table's slack. The rest of an event's arrivals hang
//! one on the other in the rows.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::row::Group;

/// The newest arrival by event.
#[derive(Debug, Default)]
pub(super) struct Events(HashMap<Group, u64, BuildHasherDefault<Taken>>);

impl Events {
    /// Returns the newest arrival of an event.
    pub(super) fn newest(&self, group: Group) -> Option<u64> {
        self.0.get(&group).copied()
    }

    /// Notes an arrival; older ones than the known are passed over.
    pub(super) fn note(&mut self, group: Group, seq: u64) {
        let newest = self.0.entry(group).or_default();
        *newest = seq.max(*newest);
    }

    /// Forgets the events whose newest arrival is gone.
    pub(super) fn retain(&mut self, mut there: impl FnMut(u64) -> bool) {
        self.0.retain(|_, newest| there(*newest));
        self.0.shrink_to_fit();
    }
}

/// Takes the key for its own hash: it is part of one already.
#[derive(Default)]
struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}
