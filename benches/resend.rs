//! Sending again, measured beside a plain load generator in the same run.
//!
//! `cargo bench --bench resend` keeps 10,000 deliveries of 2 KiB in a
//! temporary folder and starts a sink, a process that reads bodies and
//! answers. Then they take turns: a plain HTTP client that posts the same
//! bytes over kept connections, and creel, which reads each delivery from its
//! store, makes the request, sends it and keeps the attempt on disk, with so
//! many under way at once. Rates are the medians of the rounds, the ratio is
//! that of the medians; the processor time is that of this process for one
//! request, in microseconds, with all that is indexed after it. `-- 16` measures with so many at once only.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use creel::domain::attempt::Outcome;
use creel::domain::headers::Headers;
use creel::engine::Engine;
use creel::engine::command::{Command, ListQuery, Reply, ResendRequest, Selection};
use creel::engine::local::Local;
use creel::server::ReceivedRequest;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use support::process::{self, Process};
use support::say::say;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

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

const DELIVERIES: usize = 10_000;
const BODY: usize = 2048;
const AT_ONCE: [usize; 2] = [16, 64];
const ROUNDS: usize = 11;
/// Tells the benchmark to be the sink.
const SINK: &str = "CREEL_BENCH_SINK";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    if std::env::var_os(SINK).is_some() {
        runtime.block_on(sink());
    } else {
        runtime.block_on(measure());
    }
}

/// Reads bodies and answers, nothing else.
async fn sink() {
    let handler = |body: axum::body::Bytes| async move {
        std::hint::black_box(body);
        "ok\n"
    };
    process::serve("127.0.0.1:0", axum::Router::new().fallback(handler)).await;
}

async fn measure() {
    let (_sink, ready) = Process::again(SINK, "1");
    let sink: SocketAddr = ready
        .strip_prefix("ready http://")
        .and_then(|address| address.parse().ok())
        .expect("an address");
    say!("{DELIVERIES} deliveries of 2 KiB to a local sink; medians of {ROUNDS} rounds\n");
    say!(
        "{:>8}  {:>12}  {:>12}  {:>6}  {:>9}  {:>9}  {}",
        "at once",
        "plain req/s",
        "creel req/s",
        "ratio",
        "plain CPU",
        "creel CPU",
        "ratios of rounds"
    );
    for at_once in chosen() {
        let (mut plain, mut creel) = (Vec::new(), Vec::new());
        let (mut plain_cpu, mut creel_cpu) = (0.0, 0.0);
        for _ in 0..ROUNDS {
            // Each round has a store of its own, so that none inherits work.
            let home = tempfile::tempdir().expect("a folder");
            let local = filled(home.path()).await;
            let before = cpu();
            plain.push(load(sink, at_once).await);
            let between = cpu();
            creel.push(resend(&local.engine(), sink, at_once).await);
            plain_cpu += between - before;
            creel_cpu += cpu() - between;
            local.close().await;
        }
        let rounds = plain.iter().zip(&creel);
        let each: Vec<String> = rounds.map(|(p, c)| format!("{:.2}", c / p)).collect();
        let (plain, creel) = (median(plain), median(creel));
        let ratio = creel / plain;
        let each = each.join(" ");
        let (plain_cpu, creel_cpu) = (per_request(plain_cpu), per_request(creel_cpu));
        say!(
            "{at_once:>8}  {plain:>12.0}  {creel:>12.0}  {ratio:>6.2}  {plain_cpu:>9.0}  {creel_cpu:>9.0}  {each}"
        );
    }
}

/// Returns the processor time this process has used, in seconds; 0 where the
/// system does not say it in `/proc`.
fn cpu() -> f64 {
    /// What Linux counts in, whatever its own clock.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let times = fields.split(' ').skip(11).take(2);
    times.filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / TICKS
}

/// Returns the microseconds each request took of all rounds' seconds.
fn per_request(seconds: f64) -> f64 {
    seconds * 1e6 / (DELIVERIES * ROUNDS) as f64
}

/// Opens a store and lets the deliveries arrive.
async fn filled(home: &Path) -> Arc<Local> {
    let local = support::engine::open(home, "");
    support::fill::fill(&local, DELIVERIES, arrival).await;
    let engine = local.engine();
    // The list may lag behind what is kept.
    while listed(&engine, "").await < DELIVERIES {}
    local
}

/// Returns the numbers that were asked for, else all.
fn chosen() -> Vec<usize> {
    let asked: Vec<usize> = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .collect();
    if asked.is_empty() {
        AT_ONCE.to_vec()
    } else {
        asked
    }
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn body() -> Bytes {
    let mut body = br#"{"zone":"example.net","records":[""#.to_vec();
    while body.len() < BODY - 3 {
        body.push(b"0123456789abcdef"[body.len() % 16]);
    }
    body.extend_from_slice(b"\"]}");
    body.into()
}

/// Returns the fields of a delivery; `host` is replaced as it is sent.
fn headers(number: usize) -> Headers {
    let id = format!("{number:08x}-0000-0000-0000-000000000000");
    let signature = format!("t=1795266149,v1={number:064x}");
    [
        ("host", "hooks.example.test"),
        ("user-agent", "Stackryze/1.0"),
        ("content-type", "application/json"),
        ("x-stackryze-event", "record.updated"),
        ("x-stackryze-delivery", id.as_str()),
        ("x-stackryze-signature", signature.as_str()),
        ("content-length", "2048"),
    ]
    .into_iter()
    .collect()
}

fn arrival(number: usize) -> ReceivedRequest {
    support::engine::arrival("/hooks", headers(number), body())
}

/// Counts the deliveries that match a filter.
async fn listed(engine: &Engine, filter: &str) -> usize {
    let query = ListQuery {
        filter: filter.to_owned(),
        ..ListQuery::default()
    };
    let Ok(Reply::Page(page)) = engine.call(Command::List(query)).await else {
        panic!("no list");
    };
    page.matching
}

/// Posts with a plain client, over so many kept connections; returns the rate.
async fn load(sink: SocketAddr, at_once: usize) -> f64 {
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..at_once {
        let next = Arc::clone(&next);
        tasks.spawn(async move {
            let stream = TcpStream::connect(sink).await.expect("a connection");
            stream.set_nodelay(true).expect("no delay");
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream))
                    .await
                    .expect("a connection");
            tokio::spawn(connection);
            let body = body();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= DELIVERIES {
                    return;
                }
                let mut request = hyper::Request::post("/hooks");
                for field in &headers(number) {
                    request = request.header(field.name, field.value);
                }
                let request = request.body(Full::new(body.clone())).expect("a request");
                sender.ready().await.expect("a connection");
                let answer = sender.send_request(request).await.expect("an answer");
                assert_eq!(answer.status(), 200);
                answer.into_body().collect().await.expect("a whole answer");
            }
        });
    }
    tasks.join_all().await;
    DELIVERIES as f64 / began.elapsed().as_secs_f64()
}

/// Resends all deliveries, so many at once; returns the rate.
async fn resend(engine: &Engine, sink: SocketAddr, at_once: usize) -> f64 {
    let began = Instant::now();
    let order = ResendRequest {
        which: Selection::Matching(String::new()),
        target: Some(format!("http://{sink}")),
        parallel: at_once as u32,
        followed: true,
        ..ResendRequest::default()
    };
    let Ok(Reply::Job(job)) = engine.call(Command::Resend(order)).await else {
        panic!("no job");
    };
    let mut kept = 0;
    loop {
        let reply = engine.call(Command::Results(job.id)).await;
        let Ok(Reply::Results(results)) = reply else {
            panic!("{reply:?}");
        };
        for sent in &results.sent {
            let (attempt, _) = sent.attempt.as_ref().expect("it can be sent");
            assert_eq!(attempt.outcome, Outcome::Delivered, "{attempt:?}");
            kept += 1;
        }
        if results.last {
            break;
        }
    }
    let rate = DELIVERIES as f64 / began.elapsed().as_secs_f64();
    assert_eq!(kept, DELIVERIES);
    // Every attempt is in the list too, if a moment later.
    while listed(engine, "app:200").await < DELIVERIES {}
    rate
}
