//! A connection on which exactly the bytes go out that were decided on.
//!
//! hyper reads answers well, but what it writes passes through a map of fields
//! that groups repeats, and through a parser of targets that refuses some. So
//! what it writes is dropped, and head and body go out from here as they are.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes of the answer's beginning are kept as evidence.
const HEARD: usize = 24;

/// A connection with a fixed part to say.
pub(super) struct Script<S> {
    stream: S,
    head: Bytes,
    body: Bytes,
    /// Whether hyper has begun to write.
    begun: bool,
    heard: Heard,
}

/// The first bytes of an answer.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    /// Returns the first bytes that came.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.clone()
    }

    fn add(&self, new: &[u8]) {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = HEARD - bytes.len();
        bytes.extend_from_slice(&new[..new.len().min(room)]);
    }
}

impl<S: AsyncWrite + Unpin> Script<S> {
    /// Makes a connection that says `head`, then `body`; returns what hears
    /// the answer's beginning besides.
    pub(super) fn new(stream: S, head: Vec<u8>, body: Bytes) -> (Self, Heard) {
        let evidence = Heard::default();
        let script = Self {
            stream,
            head: head.into(),
            body,
            begun: false,
            heard: evidence.clone(),
        };
        (script, evidence)
    }

    fn poll_say(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.head.has_remaining() || self.body.has_remaining() {
            let parts = [IoSlice::new(&self.head), IoSlice::new(&self.body)];
            // An empty first slice would be written alone where the stream
            // takes but one.
            let parts = &parts[usize::from(self.head.is_empty())..];
            let stream = Pin::new(&mut self.stream);
            let written = match ready!(stream.poll_write_vectored(cx, parts)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => written,
                Err(error) => return Poll::Ready(Err(error)),
            };
            let of_head = written.min(self.head.len());
            self.head.advance(of_head);
            self.body.advance(written - of_head);
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Script<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().begun = true;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.begun {
            return Poll::Ready(Ok(()));
        }
        if ready!(this.poll_say(cx)).is_err() {
            // The target takes no more. It may have answered before that, and
            // else the reading side tells what became of the connection.
            this.head.clear();
            this.body.clear();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Script<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        this.heard.add(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn says_its_part_whatever_is_written() {
        // A pipe of seven bytes cuts the part into many pieces.
        let (near, mut far) = tokio::io::duplex(7);
        let body = Bytes::from_static(b"the body, then");
        let (mut script, heard) = Script::new(near, b"a head ".to_vec(), body);
        let saying = tokio::spawn(async move {
            script.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            script.flush().await.unwrap();
            let mut answer = [0; 2];
            script.read_exact(&mut answer).await.unwrap();
        });
        let mut said = vec![0; 21];
        far.read_exact(&mut said).await.unwrap();
        assert_eq!(said, b"a head the body, then");
        far.write_all(b"hi").await.unwrap();
        saying.await.unwrap();
        assert_eq!(heard.bytes(), b"hi");
    }
}
