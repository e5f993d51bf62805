//! What the index keeps of one delivery, as bytes.
//!
//! ```text
//! place(20) · first attempt's place(20) · refused(1) · event(8) · arrival before(8)
//! · summary
//! ```
//!
//! A place is segment(8) · offset(8) · length(4). Zeros stand for "none":
//! numbers begin at 1, and no hash is zero.

use super::codec::{self, Reader, Writer};
use super::journal::Place;
use crate::domain::summary::Summary;

/// The hash that tells the arrivals of one event from others: half of the
/// event key's, which is enough for grouping and halves what is in memory.
pub(super) type Group = u64;

/// How many bytes a row has mostly.
const USUAL: usize = 384;

/// What is kept of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) summary: Summary,
    /// Where its record lies.
    pub(super) place: Place,
    /// Where the record of its first attempt lies. Few have more than one.
    pub(super) first_attempt: Option<Place>,
    /// The event it belongs to.
    pub(super) group: Option<Group>,
    /// The arrival of the same event before this one.
    pub(super) previous: Option<u64>,
}

/// What can be told of a row without reading its summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) place: Place,
    pub(super) first_attempt: Option<Place>,
    pub(super) group: Option<Group>,
    pub(super) previous: Option<u64>,
    pub(super) seq: u64,
    /// The delivery's id, as its bits.
    pub(super) id: u128,
    /// Whether it was refused as it came.
    pub(super) refused: bool,
}

impl Row {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut w = Writer::with_room(USUAL);
        write_place(&mut w, self.place);
        write_place(&mut w, self.first_attempt.unwrap_or(NOWHERE));
        w.u8(u8::from(self.summary.refused.is_some()));
        w.u64(self.group.unwrap_or_default());
        w.u64(self.previous.unwrap_or_default());
        codec::write_summary(&mut w, &self.summary);
        w.0
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (head, summary) = head(bytes)?;
        Some(Self {
            summary: codec::summary(summary)?,
            place: head.place,
            first_attempt: head.first_attempt,
            group: head.group,
            previous: head.previous,
        })
    }
}

impl Head {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        head(bytes).map(|(head, _)| head)
    }
}

/// Stands for no place.
const NOWHERE: Place = Place {
    segment: 0,
    offset: 0,
    length: 0,
};

/// Reads the head and returns the summary's bytes behind it.
pub(super) fn head(bytes: &[u8]) -> Option<(Head, &[u8])> {
    let mut r = Reader(bytes);
    let place = read_place(&mut r)?;
    let first_attempt = read_place(&mut r)?;
    let refused = r.u8()? != 0;
    let group = r.u64()?;
    let previous = r.u64()?;
    let summary = r.0;
    let head = Head {
        place,
        first_attempt: (first_attempt != NOWHERE).then_some(first_attempt),
        group: (group != 0).then_some(group),
        previous: (previous != 0).then_some(previous),
        seq: r.u64()?,
        id: r.u128()?,
        refused,
    };
    Some((head, summary))
}

/// Writes where a record lies.
pub(super) fn write_place(w: &mut Writer, place: Place) {
    w.u64(place.segment);
    w.u64(place.offset);
    w.u32(place.length);
}

/// Reads where a record lies.
pub(super) fn read_place(r: &mut Reader<'_>) -> Option<Place> {
    Some(Place {
        segment: r.u64()?,
        offset: r.u64()?,
        length: r.u32()?,
    })
}
