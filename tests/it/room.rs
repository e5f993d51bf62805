//! What is kept takes no more room than it may, and what must stay is never
//! removed for it.

use std::path::{Path, PathBuf};

use crate::support::app::{App, ok, until};
use crate::support::creel::Creel;

const LIMIT: u64 = 2_000_000;

/// How large a segment of the journal gets under that limit.
const SEGMENT: u64 = 256 << 10;

static BODY: [u8; 30_000] = [b'x'; 30_000];

/// Starts creel with that limit.
fn serve(target: Option<&str>) -> Creel {
    let home = tempfile::tempdir().unwrap();
    let target = target.map_or_else(String::new, |url| format!("target = \"{url}\"\n"));
    let config = format!("{target}keep = {{ bytes = \"2MB\" }}\n");
    std::fs::write(home.path().join("creel.toml"), config).unwrap();
    Creel::serve_in(home, &[])
}

fn data(creel: &Creel) -> PathBuf {
    creel.home.path().join("data")
}

fn size(folder: &Path) -> u64 {
    let mut size = 0;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        // What is deleted in this moment takes nothing.
        if let Ok(metadata) = entry.metadata() {
            size += if metadata.is_dir() {
                self::size(&entry.path())
            } else {
                metadata.len()
            };
        }
    }
    size
}

/// Sends deliveries until one is refused for want of room.
fn fill(creel: &Creel) -> u64 {
    for sent in 0..200 {
        match creel.post(&format!("/{sent}"), "", &BODY) {
            200 => {}
            503 => return sent,
            other => panic!("{other}"),
        }
    }
    panic!("nothing was refused");
}

fn listed(creel: &Creel, filter: &str) -> usize {
    creel.run(&["list", "--json", filter]).lines().len()
}

/// Waits until deliveries are taken again.
fn taken_again(creel: &Creel) {
    until("room", || {
        (creel.post("/later", "", &BODY) == 200).then_some(())
    });
}

#[test]
fn a_flood_never_takes_more_than_the_limit_and_a_segment() {
    let creel = serve(None);
    let folder = data(&creel);
    let mut largest = 0;
    for sent in 0..400 {
        let status = creel.post("/flood", "", &BODY);
        assert_eq!(status, 200, "delivery {sent}");
        largest = largest.max(size(&folder));
    }
    assert!(largest <= LIMIT + SEGMENT, "{largest}");
    let left = listed(&creel, "");
    assert!(
        left as u64 * 30_000 > LIMIT / 3,
        "{left} deliveries are left"
    );
}

#[test]
fn where_waiting_deliveries_fill_the_room_senders_are_told_until_the_app_is_back() {
    let mut app = App::down(|_| ok());
    let creel = serve(Some(&app.url()));
    let taken = fill(&creel) as usize;
    assert_eq!(listed(&creel, "app:waiting"), taken);
    let raw =
        creel.raw(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert!(
        raw.starts_with("HTTP/1.1 503") && raw.contains("retry-after: 5"),
        "{raw}"
    );
    assert!(size(&data(&creel)) <= LIMIT + SEGMENT);
    // Reading goes on.
    assert_eq!(creel.run(&["show", "@latest"]).code, 0);
    app.start();
    assert_eq!(app.targets(taken).len(), taken);
    taken_again(&creel);
    assert!(size(&data(&creel)) <= LIMIT + SEGMENT);
}

#[test]
fn where_waiting_deliveries_fill_the_room_they_can_be_given_up() {
    let app = App::down(|_| ok());
    let creel = serve(Some(&app.url()));
    let taken = fill(&creel) as usize;
    let ran = creel.run(&["resend", "--stop", "--filter", "app:waiting", "--yes"]);
    assert!(
        ran.code == 0 && ran.err.contains(&format!("Gave up on {taken}")),
        "{ran:?}"
    );
    taken_again(&creel);
    // Only as many went as had to.
    let left = listed(&creel, "");
    assert!(
        left < taken && left * 2 > taken,
        "{left} of {taken} are left"
    );
}
