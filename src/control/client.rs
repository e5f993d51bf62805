//! Connects to the creel that owns the data.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{broadcast, oneshot};

use super::{SocketPath, protocol};
use crate::domain::failure::Failure;
use crate::engine::command::{Command, Event, Reply};
use crate::engine::{Backend, EVENT_BUFFER, Engine};

/// A connection to another creel.
struct Remote {
    write: tokio::sync::Mutex<OwnedWriteHalf>,
    pending: PendingReplies,
    number: AtomicU64,
}

/// The senders of pending replies by request number; `None` once the connection
/// has ended.
type ReplySenders = Option<HashMap<u64, oneshot::Sender<Result<Reply, Failure>>>>;

/// The pending replies, shared by callers and the reading task.
type PendingReplies = Arc<Mutex<ReplySenders>>;

/// Connects to the creel that runs on `data_dir`; `None` if there is none.
///
/// # Errors
/// Returns a [`Failure`] if a creel runs that cannot be used.
pub async fn connect(data_dir: &Path) -> Result<Option<Engine>, Failure> {
    let unreachable = |error: io::Error| {
        Failure::cannot(
            "The creel that runs on this data directory does not respond.",
            format!("{}: {error}.", data_dir.display()),
            "End it and start again, or use another directory:  --data-dir DIR",
        )
    };
    let stream = match SocketPath::of(data_dir) {
        Ok(path) => UnixStream::connect(&path.path).await,
        Err(error) => Err(error),
    };
    let stream = match stream {
        Ok(stream) => stream,
        // There is no socket, or its creel was killed: no process owns the
        // data.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(unreachable(error)),
    };
    let (read, write) = stream.into_split();
    let mut read = BufReader::new(read);
    let Some(hello) = protocol::read::<protocol::Hello>(&mut read)
        .await
        .map_err(unreachable)?
    else {
        return Ok(None);
    };
    if hello.protocol != protocol::PROTOCOL_VERSION {
        return Err(Failure::cannot(
            format!(
                "The creel that runs on this data directory is version {}.",
                hello.creel
            ),
            format!(
                "This one is {} and uses another protocol.",
                env!("CARGO_PKG_VERSION")
            ),
            "Use the same version for both.",
        ));
    }
    let (events, _) = broadcast::channel(EVENT_BUFFER);
    let pending: PendingReplies = Arc::new(Mutex::new(Some(HashMap::new())));
    let remote = Remote {
        write: write.into(),
        pending: Arc::clone(&pending),
        number: AtomicU64::new(0),
    };
    tokio::spawn(receive(read, pending, events.clone()));
    Ok(Some(Engine::new(Arc::new(remote), events)))
}

/// Receives replies and events until the connection ends.
async fn receive(
    mut read: BufReader<OwnedReadHalf>,
    pending: PendingReplies,
    events: broadcast::Sender<Event>,
) {
    while let Ok(Some(tell)) = protocol::read::<protocol::ServerMessage>(&mut read).await {
        match tell {
            protocol::ServerMessage::Event(event) => {
                let _ = events.send(*event);
            }
            protocol::ServerMessage::Reply(number, reply) => {
                let sender = lock(&pending)
                    .as_mut()
                    .and_then(|pending| pending.remove(&number));
                if let Some(sender) = sender {
                    let _ = sender.send(reply);
                }
            }
        }
    }
    // Dropping the senders wakes all waiting callers.
    *lock(&pending) = None;
    let _ = events.send(Event::Gone);
}

fn lock(pending: &PendingReplies) -> std::sync::MutexGuard<'_, ReplySenders> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Remote {
    async fn request(&self, command: Command) -> Result<Reply, Failure> {
        let gone = || {
            Failure::cannot(
                "The creel that owns the data is gone.",
                "It ended or was killed while this one was connected to it.",
                "Start creel again.",
            )
        };
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let (answered, answer) = oneshot::channel();
        lock(&self.pending)
            .as_mut()
            .ok_or_else(gone)?
            .insert(number, answered);
        let request = protocol::Request { number, command };
        if protocol::write(&mut *self.write.lock().await, &request)
            .await
            .is_err()
        {
            return Err(gone());
        }
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

impl Backend for Remote {
    fn call(&self, command: Command) -> BoxFuture<'_, Result<Reply, Failure>> {
        self.request(command).boxed()
    }
}
