//! Takes a target's answer, however long it is, into bounded memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::HELD_BYTES;
use super::fault::Fault;
use crate::domain::attempt::{KEPT_ANSWER_BYTES, Response};
use crate::domain::headers::Headers;

/// How many bytes of an answer's body are read and counted; where there are
/// more, reading stops.
pub const COUNTED_BYTES: u64 = 128 * 1024 * 1024;

/// An answer as far as it was read.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    headers: Headers,
    kept: Vec<u8>,
    size: u64,
    room: Room,
    /// The place of what is held on the shelf.
    place: Option<Place>,
}

/// How an answer is listened to.
#[derive(Clone, Debug)]
pub(super) struct Hearing {
    /// How long its head may take.
    pub(super) first_byte: Duration,
    /// How much of it is taken.
    pub(super) room: Room,
}

/// How much of an answer's body is held, and how much is read, in bytes.
#[derive(Clone, Debug)]
pub(super) struct Room {
    held: usize,
    counted: u64,
    shelf: Option<Shelf>,
}

/// The bytes that all answers wanted whole hold together.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf(Arc<AtomicUsize>);

/// What one of them holds; given back when this is dropped.
#[derive(Debug)]
struct Place {
    shelf: Shelf,
    bytes: usize,
}

impl Place {
    /// Takes more bytes; says no where there are none left.
    fn grow(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        self.shelf.0.fetch_add(bytes, Ordering::Relaxed) + bytes <= HELD_BYTES
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shelf.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A body and its place on the shelf.
struct Shelved {
    body: Vec<u8>,
    _place: Place,
}

impl AsRef<[u8]> for Shelved {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Room {
    /// What is kept of every answer.
    pub(super) const KEPT: Self = Self {
        held: KEPT_ANSWER_BYTES,
        counted: COUNTED_BYTES,
        shelf: None,
    };

    /// All of the answer, up to so many bytes and what the shelf has room for.
    pub(super) fn whole(most: usize, shelf: &Shelf) -> Self {
        Self {
            held: most,
            counted: most as u64,
            shelf: Some(shelf.clone()),
        }
    }
}

impl Answer {
    /// Makes an answer of which only the head is known.
    pub(super) fn new(status: u16, headers: Headers, room: Room) -> Self {
        let place = |shelf: &Shelf| Place {
            shelf: shelf.clone(),
            bytes: 0,
        };
        Self {
            place: room.shelf.as_ref().map(place),
            status,
            headers,
            kept: Vec::new(),
            size: 0,
            room,
        }
    }

    /// Takes more of the body: keeps its beginning, counts the rest.
    pub(super) fn take(&mut self, data: &[u8]) -> Result<(), Fault> {
        let room = self.room.held - self.kept.len();
        let before = self.kept.capacity();
        self.kept.extend_from_slice(&data[..data.len().min(room)]);
        self.size += data.len() as u64;
        // What is small always has room: it is kept anyway.
        let taken = self.kept.capacity() - before;
        if taken > 0
            && self.kept.len() > KEPT_ANSWER_BYTES
            && let Some(place) = &mut self.place
            && !place.grow(taken)
        {
            return Err(Fault::NoRoom(self.size));
        }
        if self.size > self.room.counted {
            return Err(Fault::Endless(self.size));
        }
        Ok(())
    }

    /// Returns how many bytes of body came so far.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Returns what is kept of it, and all of the body that is held.
    pub(super) fn into_response(self) -> (Response, Bytes) {
        let held = match self.place {
            Some(place) if place.bytes > 0 => Bytes::from_owner(Shelved {
                body: self.kept,
                _place: place,
            }),
            _ => Bytes::from(self.kept),
        };
        let kept = if held.len() > KEPT_ANSWER_BYTES {
            // A copy, so that what is kept does not hold the rest.
            Bytes::copy_from_slice(&held[..KEPT_ANSWER_BYTES])
        } else {
            held.clone()
        };
        let response = Response {
            status: self.status,
            headers: self.headers,
            body: kept,
            body_size: self.size,
        };
        (response, held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_held_whole_share_their_room_and_give_it_back() {
        let shelf = Shelf::default();
        let answer = |shelf| Answer::new(200, Headers::new(), Room::whole(16 << 20, shelf));
        let used = || shelf.0.load(Ordering::Relaxed);
        let large = vec![7; 1 << 20];
        let mut first = answer(&shelf);
        first.take(&large).unwrap();
        let (response, body) = first.into_response();
        assert_eq!(used(), 1 << 20);
        assert_eq!(
            (response.body.len(), body.len()),
            (KEPT_ANSWER_BYTES, 1 << 20)
        );
        let copy = body.clone();
        drop(body);
        assert_eq!(used(), 1 << 20);
        drop((copy, response));
        assert_eq!(used(), 0);

        shelf.0.store(HELD_BYTES, Ordering::Relaxed);
        let mut none = answer(&shelf);
        assert_eq!(none.take(&large), Err(Fault::NoRoom(1 << 20)));
        drop(none);
        assert_eq!(used(), HELD_BYTES);
        let mut small = answer(&shelf);
        small.take(b"ok").unwrap();
        assert_eq!(small.into_response().1, "ok");
        assert_eq!(used(), HELD_BYTES);
    }
}
