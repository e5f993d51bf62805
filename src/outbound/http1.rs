//! Exchanges a request and a response over HTTP/1.

use std::io;

use bytes::Buf as _;

use super::MAX_HEAD_BYTES;
use super::error::SendError;
use super::http1_connection::Http1Connection;
use super::outgoing::Outgoing;
use super::response::{PartialResponse, ReadOptions};
use super::response_head::{BodyFraming, HeadParse, HeadReader, ResponseHead};

/// Maximum length of the line that states a chunk's size, in bytes.
const MAX_CHUNK_LINE: usize = 16 * 1024;

/// Number of bytes of a malformed response that an error quotes.
const MAX_EVIDENCE_BYTES: usize = 24;

/// Sends a request and reads the response completely. Returns `true` if the
/// connection can be reused.
pub(super) async fn exchange(
    connection: &mut Http1Connection,
    outgoing: &Outgoing,
    options: &ReadOptions,
    answer: &mut Option<PartialResponse>,
) -> Result<bool, SendError> {
    connection.start_request(outgoing.head(), outgoing.body.clone());
    let head = tokio::time::timeout(options.first_byte, read_head(connection, &outgoing.method))
        .await
        .map_err(|_| SendError::FirstByte(options.first_byte))??;
    let answer = answer.insert(PartialResponse::new(
        head.status,
        head.headers,
        options.room.clone(),
    ));
    match head.framing {
        BodyFraming::Length(length) => read_sized(connection, length, answer).await?,
        BodyFraming::Chunked => read_chunked(connection, answer).await?,
        BodyFraming::Close => read_until_close(connection, answer).await?,
    }
    Ok(head.keep_alive && connection.is_clean())
}

/// Reads the head of the final response, skipping interim responses (RFC 9110
/// section 15.2).
async fn read_head(
    connection: &mut Http1Connection,
    method: &str,
) -> Result<ResponseHead, SendError> {
    let mut interim_bytes = 0;
    let mut reader = HeadReader::default();
    loop {
        // Tolerates empty lines before the head, like servers before a request
        // line (RFC 9112 section 2.2).
        while let Some(b'\r' | b'\n') = connection.buffer.first() {
            connection.buffer.advance(1);
            interim_bytes += 1;
        }
        match reader.read(&connection.buffer, method) {
            HeadParse::Partial => {}
            HeadParse::Complete(head, length) => {
                connection.buffer.advance(length);
                if head.status >= 200 || head.status == 101 {
                    return Ok(head);
                }
                interim_bytes += length;
                reader = HeadReader::default();
                if interim_bytes <= MAX_HEAD_BYTES {
                    continue;
                }
            }
            HeadParse::TooLarge => return Err(SendError::LargeHead),
            HeadParse::Malformed(why) => return Err(malformed_response(connection, why)),
        }
        if interim_bytes > MAX_HEAD_BYTES {
            return Err(SendError::OnlyInterimResponses(connection.peer));
        }
        match connection.read().await {
            Ok(0) if connection.buffer.is_empty() && connection.was_reset() => {
                return Err(SendError::Reset(connection.peer));
            }
            Ok(0) if connection.buffer.is_empty() && interim_bytes == 0 => {
                return Err(SendError::NoAnswer(connection.peer));
            }
            Ok(0) => return Err(SendError::TruncatedHead(connection.peer)),
            Ok(_) => {}
            Err(error) => return Err(SendError::read(connection.peer, &error)),
        }
    }
}

/// Creates the error for a response that is not HTTP/1, from its first bytes.
fn malformed_response(connection: &Http1Connection, why: String) -> SendError {
    match connection.buffer[..] {
        // A TLS alert or handshake record (RFC 8446 section 5.1).
        [0x15 | 0x16, 0x03, ..] => SendError::SpeaksTls(connection.peer),
        // A SETTINGS frame, with which HTTP/2 begins (RFC 9113 section 3.4).
        [0, _, _, 4, _, 0, 0, 0, 0, ..] => SendError::SpeaksHttp2(connection.peer),
        _ => {
            let begins = &connection.buffer[..connection.buffer.len().min(MAX_EVIDENCE_BYTES)];
            SendError::Malformed(connection.peer, why, begins.escape_ascii().to_string())
        }
    }
}

/// Reads a body of known length.
async fn read_sized(
    connection: &mut Http1Connection,
    mut left: u64,
    answer: &mut PartialResponse,
) -> Result<(), SendError> {
    while left > 0 {
        if connection.buffer.is_empty() {
            read_more(connection, answer).await?;
        }
        let here = usize::try_from(left)
            .map_or(connection.buffer.len(), |l| l.min(connection.buffer.len()));
        answer.take(&connection.buffer[..here])?;
        connection.buffer.advance(here);
        left -= here as u64;
    }
    Ok(())
}

/// Reads a chunked body and its trailers, which are discarded.
async fn read_chunked(
    connection: &mut Http1Connection,
    answer: &mut PartialResponse,
) -> Result<(), SendError> {
    let malformed = |answer: &PartialResponse, why: &str| {
        SendError::MalformedBody(answer.size(), why.to_owned())
    };
    loop {
        let size = loop {
            match httparse::parse_chunk_size(&connection.buffer) {
                Ok(httparse::Status::Complete((length, size))) => {
                    connection.buffer.advance(length);
                    break size;
                }
                Ok(httparse::Status::Partial) if connection.buffer.len() <= MAX_CHUNK_LINE => {
                    read_more(connection, answer).await?;
                }
                Ok(httparse::Status::Partial) => {
                    return Err(malformed(answer, "a chunk's size does not end"));
                }
                Err(_) => return Err(malformed(answer, "a chunk's size cannot be read")),
            }
        };
        if size == 0 {
            break;
        }
        read_sized(connection, size, answer).await?;
        while connection.buffer.len() < 2 {
            read_more(connection, answer).await?;
        }
        if !connection.buffer.starts_with(b"\r\n") {
            return Err(malformed(answer, "a chunk is longer than its stated size"));
        }
        connection.buffer.advance(2);
    }
    let mut trailers = 0;
    loop {
        let end = connection.buffer.iter().position(|byte| *byte == b'\n');
        if trailers + end.unwrap_or(connection.buffer.len()) > MAX_HEAD_BYTES {
            return Err(malformed(answer, "its trailers do not end"));
        }
        let Some(end) = end else {
            read_more(connection, answer).await?;
            continue;
        };
        let empty = matches!(connection.buffer[..end], [] | [b'\r']);
        connection.buffer.advance(end + 1);
        if empty {
            return Ok(());
        }
        trailers += end + 1;
    }
}

/// Reads a body that ends with the connection.
async fn read_until_close(
    connection: &mut Http1Connection,
    answer: &mut PartialResponse,
) -> Result<(), SendError> {
    loop {
        answer.take(&connection.buffer)?;
        connection.buffer.clear();
        match connection.read().await {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(body_error(&error, answer)),
        }
    }
}

/// Reads more of an incomplete body.
async fn read_more(
    connection: &mut Http1Connection,
    answer: &PartialResponse,
) -> Result<(), SendError> {
    match connection.read().await {
        Ok(0) => Err(SendError::TruncatedBody(answer.size())),
        Ok(_) => Ok(()),
        Err(error) => Err(body_error(&error, answer)),
    }
}

/// Creates the error for a body that ended early.
fn body_error(error: &io::Error, answer: &PartialResponse) -> SendError {
    match error.kind() {
        io::ErrorKind::ConnectionReset => SendError::ResetInBody(answer.size()),
        _ => SendError::TruncatedBody(answer.size()),
    }
}
