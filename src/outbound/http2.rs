//! Exchanges requests and responses over HTTP/2, many on one connection.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::task::AbortOnDropHandle;

use super::MAX_HEAD_BYTES;
use super::error::SendError;
use super::outgoing::Outgoing;
use super::own_connections::OwnConnectionGuard;
use super::response::{PartialResponse, ReadOptions};
use crate::domain::headers::Headers;

/// A connection that uses HTTP/2. Closed when dropped.
pub(super) struct Http2Connection {
    sender: SendRequest<Full<Bytes>>,
    peer: SocketAddr,
    _guard: OwnConnectionGuard,
    _connection: AbortOnDropHandle<()>,
}

/// Reason why a request failed.
pub(super) enum Http2Error {
    /// The connection was closed before the request was sent.
    Unsent(SendError),
    /// The exchange failed.
    Failed(SendError),
}

impl Http2Connection {
    /// Performs the HTTP/2 handshake.
    pub(super) async fn open(
        stream: Box<TlsStream<TcpStream>>,
        peer: SocketAddr,
        guard: OwnConnectionGuard,
    ) -> Result<Self, SendError> {
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_header_list_size(MAX_HEAD_BYTES as u32)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| SendError::http2(peer, &error))?;
        let connection = tokio::spawn(async move { drop(connection.await) });
        Ok(Self {
            sender,
            peer,
            _guard: guard,
            _connection: AbortOnDropHandle::new(connection),
        })
    }

    /// Returns `true` if the connection is closed.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request and reads the response. `sent` receives the headers as
    /// sent.
    pub(super) async fn exchange(
        &self,
        outgoing: &Outgoing,
        options: &ReadOptions,
        sent: &mut Headers,
        answer: &mut Option<PartialResponse>,
    ) -> Result<(), Http2Error> {
        let fault = |error: hyper::Error| {
            let fault = SendError::http2(self.peer, &error);
            if error.is_canceled() || error.is_closed() {
                Http2Error::Unsent(fault)
            } else {
                Http2Error::Failed(fault)
            }
        };
        let request = outgoing.http2().map_err(Http2Error::Failed)?;
        *sent = fields(request.headers());
        let mut sender = self.sender.clone();
        let asking = async {
            sender.ready().await?;
            sender.send_request(request.map(Full::new)).await
        };
        let response = tokio::time::timeout(options.first_byte, asking)
            .await
            .map_err(|_| Http2Error::Failed(SendError::FirstByte(options.first_byte)))?
            .map_err(fault)?;
        let (head, mut body) = response.into_parts();
        let answer = answer.insert(PartialResponse::new(
            head.status.as_u16(),
            fields(&head.headers),
            options.room.clone(),
        ));
        while let Some(frame) = body.frame().await {
            let frame = frame
                .map_err(|error| Http2Error::Failed(SendError::body(&error, answer.size())))?;
            if let Some(data) = frame.data_ref() {
                answer.take(data).map_err(Http2Error::Failed)?;
            }
        }
        Ok(())
    }
}

fn fields(map: &hyper::HeaderMap) -> Headers {
    let fields = map.iter();
    fields.map(|(n, v)| (n.as_str(), v.as_bytes())).collect()
}
