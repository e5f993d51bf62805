//! What is sent to a target, and what its manners come out as.

#![expect(clippy::unwrap_used, reason = "a test may fail wherever it stands")]

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use creel::domain::headers::Headers;
use creel::domain::request::Request;
use creel::outbound::{
    Client, Exchange, Lookup, MAX_READ_BYTES, Outgoing, SendOptions, Timeouts, prepare,
    remote_hosts,
};

use crate::support::receiver::{Receiver, within};
use crate::support::upstream::{Act, Plan, Speech, Upstream};

/// Time-outs short enough to wait for.
const SHORT: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    first_byte: Duration::from_millis(150),
    total: Duration::from_millis(400),
};

/// The options with which self-made certificates are taken.
const INSECURE: SendOptions = SendOptions {
    insecure: true,
    link_local: false,
};

fn delivery() -> Request {
    Request {
        method: "POST".into(),
        path: "/hooks".into(),
        query: Some("a=1".into()),
        http_version: "1.1".into(),
        headers: [("x-signature", "abc")].into_iter().collect(),
        body: "{\"a\":1.0}".into(),
    }
}

async fn send(client: &Client, request: &Request, target: &str) -> Exchange {
    send_with(client, request, target, SendOptions::default()).await
}

async fn send_with(
    client: &Client,
    request: &Request,
    target: &str,
    options: SendOptions,
) -> Exchange {
    let outgoing = prepare(request, target, request.headers.clone()).unwrap();
    within(client.send(&outgoing, options)).await
}

async fn deliver(target: &str) -> Exchange {
    send(&Client::default(), &delivery(), target).await
}

async fn deliver_shortly(target: &str) -> Exchange {
    send(&Client::new(SHORT), &delivery(), target).await
}

fn status(exchange: &Exchange) -> Option<u16> {
    exchange.response.as_ref().map(|response| response.status)
}

fn error(exchange: &Exchange) -> &str {
    exchange.error.as_deref().unwrap_or("")
}

#[tokio::test]
async fn sends_bytes_as_they_are_and_invents_nothing() {
    let upstream = Upstream::saying("HTTP/1.1 204 No Content\r\n\r\n").await;
    let headers: Headers = [
        ("X-B", &b"1"[..]),
        ("host", b"public.test"),
        ("X-A", b"caf\xe9"),
        ("connection", b"close"),
        ("x-b", b"2"),
        ("content-length", b"7"),
        ("x-a", b""),
    ]
    .into_iter()
    .collect();
    let request = Request {
        method: "M-SEARCH".into(),
        path: "//a/./%2e|<x>/\u{fc}".into(),
        query: Some("q={1}&".into()),
        headers,
        body: b"\x00\xff\r\n"[..].into(),
        ..delivery()
    };
    let exchange = send(&Client::default(), &request, &upstream.url()).await;
    assert_eq!(exchange.error, None);
    assert_eq!(status(&exchange), Some(204));
    let line = "M-SEARCH //a/./%2e|<x>/\u{fc}?q={1}& HTTP/1.1";
    let host = upstream.addr;
    let mut expected = format!("{line}\r\nx-b: 1\r\nhost: {host}\r\nx-a: caf").into_bytes();
    expected.extend_from_slice(b"\xe9\r\nx-b: 2\r\ncontent-length: 4\r\nx-a: \r\n\r\n\x00\xff\r\n");
    let seen = upstream.requests();
    assert_eq!(
        seen[0].escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
    let sent: Vec<_> = exchange.sent_headers.iter().map(|h| h.name).collect();
    assert_eq!(sent, ["x-b", "host", "x-a", "x-b", "content-length", "x-a"]);
    assert!(exchange.duration_us > 0);
}

#[tokio::test]
async fn what_was_received_goes_out_as_it_came_in() {
    let receiver = Receiver::start(creel::server::Limits::default()).await;
    let upstream = Upstream::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let head = "POST //p/%7e?q HTTP/1.1\r\nx-a: 1\r\nhost: HOST\r\nx-b: 2\r\nx-a: 3\r\n\
                content-length: 300000\r\n\r\n";
    let mut sent = head.as_bytes().to_vec();
    sent.extend((0..300_000_u32).map(|i| i as u8));
    receiver.send(&sent).await;
    let exchange = send(
        &Client::default(),
        &receiver.only().request,
        &upstream.url(),
    )
    .await;
    assert_eq!(status(&exchange), Some(200));
    let head = head.replace("HOST", &upstream.addr.to_string());
    let seen = upstream.requests().remove(0);
    assert_eq!(String::from_utf8_lossy(&seen[..head.len()]), head);
    assert!(seen[head.len()..] == sent[sent.len() - 300_000..]);
}

#[tokio::test]
async fn keeps_the_answer_with_its_repeats_and_odd_bytes() {
    let upstream = Upstream::saying(
        b"HTTP/1.1 418 Short and stout\r\nSet-Cookie: a\r\nX: \xe9\r\nSet-Cookie: b\r\n\
          Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x00\xff",
    )
    .await;
    let exchange = deliver(&upstream.url()).await;
    let response = exchange.response.unwrap();
    assert_eq!(response.status, 418);
    assert_eq!(response.headers.all("set-cookie").count(), 2);
    assert_eq!(response.headers.first("x"), Some(&b"\xe9"[..]));
    assert_eq!(response.body, &b"\x1f\x8b\x00\xff"[..]);
    assert_eq!(response.body_size, 4);
}

#[tokio::test]
async fn reads_every_kind_of_answer() {
    for (answer, expected, body) in [
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            200,
            "ok",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nT: 1\r\n\r\n",
            200,
            "ok",
        ),
        ("HTTP/1.1 200 OK\r\n\r\nto the end", 200, "to the end"),
        ("HTTP/1.0 599 Own\r\n\r\nx", 599, "x"),
        (
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n",
            304,
            "",
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            101,
            "",
        ),
        (
            "HTTP/1.1 999 \r\nA:1\r\n folded\r\nlax : 2\r\ncontent-length: 0\r\n\r\n",
            999,
            "",
        ),
    ] {
        let upstream = Upstream::saying(answer).await;
        let exchange = deliver(&upstream.url()).await;
        assert_eq!(exchange.error, None, "{answer}");
        let response = exchange.response.unwrap();
        assert_eq!(response.status, expected, "{answer}");
        assert_eq!(response.body, body, "{answer}");
    }
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    let upstream = Upstream::acting(vec![
        Act::say("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n"),
        Act::Hang,
    ])
    .await;
    let request = Request {
        method: "HEAD".into(),
        body: "".into(),
        ..delivery()
    };
    let exchange = send(&Client::default(), &request, &upstream.url()).await;
    assert_eq!(exchange.error, None);
    assert_eq!(exchange.response.unwrap().body_size, 0);
}

#[tokio::test]
async fn follows_no_redirect() {
    let elsewhere = Upstream::saying("HTTP/1.1 200 OK\r\n\r\n").await;
    let answer = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        elsewhere.url()
    );
    let upstream = Upstream::saying(answer).await;
    let exchange = deliver(&upstream.url()).await;
    assert_eq!(status(&exchange), Some(307));
    assert_eq!(exchange.error, None);
    assert!(elsewhere.requests().is_empty());
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn keeps_the_beginning_of_a_long_answer_and_counts_the_rest() {
    let mut answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n".to_vec();
    answer.extend((0..1_000_000_u32).map(|i| i as u8));
    let upstream = Upstream::saying(&answer).await;
    let exchange = deliver(&upstream.url()).await;
    assert_eq!(exchange.error, None);
    let response = exchange.response.unwrap();
    assert_eq!(response.body_size, 1_000_000);
    assert!(response.body[..] == answer[answer.len() - 1_000_000..][..65_536]);
}

#[tokio::test]
async fn stops_reading_an_answer_without_end() {
    let upstream = Upstream::acting(vec![
        Act::say("HTTP/1.1 200 OK\r\n\r\n"),
        Act::SayForever(vec![b'x'; 60_000]),
    ])
    .await;
    let exchange = deliver(&upstream.url()).await;
    assert!(
        error(&exchange).starts_with("Reading stopped after 1342"),
        "{exchange:?}"
    );
    let response = exchange.response.unwrap();
    assert!(response.body_size >= MAX_READ_BYTES);
    assert_eq!(response.body.len(), 65_536);
}

#[tokio::test]
async fn names_the_time_out_that_passed() {
    let hangs = Upstream::acting(vec![Act::Hang]).await;
    let exchange = deliver_shortly(&hangs.url()).await;
    assert_eq!(
        error(&exchange),
        "No answer within 150 ms (first-byte time-out)."
    );
    assert_eq!(exchange.response, None);

    let informs = Upstream::acting(vec![Act::SayForever(
        b"HTTP/1.1 102 Processing\r\n\r\n".to_vec(),
    )])
    .await;
    let exchange = deliver_shortly(&informs.url()).await;
    let expected = format!(
        "{} sends interim responses (1xx) without a final one.",
        informs.addr
    );
    assert_eq!(error(&exchange), expected);

    let stalls = Upstream::acting(vec![
        Act::say("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"),
        Act::Hang,
    ])
    .await;
    let start = Instant::now();
    let exchange = deliver_shortly(&stalls.url()).await;
    assert!(start.elapsed() >= SHORT.total);
    assert_eq!(
        error(&exchange),
        "The answer was not complete within 400 ms (total time-out)."
    );
    let response = exchange.response.unwrap();
    assert_eq!((response.status, &response.body[..]), (200, &b"half"[..]));

    // A listener that accepts nothing more: the handshake never ends.
    let silent = Upstream::start(Plan {
        acts: vec![Act::Hang],
        rude: true,
        speech: Speech::Plain,
    })
    .await;
    let timeouts = Timeouts {
        connect: Duration::from_millis(150),
        ..Timeouts::default()
    };
    let target = format!("https://{}", silent.addr);
    let client = Client::new(timeouts);
    let exchange = send(&client, &delivery(), &target).await;
    let expected = format!(
        "No connection to {} within 150 ms (connect time-out).",
        silent.addr
    );
    assert_eq!(error(&exchange), expected);
}

#[tokio::test]
async fn tells_what_kept_the_answer_away() {
    let cases = [
        (vec![], "ADDR closed the connection without an answer."),
        (
            vec![Act::Reset],
            "ADDR reset the connection before it answered.",
        ),
        (
            vec![Act::say("HTTP/1.1 200 OK\r\nx: ")],
            "ADDR closed the connection in the middle of the answer's head.",
        ),
        (
            vec![Act::say("hello\x1b[2J\r\n\r\n")],
            "ADDR does not answer in HTTP: there is no status line. \
             Its answer begins with \"hello\\x1b[2J\\r\\n\\r\\n\".",
        ),
        (
            vec![Act::say(b"\x15\x03\x01\x00\x02\x02\x46")],
            "ADDR speaks TLS; an https:// target may be meant.",
        ),
        (
            vec![Act::SayForever(b"HTTP/1.1 200 OK\r\nx: yz\r\n".to_vec())],
            "ADDR does not answer in HTTP: invalid header name. \
             Its answer begins with \"HTTP/1.1 200 OK\\r\\nx: yz\\r\\n\".",
        ),
        (
            vec![
                Act::say("HTTP/1.1 200 OK\r\n"),
                Act::SayForever(b"x: y\r\n".to_vec()),
            ],
            "The answer's head is larger than 262144 B or has more than 500 fields.",
        ),
    ];
    for (acts, expected) in cases {
        let upstream = Upstream::acting(acts).await;
        let exchange = deliver(&upstream.url()).await;
        let expected = expected.replace("ADDR", &upstream.addr.to_string());
        assert_eq!(error(&exchange), expected);
        assert_eq!(exchange.response, None);
    }
}

#[tokio::test]
async fn keeps_what_came_of_an_answer_that_broke_off() {
    let half = "HTTP/1.1 500 Oops\r\ncontent-length: 9\r\n\r\nhalf";
    for (acts, expected) in [
        (
            vec![Act::say(half)],
            "The connection was closed after 4 B of the answer's body, before its end.",
        ),
        (
            vec![Act::say(
                "HTTP/1.1 500 Oops\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
            )],
            "The answer's body is malformed after 4 B: a chunk's size cannot be read.",
        ),
    ] {
        let upstream = Upstream::acting(acts).await;
        let exchange = deliver(&upstream.url()).await;
        assert_eq!(error(&exchange), expected);
        let response = exchange.response.unwrap();
        assert_eq!((response.status, &response.body[..]), (500, &b"half"[..]));
    }
}

#[tokio::test]
async fn hears_an_answer_given_before_the_request_was_taken() {
    let upstream = Upstream::start(Plan {
        acts: vec![
            Act::say("HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nno."),
            Act::Hang,
        ],
        rude: true,
        speech: Speech::Plain,
    })
    .await;
    let request = Request {
        body: vec![0; 30_000_000].into(),
        ..delivery()
    };
    let exchange = send(&Client::default(), &request, &upstream.url()).await;
    assert_eq!(exchange.error, None);
    assert_eq!(status(&exchange), Some(413));
}

#[tokio::test]
async fn tells_why_there_is_no_connection() {
    let addr = Upstream::saying("").await.addr;
    while tokio::net::TcpStream::connect(addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let exchange = deliver(&format!("http://{addr}")).await;
    assert_eq!(
        error(&exchange),
        format!("{addr} refused the connection: nothing listens there.")
    );

    let exchange = deliver("http://nothing.invalid/").await;
    assert!(
        error(&exchange).starts_with("The name nothing.invalid was not found: "),
        "{exchange:?}"
    );
    for target in [
        "http://169.254.169.254/latest",
        "http://[::ffff:169.254.169.254]",
        "http://2852039166",
        "https://[fd00:ec2::254]",
        "http://100.100.100.200",
    ] {
        let exchange = deliver(target).await;
        assert!(
            error(&exchange).contains(" is a link-local or cloud metadata address"),
            "{exchange:?}"
        );
    }
}

#[tokio::test]
async fn speaks_tls() {
    let upstream = Upstream::start(Plan {
        acts: vec![Act::say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")],
        rude: false,
        speech: Speech::Tls,
    })
    .await;
    for host in ["localhost", "127.0.0.1"] {
        let target = format!("https://{host}:{}", upstream.addr.port());
        let exchange = deliver(&target).await;
        assert_eq!(
            error(&exchange),
            format!(
                "TLS: the certificate of {host} comes from an issuer that this system does not trust \
                 (unknown issuer)."
            )
        );
        let exchange = send_with(&Client::default(), &delivery(), &target, INSECURE).await;
        assert_eq!(exchange.error, None);
        assert_eq!(exchange.response.unwrap().body, "ok");
    }
    let seen = String::from_utf8(upstream.requests().remove(0)).unwrap();
    assert!(
        seen.starts_with("POST /hooks?a=1 HTTP/1.1\r\nhost: localhost:"),
        "{seen}"
    );

    let plain = Upstream::start(Plan {
        acts: vec![Act::say("HTTP/1.1 400 Bad Request\r\n\r\n")],
        rude: true,
        speech: Speech::Plain,
    })
    .await;
    let exchange = deliver(&format!("https://{}", plain.addr)).await;
    assert_eq!(
        error(&exchange),
        format!(
            "TLS: {} does not speak TLS; an http:// target may be meant.",
            plain.addr
        )
    );
}

#[tokio::test]
async fn speaks_http_2_where_nothing_else_is_spoken() {
    let upstream = Upstream::start(Plan {
        acts: Vec::new(),
        rude: false,
        speech: Speech::Http2,
    })
    .await;
    let request = Request {
        path: "//a/%2e".into(),
        headers: [
            ("x-b", "1"),
            ("host", "public.test"),
            ("x-a", "2"),
            ("connection", "close"),
            ("x-b", "3"),
        ]
        .into_iter()
        .collect(),
        ..delivery()
    };
    let authority = format!("localhost:{}", upstream.addr.port());
    let client = Client::default();
    let target = format!("https://{authority}");
    let exchange = send_with(&client, &request, &target, INSECURE).await;
    assert_eq!(exchange.error, None);
    assert_eq!(exchange.response.as_ref().unwrap().body, "two");
    let sent: Vec<_> = exchange
        .sent_headers
        .iter()
        .map(|h| (h.name, String::from_utf8_lossy(h.value)))
        .collect();
    let sent = sent.iter().map(|(n, v)| format!("{n}: {v}"));
    assert_eq!(
        sent.collect::<Vec<_>>(),
        ["x-b: 1", "x-b: 3", "x-a: 2", "content-length: 9"]
    );
    let seen = String::from_utf8(upstream.requests().remove(0)).unwrap();
    let expected = format!(
        "POST https://{authority}//a/%2e?a=1\nx-b: 1\nx-b: 3\nx-a: 2\ncontent-length: 9\n\
         {{\"a\":1.0}}"
    );
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn an_answer_reset_in_its_middle_is_told() {
    let upstream = Upstream::acting(vec![
        Act::say("HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\nhalf"),
        Act::Pause(Duration::from_millis(200)),
        Act::Reset,
    ])
    .await;
    let exchange = deliver(&upstream.url()).await;
    assert_eq!(
        error(&exchange),
        "The connection was reset after 4 B of the answer's body."
    );
    assert_eq!(exchange.response.unwrap().body, "half");
}

/// A look-up that finds one list of addresses after the other, and the last
/// ever after.
fn alternating(answers: &[&[&str]]) -> (Lookup, Arc<AtomicUsize>) {
    let answers: Vec<Vec<IpAddr>> = answers
        .iter()
        .map(|list| list.iter().map(|text| text.parse().unwrap()).collect())
        .collect();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let lookup: Lookup = Box::new(move |_| {
        let turn = counted.fetch_add(1, Ordering::SeqCst);
        let found = answers[turn.min(answers.len() - 1)].clone();
        Box::pin(async move { Ok(found) })
    });
    (lookup, count)
}

fn named(url: &str, upstream: &Upstream) -> Outgoing {
    let target = format!("http://{url}:{}/", upstream.addr.port());
    prepare(&delivery(), &target, delivery().headers).unwrap()
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_that_address_is_connected_to() {
    let upstream =
        Upstream::saying(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            .await;
    let (lookup, count) = alternating(&[&["127.0.0.1"], &["10.255.255.1"]]);
    let client = Client::with_lookup(Timeouts::default(), lookup);
    let outgoing = named("app.example.test", &upstream);
    let places = client.locate([outgoing.address().as_str()]).await.unwrap();
    assert!(remote_hosts(places, SendOptions::default()).is_empty());
    for _ in 0..2 {
        let exchange = client.send(&outgoing, SendOptions::default()).await;
        assert_eq!(status(&exchange), Some(200), "{exchange:?}");
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
    // Asked about again, it is elsewhere, and that is said.
    let places = client.locate([outgoing.address().as_str()]).await.unwrap();
    assert_eq!(remote_hosts(places, SendOptions::default()).len(), 1);
}

#[tokio::test]
async fn a_name_of_this_machine_that_leads_elsewhere_gets_nothing() {
    let upstream = Upstream::saying(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let (lookup, _) = alternating(&[&["127.0.0.1"], &["203.0.113.7"], &["127.0.0.1"]]);
    let client = Client::with_lookup(Timeouts::default(), lookup);
    let target = format!("http://app.example.test:{port}/");
    let closed = prepare(&delivery(), &target, delivery().headers).unwrap();
    let refused = client.send(&closed, SendOptions::default()).await;
    assert!(error(&refused).contains("refused"), "{refused:?}");
    let moved = client.send(&closed, SendOptions::default()).await;
    assert!(
        error(&moved).contains("resolves to 203.0.113.7 now"),
        "{moved:?}"
    );
    assert!(!moved.connected);
    let back = client
        .send(
            &named("app.example.test", &upstream),
            SendOptions::default(),
        )
        .await;
    assert_eq!(status(&back), Some(200), "{back:?}");
}

#[tokio::test]
async fn metadata_services_get_nothing_whatever_their_name_leads_to() {
    for (host, found) in [
        ("metadata.google.internal", "203.0.113.7"),
        ("METADATA.google.internal.", "127.0.0.1"),
        ("instance-data", "127.0.0.1"),
        ("harmless.example.test", "169.254.169.254"),
        ("harmless.example.test", "168.63.129.16"),
        ("harmless.example.test", "64:ff9b::a9fe:a9fe"),
        ("harmless.example.test", "fd00:ec2::254"),
        ("168.63.129.16", "127.0.0.1"),
        ("0xc00000c0", "127.0.0.1"),
    ] {
        let (lookup, _) = alternating(&[&[found]]);
        let client = Client::with_lookup(Timeouts::default(), lookup);
        let outgoing =
            prepare(&delivery(), &format!("http://{host}/"), delivery().headers).unwrap();
        let exchange = client.send(&outgoing, SendOptions::default()).await;
        assert!(
            error(&exchange).contains("metadata"),
            "{host}: {exchange:?}"
        );
        assert!(!exchange.connected, "{host}");
    }
}
