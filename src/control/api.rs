//! Serves an engine to other processes of the same user.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use tokio::io::BufReader;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::{SocketPath, protocol};
use crate::engine::Engine;
use crate::engine::command::Event;

/// The bound control socket.
pub struct Api {
    listener: UnixListener,
    path: SocketPath,
}

impl Api {
    /// Binds the socket in `data_dir`. The caller owns the store there, so an
    /// existing socket belongs to a creel that was killed.
    ///
    /// # Errors
    /// Returns the error of binding the socket.
    pub fn bind(data_dir: &Path) -> io::Result<Self> {
        let path = SocketPath::of(data_dir)?;
        match std::fs::remove_file(&path.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path.path)?;
        std::fs::set_permissions(&path.path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
    }

    /// Serves `engine` until `shutdown`, then removes the socket.
    pub async fn serve(self, engine: Engine, shutdown: CancellationToken) {
        loop {
            let stream = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match stream {
                Ok((stream, _)) => {
                    let (engine, shutdown) = (engine.clone(), shutdown.clone());
                    tokio::spawn(async move {
                        tokio::select! {
                            () = shutdown.cancelled() => {}
                            ended = serve_client(stream, engine) => {
                                if let Err(error) = ended {
                                    tracing::debug!(%error, "a control connection ended");
                                }
                            }
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a control connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
        let _ = std::fs::remove_file(&self.path.path);
    }
}

/// Serves one client: executes its commands in parallel and sends it all
/// events.
async fn serve_client(stream: UnixStream, engine: Engine) -> io::Result<()> {
    let mut events = engine.subscribe();
    let (read, write) = stream.into_split();
    let mut read = BufReader::new(read);
    let write = Arc::new(Mutex::new(write));
    let hello = protocol::Hello {
        creel: env!("CARGO_PKG_VERSION").to_owned(),
        protocol: protocol::PROTOCOL_VERSION,
    };
    protocol::write(&mut *write.lock().await, &hello).await?;
    let event_writer = Arc::clone(&write);
    let send_events = async move {
        loop {
            let event = match events.recv().await {
                Ok(event) => event,
                Err(RecvError::Lagged(_)) => Event::Missed,
                Err(RecvError::Closed) => return Ok(()),
            };
            protocol::write(
                &mut *event_writer.lock().await,
                &protocol::ServerMessage::Event(Box::new(event)),
            )
            .await?;
        }
    };
    let answer_requests = async move {
        while let Some(request) = protocol::read::<protocol::Request>(&mut read).await? {
            let (engine, write) = (engine.clone(), Arc::clone(&write));
            tokio::spawn(async move {
                let reply = engine.call(request.command).await;
                let _ = protocol::write(
                    &mut *write.lock().await,
                    &protocol::ServerMessage::Reply(request.number, reply),
                )
                .await;
            });
        }
        Ok(())
    };
    tokio::select! {
        ended = send_events => ended,
        ended = answer_requests => ended,
    }
}
