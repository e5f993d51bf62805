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
}

impl Answer {
    /// Makes an answer of which only the head is known.
    pub(super) fn new(head: &Parts) -> Self {
        let fields = head.headers.iter();
        Self {
            status: head.status.as_u16(),
            headers: fields.map(|(n, v)| (n.as_str(), v.as_bytes())).collect(),
            kept: Vec::new(),
            size: 0,
        }
    }

    /// Reads the body: keeps its beginning, counts the rest.
    pub(super) async fn read(&mut self, mut body: Incoming) -> Result<(), Fault> {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Fault::of_body(&error, self.size))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let room = KEPT_ANSWER_BYTES - self.kept.len();
            self.kept.extend_from_slice(&data[..data.len().min(room)]);
            self.size += data.len() as u64;
            if self.size >= COUNTED_BYTES {
                return Err(Fault::Endless(self.size));
            }
        }
        Ok(())
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
