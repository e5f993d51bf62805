//! A server under test and raw sockets to talk to it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use creel::clock::Fixed;
use creel::domain::timestamp::Timestamp;
use creel::server::{self, Intake, Limits, ReceivedRequest, SenderResponse};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long anything in a test may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// When the clock of every receiver stands.
pub(crate) const NOW: Timestamp = Timestamp(1_795_269_751_204_512);

/// A running server that remembers what it took.
pub(crate) struct Receiver {
    pub(crate) addr: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) serving: JoinHandle<()>,
    arrivals: Arc<Mutex<Vec<ReceivedRequest>>>,
}

impl Receiver {
    /// Starts one that answers 200 "kept".
    pub(crate) async fn start(limits: Limits) -> Self {
        Self::answering(limits, |_| {
            let mut reply = SenderResponse::new(200);
            reply.body = "kept".into();
            reply
        })
        .await
    }

    /// Starts one that answers what `answer` says.
    pub(crate) async fn answering(
        limits: Limits,
        answer: impl Fn(&ReceivedRequest) -> SenderResponse + Send + Sync + 'static,
    ) -> Self {
        let arrivals = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&arrivals);
        let intake: Intake = Arc::new(move |arrival| {
            let reply = answer(&arrival);
            kept.lock().unwrap().push(arrival);
            Box::pin(async move { reply })
        });
        let mut receiver = Self::with(limits, intake).await;
        receiver.arrivals = arrivals;
        receiver
    }

    /// Starts one with an intake of its own.
    pub(crate) async fn with(limits: Limits, intake: Intake) -> Self {
        let listener = server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let addr = listener.local_addr();
        let shutdown = CancellationToken::new();
        let clock = Arc::new(Fixed::at(NOW));
        let serving = tokio::spawn(server::serve(
            listener,
            limits,
            intake,
            clock,
            shutdown.clone(),
        ));
        Self {
            addr,
            shutdown,
            serving,
            arrivals: Arc::default(),
        }
    }

    /// Returns what arrived so far.
    pub(crate) fn arrivals(&self) -> Vec<ReceivedRequest> {
        self.arrivals.lock().unwrap().clone()
    }

    /// Returns the one arrival there is.
    pub(crate) fn only(&self) -> ReceivedRequest {
        let mut all = self.arrivals();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self) -> Raw {
        Raw(TcpStream::connect(self.addr).await.unwrap())
    }

    /// Sends bytes, ends that side and returns all that comes back.
    pub(crate) async fn send(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut raw = self.connect().await;
        raw.write(bytes).await;
        raw.end().await;
        raw.rest().await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A socket without manners of its own.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    /// Writes bytes; a closed connection is no error, the answer tells.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let writing = self.0.write_all(bytes.as_ref());
        let _ = within(writing).await;
    }

    /// Ends the writing side.
    pub(crate) async fn end(&mut self) {
        let _ = self.0.shutdown().await;
    }

    /// Reads until `text` was read; returns all that was.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        let mut read = Vec::new();
        while !read.windows(text.len()).any(|w| w == text.as_bytes()) {
            let byte = within(self.0.read_u8()).await;
            match byte {
                Ok(byte) => read.push(byte),
                Err(error) => panic!("{error} after {}", read.escape_ascii()),
            }
        }
        String::from_utf8_lossy(&read).into_owned()
    }

    /// Reads to the end of the connection, which must not be a reset.
    pub(crate) async fn rest(&mut self) -> String {
        let mut read = Vec::new();
        within(self.0.read_to_end(&mut read)).await.unwrap();
        String::from_utf8_lossy(&read).into_owned()
    }
}

/// Waits for something, but not for ever.
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("in time")
}
