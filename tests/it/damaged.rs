//! One damaged delivery is named and hides no other.

use std::path::Path;

use serde_json::json;

use crate::support::app::{App, until};
use crate::support::creel::{Creel, run};

/// Receives six deliveries and ends.
fn filled() -> (tempfile::TempDir, Vec<String>) {
    let mut creel = Creel::serve(&[]);
    for n in 0..6 {
        let body = format!("body {n} {}", "x".repeat(200));
        creel.post(&format!("/{n}"), "", body.as_bytes());
    }
    let ids = creel.list();
    let ids = ids
        .iter()
        .rev()
        .map(|one| one["id"].as_str().unwrap().to_owned());
    let ids = ids.collect();
    creel.signal("-TERM");
    (creel.home(), ids)
}

/// Flips a bit in the journal, where a text stands.
fn flip(home: &Path, text: &str) {
    let journal = home.join("data/journal/00000000000000000001.log");
    let mut bytes = std::fs::read(&journal).unwrap();
    let at = bytes
        .windows(text.len())
        .position(|found| found == text.as_bytes());
    bytes[at.unwrap()] ^= 4;
    std::fs::write(journal, bytes).unwrap();
}

#[test]
fn a_damaged_delivery_is_named_and_the_others_are_listed_shown_and_sent() {
    // In a body, in a head, in the first of all and the last.
    for (text, hurt) in [("body 2", 2), ("/3", 3), ("crl1", 0), ("body 5", 5)] {
        let (home, ids) = filled();
        flip(home.path(), text);
        let app = App::up();
        let args = ["resend", "--filter", "method:post", "--to", &app.url()];
        let look = |args: &[&str]| run(home.path(), args, b"");
        let listed = look(&["list", "--json"]);
        assert_eq!(
            (listed.code, listed.out.lines().count()),
            (3, 5),
            "{text}: {listed:?}"
        );
        assert!(listed.err.contains(&ids[hurt]), "{text}: {listed:?}");
        let plain = look(&["list"]);
        assert!(
            plain.code == 3 && plain.err.contains(&ids[hurt]),
            "{plain:?}"
        );
        for (at, id) in ids.iter().enumerate() {
            let shown = look(&["show", id]);
            assert_eq!(shown.code == 3, at == hurt, "{text}: {shown:?}");
        }
        let sent = look(&args);
        assert_eq!((sent.code, app.seen().len()), (3, 5), "{text}: {sent:?}");
        assert!(sent.err.contains(&ids[hurt]), "{text}: {sent:?}");
        // What receives names it too.
        let creel = Creel::serve_in(home, &[]);
        until("the damage to be found", || {
            let listed = creel.run(&["list"]);
            (listed.code == 3 && listed.err.contains(&ids[hurt])).then_some(())
        });
        assert_eq!(creel.post("/new", "", b"new"), 200);
        let newest = creel.run(&["list", "--json", "path:/new"]);
        assert_eq!(newest.lines()[0]["path"], json!("/new"));
    }
}
