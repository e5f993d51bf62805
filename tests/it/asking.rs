//! What is asked before deliveries go to other machines, and what is not sent
//! to at all.

use crate::support::creel::{Creel, run};
use crate::support::pty::Pty;
use crate::support::upstream::Upstream;

/// An address that is not this machine, and that no system sends anything to.
const ELSEWHERE: &str = "http://255.255.255.255:9/";

const SAMPLE: [&str; 6] = ["send", "zyra", "--secret", "s", "--to", ELSEWHERE];

#[test]
fn without_a_terminal_another_machine_is_refused_and_nothing_kept() {
    let creel = Creel::serve(&[]);
    creel.post("/", "", b"{}");
    for args in [&["resend", "@latest", "--to", ELSEWHERE][..], &SAMPLE] {
        let ran = creel.run(args);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(
            ran.err.contains("255.255.255.255 is not this machine.") && ran.err.contains("--yes"),
            "{}",
            ran.err
        );
        // Agreed to, it is tried.
        let ran = creel.run(&[args, &["--yes"]].concat());
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(
            ran.err.contains("255.255.255.255:9 cannot be reached"),
            "{ran:?}"
        );
    }
    let shown = creel.run(&["show", "--json", "@latest"]).lines();
    assert_eq!(shown[0]["attempts"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_target_elsewhere_is_asked_for_too() {
    let here = Upstream::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let creel = Creel::serve(&["--target", ELSEWHERE]);
    creel.post("/", "", b"{}");
    for which in [&["@latest"][..], &["--filter", "path:/"]] {
        assert_eq!(creel.run(&[&["resend"], which].concat()).code, 2);
        let to = ["resend", "--to", &here.url()];
        assert_eq!(creel.run(&[&to, which].concat()).code, 0);
    }
}

#[test]
fn on_a_terminal_it_asks_and_does_what_it_is_told() {
    for (answer, code, said) in [
        ("n\r", 1, "Nothing was sent."),
        ("\r", 1, "Nothing was sent."),
        ("y\r", 3, "cannot be reached"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let mut pty = Pty::start(home.path(), &SAMPLE, 100, 24, &[]);
        pty.shows("Send to 255.255.255.255, a public address? [y/N]");
        pty.keys(answer);
        pty.shows(said);
        assert_eq!(pty.ended(), code, "{answer:?}");
    }
}

#[test]
fn metadata_services_are_refused_however_they_are_written() {
    let home = tempfile::tempdir().unwrap();
    for host in [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0xA9.0xFE.0xA9.0xFE",
        "0251.0376.0251.0376",
        "169.254.43518",
        "169.16689662",
        "169.254.169.254.",
        "%31%36%39.254.169.254",
        "\u{ff11}69.254.169.254",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[0:0:0:0:0:ffff:a9fe:a9fe]",
        "[64:ff9b::a9fe:a9fe]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "100.100.100.200",
    ] {
        let to = format!("http://{host}/latest/meta-data");
        let args = ["send", "zyra", "--secret", "s", "--to", &to];
        let ran = run(home.path(), &args, b"");
        assert_eq!(ran.code, 3, "{host}: {ran:?}");
        assert!(
            ran.err.contains(" a link-local or cloud metadata address"),
            "{host}: {}",
            ran.err
        );
        // Allowed, it is still not this machine.
        let ran = run(
            home.path(),
            &[&args[..], &["--allow-link-local"]].concat(),
            b"",
        );
        assert_eq!(ran.code, 2, "{host}: {ran:?}");
    }
}

#[test]
fn a_running_creel_refuses_and_records_it() {
    let creel = Creel::serve(&[]);
    creel.post("/", "", b"{}");
    let ran = creel.run(&["resend", "@latest", "--to", "http://169.254.169.254/"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let shown = creel.run(&["show", "--json", "@latest"]).lines();
    let error = shown[0]["attempts"][0]["error"].as_str().unwrap();
    assert!(error.contains("link-local or cloud metadata"), "{error}");
}

#[test]
fn flags_that_say_what_may_be_sent_to_belong_to_what_sends() {
    let home = tempfile::tempdir().unwrap();
    let ran = run(home.path(), &["--insecure", "list"], b"");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.err.contains("--insecure has no meaning here"),
        "{ran:?}"
    );
}
