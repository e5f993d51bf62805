//! The commands as a script uses them.

use serde_json::{Value, json};

use crate::support::creel::{Creel, command, run};
use crate::support::pty::Pty;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Signs a body as a provider does and returns the headers as they go on the wire.
fn signed(creel: &Creel, provider: &str, secret: &str, more: &[&str], body: &[u8]) -> String {
    let args = [&["sign", "--provider", provider, "--secret", secret], more].concat();
    let ran = run(creel.home.path(), &args, body);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.out.replace('\n', "\r\n")
}

#[test]
fn deliveries_of_all_five_systems_are_received_verified_and_shown() {
    let systems = [
        "stackryze",
        "porkbun",
        "tenant-platform",
        "zyra",
        "stack-auth",
    ];
    let secrets: Vec<String> = systems
        .iter()
        .map(|name| format!("{name}={SECRET}"))
        .collect();
    let args: Vec<&str> = secrets
        .iter()
        .flat_map(|secret| ["--secret", secret])
        .collect();
    let creel = Creel::serve(&args);
    for name in systems {
        let body = br#"{"type":"team.created","data":{"n":1.10}}"#;
        let headers = signed(
            &creel,
            name,
            SECRET,
            &["--event", "some.event", "--id", "id-1"],
            body,
        );
        assert_eq!(
            creel.post(&format!("/hooks/{name}?a=b%20c"), &headers, body),
            200
        );
    }
    let mut listed = creel.list();
    listed.reverse();
    assert_eq!(listed.len(), 5);
    for (delivery, name) in listed.iter().zip(systems) {
        assert_eq!(delivery["provider"], json!(name));
        assert_eq!(
            delivery["signature"]["status"],
            json!("valid"),
            "{delivery}"
        );
        assert_eq!(delivery["query"], json!("a=b%20c"));
        assert_eq!(delivery["body"]["size"], json!(41));
        assert_eq!(delivery["body"].get("text"), None);
        let event = if name == "stack-auth" {
            json!("team.created")
        } else {
            json!("some.event")
        };
        let event = if name == "tenant-platform" {
            Value::Null
        } else {
            event
        };
        assert_eq!(delivery["event"], event, "{name}");
        let id = delivery["id"].as_str().unwrap();
        let shown = creel
            .run(&["show", "--json", &id[20..].to_lowercase()])
            .lines();
        assert_eq!(
            shown[0]["body"]["text"],
            json!(r#"{"type":"team.created","data":{"n":1.10}}"#)
        );
        assert_eq!(shown[0]["id"], json!(id));
    }
    let ids: Vec<&str> = listed.iter().map(|d| d["id"].as_str().unwrap()).collect();
    assert!(ids.is_sorted(), "ids sort by arrival: {ids:?}");
}

#[test]
fn arrivals_of_one_event_are_counted() {
    let creel = Creel::serve(&["--secret", &format!("porkbun={SECRET}")]);
    for id in ["one", "two", "one"] {
        let headers = signed(&creel, "porkbun", SECRET, &["--id", id], b"{}");
        assert_eq!(creel.post("/", &headers, b"{}"), 200);
    }
    let arrivals: Vec<Value> = creel
        .list()
        .iter()
        .map(|d| json!([d["delivery_id"], d["arrival"]]))
        .collect();
    assert_eq!(
        arrivals,
        [json!(["one", 2]), json!(["two", 1]), json!(["one", 1])]
    );
}

#[test]
fn a_wrong_secret_is_explained_and_never_shown() {
    let creel = Creel::serve(&[
        "--secret",
        "zyra=right-secret-value-0123456789",
        "--secret",
        "porkbun=other-secret-value-9876543210",
    ]);
    let headers = signed(&creel, "zyra", "other-secret-value-9876543210", &[], b"{}");
    creel.post("/", &headers, b"{}");
    let shown = creel.run(&["show", "--json", "@latest"]);
    let signature = &shown.lines()[0]["signature"];
    assert_eq!(signature["status"], json!("invalid"));
    assert_eq!(signature["findings"][0]["code"], json!("other_secret"));
    assert_eq!(signature["findings"][0]["proved"], json!(true));
    let told = creel.run(&["show", "@latest"]);
    for secret in [
        "right-secret-value-0123456789",
        "other-secret-value-9876543210",
    ] {
        assert!(!shown.out.contains(secret) && !told.out.contains(secret));
    }
    assert!(
        told.out
            .contains("Signed with another secret, the one of \"porkbun\""),
        "{}",
        told.out
    );
}

#[test]
fn verify_reads_a_raw_request_and_answers_by_its_exit_code() {
    let home = tempfile::tempdir().unwrap();
    let body = b"{\"a\":1}";
    let headers = run(
        home.path(),
        &[
            "sign",
            "--provider",
            "stack-auth",
            "--secret",
            SECRET,
            "--now",
            "1790000000",
        ],
        body,
    )
    .out;
    let raw = format!("POST /hooks HTTP/1.1\nHost: x\n{headers}\n{{\"a\":1}}");
    let verify = |args: &[&str], input: &str| {
        run(
            home.path(),
            &[&["verify", "--json", "-"], args].concat(),
            input.as_bytes(),
        )
    };
    let status = |ran: &crate::support::creel::Ran| {
        let value: Value =
            serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {ran:?}"));
        (
            ran.code,
            value["signature"]["status"].as_str().unwrap().to_owned(),
        )
    };
    let now = ["--secret", SECRET, "--now", "1790000005"];
    assert_eq!(status(&verify(&now, &raw)), (0, "valid".into()));
    assert_eq!(
        status(&verify(
            &[
                "--secret",
                "whsec_QUJDRA==",
                "--secret",
                SECRET,
                "--now",
                "1790000300"
            ],
            &raw
        )),
        (0, "valid".into())
    );
    assert_eq!(
        status(&verify(&["--secret", SECRET, "--now", "1790000301"], &raw)),
        (1, "stale".into())
    );
    assert_eq!(
        status(&verify(&now, &raw.replace("\"a\":1", "\"a\":2"))),
        (1, "invalid".into())
    );
    assert_eq!(
        status(&verify(&["--now", "1790000005"], &raw)),
        (1, "no_secret".into())
    );
    assert_eq!(
        status(&verify(&["--secret", "x", "--provider", "zyra"], &raw)),
        (1, "missing_signature".into())
    );
    assert_eq!(
        status(&verify(&["--secret", "x"], "GET / HTTP/1.1\n\n")),
        (1, "unknown_provider".into())
    );
    let late = run(
        home.path(),
        &["verify", "-", "--secret", SECRET, "--now", "1790009999"],
        raw.as_bytes(),
    );
    assert!(
        late.out.starts_with("old  stale\n") && late.out.contains("more than the 300 s"),
        "{late:?}"
    );
    assert_eq!(verify(&now, "nonsense").code, 2);
    assert_eq!(
        run(
            home.path(),
            &["verify", "no-such-file", "--secret", "x"],
            b""
        )
        .code,
        2
    );
    assert_eq!(
        run(
            home.path(),
            &["verify", "-", "--provider", "nobody"],
            raw.as_bytes()
        )
        .code,
        2
    );
}

#[test]
fn what_a_stranger_sends_reaches_no_terminal_raw() {
    let creel = Creel::serve(&[]);
    let evil = "\u{1b}]0;pwned\u{7}\u{9b}31m\u{202e}";
    let raw = [
        b"POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Zyra-Event: ".as_slice(),
        "\u{9b}31m\u{202e}".as_bytes(),
        b"\r\nX-Evil: \x9b2J\xff\r\nContent-Type: text/plain\r\nContent-Length: ",
        evil.len().to_string().as_bytes(),
        b"\r\n\r\n",
        evil.as_bytes(),
    ]
    .concat();
    assert!(creel.raw(&raw).starts_with("HTTP/1.1 200"));
    for args in [
        &["list"][..],
        &["show", "@latest"],
        &["list", "--json"],
        &["show", "--json", "@latest"],
    ] {
        let out = creel.run(args).out;
        assert!(!out.is_empty());
        let raw = out
            .chars()
            .find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(raw, None, "{args:?}: {out:?}");
    }
}

#[test]
fn flags_may_stand_behind_a_filter_too() {
    let creel = Creel::serve(&[]);
    creel.post("/a", "", b"");
    creel.post("/b", "", b"");
    let lines = creel.run(&["list", "path:/a", "--json"]).lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["path"], "/a");
    let lines = creel.run(&["list", "path:/a", "or", "path:/b", "--json", "--limit", "1"]);
    assert_eq!(lines.lines().len(), 1);
    assert_eq!(creel.run(&["list", "path:/a", "--nonsense"]).code, 2);
}

#[test]
fn errors_have_three_parts_and_their_exit_codes() {
    let home = tempfile::tempdir().unwrap();
    let code = |args: &[&str]| run(home.path(), args, b"").code;
    assert_eq!(code(&["show", "ABCDEF"]), 1);
    assert_eq!(code(&["show", "AB"]), 2);
    assert_eq!(code(&["nonsense"]), 2);
    assert_eq!(code(&["serve", "--listen", "nowhere"]), 2);
    assert_eq!(code(&["list", "--target", "http://127.0.0.1:1"]), 2);
    assert_eq!(code(&["resend"]), 2);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ran = run(
        home.path(),
        &[
            "serve",
            "--listen",
            &taken.local_addr().unwrap().to_string(),
        ],
        b"",
    );
    assert_eq!((ran.code, ran.out.as_str()), (3, ""));
    assert_eq!(ran.err.lines().count(), 3, "{}", ran.err);
    std::fs::write(home.path().join("creel.toml"), "lisen = 1\n").unwrap();
    let ran = run(home.path(), &["list"], b"");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(
        ran.err.contains("creel.toml line 1") && ran.err.contains("listen"),
        "{}",
        ran.err
    );
}

#[test]
fn a_second_creel_on_the_same_data_is_told_at_once() {
    let creel = Creel::serve(&[]);
    let ran = creel.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("Another process holds it"), "{}", ran.err);
}

#[test]
fn signals_end_it_in_order() {
    for (signal, code) in [("-INT", Some(130)), ("-TERM", Some(0)), ("-HUP", Some(0))] {
        let mut creel = Creel::serve(&[]);
        assert_eq!(creel.post("/a", "", b"x"), 200);
        assert_eq!(creel.signal(signal), code, "{signal}");
        assert_eq!(creel.list().len(), 1);
    }
}

#[test]
fn answers_are_as_configured_and_the_longest_path_takes() {
    let home = tempfile::tempdir().unwrap();
    let config = r#"
[endpoints.all]
path = "/hooks"
answer = { status = 202 }
[endpoints.billing]
path = "/hooks/billing"
provider = "tenant-platform"
secrets = ["env:NO_SUCH", "x"]
headers = { signature = "X-Acme-Sig", delivery_id = "X-Acme-Id" }
answer = { status = 201, body = "thanks" }
"#;
    std::fs::write(home.path().join("creel.toml"), config).unwrap();
    let failed = run(home.path(), &["serve"], b"");
    assert!(
        failed.code == 2
            && failed.err.contains("creel.toml line 8")
            && !failed.err.contains("NO_SUCH"),
        "{failed:?}"
    );
    std::fs::write(
        home.path().join("creel.toml"),
        config.replace("\"env:NO_SUCH\", ", ""),
    )
    .unwrap();
    let creel = Creel::serve_in(home, &["--answer-status", "204"]);
    assert_eq!(creel.post("/hooks/other", "", b""), 202);
    assert!(creel.raw(b"POST /hooks/billing HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\nX-Acme-Id: 7\r\n\r\n").ends_with("\r\n\r\nthanks"));
    assert_eq!(creel.post("/elsewhere", "", b""), 204);
    let listed = creel.list();
    assert_eq!(listed[1]["endpoint"], json!("billing"));
    assert_eq!(listed[1]["delivery_id"], json!("7"));
    assert_eq!(listed[1]["signature"]["status"], json!("missing_signature"));
    assert_eq!(listed[1]["answer"]["status"], json!(201));
}

#[test]
fn a_body_too_large_is_refused_and_listed() {
    let creel = Creel::serve(&["--max-body", "1KiB"]);
    assert_eq!(creel.post("/big", "", &[b'x'; 1025]), 413);
    assert_eq!(creel.post("/fits", "", &[b'x'; 1024]), 200);
    let listed = creel.list();
    assert_eq!(listed[1]["answer"]["status"], json!(413));
    assert!(
        listed[1]["refused"].as_str().unwrap().contains("1,024"),
        "{}",
        listed[1]["refused"]
    );
    let again = creel.run(&[
        "resend",
        listed[1]["id"].as_str().unwrap(),
        "--to",
        "http://127.0.0.1:1",
    ]);
    assert_eq!(again.code, 1, "{again:?}");
}

#[test]
fn providers_and_completions_are_printed() {
    let home = tempfile::tempdir().unwrap();
    let listed = run(home.path(), &["providers", "--json"], b"").lines();
    assert!(listed.iter().any(|p| p["name"] == json!("stack-auth")));
    let one = run(home.path(), &["providers", "zyra"], b"");
    assert!(
        one.out.contains("10 s") && one.out.contains("2 s, 4 s, 8 s, 16 s"),
        "{}",
        one.out
    );
    assert!(
        run(home.path(), &["completions", "bash"], b"")
            .out
            .contains("creel")
    );
    assert!(run(home.path(), &["man"], b"").out.contains(".TH"));
    let limits = run(home.path(), &["providers", "tenant-platform"], b"");
    assert!(
        limits.out.contains("answer within  quickly"),
        "{}",
        limits.out
    );
}

#[test]
fn a_list_without_matches_says_so_on_standard_error() {
    let creel = Creel::serve(&[]);
    let empty = creel.run(&["list"]);
    assert_eq!((empty.code, empty.out.as_str()), (0, ""));
    assert!(
        empty.err.contains("Nothing has been received yet"),
        "{empty:?}"
    );
    assert_eq!(creel.try_post("/", b"{}"), Some(200));
    for args in [&["list", "sig:ok"][..], &["--json", "list", "sig:ok"]] {
        let none = creel.run(args);
        assert_eq!((none.code, none.out.as_str()), (0, ""));
        assert!(none.err.contains("No delivery matches sig:ok"), "{none:?}");
    }
    assert_eq!(creel.run(&["--quiet", "list", "sig:ok"]).err, "");
}

#[test]
fn colour_is_used_where_it_is_asked_for() {
    let creel = Creel::serve(&["--secret", "zyra=x-secret"]);
    let post = format!(
        "POST / HTTP/1.1\r\nX-Zyra-Signature: {}\r\nX-Zyra-Event: job.failed\r\nContent-Length: 0\r\n\r\n",
        "0".repeat(64)
    );
    creel.raw(post.as_bytes());
    for command in [&["list"][..], &["show", "@latest"]] {
        let plain = creel.run(command);
        assert!(!plain.out.contains('\u{1b}'), "{plain:?}");
        let coloured = creel.run(&[&["--color", "always"], command].concat());
        let bad = "\u{1b}[1;31mBAD\u{1b}[0m";
        assert!(coloured.out.contains(bad), "{coloured:?}");
        assert_eq!(coloured.out.replace(bad, "BAD"), plain.out);
    }
}

#[test]
fn a_full_disk_behind_standard_output_is_an_error_for_every_command() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    for args in [
        &["--help"][..],
        &["--version"],
        &["list", "--help"],
        &["help", "show"],
        &["providers"],
        &["man"],
        &["completions", "bash"],
    ] {
        let ended = command(home.path())
            .args(args)
            .stdout(full.try_clone().unwrap())
            .output()
            .unwrap();
        assert_eq!(ended.status.code(), Some(3), "{args:?}");
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(said.contains("Standard output cannot be written"), "{said}");
    }
}

#[test]
fn the_list_fits_the_terminal() {
    let creel = Creel::serve(&[]);
    let path = format!("/hooks/{}", "a-long-path/".repeat(20));
    assert_eq!(creel.try_post(&path, b"{}"), Some(200));
    for columns in [72, 80, 100, 120, 200] {
        let mut pty = Pty::start(creel.home.path(), &["list"], columns, 24, &[]);
        assert_eq!(pty.ended(), 0);
        let screen = pty.shows("POST /hoo");
        assert_eq!(screen.trim_end().lines().count(), 2, "{columns}: {screen}");
    }
}
