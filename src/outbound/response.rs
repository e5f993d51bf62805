//! Reads a response of any length into bounded memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::MAX_BUFFERED_BYTES;
use super::error::SendError;
use crate::domain::attempt::{MAX_STORED_RESPONSE_BYTES, Response};
use crate::domain::headers::Headers;

/// Maximum number of bytes of a response's body that are read and counted.
/// Reading stops beyond it.
pub const MAX_READ_BYTES: u64 = 128 * 1024 * 1024;

/// A response as far as it was read.
#[derive(Debug)]
pub(super) struct PartialResponse {
    status: u16,
    headers: Headers,
    kept: Vec<u8>,
    size: u64,
    room: BodyLimits,
    /// The memory of the buffered body.
    permit: Option<MemoryPermit>,
}

/// How a response is read.
#[derive(Clone, Debug)]
pub(super) struct ReadOptions {
    /// The timeout for the head.
    pub(super) first_byte: Duration,
    /// The limits for the body.
    pub(super) room: BodyLimits,
}

/// How much of a response's body is kept and how much is read, in bytes.
#[derive(Clone, Debug)]
pub(super) struct BodyLimits {
    max_kept: usize,
    max_read: u64,
    memory: Option<ResponseMemory>,
}

/// The number of bytes that all buffered responses occupy.
#[derive(Clone, Debug, Default)]
pub(super) struct ResponseMemory(Arc<AtomicUsize>);

/// The memory of one buffered response, released when dropped.
#[derive(Debug)]
struct MemoryPermit {
    memory: ResponseMemory,
    bytes: usize,
}

impl MemoryPermit {
    /// Acquires more bytes. Returns `false` if the bound is exceeded.
    fn acquire(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        self.memory.0.fetch_add(bytes, Ordering::Relaxed) + bytes <= MAX_BUFFERED_BYTES
    }
}

impl Drop for MemoryPermit {
    fn drop(&mut self) {
        self.memory.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A body together with its memory permit.
struct BufferedBody {
    body: Vec<u8>,
    _permit: MemoryPermit,
}

impl AsRef<[u8]> for BufferedBody {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl BodyLimits {
    /// Keeps the excerpt that is stored with every attempt.
    pub(super) const EXCERPT: Self = Self {
        max_kept: MAX_STORED_RESPONSE_BYTES,
        max_read: MAX_READ_BYTES,
        memory: None,
    };

    /// Keeps the whole body, up to `most` bytes and what `memory` allows.
    pub(super) fn buffered(most: usize, memory: &ResponseMemory) -> Self {
        Self {
            max_kept: most,
            max_read: most as u64,
            memory: Some(memory.clone()),
        }
    }
}

impl PartialResponse {
    /// Creates a response of which only the head was read.
    pub(super) fn new(status: u16, headers: Headers, room: BodyLimits) -> Self {
        let permit = |memory: &ResponseMemory| MemoryPermit {
            memory: memory.clone(),
            bytes: 0,
        };
        Self {
            permit: room.memory.as_ref().map(permit),
            status,
            headers,
            kept: Vec::new(),
            size: 0,
            room,
        }
    }

    /// Processes more of the body: keeps its beginning and counts the rest.
    pub(super) fn take(&mut self, data: &[u8]) -> Result<(), SendError> {
        let room = self.room.max_kept - self.kept.len();
        let before = self.kept.capacity();
        self.kept.extend_from_slice(&data[..data.len().min(room)]);
        self.size += data.len() as u64;
        // A small body is stored anyway and needs no permit.
        let taken = self.kept.capacity() - before;
        if taken > 0
            && self.kept.len() > MAX_STORED_RESPONSE_BYTES
            && let Some(permit) = &mut self.permit
            && !permit.acquire(taken)
        {
            return Err(SendError::NoMemory(self.size));
        }
        if self.size > self.room.max_read {
            return Err(SendError::BodyTooLarge(self.size));
        }
        Ok(())
    }

    /// Returns the number of body bytes read so far.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Returns the response with an excerpt of its body, and the buffered body.
    pub(super) fn into_response(self) -> (Response, Bytes) {
        let max_kept = match self.permit {
            Some(permit) if permit.bytes > 0 => Bytes::from_owner(BufferedBody {
                body: self.kept,
                _permit: permit,
            }),
            _ => Bytes::from(self.kept),
        };
        let kept = if max_kept.len() > MAX_STORED_RESPONSE_BYTES {
            // A copy, so that what is kept does not hold the rest.
            Bytes::copy_from_slice(&max_kept[..MAX_STORED_RESPONSE_BYTES])
        } else {
            max_kept.clone()
        };
        let response = Response {
            status: self.status,
            headers: self.headers,
            body: kept,
            body_size: self.size,
        };
        (response, max_kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffered_responses_share_a_memory_bound() {
        let memory = ResponseMemory::default();
        let answer = |memory| {
            PartialResponse::new(200, Headers::new(), BodyLimits::buffered(16 << 20, memory))
        };
        let used = || memory.0.load(Ordering::Relaxed);
        let large = vec![7; 1 << 20];
        let mut first = answer(&memory);
        first.take(&large).unwrap();
        let (response, body) = first.into_response();
        assert_eq!(used(), 1 << 20);
        assert_eq!(
            (response.body.len(), body.len()),
            (MAX_STORED_RESPONSE_BYTES, 1 << 20)
        );
        let copy = body.clone();
        drop(body);
        assert_eq!(used(), 1 << 20);
        drop((copy, response));
        assert_eq!(used(), 0);

        memory.0.store(MAX_BUFFERED_BYTES, Ordering::Relaxed);
        let mut none = answer(&memory);
        assert_eq!(none.take(&large), Err(SendError::NoMemory(1 << 20)));
        drop(none);
        assert_eq!(used(), MAX_BUFFERED_BYTES);
        let mut small = answer(&memory);
        small.take(b"ok").unwrap();
        assert_eq!(small.into_response().1, "ok");
        assert_eq!(used(), MAX_BUFFERED_BYTES);
    }
}
