//! Which sequence numbers are there: runs without gaps. All that is kept is
//! one run; what retention spared below it are others.

use std::collections::{BTreeMap, BTreeSet};

/// Sequence numbers, as runs: the first number and how many follow on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Runs {
    by_first: BTreeMap<u64, u64>,
    count: u64,
    /// The first numbers of runs that began, ended or grew.
    changed: BTreeSet<u64>,
}

impl Runs {
    /// Returns how many numbers there are.
    pub(super) fn len(&self) -> u64 {
        self.count
    }

    /// Returns the runs: first number and length.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.by_first
            .iter()
            .map(|(first, length)| (*first, *length))
    }

    /// Returns the newest number.
    pub(super) fn newest(&self) -> Option<u64> {
        let (first, length) = self.by_first.last_key_value()?;
        Some(first + length - 1)
    }

    /// Says whether a number is there.
    pub(super) fn contains(&self, seq: u64) -> bool {
        self.around(seq).is_some()
    }

    /// Adds a number.
    pub(super) fn insert(&mut self, seq: u64) {
        if self.contains(seq) {
            return;
        }
        let mut run = (seq, 1);
        if let Some((first, length)) = seq.checked_sub(1).and_then(|before| self.around(before)) {
            run = (first, length + 1);
        }
        if let Some(length) = self.by_first.remove(&(seq + 1)) {
            run.1 += length;
            self.changed.insert(seq + 1);
        }
        self.set(run.0, run.1);
        self.count += 1;
    }

    /// Takes a number out.
    pub(super) fn remove(&mut self, seq: u64) {
        let Some((first, length)) = self.around(seq) else {
            return;
        };
        self.set(first, seq - first);
        self.set(seq + 1, first + length - 1 - seq);
        self.count -= 1;
    }

    fn set(&mut self, first: u64, length: u64) {
        if length == 0 {
            self.by_first.remove(&first);
        } else {
            self.by_first.insert(first, length);
        }
        self.changed.insert(first);
    }

    /// Takes what changed since it was last asked: the first number of every
    /// run that did, and its length; 0: there is none any more.
    pub(super) fn take_changes(&mut self) -> Vec<(u64, u64)> {
        std::mem::take(&mut self.changed)
            .into_iter()
            .map(|first| {
                (
                    first,
                    self.by_first.get(&first).copied().unwrap_or_default(),
                )
            })
            .collect()
    }

    /// Adds a run that is known to touch no other.
    pub(super) fn insert_run(&mut self, first: u64, length: u64) {
        self.by_first.insert(first, length);
        self.count += length;
    }

    /// Returns the numbers from the newest down, without the first `skip`.
    pub(super) fn newest_first(&self, mut skip: u64) -> impl Iterator<Item = u64> {
        let mut older = self.by_first.iter().rev();
        let mut newest = None;
        for (first, length) in older.by_ref() {
            if skip < *length {
                newest = Some(*first..first + length - skip);
                break;
            }
            skip -= length;
        }
        newest
            .into_iter()
            .chain(older.map(|(first, length)| *first..first + length))
            .flat_map(Iterator::rev)
    }

    /// Returns how many numbers are larger than this one.
    pub(super) fn newer_than(&self, seq: u64) -> u64 {
        let runs = self.by_first.iter().rev();
        runs.map(|(first, length)| (first + length).saturating_sub((seq + 1).max(*first)))
            .take_while(|newer| *newer > 0)
            .sum()
    }

    /// Returns the numbers from the oldest up.
    pub(super) fn oldest_first(&self) -> impl Iterator<Item = u64> {
        self.by_first
            .iter()
            .flat_map(|(first, length)| *first..first + length)
    }

    /// Returns the run that a number is in.
    fn around(&self, seq: u64) -> Option<(u64, u64)> {
        let (first, length) = self.by_first.range(..=seq).next_back()?;
        (seq - first < *length).then_some((*first, *length))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_a_set_of_numbers(
            steps in proptest::collection::vec((any::<bool>(), 1u64..30), 0..120),
            skip in 0usize..30,
        ) {
            let (mut runs, mut set) = (Runs::default(), BTreeSet::new());
            for (add, seq) in steps {
                if add {
                    runs.insert(seq);
                    set.insert(seq);
                } else {
                    runs.remove(seq);
                    set.remove(&seq);
                }
            }
            prop_assert_eq!(runs.len(), set.len() as u64);
            prop_assert_eq!(runs.newest(), set.last().copied());
            let newest: Vec<u64> = runs.newest_first(skip as u64).collect();
            let wanted: Vec<u64> = set.iter().rev().skip(skip).copied().collect();
            prop_assert_eq!(newest, wanted);
            for seq in 0..32 {
                let newer = set.iter().filter(|other| **other > seq).count();
                prop_assert_eq!(runs.newer_than(seq), newer as u64);
            }
            let oldest: Vec<u64> = runs.oldest_first().collect();
            prop_assert_eq!(oldest, set.into_iter().collect::<Vec<u64>>());
            let mut ends = runs.iter().map(|(first, length)| (first, first + length));
            let mut before = ends.next();
            for run in ends {
                prop_assert!(before.unwrap().1 < run.0, "runs touch");
                before = Some(run);
            }
        }
    }
}
