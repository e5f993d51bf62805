//! Finds deliveries by what a person typed.

use std::sync::atomic::Ordering;

use super::index::Sought;
use super::{FindError, ReadError, Store};
use crate::domain::id::Id;

impl Store {
    /// Finds a delivery by its id, a unique start or end of one of four or
    /// more characters, or `@latest`.
    ///
    /// # Errors
    /// [`FindError`].
    pub fn find(&self, text: &str) -> Result<u64, FindError> {
        if text == "@latest" {
            return self.runs().newest().ok_or(FindError::None);
        }
        if text.chars().count() < 4 {
            return Err(FindError::TooShort);
        }
        if let Some(seq) = self.find_whole(text)? {
            return Ok(seq);
        }
        let wanted = text.to_ascii_uppercase();
        let (mut found, mut count) = (None, 0);
        self.0.shared.index().heads(&mut |head| {
            let id = Id::from_bits(head.id).to_string();
            if id.starts_with(&wanted) || id.ends_with(&wanted) {
                found = Some(head.seq);
                count += 1;
            }
            true
        })?;
        match (found, count) {
            (Some(seq), 1) => Ok(seq),
            (Some(_), _) => Err(FindError::Ambiguous(count)),
            (None, _) => Err(FindError::None),
        }
    }

    /// Finds a delivery by its whole id: ids rise with the numbers, and who
    /// asks for many asks for them in a row.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn find_whole(&self, text: &str) -> Result<Option<u64>, ReadError> {
        let Ok(id) = text.parse::<Id>() else {
            return Ok(None);
        };
        let bounds = {
            let runs = self.runs();
            let first = runs.iter().next().map(|(first, _)| first);
            first.zip(runs.newest())
        };
        let Some((mut low, newest)) = bounds else {
            return Ok(None);
        };
        let mut high = newest + 1;
        let index = self.0.shared.index();
        let mut place = self.0.found.load(Ordering::Relaxed);
        let mut beside = true;
        while low < high {
            if place < low || place >= high {
                place = low + (high - low) / 2;
            }
            match index.seek(place, id.bits())? {
                Sought::At(seq) => {
                    self.0.found.store(seq, Ordering::Relaxed);
                    return Ok(Some(seq));
                }
                Sought::Nowhere => return Ok(None),
                Sought::Before(first) => high = first,
                Sought::Behind(last) => low = last.max(place) + 1,
            }
            // The block behind the last one comes next; then it is halved.
            place = if std::mem::take(&mut beside) {
                low
            } else {
                high
            };
        }
        Ok(None)
    }
}
