//! The receiving socket, spoken to byte by byte.

#![expect(clippy::unwrap_used, reason = "a test may fail wherever it stands")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use creel::server::{Intake, Limits, ReceivedRequest, Refusal, SenderResponse};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::support::receiver::{NOW, Raw, Receiver, within};

/// Returns names and values of the fields, in order.
fn fields(arrival: &ReceivedRequest) -> Vec<(&str, &[u8])> {
    let headers = &arrival.request.headers;
    headers.iter().map(|h| (h.name, h.value)).collect()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

fn statuses(answers: &str) -> Vec<&str> {
    let lines = answers.split("HTTP/1.");
    lines.skip(1).map(status).collect()
}

#[tokio::test]
async fn keeps_fields_in_order_with_repeats_and_odd_bytes() {
    let receiver = Receiver::start(Limits::default()).await;
    let answer = receiver
        .send(
            b"POST /hooks HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-b:\t2 \r\nX-A: caf\xe9\r\n\
              X-Empty:\r\nx-B: a\tb\r\nX-a:  3\r\nContent-Length: 2\r\n\r\nhi",
        )
        .await;
    assert_eq!(status(&answer), "200");
    assert!(answer.ends_with("\r\n\r\nkept"), "{answer}");
    let arrival = receiver.only();
    assert_eq!(
        fields(&arrival),
        [
            ("host", &b"h"[..]),
            ("x-a", b"1"),
            ("x-b", b"2"),
            ("x-a", b"caf\xe9"),
            ("x-empty", b""),
            ("x-b", b"a\tb"),
            ("x-a", b"3"),
            ("content-length", b"2"),
        ]
    );
    assert_eq!(arrival.request.body, "hi");
    assert_eq!(arrival.request.http_version, "1.1");
    assert_eq!(arrival.received_at, NOW);
    assert!(arrival.remote_addr.ip().is_loopback());
    assert_eq!(arrival.refused, None);
}

#[tokio::test]
async fn takes_targets_and_methods_as_sent() {
    let receiver = Receiver::start(Limits::default()).await;
    let cases = [
        ("POST /", "/", None),
        ("PURGE /%2e%2E/a%20b%zz", "/%2e%2E/a%20b%zz", None),
        ("GET //x/./y/../z", "//x/./y/../z", None),
        ("GET /a?", "/a", Some("")),
        ("GET /a?b?c&d=%00", "/a", Some("b?c&d=%00")),
        ("GET /a#b?c", "/a#b", Some("c")),
        ("GET /\u{fc}ber?\u{2603}", "/\u{fc}ber", Some("\u{2603}")),
        ("OPTIONS *", "*", None),
        ("POST http://example.test/p//q?r", "/p//q", Some("r")),
        ("POST http://example.test", "/", None),
        ("M-SEARCH!#$ /x", "/x", None),
        ("post /x", "/x", None),
    ];
    for (line, path, query) in cases {
        let answer = receiver.send(format!("{line} HTTP/1.1\r\n\r\n")).await;
        assert_eq!(status(&answer), "200", "{line}");
        let arrival = receiver.arrivals().pop().unwrap();
        let method = line.split(' ').next().unwrap();
        assert_eq!(arrival.request.method, method);
        assert_eq!(arrival.request.path, path, "{line}");
        assert_eq!(arrival.request.query.as_deref(), query, "{line}");
    }
    assert_eq!(receiver.arrivals().len(), cases.len());
}

#[tokio::test]
async fn refuses_what_is_no_request() {
    let receiver = Receiver::start(Limits::default()).await;
    for bad in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n"[..],
        b"POST foo HTTP/1.1\r\n\r\n",
        b"POST example.test:80 HTTP/1.1\r\n\r\n",
        b"POST / HTTP/3.7\r\n\r\n",
        b"POST /\xff HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nA : 1\r\n\r\n",
        b"POST / HTTP/1.1\r\nA: 1\r\n folded\r\n\r\n",
        b"POST / HTTP/1.1\r\nA: 1\x00\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    ] {
        let answer = receiver.send(bad).await;
        assert_eq!(statuses(&answer), ["400"], "{}", bad.escape_ascii());
    }
    assert!(receiver.arrivals().is_empty(), "{:?}", receiver.arrivals());
}

#[tokio::test]
async fn takes_bodies_however_they_are_framed() {
    let receiver = Receiver::start(Limits::default()).await;
    let binary: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let mut sized = b"POST / HTTP/1.1\r\nContent-Length: 70000\r\n\r\n".to_vec();
    sized.extend_from_slice(&binary);
    let mut chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in binary.chunks(999) {
        chunked.extend_from_slice(format!("{:x};q=\"1\"\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\nX-Sum: 1\r\n\r\n");
    let gzip =
        b"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00";
    let cases: [(&[u8], &[u8]); 6] = [
        (b"POST / HTTP/1.1\r\n\r\n", b""),
        (b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b""),
        (
            b"GET / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nget",
            b"get",
        ),
        (gzip, b"\x1f\x8b\x08\x00"),
        (&sized, &binary),
        (&chunked, &binary),
    ];
    for (sent, body) in cases {
        let answer = receiver.send(sent).await;
        assert_eq!(status(&answer), "200");
        let arrival = receiver.arrivals().pop().unwrap();
        assert_eq!(arrival.request.body, body);
    }
    let twice = &receiver.arrivals()[2];
    assert_eq!(fields(twice), [("content-length", &b"3"[..]); 2]);
}

#[tokio::test]
async fn takes_a_chunked_body_in_any_pieces() {
    let receiver = Receiver::start(Limits::default()).await;
    let sent = b"POST /p HTTP/1.1\r\nB: 1\r\nA: 2\r\nB: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
                 3\r\nabc\r\n00000A\r\n0123456789\r\n0\r\nT: 1\r\n\r\n";
    for at in 1..sent.len() {
        let mut raw = receiver.connect().await;
        raw.0.set_nodelay(true).unwrap();
        raw.write(&sent[..at]).await;
        tokio::task::yield_now().await;
        raw.write(&sent[at..]).await;
        raw.until("kept").await;
        let arrival = receiver.arrivals().pop().unwrap();
        assert_eq!(arrival.request.body, "abc0123456789");
        let names: Vec<_> = fields(&arrival).iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["b", "a", "b", "transfer-encoding"], "split at {at}");
    }
}

#[tokio::test]
async fn takes_ten_mebibytes_and_not_one_byte_more() {
    let receiver = Receiver::start(Limits::default()).await;
    let limit = 10 * 1024 * 1024;
    let body = vec![b'x'; limit + 1];
    let mut sent = format!("POST /whole HTTP/1.1\r\nContent-Length: {limit}\r\n\r\n").into_bytes();
    sent.extend_from_slice(&body[..limit]);
    assert_eq!(status(&receiver.send(&sent).await), "200");
    assert_eq!(receiver.arrivals()[0].request.body.len(), limit);

    // The sender writes all of it before it reads, and still sees the answer.
    let mut announced = format!(
        "POST /announced HTTP/1.1\r\nContent-Length: {}\r\n\r\n",
        limit + 1
    )
    .into_bytes();
    announced.extend_from_slice(&body);
    let mut unannounced = format!(
        "POST /unannounced HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
        body.len()
    )
    .into_bytes();
    unannounced.extend_from_slice(&body);
    unannounced.extend_from_slice(b"\r\n0\r\n\r\n");
    for (sent, declared) in [(announced, Some(limit as u64 + 1)), (unannounced, None)] {
        let answer = receiver.send(&sent).await;
        assert_eq!(statuses(&answer), ["413"]);
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        let arrival = receiver.arrivals().pop().unwrap();
        let expected = Refusal::TooLarge {
            limit: limit as u64,
            declared,
        };
        assert_eq!(arrival.refused, Some(expected));
        assert!(arrival.request.body.is_empty());
        assert!(arrival.request.path.ends_with("announced"));
    }
    assert_eq!(receiver.arrivals().len(), 3);
}

#[tokio::test]
async fn refuses_early_what_is_announced_too_large() {
    let receiver = Receiver::start(Limits::default()).await;
    let mut raw = receiver.connect().await;
    raw.write("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 104857600\r\n\r\n")
        .await;
    let answer = raw.until("\r\n\r\n").await;
    assert_eq!(statuses(&answer), ["413"]);
    assert!(receiver.only().refused.is_some());
}

#[tokio::test]
async fn asks_for_the_body_of_a_sender_that_waits_to_be_asked() {
    let receiver = Receiver::start(Limits::default()).await;
    let mut raw = receiver.connect().await;
    raw.write("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        .await;
    assert_eq!(raw.until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    raw.write("ok").await;
    assert_eq!(status(&raw.until("kept").await), "200");
    let arrival = receiver.only();
    assert_eq!(arrival.request.body, "ok");
    assert_eq!(fields(&arrival)[0], ("expect", &b"100-continue"[..]));
}

#[tokio::test]
async fn speaks_http_1_0_with_and_without_keep_alive() {
    let receiver = Receiver::start(Limits::default()).await;
    let mut raw = receiver.connect().await;
    raw.write("POST /one HTTP/1.0\r\nContent-Length: 1\r\n\r\na")
        .await;
    let answer = raw.rest().await;
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    assert_eq!(receiver.only().request.http_version, "1.0");

    let mut raw = receiver.connect().await;
    for path in ["/two", "/three"] {
        raw.write(format!(
            "POST {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
        ))
        .await;
        assert_eq!(status(&raw.until("kept").await), "200");
    }
    assert_eq!(receiver.arrivals().len(), 3);
}

#[tokio::test]
async fn answers_a_pipeline_in_order_each_with_its_own_fields() {
    let receiver = Receiver::start(Limits::default()).await;
    let mut sent = Vec::new();
    for index in 0..50 {
        let one = format!(
            "POST /{index} HTTP/1.1\r\nX-A: {index}\r\nX-B: b\r\nX-A: again {index}\r\n\
             Content-Length: 3\r\n\r\n{index:03}"
        );
        sent.extend_from_slice(one.as_bytes());
    }
    let answers = receiver.send(&sent).await;
    assert_eq!(statuses(&answers), ["200"; 50]);
    let arrivals = receiver.arrivals();
    for (index, arrival) in arrivals.iter().enumerate() {
        assert_eq!(arrival.request.path, format!("/{index}"));
        assert_eq!(arrival.request.body, format!("{index:03}"));
        let (first, last) = (index.to_string(), format!("again {index}"));
        let expected = [
            ("x-a", first.as_bytes()),
            ("x-b", b"b"),
            ("x-a", last.as_bytes()),
        ];
        assert_eq!(fields(arrival)[..3], expected);
    }
    assert_eq!(arrivals.len(), 50);
}

#[tokio::test]
async fn refuses_to_be_a_tunnel() {
    let receiver = Receiver::start(Limits::default()).await;
    for target in ["example.test:443", "/", "*"] {
        let answer = receiver
            .send(format!(
                "CONNECT {target} HTTP/1.1\r\nHost: example.test\r\n\r\nGET / HTTP/1.1\r\n\r\n"
            ))
            .await;
        assert_eq!(statuses(&answer).first(), Some(&"405"), "{target}");
        assert_eq!(statuses(&answer).len(), 1, "{target}");
    }
    assert!(receiver.arrivals().is_empty());
}

#[tokio::test]
async fn takes_an_upgrade_as_a_plain_request() {
    let receiver = Receiver::start(Limits::default()).await;
    let one = "POST /u HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
               HTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 2\r\n\r\nhi";
    let answer = receiver.send(format!("{one}{one}")).await;
    assert_eq!(statuses(&answer), ["200", "200"]);
    assert_eq!(receiver.arrivals()[1].request.body, "hi");
}

#[tokio::test]
async fn answers_head_without_a_body() {
    let receiver = Receiver::start(Limits::default()).await;
    let answer = receiver.send("HEAD /h HTTP/1.1\r\n\r\n").await;
    assert_eq!(status(&answer), "200");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(answer.contains("content-length: 4\r\n"), "{answer}");
    assert_eq!(receiver.only().request.method, "HEAD");
}

#[tokio::test]
async fn answers_with_the_fields_of_the_reply_and_few_of_its_own() {
    let receiver = Receiver::answering(Limits::default(), |_| {
        let mut reply = SenderResponse::new(418);
        reply.headers = [("x-b", "1"), ("x-a", "2"), ("x-b", "3")]
            .into_iter()
            .collect();
        reply
    })
    .await;
    let answer = receiver.send("POST / HTTP/1.1\r\n\r\n").await;
    let names: Vec<_> = answer
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["x-b", "x-b", "x-a", "content-length", "date"]);
}

#[tokio::test]
async fn takes_five_hundred_fields_and_one_of_64_kib() {
    let receiver = Receiver::start(Limits::default()).await;
    let many: Vec<_> = (0..500).map(|i| format!("x-{}: {i}\r\n", i % 7)).collect();
    let many = many.concat();
    let answer = receiver
        .send(format!("POST / HTTP/1.1\r\n{many}\r\n"))
        .await;
    assert_eq!(status(&answer), "200");
    let arrival = receiver.only();
    let values: Vec<_> = arrival.request.headers.iter().map(|h| h.value).collect();
    let expected: Vec<_> = (0..500).map(|i| i.to_string().into_bytes()).collect();
    assert_eq!(values, expected);

    let long = "v".repeat(64 * 1024);
    let answer = receiver
        .send(format!("POST / HTTP/1.1\r\nX: {long}\r\n\r\n"))
        .await;
    assert_eq!(status(&answer), "200");

    let one_more = format!("POST / HTTP/1.1\r\n{many}x: 1\r\n\r\n");
    assert_eq!(status(&receiver.send(one_more).await), "431");
    let longer = "v".repeat(300 * 1024);
    let answer = receiver
        .send(format!("POST / HTTP/1.1\r\nX: {longer}\r\n\r\n"))
        .await;
    assert_eq!(status(&answer), "431");
    assert_eq!(receiver.arrivals().len(), 2);
}

/// Limits that let nobody dawdle.
fn impatient() -> Limits {
    Limits {
        head_timeout: Duration::from_millis(150),
        idle_timeout: Duration::from_millis(300),
        body_idle_timeout: Duration::from_millis(150),
        ..Limits::default()
    }
}

#[tokio::test]
async fn lets_go_of_a_sender_that_stops_in_its_head() {
    let receiver = Receiver::start(impatient()).await;
    for (begun, answered) in [
        ("", &[][..]),
        ("PRI * HTT", &[]),
        ("POST / HTTP/1.1\r\nHost: h\r\nX", &["408"]),
        ("POST / HTTP/1.1\r\n\r\nPOST / HTT", &["200", "408"]),
    ] {
        let mut raw = receiver.connect().await;
        raw.write(begun).await;
        let start = Instant::now();
        assert_eq!(statuses(&raw.rest().await), answered, "{begun}");
        assert!(start.elapsed() < Duration::from_secs(5));
    }
    assert_eq!(receiver.arrivals().len(), 1);
}

#[tokio::test]
async fn lets_go_of_a_sender_that_drips_its_head() {
    let receiver = Receiver::start(impatient()).await;
    let raw = receiver.connect().await;
    let (mut reading, mut writing) = raw.0.into_split();
    let dripping = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        writing.write_all(b"POST / HTTP/1.1\r\n").await.unwrap();
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        loop {
            pace.tick().await;
            if writing.write_all(b"X: 1\r\n").await.is_err() {
                return;
            }
        }
    });
    let mut answer = vec![0; 12];
    within(tokio::io::AsyncReadExt::read_exact(
        &mut reading,
        &mut answer,
    ))
    .await
    .unwrap();
    dripping.abort();
    assert_eq!(answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn lets_go_of_a_sender_that_stops_in_its_body() {
    let receiver = Receiver::start(impatient()).await;
    for begun in [
        "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf",
        "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n",
    ] {
        let mut raw = receiver.connect().await;
        raw.write(begun).await;
        let answer = raw.rest().await;
        assert_eq!(statuses(&answer), ["408"]);
        // The same, but the sender goes away instead.
        let answer = receiver.send(begun).await;
        assert_eq!(statuses(&answer), ["400"]);
    }
    assert!(receiver.arrivals().is_empty());
}

#[tokio::test]
async fn lets_go_of_a_body_that_is_too_slow_on_the_whole() {
    let limits = Limits {
        body_grace: Duration::from_millis(200),
        body_min_rate: 1_000_000,
        ..Limits::default()
    };
    let receiver = Receiver::start(limits).await;
    let raw = receiver.connect().await;
    let (mut reading, mut writing) = raw.0.into_split();
    let dripping = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        let head = b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n";
        writing.write_all(head).await.unwrap();
        let mut pace = tokio::time::interval(Duration::from_millis(10));
        loop {
            pace.tick().await;
            if writing.write_all(b"x").await.is_err() {
                return;
            }
        }
    });
    let mut answer = vec![0; 12];
    within(tokio::io::AsyncReadExt::read_exact(
        &mut reading,
        &mut answer,
    ))
    .await
    .unwrap();
    dripping.abort();
    assert_eq!(answer, b"HTTP/1.1 408");
    assert!(receiver.arrivals().is_empty());
}

#[tokio::test]
async fn closes_an_idle_connection_in_peace() {
    let receiver = Receiver::start(impatient()).await;
    let mut raw = receiver.connect().await;
    raw.write("POST / HTTP/1.1\r\n\r\n").await;
    raw.until("kept").await;
    assert_eq!(raw.rest().await, "");
}

#[tokio::test]
async fn a_panic_of_the_intake_is_a_500_and_no_more() {
    let receiver = Receiver::answering(Limits::default(), |arrival| {
        assert_ne!(arrival.request.path, "/bad", "as the test wants it");
        SenderResponse::new(204)
    })
    .await;
    let mut raw = receiver.connect().await;
    for (path, expected) in [("/bad", "500"), ("/good", "204")] {
        raw.write(format!("POST {path} HTTP/1.1\r\n\r\n")).await;
        assert_eq!(status(&raw.until("\r\n\r\n").await), expected);
    }
}

/// An intake that waits until it is let go on.
fn gated() -> (Intake, Arc<Semaphore>, Arc<Semaphore>) {
    let (entered, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (enter, pass) = (Arc::clone(&entered), Arc::clone(&gate));
    let intake: Intake = Arc::new(move |arrival| {
        let (enter, pass) = (Arc::clone(&enter), Arc::clone(&pass));
        Box::pin(async move {
            enter.add_permits(1);
            let _permit = pass.acquire().await;
            drop(arrival);
            SenderResponse::new(202)
        })
    });
    (intake, entered, gate)
}

#[tokio::test]
async fn bodies_held_at_once_are_bounded_and_the_next_hears_503() {
    let (intake, entered, gate) = gated();
    let limits = Limits {
        max_body: 1000,
        max_held: 2000,
        ..Limits::default()
    };
    let receiver = Receiver::with(limits, intake).await;
    let request = [
        &b"POST / HTTP/1.1\r\nContent-Length: 900\r\n\r\n"[..],
        &[b'x'; 900],
    ]
    .concat();
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut raw = receiver.connect().await;
        raw.write(&request).await;
        within(entered.acquire()).await.unwrap().forget();
        held.push(raw);
    }
    let refused = receiver.send(&request).await;
    assert_eq!(status(&refused), "503");
    assert!(refused.contains("retry-after: 5\r\n"), "{refused}");
    gate.add_permits(9);
    for mut raw in held {
        assert_eq!(status(&raw.until("\r\n\r\n").await), "202");
    }
    // What was answered is held no longer.
    assert_eq!(status(&receiver.send(&request).await), "202");
}

#[tokio::test]
async fn half_heads_and_bodies_count_among_the_bytes_held_at_once() {
    for begun in [
        format!("POST / HTTP/1.1\r\nX: {}", "x".repeat(20_000)),
        format!(
            "POST / HTTP/1.1\r\nContent-Length: 30000\r\n\r\n{}",
            "x".repeat(20_000)
        ),
    ] {
        let limits = Limits {
            max_body: 50_000,
            max_held: 100_000,
            ..Limits::default()
        };
        let receiver = Receiver::start(limits).await;
        let mut held = Vec::new();
        for _ in 0..20 {
            let mut raw = receiver.connect().await;
            raw.write(&begun).await;
            held.push(raw);
        }
        let answers = held.iter_mut().map(|raw| Box::pin(raw.until("\r\n\r\n")));
        let (first, ..) = within(futures_util::future::select_all(answers)).await;
        assert_eq!(status(&first), "503", "{begun:.40}");
        assert!(first.contains("retry-after: 5\r\n"), "{first}");
        drop(held);
        // Room is given back when the connections are gone.
        let deadline = Instant::now() + Duration::from_secs(20);
        while status(&receiver.send(b"POST / HTTP/1.1\r\n\r\n").await) != "200" {
            assert!(Instant::now() < deadline);
        }
    }
}

#[tokio::test]
async fn shutdown_answers_what_is_under_way_and_takes_nothing_more() {
    let (intake, entered, gate) = gated();
    let mut receiver = Receiver::with(Limits::default(), intake).await;
    let mut busy = receiver.connect().await;
    busy.write("POST / HTTP/1.1\r\n\r\n").await;
    let _entered = within(entered.acquire()).await;
    let mut idle = receiver.connect().await;
    let mut half = receiver.connect().await;
    half.write("POST / HT").await;
    receiver.shutdown.cancel();
    assert_eq!(idle.rest().await, "");
    while TcpStream::connect(receiver.addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
    gate.add_permits(1);
    let answer = busy.rest().await;
    assert_eq!(statuses(&answer), ["202"]);
    assert!(answer.contains("connection: close"), "{answer}");
    within(&mut receiver.serving).await.unwrap();
}

#[tokio::test]
async fn shutdown_does_not_wait_for_ever() {
    let limits = Limits {
        shutdown_grace: Duration::from_millis(100),
        ..Limits::default()
    };
    let (intake, entered, _gate) = gated();
    let mut receiver = Receiver::with(limits, intake).await;
    let mut busy = receiver.connect().await;
    busy.write("POST / HTTP/1.1\r\n\r\n").await;
    let _entered = within(entered.acquire()).await;
    receiver.shutdown.cancel();
    within(&mut receiver.serving).await.unwrap();
}

#[tokio::test]
async fn an_intake_runs_to_its_end_though_the_sender_has_gone() {
    let done = Arc::new(Semaphore::new(0));
    let (intake, entered, gate) = gated();
    let finished = Arc::clone(&done);
    let intake: Intake = Arc::new(move |arrival| {
        let (work, finished) = (intake(arrival), Arc::clone(&finished));
        Box::pin(async move {
            let reply = work.await;
            finished.add_permits(1);
            reply
        })
    });
    let receiver = Receiver::with(Limits::default(), intake).await;
    let mut raw = receiver.connect().await;
    raw.write("POST / HTTP/1.1\r\n\r\n").await;
    let _entered = within(entered.acquire()).await;
    drop(raw);
    gate.add_permits(1);
    let _done = within(done.acquire()).await;
}

#[tokio::test]
async fn too_many_connections_cost_the_oldest_idle_one() {
    let limits = Limits {
        max_connections: 3,
        ..Limits::default()
    };
    let receiver = Receiver::start(limits).await;
    let mut slow: Vec<Raw> = Vec::new();
    for _ in 0..3 {
        let mut raw = receiver.connect().await;
        raw.write("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nha")
            .await;
        slow.push(raw);
    }
    for _ in 0..10 {
        let answer = receiver.send("POST / HTTP/1.1\r\n\r\n").await;
        assert_eq!(status(&answer), "200");
    }
    assert_eq!(receiver.arrivals().len(), 10);
}

#[tokio::test]
async fn too_many_connections_with_buffers_cost_the_oldest_idle_one_of_them() {
    let limits = Limits {
        max_serving: 1,
        ..Limits::default()
    };
    let receiver = Receiver::start(limits).await;
    // Holds no buffers: it has sent half a request.
    let mut slow = receiver.connect().await;
    slow.write("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nha")
        .await;
    let mut first = receiver.connect().await;
    first.write("POST / HTTP/1.1\r\n\r\n").await;
    assert_eq!(status(&first.until("kept").await), "200");
    let mut second = receiver.connect().await;
    second.write("POST / HTTP/1.1\r\n\r\n").await;
    assert_eq!(status(&second.until("kept").await), "200");
    assert_eq!(first.rest().await, "");
    slow.write("ha").await;
    assert_eq!(status(&slow.until("kept").await), "200");
    assert_eq!(second.rest().await, "");
}

type H2 = hyper::client::conn::http2::SendRequest<Body>;
type Body = http_body_util::combinators::BoxBody<Bytes, std::convert::Infallible>;

fn whole(body: impl Into<Bytes>) -> Body {
    Full::new(body.into()).boxed()
}

async fn h2(receiver: &Receiver) -> H2 {
    let stream = TcpStream::connect(receiver.addr).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    sender
}

#[tokio::test]
async fn speaks_http_2_with_prior_knowledge() {
    let receiver = Receiver::start(Limits::default()).await;
    let mut sender = h2(&receiver).await;
    let request = hyper::Request::post("http://hooks.test:81/a//%2e?b=1&c")
        .header("x-a", "1")
        .header(
            "x-b",
            hyper::header::HeaderValue::from_bytes(b"\xe9").unwrap(),
        )
        .header("x-a", "2")
        .body(whole("two"))
        .unwrap();
    let response = within(sender.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "kept");
    let arrival = receiver.only();
    assert_eq!(arrival.request.http_version, "2");
    assert_eq!(arrival.request.target(), "/a//%2e?b=1&c");
    assert_eq!(arrival.request.body, "two");
    assert_eq!(
        fields(&arrival),
        [
            ("host", &b"hooks.test:81"[..]),
            ("x-a", b"1"),
            ("x-a", b"2"),
            ("x-b", b"\xe9"),
            ("content-length", b"3"),
        ]
    );
}

#[tokio::test]
async fn speaks_http_2_with_a_hundred_requests_at_once() {
    let receiver = Receiver::start(Limits::default()).await;
    let sender = h2(&receiver).await;
    let requests = (0..100).map(|index| {
        let mut sender = sender.clone();
        let body = vec![index; 10_000];
        async move {
            let request = hyper::Request::post("http://h/").body(whole(body)).unwrap();
            within(sender.send_request(request)).await.unwrap().status()
        }
    });
    let statuses = futures_util::future::join_all(requests).await;
    assert_eq!(statuses, [200; 100]);
    assert_eq!(receiver.arrivals().len(), 100);
}

#[tokio::test]
async fn refuses_over_http_2_what_it_refuses_over_http_1() {
    let limits = Limits {
        max_body: 100_000,
        ..impatient()
    };
    let receiver = Receiver::start(limits).await;
    let mut sender = h2(&receiver).await;
    let large = hyper::Request::post("http://h/")
        .body(whole(vec![0; 100_001]))
        .unwrap();
    let response = within(sender.send_request(large)).await.unwrap();
    assert_eq!(response.status(), 413);
    assert!(receiver.only().refused.is_some());

    let tunnel = hyper::Request::connect("example.test:443")
        .body(whole(""))
        .unwrap();
    let response = within(sender.send_request(tunnel)).await.unwrap();
    assert_eq!(response.status(), 405);

    let first = Ok(Frame::data(Bytes::from_static(b"half")));
    let stream = futures_util::stream::once(async { first });
    let stalled = futures_util::StreamExt::chain(stream, futures_util::stream::pending());
    let stalled = hyper::Request::post("http://h/")
        .body(StreamBody::new(stalled).boxed())
        .unwrap();
    let response = within(sender.send_request(stalled)).await.unwrap();
    assert_eq!(response.status(), 408);
    assert_eq!(receiver.arrivals().len(), 1);

    // The connection has survived all of it, and is closed when it idles.
    let fine = hyper::Request::post("http://h/").body(whole("x")).unwrap();
    assert_eq!(
        within(sender.send_request(fine)).await.unwrap().status(),
        200
    );
    while within(sender.ready()).await.is_ok() {
        tokio::task::yield_now().await;
    }
}
