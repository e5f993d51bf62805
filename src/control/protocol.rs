//! The lines that go over the control socket.

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};

use crate::domain::failure::Failure;
use crate::engine::command::{Command, Event, Reply};

/// Counts changes of these lines that an older creel would not understand.
pub(super) const PROTOCOL_VERSION: u32 = 3;

/// The longest line taken, in bytes: a body of 1 GiB in base64, and its headers.
const MAX_LINE_BYTES: u64 = 1_500 * 1024 * 1024;

/// The first line, from the creel that owns the data.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) creel: String,
    pub(super) protocol: u32,
}

/// A line from the one who asks.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) number: u64,
    pub(super) command: Command,
}

/// A line to the one who asks.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ServerMessage {
    Reply(u64, Result<Reply, Failure>),
    Event(Box<Event>),
}

/// Writes one line.
pub(super) async fn write(
    to: &mut (impl AsyncWriteExt + Unpin),
    line: &impl Serialize,
) -> std::io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    to.write_all(&text).await?;
    to.flush().await
}

/// Reads one line; `None` at the end.
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
