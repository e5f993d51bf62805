//! Measures how fast a backlog is forwarded.
//!
//! Deliveries wait for an app that is down. It comes back, in a process of its
//! own, and the time is taken until none waits, by how many are forwarded at
//! once. An app that answers at once shows what creel itself takes; one that
//! takes its time shows how near creel comes to what it can take. `-- 16000`
//! chooses how many wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use creel::domain::headers::Headers;
use creel::engine::command::{Command, Reply};
use creel::engine::local::Local;
use creel::server::ReceivedRequest;
use support::fill::fill;
use support::process::{self, Process};
use support::say::say;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

mod support {
    #[path = "engine.rs"]
    pub(crate) mod engine;
    #[path = "fill.rs"]
    pub(crate) mod fill;
    #[path = "process.rs"]
    pub(crate) mod process;
    #[path = "say.rs"]
    pub(crate) mod say;
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const DELIVERIES: usize = 16_000;
const BODY: usize = 2048;
/// Milliseconds the app takes, and how many are forwarded at once.
const CASES: [(u64, u32); 4] = [(0, 1), (0, 8), (0, 64), (44, 8)];
/// Tells the benchmark to be the app: its address and delay.
const APP: &str = "CREEL_BENCH_APP";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    match std::env::var(APP) {
        Ok(told) => runtime.block_on(app(&told)),
        Err(_) => runtime.block_on(measure()),
    }
}

/// Reads bodies and answers after a while.
async fn app(told: &str) {
    let (address, delay) = told.split_once(' ').expect("an address and a delay");
    let delay = Duration::from_millis(delay.parse().expect("a number"));
    let handler = move |body: axum::body::Bytes| async move {
        std::hint::black_box(body);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        "ok\n"
    };
    process::serve(address, axum::Router::new().fallback(handler)).await;
}

async fn measure() {
    let asked = std::env::args().find_map(|arg| arg.parse().ok());
    let deliveries = asked.unwrap_or(DELIVERIES);
    say!("{deliveries} deliveries of 2 KiB wait for an app that comes back\n");
    say!(
        "{:>10}  {:>8}  {:>8}  {:>8}  {:>12}",
        "app takes",
        "at once",
        "seconds",
        "rate",
        "the app's max"
    );
    for (delay, at_once) in CASES {
        let seconds = drain(deliveries, delay, at_once).await;
        let rate = deliveries as f64 / seconds;
        let most = match delay {
            0 => "-".to_owned(),
            delay => format!("{:.0}", f64::from(at_once) * 1000.0 / delay as f64),
        };
        say!("{delay:>7} ms  {at_once:>8}  {seconds:>8.1}  {rate:>8.0}  {most:>12}");
    }
}

/// Returns how many seconds a backlog takes.
async fn drain(deliveries: usize, delay: u64, at_once: u32) -> f64 {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address")
    };
    let home = tempfile::tempdir().expect("a folder");
    let settings = format!("target = \"http://{address}\"\nparallel = {at_once}\n");
    let local = support::engine::open(home.path(), &settings);
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    local.forward(&tasks, &shutdown);
    fill(&local, deliveries, arrival).await;
    while waiting(&local).await < deliveries as u64 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let _app = Process::again(APP, &format!("{address} {delay}"));
    let begun = Instant::now();
    // One more ends the pause.
    fill(&local, 1, arrival).await;
    while waiting(&local).await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
    local.close().await;
    seconds
}

fn arrival(number: usize) -> ReceivedRequest {
    let id = format!("{number:08x}-0000-0000-0000-000000000000");
    let headers: Headers = [
        ("host", "hooks.example.test"),
        ("content-type", "application/json"),
        ("x-stackryze-event", "record.updated"),
        ("x-stackryze-delivery", id.as_str()),
        ("content-length", "2048"),
    ]
    .into_iter()
    .collect();
    support::engine::arrival("/hooks", headers, Bytes::from(vec![b'x'; BODY]))
}

/// Returns how many wait, as the header says it.
async fn waiting(local: &Arc<Local>) -> u64 {
    let Ok(Reply::Info(info)) = local.engine().call(Command::Info).await else {
        panic!("no info");
    };
    info.apps[0].waiting
}
