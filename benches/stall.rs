//! Measures whether deliveries that are dear to verify hold up others.
//!
//! `cargo bench --bench stall` floods one endpoint with deliveries whose
//! signature is missing or wrong, large ones or many, while another gets a small
//! delivery every 25 ms that is forwarded to an app. Reported are the times from
//! such a delivery's acknowledgement until it is listed and until the app has
//! it, how far verification was behind, and how long creel took to end when
//! that began right after the flood.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use creel::domain::headers::Headers;
use creel::engine::Engine;
use creel::engine::command::Event;
use creel::server::Intake;
use support::engine::arrival;
use support::say::say;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

mod support {
    #[path = "engine.rs"]
    pub(crate) mod engine;
    #[path = "say.rs"]
    pub(crate) mod say;
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EVERY: Duration = Duration::from_millis(25);
const KIB: usize = 1 << 10;

/// A flood: what it is, how many deliveries of how many KiB come, how many at
/// once, signed or not, and with how many secrets configured.
struct Flood {
    what: &'static str,
    count: usize,
    kib: usize,
    at_once: usize,
    signature: Option<&'static str>,
    secrets: usize,
}

const WRONG: &str =
    "t=1795266149,v1=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

const FLOODS: [Flood; 4] = [
    Flood {
        what: "1,200 of 1 MiB, unsigned",
        count: 1200,
        kib: 1 << 10,
        at_once: 4,
        signature: None,
        secrets: 1,
    },
    Flood {
        what: "1,200 of 1 MiB, wrongly signed",
        count: 1200,
        kib: 1 << 10,
        at_once: 4,
        signature: Some(WRONG),
        secrets: 1,
    },
    Flood {
        what: "40 of 10 MiB, 200 secrets",
        count: 40,
        kib: 10 << 10,
        at_once: 4,
        signature: Some(WRONG),
        secrets: 200,
    },
    Flood {
        what: "200,000 of 2 KiB, wrongly signed",
        count: 200_000,
        kib: 2,
        at_once: 64,
        signature: Some(WRONG),
        secrets: 1,
    },
];

#[tokio::main]
async fn main() {
    say!(
        "{:<32}  {:>24}  {:>24}  {:>16}  {:>8}",
        "",
        "listed after, ms",
        "at the app after, ms",
        "verifying behind",
        "end"
    );
    say!(
        "{:<32}  {:>7} {:>7} {:>8}  {:>7} {:>7} {:>8}  {:>16}  {:>8}",
        "flood",
        "p50",
        "p99",
        "max",
        "p50",
        "p99",
        "max",
        "most, seconds",
        "seconds"
    );
    for flood in &FLOODS {
        let measured = measure(flood).await;
        let [listed, app] = [measured.listed, measured.app].map(Figures::of);
        say!(
            "{:<32}  {listed}  {app}  {:>16.1}  {:>8.2}",
            flood.what,
            measured.lag.as_secs_f64(),
            measured.end.as_secs_f64()
        );
    }
}

/// What one flood gave.
struct Measured {
    listed: Vec<Duration>,
    app: Vec<Duration>,
    lag: Duration,
    end: Duration,
}

/// The middle, the ninety-ninth hundredth and the longest of some times.
struct Figures([f64; 3]);

impl Figures {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            let place = (times.len() * percent / 100).min(times.len() - 1);
            times[place].as_secs_f64() * 1e3
        };
        Self([at(50), at(99), at(100)])
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [p50, p99, max] = self.0;
        write!(f, "{p50:>7.1} {p99:>7.1} {max:>8.1}")
    }
}

/// What was seen of the small deliveries, by their path.
#[derive(Default)]
struct Seen {
    listed: HashMap<String, Instant>,
    app: HashMap<String, Instant>,
    /// The largest delay of verification.
    lag: Duration,
}

type Watched = Arc<Mutex<Seen>>;

fn seen(watched: &Watched) -> MutexGuard<'_, Seen> {
    watched.lock().expect("nobody panicked")
}

async fn measure(flood: &Flood) -> Measured {
    let home = tempfile::tempdir().expect("a folder");
    let watched = Watched::default();
    let target = app(&watched).await;
    let local = support::engine::open(home.path(), &settings(flood, target));
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    local.forward(&tasks, &shutdown);
    let watching = tokio::spawn(watch(local.engine(), Arc::clone(&watched)));
    let flooded = CancellationToken::new();
    let small = tokio::spawn(send_small(local.intake(), flooded.clone()));
    send_large(&local.intake(), flood).await;
    flooded.cancel();
    let sent = small.await.expect("no panic");
    // The last ones are on their way.
    let came = |at: &HashMap<String, Instant>| sent.iter().all(|(path, _)| at.contains_key(path));
    let deadline = Instant::now() + Duration::from_mins(1);
    while !{
        let seen = seen(&watched);
        came(&seen.listed) && came(&seen.app)
    } {
        assert!(Instant::now() < deadline, "some never came");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let cancelled = Instant::now();
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
    local.close().await;
    let end = cancelled.elapsed();
    watching.abort();
    let seen = seen(&watched);
    let since = |at: &HashMap<String, Instant>| {
        let each = sent
            .iter()
            .map(|(path, acknowledged)| at[path].saturating_duration_since(*acknowledged));
        each.collect()
    };
    Measured {
        listed: since(&seen.listed),
        app: since(&seen.app),
        lag: seen.lag,
        end,
    }
}

fn settings(flood: &Flood, target: SocketAddr) -> String {
    let secrets: Vec<String> = (0..flood.secrets)
        .map(|number| format!("\"a-secret-of-the-benchmark-{number}\""))
        .collect();
    format!(
        "[endpoints.large]\npath = \"/large\"\nprovider = \"stackryze\"\nsecrets = [{}]\n\
         [endpoints.small]\npath = \"/small\"\ntarget = \"http://{target}\"\npath_mode = \"keep\"\n",
        secrets.join(", ")
    )
}

/// Starts an app that notes when it gets what.
async fn app(watched: &Watched) -> SocketAddr {
    let watched = Arc::clone(watched);
    let handler = move |uri: axum::http::Uri| async move {
        let at = Instant::now();
        seen(&watched)
            .app
            .entry(uri.path().to_owned())
            .or_insert(at);
        "ok\n"
    };
    let app = axum::Router::new().fallback(handler);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Notes when which delivery is listed.
async fn watch(engine: Engine, watched: Watched) {
    let mut events = engine.subscribe();
    loop {
        match events.recv().await {
            Ok(Event::Added(summary)) => {
                let at = Instant::now();
                seen(&watched).listed.entry(summary.path).or_insert(at);
            }
            Ok(Event::Lag(Some(lag))) => {
                let mut seen = seen(&watched);
                seen.lag = seen.lag.max(Duration::from_millis(lag.millis));
            }
            Ok(_) => {}
            Err(error) => panic!("events were missed: {error}"),
        }
    }
}

/// Sends small deliveries until it is cancelled; returns when each was acknowledged.
async fn send_small(intake: Intake, stop: CancellationToken) -> Vec<(String, Instant)> {
    let mut sent = Vec::new();
    let mut ticks = tokio::time::interval(EVERY);
    while !stop.is_cancelled() {
        ticks.tick().await;
        let path = format!("/small/{}", sent.len());
        let body = Bytes::from_static(b"{\"zone\":\"example.net\"}");
        let reply = intake(arrival(&path, Headers::default(), body)).await;
        assert_eq!(reply.status, 200, "it was not kept");
        sent.push((path, Instant::now()));
    }
    sent
}

/// Sends the flood.
async fn send_large(intake: &Intake, flood: &Flood) {
    let body = Bytes::from(vec![b' '; flood.kib * KIB]);
    let left = Arc::new(AtomicUsize::new(flood.count));
    let mut tasks = JoinSet::new();
    for _ in 0..flood.at_once {
        let (intake, body, left) = (Arc::clone(intake), body.clone(), Arc::clone(&left));
        let headers: Headers = flood
            .signature
            .map(|signature| ("x-stackryze-signature", signature))
            .into_iter()
            .collect();
        tasks.spawn(async move {
            while left
                .try_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(1)
                })
                .is_ok()
            {
                let reply = intake(arrival("/large", headers.clone(), body.clone())).await;
                assert_eq!(reply.status, 200, "it was not kept");
            }
        });
    }
    tasks.join_all().await;
}
