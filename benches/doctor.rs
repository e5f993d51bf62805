//! How long a diagnosis takes: of a small body, and of one of a mebibyte, for
//! each cause that is looked for in large bodies too.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::time::{Duration, Instant};

use creel::domain::assess::Assessor;
use creel::domain::doctor::History;
use creel::domain::provider::Catalog;
use creel::domain::request::Request;
use creel::domain::secret::Secret;
use creel::domain::signature::{SigningInput, sign};
use creel::domain::timestamp::Timestamp;
use creel::domain::verification::Verification;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_790_000_000);
const RIGHT: &str = "the-secret-that-is-configured-here";
const OTHER: &str = "the-secret-of-another-endpoint";

/// Makes JSON as Python writes it, of so many rows.
fn body(rows: usize) -> String {
    let row = |n: usize| {
        format!(
            r#"{{"id": {n}, "name": "row é {n}", "price": {n}.50, "url": "https://a.test/{n}", "tags": ["a", "b", null]}}"#
        )
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!("[\n{}]", rows.join(",\n"))
}

/// Returns how long this thread has been at work, so that others on the same
/// machine do not count; where the system does not tell, the time since then.
fn spent() -> Duration {
    static BEGAN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let began = BEGAN.get_or_init(Instant::now);
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|n| n.parse().ok());
    nanos.map_or_else(|| began.elapsed(), Duration::from_nanos)
}

/// Signs one body, sends another, and says how long looking into it took.
fn diagnose(signed: &[u8], came: &[u8], secret: &str) -> (Verification, Duration) {
    let catalog = Catalog::builtin();
    let provider = catalog.get("porkbun").expect("a provider of creel's own");
    let what = SigningInput {
        body: signed,
        now: NOW,
        id: "1",
        event: None,
        method: "POST",
        url: None,
    };
    let headers = sign(provider, &Secret::new("", "bench", secret), &what).expect("it can sign");
    let request = Request {
        method: "POST".into(),
        headers,
        body: came.to_vec().into(),
        ..Request::default()
    };
    let secrets = vec![
        Secret::new("porkbun", "bench", RIGHT),
        Secret::new("shop", "bench", OTHER),
        Secret::new("else", "bench", "one-more-secret-somewhere"),
    ];
    let assessor = Assessor::new(Catalog::builtin(), Vec::new(), secrets, None);
    let mut best = Duration::MAX;
    let mut found = None;
    for _ in 0..5 {
        let (began, at) = (spent(), Instant::now());
        let assessment = assessor.assess_fully(None, &request, NOW, History::default());
        // What takes less than the system's tick is not told by it.
        let took = Some(spent().saturating_sub(began)).filter(|took| !took.is_zero());
        best = best.min(took.unwrap_or_else(|| at.elapsed()));
        found = Some(assessment.verification);
    }
    (found.expect("it ran"), best)
}

fn main() {
    for (name, rows) in [("2 KiB", 20), ("100 KiB", 1_000), ("1 MiB", 10_500)] {
        let came = body(rows);
        let tokens = |from: &str, to: &str| came.replace(from, to);
        let compact = tokens(", ", ",")
            .replace(": ", ":")
            .replace(",\n", ",")
            .replace("[\n", "[");
        let spaced = tokens(",\n", ", ").replace("[\n", "[");
        let escaped = came.replace('é', "\\u00e9");
        let crlf = came.replace('\n', "\r\n");
        println!("{name} ({} bytes)", came.len());
        for (what, signed, secret) in [
            ("nothing that is known", "x".to_owned(), "nobody's"),
            ("another secret", came.clone(), OTHER),
            (
                "secret with a newline",
                came.clone(),
                &*format!("{RIGHT}\n"),
            ),
            ("newline cut off", format!("{came}\n"), RIGHT),
            ("CRLF became LF", crlf, RIGHT),
            ("JSON was compact", compact.clone(), RIGHT),
            ("JSON was as Python's", spaced, RIGHT),
            ("JSON was escaped", escaped, RIGHT),
            ("slashes were escaped", came.replace('/', "\\/"), RIGHT),
            ("two: other secret, newline", format!("{came}\n"), OTHER),
            (
                "two: secret+newline, newline",
                format!("{came}\n"),
                &*format!("{RIGHT}\n"),
            ),
            (
                "two: secret+newline, CRLF",
                came.replace('\n', "\r\n"),
                &*format!("{RIGHT}\n"),
            ),
            (
                "two: other secret+newline",
                came.clone(),
                &*format!("{OTHER}\n"),
            ),
        ] {
            let (found, took) = diagnose(signed.as_bytes(), came.as_bytes(), secret);
            let codes: Vec<&str> = found.findings.iter().map(|f| f.code.as_str()).collect();
            println!(
                "  {what:<30} {:>7.1} ms  {}",
                took.as_secs_f64() * 1e3,
                codes.join(", ")
            );
        }
    }
}
