//! Sending again with changes: from the command line, and through an editor.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::creel::{Creel, Ran, run};
use crate::support::pty::Pty;
use crate::support::upstream::Upstream;

const SECRET: &str = "some-signing-secret-of-porkbun";
const BODY: &str = "{ \"id\": 7, \"amount\": 1.10,\n  \"list\": [1, 2] }\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Signs a body as Porkbun does, long ago.
fn signed(home: &Path, body: &str) -> String {
    let mut args = vec!["sign", "--provider", "porkbun", "--secret", SECRET];
    args.extend([
        "--id",
        "7c91d8c2-0f7a-4a0e-9f63-0b7f6d1f8c11",
        "--now",
        "1700000000",
    ]);
    run(home, &args, body.as_bytes()).out.replace('\n', "\r\n")
}

/// Keeps one delivery that was signed long ago.
fn delivered(args: &[&str]) -> Creel {
    let creel = Creel::serve(args);
    let headers = signed(creel.home.path(), BODY) + "X-A: 1\r\nX-B: 2\r\nX-A: 3\r\n";
    assert_eq!(
        creel.post("/hooks/billing?x=1", &headers, BODY.as_bytes()),
        200
    );
    creel
}

fn with_secret() -> Creel {
    delivered(&["--secret", &format!("porkbun={SECRET}")])
}

async fn target() -> Upstream {
    Upstream::saying(OK).await
}

/// Sends the newest again with more flags.
fn resend(creel: &Creel, target: &Upstream, more: &[&str]) -> Ran {
    let url = target.url();
    let args = [&["resend", "@latest", "--to", &url, "--json"], more].concat();
    creel.run(&args)
}

/// Returns what arrived last, head and body.
fn arrived(target: &Upstream) -> (String, String) {
    let raw = target.requests().last().expect("something arrived").clone();
    let raw = String::from_utf8(raw).unwrap();
    let (head, body) = raw.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn is_valid(home: &Path, request: &[u8]) -> bool {
    run(home, &["verify", "-", "--secret", SECRET], request).code == 0
}

fn shown(creel: &Creel) -> Value {
    creel.run(&["show", "--json", "@latest"]).lines().remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn set_values_arrive_signed_anew_and_nothing_else_changes() {
    let creel = with_secret();
    let target = target().await;
    let before = shown(&creel);
    let more = [
        "--set",
        ".id=42",
        "--set",
        "/list/-=3",
        "--set",
        ".name=a b",
    ];
    let ran = resend(&creel, &target, &more);
    let attempt = &ran.lines()[0];
    assert_eq!(
        (&attempt["edited"], &attempt["signing"], &attempt["outcome"]),
        (&json!(true), &json!("fresh"), &json!("delivered"))
    );
    let (head, body) = arrived(&target);
    assert_eq!(
        body,
        "{ \"id\": 42, \"amount\": 1.10,\n  \"list\": [1, 2, 3],\n  \"name\": \"a b\" }\n"
    );
    assert!(
        head.starts_with("POST /hooks/billing?x=1 HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(
        head.contains(&format!("content-length: {}", body.len())),
        "{head}"
    );
    assert!(head.contains("x-porkbun-webhook-id: 7c91d8c2-0f7a-4a0e-9f63-0b7f6d1f8c11"));
    assert!(is_valid(creel.home.path(), &target.requests()[0]));
    // The original stays as it was; the attempt is all that came to it.
    let mut after = shown(&creel);
    assert_eq!(after["attempts"][0], *attempt);
    after["attempts"] = json!([]);
    assert_eq!(after, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_method_path_and_body_are_those_told() {
    let creel = with_secret();
    let target = target().await;
    let file = creel.home.path().join("new.json");
    std::fs::write(&file, "{\"new\": true}").unwrap();
    let more = [
        "--body", "new.json", "--header", "X-A: 9", "--header", "x-a: 10",
    ];
    let more = [
        &more[..],
        &["--header", "X-New: n", "--remove-header", "X-B"],
    ]
    .concat();
    let more = [&more[..], &["--method", "PUT", "--path", "/else?y=%20"]].concat();
    assert_eq!(resend(&creel, &target, &more).code, 0);
    let (head, body) = arrived(&target);
    assert_eq!(body, "{\"new\": true}");
    assert!(head.starts_with("PUT /else?y=%20 HTTP/1.1\r\n"), "{head}");
    let own: Vec<&str> = head
        .lines()
        .filter(|line| {
            ["x-a:", "x-b:", "x-new:"]
                .iter()
                .any(|n| line.starts_with(n))
        })
        .collect();
    assert_eq!(own, ["x-a: 9", "x-a: 10", "x-new: n"]);
    assert!(is_valid(creel.home.path(), &target.requests()[0]));
    // The path told counts more than the target's own.
    let url = format!("{}/own", target.url().trim_end_matches('/'));
    creel.run(&["resend", "@latest", "--to", &url, "--path", "/told"]);
    assert!(
        arrived(&target).0.starts_with("POST /told?")
            || arrived(&target).0.starts_with("POST /told ")
    );
    // A body from standard input.
    let args = ["resend", "@latest", "--to", &target.url(), "--body", "-"];
    assert_eq!(run(creel.home.path(), &args, b"\xff\x00").code, 0);
    assert!(
        target
            .requests()
            .last()
            .unwrap()
            .ends_with(b"\r\n\r\n\xff\x00")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_event_has_a_new_id_in_the_old_ones_form_and_is_valid() {
    let creel = with_secret();
    let target = target().await;
    for _ in 0..2 {
        let ran = resend(&creel, &target, &["--new-event"]);
        assert_eq!(ran.lines()[0]["signing"], json!("fresh"));
    }
    let id = |raw: &[u8]| {
        let text = String::from_utf8_lossy(raw).into_owned();
        let rest = text.split("x-porkbun-webhook-id: ").nth(1).unwrap();
        rest.split("\r\n").next().unwrap().to_owned()
    };
    let ids: Vec<String> = target.requests().iter().map(|raw| id(raw)).collect();
    assert_ne!(ids[0], ids[1]);
    for (id, raw) in ids.iter().zip(target.requests()) {
        assert_eq!(
            (id.len(), &id[14..15]),
            (36, "4"),
            "{id} is no UUID of version 4"
        );
        assert_ne!(id, "7c91d8c2-0f7a-4a0e-9f63-0b7f6d1f8c11");
        assert!(raw.ends_with(BODY.as_bytes()));
        assert!(is_valid(creel.home.path(), &raw));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_are_changed_alike_and_get_ids_of_their_own() {
    let creel = with_secret();
    let headers = signed(creel.home.path(), "{\"id\": 8}");
    creel.post("/hooks/billing", &headers, b"{\"id\": 8}");
    let target = target().await;
    let url = target.url();
    let ran = creel.run(&[
        "resend",
        "--filter",
        "path:/hooks/*",
        "--to",
        &url,
        "--set",
        ".id=1",
        "--new-event",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let requests = target.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[0].ends_with(BODY.replace('7', "1").as_bytes()));
    assert!(requests[1].ends_with(b"{\"id\": 1}"));
    assert!(requests.iter().all(|raw| is_valid(creel.home.path(), raw)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_prints_what_would_be_sent_and_sends_nothing() {
    let creel = with_secret();
    let target = target().await;
    let url = target.url();
    let more = ["--set", ".id=42", "--dry-run"];
    let args = [&["resend", "@latest", "--to", &url], &more[..]].concat();
    let ran = creel.run(&args);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.ends_with(&BODY.replace('7', "42")), "{}", ran.out);
    assert!(
        is_valid(creel.home.path(), ran.out.as_bytes()),
        "{}",
        ran.out
    );
    assert!(ran.err.contains(&url), "{}", ran.err);
    let line = resend(&creel, &target, &more).lines().remove(0);
    assert_eq!(
        (
            &line["method"],
            &line["path"],
            &line["query"],
            &line["edited"],
            &line["signing"]
        ),
        (
            &json!("POST"),
            &json!("/hooks/billing"),
            &json!("x=1"),
            &json!(true),
            &json!("fresh")
        )
    );
    assert_eq!(line["body"]["text"], json!(BODY.replace('7', "42")));
    assert!(
        line["target"]
            .as_str()
            .unwrap()
            .starts_with(url.trim_end_matches('/'))
    );
    let host = [
        "host",
        url.trim_end_matches('/').trim_start_matches("http://"),
    ];
    assert!(
        line["headers"].as_array().unwrap().contains(&json!(host)),
        "{line}"
    );
    assert!(target.requests().is_empty());
    assert_eq!(shown(&creel)["attempts"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secret_a_change_is_refused_unless_the_signature_shall_stay() {
    let creel = delivered(&[]);
    let target = target().await;
    let ran = resend(&creel, &target, &["--set", ".id=42"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("--sign kept"), "{}", ran.err);
    assert!(target.requests().is_empty());
    let ran = resend(&creel, &target, &["--set", ".id=42", "--sign", "kept"]);
    assert_eq!(ran.lines()[0]["signing"], json!("kept"));
    let (head, body) = arrived(&target);
    assert_eq!(body, BODY.replace('7', "42"));
    assert!(
        head.contains("x-porkbun-webhook-timestamp: 1700000000"),
        "{head}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_is_known_to_have_sent_goes_as_it_came_and_says_so() {
    let creel = Creel::serve(&[]);
    creel.post("/any", "Content-Type: application/json\r\n", b"{\"a\":1}");
    let target = target().await;
    let ran = resend(
        &creel,
        &target,
        &["--body", "/dev/null", "--header", "X-A: 1"],
    );
    assert_eq!(ran.lines()[0]["signing"], json!("kept"));
    assert!(ran.err.contains("Its provider is not known"), "{}", ran.err);
    let ran = resend(&creel, &target, &["--set", ".a={\"b\":"]);
    assert_eq!(arrived(&target).1, "{\"a\":\"{\\\"b\\\":\"}");
    assert_eq!(ran.code, 0);
    let file = creel.home.path().join("broken.json");
    std::fs::write(&file, "{\"a\":1,}").unwrap();
    let ran = resend(&creel, &target, &["--body", "broken.json"]);
    assert_eq!(ran.code, 0);
    assert!(
        ran.err
            .contains("not valid JSON any more: line 1, column 8"),
        "{}",
        ran.err
    );
    assert_eq!(arrived(&target).1, "{\"a\":1,}");
    assert_eq!(resend(&creel, &target, &["--new-event"]).code, 1);
}

#[test]
fn mistakes_are_explained_before_anything_is_sent() {
    let creel = with_secret();
    for (more, code, says) in [
        (["--set", "id=1"], 2, "begins with a dot"),
        (
            ["--set", ".id.x=1"],
            2,
            "a number, which is not a container",
        ),
        (["--set", ".list[9]=1"], 2, "numbered from 0"),
        (["--header", "no colon"], 2, "a name, a colon and a value"),
        (["--path", "else"], 2, "begins with a slash"),
        (["--method", "P T"], 2, "is not a method"),
        (["--body", "/no/such/file"], 2, "cannot be read"),
    ] {
        let args = [
            &["resend", "@latest", "--to", "http://127.0.0.1:9"],
            &more[..],
        ]
        .concat();
        let ran = creel.run(&args);
        assert_eq!(ran.code, code, "{more:?} {ran:?}");
        assert!(ran.err.contains(says), "{more:?}: {}", ran.err);
    }
    assert_eq!(shown(&creel)["attempts"], json!([]));
}

/// Writes an editor: a script that is called with the file.
fn editor(home: &Path, script: &str) -> String {
    let path = home.join("editor");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

/// Opens an inspector that keeps one delivery, with an editor; returns where
/// it receives too.
fn inspector(home: &TempDir, target: &Upstream, editor: &str) -> (Pty, String) {
    let (secret, url) = (format!("porkbun={SECRET}"), target.url());
    let args = [
        "--listen",
        "127.0.0.1:0",
        "--secret",
        &secret,
        "--mode",
        "hold",
        "--target",
        &url,
    ];
    let path = std::env::var("PATH").unwrap();
    let temporary = home.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let temporary = temporary.display().to_string();
    let env = [("EDITOR", editor), ("PATH", &path), ("TMPDIR", &temporary)];
    let pty = Pty::start(home.path(), &args, 120, 40, &env);
    let screen = pty.wait("the address", |s| s.contains("listening 127.0.0.1:"));
    let address = screen.split("listening ").nth(1).unwrap();
    let address = address.split_whitespace().next().unwrap().to_owned();
    let headers = signed(home.path(), BODY);
    let request = format!(
        "POST /hooks/billing HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{BODY}",
        BODY.len()
    );
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    std::io::Read::read_to_end(&mut stream, &mut Vec::new()).unwrap();
    pty.shows("porkbun");
    (pty, address)
}

fn quit(mut pty: Pty, home: &TempDir) {
    pty.keys("\u{3}");
    assert_eq!(pty.ended(), 0);
    pty.given_back();
    let left: Vec<_> = std::fs::read_dir(home.path().join("tmp"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "what was edited is left behind: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn e_opens_the_editor_and_what_it_left_is_shown_and_sent() {
    let target = target().await;
    let home = tempfile::tempdir().unwrap();
    let script =
        "ls -l \"$1\" > \"$HOME/seen\"; sed -i -e 's/1\\.10/2.20/' -e 's/^POST /PUT /' \"$1\"";
    let editor = editor(home.path(), script);
    let (mut pty, _) = inspector(&home, &target, &editor);
    pty.keys("e");
    pty.shows("Send edited");
    pty.shows("+ PUT /hooks/billing");
    pty.shows("2.20");
    pty.keys("\r");
    pty.wait("the answer", |s| s.contains("200 in"));
    let seen = std::fs::read_to_string(home.path().join("seen")).unwrap();
    assert!(seen.starts_with("-rw-------"), "{seen}");
    let (head, body) = arrived(&target);
    assert!(head.starts_with("PUT /hooks/billing HTTP/1.1"), "{head}");
    assert_eq!(body, BODY.replace("1.10", "2.20"));
    assert!(is_valid(home.path(), &target.requests()[0]));
    // The try keeps what was sent.
    pty.keys("\r5");
    pty.shows(" edited ");
    pty.shows("CHANGED");
    quit(pty, &home);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_that_fails_or_changes_nothing_sends_nothing() {
    let target = target().await;
    for (script, says) in [
        ("exit 3", "failed"),
        ("exit 0", "Nothing was changed"),
        ("exec /no/such/editor", "could not be started"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let editor = editor(home.path(), script);
        let (mut pty, _) = inspector(&home, &target, &editor);
        pty.keys("e");
        pty.shows(says);
        quit(pty, &home);
    }
    assert!(target.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_the_editor_broke_is_warned_about_and_deliveries_arrive_meanwhile() {
    let target = target().await;
    let home = tempfile::tempdir().unwrap();
    // The editor waits until a delivery has come that came after it began.
    let script = "sed -i 's/1\\.10/,/' \"$1\"; touch \"$HOME/open\"; while [ ! -e \"$HOME/go\" ]; do sleep 0.02; done";
    let editor = editor(home.path(), script);
    let (mut pty, address) = inspector(&home, &target, &editor);
    pty.keys("e");
    pty.given_back();
    pty.wait("the editor", |_| home.path().join("open").exists());
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    let request =
        "POST /meanwhile HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    std::fs::write(home.path().join("go"), "").unwrap();
    pty.shows("The body is not valid JSON any more: line 1");
    pty.shows("/meanwhile");
    pty.keys("\u{1b}");
    // Esc and another key that come together would be one key.
    pty.wait("the form closed", |s| !s.contains("Send edited"));
    quit(pty, &home);
    assert!(target.requests().is_empty());
}

/// Opens an editor that waits until it is ended from outside.
fn waiting(home: &TempDir, target: &Upstream) -> Pty {
    let script = "touch \"$HOME/open\"; while :; do sleep 0.02; done";
    let editor = editor(home.path(), script);
    let (mut pty, _) = inspector(home, target, &editor);
    pty.keys("e");
    pty.wait("the editor", |_| home.path().join("open").exists());
    pty
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_in_the_editor_is_the_editors() {
    let target = target().await;
    let home = tempfile::tempdir().unwrap();
    let mut pty = waiting(&home, &target);
    pty.keys("\u{3}");
    pty.shows("failed");
    quit(pty, &home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_creel_while_the_editor_is_open() {
    let target = target().await;
    let home = tempfile::tempdir().unwrap();
    let mut pty = waiting(&home, &target);
    pty.signal("-TERM");
    pty.ended();
    pty.given_back();
    let left = std::fs::read_dir(home.path().join("tmp")).unwrap().count();
    assert_eq!(left, 0, "what was edited is left behind");
    assert!(!home.path().join("data/control.sock").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_try_of_a_new_event_has_the_same_id() {
    let creel = with_secret();
    let target =
        Upstream::saying("HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
    let more = [
        "--new-event",
        "--retry",
        "provider",
        "--compress",
        "1000000",
    ];
    assert_eq!(resend(&creel, &target, &more).code, 1);
    let id = |raw: &Vec<u8>| {
        let text = String::from_utf8_lossy(raw).into_owned();
        let rest = text.split("x-porkbun-webhook-id: ").nth(1).unwrap();
        rest.split("\r\n").next().unwrap().to_owned()
    };
    let ids: Vec<String> = target.requests().iter().map(id).collect();
    assert!(ids.len() > 1, "{ids:?}");
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_ne!(ids[0], "7c91d8c2-0f7a-4a0e-9f63-0b7f6d1f8c11");
}
