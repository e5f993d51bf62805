//! How much the store may take on the disk.
//!
//! The journal gives room back by whole segments, so it is looked at before a
//! segment is begun. Retention is woken one segment ahead; where it is not fast
//! enough deliveries are held for a moment, and refused where all that is kept
//! must stay.

use tokio::sync::Notify;

/// How many times its rows a database may take before it is rewritten, where
/// room is limited.
const INDEX_GROWN: u64 = 2;

/// How much the store may take on the disk.
#[derive(Debug)]
pub(super) struct Room {
    /// How many bytes in all; `None`: without limit.
    limit: Option<u64>,
    segment_bytes: u64,
    /// Notified when old deliveries should go.
    pub(super) wanted: Notify,
}

/// Whether a segment may be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    Enough,
    /// For this one, but not for another.
    Scarce,
    None,
}

impl Room {
    pub(super) fn new(limit: Option<u64>, segment_bytes: u64) -> Self {
        Self {
            limit,
            segment_bytes,
            wanted: Notify::new(),
        }
    }

    /// Returns how many bytes there may be in all; `None`: without limit.
    pub(super) const fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// Returns how many bytes the database may take, given those of its rows;
    /// `None`: as many as usual.
    pub(super) fn index_bytes(&self, rows: u64) -> Option<u64> {
        self.limit
            .map(|_| (INDEX_GROWN * rows).max(self.segment_bytes))
    }

    /// Returns how many bytes the journal may take when a segment is begun,
    /// beside the database.
    fn journal_bytes(&self, index: u64) -> Option<u64> {
        let limit = self.limit?;
        let others = index.max(self.segment_bytes) + self.segment_bytes;
        let left = limit.saturating_sub(others);
        Some(left.max(self.segment_bytes))
    }

    /// Says whether a segment may be begun while journal and database take so
    /// many bytes.
    pub(super) fn space(&self, journal: u64, index: u64) -> Space {
        match self.journal_bytes(index) {
            Some(most) if journal > most => Space::None,
            Some(most) if journal + self.segment_bytes > most => Space::Scarce,
            _ => Space::Enough,
        }
    }

    /// Returns to how many bytes the journal is to shrink, where there may be
    /// `most` in all.
    pub(super) fn target(&self, most: u64, index: u64) -> u64 {
        self.journal_bytes(index)
            .map_or(most, |own| own.saturating_sub(self.segment_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: u64 = 256 << 10;

    #[test]
    fn journal_and_database_stay_within_the_limit_and_one_segment() {
        for limit in [1 << 20, 2 << 20, 3 << 20, 64 << 20] {
            let room = Room::new(Some(limit), SEGMENT);
            for index in (0..limit / 2).step_by(100_000) {
                let mut journal = 0;
                while room.space(journal, index) != Space::None {
                    journal += SEGMENT;
                }
                let all = journal + index;
                assert!(
                    all <= limit.max(index + 2 * SEGMENT) + SEGMENT,
                    "{limit}: {all}"
                );
                // There is room again once it has shrunk.
                let target = room.target(limit, index);
                assert!(target < journal);
                assert_ne!(room.space(target, index), Space::None);
            }
        }
        let unlimited = Room::new(None, SEGMENT);
        assert_eq!(unlimited.space(u64::MAX, u64::MAX), Space::Enough);
        assert_eq!(unlimited.target(7, 1), 7);
    }
}
