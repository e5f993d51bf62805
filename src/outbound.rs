//! Sends requests to the app under development, exactly.
//!
//! Over HTTP/1 the bytes on the wire are creel's own: method, target, every
//! field in its order with its repeats, then the body. Over HTTP/2, spoken
//! only where a server insists on it during the TLS handshake, the encoder
//! groups repeats of a name. Nothing is invented, no redirect followed, no
//! proxy asked; each request has a connection of its own, so that what went
//! wrong went wrong with it.

mod address;
mod answer;
mod connect;
mod fault;
mod ours;
mod outgoing;
mod probe;
mod script;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{Empty, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use tokio_util::task::AbortOnDropHandle;

pub use answer::COUNTED_BYTES;
pub use outgoing::{Outgoing, prepare};
pub use probe::reachable;

use crate::domain::attempt;
use crate::domain::headers::Headers;
use answer::{Answer, Room};
use connect::Connected;
use fault::Fault;
use ours::Ours;
use script::Script;

/// How many bytes the head of an answer may have.
const MAX_HEAD_BYTES: usize = 256 * 1024;

/// How many fields an answer may have.
const MAX_FIELDS: usize = 500;

/// How long the parts of an exchange may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Finding the address, connecting and the TLS handshake together.
    pub connect: Duration,
    /// From the connection to the head of the answer.
    pub first_byte: Duration,
    /// The whole exchange.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(30),
            total: Duration::from_mins(1),
        }
    }
}

/// What is allowed that is not by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Takes any certificate, even one that proves nothing.
    pub insecure: bool,
    /// Sends to link-local addresses, where clouds keep their metadata service.
    pub link_local: bool,
}

/// Something that sends requests.
#[derive(Debug, Default)]
pub struct Client {
    timeouts: Timeouts,
    options: Options,
    /// Made with the first https target: reading the system's roots takes time.
    tls: OnceLock<Result<Arc<ClientConfig>, String>>,
    /// The near ends of the connections that are open.
    ours: Ours,
}

/// What was sent and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The answer, as far as it came; `None` where not even its head did.
    pub response: Option<attempt::Response>,
    /// What went wrong, as a sentence. Beside an answer: why it is not whole.
    pub error: Option<String>,
    /// From the start to the end of the answer or to the error, in
    /// microseconds.
    pub duration_us: u64,
    /// The fields as they were sent.
    pub sent_headers: Headers,
    /// Whether there was a connection to send it on.
    pub connected: bool,
}

impl Client {
    /// Makes a client.
    pub fn new(timeouts: Timeouts, options: Options) -> Self {
        Self {
            timeouts,
            options,
            tls: OnceLock::new(),
            ours: Ours::default(),
        }
    }

    /// Sends a request and reads the answer. Every way this may go wrong is
    /// told in the exchange.
    pub async fn send(&self, outgoing: &Outgoing) -> Exchange {
        self.send_and_hold(outgoing, Room::KEPT).await.0
    }

    /// Does the same for somebody who wants the whole body of the answer,
    /// which may have `most` bytes; it is empty where no whole answer came.
    pub async fn send_for_whole(&self, outgoing: &Outgoing, most: usize) -> (Exchange, Bytes) {
        let (exchange, body) = self.send_and_hold(outgoing, Room::whole(most)).await;
        let body = if exchange.error.is_none() {
            body
        } else {
            Bytes::new()
        };
        (exchange, body)
    }

    /// Says whether `remote` is the near end of a connection of this client:
    /// what comes from there was sent by itself.
    pub fn is_ours(&self, remote: SocketAddr) -> bool {
        self.ours.has(remote)
    }

    async fn send_and_hold(&self, outgoing: &Outgoing, room: Room) -> (Exchange, Bytes) {
        let start = Instant::now();
        let (mut answer, mut connected) = (None, false);
        let total = self.timeouts.total;
        let work = self.exchange(outgoing, room, &mut connected, &mut answer);
        let fault = match tokio::time::timeout(total, work).await {
            Ok(Ok(())) => None,
            Ok(Err(fault)) => Some(fault),
            Err(_) => Some(Fault::Total(total)),
        };
        let (response, body) = answer.map(Answer::into_response).unzip();
        let exchange = Exchange {
            response,
            error: fault.map(|fault| fault.to_string()),
            duration_us: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
            sent_headers: outgoing.headers.clone(),
            connected,
        };
        (exchange, body.unwrap_or_default())
    }

    async fn exchange(
        &self,
        outgoing: &Outgoing,
        room: Room,
        has_connected: &mut bool,
        answer: &mut Option<Answer>,
    ) -> Result<(), Fault> {
        let Timeouts {
            connect,
            first_byte,
            ..
        } = self.timeouts;
        let deadline = Instant::now() + connect;
        let connecting =
            connect::connect(outgoing, self.options, deadline, &self.ours, || self.tls());
        let connected = tokio::time::timeout_at(deadline.into(), connecting)
            .await
            .map_err(|_| Fault::Connect(outgoing.authority(), connect))??;
        *has_connected = true;
        let asking = ask(connected, outgoing);
        let (response, _connection) = tokio::time::timeout(first_byte, asking)
            .await
            .map_err(|_| Fault::FirstByte(first_byte))??;
        let (head, body) = response.into_parts();
        let answer = answer.insert(Answer::new(&head, room));
        answer.read(body).await
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, Fault> {
        self.tls
            .get_or_init(|| connect::tls_config(self.options))
            .clone()
            .map_err(Fault::NoRoots)
    }
}

/// Asks over a connection; returns the answer's head, and the connection,
/// which must be kept as long as the body is read.
async fn ask(
    connected: Connected,
    outgoing: &Outgoing,
) -> Result<(Response<Incoming>, AbortOnDropHandle<()>), Fault> {
    let Connected { stream, peer, h2 } = connected;
    if h2 {
        let fault = |error| Fault::of_answer(peer, &error, &[]);
        let (mut sender, connection) =
            hyper::client::conn::http2::Builder::new(TokioExecutor::new())
                .max_header_list_size(MAX_HEAD_BYTES as u32)
                .handshake(TokioIo::new(stream))
                .await
                .map_err(fault)?;
        let task = tokio::spawn(async move { drop(connection.await) });
        let task = AbortOnDropHandle::new(task);
        let request = outgoing.http2()?.map(Full::new);
        let response = sender.send_request(request).await.map_err(fault)?;
        return Ok((response, task));
    }
    let (script, heard) = Script::new(stream, outgoing.head(), outgoing.body.clone());
    let fault = |error| Fault::of_answer(peer, &error, &heard.bytes());
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .max_headers(MAX_FIELDS)
        .max_header_size(MAX_HEAD_BYTES)
        .handshake(TokioIo::new(script))
        .await
        .map_err(fault)?;
    let task = tokio::spawn(async move { drop(connection.await) });
    let task = AbortOnDropHandle::new(task);
    // hyper learns of the request what it must to read the answer; what goes
    // out is the script.
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = outgoing.http_method()?;
    let response = sender.send_request(request).await.map_err(fault)?;
    Ok((response, task))
}
