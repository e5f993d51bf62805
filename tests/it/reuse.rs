//! Connections that are used again, and those that must not be.

use std::sync::Arc;
use std::time::Duration;

use creel::domain::request::Request;
use creel::outbound::{Client, Exchange, SendOptions, Timeouts, prepare};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::support::receiver::within;
use crate::support::upstream::{Act, Plan, Speech, Upstream};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

const INSECURE: SendOptions = SendOptions {
    insecure: true,
    link_local: false,
};

fn delivery(path: &str) -> Request {
    Request {
        method: "POST".into(),
        path: path.into(),
        query: None,
        http_version: "1.1".into(),
        headers: [("x-b", "1"), ("x-a", "2"), ("x-b", "3")]
            .into_iter()
            .collect(),
        body: "body".into(),
    }
}

async fn send(client: &Client, request: &Request, target: &str, options: SendOptions) -> Exchange {
    let outgoing = prepare(request, target, request.headers.clone()).unwrap();
    within(client.send(&outgoing, options)).await
}

async fn deliver(client: &Client, target: &str) -> Exchange {
    send(client, &delivery("/"), target, SendOptions::default()).await
}

fn well(exchange: &Exchange) {
    assert_eq!(exchange.error, None, "{exchange:?}");
    assert_eq!(exchange.response.as_ref().unwrap().status, 200);
}

async fn staying(answer: &str, speech: Speech) -> Upstream {
    Upstream::start(Plan {
        acts: vec![Act::say(answer), Act::Again],
        rude: false,
        speech,
    })
    .await
}

#[tokio::test]
async fn a_clean_connection_is_used_again_and_the_bytes_stay_exact() {
    let chunked =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nt: 1\r\n\r\n";
    for answer in [OK, chunked] {
        let upstream = staying(answer, Speech::Plain).await;
        let client = Client::default();
        for path in ["/first", "/second", "/third"] {
            let sent = send(
                &client,
                &delivery(path),
                &upstream.url(),
                SendOptions::default(),
            )
            .await;
            well(&sent);
            assert_eq!(sent.response.unwrap().body, "ok");
        }
        assert_eq!(upstream.connections(), 1);
        for (seen, path) in upstream
            .requests()
            .iter()
            .zip(["/first", "/second", "/third"])
        {
            let expected = format!(
                "POST {path} HTTP/1.1\r\nhost: {}\r\nx-b: 1\r\nx-a: 2\r\nx-b: 3\r\n\
                 content-length: 4\r\n\r\nbody",
                upstream.addr
            );
            assert_eq!(String::from_utf8_lossy(seen), expected);
        }
    }
}

#[tokio::test]
async fn so_it_is_over_tls() {
    let upstream = staying(OK, Speech::Tls).await;
    let client = Client::default();
    let target = format!("https://localhost:{}", upstream.addr.port());
    for _ in 0..3 {
        well(&send(&client, &delivery("/"), &target, INSECURE).await);
    }
    assert_eq!(upstream.connections(), 1);
    // One that took any certificate serves nobody who asks for a good one.
    let strict = send(&client, &delivery("/"), &target, SendOptions::default()).await;
    assert!(strict.error.unwrap().starts_with("TLS: the certificate of"));
    assert_eq!(upstream.requests().len(), 3);
}

#[tokio::test]
async fn those_who_send_at_once_share_what_is_idle() {
    let upstream = staying(OK, Speech::Plain).await;
    let client = Arc::new(Client::default());
    for _ in 0..5 {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (client, target) = (Arc::clone(&client), upstream.url());
            tasks.spawn(async move { deliver(&client, &target).await });
        }
        tasks.join_all().await.iter().for_each(well);
    }
    assert_eq!(upstream.requests().len(), 40);
    assert!(upstream.connections() <= 8, "{}", upstream.connections());
}

#[tokio::test]
async fn a_connection_that_is_not_clean_is_not_used_again() {
    for (answer, method) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
            "POST",
        ),
        ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", "POST"),
        // More than was announced: it is no answer to the next request.
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 500 No\r\n\r\n",
            "POST",
        ),
        // A body where none may be.
        (
            "HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nok",
            "POST",
        ),
        ("HTTP/1.1 204 No Content\r\n\r\nok", "POST"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "HEAD"),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 7\r\n\r\n\
             2\r\nok\r\n0\r\n\r\n",
            "POST",
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
            "POST",
        ),
    ] {
        let upstream = staying(answer, Speech::Plain).await;
        let client = Client::default();
        let request = Request {
            method: method.into(),
            ..delivery("/")
        };
        for _ in 0..2 {
            let sent = send(&client, &request, &upstream.url(), SendOptions::default()).await;
            assert_eq!(sent.error, None, "{answer}");
            assert_ne!(sent.response.unwrap().status, 500, "{answer}");
        }
        assert_eq!(upstream.connections(), 2, "{answer}");
    }
}

#[tokio::test]
async fn a_connection_is_not_used_again_after_an_error() {
    let short = Timeouts {
        total: Duration::from_millis(300),
        ..Timeouts::default()
    };
    for acts in [
        vec![Act::say("nonsense"), Act::Again],
        vec![
            Act::say("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"),
            Act::Again,
        ],
        vec![
            Act::say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
            Act::Again,
        ],
    ] {
        let upstream = Upstream::acting(acts.clone()).await;
        let client = Client::new(short);
        for _ in 0..2 {
            let sent = deliver(&client, &upstream.url()).await;
            assert!(sent.error.is_some(), "{acts:?}");
        }
        assert_eq!(upstream.connections(), 2, "{acts:?}");
        assert_eq!(upstream.requests().len(), 2, "{acts:?}");
    }
}

#[tokio::test]
async fn a_target_that_hangs_up_unannounced_gets_each_request_once() {
    // It closes behind every answer and does not say so.
    let upstream = Upstream::saying(OK).await;
    let client = Client::default();
    for _ in 0..50 {
        well(&deliver(&client, &upstream.url()).await);
    }
    assert_eq!(upstream.requests().len(), 50);
}

/// Reads a request whose body is `body`.
async fn request(stream: &mut tokio::net::TcpStream) {
    let mut read = Vec::new();
    while !read.ends_with(b"body") {
        assert!(stream.read_buf(&mut read).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_request_that_was_taken_is_not_sent_twice() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        stream.write_all(OK.as_bytes()).await.unwrap();
        // The second is read whole; then the app dies of it.
        request(&mut stream).await;
        drop(stream);
        tokio::time::timeout(Duration::from_millis(300), listener.accept()).await
    });
    let client = Client::default();
    well(&deliver(&client, &target).await);
    let second = deliver(&client, &target).await;
    let error = second.error.unwrap();
    assert!(
        error.ends_with("closed the connection without an answer."),
        "{error}"
    );
    assert!(within(serving).await.unwrap().is_err(), "it was sent again");
}

#[tokio::test]
async fn a_request_that_lay_unread_as_the_target_closed_is_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        request(&mut first).await;
        first.write_all(OK.as_bytes()).await.unwrap();
        // The next request has come, and nobody reads it: a reset.
        assert!(first.peek(&mut [0]).await.unwrap() > 0);
        drop(first);
        let (mut second, _) = listener.accept().await.unwrap();
        request(&mut second).await;
        second.write_all(OK.as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
    });
    let client = Client::default();
    for _ in 0..2 {
        well(&within(deliver(&client, &target)).await);
    }
}

#[tokio::test]
async fn what_a_target_says_unasked_is_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    let (said, unasked) = oneshot::channel();
    tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        request(&mut first).await;
        first.write_all(OK.as_bytes()).await.unwrap();
        first
            .write_all(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
        said.send(()).unwrap();
        let (mut second, _) = listener.accept().await.unwrap();
        request(&mut second).await;
        second.write_all(OK.as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
    });
    let client = Client::default();
    well(&deliver(&client, &target).await);
    within(unasked).await.unwrap();
    well(&deliver(&client, &target).await);
}

#[tokio::test]
async fn many_requests_share_an_http_2_connection() {
    let upstream = staying(OK, Speech::Http2).await;
    let client = Client::default();
    let target = format!("https://localhost:{}", upstream.addr.port());
    well(&send(&client, &delivery("/"), &target, INSECURE).await);
    let (request, other) = (delivery("/"), delivery("/other"));
    let both = tokio::join!(
        send(&client, &request, &target, INSECURE),
        send(&client, &other, &target, INSECURE)
    );
    well(&both.0);
    well(&both.1);
    assert_eq!(upstream.connections(), 1);
    assert_eq!(upstream.requests().len(), 3);
}

#[tokio::test]
async fn of_two_protocols_the_one_that_keeps_the_order_is_offered_first() {
    for (speech, order) in [
        (Speech::Either, "host: ADDR\nx-b: 1\nx-a: 2\nx-b: 3"),
        (Speech::RatherHttp2, "x-b: 1\nx-b: 3\nx-a: 2"),
    ] {
        let upstream = staying(OK, speech).await;
        let authority = format!("localhost:{}", upstream.addr.port());
        let target = format!("https://{authority}");
        let sent = send(&Client::default(), &delivery("/"), &target, INSECURE).await;
        well(&sent);
        let fields: Vec<_> = sent
            .sent_headers
            .iter()
            .map(|h| format!("{}: {}", h.name, h.value.escape_ascii()))
            .collect();
        let expected = format!("{order}\ncontent-length: 4").replace("ADDR", &authority);
        assert_eq!(fields.join("\n"), expected);
        let seen = String::from_utf8(upstream.requests().remove(0)).unwrap();
        assert!(seen.replace("\r\n", "\n").contains(&expected), "{seen}");
    }
}
