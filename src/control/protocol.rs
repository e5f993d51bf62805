//! Defines the messages of the control socket.

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};

use crate::domain::failure::Failure;
use crate::engine::command::{Command, Event, Reply};

/// The protocol version. Increased with each incompatible change.
pub(super) const PROTOCOL_VERSION: u32 = 3;

/// Maximum length of a line, in bytes: a body of 1 GiB in base64 with its
/// headers.
const MAX_LINE_BYTES: u64 = 1_500 * 1024 * 1024;

/// The first message, from the creel that owns the data.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) creel: String,
    pub(super) protocol: u32,
}

/// A message from the client.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) number: u64,
    pub(super) command: Command,
}

/// A message to the client.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ServerMessage {
    Reply(u64, Result<Reply, Failure>),
    Event(Box<Event>),
}

/// Writes one message as a line.
pub(super) async fn write(
    to: &mut (impl AsyncWriteExt + Unpin),
    line: &impl Serialize,
) -> std::io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    to.write_all(&text).await?;
    to.flush().await
}

/// Reads one message; `None` at the end of the stream.
pub(super) async fn read<T: for<'de> Deserialize<'de>>(
    from: &mut (impl AsyncBufReadExt + Unpin),
) -> std::io::Result<Option<T>> {
    use tokio::io::AsyncReadExt as _;
    let mut line = Vec::new();
    from.take(MAX_LINE_BYTES)
        .read_until(b'\n', &mut line)
        .await?;
    if line.is_empty() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}
