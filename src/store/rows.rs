//! Looks up rows that are mostly wanted one behind the other.

use std::time::{Duration, Instant};

use super::block::Block;
use super::index::Index;
use super::journal::Place;
use super::row::{self, Row};
use super::shared::Shared;
use super::{ReadError, codec};
use crate::domain::delivery::RecordedResponse;
use crate::domain::verification::Status;

/// A delivery that was looked up and can be read.
#[derive(Clone, Copy, Debug)]
pub struct Listed {
    /// Its sequence number.
    pub seq: u64,
    /// What is known of its signature.
    pub status: Status,
    /// How many attempts it has; `None`: the index does not know all of them yet.
    pub attempts: Option<u32>,
    pub(super) answer: RecordedResponse,
    pub(super) place: Place,
}

impl Listed {
    /// Returns how many bytes it takes to read it, about.
    pub const fn size(&self) -> u32 {
        self.place.length
    }
}

/// How long what a block said is taken for true.
const FRESH: Duration = Duration::from_millis(50);

/// The block of rows that was looked into last.
#[derive(Default)]
pub struct Rows(Option<Looked>);

struct Looked {
    first: u64,
    last: u64,
    block: Block,
    at: Instant,
    /// Whether the index knew all of it then.
    whole: bool,
}

impl Rows {
    /// Returns a row.
    pub(super) fn find(&mut self, index: &Index, seq: u64) -> Result<Option<Row>, ReadError> {
        let bytes = self.look(index, seq, || true)?.map(|(bytes, _)| bytes);
        bytes
            .map(|bytes| Row::read(bytes).ok_or(ReadError::Index))
            .transpose()
    }

    /// Returns what is needed to read a delivery.
    pub(super) fn listed(
        &mut self,
        shared: &Shared,
        seq: u64,
    ) -> Result<Option<Listed>, ReadError> {
        let found = self.look(&shared.index(), seq, || shared.is_whole())?;
        found
            .map(|(bytes, whole)| listed(seq, bytes, whole).ok_or(ReadError::Index))
            .transpose()
    }

    /// Returns a row's bytes, and whether the index knew all of it as it was
    /// looked up; `is_whole` says whether it does now.
    fn look(
        &mut self,
        index: &Index,
        seq: u64,
        is_whole: impl Fn() -> bool,
    ) -> Result<Option<(&[u8], bool)>, ReadError> {
        let whole = is_whole();
        let here = |looked: &Looked| {
            (looked.first..=looked.last).contains(&seq)
                && looked.at.elapsed() < FRESH
                && looked.whole == whole
        };
        if !self.0.as_ref().is_some_and(here) {
            self.0 = match index.block(seq)? {
                Some((first, block)) => Some(Looked {
                    first,
                    last: block.last().ok_or(ReadError::Index)?,
                    block,
                    at: Instant::now(),
                    // It may have been broken meanwhile.
                    whole: whole && is_whole(),
                }),
                None => None,
            };
        }
        match &self.0 {
            Some(looked) => {
                let bytes = looked.block.find_bytes(seq).ok_or(ReadError::Index)?;
                Ok(bytes.map(|bytes| (bytes, looked.whole)))
            }
            None => Ok(None),
        }
    }
}

fn listed(seq: u64, bytes: &[u8], whole: bool) -> Option<Listed> {
    let (head, summary) = row::head(bytes)?;
    let (status, answer, attempts) = codec::summary_brief(summary)?;
    Some(Listed {
        seq,
        status,
        attempts: whole.then_some(attempts),
        answer,
        place: head.place,
    })
}
