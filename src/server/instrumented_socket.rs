//! Wraps a connection's socket: passes all bytes on, feeds them to the
//! [`ConnectionState`] and enforces the read and write timeouts.

use std::future::Future;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::connection::{FIRST_READ_BYTES, ServerState};
use super::connection_state::{ConnectionState, Progress};
use super::limits::Limits;
use super::memory::BytesGuard;
use crate::clock::Clock;

/// Response to a sender whose request is not complete in time.
const TIMEOUT_RESPONSE: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Maximum number of bytes of a request that are read before hyper takes over
/// the connection.
const MAX_FIRST_REQUEST_BYTES: usize = 64 << 10;

/// Response to a sender whose head exceeds the memory budget.
const UNAVAILABLE_RESPONSE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\n\
    connection: close\r\ncontent-length: 0\r\n\r\n";

/// Size of one read while lingering, in bytes.
const LINGER_READ_BYTES: usize = 16 * 1024;

/// A socket that tracks its bytes and enforces timeouts.
pub(super) struct InstrumentedSocket {
    stream: TcpStream,
    /// Bytes that were read before hyper took over the connection.
    prefix: Vec<u8>,
    passed: usize,
    connection: Arc<ConnectionState>,
    limits: Arc<Limits>,
    /// Accounts for the bytes of an incomplete head.
    memory: BytesGuard,
    clock: Arc<dyn Clock>,
    /// When the body of the first request began, and the index of its first
    /// byte in `prefix`.
    body: Option<(Instant, usize)>,
    /// When bytes were last received; `None` before the first.
    read_at: Option<Instant>,
    /// When bytes were last sent; initially the time of the connection.
    wrote_at: Instant,
    closing: Closing,
    read_timer: LazyTimer,
    write_timer: LazyTimer,
    /// Since when writes are blocked.
    stalled_since: Option<Instant>,
}

/// The progress of closing the connection.
#[derive(Clone, Copy)]
enum Closing {
    No,
    /// The write half is closed; incoming bytes are read and discarded.
    Lingering {
        until: Instant,
        left: u64,
    },
    Done,
}

/// A timer that is created on first use.
#[derive(Default)]
struct LazyTimer(Option<Pin<Box<Sleep>>>);

impl LazyTimer {
    /// Returns `true` if `deadline` has passed. Otherwise the task is woken at
    /// the deadline or earlier.
    fn has_passed(&mut self, deadline: Instant, cx: &mut Context<'_>) -> bool {
        loop {
            if Instant::now() >= deadline {
                return true;
            }
            let sleep = self
                .0
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline.into())));
            if sleep.deadline().into_std() > deadline {
                sleep.as_mut().reset(deadline.into());
            }
            match sleep.as_mut().poll(cx) {
                Poll::Pending => return false,
                // The timer was set for an earlier deadline.
                Poll::Ready(()) => sleep.as_mut().reset(deadline.into()),
            }
        }
    }
}

impl InstrumentedSocket {
    /// Wraps a socket from which `prefix` was already read.
    pub(super) fn new(
        stream: TcpStream,
        prefix: Vec<u8>,
        connection: Arc<ConnectionState>,
        server: &ServerState,
    ) -> Self {
        let now = Instant::now();
        connection.track(&prefix, now);
        Self {
            stream,
            prefix,
            passed: 0,
            connection,
            limits: Arc::clone(&server.limits),
            memory: BytesGuard::new(&server.memory),
            clock: Arc::clone(&server.clock),
            body: None,
            read_at: Some(now),
            wrote_at: now,
            closing: Closing::No,
            read_timer: LazyTimer::default(),
            write_timer: LazyTimer::default(),
            stalled_since: None,
        }
    }

    /// Reads the first request, or its first [`MAX_FIRST_REQUEST_BYTES`] bytes.
    /// Only then hyper takes over the connection: a sender that stops in the
    /// middle of a request costs the bytes it sent, and none of hyper's
    /// buffers.
    ///
    /// # Errors
    /// Returns an error if the connection broke or the sender was refused.
    pub(super) fn poll_read_first_request(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while matches!(self.closing, Closing::No) && self.needs_more_of_first_request() {
            let mut scratch = [const { MaybeUninit::uninit() }; FIRST_READ_BYTES];
            let mut buf = ReadBuf::uninit(&mut scratch);
            if let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                read?;
                if buf.filled().is_empty() {
                    return Poll::Ready(Ok(()));
                }
                self.prefix.extend_from_slice(buf.filled());
                self.note_read(buf.filled(), cx);
            } else {
                ready!(self.poll_read_timeout(cx))?;
            }
        }
        if matches!(self.closing, Closing::No) {
            return Poll::Ready(Ok(()));
        }
        self.poll_refused(cx)
    }

    /// Returns `true` if more of the first request is to be read before hyper
    /// takes over the connection.
    fn needs_more_of_first_request(&mut self) -> bool {
        match self.connection.progress() {
            Progress::Head => true,
            Progress::Body { declared } => {
                if self.body.is_none() {
                    let now = Instant::now();
                    self.body = Some((now, self.prefix.len()));
                    self.connection.set_head_received(self.clock.now(), now);
                }
                // The handler refuses a body that is too large.
                declared.is_none_or(|declared| declared <= self.limits.max_body)
                    && self.prefix.len() < MAX_FIRST_REQUEST_BYTES
            }
            Progress::Other => false,
        }
    }

    /// Returns bytes that were read before hyper took over the connection.
    fn pass_prefix(&mut self, buf: &mut ReadBuf<'_>) {
        let rest = &self.prefix[self.passed..];
        let here = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..here]);
        self.passed += here;
        if self.passed == self.prefix.len() {
            (self.prefix, self.passed) = (Vec::new(), 0);
            self.memory.set(2 * self.connection.head_bytes());
            self.body = None;
        }
    }

    /// Feeds received bytes to the tracker. Refuses the sender if its head
    /// exceeds the memory budget.
    fn note_read(&mut self, new: &[u8], cx: &mut Context<'_>) {
        let now = Instant::now();
        self.read_at = Some(now);
        self.connection.track(new, now);
        // The tracker and either `prefix` or hyper each hold a copy of an
        // incomplete head.
        let held = self.prefix.len() as u64 + 2 * self.connection.head_bytes();
        if !self.memory.set(held) {
            self.refuse(UNAVAILABLE_RESPONSE, cx);
        }
    }

    /// Checks the read timeout. Ready means that the connection ends: with an
    /// error if the sender was refused.
    fn poll_read_timeout(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some((deadline, in_request)) = self.read_deadline() else {
            return Poll::Pending;
        };
        if !self.read_timer.has_passed(deadline, cx) {
            return Poll::Pending;
        }
        if !in_request {
            // Reports end of file, so that hyper closes the connection cleanly.
            return Poll::Ready(Ok(()));
        }
        self.refuse(TIMEOUT_RESPONSE, cx);
        self.poll_refused(cx)
    }

    /// Closes a connection whose sender was refused.
    fn poll_refused(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_linger(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Returns the read deadline of an HTTP/1 connection, and whether a request
    /// is incomplete. Returns `None` while a request handler enforces its own
    /// timeouts.
    fn read_deadline(&self) -> Option<(Instant, bool)> {
        if !self.connection.is_idle() {
            return None;
        }
        let limits = &self.limits;
        if let (Some((began, from)), Some(last)) = (self.body, self.read_at) {
            let size = (self.prefix.len() - from) as u64;
            return Some((limits.body_deadline(began, size, last), true));
        }
        self.connection
            .with_tracker(|tracker| {
                if tracker.in_body() {
                    return None;
                }
                Some(match (tracker.head_since(), self.read_at) {
                    // A pipelined head is not read before the response to the
                    // previous request is sent.
                    (Some(since), _) => (since.max(self.wrote_at) + limits.head_timeout, true),
                    (None, Some(at)) => (at.max(self.wrote_at) + limits.idle_timeout, false),
                    (None, None) => (self.wrote_at + limits.head_timeout, false),
                })
            })
            .flatten()
    }

    fn linger(&mut self) {
        self.closing = Closing::Lingering {
            until: Instant::now() + self.limits.linger,
            left: self.limits.linger_bytes,
        };
    }

    /// Reads and discards bytes until the sender closes the connection or a
    /// limit is reached.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [const { MaybeUninit::uninit() }; LINGER_READ_BYTES];
        while let Closing::Lingering { until, left } = &mut self.closing {
            let mut buf = ReadBuf::uninit(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    *left = left.saturating_sub(buf.filled().len() as u64);
                    if *left > 0 && Instant::now() < *until {
                        continue;
                    }
                }
                Poll::Ready(_) => {}
                Poll::Pending => {
                    if !self.read_timer.has_passed(*until, cx) {
                        return Poll::Pending;
                    }
                }
            }
            self.closing = Closing::Done;
        }
        Poll::Ready(())
    }

    /// Sends a response to an incomplete request and closes the connection. The
    /// socket's send buffer is empty, so one write takes all bytes.
    fn refuse(&mut self, answer: &[u8], cx: &mut Context<'_>) {
        let _ = Pin::new(&mut self.stream).poll_write(cx, answer);
        let _ = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.linger();
    }

    /// Records the result of a write. Returns an error if writes have been
    /// blocked for too long.
    fn note_write(
        &mut self,
        written: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let now = Instant::now();
        if written.is_ready() {
            self.wrote_at = now;
            self.stalled_since = None;
            return written;
        }
        let deadline = *self.stalled_since.get_or_insert(now) + self.limits.write_timeout;
        if self.write_timer.has_passed(deadline, cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl AsyncRead for InstrumentedSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !matches!(this.closing, Closing::No) {
            return this.poll_refused(cx);
        }
        if !this.prefix.is_empty() {
            this.pass_prefix(buf);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Ready(result) => {
                let new = &buf.filled()[before..];
                if !new.is_empty() {
                    this.note_read(new, cx);
                }
                Poll::Ready(result)
            }
            Poll::Pending => this.poll_read_timeout(cx),
        }
    }
}

impl AsyncWrite for InstrumentedSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.note_write(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.note_write(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Closing::No = this.closing {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            this.linger();
        }
        ready!(this.poll_linger(cx));
        Poll::Ready(Ok(()))
    }
}
