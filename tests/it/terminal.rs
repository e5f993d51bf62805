//! The inspector in a real terminal: keys go in, the screen is read.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use tempfile::TempDir;

use crate::support::creel::run;
use crate::support::pty::Pty;
use crate::support::upstream::Upstream;

const SECRET: &str = "a-signing-secret-of-zyra-0123456789";

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn start(home: &TempDir, more: &[&str]) -> Pty {
    let secret = format!("zyra={SECRET}");
    let args = [&["--listen", "127.0.0.1:0", "--secret", &secret], more].concat();
    Pty::start(home.path(), &args, 120, 40, &[])
}

/// Reads the address it listens on off the screen.
fn address(pty: &Pty) -> String {
    let screen = pty.wait("the address", |screen| {
        screen.contains("listening 127.0.0.1:")
    });
    let rest = screen.split("listening ").nth(1).unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

/// Sends a delivery signed by Zyra.
fn deliver(home: &TempDir, address: &str, event: &str, body: &str) {
    let args = [
        "sign",
        "--provider",
        "zyra",
        "--secret",
        SECRET,
        "--event",
        event,
    ];
    let headers = run(home.path(), &args, body.as_bytes())
        .out
        .replace('\n', "\r\n");
    send(address, &format!("{headers}X-Odd: \u{9b}31m\r\n"), body);
}

fn send(address: &str, headers: &str, body: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /hooks/zyra HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream
        .write_all(&[head.as_bytes(), body.as_bytes()].concat())
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn starts_empty_says_what_to_do_next_and_quits_leaving_the_terminal_as_it_was() {
    let home = home();
    let mut pty = start(&home, &[]);
    pty.shows("Nothing has arrived yet.");
    let address = address(&pty);
    pty.shows(&format!("http://{address}"));
    pty.keys("q");
    assert_eq!(pty.ended(), 0);
    pty.given_back();
}

#[test]
fn the_list_grows_while_it_is_looked_at_and_the_selection_stays() {
    let home = home();
    let mut pty = start(&home, &[]);
    let address = address(&pty);
    deliver(&home, &address, "device.online", "{\"n\":1}");
    pty.shows("device.online");
    deliver(&home, &address, "device.offline", "{\"n\":2}");
    pty.shows("device.offline");
    // Moving ends the following of the newest; then rows come, the selection stays.
    pty.keys("j");
    pty.wait("the older one selected", |s| {
        s.lines()
            .any(|l| l.contains('▶') && l.contains("device.online"))
    });
    deliver(&home, &address, "job.failed", "{\"n\":3}");
    pty.shows("job.failed");
    let screen = pty.screen();
    assert!(
        screen
            .lines()
            .any(|l| l.contains('▶') && l.contains("device.online")),
        "{screen}"
    );
    pty.keys("\r3");
    pty.wait("the body", |s| s.contains("\"n\": 1"));
    pty.keys("4");
    pty.shows("zyra: hmac-sha256 over");
    pty.keys("2");
    pty.shows("x-odd");
    assert!(
        !pty.raw().windows(2).any(|w| w == [0xC2, 0x9B]),
        "a stranger's control character reached the terminal"
    );
    pty.keys("\u{3}");
    assert_eq!(pty.ended(), 0);
    pty.given_back();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_sent_on_by_itself_and_a_says_what_is_answered() {
    let target = Upstream::saying(
        "HTTP/1.1 418 Teapot\r\nContent-Length: 5\r\nConnection: close\r\n\r\nshort",
    )
    .await;
    let home = home();
    let mut pty = start(&home, &["--target", &target.url()]);
    let address = address(&pty);
    pty.shows(&format!("app {} answering", target.addr));
    deliver(&home, &address, "job.queued", "{\"n\":1}");
    pty.wait("the app's answer", |s| {
        s.lines()
            .any(|l| l.contains("job.queued") && l.contains(" 418 "))
    });
    pty.keys("a");
    pty.shows("Answer all deliveries");
    pty.keys("3");
    pty.shows("answering 500, 500, 200");
    pty.keys("a");
    pty.shows("as configured");
    pty.keys("6");
    pty.wait("the configured answer", |s| !s.contains("answering 500"));
    drop(target);
    pty.shows("down since");
    pty.keys("\u{3}");
    assert_eq!(pty.ended(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r_sends_the_selected_delivery_and_shows_what_came_back() {
    let target = Upstream::saying(
        "HTTP/1.1 418 Teapot\r\nContent-Length: 5\r\nConnection: close\r\n\r\nshort",
    )
    .await;
    let home = home();
    let mut pty = start(&home, &["--target", &target.url(), "--mode", "hold"]);
    let address = address(&pty);
    deliver(&home, &address, "job.queued", "{\"n\":1}");
    pty.shows("job.queued");
    pty.keys("r");
    pty.shows("418");
    assert_eq!(target.requests().len(), 1);
    pty.keys("\r5");
    pty.shows("short");
    pty.keys("q");
    pty.keys("q");
    pty.keys("q");
    assert_eq!(pty.ended(), 0);
}

#[test]
fn resizing_to_any_size_and_back_shows_everything_again() {
    let home = home();
    let mut pty = start(&home, &[]);
    let address = address(&pty);
    deliver(&home, &address, "sla.breach.started", "{}");
    pty.shows("sla.breach.started");
    for (columns, rows) in [(80, 24), (44, 10), (19, 4), (1, 1), (200, 60)] {
        pty.resize(columns, rows);
    }
    pty.wait("the wide screen", |s| {
        s.lines().count() > 45 && s.contains("sla.breach.started")
    });
    pty.resize(80, 24);
    pty.shows("sla.breach.started");
    pty.keys("?");
    pty.shows("Type to search");
    pty.keys("\u{1b}");
    // A terminal sends Esc and then another key as one, if they come together.
    pty.wait("the help closed", |s| !s.contains("Type to search"));
    pty.keys("q");
    assert_eq!(pty.ended(), 0);
}

#[test]
fn signals_and_a_closed_terminal_leave_cleanly() {
    for signal in ["-TERM", "-HUP", "-INT"] {
        let home = home();
        let mut pty = start(&home, &[]);
        pty.shows("Nothing has arrived yet.");
        pty.signal(signal);
        pty.ended();
        pty.given_back();
        assert!(!home.path().join("data/control.sock").exists(), "{signal}");
    }
}

#[test]
fn ctrl_z_gives_the_terminal_back_and_fg_repaints() {
    let home = home();
    let mut pty = start(&home, &[]);
    pty.shows("Nothing has arrived yet.");
    pty.keys("\u{1a}");
    let stopped = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pty.id())).unwrap();
        stat.rsplit(") ").next().unwrap().starts_with('T')
    };
    pty.wait("the stop", |_| stopped());
    pty.given_back();
    pty.signal("-CONT");
    pty.wait("the repaint", |s| {
        s.contains("Nothing has arrived yet.") && !pty.restored()
    });
    pty.keys("q");
    assert_eq!(pty.ended(), 0);
}

#[test]
fn pasted_text_is_text_and_never_keys() {
    let home = home();
    let mut pty = start(&home, &[]);
    pty.shows("Nothing has arrived yet.");
    pty.keys("\u{1b}[200~q q q\u{1b}[201~");
    pty.keys("/\u{1b}[200~zyra\u{1b}[201~");
    pty.shows("zyra");
    pty.keys("\u{3}");
    assert_eq!(pty.ended(), 0);
}

#[test]
fn no_color_means_no_colour() {
    let home = home();
    let mut pty = Pty::start(
        home.path(),
        &["--listen", "127.0.0.1:0"],
        120,
        40,
        &[("NO_COLOR", "1")],
    );
    pty.shows("Nothing has arrived yet.");
    pty.keys("t");
    pty.shows("ok");
    pty.keys("q");
    pty.ended();
    let raw = String::from_utf8_lossy(&pty.raw()).into_owned();
    for sequence in raw.split("\u{1b}[").skip(1) {
        let Some((numbers, _)) = sequence.split_once('m') else {
            continue;
        };
        if numbers.bytes().all(|b| b.is_ascii_digit() || b == b';') {
            let coloured = numbers
                .split(';')
                .any(|n| matches!(n.parse(), Ok(30..=38 | 40..=48 | 90..=107)));
            assert!(!coloured, "ESC[{numbers}m is a colour");
        }
    }
}

#[test]
fn a_second_creel_opens_an_inspector_on_the_first() {
    let home = home();
    let mut first = start(&home, &[]);
    let address = address(&first);
    let mut second = Pty::start(home.path(), &[], 120, 40, &[]);
    second.shows(&address);
    deliver(&home, &address, "invoice.paid", "{}");
    first.shows("invoice.paid");
    second.shows("invoice.paid");
    second.keys("q");
    assert_eq!(second.ended(), 0);
    first.keys("q");
    assert_eq!(first.ended(), 0);
}

#[test]
fn start_up_errors_are_plain_text() {
    let home = home();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut pty = Pty::start(home.path(), &["--listen", &address], 120, 40, &[]);
    assert_eq!(pty.ended(), 3);
    pty.shows("is taken");
    assert!(
        !String::from_utf8_lossy(&pty.raw()).contains("\u{1b}[?1049h"),
        "the screen was taken"
    );
}

#[test]
fn the_demonstration_is_alive_at_once() {
    let home = home();
    let mut pty = Pty::start(
        home.path(),
        &["--demo", "--listen", "127.0.0.1:0"],
        120,
        40,
        &[],
    );
    for text in [
        "stackryze",
        "porkbun",
        "zyra",
        "stack-auth",
        "tenant",
        "BAD",
        "old",
        "ok",
    ] {
        pty.shows(text);
    }
    pty.keys("q");
    assert_eq!(pty.ended(), 0);
    assert!(
        !home.path().join("data").exists(),
        "the demonstration left something behind"
    );
}

#[test]
fn a_closed_window_ends_it_well_and_what_is_under_way_is_answered() {
    for args in [&[][..], &["serve"]] {
        let home = home();
        let args = [args, &["--listen", "127.0.0.1:0"]].concat();
        let pty = Pty::start(home.path(), &args, 120, 40, &[]);
        let screen = pty.wait("the address", |s| s.contains("127.0.0.1:"));
        let rest = screen.split("127.0.0.1:").nth(1).unwrap();
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        let half = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\nha";
        stream.write_all(half.as_bytes()).unwrap();
        let process = pty.id();
        let mut creel = pty.close();
        // The shell passes the hangup on, too.
        let _ = std::process::Command::new("kill")
            .args(["-HUP", &process.to_string()])
            .stderr(std::process::Stdio::null())
            .status();
        stream.write_all(b"ha").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{args:?}: {answer}");
        assert_eq!(creel.ended(), 0, "{args:?}");
        let listed = run(home.path(), &["--json", "list"], b"");
        assert_eq!(listed.lines().len(), 1, "{listed:?}");
    }
}
