//! What a record of the journal asks of the index.

use super::journal::{Place, Record, Segments};
use super::record::Kind;
use super::{ReadError, codec};
use crate::domain::assess::MAX_CLASSIFIED_BODY_BYTES;
use crate::domain::attempt::Attempt;
use crate::domain::delivery::Delivery;
use crate::domain::summary::Summary;

/// What is to be indexed.
pub(super) enum Work {
    Delivery(Box<Delivery>),
    /// One whose body was let go of, and how many bytes that has.
    Headers(Box<Delivery>, usize),
    /// A record to be read from the journal, and how long its answer took.
    Reread(Option<u64>),
    Attempt(Box<Attempt>),
    Mark(Vec<u64>, bool),
    /// Deliveries and records that are gone.
    Retire(Retired),
    /// Deliveries that no longer wait for an app.
    GiveUp(Vec<u64>),
}

/// What is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retired {
    /// Deliveries below this number, unless they are marked.
    pub(super) below: u64,
    /// Records below this number.
    pub(super) first: u64,
    /// Whether those that wait for an app stay.
    pub(super) spares_waiting: bool,
}

impl Retired {
    /// Says whether an old delivery stays all the same.
    pub(super) const fn spares(self, row: &Summary) -> bool {
        if self.spares_waiting {
            row.is_exempt_from_retention()
        } else {
            row.marked
        }
    }
}

impl Work {
    /// Lets go of what of a delivery need not be in memory until it is listed.
    pub(super) fn shed(mut delivery: Box<Delivery>) -> Self {
        let size = delivery.request.body.len();
        if size <= MAX_CLASSIFIED_BODY_BYTES {
            return Self::Reread(delivery.answer.duration_us);
        }
        delivery.request.body = bytes::Bytes::new();
        Self::Headers(delivery, size)
    }

    /// Returns how many bytes it holds in memory, near enough.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Delivery(delivery) => 512 + delivery.request.body.len(),
            Self::Headers(..) => 512,
            Self::Attempt(attempt) => 512 + attempt.response.as_ref().map_or(0, |r| r.body.len()),
            Self::Reread(_) | Self::Mark(..) | Self::GiveUp(_) | Self::Retire(_) => 64,
        }
    }
}

/// Something to be indexed, its record's number and place.
pub(super) type Item = (Work, u64, Place);

/// Reads what is to be indexed from the journal.
pub(super) fn reread(
    segments: &Segments,
    place: Place,
    duration_us: Option<u64>,
) -> Result<Work, ReadError> {
    let record = segments.read(place).map_err(ReadError::io)?;
    let work = record.as_ref().and_then(work_of);
    let mut work = work.ok_or(ReadError::Damaged(place.segment))?;
    if let Work::Delivery(delivery) = &mut work {
        delivery.answer.duration_us = duration_us;
    }
    Ok(work)
}

/// Reads a delivery from the journal; `None` where the record does not check.
pub(super) fn read_delivery(
    segments: &Segments,
    place: Place,
) -> Result<Option<Delivery>, ReadError> {
    let record = segments.read(place).map_err(ReadError::io)?;
    Ok(record
        .filter(|record| record.kind == Kind::Delivery)
        .and_then(|record| delivery_of(&record)))
}

/// Reads an attempt of a delivery from the journal; `None` where the record
/// does not check.
pub(super) fn read_attempt(
    segments: &Segments,
    place: Place,
    seq: u64,
) -> Result<Option<Attempt>, ReadError> {
    let record = segments.read(place).map_err(ReadError::io)?;
    Ok(record
        .filter(|record| record.kind == Kind::Attempt)
        .and_then(|record| codec::attempt(&record.payload))
        .filter(|attempt| attempt.delivery_seq == seq))
}

/// Reads the delivery in a record.
fn delivery_of(record: &Record) -> Option<Delivery> {
    let (head, body) = codec::delivery_parts(&record.payload)?;
    codec::delivery(head, record.payload.slice_ref(body))
}

/// Says what is to be indexed of a record read from the journal.
pub(super) fn work_of(record: &Record) -> Option<Work> {
    let payload = &record.payload;
    match record.kind {
        Kind::Delivery => delivery_of(record).map(|delivery| Work::Delivery(Box::new(delivery))),
        Kind::Attempt => codec::attempt(payload).map(|attempt| Work::Attempt(Box::new(attempt))),
        Kind::Mark => codec::mark(payload).map(|(seqs, marked)| Work::Mark(seqs, marked)),
        Kind::RetireAll | Kind::Retire => codec::retire(payload).map(|(below, first)| {
            Work::Retire(Retired {
                below,
                first,
                spares_waiting: record.kind == Kind::Retire,
            })
        }),
        Kind::GiveUp => codec::seqs(payload).map(Work::GiveUp),
    }
}
