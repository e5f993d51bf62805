//! A connection on which exactly the bytes go out that were decided on, and
//! what comes is heard while they still do.

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

/// How much is read at once at the least, where there is as much.
const READ_BYTES: usize = 8 * 1024;

/// How long a reset is waited for that follows on a closing, where the target
/// closed before it had read everything.
const RESET_TIMEOUT: Duration = Duration::from_millis(200);

/// What bytes go through in both directions.
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

/// A connection that is spoken HTTP/1 on.
pub(super) struct Http1Connection {
    stream: Stream,
    pub(super) peer: SocketAddr,
    _guard: OwnConnectionGuard,
    /// What is still to be said.
    head: Bytes,
    body: Bytes,
    /// Whether all that was said is on its way.
    flushed: bool,
    /// Why the target takes no more.
    write_error: Option<io::ErrorKind>,
    /// What was heard and not yet taken.
    pub(super) buffer: BytesMut,
}

impl Http1Connection {
    /// Makes one of a fresh connection.
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

    /// Begins to say a request. It goes out while the answer is listened for.
    pub(super) fn start_request(&mut self, head: Vec<u8>, body: Bytes) {
        self.head = head.into();
        self.body = body;
        self.flushed = false;
    }

    /// Says whether the request is out, the answer taken to its last byte, and
    /// nothing went wrong: another request may follow.
    pub(super) fn is_clean(&self) -> bool {
        self.flushed && self.write_error.is_none() && self.buffer.is_empty()
    }

    /// Says whether the peer has neither closed a connection that lies idle
    /// nor said anything unasked.
    pub(super) async fn is_idle(&mut self) -> bool {
        let pending = std::future::poll_fn(|cx| {
            let reading = pin!(self.stream.read_buf(&mut self.buffer));
            Poll::Ready(reading.poll(cx).is_pending())
        });
        // The runtime may not have heard yet what the system knows.
        pending.await && {
            let peeked = rustix::net::recv(
                self.stream.socket(),
                &mut [0],
                RecvFlags::PEEK | RecvFlags::DONTWAIT,
            );
            matches!(peeked, Err(rustix::io::Errno::AGAIN))
        }
    }

    /// Waits for more bytes of the answer, while the request goes out; returns
    /// how many came, 0 at the end.
    ///
    /// # Errors
    /// What the system says of reading. That the target takes no more of the
    /// request is no error: it may have answered before that.
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
                // The system tells it only once.
                self.write_error = Some(error.kind());
            }
            Poll::Ready(buffer)
        })
        .await
    }

    /// Says whether a connection that ended without an answer ended before the
    /// target had read the whole request: the system says so by a reset, which
    /// may come a moment after the end.
    pub(super) async fn was_unread(&self) -> bool {
        let socket = self.stream.socket();
        let broken = || self.write_error.is_some() || !matches!(socket.take_error(), Ok(None));
        if broken() {
            return true;
        }
        let reset = socket.ready(Interest::ERROR);
        tokio::time::timeout(RESET_TIMEOUT, reset).await.is_ok() && broken()
    }

    /// Says whether the target would take no more of the request because it
    /// had reset the connection.
    pub(super) fn was_reset(&self) -> bool {
        self.write_error.is_some_and(is_reset)
    }

    fn poll_write_request(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.head.has_remaining() || self.body.has_remaining() {
            let parts = [IoSlice::new(&self.head), IoSlice::new(&self.body)];
            // An empty first slice would be written alone where the stream
            // takes but one.
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

/// Says whether an error is what a reset of the connection comes to.
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
