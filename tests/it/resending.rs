//! Resending from the command line to a scripted target.

use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};

use serde_json::json;

use crate::support::app::until;
use crate::support::creel::{Creel, command, run};
use crate::support::pty::Pty;
use crate::support::upstream::Upstream;

const SECRET: &str = "some-signing-secret-of-porkbun";

/// Keeps one delivery that was signed long ago.
fn old_delivery() -> Creel {
    let creel = Creel::serve(&["--secret", &format!("porkbun={SECRET}")]);
    let body = b"{\"amount\": 1.10}\n";
    let args = [
        "sign",
        "--provider",
        "porkbun",
        "--secret",
        SECRET,
        "--id",
        "evt-1",
        "--now",
        "1700000000",
    ];
    let headers = run(creel.home.path(), &args, body)
        .out
        .replace('\n', "\r\n");
    assert_eq!(
        creel.post(
            "/hooks/billing?x=1&y=%20",
            &format!("{headers}X-A: 1\r\nX-B: 2\r\nX-A: 3\r\n"),
            body
        ),
        200
    );
    creel
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_sent_again_byte_for_byte_and_the_attempt_is_kept() {
    let creel = old_delivery();
    let target = Upstream::saying(
        "HTTP/1.1 201 Made\r\nContent-Length: 2\r\nX-T: 1\r\nConnection: close\r\n\r\nok",
    )
    .await;
    let ran = creel.run(&["resend", "@latest", "--to", &target.url(), "--json"]);
    let attempt = &ran.lines()[0];
    assert_eq!(
        (&attempt["outcome"], &attempt["status"], &attempt["number"]),
        (&json!("delivered"), &json!(201), &json!(1))
    );
    assert_eq!(
        (&attempt["kind"], &attempt["signing"], &attempt["edited"]),
        (&json!("resend"), &json!("kept"), &json!(false))
    );
    assert_eq!(attempt["body"]["text"], json!("ok"));
    let sent = String::from_utf8(target.requests()[0].clone()).unwrap();
    assert!(
        sent.starts_with("POST /hooks/billing?x=1&y=%20 HTTP/1.1\r\n"),
        "{sent}"
    );
    assert!(sent.ends_with("\r\n\r\n{\"amount\": 1.10}\n"), "{sent}");
    let order: Vec<&str> = sent
        .lines()
        .filter_map(|l| l.strip_prefix("x-"))
        .filter(|l| l.len() == 4)
        .collect();
    assert_eq!(order, ["a: 1", "b: 2", "a: 3"]);
    assert!(
        sent.contains("x-porkbun-webhook-timestamp: 1700000000\r\n")
            && !sent.contains("hooks.example.test")
    );
    let shown = creel.run(&["show", "--json", "@latest"]).lines();
    assert_eq!(shown[0]["attempts"][0], *attempt);
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_afresh_it_carries_a_new_time_and_the_same_id() {
    let creel = old_delivery();
    let target =
        Upstream::saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
    let ran = creel.run(&[
        "resend",
        "@latest",
        "--to",
        &target.url(),
        "--sign",
        "fresh",
        "--json",
    ]);
    assert_eq!(ran.lines()[0]["signing"], json!("fresh"));
    let sent = target.requests()[0].clone();
    let verdict = run(
        creel.home.path(),
        &["verify", "-", "--secret", SECRET],
        &sent,
    );
    assert_eq!(verdict.code, 0, "{verdict:?}");
    assert!(String::from_utf8_lossy(&sent).contains("x-porkbun-webhook-id: evt-1\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_target_answers_decides_the_exit_code() {
    let creel = old_delivery();
    let refusing =
        Upstream::saying("HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
    assert_eq!(
        creel
            .run(&["resend", "@latest", "--to", &refusing.url()])
            .code,
        1
    );
    let redirecting = Upstream::saying(
        "HTTP/1.1 302 Go\r\nLocation: /else\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    )
    .await;
    let ran = creel.run(&["resend", "@latest", "--to", &redirecting.url(), "--json"]);
    assert_eq!(ran.code, 1);
    assert_eq!(
        redirecting.requests().len(),
        1,
        "a redirect is not followed"
    );
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let ran = creel.run(&["resend", "@latest", "--to", &format!("http://{free}")]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.to_lowercase().contains("refused"), "{}", ran.err);
    assert_eq!(
        creel.run(&["resend", "@latest"]).code,
        2,
        "no target is configured"
    );
    assert_eq!(creel.run(&["resend", "@latest", "--to", "ftp://x"]).code, 2);
    assert_eq!(
        creel
            .run(&[
                "resend",
                "--filter",
                "provider:nobody",
                "--to",
                &refusing.url()
            ])
            .code,
        1
    );
    let shown = creel.run(&["show", "--json", "@latest"]).lines();
    let outcomes: Vec<_> = shown[0]["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| (a["number"].clone(), a["outcome"].clone()))
        .collect();
    assert_eq!(
        outcomes,
        [
            (json!(1), json!("failed")),
            (json!(2), json!("failed")),
            (json!(3), json!("failed"))
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_sends_all_that_match_oldest_first() {
    let creel = Creel::serve(&[]);
    for n in 1..=3 {
        creel.post(&format!("/n/{n}"), "", b"");
    }
    creel.post("/other", "", b"");
    let target = Upstream::saying("HTTP/1.1 204 No\r\nConnection: close\r\n\r\n").await;
    let ran = creel.run(&["resend", "--filter", "path:/n/*", "--to", &target.url()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let paths: Vec<String> = target
        .requests()
        .iter()
        .map(|r| {
            String::from_utf8_lossy(r)
                .split(' ')
                .nth(1)
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(paths, ["/n/1", "/n/2", "/n/3"]);
}

#[test]
fn one_that_is_not_answered_does_not_keep_the_others_back() {
    let creel = Creel::serve(&[]);
    for n in 1..=2 {
        creel.post(&format!("/n/{n}"), "", b"");
    }
    // It breaks down at the first, as an app does that cannot bear it.
    let app = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("http://{}", app.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let mut head = [0; 1024];
        let (mut first, _) = app.accept().unwrap();
        let _ = first.read(&mut head).unwrap();
        drop(first);
        let (mut second, _) = app.accept().unwrap();
        let _ = second.read(&mut head).unwrap();
        second
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
    });
    let ran = creel.run(&["resend", "--filter", "path:/n/*", "--to", &to, "--json"]);
    assert_eq!(ran.code, 1, "it was sent, and the answer is no: {ran:?}");
    let lines = ran.out.lines();
    let outcomes: Vec<_> = lines
        .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["outcome"].clone())
        .collect();
    assert_eq!(outcomes, [json!("failed"), json!("delivered")]);
    serving.join().unwrap();
}

/// Begins to send all there is many times over; nobody reads the results yet.
fn resend_over_and_over(creel: &Creel, times: usize, to: &str, more: &[&str]) -> Child {
    let ids = creel
        .list()
        .into_iter()
        .map(|d| d["id"].as_str().unwrap().to_owned());
    let ids: Vec<String> = ids.collect();
    command(creel.home.path())
        .args(["resend", "--json", "--to", to])
        .args(more)
        .args((0..times).flat_map(|_| &ids))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn kept(creel: &Creel) -> usize {
    let attempts = |d: &serde_json::Value| d["attempts"].as_array().unwrap().len();
    creel.list().iter().map(attempts).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_kept_though_nobody_reads_the_results() {
    const TIMES: usize = 40;
    const ALL: usize = 30 * TIMES;
    let creel = Creel::serve(&[]);
    for n in 0..30 {
        creel.post(&format!("/n/{n}"), "", b"{}");
    }
    // Its answers fill the pipe soon.
    let filler = "x".repeat(600);
    let target = Upstream::saying(format!(
        "HTTP/1.1 200 OK\r\nX-F: {filler}\r\nContent-Length: 0\r\n\r\n"
    ))
    .await;
    let mut child = resend_over_and_over(&creel, TIMES, &target.url(), &["--parallel", "8"]);
    until("all to be sent", || {
        (target.requests().len() >= ALL).then_some(())
    });
    until("all to be kept", || (kept(&creel) == ALL).then_some(()));
    // And whoever reads them late is told all of them.
    let mut out = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    assert_eq!(
        (out.lines().count(), child.wait().unwrap().code()),
        (ALL, Some(0))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_that_is_stopped_by_another_says_that_not_all_went_out() {
    let creel = Creel::serve(&[]);
    for n in 0..3 {
        creel.post(&format!("/n/{n}"), "", b"{}");
    }
    let target = Upstream::saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    // The first goes out at once, the others much later.
    let child = resend_over_and_over(&creel, 1, &target.url(), &["--spacing", "10m"]);
    until("the first to be kept", || (kept(&creel) == 1).then_some(()));
    let mut inspector = Pty::start(creel.home.path(), &[], 120, 40, &[]);
    inspector.shows("X stops");
    inspector.keys("X");
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("Stopped: 1 of 3 were sent."), "{said}");
    assert_eq!(target.requests().len(), 1);
}
