//! Looks through a whole journal: what is there, and what is not any more.

use std::io;

use super::codec;
use super::journal::{Place, Record, Segments};
use super::record::Kind;
use crate::domain::text;

/// What a journal holds.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The good records, by number.
    pub(super) records: Vec<Found>,
    /// What is lost.
    pub(super) damage: Damage,
}

/// A good record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) number: u64,
    pub(super) kind: Kind,
    pub(super) place: Place,
    /// The delivery it is or belongs to; 0: none.
    pub(super) seq: u64,
}

/// What is lost of a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Deliveries, by their sequence numbers: from one to another, both lost.
    pub deliveries: Vec<(u64, u64)>,
    /// How many lost records were attempts or marks, or cannot be told.
    pub others: u64,
    /// How many bytes cannot be read.
    pub bytes: u64,
    /// How many deliveries can be read.
    pub readable: u64,
}

impl Damage {
    /// Returns how many deliveries are lost.
    pub fn count(&self) -> u64 {
        self.deliveries.iter().map(|(a, b)| b - a + 1).sum()
    }
}

/// Reads the whole journal. `known` is what is known from elsewhere to have
/// been there: the newest record's number and the newest delivery's.
pub(super) fn survey(segments: &Segments, known: (u64, u64)) -> io::Result<Survey> {
    let mut survey = Survey::default();
    let mut first = 1;
    for (segment, _) in segments.list()? {
        let mut good = 0;
        let scanned = segments.scan(segment, 0, &mut |record: Record| {
            good += u64::from(record.place.length);
            let payload = &record.payload;
            let seq = match record.kind {
                Kind::Delivery => codec::delivery_numbers(payload).map(|(seq, _)| seq),
                Kind::Attempt => codec::attempt(payload).map(|attempt| attempt.delivery_seq),
                Kind::Mark => codec::mark(payload).map(|_| 0),
                Kind::GiveUp => codec::seqs(payload).map(|_| 0),
                Kind::RetireAll | Kind::Retire => codec::retire(payload).map(|(_, kept)| {
                    first = first.max(kept);
                    0
                }),
            };
            if let Some(seq) = seq {
                survey.records.push(Found {
                    number: record.number,
                    kind: record.kind,
                    place: record.place,
                    seq,
                });
            }
            true
        })?;
        survey.damage.bytes += scanned.size.saturating_sub(good);
    }
    survey.records.sort_by_key(|found| found.number);
    survey.records.dedup_by_key(|found| found.number);
    survey.find_gaps(first, known);
    Ok(survey)
}

impl Survey {
    /// Finds the numbers that are missing, and the deliveries among them:
    /// those whose own numbers are missing at the same place.
    fn find_gaps(&mut self, first: u64, (last, last_seq): (u64, u64)) {
        let (mut number, mut missing) = (first, 0);
        let mut seq = (first == 1).then_some(0);
        let mut readable: Vec<u64> = Vec::new();
        for found in &self.records {
            missing += found.number.saturating_sub(number);
            number = found.number + 1;
            if found.kind != Kind::Delivery {
                continue;
            }
            readable.push(found.seq);
            // One carried to the journal's end has an old number.
            if seq.is_none_or(|seq| found.seq > seq) {
                let between = found.seq - seq.unwrap_or(found.seq - 1) - 1;
                self.damage.lose(missing, found.seq, between);
                (seq, missing) = (Some(found.seq), 0);
            }
        }
        missing += (last + 1).saturating_sub(number);
        let newest = last_seq.max(seq.unwrap_or_default());
        self.damage
            .lose(missing, newest + 1, newest - seq.unwrap_or(newest));
        readable.sort_unstable();
        readable.dedup();
        self.damage.readable = readable.len() as u64;
    }
}

impl Damage {
    /// Notes that so many records are missing before delivery `next`, and so
    /// many deliveries' numbers.
    fn lose(&mut self, records: u64, next: u64, deliveries: u64) {
        let deliveries = deliveries.min(records);
        if deliveries > 0 {
            self.deliveries.push((next - deliveries, next - 1));
        }
        self.others += records - deliveries;
    }

    /// Says whether nothing is lost.
    pub fn is_none(&self) -> bool {
        self.deliveries.is_empty() && self.others == 0
    }
}

impl std::fmt::Display for Damage {
    /// Says what is lost, and how much is not.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        /// How many stretches are named.
        const NAMED: usize = 8;
        if self.is_none() {
            let readable = text::thousands(self.readable);
            return write!(
                f,
                "The journal's records are not in order; {readable} deliveries can be read."
            );
        }
        let deliveries = match self.count() {
            0 => "No delivery is".to_owned(),
            1 => "1 delivery is".to_owned(),
            many => format!("{} deliveries are", text::thousands(many)),
        };
        write!(f, "{deliveries} damaged or gone")?;
        for (index, (from, to)) in self.deliveries.iter().take(NAMED).enumerate() {
            let before = if index == 0 { ": number " } else { ", " };
            write!(f, "{before}{from}")?;
            if to > from {
                write!(f, " to {to}")?;
            }
        }
        if self.deliveries.len() > NAMED {
            let more = self.deliveries.len() - NAMED;
            write!(f, " and {more} more stretches")?;
        }
        if self.others > 0 {
            let others = text::thousands(self.others);
            write!(f, "; so are {others} other records")?;
        }
        write!(f, "; {} can be read.", text::thousands(self.readable))
    }
}
