//! Takes a target's answer, however long it is, into bounded memory.

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
}

impl Answer {
    /// Makes an answer of which only the head is known.
    pub(super) const fn new(status: u16, headers: Headers) -> Self {
        Self {
            status,
            headers,
            kept: Vec::new(),
            size: 0,
        }
    }

    /// Takes more of the body: keeps its beginning, counts the rest.
    pub(super) fn take(&mut self, data: &[u8]) -> Result<(), Fault> {
        let room = KEPT_ANSWER_BYTES - self.kept.len();
        self.kept.extend_from_slice(&data[..data.len().min(room)]);
        self.size += data.len() as u64;
        if self.size > COUNTED_BYTES {
            return Err(Fault::Endless(self.size));
        }
        Ok(())
    }

    /// Returns how many bytes of body came so far.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Returns what is kept of it.
    pub(super) fn into_response(self) -> Response {
        Response {
            status: self.status,
            headers: self.headers,
            body: Bytes::from(self.kept),
            body_size: self.size,
        }
    }
}
