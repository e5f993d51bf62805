//! Sends requests to the app under development, exactly.
//!
//! Over HTTP/1 the bytes on the wire are creel's own: method, target, every
//! field in its order with its repeats, then the body. Over HTTP/2, spoken
//! only where a server insists on it during the TLS handshake, the encoder
//! groups repeats of a name, and what it sends is what is listed. Nothing is
//! invented, no redirect followed, no proxy asked.
//!
//! Connections are used again, but only clean ones: the answer was read to
//! its end, nothing lies unread, neither side wants to close, and the peer has
//! not done so since. A connection on which anything went wrong is closed with
//! the exchange. It may still happen that the peer closes one in the very
//! moment it is used again. RFC 9112 section 9.3.1 reckons with that and
//! RFC 9110 section 9.2.2 lets a request be repeated where it is known not to
//! have been applied: so it is sent once more, on a fresh connection, where not
//! a byte of an answer came and the system tells by a reset that the peer had
//! not read all of it. A target that took the whole request and then closed is
//! not sent it twice.

mod answer;
mod connect;
mod fault;
mod head;
mod http1;
mod http2;
mod ours;
mod outgoing;
mod place;
mod pool;
mod probe;
mod resolver;
mod tls;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use answer::COUNTED_BYTES;
pub use outgoing::{Outgoing, prepare};
pub use place::strangers;
pub use probe::reachable;
pub use resolver::Lookup;

use crate::domain::attempt;
use crate::domain::headers::Headers;
use answer::{Answer, Hearing, Room, Shelf};
use connect::Connected;
use fault::Fault;
use http2::{Failed, Lane};
use ours::Ours;
use pool::{Origin, Pool};
use resolver::Resolver;
use tls::Tls;
use wire::Wire;

/// How many bytes the head of an answer may have.
const MAX_HEAD_BYTES: usize = 256 * 1024;

/// How many fields an answer may have.
const MAX_FIELDS: usize = 500;

/// How many bytes of answers that are wanted whole are held in all.
const HELD_BYTES: usize = 256 << 20;

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
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(default)]
pub struct Options {
    /// Takes any certificate, even one that proves nothing.
    pub insecure: bool,
    /// Sends to link-local addresses, where clouds keep their metadata service.
    pub link_local: bool,
}

impl Options {
    /// Allows what either allows.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            insecure: self.insecure || other.insecure,
            link_local: self.link_local || other.link_local,
        }
    }
}

/// Something that sends requests; whoever shares it shares its connections.
#[derive(Debug, Default)]
pub struct Client {
    timeouts: Timeouts,
    resolver: Resolver,
    tls: Tls,
    pool: Pool,
    /// The connections that are open.
    ours: Ours,
    /// The answers that are held whole.
    shelf: Shelf,
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
    pub fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            ..Self::default()
        }
    }

    /// Makes a client that finds the addresses of names in its own way.
    pub fn with_lookup(timeouts: Timeouts, lookup: Lookup) -> Self {
        Self {
            resolver: Resolver::new(lookup),
            ..Self::new(timeouts)
        }
    }

    /// Sends a request and reads the answer. Every way this may go wrong is
    /// told in the exchange.
    pub async fn send(&self, outgoing: &Outgoing, options: Options) -> Exchange {
        self.send_and_hold(outgoing, options, Room::KEPT).await.0
    }

    /// Does the same for somebody who wants the whole body of the answer,
    /// which may have `most` bytes; it is empty where no whole answer came.
    /// What is held of such bodies counts until the last copy is dropped, and
    /// one that there is no room for is not read to its end.
    pub async fn send_for_whole(
        &self,
        outgoing: &Outgoing,
        options: Options,
        most: usize,
    ) -> (Exchange, Bytes) {
        let room = Room::whole(most, &self.shelf);
        let (exchange, body) = self.send_and_hold(outgoing, options, room).await;
        let body = if exchange.error.is_none() {
            body
        } else {
            Bytes::new()
        };
        (exchange, body)
    }

    /// Says whether `remote` is the near end of a connection of this client
    /// to `port`: what comes to that port from there was sent by itself. Where
    /// the port is not known, any connection counts.
    pub fn is_ours(&self, remote: SocketAddr, port: Option<u16>) -> bool {
        self.ours.has(remote, port)
    }

    async fn send_and_hold(
        &self,
        outgoing: &Outgoing,
        options: Options,
        room: Room,
    ) -> (Exchange, Bytes) {
        let start = Instant::now();
        let mut talk = Talk {
            hearing: Hearing {
                first_byte: self.timeouts.first_byte,
                room,
            },
            connected: false,
            sent: None,
            answer: None,
        };
        let total = self.timeouts.total;
        let work = self.exchange(outgoing, options, &mut talk);
        let fault = match tokio::time::timeout(total, work).await {
            Ok(Ok(())) => None,
            Ok(Err(fault)) => Some(fault),
            Err(_) => Some(Fault::Total(total)),
        };
        let (response, body) = talk.answer.map(Answer::into_response).unzip();
        let exchange = Exchange {
            response,
            error: fault.map(|fault| fault.to_string()),
            duration_us: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
            sent_headers: talk.sent.unwrap_or_else(|| outgoing.headers.clone()),
            connected: talk.connected,
        };
        (exchange, body.unwrap_or_default())
    }

    async fn exchange(
        &self,
        outgoing: &Outgoing,
        options: Options,
        talk: &mut Talk,
    ) -> Result<(), Fault> {
        let origin = Origin::of(outgoing, options);
        if let Some(lane) = self.pool.lane(&origin) {
            talk.connected = true;
            match self.over_http2(&lane, outgoing, &origin, talk).await {
                Err(Failed::Unsent(_)) => talk.sent = None,
                Err(Failed::For(fault)) => return Err(fault),
                Ok(()) => return Ok(()),
            }
        } else if let Some(mut wire) = self.pool.wire(&origin).await {
            talk.connected = true;
            match http1::converse(&mut wire, outgoing, &talk.hearing, &mut talk.answer).await {
                Err(fault) if fault.is_silence() && wire.was_unread().await => {}
                ended => return self.ended(ended, origin, wire),
            }
        }
        let connected = self.connect(outgoing, options).await?;
        talk.connected = true;
        match connected {
            Connected::Http1(mut wire) => {
                let ended =
                    http1::converse(&mut wire, outgoing, &talk.hearing, &mut talk.answer).await;
                self.ended(ended, origin, wire)
            }
            Connected::Http2(lane) => {
                let lane = Arc::new(lane);
                self.pool.share(origin.clone(), &lane);
                match self.over_http2(&lane, outgoing, &origin, talk).await {
                    Err(Failed::Unsent(fault) | Failed::For(fault)) => Err(fault),
                    Ok(()) => Ok(()),
                }
            }
        }
    }

    async fn connect(&self, outgoing: &Outgoing, options: Options) -> Result<Connected, Fault> {
        let time = self.timeouts.connect;
        let deadline = Instant::now() + time;
        let resolver = &self.resolver;
        let connecting =
            connect::connect(outgoing, options, deadline, resolver, &self.tls, &self.ours);
        tokio::time::timeout_at(deadline.into(), connecting)
            .await
            .map_err(|_| Fault::Connect(outgoing.authority(), time))?
    }

    /// Lets a connection wait for another request, if it may.
    fn ended(&self, ended: Result<bool, Fault>, origin: Origin, wire: Wire) -> Result<(), Fault> {
        if ended? {
            self.pool.put(origin, wire);
        }
        Ok(())
    }

    async fn over_http2(
        &self,
        lane: &Arc<Lane>,
        outgoing: &Outgoing,
        origin: &Origin,
        talk: &mut Talk,
    ) -> Result<(), Failed> {
        // Forgotten too where the time runs out and this is dropped.
        let mut using = Using {
            pool: &self.pool,
            origin,
            lane,
            well: false,
        };
        let sent = talk.sent.insert(Headers::new());
        let ended = lane
            .converse(outgoing, &talk.hearing, sent, &mut talk.answer)
            .await;
        using.well = ended.is_ok();
        ended
    }
}

/// What is known of an exchange so far.
struct Talk {
    hearing: Hearing,
    connected: bool,
    /// What was sent, where it was not what was to be sent.
    sent: Option<Headers>,
    answer: Option<Answer>,
}

/// A use of a shared connection, which is forgotten unless all goes well.
struct Using<'a> {
    pool: &'a Pool,
    origin: &'a Origin,
    lane: &'a Arc<Lane>,
    well: bool,
}

impl Drop for Using<'_> {
    fn drop(&mut self) {
        if !self.well {
            self.pool.forget(self.origin, self.lane);
        }
    }
}
