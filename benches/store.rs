//! The store with many deliveries: opening, reading, scanning, room.
//!
//! `cargo bench --bench store` keeps 1,000,000 deliveries of 2 KiB in a
//! temporary folder (about 2.7 GB, a few minutes), or as many as asked:
//! `cargo bench --bench store -- 100000`. Every opening is a process of its
//! own.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use creel::domain::assess::Assessment;
use creel::domain::delivery::{RecordedResponse, Responder};
use creel::domain::event_key::EventKey;
use creel::domain::filter::Filter;
use creel::domain::request::Request;
use creel::domain::timestamp::Timestamp;
use creel::domain::verification::{Status, Verification};
use creel::store::{Assess, Incoming, Options, Store};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const COUNT: u64 = 1_000_000;
const BODY: usize = 2048;
const SENDERS: u64 = 256;
/// Tells the program to do one step on a folder: `fill`, `open`.
const STEP: &str = "CREEL_BENCH_STEP";

fn main() {
    let asked = std::env::args().find_map(|arg| arg.parse().ok());
    let count = asked.unwrap_or(COUNT);
    if let Ok(step) = std::env::var(STEP) {
        let (step, folder) = step.split_once(' ').expect("a step and a folder");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            match step {
                "fill" => fill(Path::new(folder), count).await,
                "open" => measure(Path::new(folder)).await,
                _ => killed(Path::new(folder)).await,
            }
        });
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let step = |name: &str| {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .arg(count.to_string())
            .env(STEP, format!("{name} {}", folder.path().display()))
            .stdin(Stdio::null())
            .spawn()
            .expect("it starts");
        child.wait().expect("it ends");
    };
    line("deliveries", &format!("{count} of {BODY} bytes"));
    step("fill");
    line("", "after a clean stop");
    step("open");
    step("kill");
    line("", "after kill -9 under load");
    step("open");
}

struct Valid;

impl Assess for Valid {
    fn assess(&self, _: Option<&str>, request: &Request, _: Timestamp) -> Assessment {
        let id = request.headers.text("x-stackryze-delivery").unwrap_or("");
        Assessment {
            provider: Some("stackryze".to_owned()),
            event: Some("record.updated".to_owned()),
            delivery_id: Some(id.to_owned()),
            group: Some(EventKey::of_id("stackryze", id)),
            verification: Verification::new(Status::Valid),
            pin: None,
        }
    }
}

fn open(folder: &Path) -> Store {
    let assess: Arc<dyn Assess> = Arc::new(Valid);
    let (store, _) = Store::open(folder, &Options::default(), &assess).expect("it opens");
    store
}

fn incoming(number: u64) -> Incoming {
    Incoming {
        received_at: Timestamp::from_unix_seconds(1_790_000_000 + (number / 1000).cast_signed()),
        remote_addr: "203.0.113.7:40000".to_owned(),
        endpoint: None,
        request: Request {
            method: "POST".to_owned(),
            path: "/hooks/dns".to_owned(),
            query: None,
            http_version: "1.1".to_owned(),
            headers: [
                ("host", "hooks.example.net".to_owned()),
                ("user-agent", "Stackryze/1.0".to_owned()),
                ("content-type", "application/json".to_owned()),
                ("x-stackryze-event", "record.updated".to_owned()),
                ("x-stackryze-delivery", format!("{number:032x}")),
                (
                    "x-stackryze-signature",
                    format!("t=1790000000,v1={number:064x}"),
                ),
                ("content-length", BODY.to_string()),
            ]
            .into_iter()
            .collect(),
            body: vec![b'x'; BODY].into(),
        },
        answer: RecordedResponse {
            status: 200,
            by: Responder::Creel,
            duration_us: None,
        },
        refused: None,
        started: Instant::now(),
    }
}

async fn load(store: &Store, from: u64, until: u64) {
    let next = Arc::new(std::sync::atomic::AtomicU64::new(from));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..SENDERS {
        let (store, next) = (store.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if number >= until {
                    return;
                }
                store.append(incoming(number)).await.expect("it is kept");
            }
        });
    }
    tasks.join_all().await;
}

async fn fill(folder: &Path, count: u64) {
    let store = open(folder);
    let began = Instant::now();
    load(&store, 0, count).await;
    let kept = began.elapsed();
    store.settle().await;
    while store.count() < count as usize {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let rate = |time: Duration| count as f64 / time.as_secs_f64();
    line("kept durably", &format!("{:.0} a second", rate(kept)));
    line(
        "kept and indexed",
        &format!("{:.0} a second", rate(began.elapsed())),
    );
    line("memory afterwards", &megabytes(resident()));
    let bytes = store.bytes_on_disk();
    store.close().await;
    let raw = raw_size();
    line(
        "on disk, each",
        &format!(
            "{} bytes; {} of them the request as received",
            bytes / count,
            raw
        ),
    );
}

async fn measure(folder: &Path) {
    let began = Instant::now();
    let store = open(folder);
    let opened = began.elapsed();
    let page = store.page(0, 200).expect("a page");
    assert_eq!(page.len(), 200);
    line(
        "opened; first page",
        &format!("{}; {}", millis(opened), millis(began.elapsed())),
    );
    store.settle().await;
    line("looked through", &millis(began.elapsed()));
    line("memory after opening", &megabytes(resident()));
    let median = |each: &dyn Fn(u64)| {
        let mut times: Vec<Duration> = (0..200u64)
            .map(|n| {
                let began = Instant::now();
                each(n);
                began.elapsed()
            })
            .collect();
        times.sort_unstable();
        millis(times[times.len() / 2])
    };
    let count = store.count() as u64;
    line(
        "newest 200",
        &median(&|_| assert_eq!(store.page(0, 200).expect("a page").len(), 200)),
    );
    line(
        "200 from anywhere",
        &median(&|n| {
            let offset = (n * 7919 * 31) % (count - 200);
            assert_eq!(store.page(offset as usize, 200).expect("a page").len(), 200);
        }),
    );
    line(
        "one with its body",
        &median(&|n| {
            let seq = 1 + (n * 7919 * 31) % (count - 1);
            let found = store.delivery(seq).expect("readable").expect("there");
            assert_eq!(found.request.body.len(), BODY);
        }),
    );
    let ids: Vec<String> = (0..200u64)
        .map(|n| {
            let seq = 1 + (n * 7919 * 31) % (count - 1);
            let row = store.summary(seq).expect("readable").expect("there");
            row.id.to_string()
        })
        .collect();
    line(
        "one by its id",
        &median(&|n| {
            store.find(&ids[n as usize]).expect("there");
        }),
    );
    let filter = Filter::parse("sig:bad event:record.* not provider:zyra");
    let now = Timestamp::from_unix_seconds(1_790_000_000);
    let began = Instant::now();
    let mut matching = 0;
    let mut seen = 0u64;
    store
        .scan(None, &mut |row| {
            seen += 1;
            matching += u64::from(filter.matches(row, now));
            true
        })
        .expect("readable");
    let rate = seen as f64 / began.elapsed().as_secs_f64();
    line(
        "filtered scan",
        &format!("{rate:.0} a second ({matching} match)"),
    );
    line("memory at the end", &megabytes(resident()));
    store.close().await;
}

/// Keeps some more and ends like a killed process.
async fn killed(folder: &Path) {
    let store = open(folder);
    store.settle().await;
    let from = store.count() as u64;
    let killer = tokio::spawn(async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let id = std::process::id().to_string();
        let _ = Command::new("kill").args(["-9", &id]).status();
    });
    load(&store, from, u64::MAX).await;
    let _ = killer.await;
}

fn raw_size() -> usize {
    let request = incoming(1).request;
    let head: usize = request
        .headers
        .iter()
        .map(|h| h.name.len() + h.value.len() + 4)
        .sum();
    "POST /hooks/dns HTTP/1.1\r\n\r\n".len() + head + BODY
}

fn line(what: &str, figure: &str) {
    let _ = writeln!(std::io::stdout(), "{what:>22}  {figure}");
}

fn millis(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.0} MB", bytes as f64 / 1e6)
}

/// Returns how many bytes of memory this process holds; 0 where the system
/// does not say.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = text
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| {
            rest.trim()
                .trim_end_matches("kB")
                .trim()
                .parse::<u64>()
                .ok()
        });
    kilobytes.unwrap_or_default() * 1024
}
