//! Reads a target's answer, however long it is, into bounded memory.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::http::response::Parts;

use super::fault::Fault;
use crate::domain::attempt::{KEPT_ANSWER_BYTES, Response};
use crate::domain::headers::Headers;

/// How many bytes of an answer's body are counted; then reading stops.
pub const COUNTED_BYTES: u64 = 8 * 1024 * 1024;

/// An answer as far as it was read.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    headers: Headers,
    kept: Vec<u8>,
    size: u64,
    room: Room,
}

/// How much of an answer's body is held, and how much is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) held: usize,
    pub(super) counted: u64,
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
            counted: most as u64 + 1,
        }
    }
}

impl Answer {
    /// Makes an answer of which only the head is known.
    pub(super) fn new(head: &Parts, room: Room) -> Self {
        let fields = head.headers.iter();
        Self {
            status: head.status.as_u16(),
            headers: fields.map(|(n, v)| (n.as_str(), v.as_bytes())).collect(),
            kept: Vec::new(),
            size: 0,
            room,
        }
    }

    /// Reads the body: keeps its beginning, counts the rest.
    pub(super) async fn read(&mut self, mut body: Incoming) -> Result<(), Fault> {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Fault::of_body(&error, self.size))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let room = self.room.held - self.kept.len();
            self.kept.extend_from_slice(&data[..data.len().min(room)]);
            self.size += data.len() as u64;
            if self.size >= self.room.counted {
                return Err(Fault::Endless(self.size));
            }
        }
        Ok(())
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
