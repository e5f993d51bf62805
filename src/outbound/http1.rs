//! One request and its answer over HTTP/1.

use std::io;

use bytes::Buf as _;

use super::MAX_HEAD_BYTES;
use super::answer::{Answer, Hearing};
use super::fault::Fault;
use super::head::{End, Head, Read, Reader};
use super::outgoing::Outgoing;
use super::wire::Wire;

/// How long the line may be that says how long a chunk is, in bytes.
const MAX_CHUNK_LINE: usize = 16 * 1024;

/// How many bytes of an answer's beginning are told as evidence.
const EVIDENCE: usize = 24;

/// Sends a request and reads the answer to its end; says whether another
/// request may follow on the connection.
pub(super) async fn converse(
    wire: &mut Wire,
    outgoing: &Outgoing,
    hearing: &Hearing,
    answer: &mut Option<Answer>,
) -> Result<bool, Fault> {
    wire.say(outgoing.head(), outgoing.body.clone());
    let head = tokio::time::timeout(hearing.first_byte, head(wire, &outgoing.method))
        .await
        .map_err(|_| Fault::FirstByte(hearing.first_byte))??;
    let answer = answer.insert(Answer::new(head.status, head.headers, hearing.room.clone()));
    match head.end {
        End::After(length) => counted(wire, length, answer).await?,
        End::Chunks => chunked(wire, answer).await?,
        End::Close => to_the_end(wire, answer).await?,
    }
    Ok(head.stays && wire.is_clean())
}

/// Reads heads up to the last: those before it only inform (RFC 9110
/// section 15.2).
async fn head(wire: &mut Wire, method: &str) -> Result<Head, Fault> {
    let mut informed = 0;
    let mut reader = Reader::default();
    loop {
        // An empty line before a head is borne, as servers are told to.
        while let Some(b'\r' | b'\n') = wire.heard.first() {
            wire.heard.advance(1);
            informed += 1;
        }
        match reader.read(&wire.heard, method) {
            Read::Part => {}
            Read::Whole(head, length) => {
                wire.heard.advance(length);
                if head.status >= 200 || head.status == 101 {
                    return Ok(head);
                }
                informed += length;
                reader = Reader::default();
                if informed <= MAX_HEAD_BYTES {
                    continue;
                }
            }
            Read::Large => return Err(Fault::LargeHead),
            Read::Garbage(why) => return Err(garbage(wire, why)),
        }
        if informed > MAX_HEAD_BYTES {
            return Err(Fault::OnlyInforms(wire.peer));
        }
        match wire.hear().await {
            Ok(0) if wire.heard.is_empty() && wire.was_reset() => {
                return Err(Fault::Reset(wire.peer));
            }
            Ok(0) if wire.heard.is_empty() && informed == 0 => {
                return Err(Fault::NoAnswer(wire.peer));
            }
            Ok(0) => return Err(Fault::HalfHead(wire.peer)),
            Ok(_) => {}
            Err(error) => return Err(Fault::of_reading(wire.peer, &error)),
        }
    }
}

/// Explains an answer that is no HTTP/1 by what it begins with.
fn garbage(wire: &Wire, why: String) -> Fault {
    match wire.heard[..] {
        // A TLS record that is an alert or a handshake (RFC 8446 section 5.1).
        [0x15 | 0x16, 0x03, ..] => Fault::SpeaksTls(wire.peer),
        // Settings, which HTTP/2 begins with (RFC 9113 section 3.4).
        [0, _, _, 4, _, 0, 0, 0, 0, ..] => Fault::SpeaksHttp2(wire.peer),
        _ => {
            let begins = &wire.heard[..wire.heard.len().min(EVIDENCE)];
            Fault::Garbage(wire.peer, why, begins.escape_ascii().to_string())
        }
    }
}

/// Reads a body of a known length.
async fn counted(wire: &mut Wire, mut left: u64, answer: &mut Answer) -> Result<(), Fault> {
    while left > 0 {
        if wire.heard.is_empty() {
            more(wire, answer).await?;
        }
        let here = usize::try_from(left).map_or(wire.heard.len(), |l| l.min(wire.heard.len()));
        answer.take(&wire.heard[..here])?;
        wire.heard.advance(here);
        left -= here as u64;
    }
    Ok(())
}

/// Reads a body in chunks, and the fields behind it, which are not kept.
async fn chunked(wire: &mut Wire, answer: &mut Answer) -> Result<(), Fault> {
    let garbled = |answer: &Answer, why: &str| Fault::BodyGarbage(answer.size(), why.to_owned());
    loop {
        let size = loop {
            match httparse::parse_chunk_size(&wire.heard) {
                Ok(httparse::Status::Complete((length, size))) => {
                    wire.heard.advance(length);
                    break size;
                }
                Ok(httparse::Status::Partial) if wire.heard.len() <= MAX_CHUNK_LINE => {
                    more(wire, answer).await?;
                }
                Ok(httparse::Status::Partial) => {
                    return Err(garbled(answer, "a chunk's size does not end"));
                }
                Err(_) => return Err(garbled(answer, "a chunk's size cannot be read")),
            }
        };
        if size == 0 {
            break;
        }
        counted(wire, size, answer).await?;
        while wire.heard.len() < 2 {
            more(wire, answer).await?;
        }
        if !wire.heard.starts_with(b"\r\n") {
            return Err(garbled(answer, "a chunk is longer than it says"));
        }
        wire.heard.advance(2);
    }
    let mut trailers = 0;
    loop {
        let end = wire.heard.iter().position(|byte| *byte == b'\n');
        if trailers + end.unwrap_or(wire.heard.len()) > MAX_HEAD_BYTES {
            return Err(garbled(answer, "the fields behind it do not end"));
        }
        let Some(end) = end else {
            more(wire, answer).await?;
            continue;
        };
        let empty = matches!(wire.heard[..end], [] | [b'\r']);
        wire.heard.advance(end + 1);
        if empty {
            return Ok(());
        }
        trailers += end + 1;
    }
}

/// Reads a body that ends where the connection does.
async fn to_the_end(wire: &mut Wire, answer: &mut Answer) -> Result<(), Fault> {
    loop {
        answer.take(&wire.heard)?;
        wire.heard.clear();
        match wire.hear().await {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(broke(&error, answer)),
        }
    }
}

/// Waits for more of a body that is not at its end.
async fn more(wire: &mut Wire, answer: &Answer) -> Result<(), Fault> {
    match wire.hear().await {
        Ok(0) => Err(Fault::BodyCut(answer.size())),
        Ok(_) => Ok(()),
        Err(error) => Err(broke(&error, answer)),
    }
}

/// Explains why a body broke off.
fn broke(error: &io::Error, answer: &Answer) -> Fault {
    match error.kind() {
        io::ErrorKind::ConnectionReset => Fault::BodyReset(answer.size()),
        _ => Fault::BodyCut(answer.size()),
    }
}
