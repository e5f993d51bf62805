//! An app under development, on a thread of its own: it can be down, come
//! back on the same port, and say what it was sent.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long anything may take to come about.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A request as the app read it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// All of it, byte for byte.
    pub(crate) raw: Vec<u8>,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    /// Returns what was asked for.
    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }
}

/// What the app says to a request: all the bytes of its answer.
type Say = dyn Fn(&Seen) -> Vec<u8> + Send + Sync;

/// An app that takes one request a connection.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    say: Arc<Say>,
    running: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
    /// Holds the port while nobody listens.
    _port: tokio::net::TcpSocket,
}

impl App {
    /// Takes a port and does not listen on it yet.
    pub(crate) fn down(say: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let port = tokio::net::TcpSocket::new_v4().unwrap();
        // With this two may have the port as long as one of them listens.
        port.set_reuseaddr(true).unwrap();
        port.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self {
            address: port.local_addr().unwrap(),
            _port: port,
            seen: Arc::default(),
            say: Arc::new(say),
            running: None,
        }
    }

    /// Starts one that says what it is told to.
    pub(crate) fn saying(say: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let mut app = Self::down(say);
        app.start();
        app
    }

    /// Starts one that answers each request with the next of some statuses,
    /// and the last of them again and again.
    pub(crate) fn answering(statuses: &[u16]) -> Self {
        let (statuses, count) = (statuses.to_vec(), AtomicUsize::new(0));
        Self::saying(move |_| {
            let at = count.fetch_add(1, Ordering::SeqCst);
            status(statuses[at.min(statuses.len() - 1)])
        })
    }

    /// Starts one that answers 200.
    pub(crate) fn up() -> Self {
        Self::saying(|_| ok())
    }

    /// Listens.
    pub(crate) fn start(&mut self) {
        let listener = until("the app's port", || TcpListener::bind(self.address).ok());
        let stopped = Arc::new(AtomicBool::new(false));
        let (seen, say, stop) = (
            Arc::clone(&self.seen),
            Arc::clone(&self.say),
            Arc::clone(&stopped),
        );
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (seen, say) = (Arc::clone(&seen), Arc::clone(&say));
                std::thread::spawn(move || drop(serve(stream.unwrap(), &seen, &*say)));
            }
        });
        self.running = Some((stopped, thread));
    }

    /// Stops listening.
    pub(crate) fn stop(&mut self) {
        if let Some((stopped, thread)) = self.running.take() {
            stopped.store(true, Ordering::SeqCst);
            let _ = TcpStream::connect(self.address);
            thread.join().unwrap();
        }
    }

    /// Returns its address as a target.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns what it was sent so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until it was sent so much, and returns what was asked for.
    pub(crate) fn targets(&self, count: usize) -> Vec<String> {
        until("the app to be asked", || {
            let seen = self.seen();
            let targets = || seen.iter().map(|s| s.target().to_owned()).collect();
            (seen.len() >= count).then(targets)
        })
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An answer without a body.
pub(crate) fn ok() -> Vec<u8> {
    status(200)
}

/// An answer without a body, of a status.
fn status(status: u16) -> Vec<u8> {
    format!("HTTP/1.1 {status} -\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

fn serve(stream: TcpStream, seen: &Mutex<Vec<Seen>>, say: &Say) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut raw = Vec::new();
    while !raw.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut raw)? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&raw).into_owned();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    raw.extend_from_slice(&body);
    let request = Seen { raw, head, body };
    let answer = say(&request);
    seen.lock().unwrap().push(request);
    reader.into_inner().write_all(&answer)
}

/// Waits until something is there.
pub(crate) fn until<T>(what: &str, mut there: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = there() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
