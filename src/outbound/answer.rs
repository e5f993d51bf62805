//! Takes a target's answer, however long it is, into bounded memory.

use std::time::Duration;

use bytes::Bytes;

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
}

/// How an answer is listened to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hearing {
    /// How long its head may take.
    pub(super) first_byte: Duration,
    /// How much of it is taken.
    pub(super) room: Room,
}

/// How much of an answer's body is held, and how much is read, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    held: usize,
    counted: u64,
}

impl Room {
    /// What is kept of every answer.
    pub(super) const KEPT: Self = Self {
        held: KEPT_ANSWER_BYTES,
        counted: COUNTED_BYTES,
    };

    /// All of the answer, up to so many bytes.
    pub(super) const fn whole(most: usize) -> Self {
        Self {
            held: most,
            counted: most as u64,
        }
    }
}

impl Answer {
    /// Makes an answer of which only the head is known.
    pub(super) const fn new(status: u16, headers: Headers, room: Room) -> Self {
        Self {
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
        self.kept.extend_from_slice(&data[..data.len().min(room)]);
        self.size += data.len() as u64;
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
        let held = Bytes::from(self.kept);
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
