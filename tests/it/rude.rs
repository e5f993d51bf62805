//! Targets without manners: each ends in time, in words, in bounded memory,
//! and leaves the next one alone.

use std::time::{Duration, Instant};

use creel::domain::request::Request;
use creel::outbound::{Client, Exchange, SendOptions, Timeouts, prepare};
use serde_json::{Value, json};

use crate::support::creel::{Creel, command};
use crate::support::receiver::within;
use crate::support::upstream::{Act, Plan, Speech, Upstream};

const SHORT: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    first_byte: Duration::from_millis(200),
    total: Duration::from_millis(400),
};

const HEAD: &str = "HTTP/1.1 200 OK\r\n";

fn delivery() -> Request {
    Request {
        method: "POST".into(),
        path: "/".into(),
        body: "{}".into(),
        ..Request::default()
    }
}

async fn send(client: &Client, target: &str) -> Exchange {
    let request = delivery();
    let outgoing = prepare(&request, target, request.headers.clone()).unwrap();
    within(client.send(&outgoing, SendOptions::default())).await
}

async fn rude(acts: Vec<Act>) -> Upstream {
    Upstream::start(Plan {
        acts,
        rude: true,
        speech: Speech::Plain,
    })
    .await
}

/// What a target is, what it does, and what is said of it; `ADDR` stands for
/// its address.
type Case = (&'static str, Vec<Act>, &'static str);

async fn are_told(cases: Vec<Case>) {
    // One client for all: what one does must not reach the next.
    let client = Client::new(SHORT);
    for (what, acts, expected) in cases {
        let upstream = rude(acts).await;
        let start = Instant::now();
        let exchange = send(&client, &upstream.url()).await;
        let expected = expected.replace("ADDR", &upstream.addr.to_string());
        assert_eq!(exchange.error.unwrap_or_default(), expected, "{what}");
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
    }
    let polite = Upstream::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(send(&client, &polite.url()).await.error, None);
}

#[tokio::test]
async fn every_bad_head_has_its_words() {
    are_told(vec![
        (
            "hangs before the head",
            vec![Act::Hang],
            "No answer within 200 ms (first-byte time-out).",
        ),
        (
            "drips its head",
            vec![Act::say(HEAD), Act::Drip(b'x')],
            "No answer within 200 ms (first-byte time-out).",
        ),
        (
            "contradicts itself on the length",
            vec![
                Act::say(format!(
                    "{HEAD}content-length: 1\r\ncontent-length: 2\r\n\r\nxy"
                )),
                Act::Hang,
            ],
            "ADDR does not answer in HTTP: it has two content-lengths that contradict each \
             other. Its answer begins with \"HTTP/1.1 200 OK\\r\\ncontent\".",
        ),
        (
            "has a length that is no number",
            vec![
                Act::say(format!("{HEAD}content-length: 0x10\r\n\r\n")),
                Act::Hang,
            ],
            "ADDR does not answer in HTTP: its content-length is not a number. \
             Its answer begins with \"HTTP/1.1 200 OK\\r\\ncontent\".",
        ),
        (
            "speaks HTTP/0.9",
            vec![Act::say("<html>hello</html>\n"), Act::Hang],
            "ADDR does not answer in HTTP: there is no status line. \
             Its answer begins with \"<html>hello</html>\\n\".",
        ),
        (
            "speaks HTTP/2 and nothing else",
            vec![
                Act::say(b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80"),
                Act::Hang,
            ],
            "ADDR speaks HTTP/2 only, which creel supports over https only.",
        ),
        (
            "speaks another protocol first",
            vec![Act::say("SSH-2.0-OpenSSH_9.7\r\n"), Act::Hang],
            "ADDR does not answer in HTTP: there is no status line. \
             Its answer begins with \"SSH-2.0-OpenSSH_9.7\\r\\n\".",
        ),
        (
            "informs for ever",
            vec![Act::SayForever(
                b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(64),
            )],
            "ADDR sends interim responses (1xx) without a final one.",
        ),
        (
            "sends empty lines for ever",
            vec![Act::SayForever(b"\r\n".repeat(512))],
            "ADDR sends interim responses (1xx) without a final one.",
        ),
        (
            "sends fields for ever",
            vec![Act::say(HEAD), Act::SayForever(b"x: y\r\n".repeat(64))],
            "The answer's head is larger than 262144 B or has more than 500 fields.",
        ),
        (
            "sends one field for ever",
            vec![
                Act::say(format!("{HEAD}x: ")),
                Act::SayForever(b"y".repeat(999)),
            ],
            "The answer's head is larger than 262144 B or has more than 500 fields.",
        ),
    ])
    .await;
}

#[tokio::test]
async fn every_bad_body_has_its_words() {
    let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    are_told(vec![
        (
            "drips its body",
            vec![Act::say(format!("{HEAD}\r\n")), Act::Drip(b'x')],
            "The answer was not complete within 400 ms (total time-out).",
        ),
        (
            "drips a chunk's size",
            vec![Act::say(format!("{chunks}5;")), Act::Drip(b'x')],
            "The answer was not complete within 400 ms (total time-out).",
        ),
        (
            "never ends a chunk's size",
            vec![
                Act::say(format!("{chunks}1;")),
                Act::SayForever(b"x".repeat(64)),
            ],
            "The answer's body is malformed after 0 B: a chunk's size does not end.",
        ),
        (
            "sends more than a chunk holds",
            vec![Act::say(format!("{chunks}1\r\nxyz\r\n")), Act::Hang],
            "The answer's body is malformed after 1 B: a chunk is longer than its stated size.",
        ),
        (
            "announces a chunk of 2^64 bytes",
            vec![
                Act::say(format!("{chunks}10000000000000000\r\nx")),
                Act::Hang,
            ],
            "The answer's body is malformed after 0 B: a chunk's size cannot be read.",
        ),
        (
            "never ends the fields behind the chunks",
            vec![
                Act::say(format!("{chunks}0\r\n")),
                Act::SayForever(b"x: y\r\n".repeat(64)),
            ],
            "The answer's body is malformed after 0 B: its trailers do not end.",
        ),
        (
            "hides the end of a field behind the chunks",
            vec![
                Act::say(format!("{chunks}0\r\n")),
                Act::SayForever(b"x".repeat(64)),
            ],
            "The answer's body is malformed after 0 B: its trailers do not end.",
        ),
    ])
    .await;
}

#[tokio::test]
async fn an_early_refusal_is_the_answer_even_where_the_connection_is_reset_behind_it() {
    let upstream = rude(vec![
        Act::say("HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nno."),
        // It closes with most of the request unread, which resets it.
    ])
    .await;
    let request = Request {
        body: vec![0; 30_000_000].into(),
        ..delivery()
    };
    for _ in 0..5 {
        let outgoing = prepare(&request, &upstream.url(), request.headers.clone()).unwrap();
        let client = Client::default();
        let exchange = within(client.send(&outgoing, SendOptions::default())).await;
        assert_eq!(exchange.error, None);
        let response = exchange.response.unwrap();
        assert_eq!((response.status, &response.body[..]), (413, &b"no."[..]));
    }
}

#[tokio::test]
async fn what_is_compressed_stays_so() {
    let zeros = include_bytes!("support/zeros.gz");
    let head = format!(
        "{HEAD}content-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        zeros.len()
    );
    let upstream = Upstream::saying([head.as_bytes(), zeros].concat()).await;
    let exchange = send(&Client::default(), &upstream.url()).await;
    let response = exchange.response.unwrap();
    assert!(
        response.body == zeros[..],
        "ten megabytes are not made of it"
    );
    assert_eq!(response.body_size, zeros.len() as u64);
}

#[tokio::test]
async fn a_redirect_to_itself_is_an_answer() {
    let answer = "HTTP/1.1 308 Permanent Redirect\r\nlocation: /\r\ncontent-length: 0\r\n\r\n";
    let upstream = Upstream::saying(answer).await;
    let exchange = send(&Client::default(), &upstream.url()).await;
    assert_eq!(exchange.error, None);
    assert_eq!(exchange.response.unwrap().status, 308);
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn tls_on_a_plain_port_is_named() {
    let upstream = Upstream::start(Plan {
        acts: Vec::new(),
        rude: false,
        speech: Speech::Tls,
    })
    .await;
    let exchange = send(&Client::default(), &upstream.url()).await;
    let expected = format!(
        "{} speaks TLS; an https:// target may be meant.",
        upstream.addr
    );
    assert_eq!(exchange.error, Some(expected));
}

/// Sends a sample to https with only the tests' own authority trusted.
fn send_trusting(creel: &Creel, port: u16, more: &[&str]) -> (i32, Value, String) {
    let authority = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/it/support/tls/authority.pem"
    );
    let ran = command(creel.home.path())
        .env("SSL_CERT_FILE", authority)
        .args(["send", "zyra", "--secret", "s", "--json"])
        .args(["--to", &format!("https://localhost:{port}")])
        .args(more)
        .output()
        .unwrap();
    let line = serde_json::from_slice(&ran.stdout).unwrap_or(Value::Null);
    let said = String::from_utf8(ran.stderr).unwrap();
    (ran.status.code().unwrap(), line, said)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_good_or_told_what_is_wrong_with_it() {
    const GOOD: &[u8] = include_bytes!("support/tls/good.pem");
    const EXPIRED: &[u8] = include_bytes!("support/tls/expired.pem");
    const EARLY: &[u8] = include_bytes!("support/tls/early.pem");
    const OTHER: &[u8] = include_bytes!("support/tls/other.pem");
    let creel = Creel::serve(&[]);
    for (certificate, wrong) in [
        (GOOD, None),
        (EXPIRED, Some("has expired")),
        (EARLY, Some("is not valid yet")),
        (OTHER, Some("is for another name")),
    ] {
        let upstream = Upstream::start(Plan {
            acts: vec![Act::say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")],
            rude: false,
            speech: Speech::TlsAs(certificate),
        })
        .await;
        let port = upstream.addr.port();
        let (code, line, said) = send_trusting(&creel, port, &[]);
        match wrong {
            None => assert_eq!((code, &line["status"]), (0, &json!(200)), "{said}"),
            Some(wrong) => {
                let error = format!("TLS: the certificate of localhost {wrong}.");
                assert_eq!((code, &line["error"]), (3, &json!(error)), "{said}");
                assert!(said.contains(&error), "{said}");
                let (code, line, _) = send_trusting(&creel, port, &["--insecure"]);
                assert_eq!((code, &line["status"]), (0, &json!(200)));
            }
        }
    }
}

/// Returns the most memory a process ever had, in KiB.
fn peak(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().split(' ').next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_creel_records_each_and_sends_on() {
    let creel = Creel::serve(&[]);
    creel.post("/", "", b"{}");
    let long = format!("{HEAD}content-length: 100000000\r\n\r\n");
    let cases: Vec<(Vec<Act>, &str, u64)> = vec![
        (vec![], "closed the connection without an answer", 0),
        (
            vec![Act::Reset],
            "reset the connection before it answered",
            0,
        ),
        (vec![Act::say("nonsense")], "does not answer in HTTP", 0),
        (
            vec![Act::say(long), Act::SayTimes(vec![b'x'; 100_000], 1000)],
            "",
            100_000_000,
        ),
        (
            vec![
                Act::say(format!("{HEAD}\r\n")),
                Act::SayForever(vec![b'x'; 100_000]),
            ],
            "Reading stopped after",
            134_217_728,
        ),
    ];
    // One that is well behaved first, so that what it takes is not counted.
    let polite = Upstream::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(
        creel
            .run(&["resend", "@latest", "--to", &polite.url()])
            .code,
        0
    );
    let before = peak(creel.process());
    for (number, (acts, error, size)) in cases.into_iter().enumerate() {
        let upstream = Upstream::acting(acts).await;
        let ran = creel.run(&["resend", "@latest", "--to", &upstream.url(), "--json"]);
        let line: Value = serde_json::from_str(ran.out.trim()).unwrap();
        assert_eq!(line["number"], json!(number + 2), "{ran:?}");
        let told = line["error"].as_str().unwrap_or_default();
        assert!(
            told.contains(error) && told.is_empty() == error.is_empty(),
            "{told}"
        );
        if size > 0 {
            let body = &line["body"];
            assert!(body["size"].as_u64().unwrap() >= size, "{}", body["size"]);
            assert!(body["size"].as_u64().unwrap() < size + 100_000);
            assert_eq!(body["text"].as_str().unwrap().len(), 65_536);
        }
    }
    if let (Some(before), Some(after)) = (before, peak(creel.process())) {
        assert!(
            after < before + 32 * 1024,
            "{before} KiB became {after} KiB"
        );
    }
    assert_eq!(
        creel
            .run(&["resend", "@latest", "--to", &polite.url()])
            .code,
        0
    );
    let shown = creel.run(&["show", "--json", "@latest"]).lines();
    assert_eq!(shown[0]["attempts"].as_array().unwrap().len(), 7);
}
