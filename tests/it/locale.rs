//! Where the locale has ASCII alone, nothing else is written.

use crate::support::creel::{Creel, command};
use crate::support::pty::Pty;

/// Locales without UTF-8, and the variable that names each.
const ASCII: [(&str, &str); 4] = [
    ("LC_ALL", "C"),
    ("LC_CTYPE", "POSIX"),
    ("LANG", "de_DE.ISO-8859-1"),
    ("LANG", "C"),
];

/// A creel with text in it that is not ASCII, and that commands a terminal.
fn creel() -> Creel {
    let creel = Creel::serve(&["--secret", "porkbun=a-secret"]);
    let event = "é…\u{9b}31m very long event name that does not fit into its column at all";
    let headers = format!("X-Porkbun-Event: {event}\r\nX-Porkbun-Signature: sha256=00\r\n");
    creel.post("/ü", &headers, "{\"a\": \"日本\"}".as_bytes());
    creel.post("/x", "", b"\x1b[2J\xff");
    creel
}

#[test]
fn commands_write_ascii() {
    let creel = creel();
    let ids = creel.list();
    let id = |at: usize| ids[at]["id"].as_str().unwrap();
    let commands: [&[&str]; 8] = [
        &["list"],
        &["list", "--color", "always"],
        &["show", id(0)],
        &["show", id(1)],
        &["verify", id(1)],
        &["providers", "stripe"],
        &["list", "no such word"],
        &["show", "ffffffff"],
    ];
    for (name, locale) in ASCII {
        for words in commands {
            let mut ran = command(creel.home.path());
            let ran = ran.env(name, locale).args(words).output().unwrap();
            for text in [ran.stdout, ran.stderr] {
                let text = String::from_utf8(text).unwrap();
                assert!(text.is_ascii(), "{name}={locale} {words:?}: {text}");
                let shown = text.replace("\u{1b}[", "");
                assert!(!shown.contains('\u{1b}'), "{words:?}: {text:?}");
            }
        }
    }
    // JSON stays as it is.
    let mut ran = command(creel.home.path());
    let ran = ran.env("LC_ALL", "C").args(["list", "--json"]).output();
    assert!(
        String::from_utf8(ran.unwrap().stdout)
            .unwrap()
            .contains('é')
    );
}

#[test]
fn the_inspector_draws_ascii() {
    let creel = creel();
    for (name, locale) in ASCII {
        let mut pty = Pty::start(creel.home.path(), &[], 120, 40, &[(name, locale)]);
        pty.shows("porkbun");
        pty.keys("j12345");
        for (opens, title) in [
            ("?", "Type to search"),
            ("R", "Send again"),
            (":", "Commands"),
        ] {
            pty.keys(opens);
            pty.shows(title);
            pty.keys("\u{1b}");
            pty.wait("it to close", |screen| !screen.contains(title));
        }
        pty.keys("\u{3}");
        assert_eq!(pty.ended(), 0);
        let raw = pty.raw();
        assert!(
            raw.is_ascii(),
            "{name}={locale}: {}",
            String::from_utf8_lossy(&raw)
        );
    }
    // UTF-8 keeps its own signs.
    let mut pty = Pty::start(creel.home.path(), &[], 120, 40, &[("LANG", "C.UTF-8")]);
    pty.shows("●");
    pty.keys("q");
    assert_eq!(pty.ended(), 0);
}
