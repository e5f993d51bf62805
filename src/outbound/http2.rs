//! Requests and their answers over HTTP/2, many on one connection.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::task::AbortOnDropHandle;

use super::MAX_HEAD_BYTES;
use super::answer::{Answer, Hearing};
use super::fault::Fault;
use super::ours::NearEnd;
use super::outgoing::Outgoing;
use crate::domain::headers::Headers;

/// A connection that HTTP/2 is spoken on; it ends with this.
pub(super) struct Lane {
    sender: SendRequest<Full<Bytes>>,
    peer: SocketAddr,
    _near: NearEnd,
    _connection: AbortOnDropHandle<()>,
}

/// Why a request failed on a connection.
pub(super) enum Failed {
    /// The connection had ended before it was sent.
    Unsent(Fault),
    /// Something else.
    For(Fault),
}

impl Lane {
    /// Begins to speak HTTP/2.
    pub(super) async fn open(
        stream: Box<TlsStream<TcpStream>>,
        peer: SocketAddr,
        near: NearEnd,
    ) -> Result<Self, Fault> {
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_header_list_size(MAX_HEAD_BYTES as u32)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Fault::of_http2(peer, &error))?;
        let connection = tokio::spawn(async move { drop(connection.await) });
        Ok(Self {
            sender,
            peer,
            _near: near,
            _connection: AbortOnDropHandle::new(connection),
        })
    }

    /// Says whether it has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request and reads the answer. `sent` are the fields as they go out.
    pub(super) async fn converse(
        &self,
        outgoing: &Outgoing,
        hearing: &Hearing,
        sent: &mut Headers,
        answer: &mut Option<Answer>,
    ) -> Result<(), Failed> {
        let fault = |error: hyper::Error| {
            let fault = Fault::of_http2(self.peer, &error);
            if error.is_canceled() || error.is_closed() {
                Failed::Unsent(fault)
            } else {
                Failed::For(fault)
            }
        };
        let request = outgoing.http2().map_err(Failed::For)?;
        *sent = fields(request.headers());
        let mut sender = self.sender.clone();
        let asking = async {
            sender.ready().await?;
            sender.send_request(request.map(Full::new)).await
        };
        let response = tokio::time::timeout(hearing.first_byte, asking)
            .await
            .map_err(|_| Failed::For(Fault::FirstByte(hearing.first_byte)))?
            .map_err(fault)?;
        let (head, mut body) = response.into_parts();
        let answer = answer.insert(Answer::new(
            head.status.as_u16(),
            fields(&head.headers),
            hearing.room.clone(),
        ));
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|error| Failed::For(Fault::of_body(&error, answer.size())))?;
            if let Some(data) = frame.data_ref() {
                answer.take(data).map_err(Failed::For)?;
            }
        }
        Ok(())
    }
}

fn fields(map: &hyper::HeaderMap) -> Headers {
    let fields = map.iter();
    fields.map(|(n, v)| (n.as_str(), v.as_bytes())).collect()
}
