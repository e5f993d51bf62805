//! Receiving, measured beside a bare axum handler in the same run.
//!
//! `cargo bench --bench receive` sends 2 KiB JSON deliveries that Stackryze
//! would have signed, each an event of its own, to a handler that reads the
//! body and answers, and to creel, which verifies, keeps and answers. The two
//! take turns; both and the load share the machine. Every figure is the median
//! of the rounds. `-- 16 64` measures with so many connections only.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use creel::clock::{Clock as _, System};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use support::process::{self, Process};
use support::say::say;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

mod support {
    #[path = "process.rs"]
    pub(crate) mod process;
    #[path = "say.rs"]
    pub(crate) mod say;
}

const CONNECTIONS: [usize; 4] = [1, 16, 64, 256];
const ROUNDS: usize = 3;
const WARM_UP: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_secs(3);
const BODY: usize = 2048;
const SECRET: &str = "a-secret-of-the-benchmark";
/// Tells the benchmark to be the bare handler.
const BARE: &str = "CREEL_BENCH_BARE";

fn main() {
    if std::env::var_os(BARE).is_some() {
        bare();
        return;
    }
    let request = Template::new();
    say!("2 KiB signed JSON, verified, kept durably and answered; medians of {ROUNDS} rounds\n");
    say!(
        "{:>11}  {:>10} {:>8} {:>8}   {:>10} {:>8} {:>8}   {:>6} {:>9}",
        "",
        "bare axum",
        "",
        "",
        "creel",
        "",
        "",
        "",
        ""
    );
    say!(
        "{:>11}  {:>10} {:>8} {:>8}   {:>10} {:>8} {:>8}   {:>6} {:>9}",
        "connections",
        "req/s",
        "p50 ms",
        "p99 ms",
        "req/s",
        "p50 ms",
        "p99 ms",
        "rate",
        "p99"
    );
    for connections in chosen() {
        let (mut bare, mut creel) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            bare.push(Server::bare().measure(connections, &request));
            creel.push(Server::creel().measure(connections, &request));
        }
        let (bare, creel) = (median(bare), median(creel));
        say!(
            "{connections:>11}  {:>10.0} {:>8.2} {:>8.2}   {:>10.0} {:>8.2} {:>8.2}   {:>6.2} {:>8.1}x",
            bare.rate,
            bare.p50,
            bare.p99,
            creel.rate,
            creel.p50,
            creel.p99,
            creel.rate / bare.rate,
            creel.p99 / bare.p99,
        );
    }
}

/// Returns the counts of connections that were asked for, else all.
fn chosen() -> Vec<usize> {
    let asked: Vec<usize> = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .collect();
    if asked.is_empty() {
        CONNECTIONS.to_vec()
    } else {
        asked
    }
}

/// Reads bodies and answers, nothing else.
fn bare() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let handler = |body: axum::body::Bytes| async move {
            std::hint::black_box(body);
            "ok\n"
        };
        process::serve("127.0.0.1:0", axum::Router::new().fallback(handler)).await;
    });
}

/// A server in a process of its own; it ends with this.
struct Server {
    _process: Process,
    address: SocketAddr,
    _home: tempfile::TempDir,
}

impl Server {
    fn bare() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        Self::of(Process::again(BARE, "1"), home)
    }

    fn creel() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let program = std::env::var_os("CREEL_BENCH_PROGRAM")
            .unwrap_or_else(|| env!("CARGO_BIN_EXE_creel").into());
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", home.path())
            .current_dir(home.path())
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir", "data"])
            .args(["--secret", &format!("stackryze={SECRET}")]);
        Self::of(Process::start(&mut command), home)
    }

    fn of((process, line): (Process, String), home: tempfile::TempDir) -> Self {
        let address = line
            .strip_prefix("ready http://")
            .expect("ready")
            .parse()
            .expect("an address");
        Self {
            _process: process,
            address,
            _home: home,
        }
    }

    /// Loads it with so many connections, each sending its next request as
    /// soon as the last was answered.
    fn measure(self, connections: usize, request: &Template) -> Figures {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let began = Instant::now();
        let (from, until) = (began + WARM_UP, began + WARM_UP + MEASURED);
        let mut times: Vec<u32> = runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for number in 0..connections {
                tasks.spawn(send(self.address, request.clone(), number, from, until));
            }
            tasks.join_all().await.concat()
        });
        times.sort_unstable();
        let at = |percent: usize| {
            let place = (times.len() * percent / 100).min(times.len() - 1);
            f64::from(times[place]) / 1e3
        };
        Figures {
            rate: times.len() as f64 / MEASURED.as_secs_f64(),
            p50: at(50),
            p99: at(99),
        }
    }
}

/// What one round gave: requests a second, milliseconds.
#[derive(Clone, Copy)]
struct Figures {
    rate: f64,
    p50: f64,
    p99: f64,
}

fn median(mut rounds: Vec<Figures>) -> Figures {
    rounds.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    rounds[rounds.len() / 2]
}

/// A request whose event id is filled in before each sending.
#[derive(Clone)]
struct Template {
    bytes: Vec<u8>,
    id_at: usize,
}

impl Template {
    fn new() -> Self {
        const ID: &str = "00000000-0000-0000-0000-000000000000";
        let mut body = br#"{"zone":"example.net","records":[""#.to_vec();
        while body.len() < BODY - 2 {
            body.push(b"0123456789abcdef"[body.len() % 16]);
        }
        body.truncate(BODY - 3);
        body.extend_from_slice(b"\"]}");
        let time = System.now().unix_seconds().to_string();
        let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())
            .expect("any key will do")
            .chain_update(&time)
            .chain_update(".")
            .chain_update(&body)
            .finalize();
        let signature = hex::encode(mac.into_bytes());
        let head = format!(
            "POST /hooks HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Stackryze/1.0\r\n\
             Content-Type: application/json\r\nX-Stackryze-Event: record.updated\r\n\
             X-Stackryze-Delivery: {ID}\r\nX-Stackryze-Signature: t={time},v1={signature}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        let id_at = head.find(ID).expect("it is there");
        Self {
            bytes: [head.into_bytes(), body].concat(),
            id_at,
        }
    }

    fn number(&mut self, connection: usize, request: u64) {
        let id = format!("{connection:08x}-0000-0000-0000-{request:012x}");
        self.bytes[self.id_at..self.id_at + id.len()].copy_from_slice(id.as_bytes());
    }
}

/// Sends on one connection until `until`; returns how long each answer took
/// that came after `from`, in microseconds.
async fn send(
    address: SocketAddr,
    mut request: Template,
    connection: usize,
    from: Instant,
    until: Instant,
) -> Vec<u32> {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    let mut answer = vec![0; 4096];
    let mut times = Vec::with_capacity(1 << 16);
    for number in 0.. {
        request.number(connection, number);
        let began = Instant::now();
        stream.write_all(&request.bytes).await.expect("sending");
        let mut filled = 0;
        while !whole(&answer[..filled]) {
            let read = stream.read(&mut answer[filled..]).await.expect("an answer");
            assert!(read > 0, "the server hung up");
            filled += read;
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "not kept");
        let now = Instant::now();
        if now >= until {
            break;
        }
        if began >= from {
            times.push(u32::try_from((now - began).as_micros()).unwrap_or(u32::MAX));
        }
    }
    times
}

/// Says whether an answer has come whole: both servers' bodies are `ok` and a
/// line's end, or empty.
fn whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else {
        return false;
    };
    let head = &answer[..end];
    let length = head
        .windows(16)
        .position(|w| w.eq_ignore_ascii_case(b"content-length: "))
        .map_or(0, |at| {
            head[at + 16..]
                .iter()
                .take_while(|b| b.is_ascii_digit())
                .fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'))
        });
    answer.len() >= end + 4 + length
}
