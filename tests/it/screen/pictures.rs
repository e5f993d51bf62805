//! Pictures of screens: the text, and below it a letter for every style.

use std::fmt::Write as _;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr as _;

use creel::domain::attempt::EditedParts;
use creel::domain::timestamp::Timestamp;
use creel::engine::command::Event;
use creel::tui::effect::Effect;
use creel::tui::msg::Msg;
use creel::tui::view::view;

use super::world::{
    World, ascii_look, binary, forged, hostile, many, plain_look, retried, scheduled, tried,
    unknown, valid,
};

const SIZES: [(u16, u16); 5] = [(120, 40), (80, 24), (60, 16), (44, 10), (20, 5)];

pub(super) fn check(name: &str, world: &World) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, picture(world)));
}

fn draw(world: &World) -> Buffer {
    let size = world.app.size;
    let mut terminal = Terminal::new(TestBackend::new(size.width, size.height)).unwrap();
    terminal
        .draw(|frame| view(&world.app, &world.app.areas(), frame))
        .unwrap();
    terminal.backend().buffer().clone()
}

/// Returns the text of the screen.
pub(super) fn text(world: &World) -> String {
    let picture = picture(world);
    picture.split("\n\n").next().unwrap_or_default().to_owned()
}

pub(super) fn picture(world: &World) -> String {
    let buffer = draw(world);
    let mut styles: Vec<Style> = vec![ratatui::buffer::Cell::default().style()];
    let (mut text, mut grid) = (String::new(), String::new());
    for y in 0..buffer.area.height {
        let mut x = 0;
        while x < buffer.area.width {
            let cell = &buffer[(x, y)];
            let style = cell.style();
            let at = styles.iter().position(|s| *s == style).unwrap_or_else(|| {
                styles.push(style);
                styles.len() - 1
            });
            let letter = char::from(if at == 0 { b'.' } else { b'a' + (at as u8 - 1) });
            text.push_str(cell.symbol());
            let width = cell.symbol().width().max(1) as u16;
            (0..width).for_each(|_| grid.push(letter));
            x += width;
        }
        text.push('\n');
        grid.push('\n');
    }
    let mut legend = String::new();
    for (at, style) in styles.iter().enumerate().skip(1) {
        let letter = char::from(b'a' + (at as u8 - 1));
        let colour = style.fg.map_or_else(String::new, |c| c.to_string());
        let _ = writeln!(legend, "{letter} = {colour} {:?}", style.add_modifier);
    }
    format!("{text}\n{grid}\n{legend}")
}

pub(super) fn name_of(what: &str, (width, height): (u16, u16)) -> String {
    format!("{what}_{width}x{height}")
}

#[test]
fn empty() {
    for size in SIZES {
        check(&name_of("empty", size), &World::open(size, Vec::new()));
    }
}

#[test]
fn one() {
    for size in SIZES {
        check(&name_of("one", size), &World::open(size, vec![forged(1)]));
    }
}

#[test]
fn many_and_a_filter() {
    for size in SIZES {
        let mut world = World::open(size, many(40)).with_target("http://localhost:3000/hooks");
        world.keys("jj j m");
        world.tell(Msg::Engine(Event::Missed));
        check(&name_of("many", size), &world);
    }
    let mut world = World::open((120, 40), many(40));
    world.keys("/sig:problem or app:5xx");
    check("filter_typed", &world);
    world.keys("<enter>");
    check("filter_set", &world);
    world.keys("/ nothing<enter>");
    check("filter_without_match", &world);
}

#[test]
fn certificates_that_prove_nothing_are_told_in_every_look() {
    for (name, look) in [
        ("insecure", super::world::look()),
        ("insecure_ascii", ascii_look()),
        ("insecure_plain", plain_look()),
    ] {
        for size in [(120, 40), (80, 24), (44, 10), (20, 5)] {
            let mut world = World::open_with(size, many(3), look);
            world.info.options.insecure = true;
            world.tell(Msg::Engine(Event::Missed));
            world.tell(Msg::Tick(Timestamp(super::world::NOW.0 + 2_000_000)));
            let shown = picture(&world);
            let first = shown.lines().next().unwrap_or_default();
            assert!(first.contains("INSECURE TLS"), "{name} {size:?}: {first}");
            if size == (80, 24) {
                check(&name_of(name, size), &world);
            }
        }
    }
}

#[test]
fn new_rows_above() {
    let mut world = World::open((80, 24), many(40));
    world.keys("jjj");
    world.arrive(forged);
    world.arrive(retried);
    check("new_rows_above", &world);
}

#[test]
fn tabs() {
    for (tab, key) in [
        ("headers", "2"),
        ("body", "3"),
        ("signature", "4"),
        ("tries", "5"),
    ] {
        for size in [(120, 40), (80, 24), (44, 10)] {
            let delivery = if tab == "tries" { tried(1) } else { forged(1) };
            let mut world = World::open(size, vec![delivery]);
            world.keys(&format!("<enter>{key}"));
            check(&name_of(tab, size), &world);
        }
    }
    let mut world = World::open((120, 40), vec![forged(1)]);
    world.keys("<enter>4z");
    check("signature_zoomed", &world);
    let mut world = World::open((120, 40), vec![tried(1)]);
    world.keys("<enter>5zk");
    check("tries_zoomed_second", &world);
    for (size, name) in [((120, 40), "schedule_120x40"), ((80, 24), "schedule_80x24")] {
        let mut world = World::open(size, vec![scheduled(1)]);
        world.keys("<enter>5");
        check(name, &world);
    }
    let mut world = World::open((80, 24), many(10));
    world.keys("  R<tab><tab><tab><tab>10/s");
    check("resend_form_several", &world);
    let mut world = World::open((44, 10), many(10));
    world.keys("  R<tab><tab><tab><tab>10/s<tab><tab>");
    check("resend_form_several_44x10", &world);
}

#[test]
fn bodies() {
    let mut world = World::open((120, 40), vec![binary(1)]);
    world.keys("<enter>3");
    check("body_binary", &world);
    let mut world = World::open((120, 40), vec![forged(1)]);
    world.keys("<enter>x/4200<enter>");
    check("body_hex_searched", &world);
    world.keys("x");
    check("body_searched", &world);
    world.keys("p");
    check("body_as_received", &world);
}

#[test]
fn overview_of_a_retry_and_of_a_stranger() {
    check(
        "overview_retried",
        &World::open((120, 40), vec![retried(5)]),
    );
    check(
        "overview_unknown",
        &World::open((120, 40), vec![unknown(1)]),
    );
    check("overview_tried", &World::open((120, 40), vec![tried(1)]));
}

#[test]
fn overlays() {
    for size in [(120, 40), (80, 24), (44, 10)] {
        let mut world = World::open(size, many(10)).with_target("http://localhost:3000/hooks");
        world.keys("?");
        check(&name_of("help", size), &world);
        world.keys("copy");
        check(&name_of("help_searched", size), &world);
        world.keys("<esc>:resend");
        check(&name_of("palette", size), &world);
        world.keys("<esc>jjjR");
        check(&name_of("resend_form", size), &world);
        world.keys("<tab> ");
        check(&name_of("resend_form_signed", size), &world);
        world.keys("<esc>y");
        check(&name_of("copy", size), &world);
    }
    let mut world = World::open((80, 24), many(10)).with_target("https://hooks.example.test/");
    world.keys("r");
    world.located(&[("hooks.example.test", "93.184.216.34")]);
    check("confirm", &world);
}

#[test]
fn hostile_text() {
    for (tab, key) in [
        ("overview", "1"),
        ("headers", "2"),
        ("body", "3"),
        ("signature", "4"),
        ("tries", "5"),
    ] {
        let mut world = World::open((120, 40), vec![hostile(1)]);
        world.keys(&format!("<enter>{key}"));
        check(&format!("hostile_{tab}"), &world);
    }
    check("hostile_44x10", &World::open((44, 10), vec![hostile(1)]));
}

#[test]
fn troubles() {
    let mut world = World::open((120, 40), many(3));
    world.tell(Msg::Engine(Event::Trouble(Some(
        "the disk is full; senders are told to come back".into(),
    ))));
    world.tell(Msg::Panicked("index out of bounds (src/x.rs:1)".into()));
    check("trouble", &world);
    let mut world = World::open((80, 24), many(3));
    world.deliveries.retain(|d| d.delivery.seq != 2);
    world.keys("j");
    check("cannot_show", &world);
}

#[test]
fn without_colour_and_without_unicode() {
    let deliveries = || vec![retried(5), tried(6), hostile(7), forged(8)];
    let world = World::open_with((120, 40), deliveries(), plain_look());
    for cell in draw(&world).content() {
        assert!(cell.fg == ratatui::style::Color::Reset, "{cell:?}");
    }
    check("no_colour", &world);
    for keys in [
        "",
        "<enter>z",
        "<enter>2",
        "<enter>3",
        "<enter>4z",
        "j<enter>4z",
        "jj<enter>5z",
        "?",
        ":",
        "R<tab> ",
        "y",
        "/x",
        "v",
    ] {
        let mut world = World::open_with((120, 40), deliveries(), ascii_look());
        world.keys(keys);
        for cell in draw(&world).content() {
            assert!(cell.symbol().is_ascii(), "{keys}: {cell:?}");
        }
    }
    let mut world = World::open_with((120, 40), deliveries(), ascii_look());
    check("ascii", &world);
    world.keys("<enter>4z");
    check("ascii_signature", &world);
    let world = World::open_with((44, 10), Vec::new(), ascii_look());
    check("ascii_44x10", &world);
}

/// No cell of any screen holds what could command a terminal or hide.
#[test]
fn hostile_text_never_reaches_a_cell() {
    for keys in [
        "",
        "<enter>",
        "<enter>2",
        "<enter>3",
        "<enter>3p",
        "<enter>3x",
        "<enter>4z",
        "<enter>5z",
        "R",
        "<enter>/\u{65e5}<enter>",
    ] {
        let mut world = World::open((120, 40), vec![hostile(1)]);
        world.info.target = Some("http://x.test/\u{202e}".into());
        world.keys(keys);
        for cell in draw(&world).content() {
            let hidden = |c: char| c.is_control() || creel::domain::text::is_hidden(c);
            assert!(!cell.symbol().chars().any(hidden), "{keys}: {cell:?}");
        }
    }
}

#[test]
fn edited() {
    for size in [(120, 40), (80, 24), (44, 10)] {
        let mut world =
            World::open(size, vec![valid(1)]).with_target("http://localhost:3000/hooks");
        world.keys("e");
        let effects = world.took();
        let [Effect::Edit(text)] = &effects[..] else {
            panic!("no editor: {effects:?}");
        };
        let text = String::from_utf8_lossy(text);
        let text = text
            .replace("4200.00", "4300.00,")
            .replace("\nPOST ", "\nPUT ");
        world.tell(Msg::Edited(Ok(text.into_bytes())));
        check(&name_of("resend_form_edited", size), &world);
    }
    let mut detail = tried(1);
    let body = &detail.delivery.request.body;
    let body = String::from_utf8_lossy(body).replace("4200.00", "4300.00");
    detail.attempts[2].edited = Some(EditedParts {
        method: "PUT".into(),
        body: body.into(),
    });
    let mut world = World::open((120, 40), vec![detail]);
    world.keys("5z");
    check("tries_edited", &world);
}

/// Whatever a stranger sent, neither the form nor the editor's text commands
/// a terminal.
#[test]
fn nothing_hostile_is_edited_or_shown_before_it_is_sent() {
    let mut world = World::open((120, 40), vec![hostile(1)]).with_target("http://localhost:3000");
    let harmless = |text: &str| {
        let bad = |c: char| c != '\n' && c.is_control() || c == '\u{202e}';
        assert!(!text.contains(bad), "{text:?}");
    };
    world.keys("R<tab> ");
    harmless(&world.picture());
    world.keys("e");
    let effects = world.took();
    let [Effect::Edit(text)] = &effects[..] else {
        panic!("no editor: {effects:?}");
    };
    harmless(std::str::from_utf8(text).unwrap());
    let mut text = text.clone();
    text.extend_from_slice(b"{\"new\":\"\x1b[2J\xe2\x80\xae\"}");
    world.tell(Msg::Edited(Ok(text)));
    harmless(&world.picture());
}
