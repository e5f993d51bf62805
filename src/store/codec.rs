//! Values as bytes: little-endian numbers, texts with their length before them.
//!
//! Reading checks every length and gives `None` for what it cannot read, so
//! that damaged bytes are noticed and never a panic.

use bytes::Bytes;

use crate::domain::attempt::{
    Attempt, AttemptKind, EditedParts, Outcome, Response, RetryPosition, Signing,
};
use crate::domain::delivery::{Delivery, RecordedResponse, Responder};
use crate::domain::headers::Headers;
use crate::domain::id::Id;
use crate::domain::request::Request;
use crate::domain::summary::{LastAttempt, Summary};
use crate::domain::timestamp::Timestamp;
use crate::domain::verification::Status;

/// For how many header fields room is made before they are read.
const USUAL_FIELDS: u32 = 32;

/// How many bytes the head of a delivery has mostly, and an attempt without
/// bodies.
const USUAL: usize = 1024;

/// Bytes being written.
#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    /// Makes room for so many bytes.
    pub(super) fn with_room(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }
    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }
    pub(super) fn u16(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    pub(super) fn u128(&mut self, value: u128) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    fn bytes(&mut self, value: &[u8]) {
        self.u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
        self.0.extend_from_slice(value);
    }
    fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }
    pub(super) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }
    fn headers(&mut self, headers: &Headers) {
        self.u32(u32::try_from(headers.len()).unwrap_or(u32::MAX));
        for header in headers {
            self.text(header.name);
            self.bytes(header.value);
        }
    }
    fn answer(&mut self, answer: RecordedResponse) {
        self.u16(answer.status);
        self.u8(match answer.by {
            Responder::Creel => 0,
            Responder::Target => 1,
            Responder::CreelTargetDown => 2,
        });
        self.option(answer.duration_us, Self::u64);
    }
}

/// Bytes being read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }
    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }
    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }
    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }
    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
    pub(super) fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }
    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }
    fn bool(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.take(length as usize)
    }
    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }
    #[expect(
        clippy::option_option,
        reason = "the outer one says whether the bytes could be read"
    )]
    pub(super) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.bool()? {
            read(self).map(Some)
        } else {
            Some(None)
        }
    }
    fn headers(&mut self) -> Option<Headers> {
        let count = self.u32()?;
        let mut headers = Headers::with_capacity(count.min(USUAL_FIELDS) as usize);
        for _ in 0..count {
            headers.push(std::str::from_utf8(self.bytes()?).ok()?, self.bytes()?);
        }
        Some(headers)
    }
    fn answer(&mut self) -> Option<RecordedResponse> {
        let status = self.u16()?;
        let by = match self.u8()? {
            0 => Responder::Creel,
            1 => Responder::Target,
            2 => Responder::CreelTargetDown,
            _ => return None,
        };
        Some(RecordedResponse {
            status,
            by,
            duration_us: self.option(Self::u64)?,
        })
    }
}

/// Writes a delivery but for its body.
pub(super) fn delivery_head(delivery: &Delivery) -> Vec<u8> {
    let mut w = Writer::with_room(USUAL);
    w.u64(delivery.seq);
    w.u128(delivery.id.bits());
    w.i64(delivery.received_at.0);
    w.text(&delivery.remote_addr);
    w.option(delivery.endpoint.as_deref(), Writer::text);
    w.answer(delivery.answer);
    w.option(delivery.refused.as_deref(), Writer::text);
    let request = &delivery.request;
    w.text(&request.method);
    w.text(&request.path);
    w.option(request.query.as_deref(), Writer::text);
    w.text(&request.http_version);
    w.headers(&request.headers);
    w.0
}

/// Reads a delivery from its head and its body.
pub(super) fn delivery(head: &[u8], body: Bytes) -> Option<Delivery> {
    let mut r = Reader(head);
    let delivery = Delivery {
        seq: r.u64()?,
        id: Id::from_bits(r.u128()?),
        received_at: Timestamp(r.i64()?),
        remote_addr: r.text()?,
        endpoint: r.option(Reader::text)?,
        answer: r.answer()?,
        refused: r.option(Reader::text)?,
        request: Request {
            method: r.text()?,
            path: r.text()?,
            query: r.option(Reader::text)?,
            http_version: r.text()?,
            headers: r.headers()?,
            body,
        },
    };
    r.0.is_empty().then_some(delivery)
}

/// Writes an attempt.
pub(super) fn attempt_bytes(attempt: &Attempt) -> Vec<u8> {
    let answer = attempt.response.as_ref().map_or(0, |r| r.body.len());
    let mut w = Writer::with_room(USUAL + answer);
    w.u64(attempt.delivery_seq);
    w.u32(attempt.number);
    w.u128(attempt.id.bits());
    w.text(&attempt.target);
    w.i64(attempt.started_at.0);
    w.u8(match attempt.kind {
        AttemptKind::Forward => 0,
        AttemptKind::Resend => 1,
        AttemptKind::Retry => 2,
    });
    w.u8(match attempt.signing {
        Signing::Kept => 0,
        Signing::Fresh => 1,
    });
    w.u8(u8::from(attempt.edited.is_some()));
    w.headers(&attempt.sent_headers);
    w.u8(outcome_byte(attempt.outcome));
    w.option(attempt.response.as_ref(), |w, response| {
        w.u16(response.status);
        w.headers(&response.headers);
        w.bytes(&response.body);
        w.u64(response.body_size);
    });
    w.u64(attempt.duration_us);
    w.option(attempt.within_ack_timeout, |w, within| {
        w.u8(u8::from(within));
    });
    w.option(attempt.error.as_deref(), Writer::text);
    // What follows was not yet known to the first version; it reads both.
    if let Some(edited) = &attempt.edited {
        w.text(&edited.method);
        w.bytes(&edited.body);
    }
    if let Some(retry) = &attempt.retry {
        w.u32(retry.number);
        w.u32(retry.of);
        w.u32(retry.compress);
        w.i64(retry.began.0);
        w.i64(retry.due.0);
        w.option(retry.next, |w, next| w.i64(next.0));
        w.u32(retry.failures);
        w.text(&retry.to);
        if retry.insecure || retry.link_local {
            w.u8(u8::from(retry.insecure));
            w.u8(u8::from(retry.link_local));
        }
    }
    w.0
}

/// Reads an attempt.
pub(super) fn attempt(bytes: &[u8]) -> Option<Attempt> {
    let mut r = Reader(bytes);
    let mut attempt = Attempt {
        delivery_seq: r.u64()?,
        number: r.u32()?,
        id: Id::from_bits(r.u128()?),
        target: r.text()?,
        started_at: Timestamp(r.i64()?),
        kind: match r.u8()? {
            0 => AttemptKind::Forward,
            1 => AttemptKind::Resend,
            2 => AttemptKind::Retry,
            _ => return None,
        },
        signing: match r.u8()? {
            0 => Signing::Kept,
            1 => Signing::Fresh,
            _ => return None,
        },
        edited: r.bool()?.then(|| EditedParts {
            method: String::new(),
            body: Bytes::new(),
        }),
        sent_headers: r.headers()?,
        outcome: outcome(r.u8()?)?,
        response: r.option(|r| {
            Some(Response {
                status: r.u16()?,
                headers: r.headers()?,
                body: Bytes::copy_from_slice(r.bytes()?),
                body_size: r.u64()?,
            })
        })?,
        duration_us: r.u64()?,
        within_ack_timeout: r.option(Reader::bool)?,
        error: r.option(Reader::text)?,
        retry: None,
    };
    if let Some(edited) = &mut attempt.edited {
        edited.method = r.text()?;
        edited.body = Bytes::copy_from_slice(r.bytes()?);
    }
    if !r.0.is_empty() {
        attempt.retry = Some(RetryPosition {
            number: r.u32()?,
            of: r.u32()?,
            compress: r.u32()?,
            began: Timestamp(r.i64()?),
            due: Timestamp(r.i64()?),
            next: r.option(|r| r.i64().map(Timestamp))?,
            failures: r.u32()?,
            to: r.text()?,
            insecure: !r.0.is_empty() && r.bool()?,
            link_local: !r.0.is_empty() && r.bool()?,
        });
    }
    r.0.is_empty().then_some(attempt)
}

/// Writes a mark's payload.
pub(super) fn mark_bytes(seqs: &[u64], marked: bool) -> Vec<u8> {
    let mut bytes = vec![u8::from(marked)];
    bytes.extend(seqs_bytes(seqs));
    bytes
}

/// Writes sequence numbers.
pub(super) fn seqs_bytes(seqs: &[u64]) -> Vec<u8> {
    let mut w = Writer::with_room(8 * seqs.len());
    for seq in seqs {
        w.u64(*seq);
    }
    w.0
}

/// Reads sequence numbers.
pub(super) fn seqs(bytes: &[u8]) -> Option<Vec<u64>> {
    let (seqs, rest) = bytes.as_chunks();
    let seqs = seqs.iter().map(|seq| u64::from_le_bytes(*seq));
    rest.is_empty().then(|| seqs.collect())
}

/// Reads a mark's payload.
pub(super) fn mark(bytes: &[u8]) -> Option<(Vec<u64>, bool)> {
    let (marked, rest) = bytes.split_first()?;
    Some((seqs(rest)?, *marked == 1))
}

/// Writes that deliveries are gone: those numbered below `below` that
/// are not kept on; and with them the records below `first`.
pub(super) fn retire_bytes(below: u64, first: u64) -> Vec<u8> {
    let mut w = Writer::default();
    w.u64(below);
    w.u64(first);
    w.0
}

/// Reads which deliveries and which records are gone.
pub(super) fn retire(bytes: &[u8]) -> Option<(u64, u64)> {
    let mut r = Reader(bytes);
    let gone = (r.u64()?, r.u64()?);
    r.0.is_empty().then_some(gone)
}

/// Reads only a delivery's sequence number and id.
pub(super) fn delivery_numbers(payload: &[u8]) -> Option<(u64, u128)> {
    let (head, _) = delivery_parts(payload)?;
    let mut r = Reader(head);
    Some((r.u64()?, r.u128()?))
}

/// Splits a delivery's payload into head and body.
pub(super) fn delivery_parts(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = payload.split_at_checked(4)?;
    let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
    rest.split_at_checked(length)
}

/// Writes a summary; its number and its id come first.
pub(super) fn write_summary(w: &mut Writer, s: &Summary) {
    w.u64(s.seq);
    w.u128(s.id.bits());
    w.i64(s.received_at.0);
    for text in [&s.endpoint, &s.provider, &s.event, &s.delivery_id] {
        w.option(text.as_deref(), Writer::text);
    }
    w.u32(s.arrival);
    w.u8(u8::from(s.group_guessed));
    w.text(&s.method);
    w.text(&s.path);
    w.option(s.query.as_deref(), Writer::text);
    w.text(&s.remote_addr);
    w.u64(s.body_size);
    w.option(s.content_type.as_deref(), Writer::text);
    w.u8(Status::ALL
        .iter()
        .position(|status| *status == s.status)
        .unwrap_or_default() as u8);
    w.option(s.cause.as_deref(), Writer::text);
    w.answer(s.answer);
    w.option(s.refused.as_deref(), Writer::text);
    w.u32(s.attempts);
    w.option(s.last_attempt, |w, last| {
        w.option(last.status, Writer::u16);
        w.u8(outcome_byte(last.outcome));
        w.u64(last.duration_us);
    });
    w.u8(u8::from(s.marked));
    w.option(s.pending, Writer::u32);
}

/// Reads a summary.
pub(super) fn summary(bytes: &[u8]) -> Option<Summary> {
    let mut r = Reader(bytes);
    let summary = Summary {
        seq: r.u64()?,
        id: Id::from_bits(r.u128()?),
        received_at: Timestamp(r.i64()?),
        endpoint: r.option(Reader::text)?,
        provider: r.option(Reader::text)?,
        event: r.option(Reader::text)?,
        delivery_id: r.option(Reader::text)?,
        arrival: r.u32()?,
        group_guessed: r.bool()?,
        method: r.text()?,
        path: r.text()?,
        query: r.option(Reader::text)?,
        remote_addr: r.text()?,
        body_size: r.u64()?,
        content_type: r.option(Reader::text)?,
        status: *Status::ALL.get(usize::from(r.u8()?))?,
        cause: r.option(Reader::text)?,
        answer: r.answer()?,
        refused: r.option(Reader::text)?,
        attempts: r.u32()?,
        last_attempt: r.option(|r| {
            Some(LastAttempt {
                status: r.option(Reader::u16)?,
                outcome: outcome(r.u8()?)?,
                duration_us: r.u64()?,
            })
        })?,
        marked: r.bool()?,
        pending: r.option(Reader::u32)?,
    };
    r.0.is_empty().then_some(summary)
}

/// Reads of a summary only the verdict on its signature, the sender's answer
/// and how many attempts there are.
pub(super) fn summary_brief(bytes: &[u8]) -> Option<(Status, RecordedResponse, u32)> {
    let mut r = Reader(bytes);
    // Number, id and time; endpoint, provider, event and the provider's id.
    r.take(8 + 16 + 8)?;
    for _ in 0..4 {
        r.option(Reader::bytes)?;
    }
    // Which arrival, and whether that is a guess; method, path, query, peer.
    r.take(4 + 1)?;
    r.bytes()?;
    r.bytes()?;
    r.option(Reader::bytes)?;
    r.bytes()?;
    // The body's size and type.
    r.take(8)?;
    r.option(Reader::bytes)?;
    let status = *Status::ALL.get(usize::from(r.u8()?))?;
    r.option(Reader::bytes)?;
    let answer = r.answer()?;
    r.option(Reader::bytes)?;
    Some((status, answer, r.u32()?))
}

const fn outcome_byte(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Pending => 0,
        Outcome::Delivered => 1,
        Outcome::Failed => 2,
        Outcome::Expired => 3,
    }
}

const fn outcome(byte: u8) -> Option<Outcome> {
    match byte {
        0 => Some(Outcome::Pending),
        1 => Some(Outcome::Delivered),
        2 => Some(Outcome::Failed),
        3 => Some(Outcome::Expired),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brief_look_at_a_summary_says_the_same() {
        for texts in [None, Some("text".to_owned())] {
            let whole = Summary {
                seq: 1,
                id: Id::from_bits(2),
                received_at: Timestamp(3),
                endpoint: texts.clone(),
                provider: texts.clone(),
                event: texts.clone(),
                delivery_id: texts.clone(),
                arrival: 4,
                group_guessed: true,
                method: "POST".to_owned(),
                path: "/".to_owned(),
                query: texts.clone(),
                remote_addr: "127.0.0.1:1".to_owned(),
                body_size: 5,
                content_type: texts.clone(),
                status: Status::Stale,
                cause: texts.clone(),
                answer: RecordedResponse {
                    status: 202,
                    by: Responder::Target,
                    duration_us: Some(6),
                },
                refused: texts,
                attempts: 7,
                last_attempt: None,
                marked: true,
                pending: Some(8),
            };
            let mut w = Writer::default();
            write_summary(&mut w, &whole);
            assert_eq!(
                summary_brief(&w.0),
                Some((whole.status, whole.answer, whole.attempts))
            );
            assert_eq!(summary(&w.0), Some(whole));
        }
    }

    #[test]
    fn what_a_schedule_may_send_to_is_read_again() {
        let retry = RetryPosition {
            number: 2,
            of: 6,
            compress: 60,
            began: Timestamp(1),
            due: Timestamp(2),
            next: Some(Timestamp(3)),
            failures: 20,
            to: "https://localhost:3000".to_owned(),
            insecure: false,
            link_local: false,
        };
        let attempt_of = |retry: &RetryPosition| Attempt {
            id: Id::from_bits(1),
            delivery_seq: 1,
            number: 1,
            target: retry.to.clone(),
            started_at: Timestamp(1),
            kind: AttemptKind::Retry,
            signing: Signing::Kept,
            edited: None,
            sent_headers: Headers::new(),
            outcome: Outcome::Pending,
            response: None,
            duration_us: 0,
            within_ack_timeout: None,
            error: None,
            retry: Some(retry.clone()),
        };
        let plain = attempt_bytes(&attempt_of(&retry)).len();
        for (insecure, link_local) in [(false, false), (true, false), (false, true), (true, true)] {
            let attempt_made = attempt_of(&RetryPosition {
                insecure,
                link_local,
                ..retry.clone()
            });
            let bytes = attempt_bytes(&attempt_made);
            assert_eq!(attempt(&bytes), Some(attempt_made));
            // One that is allowed nothing is written as it always was.
            assert_eq!(bytes.len() == plain, !insecure && !link_local);
        }
    }
}
