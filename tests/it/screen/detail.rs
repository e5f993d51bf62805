//! The delivery on the right is always the one marked in the list.

use creel::engine::command::{Detail, Which};
use creel::tui::effect::Effect;

use super::world::{World, forged, valid};

const SIZES: [(u16, u16); 3] = [(120, 40), (80, 24), (50, 14)];

/// A delivery whose event, body, header and signature name its number.
fn named(seq: u64) -> Detail {
    let mut detail = if seq.is_multiple_of(2) {
        forged(seq)
    } else {
        valid(seq)
    };
    let name = name(seq);
    detail.summary.event = Some(name.clone());
    detail.delivery.request.body = format!(r#"{{"is":"{name}"}}"#).into();
    detail.delivery.request.headers.push("x-is", name.clone());
    detail.verification.received = vec![name.clone()];
    for finding in &mut detail.verification.findings {
        finding.message = format!("The finding of {name}.");
    }
    detail
}

fn name(seq: u64) -> String {
    format!("nr{seq}nr")
}

/// Says which deliveries the screen names, below the list.
fn shown(world: &World) -> Vec<u64> {
    let picture = world.picture();
    let areas = world.app.areas();
    let (Some(area), false) = (areas.detail, areas.note.height > 0) else {
        let note = picture.lines().nth(usize::from(areas.note.y)).unwrap_or("");
        return (1..=40).filter(|seq| note.contains(&name(*seq))).collect();
    };
    let content = area.outer;
    let lines = picture.lines().skip(usize::from(content.y));
    let text: Vec<String> = lines
        .take(usize::from(content.height))
        .map(|line| line.chars().skip(usize::from(content.x)).collect())
        .collect();
    let text = text.join("\n");
    (1..=40).filter(|seq| text.contains(&name(*seq))).collect()
}

#[test]
fn no_other_delivery_is_shown_while_one_is_read() {
    for size in SIZES {
        for tab in ["1", "2", "3", "4", "5"] {
            let mut world = World::open(size, (1..=30).map(named).collect());
            world.keys(tab).keys("<esc><esc>");
            world.slow = true;
            for keys in ["j", "jjj", "k", "G", "g", "5j", "/sig:ok<enter>"] {
                world.keys(keys);
                let selected = world.selected().unwrap();
                let only = |world: &World, when: &str| {
                    for seq in shown(world) {
                        assert_eq!(seq, selected, "{size:?} {tab} {keys}, {when}");
                    }
                };
                only(&world, "before it is read");
                world.give();
                only(&world, "after an older one was read");
                world.give();
                only(&world, "read");
                let read = world.app.detail.shown.as_ref().map(|shown| shown.seq());
                assert_eq!(read, Some(selected));
            }
        }
    }
}

#[test]
fn a_flood_that_is_followed_shows_the_marked_row() {
    for size in SIZES {
        for tab in ["", "3<esc>F", "4<esc>F"] {
            let mut world = World::open(size, (1..=3).map(named).collect());
            world.keys(tab);
            world.slow = true;
            for _ in 0..20 {
                world.arrive(named);
                world.arrive(named);
                let newest = world.deliveries.len() as u64;
                assert_eq!(world.selected(), Some(newest), "{size:?} {tab}");
                assert!(shown(&world).iter().all(|seq| *seq == newest), "{size:?}");
                // One that is no longer selected.
                world.give();
                assert!(shown(&world).iter().all(|seq| *seq == newest), "{size:?}");
            }
        }
    }
}

#[test]
fn the_facts_of_the_row_stay_where_they_are_once_it_is_read() {
    let facts = ["Received", "From", "Request", "Body", "Answered"];
    for size in SIZES {
        let mut world = World::open(size, vec![valid(1), valid(2)]);
        world.slow = true;
        world.keys("j1");
        let places = |world: &World| {
            let picture = world.picture();
            let lines: Vec<String> = picture.lines().map(str::to_owned).collect();
            facts.map(|fact| lines.iter().position(|line| line.contains(fact)))
        };
        let before = places(&world);
        assert!(before.iter().any(Option::is_some), "{}", world.picture());
        world.give();
        assert_eq!(places(&world), before, "{}", world.picture());
    }
}

#[test]
fn keys_concern_the_selected_delivery_while_it_is_read() {
    let id = |world: &World| {
        let seq = world.selected().unwrap() as usize;
        world.deliveries[seq - 1].delivery.id.to_string()
    };
    let open = || {
        let mut world = World::open((120, 40), (1..=9).map(named).collect())
            .with_target("http://localhost:3000/hooks");
        world.slow = true;
        world.keys("jj");
        world
    };
    // Nothing of another delivery is copied.
    for letter in ["b", "h", "c", "i", "s", "p"] {
        let mut world = open();
        world.keys("y").keys(letter);
        assert_eq!(world.took(), [], "{letter}");
        assert!(
            world.toast().contains("Nothing to copy"),
            "{}",
            world.toast()
        );
    }
    let mut world = open();
    world.keys("r");
    let wanted = id(&world);
    match &world.took()[..] {
        [Effect::Resend(order)] => assert_eq!(order.which, Which::Ids(vec![wanted])),
        other => panic!("{other:?}"),
    }
    // The editor waits for the delivery.
    let mut world = open();
    world.keys("e");
    assert_eq!(world.took(), []);
    world.give();
    world.give();
    match &world.took()[..] {
        [Effect::Edit(text)] => {
            let text = String::from_utf8_lossy(text);
            assert!(text.contains(&name(7)), "{text}");
        }
        other => panic!("{other:?}"),
    }
    // A search counts nothing of the delivery before.
    let mut world = open();
    world.keys("<enter>3/nr");
    assert!(!world.picture().contains("1/2"), "{}", world.picture());
    world.give();
    world.give();
    assert!(world.picture().contains("1/2"), "{}", world.picture());
}
