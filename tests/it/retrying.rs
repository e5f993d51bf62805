//! Deliveries sent in batches, and tried again as their providers would.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::app::{App, Seen, ok, until};
use crate::support::creel::{Creel, command, run};

const SECRET: &str = "some-signing-secret";

/// Posts a delivery that is signed now.
fn post_signed(creel: &Creel, provider: &str, body: &[u8]) {
    let args = ["sign", "--provider", provider, "--secret", SECRET];
    let headers = run(creel.home.path(), &args, body).out;
    let headers = headers.replace('\n', "\r\n");
    assert_eq!(creel.post("/hooks", &headers, body), 200);
}

fn serve(provider: &str) -> Creel {
    let creel = Creel::serve(&["--secret", &format!("{provider}={SECRET}")]);
    post_signed(&creel, provider, b"{\"n\":1}");
    creel
}

fn values(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines.map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn attempts(creel: &Creel) -> Vec<Value> {
    let shown = creel.run(&["show", "@latest", "--json"]).lines();
    shown[0]["attempts"].as_array().unwrap().clone()
}

fn column(attempts: &[Value], name: &str) -> Vec<Value> {
    attempts.iter().map(|a| a[name].clone()).collect()
}

/// Returns what tries the newest delivery as its provider would.
fn retrying(to: &str) -> [&str; 6] {
    ["resend", "@latest", "--to", to, "--retry", "provider"]
}

/// Starts a command and does not wait for it.
fn start(creel: &Creel, args: &[&str]) -> Child {
    command(creel.home.path())
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_schedule_is_followed_until_a_try_is_delivered() {
    let creel = serve("porkbun");
    let app = App::answering(&[500, 503, 200]);
    let to = app.url();
    let args = ["resend", "@latest", "--to", &to, "--retry", "provider"];
    let ran = creel.run(&[&args[..], &["--compress", "10000", "--json"]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    let told = values(&ran.out);
    let outcomes = [json!("failed"), json!("failed"), json!("delivered")];
    assert_eq!(column(&told, "outcome"), outcomes);
    assert_eq!(
        column(&told, "kind"),
        [json!("retry"), json!("retry"), json!("retry")]
    );
    assert_eq!(
        column(&told, "signing"),
        [json!("fresh"), json!("fresh"), json!("fresh")]
    );
    let of = |at: usize, name: &str| told[at]["retry"][name].clone();
    assert_eq!((of(2, "number"), of(2, "of")), (json!(3), json!(6)));
    assert_eq!(of(2, "next"), json!(null));
    assert_eq!(column(&attempts(&creel), "outcome"), outcomes);
    // Every try is truly signed, and is about the same event.
    let id = |request: &Seen| {
        let mut lines = request.head.lines();
        let line = lines.find(|l| l.starts_with("x-porkbun-webhook-id"));
        line.unwrap().to_owned()
    };
    let sent = app.seen();
    assert_eq!(sent.len(), 3);
    for request in &sent {
        let args = ["verify", "-", "--secret", SECRET];
        assert_eq!(run(creel.home.path(), &args, &request.raw).code, 0);
        assert_eq!(id(request), id(&sent[0]));
    }
    assert_eq!(creel.list()[0]["attempts"].as_array().unwrap().len(), 3);
}

#[test]
fn what_used_up_its_tries_is_expired() {
    let creel = serve("zyra");
    let app = App::answering(&[500]);
    let to = app.url();
    let args = retrying(&to);
    let ran = creel.run(&[&args[..], &["--compress", "1000", "--json"]].concat());
    assert_eq!(ran.code, 1, "{ran:?}");
    let outcomes = column(&values(&ran.out), "outcome");
    assert_eq!(outcomes.len(), 5);
    assert_eq!(outcomes[3..], [json!("failed"), json!("expired")]);
    assert_eq!(app.seen().len(), 5);
}

#[test]
fn a_schedule_goes_on_after_creel_was_killed() {
    let creel = serve("zyra");
    let app = App::answering(&[500, 500, 200]);
    // Waits of 0.2, 0.4, 0.8 s.
    let to = app.url();
    let args = retrying(&to);
    let mut resend = start(&creel, &[&args[..], &["--compress", "10"]].concat());
    app.targets(1);
    let pending = || column(&attempts(&creel), "outcome").last() == Some(&json!("pending"));
    until("the next try to be planned", || pending().then_some(()));
    let planned = attempts(&creel).pop().unwrap();
    let due = planned["retry"]["due"].as_str().unwrap().to_owned();
    let home = creel.kill();
    let _ = resend.wait();
    let creel = Creel::serve_in(home, &["--secret", &format!("zyra={SECRET}")]);
    let delivered = || column(&attempts(&creel), "outcome").last() == Some(&json!("delivered"));
    until("the schedule to end", || delivered().then_some(()));
    let all = attempts(&creel);
    let outcomes = column(&all, "outcome");
    assert_eq!(
        outcomes,
        [json!("failed"), json!("failed"), json!("delivered")]
    );
    assert_eq!(app.seen().len(), 3, "no try is made twice");
    assert!(all[1]["started_at"].as_str().unwrap() >= due.as_str());
}

#[test]
fn a_schedule_can_be_ended() {
    let creel = serve("porkbun");
    let app = App::answering(&[500]);
    let to = app.url();
    let args = retrying(&to);
    let mut resend = start(&creel, &args);
    let pending = || attempts(&creel).len() == 2;
    until("the next try to be planned", || pending().then_some(()));
    assert_eq!(creel.run(&["resend", "@latest", "--stop"]).code, 0);
    assert_eq!(resend.wait().unwrap().code(), Some(1));
    let ended = attempts(&creel).pop().unwrap();
    assert_eq!(ended["outcome"], json!("failed"));
    assert!(
        ended["error"].as_str().unwrap().contains("stopped"),
        "{ended}"
    );
    assert_eq!(app.seen().len(), 1);
    // That it was stopped does not hide what the app answered.
    for (filter, count) in [("app:500", 1), ("app:error", 0), ("app:pending", 0)] {
        let found = creel.run(&["list", "--json", filter]).lines();
        assert_eq!(found.len(), count, "{filter}");
    }
}

#[test]
fn after_twenty_failures_in_a_row_porkbun_would_disable_the_endpoint() {
    let creel = serve("porkbun");
    for n in 2..=4 {
        post_signed(&creel, "porkbun", format!("{{\"n\":{n}}}").as_bytes());
    }
    let app = App::answering(&[500]);
    let args = ["resend", "--filter", "provider:porkbun", "--to", &app.url()];
    let more = ["--retry", "provider", "--compress", "1000000"];
    let ran = creel.run(&[&args[..], &more].concat());
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(app.seen().len(), 24);
    let warning = "Porkbun would disable this endpoint now: 20 consecutive failures.";
    assert!(ran.err.contains(warning), "{}", ran.err);
    assert!(!ran.err.contains("now: 19"), "{}", ran.err);
}

#[test]
fn who_does_not_try_again_is_not_made_to() {
    let creel = Creel::serve(&["--secret", &format!("github={SECRET}")]);
    post_signed(&creel, "github", b"{}");
    creel.post("/nobody", "", b"{}");
    let app = App::answering(&[200]);
    let retry = |id: &str| {
        let args = ["resend", id, "--to", &app.url(), "--retry", "provider"];
        creel.run(&args)
    };
    let nobody = retry("@latest");
    assert!(
        nobody.code == 1 && nobody.err.contains("no retry schedule"),
        "{nobody:?}"
    );
    let id = creel.list()[1]["id"].as_str().unwrap().to_owned();
    let github = retry(&id);
    assert!(
        github.code == 1 && github.err.contains("GitHub does not retry"),
        "{github:?}"
    );
    assert!(app.seen().is_empty());
}

#[test]
fn a_batch_keeps_the_pace_it_is_told_and_the_order_of_arrival() {
    let creel = Creel::serve(&[]);
    for n in 0..6 {
        creel.post(&format!("/n/{n}"), "", b"");
    }
    let app = App::answering(&[200]);
    let to = app.url();
    let begun = Instant::now();
    let args = [
        "resend",
        "--filter",
        "path:/n/*",
        "--to",
        &to,
        "--spacing",
        "30ms",
    ];
    assert_eq!(creel.run(&args).code, 0);
    assert!(
        begun.elapsed().as_millis() >= 150,
        "five pauses between six"
    );
    let order = app.targets(6);
    let expected: Vec<String> = (0..6).map(|n| format!("/n/{n}")).collect();
    assert_eq!(order, expected);
    let args = ["resend", "--filter", "path:/n/*", "--to", &to];
    assert_eq!(
        creel
            .run(&[&args[..], &["--rate", "200/s", "--parallel", "4"]].concat())
            .code,
        0
    );
    assert_eq!(app.seen().len(), 12);
    for wrong in [
        ["--rate", "0"],
        ["--spacing", "5"],
        ["--parallel", "0"],
        ["--rate", "x/s"],
    ] {
        assert_eq!(
            creel.run(&[&args[..], &wrong].concat()).code,
            2,
            "{wrong:?}"
        );
    }
}

#[test]
fn an_interrupted_batch_stops() {
    let creel = Creel::serve(&[]);
    for _ in 0..3 {
        creel.post("/n", "", b"");
    }
    let app = App::answering(&[200]);
    let args = [
        "resend",
        "--filter",
        "path:/n",
        "--to",
        &app.url(),
        "--spacing",
        "1h",
    ];
    let mut resend = start(&creel, &args);
    app.targets(1);
    let id = resend.id().to_string();
    let mut kill = std::process::Command::new("kill");
    assert!(kill.args(["-INT", &id]).status().unwrap().success());
    assert_eq!(resend.wait().unwrap().code(), Some(130));
    assert_eq!(app.seen().len(), 1);
}

#[test]
fn refusing_what_is_forged_is_right() {
    let creel = Creel::serve(&["--secret", "zyra=another-secret"]);
    post_signed(&creel, "zyra", b"{}");
    let app = App::answering(&[401, 200]);
    let args = ["resend", "@latest", "--to", &app.url()];
    let refused = creel.run(&args);
    assert!(refused.out.contains("rightly refused"), "{refused:?}");
    let accepted = creel.run(&args);
    assert!(accepted.out.contains("took a forgery"), "{accepted:?}");
}

/// Makes a creel that has ended, and left a delivery in its data directory.
fn ended(provider: &str) -> Creel {
    let mut creel = serve(provider);
    creel.signal("-INT");
    creel
}

#[test]
fn failures_are_counted_from_one_command_to_the_next() {
    let creel = ended("porkbun");
    let app = App::answering(&[500]);
    let args = [
        "resend",
        "@latest",
        "--to",
        &app.url(),
        "--retry",
        "provider",
        "--compress",
        "1000000",
    ];
    for time in 1..=4 {
        let ran = creel.run(&args);
        assert_eq!(ran.code, 1, "{ran:?}");
        let told = ran
            .err
            .contains("would disable this endpoint now: 20 consecutive failures");
        assert_eq!(told, time == 4, "{time}: {}", ran.err);
    }
}

#[test]
fn a_schedule_that_nobody_follows_can_be_ended() {
    let creel = ended("porkbun");
    let app = App::answering(&[500]);
    let to = app.url();
    let args = retrying(&to);
    for _ in 1..=2 {
        let mut resend = command(creel.home.path())
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // A try is told of when the next is kept as pending.
        let mut told = String::new();
        let mut out = BufReader::new(resend.stdout.take().unwrap());
        out.read_line(&mut told).unwrap();
        assert!(told.contains("try 1 of 6"), "{told}");
        resend.kill().unwrap();
        resend.wait().unwrap();
    }
    let open = |creel: &Creel| {
        let all = attempts(creel);
        all.iter()
            .filter(|a| a["outcome"] == json!("pending"))
            .count()
    };
    assert_eq!(open(&creel), 1, "the second took the place of the first");
    let ran = creel.run(&["resend", "@latest", "--stop"]);
    assert_eq!((ran.code, open(&creel)), (0, 0), "{ran:?}");
    let found = creel.run(&["list", "--json", "app:500"]).lines();
    assert_eq!(found.len(), 1, "the last response is shown");
    let again = creel.run(&["resend", "@latest", "--stop"]);
    assert!(again.err.contains("has no retry schedule"), "{again:?}");
}

#[test]
fn what_was_sent_is_kept_where_creel_is_interrupted() {
    for (more, outcomes) in [
        (&[][..], &["failed"][..]),
        // The schedule goes on with the next creel.
        (&["--retry", "provider"], &["failed", "pending"]),
    ] {
        let creel = ended("zyra");
        let app = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let to = format!("http://{}", app.local_addr().unwrap());
        let args = [&["resend", "@latest", "--to", &to][..], more].concat();
        let mut resend = start(&creel, &args);
        // The app takes the request, and does not answer.
        let (mut taken, _) = app.accept().unwrap();
        taken.read_exact(&mut [0; 16]).unwrap();
        let mut kill = std::process::Command::new("kill");
        let id = resend.id().to_string();
        assert!(kill.args(["-INT", &id]).status().unwrap().success());
        assert_eq!(resend.wait().unwrap().code(), Some(130));
        let all = attempts(&creel);
        assert_eq!(column(&all, "outcome"), outcomes);
        let error = all[0]["error"].as_str().unwrap();
        assert!(error.starts_with("creel ended before"), "{error}");
    }
}

#[test]
fn a_batch_goes_on_where_only_some_of_its_apps_are_down() {
    let home = tempfile::tempdir().unwrap();
    let (app, down) = (App::answering(&[200]), App::down(|_| ok()));
    let routes = format!(
        "mode = \"hold\"\n[[routes]]\npath = \"/down\"\ntarget = \"{}\"\n[[routes]]\npath = \"/up\"\ntarget = \"{}\"\n",
        down.url(),
        app.url()
    );
    std::fs::write(home.path().join("creel.toml"), routes).unwrap();
    let creel = Creel::serve_in(home, &[]);
    for path in ["/down", "/up", "/down"] {
        creel.post(path, "", b"");
    }
    let some = creel.run(&["resend", "--filter", ""]);
    assert_eq!((some.code, some.out.lines().count()), (1, 3), "{some:?}");
    assert_eq!(app.seen().len(), 1);
    let none = creel.run(&["resend", "--filter", "path:/down"]);
    assert_eq!((none.code, none.out.lines().count()), (3, 2), "{none:?}");
    // Where all go to one app that is down, the first says enough.
    let args = ["resend", "--filter", "", "--to", &down.url()];
    let one = creel.run(&args);
    assert_eq!((one.code, one.out.lines().count()), (3, 1), "{one:?}");
}

#[test]
fn a_dry_run_shows_every_delivery_that_matches() {
    let creel = Creel::serve(&[]);
    for number in 0..3 {
        creel.post("/n", "", number.to_string().as_bytes());
    }
    let args = [
        "resend",
        "--filter",
        "path:/n",
        "--to",
        "http://127.0.0.1:9",
    ];
    let ran = creel.run(&[&args[..], &["--dry-run", "--json"]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    let bodies = column(&values(&ran.out), "body");
    assert_eq!(column(&bodies, "text"), ["0", "1", "2"]);
}
