//! What waits for its app is kept until it was sent, or given up by hand.

use serde_json::json;

use crate::support::app::{App, ok, until};
use crate::support::creel::Creel;
use crate::support::index::remove_index;

/// Lists which deliveries wait, by path.
fn waiting(creel: &Creel) -> Vec<String> {
    let lines = creel.run(&["list", "--json", "app:waiting"]).lines();
    let mut paths: Vec<String> = lines
        .iter()
        .map(|line| line["path"].as_str().unwrap().to_owned())
        .collect();
    paths.sort();
    paths
}

#[test]
fn deliveries_that_wait_are_given_up_by_id_and_by_filter() {
    let mut app = App::down(|_| ok());
    let creel = Creel::serve(&["--target", &app.url()]);
    for path in ["/1", "/2", "/3", "/4"] {
        creel.post(path, "", b"");
    }
    assert_eq!(waiting(&creel), ["/1", "/2", "/3", "/4"]);
    let ran = creel.run(&["resend", "@latest", "--stop"]);
    assert_eq!((ran.code, waiting(&creel).len()), (0, 3), "{ran:?}");
    let again = creel.run(&["resend", "@latest", "--stop"]);
    assert!(again.err.contains("does not wait for its app"), "{again:?}");
    let which = ["resend", "--stop", "--filter", "path:/2 or path:/3"];
    let unasked = creel.run(&which);
    assert_eq!((unasked.code, waiting(&creel).len()), (2, 3), "{unasked:?}");
    let ran = creel.run(&[&which[..], &["--yes"]].concat());
    assert!(ran.code == 0 && ran.err.contains("Gave up on 2"), "{ran:?}");
    assert_eq!(waiting(&creel), ["/1"]);
    app.start();
    until("the rest to be sent", || {
        waiting(&creel).is_empty().then_some(())
    });
    creel.post("/5", "", b"");
    // What was given up is not sent, also not after what came later.
    assert_eq!(app.targets(2), ["/1", "/5"]);
    assert_eq!(creel.list()[1]["answer"]["by"], json!("creel"));
}

#[test]
fn what_was_given_up_stays_so_after_a_restart_and_in_a_new_index() {
    let mut app = App::down(|_| ok());
    let mut creel = Creel::serve(&["--target", &app.url()]);
    creel.post("/1", "", b"");
    creel.post("/2", "", b"");
    let ran = creel.run(&["resend", "@latest", "--stop"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for lost in [false, true] {
        creel.signal("-TERM");
        let home = creel.home();
        if lost {
            remove_index(&home.path().join("data"));
        }
        creel = Creel::serve_in(home, &["--target", &app.url()]);
        assert_eq!(waiting(&creel), ["/1"]);
    }
    app.start();
    assert_eq!(app.targets(1), ["/1"]);
}
