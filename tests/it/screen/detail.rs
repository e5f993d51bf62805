//! The delivery on the right is always the one marked in the list.

use creel::engine::command::{Detail, Selection};
use creel::tui::effect::Effect;
use creel::tui::msg::Msg;
use creel::tui::pane::detail::Shown;

use super::world::{World, chords, forged, scheduled, tried, valid};

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
                let read = world.app.detail.shown.as_ref().map(Shown::seq);
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
        [Effect::Resend(order)] => assert_eq!(order.which, Selection::Ids(vec![wanted])),
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

#[test]
fn a_provider_says_what_is_stated_of_it() {
    let note = |text: &str| Some(text.to_owned());
    let steps = vec![60, 300];
    let cases = [
        (vec![], None, None, "Its retries are not stated."),
        (vec![], None, note("up to 3 days"), "Retries: up to 3 days."),
        (
            vec![],
            Some(1),
            note("none by itself"),
            "It does not retry (none by itself).",
        ),
        (
            vec![],
            Some(6),
            note("over 2 h"),
            "It makes 6 attempts (over 2 h).",
        ),
        (
            steps,
            Some(3),
            None,
            "It makes 3 attempts, after 1 min, 5 min.",
        ),
    ];
    for (retry_seconds, attempts, retry_note, text) in cases {
        let mut detail = valid(1);
        let facts = detail.provider.as_mut().unwrap();
        (facts.retry_seconds, facts.attempts) = (retry_seconds, attempts);
        facts.retry_note = retry_note;
        facts.answer_note = note("200 is expected");
        let mut world = World::open((160, 40), vec![detail]);
        world.keys("<enter>4G");
        let picture = world.picture();
        assert!(picture.contains(text), "{text}: {picture}");
        assert!(picture.contains("Answer: 200 is expected."), "{picture}");
    }
}

/// Returns the rows of the delivery's content.
fn content(world: &World) -> Vec<String> {
    let area = world.app.areas().content();
    let picture = world.picture();
    let rows = picture.lines().skip(usize::from(area.y));
    let row = |line: &str| {
        let line: String = line.trim_matches('"').to_owned();
        let row = line.chars().skip(usize::from(area.x));
        row.take(usize::from(area.width)).collect()
    };
    rows.take(usize::from(area.height)).map(row).collect()
}

fn with_body(content_type: &str, body: &[u8]) -> Detail {
    let mut detail = valid(1);
    detail.delivery.request.body = body.to_vec().into();
    let headers = &mut detail.delivery.request.headers;
    headers.set("content-type", content_type);
    detail
}

#[test]
fn the_last_line_of_a_body_ends_at_the_bottom() {
    let long = "word ".repeat(90);
    let lines: Vec<String> = (0..60).map(|at| format!("line {at} {long}\n")).collect();
    let lines = lines.concat();
    let broken = format!("{{\n{lines}");
    let wrong = [lines.as_bytes(), b"\xff\n"].concat();
    let bodies: [(&str, Vec<u8>); 4] = [
        ("text/plain", lines.clone().into_bytes()),
        ("application/json", broken.into_bytes()),
        ("text/plain", wrong),
        ("application/octet-stream", b"\0\xff\n".repeat(1_500)),
    ];
    for (content_type, mut body) in bodies {
        body.extend(b"THE END");
        for size in [(120, 40), (80, 24), (60, 17), (50, 14), (30, 9)] {
            for keys in ["", "x", "p", "w", "wx"] {
                let mut world = World::open(size, vec![with_body(content_type, &body)]);
                world.keys("<enter>3").keys(keys).keys("G");
                world.app.toast = None;
                let told = |rows: &[String]| format!("{content_type} {size:?} {keys} {rows:#?}");
                let end = |rows: &[String]| {
                    let last = rows.last().unwrap();
                    assert!(
                        last.contains("END") || last.contains("D "),
                        "{}",
                        told(rows)
                    );
                };
                let rows = content(&world);
                end(&rows);
                world.keys("j");
                assert_eq!(content(&world), rows, "{}", told(&rows));
                world.keys("k");
                assert_ne!(
                    content(&world),
                    rows,
                    "one step is one row: {}",
                    told(&rows)
                );
                // Wrapping and another size leave no room below the end either.
                let wrap = Msg::Key(chords("w")[0].event());
                let larger = Msg::Resize(size.0 + 40, size.1 + 3);
                for change in [wrap.clone(), wrap, larger, Msg::Resize(size.0, size.1)] {
                    world.tell(change);
                    world.app.toast = None;
                    let last = content(&world).pop().unwrap();
                    assert!(!last.trim().is_empty(), "{}", told(&content(&world)));
                    world.keys("G");
                    end(&content(&world));
                }
            }
        }
    }
}

#[test]
fn every_tab_ends_where_it_ends() {
    for make in [forged, tried, scheduled] {
        for size in [(120, 20), (80, 24), (60, 17), (40, 10)] {
            for tab in ["1", "2", "4", "5"] {
                let mut world = World::open(size, vec![make(1)]);
                world.keys("<enter>").keys(tab).keys("G");
                let rows = content(&world);
                world.keys("<PgDn>G");
                assert_eq!(content(&world), rows, "{size:?} {tab}");
                // After the screen grew, the first step up is seen.
                world.tell(Msg::Resize(size.0, size.1 + 4));
                let larger = content(&world);
                world.keys("<PgUp>");
                let above = content(&world);
                world.keys("g");
                let is_whole = content(&world) == larger;
                assert!(is_whole || above != larger, "{size:?} {tab}");
            }
        }
    }
}

#[test]
fn hex_and_text_take_turns_whatever_the_body_is() {
    let bodies: [&[u8]; 3] = [
        br#"{"a": "text"}"#,
        b"{\"a\": \"t\xffxt\"}",
        b"\x00\x01\xff\xfe\x02",
    ];
    for body in bodies {
        let mut world = World::open((120, 40), vec![with_body("application/json", body)]);
        world.keys("<enter>3");
        let is_hex = |world: &World| {
            let hex = content(world).iter().any(|row| row.contains("00000000"));
            let hint = world.picture().contains("x text");
            assert_eq!(hex, hint, "{}", world.picture());
            hex
        };
        let first = is_hex(&world);
        world.keys("x");
        assert_eq!(is_hex(&world), !first);
        world.keys("x");
        assert_eq!(is_hex(&world), first);
    }
}

#[test]
fn a_search_counts_and_reaches_more_than_ten_thousand_places() {
    let body = "needle in hay\n".repeat(12_345);
    let mut world = World::open((120, 40), vec![with_body("text/plain", body.as_bytes())]);
    world.keys("<enter>3/needle");
    assert!(world.picture().contains("1/12,345"), "{}", world.picture());
    world.keys("<enter>N");
    assert!(
        world.picture().contains("match 12,345/12,345"),
        "{}",
        world.picture()
    );
    let last = content(&world);
    assert!(last.iter().any(|row| row.contains("needle")), "{last:#?}");
    world.keys("n");
    assert!(
        world.picture().contains("match 1/12,345"),
        "{}",
        world.picture()
    );
}
