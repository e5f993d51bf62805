//! Answering as told: sequences, headers, delays, slow bodies, drops; from
//! the configuration and while creel runs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use creel::control::client;
use creel::domain::response_plan::{ResponsePlan, parse_steps};
use creel::domain::route::ForwardMode;
use creel::engine::Engine;
use creel::engine::command::{Command, Event, Info, Reply, ResponseOverrideRequest};
use serde_json::json;

use crate::support::app::{App, until};
use crate::support::creel::Creel;

fn told(answer: &str) -> Creel {
    let home = tempfile::tempdir().unwrap();
    let config = format!("answer = {{ {answer} }}\n");
    std::fs::write(home.path().join("creel.toml"), config).unwrap();
    Creel::serve_in(home, &[])
}

fn porkbun(id: &str) -> String {
    format!(
        "X-Porkbun-Event: a\r\nX-Porkbun-Signature: sha256=00\r\nX-Porkbun-Webhook-Id: {id}\r\n"
    )
}

/// Opens a connection and posts to it, without waiting for the answer.
fn post(creel: &Creel) -> TcpStream {
    let mut stream = TcpStream::connect(creel.address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        .unwrap();
    stream
}

fn rest(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_sequence_counts_the_arrivals_of_each_event() {
    let creel = told("sequence = [500, 500, 200]");
    let send = |id: &str| creel.post("/", &porkbun(id), b"{}");
    assert_eq!([send("1"), send("2"), send("1")], [500, 500, 500]);
    assert_eq!(
        [send("1"), send("1"), send("2"), send("2")],
        [200, 200, 500, 200]
    );
    // What has no id is told apart by its body.
    let bare = |body: &[u8]| creel.post("/bare", "", body);
    assert_eq!(
        [bare(b"a"), bare(b"b"), bare(b"a"), bare(b"a")],
        [500, 500, 500, 200]
    );
    let arrivals = creel.run(&["list", "--json", "provider:porkbun"]).lines();
    let told: Vec<_> = arrivals
        .iter()
        .map(|d| (&d["arrival"], &d["answer"]["status"]))
        .collect();
    assert_eq!(told[0], (&json!(3), &json!(200)));
    assert_eq!(told[1], (&json!(2), &json!(500)));
}

#[test]
fn a_sequence_goes_on_after_a_restart() {
    let creel = told("sequence = [500, 500, 200]");
    assert_eq!(creel.post("/", &porkbun("1"), b"{}"), 500);
    assert_eq!(creel.post("/", &porkbun("1"), b"{}"), 500);
    let creel = Creel::serve_in(creel.kill(), &[]);
    creel.list();
    assert_eq!(creel.post("/", &porkbun("1"), b"{}"), 200);
}

#[test]
fn headers_and_body_are_sent_as_told() {
    let creel = told(
        "status = 202, body = \"<a/>\", headers = { Content-Type = \"text/xml\", X-A = [\"1\", \"2\"] }",
    );
    let answer = rest(post(&creel));
    let lower = answer.to_lowercase();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert!(lower.contains("content-type: text/xml\r\n"), "{answer}");
    assert!(!lower.contains("text/plain"), "{answer}");
    assert!(lower.contains("x-a: 1\r\nx-a: 2\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n<a/>"), "{answer}");
}

#[test]
fn a_drop_closes_the_connection_and_the_delivery_is_kept() {
    let creel = told("sequence = [\"drop\", 200]");
    assert_eq!(rest(post(&creel)), "");
    assert!(rest(post(&creel)).starts_with("HTTP/1.1 200 "));
    let rows = creel.list();
    assert_eq!(rows[1]["answer"]["status"], json!(0));
    assert_eq!(rows[1]["answer"]["by"], json!("creel"));
    let text = creel.run(&["list"]).out;
    assert!(text.lines().nth(2).unwrap().contains("  drop  "), "{text}");
    assert!(
        creel
            .run(&["show", rows[1]["id"].as_str().unwrap()])
            .out
            .contains("connection was dropped")
    );
}

#[test]
fn a_delay_comes_after_the_delivery_is_kept_and_blocks_nobody() {
    let creel = told("status = 200, delay = \"2s\", body = \"late\"");
    let began = Instant::now();
    let senders: Vec<TcpStream> = (0..50).map(|_| post(&creel)).collect();
    until("all to be kept", || {
        (creel.list().len() == 50).then_some(())
    });
    for sender in senders {
        assert!(rest(sender).ends_with("late"));
        assert!(began.elapsed() >= Duration::from_secs(2));
    }
    // One after the other they would have taken 100 s.
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
    let took = creel.list()[0]["answer"]["duration_ms"].as_u64().unwrap();
    assert!(took >= 2000, "{took}");
}

#[test]
fn a_slow_body_comes_in_pieces() {
    let creel = told("body = \"0123456789\", slow = \"1s\"");
    let began = Instant::now();
    let mut reader = BufReader::new(post(&creel));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).unwrap();
    }
    assert!(
        head.to_lowercase().contains("content-length: 10\r\n"),
        "{head}"
    );
    let mut first = [0];
    reader.read_exact(&mut first).unwrap();
    let (mut rest, first_came) = (String::new(), began.elapsed());
    reader.read_to_string(&mut rest).unwrap();
    assert_eq!((&first, rest.as_str()), (b"0", "123456789"));
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert!(first_came < began.elapsed(), "it came at once");
}

#[test]
fn creel_ends_at_once_while_answers_are_held_back() {
    for answer in [
        "delay = \"5m\"",
        "slow = \"5m\", body = \"abc\"",
        "slow = \"5m\"",
        "drop = true, delay = \"5m\"",
    ] {
        let mut creel = told(answer);
        let sender = post(&creel);
        until("it to be kept", || (creel.list().len() == 1).then_some(()));
        let began = Instant::now();
        assert_eq!(creel.signal("-TERM"), Some(0), "{answer}");
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{answer}: {:?}",
            began.elapsed()
        );
        let answered = rest(sender);
        if answer.contains("drop") {
            assert_eq!(answered, "");
        } else {
            assert!(
                answered.starts_with("HTTP/1.1 200 "),
                "{answer}: {answered}"
            );
            assert!(
                !answer.contains("abc") || answered.ends_with("abc"),
                "{answered}"
            );
        }
    }
}

async fn info(engine: &Engine) -> Info {
    match engine.call(Command::Info).await.unwrap() {
        Reply::Info(info) => *info,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_says_applies_at_once_and_is_told_to_all() {
    let app = App::up();
    let home = tempfile::tempdir().unwrap();
    let config = format!(
        "target = \"{}\"\n[endpoints.a]\npath = \"/a\"\n[endpoints.b]\npath = \"/b\"\n",
        app.url()
    );
    std::fs::write(home.path().join("creel.toml"), config).unwrap();
    let creel = Creel::serve_in(home, &[]);
    let data = creel.home.path().join("data");
    let engine = client::connect(&data).await.unwrap().unwrap();
    let other = client::connect(&data).await.unwrap().unwrap();
    let mut events = other.subscribe();
    let plan = ResponsePlan {
        steps: parse_steps("503, 201").unwrap(),
        ..ResponsePlan::default()
    };
    let mut order = ResponseOverrideRequest {
        endpoint: Some("a".into()),
        mode: None,
        plan: Some(plan.clone()),
    };
    assert_eq!(
        engine.call(Command::Answer(order.clone())).await,
        Ok(Reply::Done)
    );
    assert_eq!(
        [creel.post("/a", "", b""), creel.post("/b", "", b"")],
        [503, 200]
    );
    assert_eq!(creel.post("/a", "", b""), 201);
    let heard = loop {
        if let Event::Answering(live) = events.recv().await.unwrap() {
            break live;
        }
    };
    assert_eq!(heard, info(&engine).await.live);
    assert_eq!(heard[0].plan, Some(plan));
    assert_eq!(info(&other).await.apps.len(), 1);

    order.mode = Some(ForwardMode::Hold);
    order.plan = None;
    engine.call(Command::Answer(order.clone())).await.unwrap();
    assert_eq!(creel.post("/a", "", b"held"), 200);
    assert_eq!(creel.list()[0]["answer"]["by"], json!("creel"));
    order.mode = Some(ForwardMode::PassThrough);
    engine.call(Command::Answer(order.clone())).await.unwrap();
    assert_eq!(creel.post("/a", "", b"passed"), 200);
    assert_eq!(creel.list()[0]["answer"]["by"], json!("target"));
    order.mode = None;
    engine.call(Command::Answer(order.clone())).await.unwrap();
    assert!(info(&engine).await.live.is_empty());

    order.endpoint = Some("nobody".into());
    assert!(engine.call(Command::Answer(order)).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_waits_while_held_and_goes_on_after() {
    let mut app = App::down(|_| crate::support::app::ok());
    let creel = Creel::serve(&["--target", &app.url()]);
    let engine = client::connect(&creel.home.path().join("data"))
        .await
        .unwrap()
        .unwrap();
    creel.post("/owed", "", b"");
    let mode = |mode| {
        Command::Answer(ResponseOverrideRequest {
            endpoint: None,
            mode: Some(mode),
            plan: None,
        })
    };
    engine.call(mode(ForwardMode::Hold)).await.unwrap();
    app.start();
    creel.post("/held", "", b"");
    engine.call(mode(ForwardMode::AckFirst)).await.unwrap();
    assert_eq!(app.targets(1), ["/owed"]);
    creel.post("/next", "", b"");
    assert_eq!(app.targets(2), ["/owed", "/next"]);
}
