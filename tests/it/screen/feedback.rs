//! Feedback: every key says what it did or why it did nothing, and the screen
//! claims nothing that did not happen.

use creel::domain::delivery::Responder;
use creel::engine::command::Job;
use creel::tui::effect::Effect;
use creel::tui::msg::Msg;
use creel::tui::overlay::Overlay;

use super::pictures::text;
use super::world::{World, forged, many, unknown, valid};

const TARGET: &str = "http://localhost:3000/hooks";

fn world() -> World {
    World::open((120, 40), many(5)).with_target(TARGET)
}

/// Returns the cell under APP of the row at the cursor.
fn app_cell(world: &World) -> String {
    let text = text(world);
    let row = text.lines().find(|line| line.contains('▶')).unwrap();
    let row = row.split('┃').nth(1).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    cells[cells.len() - 2].to_owned()
}

#[test]
fn a_delivery_that_never_reached_its_app_does_not_show_creel_s_response() {
    let mut world = World::open((120, 40), vec![valid(1)]).with_target(TARGET);
    assert_eq!(app_cell(&world), "none");
    assert!(text(&world).contains("not sent to localhost:3000; r sends it"));
    world.keys("/app:none<enter>");
    assert_eq!(world.selected(), Some(1), "the filter uses another word");
    // Without an app the response of creel is what there is to see.
    let world = World::open((120, 40), vec![valid(1)]);
    assert_eq!(app_cell(&world), "200");
    assert!(!text(&world).contains("not sent to"));
    // The sender of this one got an error, which should be seen.
    let mut failed = valid(1);
    failed.summary.answer.status = 500;
    failed.delivery.answer.status = 500;
    let world = World::open((120, 40), vec![failed]).with_target(TARGET);
    assert_eq!(app_cell(&world), "500");
    let mut waits = valid(1);
    waits.summary.answer.by = Responder::CreelTargetDown;
    waits.delivery.answer.by = Responder::CreelTargetDown;
    let world = World::open((120, 40), vec![waits]).with_target(TARGET);
    assert_eq!(app_cell(&world), "wait");
    assert!(!text(&world).contains("not sent to"));
}

#[test]
fn a_key_that_does_nothing_here_says_where_it_works() {
    let mut world = world();
    let cases = [
        ("c", "c does nothing here; ? shows the keys"),
        (
            "p",
            "p (as received) works in the delivery: press Enter first",
        ),
        ("U", "Nothing is selected"),
        (
            "<tab> ",
            "Space (select) works in the list: press Tab first",
        ),
    ];
    for (keys, said) in cases {
        world.keys(keys);
        assert_eq!(world.toast(), said, "{keys}");
        assert!(world.took().is_empty() && world.app.overlay.is_none());
    }
    world.keys("<tab> U");
    assert!(world.app.list.chosen.is_empty() && world.app.toast.is_none());
}

#[test]
fn going_up_from_the_newest_still_follows() {
    for keys in ["g", "k", "<Ctrl-U>"] {
        let mut world = world();
        world.keys(keys);
        world.arrive(valid);
        assert_eq!(world.selected(), Some(6), "{keys}");
    }
    let mut world = world();
    world.keys("jg");
    world.arrive(valid);
    assert_eq!(world.selected(), Some(5), "moving away ends following");
}

#[test]
fn a_new_search_starts_empty_and_leaves_the_last_one_until_then() {
    let mut world = World::open((120, 40), vec![valid(1)]);
    world.keys("3<enter>/amount<enter>/");
    assert!(text(&world).contains("search:"));
    let searched = |world: &World| {
        let search = world.app.detail.body.search.as_ref();
        search.map(|search| search.text.clone())
    };
    assert_eq!(searched(&world).as_deref(), Some("amount"));
    world.keys("big");
    assert_eq!(searched(&world).as_deref(), Some("big"));
    world.keys("<esc>");
    assert_eq!(searched(&world).as_deref(), Some("amount"));
    world.keys("/nowhere<enter>");
    assert!(text(&world).contains("no match for \"nowhere\""));
    // A filter is refined, so it is there to be edited.
    world.keys("<esc><esc>/sig:ok<enter>/ amount");
    assert_eq!(world.app.list.filter(), "sig:ok amount");
}

#[test]
fn a_filter_without_a_match_says_that_bodies_are_not_searched() {
    let mut world = world();
    world.keys("/amount");
    assert!(text(&world).contains("does not look into bodies"));
    world.keys("<esc>/sig:nonsense");
    assert!(!text(&world).contains("does not look into bodies"));
}

#[test]
fn nothing_is_called_a_proof_where_nothing_could_be_verified() {
    for (delivery, word) in [
        (valid(1), "press 4 for proof"),
        (forged(1), "press 4 for proof"),
        (unknown(1), "press 4 for details"),
    ] {
        let world = World::open((120, 40), vec![delivery]);
        assert!(text(&world).contains(word), "{word}");
    }
    let mut world = World::open((120, 40), vec![unknown(1)]);
    world.keys("4");
    assert!(!text(&world).contains("does not sign a timestamp"));
}

#[test]
fn stopping_is_confirmed_and_hides_no_report() {
    let mut world = world();
    world.app.jobs = vec![Job {
        id: 7,
        total: 1,
        ..Job::default()
    }];
    world.keys("X");
    assert_eq!(world.took(), [Effect::Stop(7)]);
    world.tell(Msg::Stopped(Ok(())));
    assert_eq!(world.toast(), "Stopped sending");
    world.keys("F");
    let before = world.toast().to_owned();
    world.tell(Msg::Stopped(Ok(())));
    assert_eq!(world.toast(), before);
}

#[test]
fn the_palette_finds_sending_by_the_word_retries() {
    let mut world = world();
    world.keys(":retries<enter>");
    assert!(matches!(world.app.overlay, Some(Overlay::Resend(_))));
}
