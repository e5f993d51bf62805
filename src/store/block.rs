//! Rows side by side in one value of the database, by sequence number.
//!
//! A database of a million small values spends its time on the values, not on
//! their bytes: putting a few of them together makes writing, opening and
//! scanning several times cheaper. They are much alike, so they are compressed.

use super::row::{Head, Row};

/// A block of so many bytes takes no more rows at its end. sled rewrites
/// sixteen values together and wants them under 7.5 KiB each.
const FULL: usize = 4 << 10;

/// A block is never larger: more is no block but damage.
const LARGEST: u32 = 1 << 20;

/// How many bytes stand before each row: its length.
const LENGTH: usize = 4;

/// Rows, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Block(Vec<u8>);

impl Block {
    /// Takes a value of the database; `None` where it cannot be read.
    pub(super) fn from_value(value: &[u8]) -> Option<Self> {
        let size = u32::from_le_bytes(*value.first_chunk()?);
        if size > LARGEST {
            return None;
        }
        lz4_flex::decompress_size_prepended(value).ok().map(Self)
    }

    /// Returns the value for the database.
    pub(super) fn value(&self) -> Vec<u8> {
        lz4_flex::compress_prepend_size(&self.0)
    }

    /// Returns how many bytes the rows take.
    pub(super) fn size(&self) -> usize {
        self.0.len()
    }

    /// Returns the bytes of every row, oldest first; an item of `None`, always
    /// the last: they cannot be read from there on.
    pub(super) fn rows(&self) -> impl Iterator<Item = Option<&[u8]>> {
        rows(&self.0)
    }

    /// Finds a row; the outer `None`: they cannot be read.
    #[expect(
        clippy::option_option,
        reason = "the outer one says whether the bytes could be read"
    )]
    pub(super) fn find(&self, seq: u64) -> Option<Option<Row>> {
        match self.find_bytes(seq)? {
            Some(row) => Row::read(row).map(Some),
            None => Some(None),
        }
    }

    /// Finds a row's bytes; the outer `None`: they cannot be read.
    #[expect(
        clippy::option_option,
        reason = "the outer one says whether the bytes could be read"
    )]
    pub(super) fn find_bytes(&self, seq: u64) -> Option<Option<&[u8]>> {
        for row in self.rows() {
            let row = row?;
            if Head::read(row)?.seq == seq {
                return Some(Some(row));
            }
        }
        Some(None)
    }

    /// Says whether a new row belongs in a block of its own.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= FULL
    }

    /// Says whether there is no row.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts a row behind all others.
    pub(super) fn push(&mut self, row: &Row) {
        append(&mut self.0, &row.write());
    }

    /// Returns the number of the last row; `None`: there is none, or they
    /// cannot be read.
    pub(super) fn last(&self) -> Option<u64> {
        let last = self.rows().last()??;
        Head::read(last).map(|head| head.seq)
    }

    /// Puts rows, oldest first, in their places among the others, or instead
    /// of those of the same numbers. Says no where the block cannot be read.
    pub(super) fn put(&mut self, new: &[Row]) -> Option<()> {
        let mut bytes = Vec::with_capacity(self.0.len() + 256 * new.len());
        let mut new = new.iter().peekable();
        for old in rows(&self.0) {
            let old = old?;
            let seq = Head::read(old)?.seq;
            let mut stays = true;
            while let Some(row) = new.next_if(|row| row.summary.seq <= seq) {
                append(&mut bytes, &row.write());
                stays = row.summary.seq != seq;
            }
            if stays {
                append(&mut bytes, old);
            }
        }
        for row in new {
            append(&mut bytes, &row.write());
        }
        self.0 = bytes;
        Some(())
    }

    /// Parts off the second half where the block has grown far too long, and
    /// returns it with its first number. Says no where it cannot be read.
    #[expect(
        clippy::option_option,
        reason = "the outer one says whether the bytes could be read"
    )]
    pub(super) fn split(&mut self) -> Option<Option<(u64, Self)>> {
        let (mut first, mut second, mut key) = (Vec::new(), Vec::new(), None);
        if self.0.len() < 2 * FULL {
            return Some(None);
        }
        for row in rows(&self.0) {
            let row = row?;
            if key.is_none() && first.len() < self.0.len() / 2 {
                append(&mut first, row);
            } else {
                key = key.or(Some(Head::read(row)?.seq));
                append(&mut second, row);
            }
        }
        let Some(key) = key else {
            return Some(None);
        };
        self.0 = first;
        Some(Some((key, Self(second))))
    }

    /// Keeps the rows of which `keep` says so. Says no where the block cannot be read.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Row) -> bool) -> Option<()> {
        let mut bytes = Vec::with_capacity(self.0.len());
        for row in rows(&self.0) {
            let row = row?;
            if keep(&Row::read(row)?) {
                append(&mut bytes, row);
            }
        }
        self.0 = bytes;
        Some(())
    }
}

fn rows(mut block: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    std::iter::from_fn(move || {
        if block.is_empty() {
            return None;
        }
        let row = split(&mut block);
        if row.is_none() {
            block = &[];
        }
        Some(row)
    })
}

fn split<'a>(block: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = block.split_at_checked(LENGTH)?;
    let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
    let (row, rest) = rest.split_at_checked(length)?;
    *block = rest;
    Some(row)
}

fn append(bytes: &mut Vec<u8>, row: &[u8]) {
    bytes.extend_from_slice(&(row.len() as u32).to_le_bytes());
    bytes.extend_from_slice(row);
}
