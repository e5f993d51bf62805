//! No message repeats what is, or may be, a secret; no child process gets one;
//! and what lets others read them is said at the start.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use crate::support::creel::{Creel, Ran, command, run};
use crate::support::pty::Pty;

/// What nobody may see.
const SENTINEL: &str = "s3ntinelvalue0123456789abcdef";

fn is_discreet(what: &str, ran: &Ran) {
    let said = format!("{}{}", ran.out, ran.err);
    assert!(!said.contains(SENTINEL), "{what}: {said}");
    assert!(!said.contains(&SENTINEL[..12]), "{what}: {said}");
    assert_eq!(ran.code, 2, "{what}: {said}");
    assert!(!ran.err.trim().is_empty(), "{what} is not explained");
}

#[test]
fn no_mistake_in_the_configuration_repeats_a_value() {
    let home = tempfile::tempdir().unwrap();
    let number = "987654321987654321";
    for text in [
        "secrets = \"S\"",
        "secrets = [\"S\"]",
        "secrets = S",
        "S",
        "\"S\"",
        "secrets = \"S",
        "secrets = 'S",
        "[secrets]\nstripe = { a = \"S\" }",
        "[secrets]\nstripe = S",
        "[secrets]\nstripe = [\"S\", 1]",
        "[secrets]\n\"S\" = \"stripe\"",
        "[secrets]\nstripe = \"env:S\"",
        "[secrets]\nstripe = \"file:S\"",
        "[secrets]\nstripe = \"file:/S\"",
        "[secrets]\nstripe = \"env:A=S\"",
        "[endpoints.a]\nsecrets = \"S\"",
        "[endpoints.a]\nold_secrets = \"S\"",
        "[endpoints.a]\nsecrets = [[\"S\"]]",
        "[endpoints.a]\nsecrets = [\"env:S\"]",
        "[endpoints.a]\nsecrets = [\"file:~/S\"]",
        "[endpoints.a]\nold_secrets = [\"env:S\"]",
        "[endpoints.a]\nsecrets = [\"S\" \"S\"]",
        "[endpoints.a]\nsecrets = [\"S\"]\nsecrets = [\"S\"]",
        "[endpoints.a]\nparams = \"S\"",
        "[endpoints.a]\nparams = [\"S\"]",
        "[endpoints.a]\nsecret = \"S\"",
        "endpoints = \"S\"",
        "target = \"http://u:S@h/\"",
        "target = \"http://u:S@h h/\"",
        "target = \"http://u:S\"",
        "[[routes]]\ntarget = \"http://u:S@[/\"",
        "[endpoints.a]\ntarget = \"http://u:S@:x/\"",
        "listen = \"http://u:S@h:1\"",
        "listen = [\"S\"]",
        "keep = \"S\"",
        "insecure = \"S\"",
        "handshakes = \"S\"",
    ] {
        std::fs::write(home.path().join("creel.toml"), text.replace('S', SENTINEL)).unwrap();
        is_discreet(text, &run(home.path(), &["list"], b""));
    }
    for text in ["[endpoints.a]\nsecrets = N", "[endpoints.a]\nsecrets = [N]"] {
        std::fs::write(home.path().join("creel.toml"), text.replace('N', number)).unwrap();
        let ran = run(home.path(), &["list"], b"");
        assert!(ran.code == 2 && !ran.err.contains(number), "{ran:?}");
    }
}

#[test]
fn no_mistake_on_the_command_line_repeats_a_value() {
    let home = tempfile::tempdir().unwrap();
    for args in [
        "serve --secret env:S",
        "serve --secret file:S",
        "serve --secret stripe=env:S",
        "serve --secret stripe=file:/S",
        "serve --secret s3nt=S",
        "serve --secret S=x",
        "serve --secret stripe S",
        "serve --secert S",
        "serve --secret=stripe=S S",
        "serve --secretS",
        "serve --secrets=S",
        "serve --secret a --S",
        "serve --secret a --color S",
        "--secret stripe S",
        "list --secret S",
        "show --secret S x",
        "resend @latest --secret S",
        "verify - --secret env:S",
        "verify - --old-secret file:S",
        "verify - --secret a --param S",
        "verify - - --secret S",
        "verify - --secret S --now S",
        "sign --provider stripe --secret env:S",
        "sign --provider stripe --secret file:S",
        "sign --provider stripe --secret a S S",
        "send stripe --to http://127.0.0.1:1 --secret env:S",
        "send stripe --to http://u:S@h --secret a",
        "send stripe --to http://u:S@h:x/ --secret a",
        "resend @latest --to http://u:S",
        "resend @latest --to http://u:S@[",
        "serve --target http://u:S@h/",
        "serve --target http://u:S@h:x/",
        "serve --listen http://u:S@h:1",
    ] {
        let words = args.replace('S', SENTINEL);
        let words: Vec<&str> = words.split(' ').collect();
        is_discreet(args, &run(home.path(), &words, b"POST / HTTP/1.1\r\n\r\n"));
    }
    // What is no secret is still named.
    for (args, named) in [
        ("serve --lisen x", "--lisen"),
        ("serve --secret porkbnu=abc", "porkbnu"),
        ("lst", "lst"),
    ] {
        let words: Vec<&str> = args.split(' ').collect();
        let ran = run(home.path(), &words, b"");
        assert!(ran.err.contains(named), "{args}: {ran:?}");
    }
}

#[test]
fn an_editor_gets_no_secret_from_the_environment() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).display().to_string();
    std::fs::write(home.path().join("file-secret"), "of-a-file-0123456789").unwrap();
    std::fs::set_permissions(
        home.path().join("file-secret"),
        std::fs::Permissions::from_mode(0o600),
    )
    .unwrap();
    let editor = home.path().join("editor.sh");
    let script = format!("#!/bin/sh\nenv > {}.new; mv {0}.new {0}\n", path("seen"));
    std::fs::write(&editor, script).unwrap();
    std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o755)).unwrap();
    let file = format!("zyra=file:{}", path("file-secret"));
    let mut pty = Pty::start(
        home.path(),
        &[
            "--listen",
            "127.0.0.1:0",
            "--secret",
            "porkbun=env:MY_KEY",
            "--secret",
            &file,
        ],
        120,
        40,
        &[
            ("EDITOR", &editor.display().to_string()),
            ("MY_KEY", SENTINEL),
            ("COPY_OF_IT", &format!("x={SENTINEL}")),
            ("OF_A_FILE", "of-a-file-0123456789"),
            ("CREEL_TOKEN", "another"),
            ("HARMLESS", "stays"),
        ],
    );
    let screen = pty.wait("the address", |screen| {
        screen.contains("listening 127.0.0.1:")
    });
    let rest = screen.split("listening ").nth(1).unwrap();
    let address = rest.split_whitespace().next().unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(
        &mut stream,
        b"POST /edited HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
    )
    .unwrap();
    stream.read_to_string(&mut String::new()).unwrap();
    pty.shows("/edited");
    pty.keys("e");
    let begun = std::time::Instant::now();
    let seen = loop {
        if let Ok(seen) = std::fs::read_to_string(path("seen")) {
            break seen;
        }
        assert!(begun.elapsed().as_secs() < 10, "no editor was started");
        std::thread::yield_now();
    };
    for gone in [SENTINEL, "of-a-file", "MY_KEY", "CREEL_TOKEN"] {
        assert!(!seen.contains(gone), "{gone}: {seen}");
    }
    assert!(seen.contains("HARMLESS=stays"), "{seen}");
}

/// Starts creel, ends it and returns what it said on standard error.
fn said_at_start(home: &Path, args: &[&str]) -> String {
    let mut child = command(home)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 6];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut first)
        .unwrap();
    assert_eq!(&first, b"ready ");
    let id = child.id().to_string();
    let mut kill = std::process::Command::new("kill");
    assert!(kill.args(["-TERM", &id]).status().unwrap().success());
    String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap()
}

#[test]
fn what_lets_others_read_secrets_is_said_once_at_the_start() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let mode = |name: &str, mode| {
        std::fs::set_permissions(home.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    assert_eq!(said_at_start(home, &[]), "");
    let said = said_at_start(home, &["--secret", &format!("zyra={SENTINEL}")]);
    assert_eq!(said.matches("command line").count(), 1, "{said}");
    assert!(!said.contains(SENTINEL), "{said}");

    std::fs::write(home.join("key"), "of-a-file-0123456789").unwrap();
    let flag = format!("zyra=file:{}", home.join("key").display());
    for (permissions, warned) in [(0o600, false), (0o640, true), (0o604, true)] {
        mode("key", permissions);
        let said = said_at_start(home, &["--secret", &flag]);
        assert_eq!(
            said.contains("secret file"),
            warned,
            "{permissions:o}: {said}"
        );
    }
    mode("key", 0o600);

    let config = home.join("creel.toml");
    for (text, holds_secret) in [
        ("[secrets]\nzyra = \"of-the-config-0123\"\n", true),
        ("listen = \"127.0.0.1:0\"\n", false),
    ] {
        std::fs::write(&config, text).unwrap();
        for permissions in [0o600, 0o644] {
            mode("creel.toml", permissions);
            let said = said_at_start(home, &[]);
            let warned = holds_secret && permissions == 0o644;
            assert_eq!(
                said.contains("configuration file"),
                warned,
                "{text}: {said}"
            );
        }
    }

    mode("data", 0o755);
    let said = said_at_start(home, &[]);
    assert!(said.contains("owner alone again"), "{said}");
    let now = std::fs::metadata(home.join("data")).unwrap().permissions();
    assert_eq!(now.mode() & 0o777, 0o700);
    assert_eq!(said_at_start(home, &[]), "");
}

/// The inspector says it too: standard error is behind it.
#[test]
fn the_inspector_shows_what_is_said_at_the_start() {
    let home = tempfile::tempdir().unwrap();
    let secret = format!("zyra={SENTINEL}");
    let args = ["--listen", "127.0.0.1:0", "--secret", &secret];
    let pty = Pty::start(home.path(), &args, 120, 40, &[]);
    pty.shows("A secret is on the command line");
    drop(pty);
    let creel = Creel::serve(&[]);
    assert_eq!(creel.run(&["list"]).code, 0);
}
