//! Secrets that are added, replaced and forgotten while creel runs.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::creel::{Creel, run};
use crate::support::pty::Pty;

const RIGHT: &str = "the-right-secret-of-zyra-0123456789";
const WRONG: &str = "some-other-secret-of-zyra-987654321";

fn start(home: &TempDir, secret: &str) -> Pty {
    let secret = format!("zyra={secret}");
    let mut args = vec!["--listen", "127.0.0.1:0"];
    if !secret.ends_with('=') {
        args.extend(["--secret", &secret]);
    }
    Pty::start(home.path(), &args, 120, 40, &[])
}

fn address(pty: &Pty) -> String {
    let screen = pty.wait("the address", |screen| {
        screen.contains("listening 127.0.0.1:")
    });
    let rest = screen.split("listening ").nth(1).unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

fn sign(home: &Path, secret: &str, event: &str, body: &str) -> String {
    let args = ["sign", "--provider", "zyra", "--secret", secret];
    let args = [&args[..], &["--event", event]].concat();
    run(home, &args, body.as_bytes()).out.replace('\n', "\r\n")
}

/// Sends a delivery of Zyra's.
fn deliver(home: &TempDir, address: &str, secret: &str, event: &str) {
    let body = format!("{{\"event\":\"{event}\"}}");
    let headers = sign(home.path(), secret, event, &body);
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /hooks/zyra HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Waits until the row of an event says a word.
fn says(pty: &Pty, event: &str, word: &str) {
    pty.wait(&format!("{event} with {word}"), |screen| {
        screen.lines().any(|line| {
            let row = line.split('│').next().unwrap_or_default();
            row.contains(event) && row.contains(&format!(" {word} "))
        })
    });
}

/// Looks for a text in every file of a folder.
fn found_in(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(found_in(&path, text));
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn a_typed_secret_counts_at_once_and_until_creel_ends() {
    let home = tempfile::tempdir().unwrap();
    for (configured, word) in [(WRONG, "BAD"), ("", "no key")] {
        let mut pty = start(&home, configured);
        let address = address(&pty);
        deliver(&home, &address, RIGHT, "job.completed");
        says(&pty, "job.completed", word);
        pty.keys("s");
        pty.shows("Secret for deliveries of zyra");
        pty.keys(RIGHT);
        pty.shows("***********************************");
        pty.keys("\r");
        pty.shows("now counts for zyra");
        says(&pty, "job.completed", "ok");
        deliver(&home, &address, RIGHT, "job.failed");
        says(&pty, "job.failed", "ok");
        pty.keys("q");
        assert_eq!(pty.ended(), 0);
        let shown = String::from_utf8_lossy(&pty.raw()).into_owned();
        assert!(!shown.contains(RIGHT));
        assert_eq!(found_in(home.path(), RIGHT), Vec::<String>::new());
        // Without it, they are what they were.
        let mut pty = start(&home, configured);
        says(&pty, "job.completed", word);
        says(&pty, "job.failed", word);
        pty.keys("q");
        assert_eq!(pty.ended(), 0);
    }
}

#[test]
fn an_inspector_on_another_creel_adds_a_secret_there() {
    let home = tempfile::tempdir().unwrap();
    let mut first = start(&home, WRONG);
    let address = address(&first);
    let mut second = Pty::start(home.path(), &[], 120, 40, &[]);
    second.shows(&address);
    deliver(&home, &address, RIGHT, "job.completed");
    says(&second, "job.completed", "BAD");
    let file = home.path().join("zyra-secret");
    std::fs::write(&file, format!("{RIGHT}\n")).unwrap();
    second.keys(&format!("sfile:{}\r", file.display()));
    second.shows("1 verified again, 1 ok");
    says(&second, "job.completed", "ok");
    says(&first, "job.completed", "ok");
    second.keys("s");
    second.shows(&format!("from file:{}", file.display()));
    second.keys("\u{1b}");
    second.wait("the form's end", |screen| !screen.contains("Secret for"));
    second.keys("q");
    assert_eq!(second.ended(), 0);
    first.keys("q");
    assert_eq!(first.ended(), 0);
}

#[test]
fn what_was_replaced_is_named_and_counts_no_more() {
    let home = tempfile::tempdir().unwrap();
    let mut pty = start(&home, WRONG);
    let address = address(&pty);
    deliver(&home, &address, WRONG, "job.completed");
    says(&pty, "job.completed", "ok");
    pty.keys(&format!("s{RIGHT}"));
    pty.shows("New secret: ****");
    pty.keys("\t\u{1b}[C\r");
    pty.shows("1 verified again, 1 still BAD");
    says(&pty, "job.completed", "BAD");
    pty.keys("4");
    pty.shows("Signed with the secret you replaced");
    pty.keys("q");
    assert_eq!(pty.ended(), 0);
}

#[test]
fn rows_say_what_the_configuration_says_now() {
    let creel = Creel::serve(&["--secret", &format!("zyra={WRONG}")]);
    let body = "{}";
    let headers = sign(creel.home.path(), RIGHT, "job.completed", body);
    assert_eq!(creel.post("/hooks/zyra", &headers, body.as_bytes()), 200);
    let listed = |creel: &Creel, filter: &str| creel.run(&["list", "--json", filter]).lines().len();
    assert_eq!(
        (listed(&creel, "sig:bad"), listed(&creel, "sig:ok")),
        (1, 0)
    );
    let home = creel.kill();
    let verified_again = |home| {
        let creel = Creel::serve_in(home, &["--secret", &format!("zyra={RIGHT}")]);
        let begun = std::time::Instant::now();
        while listed(&creel, "sig:ok") != 1 {
            assert!(begun.elapsed().as_secs() < 10, "it is not verified again");
        }
        assert_eq!(listed(&creel, "sig:bad"), 0);
        creel.kill()
    };
    let home = verified_again(home);
    // A command without the secret keeps the result, or has none where the index
    // had not reached the disk. Either way the next creel verifies with its own.
    let ran = run(home.path(), &["list", "--json"], b"").lines();
    assert_eq!(ran.len(), 1);
    let status = ran[0]["signature"]["status"].as_str();
    assert!(matches!(status, Some("valid" | "no_secret")), "{status:?}");
    verified_again(home);
}

#[test]
fn an_old_secret_of_an_endpoint_is_named_and_makes_nothing_valid() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("creel.toml");
    let text = format!(
        "[endpoints.jobs]\npath = \"/jobs\"\nprovider = \"zyra\"\nsecrets = [\"{RIGHT}\"]\nold_secrets = [\"{WRONG}\"]\n"
    );
    std::fs::write(&file, text).unwrap();
    let config = file.display().to_string();
    let creel = Creel::serve_in(home, &["--config", &config]);
    let headers = sign(creel.home.path(), WRONG, "job.completed", "{}");
    assert_eq!(creel.post("/jobs", &headers, b"{}"), 200);
    let shown = creel.run(&["show", "@latest", "--json"]).lines();
    let signature = &shown[0]["signature"];
    assert_eq!(signature["status"], json!("invalid"));
    assert_eq!(signature["findings"][0]["code"], json!("old_secret"));
    assert_eq!(creel.run(&["list", "--json", "sig:bad"]).lines().len(), 1);
}

fn verify(home: &Path, secret: &str, more: &[&str]) -> (i32, String) {
    let request = format!(
        "POST / HTTP/1.1\r\n{}\r\n{{}}",
        sign(home, secret, "job.completed", "{}")
    );
    let args = ["verify", "-", "--provider", "zyra", "--secret", RIGHT];
    let ran = run(home, &[&args[..], more].concat(), request.as_bytes());
    (ran.code, ran.out)
}

#[test]
fn verify_takes_old_secrets_and_shows_all_that_was_tried_where_asked() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let (code, out) = verify(home, WRONG, &["--old-secret", WRONG]);
    assert_eq!(code, 1);
    assert!(out.contains("Signed with the earlier secret"), "{out}");
    assert!(!out.contains(WRONG), "{out}");

    let (code, out) = verify(home, RIGHT, &[]);
    assert!(code == 0 && !out.contains("tried"), "{out}");
    let (code, out) = verify(home, RIGHT, &["--full", "--old-secret", WRONG]);
    assert_eq!(code, 0);
    for line in ["tried", "  no   secret     a secret configured earlier"] {
        assert!(out.lines().any(|l| l.starts_with(line)), "{out}");
    }
    assert!(!out.contains("YES"), "{out}");

    let tried = |more: &[&str]| {
        let (_, out) = verify(home, RIGHT, &[&["--json"], more].concat());
        let value: Value = serde_json::from_str(&out).unwrap();
        value["signature"]["tried"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(tried(&[]), 0);
    assert!(tried(&["--full"]) > 50);
}

#[test]
fn one_command_believes_what_the_creel_that_received_it_knew() {
    let mut creel = Creel::serve(&["--secret", &format!("zyra={RIGHT}")]);
    let post = |secret: &str| {
        let headers = sign(creel.home.path(), secret, "device.online", "{}");
        assert_eq!(creel.post("/hooks/zyra", &headers, b"{}"), 200);
    };
    post(RIGHT);
    post(WRONG);
    creel.list();
    creel.signal("-TERM");
    let home = creel.home();
    for _ in 0..2 {
        let listed = run(home.path(), &["list", "--json"], b"").lines();
        assert_eq!(listed[0]["signature"]["status"], json!("invalid"));
        assert_eq!(listed[1]["signature"]["status"], json!("valid"));
        let text = run(home.path(), &["list"], b"").out;
        assert!(text.contains(" BAD ") && text.contains(" ok "), "{text}");
    }
    let shown = run(home.path(), &["show", "@latest", "--json"], b"").lines();
    let signature = &shown[0]["signature"];
    assert_eq!(signature["status"], json!("invalid"));
    assert_eq!(signature["findings"][0]["code"], json!("unexplained"));
}

/// A plain token is the secret itself: it is shown by its fingerprint, right or
/// wrong, in a header or in the body.
#[test]
fn a_received_token_is_shown_by_its_fingerprint() {
    const TOKEN: &str = "client-state-7d1f0c9ab2e83a5d2c71";
    let home = tempfile::tempdir().unwrap();
    let providers = home.path().join(".config/creel/providers");
    std::fs::create_dir_all(&providers).unwrap();
    std::fs::write(
        providers.join("acme.toml"),
        "name = \"acme\"\ntitle = \"Acme\"\n[detect]\nheaders = [\"x-acme-token\"]\n[signature]\nalgorithm = \"token\"\nheader = \"x-acme-token\"\nsigned = \"{secret}\"\nencoding = \"text\"\n",
    )
    .unwrap();
    let graph = format!(r#"{{"value":[{{"subscriptionId":"1","clientState":"{TOKEN}"}}]}}"#);
    for secret in [TOKEN, RIGHT] {
        for (provider, headers, body) in [
            ("microsoft-graph", String::new(), graph.as_str()),
            ("acme", format!("X-Acme-Token: {TOKEN}\r\n"), "{}"),
        ] {
            let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n{body}");
            let secret = format!("{provider}={secret}");
            let bare = secret.split_once('=').unwrap().1;
            let args = [
                "verify",
                "-",
                "--provider",
                provider,
                "--secret",
                bare,
                "--full",
            ];
            for json in [&[][..], &["--json"]] {
                let ran = run(home.path(), &[&args[..], json].concat(), request.as_bytes());
                let said = format!("{}{}", ran.out, ran.err);
                assert!(!said.contains(TOKEN), "{provider}: {said}");
                assert!(said.contains("clie…2c71"), "{provider}: {said}");
            }
        }
    }
    let creel = Creel::serve_in(home, &["--secret", &format!("microsoft-graph={RIGHT}")]);
    assert_eq!(creel.post("/", "", graph.as_bytes()), 200);
    let shown = creel.run(&["show", "@latest", "--json"]).lines();
    assert!(
        !shown[0]["signature"].to_string().contains(TOKEN),
        "{shown:?}"
    );
    assert_eq!(shown[0]["signature"]["received"], json!(["clie…2c71"]));
    let text = creel.run(&["show", "@latest"]).out;
    let lines = text.lines().filter(|line| line.contains(TOKEN));
    assert!(
        lines.clone().all(|line| line.contains("clientState")),
        "{text}"
    );
}
