//! The near ends of a client's open connections: what arrives from one of
//! them, creel has sent to itself.

use std::collections::BTreeSet;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The near ends of open connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Ours(Arc<Mutex<BTreeSet<SocketAddr>>>);

/// A connection that is known as long as it is open.
pub(super) struct Watched {
    stream: TcpStream,
    near: Option<SocketAddr>,
    ours: Ours,
}

impl Ours {
    /// Knows a connection from now on.
    pub(super) fn watch(&self, stream: TcpStream) -> Watched {
        let near = stream.local_addr().ok().map(canonical);
        if let Some(near) = near {
            self.lock().insert(near);
        }
        Watched {
            stream,
            near,
            ours: self.clone(),
        }
    }

    /// Says whether an address is the near end of one.
    pub(super) fn has(&self, address: SocketAddr) -> bool {
        self.lock().contains(&canonical(address))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<SocketAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket of both families writes IPv4 addresses in IPv6.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(near) = self.near {
            self.ours.lock().remove(&near);
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
