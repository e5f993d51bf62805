//! A sorted map of bytes: a tree of the database, or one in memory where that
//! cannot be had.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use sled::IVec;

type Map = BTreeMap<Vec<u8>, IVec>;

/// A sorted map of bytes.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    /// On the disk.
    Disk(sled::Tree),
    /// In memory.
    Memory(Arc<RwLock<Map>>),
}

/// Changes that are made together; `None` removes a key.
#[derive(Debug, Default)]
pub(super) struct Batch(Vec<(Vec<u8>, Option<Vec<u8>>)>);

/// A key and its value.
type Entry = (IVec, IVec);

impl Batch {
    pub(super) fn insert(&mut self, key: &[u8], value: impl Into<Vec<u8>>) {
        self.0.push((key.to_vec(), Some(value.into())));
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        self.0.push((key.to_vec(), None));
    }
}

impl Tree {
    pub(super) fn in_memory() -> Self {
        Self::Memory(Arc::default())
    }

    pub(super) fn get(&self, key: &[u8]) -> sled::Result<Option<IVec>> {
        match self {
            Self::Disk(tree) => tree.get(key),
            Self::Memory(map) => Ok(read(map).get(key).cloned()),
        }
    }

    pub(super) fn set(&self, key: &[u8], value: Vec<u8>) -> sled::Result<()> {
        match self {
            Self::Disk(tree) => tree.insert(key, value).map(drop),
            Self::Memory(map) => {
                write(map).insert(key.to_vec(), value.into());
                Ok(())
            }
        }
    }

    pub(super) fn remove(&self, key: &[u8]) -> sled::Result<()> {
        match self {
            Self::Disk(tree) => tree.remove(key).map(drop),
            Self::Memory(map) => {
                write(map).remove(key);
                Ok(())
            }
        }
    }

    pub(super) fn apply(&self, batch: Batch) -> sled::Result<()> {
        match self {
            Self::Disk(tree) => {
                let mut changes = sled::Batch::default();
                for (key, value) in batch.0 {
                    match value {
                        Some(value) => changes.insert(key, value),
                        None => changes.remove(key),
                    }
                }
                tree.apply_batch(changes)
            }
            Self::Memory(map) => {
                let mut map = write(map);
                for (key, value) in batch.0 {
                    match value {
                        Some(value) => map.insert(key, value.into()),
                        None => map.remove(&key),
                    };
                }
                Ok(())
            }
        }
    }

    /// Returns the last entry before a key.
    pub(super) fn before(&self, key: &[u8]) -> sled::Result<Option<Entry>> {
        self.range(Bound::Unbounded, Bound::Excluded(key))
            .next_back()
            .transpose()
    }

    /// Returns all entries, by their keys.
    pub(super) fn entries(&self) -> Entries<'_> {
        self.range(Bound::Unbounded, Bound::Unbounded)
    }

    /// Returns the entries between two keys.
    pub(super) fn range(&self, from: Bound<&[u8]>, until: Bound<&[u8]>) -> Entries<'_> {
        match self {
            Self::Disk(tree) => Entries::Disk(Box::new(tree.range::<&[u8], _>((from, until)))),
            Self::Memory(map) => Entries::Memory {
                map,
                from: from.map(<[u8]>::to_vec),
                until: until.map(<[u8]>::to_vec),
            },
        }
    }
}

/// Entries of a tree. One in memory is asked anew for each, so that others may
/// change it meanwhile.
pub(super) enum Entries<'a> {
    Disk(Box<sled::Iter>),
    Memory {
        map: &'a RwLock<Map>,
        from: Bound<Vec<u8>>,
        until: Bound<Vec<u8>>,
    },
}

impl Entries<'_> {
    fn step(&mut self, back: bool) -> Option<sled::Result<Entry>> {
        let (map, from, until) = match self {
            Self::Disk(entries) if back => return entries.next_back(),
            Self::Disk(entries) => return entries.next(),
            Self::Memory { map, from, until } => (map, from, until),
        };
        if is_empty(from, until) {
            return None;
        }
        let (key, value) = {
            let map = read(map);
            let mut entries = map.range((from.clone(), until.clone()));
            let entry = if back {
                entries.next_back()
            } else {
                entries.next()
            };
            let (key, value) = entry?;
            (key.clone(), value.clone())
        };
        let entry = (IVec::from(key.as_slice()), value);
        if back {
            *until = Bound::Excluded(key);
        } else {
            *from = Bound::Excluded(key);
        }
        Some(Ok(entry))
    }
}

/// Says whether nothing can be between two bounds: a map does not take such.
fn is_empty(from: &Bound<Vec<u8>>, until: &Bound<Vec<u8>>) -> bool {
    match (from, until) {
        (Bound::Included(from), Bound::Included(until)) => from > until,
        (
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Included(until) | Bound::Excluded(until),
        ) => from >= until,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
    }
}

impl Iterator for Entries<'_> {
    type Item = sled::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(false)
    }
}

impl DoubleEndedIterator for Entries<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(true)
    }
}

fn read(map: &RwLock<Map>) -> RwLockReadGuard<'_, Map> {
    map.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(map: &RwLock<Map>) -> RwLockWriteGuard<'_, Map> {
    map.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(tree: &Tree) {
        let mut batch = Batch::default();
        for key in [1, 3, 5, 7, 9] {
            batch.insert(&[key], vec![key, key]);
        }
        batch.remove(&[9]);
        tree.apply(batch).unwrap();
    }

    #[test]
    fn memory_and_disk_tell_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let db = sled::open(folder.path()).unwrap();
        let trees = [Tree::Disk(db.open_tree("t").unwrap()), Tree::in_memory()];
        let told = trees.map(|tree| {
            filled(&tree);
            let mut told = Vec::new();
            for from in 0..10 {
                told.extend(tree.before(&[from]).unwrap());
                told.extend(
                    tree.get(&[from])
                        .unwrap()
                        .map(|value| (value.clone(), value)),
                );
                for until in from..10 {
                    let (a, b) = ([from], [until]);
                    let range = || tree.range(Bound::Included(&a), Bound::Excluded(&b));
                    told.extend(range().map(Result::unwrap));
                    told.extend(range().rev().map(Result::unwrap));
                }
            }
            told.extend(tree.entries().map(Result::unwrap));
            told
        });
        assert_eq!(told[0], told[1]);
        assert!(told[0].len() > 100);
    }
}
