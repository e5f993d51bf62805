//! Parses the request heads of an HTTP/1 connection in wire order.
//!
//! hyper stores headers in a map that groups repeats. On the wire repeats may
//! be interleaved, and the order is evidence. A [`HeaderTracker`] reads the
//! same bytes as hyper, finds the heads among them and keeps the exact list of
//! headers of each. Its result is used only if it agrees with hyper.

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::time::Instant;

use super::connection_state::Progress;
use crate::domain::headers::Headers;

/// Number of headers that are parsed without an allocation. More headers need a
/// second parse.
const INLINE_FIELDS: usize = 64;

/// The head of one request in wire order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestHead {
    /// The method.
    pub(super) method: String,
    /// The complete request target.
    pub(super) target: String,
    /// All headers, in wire order.
    pub(super) headers: Headers,
    /// Whether the head has both `content-length` and `transfer-encoding`, a
    /// sign of request smuggling (RFC 9112 section 6.3).
    pub(super) ambiguous: bool,
}

impl RequestHead {
    /// Returns `true` if the sender expects `100 Continue` before it sends the
    /// body (RFC 9110 section 10.1.1).
    fn expects_continue(&self) -> bool {
        self.headers.iter().any(|field| field.name == "expect")
    }

    /// Returns the `content-length`, in bytes.
    fn declared_length(&self) -> Option<u64> {
        let mut fields = self.headers.iter();
        let length = fields.find(|field| field.name == "content-length")?;
        std::str::from_utf8(length.value).ok()?.trim().parse().ok()
    }
}

/// Tracks the incoming bytes of one connection.
#[derive(Debug)]
pub(super) struct HeaderTracker {
    state: TrackerState,
    /// The bytes of an incomplete head.
    partial: Vec<u8>,
    /// When the first byte of the incomplete head arrived.
    head_since: Option<Instant>,
    heads: VecDeque<RequestHead>,
    max_fields: usize,
    max_head_bytes: usize,
}

/// What the next byte of the stream belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TrackerState {
    Head,
    /// A body of known length, with the remaining number of bytes.
    Sized(u64),
    Chunked(Chunk),
    /// Framing is unknown; the rest of the connection is ignored.
    Lost,
}

/// What the next byte of a chunked body belongs to (RFC 9112 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunk {
    FirstDigit,
    Size(u64),
    AfterSize(u64),
    Extension(u64),
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    LineStart,
    Trailer,
    TrailerLf,
    EndLf,
}

/// How a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Sized(u64),
    Chunked,
    /// A framing that this tracker does not support.
    Unknown,
}

/// The result of parsing a head.
enum Parse {
    Complete(usize, RequestHead, Framing),
    Partial,
    Bad,
}

impl HeaderTracker {
    /// Creates a tracker for a new connection.
    pub(super) fn new(max_fields: usize, max_head_bytes: usize) -> Self {
        Self {
            state: TrackerState::Head,
            partial: Vec::new(),
            head_since: None,
            heads: VecDeque::new(),
            max_fields,
            max_head_bytes,
        }
    }

    /// Processes the next bytes, received at `now`.
    pub(super) fn feed(&mut self, mut bytes: &[u8], now: Instant) {
        while let Some(&first) = bytes.first() {
            bytes = match self.state {
                TrackerState::Head => self.feed_head(bytes, now),
                TrackerState::Sized(left) => {
                    let (rest, left) = skip(bytes, left);
                    self.state = match left {
                        0 => TrackerState::Head,
                        left => TrackerState::Sized(left),
                    };
                    rest
                }
                TrackerState::Chunked(Chunk::Data(left)) => {
                    let (rest, left) = skip(bytes, left);
                    self.state = TrackerState::Chunked(match left {
                        0 => Chunk::DataCr,
                        left => Chunk::Data(left),
                    });
                    rest
                }
                TrackerState::Chunked(chunk) => {
                    self.state = chunk.step(first);
                    &bytes[1..]
                }
                TrackerState::Lost => return,
            };
        }
    }

    /// Removes and returns the oldest head.
    pub(super) fn next_head(&mut self) -> Option<RequestHead> {
        self.heads.pop_front()
    }

    /// Stops tracking and discards all heads.
    pub(super) fn give_up(&mut self) {
        self.state = TrackerState::Lost;
        self.heads.clear();
        self.partial = Vec::new();
    }

    /// Returns `true` if the next byte belongs to a body.
    pub(super) fn in_body(&self) -> bool {
        matches!(
            self.state,
            TrackerState::Sized(_) | TrackerState::Chunked(_)
        )
    }

    /// Returns how much of the oldest request that was not taken has arrived.
    pub(super) fn progress(&self) -> Progress {
        let in_body = self.in_body();
        match self.heads.front() {
            None if !self.partial.is_empty() => Progress::Head,
            Some(head) if self.heads.len() == 1 && in_body && !head.expects_continue() => {
                Progress::Body {
                    declared: head.declared_length(),
                }
            }
            _ => Progress::Other,
        }
    }

    /// Returns the number of buffered bytes of an incomplete head.
    pub(super) fn partial_bytes(&self) -> u64 {
        self.partial.len() as u64
    }

    /// Returns when the incomplete head began to arrive.
    pub(super) fn head_since(&self) -> Option<Instant> {
        self.head_since
    }

    /// Processes bytes of a head and returns the bytes after it.
    fn feed_head<'a>(&mut self, bytes: &'a [u8], now: Instant) -> &'a [u8] {
        if self.partial.is_empty() {
            // Skips empty lines before the request line (RFC 9112 section 2.2).
            let lines = bytes
                .iter()
                .take_while(|b| matches!(b, b'\r' | b'\n'))
                .count();
            let bytes = &bytes[lines..];
            if bytes.is_empty() {
                return bytes;
            }
            return match parse(bytes, self.max_fields) {
                Parse::Complete(length, head, framing) => {
                    self.complete(head, framing);
                    &bytes[length..]
                }
                Parse::Partial => {
                    self.partial.extend_from_slice(bytes);
                    self.head_since = Some(now);
                    &[]
                }
                Parse::Bad => self.stop_tracking(),
            };
        }
        let known = self.partial.len();
        self.partial.extend_from_slice(bytes);
        if !has_empty_line(&self.partial, known) {
            if self.partial.len() > self.max_head_bytes {
                return self.stop_tracking();
            }
            return &[];
        }
        match parse(&self.partial, self.max_fields) {
            Parse::Complete(length, head, framing) => {
                self.partial = Vec::new();
                self.complete(head, framing);
                &bytes[length.saturating_sub(known)..]
            }
            Parse::Partial => &[],
            Parse::Bad => self.stop_tracking(),
        }
    }

    fn complete(&mut self, head: RequestHead, framing: Framing) {
        self.head_since = None;
        self.heads.push_back(head);
        self.state = match framing {
            Framing::Sized(0) => TrackerState::Head,
            Framing::Sized(length) => TrackerState::Sized(length),
            Framing::Chunked => TrackerState::Chunked(Chunk::FirstDigit),
            Framing::Unknown => TrackerState::Lost,
        };
    }

    /// Stops tracking but keeps the complete heads.
    fn stop_tracking(&mut self) -> &'static [u8] {
        self.state = TrackerState::Lost;
        self.partial = Vec::new();
        &[]
    }
}

impl Chunk {
    /// Processes one byte and returns the next state. Agrees with hyper's
    /// decoder on well-formed input.
    fn step(self, byte: u8) -> TrackerState {
        let next = match (self, byte) {
            (Self::FirstDigit, digit) => match hex_digit(digit) {
                Some(value) => Self::Size(value),
                None => return TrackerState::Lost,
            },
            (Self::Size(size), digit) if digit.is_ascii_hexdigit() => {
                let more = hex_digit(digit).unwrap_or_default();
                match size.checked_mul(16).and_then(|s| s.checked_add(more)) {
                    Some(size) => Self::Size(size),
                    None => return TrackerState::Lost,
                }
            }
            (Self::Size(size) | Self::AfterSize(size), b' ' | b'\t') => Self::AfterSize(size),
            (Self::Size(size) | Self::AfterSize(size) | Self::Extension(size), b'\r') => {
                Self::SizeLf(size)
            }
            (Self::Extension(_), b'\n') => return TrackerState::Lost,
            (Self::Size(size) | Self::AfterSize(size), b';') | (Self::Extension(size), _) => {
                Self::Extension(size)
            }
            (Self::SizeLf(0) | Self::TrailerLf, b'\n') => Self::LineStart,
            (Self::SizeLf(size), b'\n') => Self::Data(size),
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::FirstDigit,
            (Self::LineStart, b'\r') => Self::EndLf,
            (Self::Trailer, b'\r') => Self::TrailerLf,
            (Self::LineStart | Self::Trailer, _) => Self::Trailer,
            (Self::EndLf, b'\n') => return TrackerState::Head,
            _ => return TrackerState::Lost,
        };
        TrackerState::Chunked(next)
    }
}

fn hex_digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

/// Skips up to `left` bytes; returns the rest of the slice and the number of
/// bytes still to skip.
fn skip(bytes: &[u8], left: u64) -> (&[u8], u64) {
    let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    (&bytes[here..], left - here as u64)
}

/// Returns `true` if an empty line ends at or after index `known`.
fn has_empty_line(bytes: &[u8], known: usize) -> bool {
    let from = known.saturating_sub(3);
    bytes[from..].iter().enumerate().any(|(index, byte)| {
        *byte == b'\n' && matches!(&bytes[from + index + 1..], [b'\n', ..] | [b'\r', b'\n', ..])
    })
}

fn parse(bytes: &[u8], max_fields: usize) -> Parse {
    let mut usual = [const { MaybeUninit::uninit() }; INLINE_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, &mut usual) {
        Ok(httparse::Status::Complete(length)) => read(length, &request),
        Ok(httparse::Status::Partial) => Parse::Partial,
        Err(httparse::Error::TooManyHeaders) => {
            let mut many = vec![httparse::EMPTY_HEADER; max_fields];
            let mut request = httparse::Request::new(&mut many);
            match request.parse(bytes) {
                Ok(httparse::Status::Complete(length)) => read(length, &request),
                Ok(httparse::Status::Partial) => Parse::Partial,
                Err(_) => Parse::Bad,
            }
        }
        Err(_) => Parse::Bad,
    }
}

fn read(length: usize, request: &httparse::Request<'_, '_>) -> Parse {
    let (framing, ambiguous) = framing(request);
    let head = RequestHead {
        method: request.method.unwrap_or_default().to_owned(),
        target: request.path.unwrap_or_default().to_owned(),
        headers: request.headers.iter().map(|h| (h.name, h.value)).collect(),
        ambiguous,
    };
    Parse::Complete(length, head, framing)
}

/// Returns the framing of the body, and whether the head states two framings.
fn framing(request: &httparse::Request<'_, '_>) -> (Framing, bool) {
    let mut length = None;
    let mut chunked = None;
    let mut agree = true;
    for header in request.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            let here = digits(header.value);
            agree &= here.is_some() && (length.is_none() || length == here);
            length = here;
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            let last = header.value.rsplit(|b| *b == b',').next();
            chunked = Some(last.is_some_and(|l| l.trim_ascii().eq_ignore_ascii_case(b"chunked")));
        }
    }
    let framing = match chunked {
        Some(true) if request.version == Some(1) => Framing::Chunked,
        None if agree => Framing::Sized(length.unwrap_or(0)),
        Some(_) | None => Framing::Unknown,
    };
    let ambiguous = chunked.is_some() && (length.is_some() || !agree);
    (framing, ambiguous)
}

fn digits(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn follow(parts: &[&[u8]]) -> (Vec<RequestHead>, HeaderTracker) {
        let mut tracker = HeaderTracker::new(500, 256 * 1024);
        let now = Instant::now();
        for part in parts {
            tracker.feed(part, now);
        }
        let heads = std::iter::from_fn(|| tracker.next_head()).collect();
        (heads, tracker)
    }

    fn names(head: &RequestHead) -> Vec<&str> {
        head.headers.iter().map(|h| h.name).collect()
    }

    const STREAM: &[u8] = b"\r\nPOST /a?b=1#c HTTP/1.1\r\nX-A: 1\r\nx-b: 2\r\nX-A: 3\xff\r\n\
        Content-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n\
        PUT //x/../y HTTP/1.1\nHost: h\nTransfer-Encoding: gzip, Chunked\n\n\
        5;ext=\"GET / HTTP\"\r\nhello\r\n0A \r\n0123456789\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n\
        HEAD * HTTP/1.0\r\n\r\n";

    fn check(heads: &[RequestHead], tracker: &HeaderTracker) {
        let targets: Vec<_> = heads.iter().map(|h| h.target.as_str()).collect();
        assert_eq!(targets, ["/a?b=1#c", "//x/../y", "*"]);
        assert_eq!(names(&heads[0]), ["x-a", "x-b", "x-a", "content-length"]);
        assert_eq!(heads[0].headers.all("x-a").nth(1), Some(&b"3\xff"[..]));
        assert!(heads.iter().all(|h| !h.ambiguous));
        assert_eq!(tracker.state, TrackerState::Head);
        assert_eq!(tracker.head_since(), None);
    }

    #[test]
    fn finds_the_same_heads_wherever_the_stream_is_split() {
        for at in 0..=STREAM.len() {
            let (heads, tracker) = follow(&[&STREAM[..at], &STREAM[at..]]);
            check(&heads, &tracker);
        }
        let bytes: Vec<&[u8]> = STREAM.chunks(1).collect();
        let (heads, tracker) = follow(&bytes);
        check(&heads, &tracker);
    }

    #[test]
    fn reads_more_fields_than_usual() {
        let mut text = b"POST / HTTP/1.1\r\n".to_vec();
        for index in 0..500 {
            text.extend_from_slice(format!("x-{}: {index}\r\n", index % 7).as_bytes());
        }
        text.extend_from_slice(b"\r\n");
        let (heads, _) = follow(&[&text]);
        assert_eq!(heads[0].headers.len(), 500);
    }

    #[test]
    fn gives_up_on_what_it_cannot_follow() {
        for bad in [
            &b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n"[..],
            b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\n",
            b"\x16\x03\x01\x02\x00",
        ] {
            let (_, tracker) = follow(&[bad]);
            assert_eq!(tracker.state, TrackerState::Lost, "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn marks_two_ways_of_framing() {
        for both in [
            &b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"[..],
            b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            let (heads, _) = follow(&[both]);
            assert!(heads[0].ambiguous);
        }
    }

    #[test]
    fn knows_since_when_a_head_is_incomplete() {
        let (_, tracker) = follow(&[b"\r\n"]);
        assert_eq!(tracker.head_since(), None);
        let (_, tracker) = follow(&[b"POST / HT"]);
        assert!(tracker.head_since().is_some());
        assert!(!tracker.in_body());
        let (_, tracker) = follow(&[b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\na"]);
        assert!(tracker.in_body());
    }

    #[derive(Clone, Debug)]
    struct SampleRequest {
        fields: Vec<(String, Vec<u8>)>,
        body: Vec<u8>,
        chunks: Option<usize>,
    }

    fn sample_request() -> impl Strategy<Value = SampleRequest> {
        let field = (
            "[xX]-[a-c]",
            prop::collection::vec(prop_oneof![0x21_u8..0x7f, 0x80_u8..=0xff], 0..12),
        );
        (
            prop::collection::vec(field, 0..80),
            prop::collection::vec(any::<u8>(), 0..200),
            prop::option::of(1_usize..50),
        )
            .prop_map(|(fields, body, chunks)| SampleRequest {
                fields,
                body,
                chunks,
            })
    }

    fn write(sample_request: &SampleRequest, into: &mut Vec<u8>) {
        into.extend_from_slice(b"POST /p HTTP/1.1\r\n");
        for (name, value) in &sample_request.fields {
            into.extend_from_slice(name.as_bytes());
            into.extend_from_slice(b": ");
            into.extend_from_slice(value);
            into.extend_from_slice(b"\r\n");
        }
        let Some(size) = sample_request.chunks else {
            let length = format!("content-length: {}\r\n\r\n", sample_request.body.len());
            into.extend_from_slice(length.as_bytes());
            into.extend_from_slice(&sample_request.body);
            return;
        };
        into.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
        for chunk in sample_request.body.chunks(size) {
            into.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
            into.extend_from_slice(chunk);
            into.extend_from_slice(b"\r\n");
        }
        into.extend_from_slice(b"0\r\n\r\n");
    }

    proptest! {
        #[test]
        fn follows_any_pipeline_in_any_pieces(
            all in prop::collection::vec(sample_request(), 1..4),
            size in 1_usize..300,
        ) {
            let mut stream = Vec::new();
            for one in &all {
                write(one, &mut stream);
            }
            let parts: Vec<&[u8]> = stream.chunks(size).collect();
            let (heads, tracker) = follow(&parts);
            prop_assert_eq!(tracker.state, TrackerState::Head);
            prop_assert_eq!(heads.len(), all.len());
            for (head, one) in heads.iter().zip(&all) {
                let fields: Headers = one.fields.iter().map(|(n, v)| (n, v)).collect();
                let seen: Headers = head.headers.iter().take(one.fields.len())
                    .map(|h| (h.name, h.value)).collect();
                prop_assert_eq!(seen, fields);
            }
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0_usize..400) {
            let at = at.min(bytes.len());
            follow(&[&bytes[..at], &bytes[at..]]);
            let mut stream = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            stream.extend_from_slice(&bytes);
            follow(&[&stream]);
        }
    }
}
