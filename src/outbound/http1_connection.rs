//! An HTTP/1 connection that writes requests unaltered and reads the response
//! while the request is still being sent.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::own_connections::OwnConnectionGuard;

/// Minimum size of the read buffer, in bytes.
const READ_BYTES: usize = 8 * 1024;

/// How long to wait for a TCP reset after the end of a connection that the
/// target closed before it had read everything.
const RESET_TIMEOUT: Duration = Duration::from_millis(200);

/// A plain or encrypted byte stream.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

/// A connection that uses HTTP/1.
pub(super) struct Http1Connection {
    stream: Stream,
    pub(super) peer: SocketAddr,
    _guard: OwnConnectionGuard,
    /// The rest of the request's head and body.
    head: Bytes,
    body: Bytes,
    /// Whether the whole request was written.
    flushed: bool,
    /// The error of writing the request, if there was one.
    write_error: Option<io::ErrorKind>,
    /// Received bytes that were not processed yet.
    pub(super) buffer: BytesMut,
}

impl Http1Connection {
    /// Wraps a new connection.
    pub(super) fn new(stream: Stream, peer: SocketAddr, guard: OwnConnectionGuard) -> Self {
        Self {
            stream,
            peer,
            _guard: guard,
            head: Bytes::new(),
            body: Bytes::new(),
            flushed: true,
            write_error: None,
            buffer: BytesMut::new(),
        }
    }

    /// Starts a request. It is written while [`Self::read`] waits for the
    /// response.
    pub(super) fn start_request(&mut self, head: Vec<u8>, body: Bytes) {
        self.head = head.into();
        self.body = body;
        self.flushed = false;
    }

    /// Returns `true` if the request was written, the response was read
    /// completely and nothing failed, so that the connection can be reused.
    pub(super) fn is_clean(&self) -> bool {
        self.flushed && self.write_error.is_none() && self.buffer.is_empty()
    }

    /// Returns `true` if the peer has neither closed the idle connection nor
    /// sent unexpected bytes.
    pub(super) async fn is_idle(&mut self) -> bool {
        let pending = std::future::poll_fn(|cx| {
            let reading = pin!(self.stream.read_buf(&mut self.buffer));
            Poll::Ready(reading.poll(cx).is_pending())
        });
        // The kernel may know of events that the runtime has not polled yet.
        pending.await && {
            let peeked = rustix::net::recv(
                self.stream.socket(),
                &mut [0],
                RecvFlags::PEEK | RecvFlags::DONTWAIT,
            );
            matches!(peeked, Err(rustix::io::Errno::AGAIN))
        }
    }

    /// Writes the request and reads more bytes of the response; returns the
    /// number of bytes, 0 at the end.
    ///
    /// # Errors
    /// Returns the error of reading. A failure to write the request is not an
    /// error: the target may have responded before it read everything.
    pub(super) async fn read(&mut self) -> io::Result<usize> {
        std::future::poll_fn(|cx| {
            if !self.flushed
                && let Poll::Ready(Err(error)) = self.poll_write_request(cx)
            {
                self.write_error = Some(error.kind());
                self.flushed = true;
                self.head.clear();
                self.body.clear();
            }
            self.buffer.reserve(READ_BYTES);
            let buffer = ready!(pin!(self.stream.read_buf(&mut self.buffer)).poll(cx));
            if let Err(error) = &buffer
                && is_reset(error.kind())
            {
                // The kernel reports a reset only once.
                self.write_error = Some(error.kind());
            }
            Poll::Ready(buffer)
        })
        .await
    }

    /// Returns `true` if the target closed the connection before it had read
    /// the whole request. The kernel shows that by a reset, which may follow
    /// shortly after the end of the stream.
    pub(super) async fn was_unread(&self) -> bool {
        let socket = self.stream.socket();
        let broken = || self.write_error.is_some() || !matches!(socket.take_error(), Ok(None));
        if broken() {
            return true;
        }
        let reset = socket.ready(Interest::ERROR);
        tokio::time::timeout(RESET_TIMEOUT, reset).await.is_ok() && broken()
    }

    /// Returns `true` if writing the request failed because the target had
    /// reset the connection.
    pub(super) fn was_reset(&self) -> bool {
        self.write_error.is_some_and(is_reset)
    }

    fn poll_write_request(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.head.has_remaining() || self.body.has_remaining() {
            let parts = [IoSlice::new(&self.head), IoSlice::new(&self.body)];
            // A stream that writes one slice at a time would write only the
            // empty first one.
            let parts = &parts[usize::from(self.head.is_empty())..];
            let written = match &mut self.stream {
                Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
                Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            };
            let written = match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => written,
            };
            let of_head = written.min(self.head.len());
            self.head.advance(of_head);
            self.body.advance(written - of_head);
        }
        if let Stream::Tls(stream) = &mut self.stream {
            ready!(Pin::new(stream).poll_flush(cx))?;
        }
        self.flushed = true;
        Poll::Ready(Ok(()))
    }
}

/// Returns `true` if an error means that the connection was reset.
const fn is_reset(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}
