//! What keys do: state and effects, no pictures.

use crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyEventState, KeyModifiers, MouseButton, MouseEvent,
    MouseEventKind,
};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use creel::domain::address::ResolvedHost;
use creel::domain::attempt::Signing;
use creel::domain::attempt_verdict::AttemptVerdict;
use creel::domain::body::ViewMode;
use creel::domain::delivery::Responder;
use creel::domain::failure::{Failure, Remedy};
use creel::domain::timestamp::Timestamp;
use creel::domain::trusted_time::ClockDoubt;
use creel::engine::command::{
    Event, Job, MarkRequest, ResendRequest, ResendSupport, RetryOptions, Selection, SendResult,
};
use creel::tui::app::{Focus, ToastKind};
use creel::tui::effect::Effect;
use creel::tui::layout::layout;
use creel::tui::msg::Msg;
use creel::tui::overlay::Overlay;
use creel::tui::overlay::resend::{Choice, Tries};
use creel::tui::pane::detail::Tab;
use creel::tui::view::view;

use super::world::{NOW, World, binary, chords, forged, hostile, many, tried, unknown, valid};

const SIZE: (u16, u16) = (120, 40);

fn world(count: u64) -> World {
    World::open(SIZE, many(count)).with_target("http://localhost:3000/hooks")
}

#[test]
fn moves_and_resends() {
    let mut world = world(20);
    assert_eq!(world.selected(), Some(20));
    world.keys("jjr");
    assert_eq!(world.selected(), Some(18));
    let id = world.deliveries[17].delivery.id.to_string();
    assert_eq!(
        world.took(),
        [Effect::Resend(ResendRequest {
            which: Selection::Ids(vec![id]),
            ..ResendRequest::default()
        })]
    );
    assert!(
        world.toast().contains("one delivery to localhost:3000"),
        "{}",
        world.toast()
    );
}

#[test]
fn filters_while_typing_and_resends_what_is_found() {
    let mut world = world(20);
    world.keys("/sig:ba");
    assert_eq!(world.app.list.rows.matching(), 4);
    world.keys("d<enter>r");
    assert_eq!(world.app.list.filter(), "sig:bad");
    let effects = world.took();
    assert!(
        matches!(&effects[..], [Effect::Resend(order)] if matches!(&order.which, Selection::Ids(ids) if ids.len() == 1)),
        "{effects:?}"
    );
}

#[test]
fn escape_goes_back_one_step_at_a_time() {
    let mut world = world(20);
    world.keys("/sig:bad<enter> <enter>z/a");
    assert!(matches!(world.app.overlay, Some(Overlay::Prompt(_))));
    world.keys("<esc>");
    assert!(world.app.overlay.is_none() && world.app.detail.body.search.is_none());
    world.keys("/a<enter><esc>");
    assert!(world.app.detail.body.search.is_none() && world.app.zoom);
    world.keys("<esc>");
    assert!(!world.app.zoom);
    assert_eq!(world.app.focus, Focus::Detail);
    world.keys("<esc>");
    assert_eq!(world.app.focus, Focus::List);
    assert_eq!(world.app.list.chosen.len(), 1);
    world.keys("<esc>");
    assert!(world.app.list.chosen.is_empty());
    world.keys("<esc>");
    assert_eq!(world.app.list.filter(), "");
    assert!(world.took().is_empty());
}

#[test]
fn escape_in_the_filter_brings_back_what_was_there() {
    let mut world = world(20);
    world.keys("/sig:bad<enter>/ or x<esc>");
    assert_eq!(world.app.list.filter(), "sig:bad");
}

#[test]
fn q_closes_and_at_the_top_quits() {
    let mut world = world(5);
    world.keys("<enter>zq");
    assert!(world.took().is_empty() && !world.app.zoom);
    world.keys("q");
    assert_eq!(world.took(), [Effect::Quit]);
    world.keys(":q");
    assert!(world.took().is_empty());
    world.keys("<Ctrl-C>");
    assert_eq!(world.took(), [Effect::Quit]);
}

#[test]
fn a_pasted_q_never_quits() {
    let mut world = world(5);
    world.tell(Msg::Paste("qqq\n:q!\n\u{3}".into()));
    assert!(world.took().is_empty());
    assert!(world.toast().contains("not taken as keys"));
    world.keys("/");
    world.tell(Msg::Paste("sig:bad\n".into()));
    assert_eq!(world.app.list.filter(), "sig:bad");
    assert!(world.took().is_empty());
}

#[test]
fn released_keys_and_strange_ones_do_nothing() {
    let mut world = world(5);
    let key = |kind, modifiers| {
        Msg::Key(KeyEvent {
            code: KeyCode::Char('q'),
            modifiers,
            kind,
            state: KeyEventState::NONE,
        })
    };
    world.tell(key(KeyEventKind::Release, KeyModifiers::NONE));
    world.tell(key(KeyEventKind::Press, KeyModifiers::ALT));
    assert!(world.took().is_empty());
    world.tell(key(KeyEventKind::Repeat, KeyModifiers::NONE));
    assert_eq!(world.took(), [Effect::Quit]);
}

#[test]
fn follows_at_first_and_not_after_a_look() {
    let mut world = world(3);
    world.arrive(valid);
    assert_eq!(world.selected(), Some(4));
    world.keys("3");
    world.arrive(valid);
    assert_eq!(
        (world.selected(), world.app.detail.tab),
        (Some(4), Tab::Body)
    );
    world.keys("F");
    assert_eq!(world.selected(), Some(5));
    world.arrive(valid);
    assert_eq!(world.selected(), Some(6));
}

#[test]
fn new_rows_do_not_move_what_is_looked_at() {
    let mut world = world(100);
    world.keys("jjj");
    let (selected, top) = (world.selected(), world.app.list.top);
    for _ in 0..3 {
        world.arrive(forged);
    }
    assert_eq!(world.selected(), selected);
    assert_eq!(world.app.list.top, top + 3);
    assert_eq!(world.app.list.unseen, 3);
    world.keys("g");
    assert_eq!((world.selected(), world.app.list.unseen), (Some(103), 0));
}

#[test]
fn the_list_is_where_it_was_after_a_zoom() {
    let mut world = world(100);
    world.keys("jjjjj");
    let (cursor, top) = (world.app.list.cursor, world.app.list.top);
    world.keys("<enter><enter>");
    assert!(world.app.areas().list.is_none());
    for _ in 0..3 {
        world.arrive(forged);
    }
    world.keys("<esc>");
    assert!(world.app.areas().list.is_some());
    let list = &world.app.list;
    assert_eq!((list.cursor, list.top), (cursor + 3, top + 3));
    // A window that is larger again shows no less than it could.
    world.keys("<esc>G");
    world.tell(Msg::Resize(SIZE.0, 20));
    world.tell(Msg::Resize(SIZE.0, SIZE.1));
    let list = &world.app.list;
    let height = world.app.areas().list_height();
    assert_eq!(list.top + height, list.rows.matching());
}

#[test]
fn the_key_for_help_is_not_offered_where_it_is_typed() {
    for keys in ["/", ":", "s", "R", "?"] {
        let mut world = world(5);
        world.keys(keys);
        let picture = world.picture();
        let status = picture.lines().rfind(|line| line.contains("back"));
        assert!(
            !status.is_some_and(|line| line.contains("? help")),
            "{keys}: {picture}"
        );
    }
}

#[test]
fn selects_several_and_sends_them_in_order() {
    let mut world = world(10);
    world.keys("  j ");
    assert_eq!(
        world.app.list.chosen.keys().copied().collect::<Vec<_>>(),
        [7, 9, 10]
    );
    world.keys("r");
    let effects = world.took();
    let [Effect::Resend(order)] = &effects[..] else {
        panic!("{effects:?}");
    };
    let ids: Vec<_> = [6, 8, 9]
        .map(|at: usize| world.deliveries[at].delivery.id.to_string())
        .into();
    assert_eq!(order.which, Selection::Ids(ids));
    let job = Job {
        id: 1,
        total: 3,
        ..Job::default()
    };
    let order = order.clone();
    world.tell(Msg::Begun(order, Ok(job.clone())));
    assert!(world.app.list.chosen.is_empty());
    // While a batch is being sent, leaving asks; Ctrl-C does not.
    world.keys("q");
    assert!(matches!(world.app.overlay, Some(Overlay::Confirm(_))));
    world.keys("<esc>");
    assert!(world.took().is_empty());
    world.keys("X");
    assert_eq!(world.took(), [Effect::Stop(1)]);
    let ended = Job {
        done: 2,
        well: 2,
        stopped: true,
        ended: true,
        ..job
    };
    world.tell(Msg::Engine(Event::Job(ended)));
    assert_eq!(world.toast(), "Stopped: 2 of 3 were sent");
    world.keys("q");
    assert_eq!(world.took(), [Effect::Quit]);
}

#[test]
fn asks_once_before_sending_to_another_machine() {
    let there = [("hooks.example.test", "93.184.216.34")];
    let mut world = World::open(SIZE, many(5)).with_target("https://hooks.example.test/x");
    world.keys("r");
    world.located(&there);
    let Some(Overlay::Confirm(confirm)) = &world.app.overlay else {
        panic!("it does not ask");
    };
    assert_eq!(
        confirm.what,
        "Send one delivery to hooks.example.test (93.184.216.34)?"
    );
    assert!(
        confirm.why.contains("but a public address."),
        "{}",
        confirm.why
    );
    world.keys("<esc>");
    assert!(world.took().is_empty());
    // Not agreed to: it asks again, from the form too.
    world.keys("R<enter>");
    world.located(&there);
    // The form is there again, as it was.
    world.keys("<esc>");
    assert!(matches!(world.app.overlay, Some(Overlay::Resend(_))));
    world.keys("<esc>r");
    world.located(&there);
    world.keys("<enter>");
    assert_eq!(world.begin().len(), 1);
    world.keys("jr");
    assert!(world.app.overlay.is_none());
    assert_eq!(world.begin().len(), 1);
    world.keys("R<enter>");
    assert_eq!(world.begin().len(), 1);
    assert!(world.app.overlay.is_none());
}

#[test]
fn a_batch_to_another_machine_is_asked_about_each_time() {
    let there = [("hooks.example.test", "93.184.216.34")];
    let mut world = World::open(SIZE, many(9)).with_target("https://hooks.example.test/x");
    // A single delivery was agreed to.
    world.keys("r");
    world.located(&there);
    world.keys("<enter>");
    assert_eq!(world.begin().len(), 1);
    for (keys, count) in [("   r", "3 deliveries"), ("  R<enter>", "2 deliveries")] {
        for agreed in [false, true, true] {
            world.keys("g").keys(keys);
            world.located(&there);
            let picture = world.picture();
            let asked = picture.contains(count) && picture.contains("hooks.example.test");
            assert!(asked, "{picture}");
            assert_eq!(world.took(), []);
            if agreed {
                world.keys("<enter>");
                assert_eq!(world.begin().len(), 1);
                assert!(world.app.overlay.is_none());
            } else {
                world.keys("<esc><esc><esc>");
                assert_eq!(world.took(), []);
                assert!(world.app.list.chosen.is_empty());
            }
        }
    }
    // On this machine nobody is asked.
    let mut world = World::open(SIZE, many(9)).with_target("http://127.0.0.1:3000");
    world.keys("   r");
    assert_eq!(world.begin().len(), 1);
}

#[test]
fn the_form_stays_open_until_its_order_is_accepted() {
    let failure = || {
        Failure::no("It cannot be sent.", "No app is there.", "Try:  creel --x")
            .with_remedy(Remedy::NameTarget)
    };
    let mut world = world(9);
    world.keys("R<ctrl-u>http://127.0.0.1:9/mine<enter>");
    let effects = world.took();
    let [Effect::Resend(order)] = &effects[..] else {
        panic!("{effects:?}");
    };
    // Nothing is sent twice, nor changed, while it is asked.
    world.keys("<enter>x<tab><enter>");
    assert_eq!(world.took(), []);
    world.tell(Msg::Begun(order.clone(), Err(failure())));
    let picture = world.picture();
    assert!(picture.contains("http://127.0.0.1:9/mine"), "{picture}");
    assert!(picture.contains("No app is there."), "{picture}");
    assert!(!picture.contains("creel --x"), "{picture}");
    assert_eq!(world.toast(), "");
    // Corrected, it goes.
    world.keys("<backspace>2<enter>");
    let orders = world.begin();
    assert_eq!(orders[0].target.as_deref(), Some("http://127.0.0.1:9/min2"));
    assert!(world.app.overlay.is_none());

    // A refused look-up keeps it too.
    let mut world = World::open(SIZE, many(5));
    world.keys("R<ctrl-u>http://app.test/<enter>");
    let effects = world.took();
    let [Effect::Locate(order, targets)] = &effects[..] else {
        panic!("{effects:?}");
    };
    world.tell(Msg::Located(order.clone(), targets.clone(), Err(failure())));
    assert!(matches!(world.app.overlay, Some(Overlay::Resend(_))));
    assert!(world.picture().contains("No app is there."));

    // Closed meanwhile, it is told below.
    world.keys("<enter>");
    let effects = world.took();
    let [Effect::Locate(order, targets)] = &effects[..] else {
        panic!("{effects:?}");
    };
    world.keys("<esc>");
    world.tell(Msg::Located(order.clone(), targets.clone(), Err(failure())));
    assert!(world.toast().contains("No app is there."));
}

#[test]
fn what_was_refused_is_not_offered_to_be_sent() {
    let mut detail = valid(1);
    let why = Some("The body is larger than the limit.".to_owned());
    detail.summary.refused.clone_from(&why);
    detail.delivery.refused = why;
    for slow in [false, true] {
        for key in ["r", "R", "e"] {
            let mut world = World::open(SIZE, vec![valid(2), detail.clone()]);
            world.slow = slow;
            world.keys(key);
            assert!(world.app.overlay.is_none(), "{key}");
            assert_eq!(world.took(), [], "{key}");
            assert!(world.toast().contains("larger than the limit"), "{key}");
        }
    }
}

#[test]
fn the_form_offers_only_what_works_for_its_delivery() {
    let why = |text: &str| Some(text.to_owned());
    let offers = ResendSupport {
        no_signature: why("no secret is configured"),
        no_retries: why("its provider does not retry"),
    };
    let mut detail = valid(1);
    detail.offers = offers.clone();
    for slow in [false, true] {
        let mut world = World::open(SIZE, vec![detail.clone()]).with_target("http://localhost:9");
        world.slow = slow;
        if slow {
            world.tell(Msg::Engine(Event::Missed));
            world.app.detail.shown = None;
        }
        world.keys("R<tab>");
        world.give();
        let picture = world.picture();
        assert!(picture.contains("no secret is configured"), "{picture}");
        assert!(picture.contains("its provider does not retry"), "{picture}");
        for keys in [" ", "  ", "<left>", "<tab> ", "  ", "<left>"] {
            world.keys(keys);
            let Some(Overlay::Resend(form)) = &world.app.overlay else {
                panic!("the form is gone");
            };
            assert_eq!(form.choice, Choice::Kept, "{keys}");
            assert_eq!(form.way.tries, Tries::Once, "{keys}");
        }
        world.keys("<enter>");
        assert_eq!(world.begin()[0].signing, Some(Signing::Kept));
    }
    // What was edited keeps its signature where none can be made.
    let mut world = World::open(SIZE, vec![detail]).with_target("http://localhost:9");
    world.keys("e");
    let effects = world.took();
    let [Effect::Edit(text)] = &effects[..] else {
        panic!("{effects:?}");
    };
    let edited = [&text[..], b" "].concat();
    world.tell(Msg::Edited(Ok(edited)));
    let Some(Overlay::Resend(form)) = &world.app.overlay else {
        panic!("the form is open");
    };
    assert_eq!(form.choice, Choice::Kept);
}

#[test]
fn a_name_that_is_this_machine_is_sent_to_without_a_question() {
    let mut world = World::open(SIZE, many(5)).with_target("http://app.test:3000");
    world.keys("r");
    world.located(&[]);
    assert!(world.app.overlay.is_none());
    assert!(matches!(world.took()[..], [Effect::Resend(_)]));
}

#[test]
fn a_question_does_not_come_between_what_is_typed() {
    let mut world = World::open(SIZE, many(5)).with_target("http://app.test:3000");
    world.keys("r");
    let asked = world.took();
    let [Effect::Locate(order, targets)] = &asked[..] else {
        panic!("{asked:?}");
    };
    world.keys("R");
    let place = ResolvedHost {
        host: "app.test".to_owned(),
        addresses: vec!["10.0.0.7".parse().unwrap()],
    };
    world.tell(Msg::Located(
        order.clone(),
        targets.clone(),
        Ok(vec![place]),
    ));
    assert!(matches!(world.app.overlay, Some(Overlay::Resend(_))));
    assert!(world.toast().starts_with("Not sent"), "{}", world.toast());
    assert!(world.took().is_empty());
}

#[test]
fn without_a_target_the_form_opens_and_says_why() {
    let mut world = World::open(SIZE, many(5));
    world.keys("r");
    assert!(matches!(world.app.overlay, Some(Overlay::Resend(_))));
    let picture = world.picture();
    assert!(picture.contains("No target is set"), "{picture}");
    assert!(!picture.contains("--target"), "{picture}");
    assert!(world.took().is_empty());
    world.keys("<ctrl-u>http://127.0.0.1:9/q<tab> <tab><enter>");
    let effects = world.took();
    let [Effect::Resend(order)] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(order.target.as_deref(), Some("http://127.0.0.1:9/q"));
    assert_eq!(order.signing, Some(Signing::Fresh));
}

#[test]
fn the_form_sends_all_that_match_at_a_pace_and_as_the_provider_retries() {
    let mut world = world(20);
    // Target, signature, which, tries, pace, at once.
    world.keys("/sig:bad<enter>R<tab><tab> <tab>  <tab>20/s<tab><backspace>8<enter>");
    let orders = world.begin();
    let [order] = &orders[..] else {
        panic!("{orders:?}");
    };
    assert_eq!(order.which, Selection::Matching("sig:bad".into()));
    assert_eq!(order.retry, Some(RetryOptions { compress: 60 }));
    assert_eq!(order.signing, Some(Signing::Fresh), "as a provider would");
    assert_eq!((order.spacing_us, order.parallel), (50_000, 8));
    world.keys("R<tab><tab> <tab><tab>fast<enter>");
    assert!(world.took().is_empty());
    let Some(Overlay::Resend(form)) = &world.app.overlay else {
        panic!("the form is gone");
    };
    assert!(form.problem.as_ref().unwrap().contains("10/s"), "{form:?}");
}

#[test]
fn the_form_refuses_what_is_no_address() {
    let mut world = world(5);
    world.keys("R<ctrl-u>localhost:3000<enter>");
    assert!(world.took().is_empty());
    let Some(Overlay::Resend(form)) = &world.app.overlay else {
        panic!("the form is gone");
    };
    assert!(form.problem.is_some());
    world.keys("<esc>");
    assert!(world.app.overlay.is_none());
}

#[test]
fn tells_what_became_of_a_resend() {
    let mut world = World::open(SIZE, vec![tried(1)]).with_target("http://localhost:3000");
    world.keys("r");
    let effects = world.took();
    assert!(matches!(&effects[..], [Effect::Resend(_)]), "{effects:?}");
    let late = world.deliveries[0].attempts[1].clone();
    world.tell(Msg::Sent(Box::new(SendResult {
        delivery: late.id,
        attempt: Ok((late, AttemptVerdict::TooLate)),
        reached: true,
        note: None,
    })));
    assert_eq!(
        world.toast(),
        "localhost:3000: 200 in 6.2 s: Stackryze gives up at 5 s (too late)"
    );
    // Bad news stays until a key is pressed.
    world.tell(Msg::Tick(Timestamp(NOW.0 + 60_000_000)));
    assert_eq!(
        world.app.toast.as_ref().map(|t| t.kind),
        Some(ToastKind::Failed)
    );
    world.keys("j");
    assert_eq!(world.toast(), "");
    let failure = Failure::cannot("It was not sent.", "No secret is known.", "Give one.");
    world.tell(Msg::Begun(ResendRequest::default(), Err(failure)));
    assert_eq!(
        world.toast(),
        "It was not sent.\nNo secret is known.\nGive one."
    );
    // Each part has a line of its own.
    let picture = world.picture();
    let lines: Vec<&str> = picture.lines().collect();
    let at = lines.iter().position(|l| l.contains("It was not sent."));
    let at = at.unwrap();
    assert!(lines[at + 1].contains("No secret is known."), "{picture}");
    assert!(lines[at + 2].contains("Give one."), "{picture}");
}

#[test]
fn an_attempt_shows_under_the_tries_at_once() {
    let mut world = World::open(SIZE, vec![tried(1)]);
    world.keys("5");
    let mut attempt = world.deliveries[0].attempts[0].clone();
    attempt.number = 4;
    attempt.id = attempt.id.next(NOW, 9);
    world.tell(Msg::Engine(Event::Attempted(attempt.clone())));
    attempt.duration_us = 1;
    world.tell(Msg::Engine(Event::Attempted(attempt)));
    let shown = world.app.detail.shown.as_ref().unwrap();
    assert_eq!(shown.detail.attempts.len(), 4);
    assert_eq!(shown.detail.attempts[3].duration_us, 1);
}

#[test]
fn marks_and_says_so() {
    let mut world = world(5);
    world.keys("m");
    let order = MarkRequest {
        seqs: vec![5],
        marked: true,
    };
    assert_eq!(world.took(), [Effect::Mark(order.clone())]);
    world.deliveries[4].summary.marked = true;
    let row = world.deliveries[4].summary.clone();
    world.tell(Msg::Engine(Event::Changed(row)));
    world.tell(Msg::Marked(order, Ok(())));
    world.keys("m");
    assert!(matches!(&world.took()[..], [Effect::Mark(o)] if !o.marked));
}

#[test]
fn copies_what_the_letter_says() {
    let mut world = world(7);
    let copied = |world: &mut World, keys: &str| {
        world.keys(keys);
        match &world.took()[..] {
            [Effect::Copy(bytes)] => String::from_utf8_lossy(bytes).into_owned(),
            other => panic!("{keys}: {other:?}"),
        }
    };
    let request = world.deliveries[6].delivery.request.clone();
    assert_eq!(copied(&mut world, "yb").as_bytes(), &request.body[..]);
    assert!(copied(&mut world, "yh").starts_with("host: hooks.example.test\n"));
    assert!(copied(&mut world, "yc").starts_with("curl "));
    assert!(copied(&mut world, "yi").len() == 26);
    assert!(copied(&mut world, "ys").starts_with("x-porkbun-signature: sha256=35c5"));
    assert_eq!(copied(&mut world, "ya"), "http://127.0.0.1:2733");
    let proof = copied(&mut world, "yp");
    assert!(
        proof.contains("35c540d35fee65eca4297de56b44e9cd"),
        "{proof}"
    );
    assert!(
        !proof.contains("764ab1d65111b60b"),
        "the expected signature is masked\n{proof}"
    );
    assert!(world.toast().contains("proof"), "{}", world.toast());
    world.keys("yj");
    assert!(world.took().is_empty() && world.app.overlay.is_none());
    world.keys("yq");
    assert!(world.took().is_empty());
}

#[test]
fn the_palette_finds_and_does() {
    let mut world = world(5);
    world.keys(":curl<enter>");
    assert!(matches!(&world.took()[..], [Effect::Copy(_)]));
    world.keys("<ctrl-p>sample<enter>");
    assert_eq!(world.took(), [Effect::Sample]);
    world.keys(":zzzz<enter>");
    assert!(world.picture().contains("Nothing matches") && world.took().is_empty());
    world.keys("<esc>:delete<enter>");
    assert!(world.picture().contains("Nothing matches") && world.took().is_empty());
}

#[test]
fn the_palette_sends_only_what_was_named_or_selected() {
    let mut world = world(5).with_target("http://localhost:3000");
    world.keys(":resend<enter>");
    assert!(matches!(&world.took()[..], [Effect::Resend(_)]));
    for vague in ["captured", "again as", "send a", "sas"] {
        world.keys(&format!(":{vague}<enter>"));
        assert!(world.took().is_empty(), "{vague}");
        world.keys("<esc><esc>");
    }
    world.keys(":captured<enter>");
    assert!(matches!(world.app.overlay, Some(Overlay::Confirm(_))));
    world.keys("<enter>");
    assert!(matches!(&world.took()[..], [Effect::Resend(_)]));
}

#[test]
fn more_than_fifty_are_sent_only_once_agreed() {
    for (number, asked) in [(50, false), (51, true), (1_234, true)] {
        let mut world = world(number).with_target("http://localhost:3000");
        world.keys("R");
        let Some(Overlay::Resend(form)) = &mut world.app.overlay else {
            panic!("the form is open");
        };
        form.way.all = true;
        world.keys("<enter>");
        if asked {
            assert!(world.took().is_empty());
            let picture = world.picture();
            let count = creel::domain::text::thousands(number);
            assert!(
                picture.contains(&count) && picture.contains("localhost:3000"),
                "{picture}"
            );
            world.keys("<enter>");
        }
        assert!(matches!(&world.took()[..], [Effect::Resend(_)]), "{number}");
    }
}

#[test]
fn an_accepted_stale_delivery_is_not_counted_as_failed() {
    let mut world = world(5);
    let job = Job {
        id: 1,
        total: 60,
        done: 40,
        well: 30,
        wrongly_accepted: 10,
        ..Job::default()
    };
    world.tell(Msg::Engine(Event::Job(job.clone())));
    let picture = world.picture();
    assert!(picture.contains("10 accepted stale or forged"), "{picture}");
    assert!(!picture.contains("failed"), "{picture}");
    let end = |world: &mut World, well, accepted| {
        world.tell(Msg::Engine(Event::Job(Job {
            total: 20,
            done: 20,
            well,
            wrongly_accepted: accepted,
            ended: true,
            ..job.clone()
        })));
        let toast = world.app.toast.clone().unwrap();
        (toast.kind, toast.text)
    };
    assert_eq!(end(&mut world, 20, 0).0, ToastKind::Done);
    assert_eq!(end(&mut world, 15, 5).0, ToastKind::Warning);
    let (kind, text) = end(&mut world, 14, 5);
    assert_eq!(kind, ToastKind::Failed);
    assert!(
        text.starts_with("14 of 20 delivered, 1 failed, 5 accepted"),
        "{text}"
    );
    // A single one, too.
    let attempt = tried(1).attempts[2].clone();
    for (verdict, kind) in [
        (AttemptVerdict::StaleAccepted, ToastKind::Warning),
        (AttemptVerdict::ForgedAccepted, ToastKind::Warning),
        (AttemptVerdict::RightlyRefused, ToastKind::Done),
        (AttemptVerdict::Fixed, ToastKind::Done),
        (AttemptVerdict::StillFailing, ToastKind::Failed),
        (AttemptVerdict::Stopped, ToastKind::Note),
    ] {
        world.tell(Msg::Sent(Box::new(SendResult {
            delivery: attempt.id,
            attempt: Ok((attempt.clone(), verdict)),
            reached: true,
            note: None,
        })));
        assert_eq!(world.app.toast.as_ref().unwrap().kind, kind, "{verdict:?}");
    }
}

#[test]
fn toasts_go_when_what_they_speak_of_is_over() {
    let later = Msg::Tick(Timestamp(NOW.0 + 60_000_000));
    // A note on a key goes with the next one.
    let mut world = world(5);
    world.keys("<esc>");
    assert!(world.toast().contains("Nothing to go back to"));
    world.keys("j");
    assert_eq!(world.toast(), "");
    // So does what was done to a delivery that is no longer looked at.
    world.keys("yi");
    assert!(
        world.toast().starts_with("Sent the id"),
        "{}",
        world.toast()
    );
    world.took();
    world.keys("j");
    assert_eq!(world.toast(), "");
    // What is under way stays until it is over, however long that takes.
    for failure in [None, Some(Failure::cannot("It failed.", "", ""))] {
        world.keys("r");
        assert!(world.toast().starts_with("Sending"), "{}", world.toast());
        world.begin();
        world.tell(later.clone());
        world.keys("j");
        assert!(world.toast().starts_with("Sending"), "{}", world.toast());
        world.tell(Msg::Engine(Event::Job(Job {
            id: 100,
            total: 1,
            done: 1,
            ended: true,
            failure: failure.clone(),
            ..Job::default()
        })));
        assert_eq!(world.toast(), failure.map_or(String::new(), |f| f.what));
        world.keys("j");
    }
    // So does a look-up.
    let mut world = World::open(SIZE, many(5)).with_target("http://app.test:3000");
    world.keys("r");
    assert!(world.toast().starts_with("Looking up"), "{}", world.toast());
    world.tell(later);
    assert!(world.toast().starts_with("Looking up"), "{}", world.toast());
    world.located(&[]);
    assert!(world.toast().starts_with("Sending"), "{}", world.toast());
}

#[test]
fn the_help_is_searched_by_typing() {
    let mut world = world(5);
    world.keys("?q");
    assert!(matches!(world.app.overlay, Some(Overlay::Help(_))));
    assert!(world.took().is_empty());
    world.keys("<F1>");
    assert!(world.app.overlay.is_none());
}

#[test]
fn tabs_turn_by_digits_and_by_sides() {
    let mut world = world(5);
    world.keys("4");
    assert_eq!(
        (world.app.detail.tab, world.app.focus),
        (Tab::Signature, Focus::List)
    );
    world.keys("<tab>l");
    assert_eq!(world.app.detail.tab, Tab::Tries);
    world.keys("l");
    assert_eq!(world.app.detail.tab, Tab::Overview);
    world.keys("h");
    assert_eq!(world.app.detail.tab, Tab::Tries);
}

#[test]
fn body_keys_work_from_any_tab() {
    let mut world = world(8);
    world.keys("<enter>x");
    assert_eq!(
        (world.app.detail.tab, world.app.detail.body.mode),
        (Tab::Body, ViewMode::Hex)
    );
    world.keys("x");
    assert_eq!(world.app.detail.body.mode, ViewMode::Pretty);
    world.keys("p");
    assert_eq!(world.app.detail.body.mode, ViewMode::Raw);
    world.keys("w");
    assert!(!world.app.detail.body.wrap);
    world.keys("/4200<enter>");
    let found = world.app.detail.body.search.as_ref().unwrap();
    assert_eq!(found.total(), 1);
}

#[test]
fn next_goes_to_the_next_problem() {
    let mut world = World::open(
        SIZE,
        (1..=3_000)
            .map(|seq| match seq {
                2_999 | 100 => forged(seq),
                _ => valid(seq),
            })
            .collect(),
    );
    world.keys("n");
    assert_eq!(world.selected(), Some(2_999));
    world.keys("n");
    assert_eq!(world.selected(), Some(100));
    world.keys("n");
    assert_eq!(world.selected(), Some(100));
    assert!(world.toast().contains("No further problem"));
    world.keys("N");
    assert_eq!(world.selected(), Some(2_999));
}

#[test]
fn verify_says_what_it_found() {
    let mut world = world(5);
    world.keys("v");
    assert_eq!(world.toast(), "Checked again: ok");
}

#[test]
fn the_mouse_selects_focuses_and_turns_tabs() {
    let mut world = world(50);
    let areas = world.app.areas();
    let click = |x, y| {
        Msg::Mouse(MouseEvent {
            kind: MouseEventKind::Down(MouseButton::Left),
            column: x,
            row: y,
            modifiers: KeyModifiers::NONE,
        })
    };
    let rows = areas.list.unwrap().rows;
    world.tell(click(rows.x + 5, rows.y + 4));
    assert_eq!(world.selected(), Some(46));
    let tabs = areas.detail.unwrap().tabs;
    world.tell(click(tabs.x + 14, tabs.y));
    assert_eq!(
        (world.app.detail.tab, world.app.focus),
        (Tab::Headers, Focus::Detail)
    );
    let wheel = |kind, x, y| {
        Msg::Mouse(MouseEvent {
            kind,
            column: x,
            row: y,
            modifiers: KeyModifiers::NONE,
        })
    };
    world.tell(wheel(MouseEventKind::ScrollDown, rows.x, rows.y));
    assert_eq!(world.selected(), Some(43));
    world.tell(wheel(MouseEventKind::ScrollUp, rows.x, rows.y));
    assert_eq!(world.selected(), Some(46));
    world.keys("M");
    assert_eq!(world.took(), [Effect::Mouse(false)]);
}

#[test]
fn trouble_and_panics_are_told() {
    let mut world = world(5);
    world.tell(Msg::Engine(Event::Trouble(Some("the disk is full".into()))));
    assert_eq!(world.app.info.trouble.as_deref(), Some("the disk is full"));
    world.tell(Msg::Panicked("index out of \u{1b}[31mbounds".into()));
    assert!(
        world
            .toast()
            .contains("the rest goes on: index out of ␛[31mbounds")
    );
    world.tell(Msg::Engine(Event::Gone));
    assert!(world.toast().contains("has ended"));
    world.tell(Msg::Resumed);
    assert_eq!(world.took(), [Effect::Repaint]);
}

#[test]
fn a_delivery_that_is_gone_says_so_once() {
    let mut world = world(5);
    world.deliveries.retain(|d| d.delivery.seq != 4);
    world.keys("j");
    let (seq, failure) = world.app.detail.failure.clone().unwrap();
    assert_eq!(
        (seq, failure.what.as_str()),
        (4, "There is no such delivery.")
    );
    assert!(world.app.detail.shown.is_none());
    world.keys("j");
    assert!(world.app.detail.failure.is_none());
}

#[test]
fn nothing_ticks_unless_something_ages() {
    let mut world = world(40);
    assert!(world.app.next_tick().is_some_and(|us| us <= 1_000_000));
    world.keys("3");
    world.tell(Msg::Tick(Timestamp(NOW.0 + 10_000_000)));
    assert_eq!(world.app.next_tick(), None);
}

#[test]
fn keeps_up_with_a_long_list() {
    let mut world = World::open(SIZE, (1..=2_000).map(valid).collect());
    let started = std::time::Instant::now();
    let mut terminal = Terminal::new(TestBackend::new(SIZE.0, SIZE.1)).unwrap();
    for chord in chords(&"jjjjjjjjjj<ctrl-d>".repeat(10)) {
        world.tell(Msg::Key(chord.event()));
        terminal
            .draw(|frame| view(&world.app, &world.app.areas(), frame))
            .unwrap();
    }
    // 110 keys, each with a screen: generous for a debug build on a busy machine.
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

fn message() -> impl Strategy<Value = Msg> {
    let key = prop_oneof![
        "[a-zA-Z0-9 /?:.]".prop_map(|c| chords(&c)[0]),
        proptest::sample::select(vec![
            "<enter>",
            "<esc>",
            "<tab>",
            "<shift-tab>",
            "<up>",
            "<down>",
            "<left>",
            "<right>",
            "<home>",
            "<end>",
            "<pgup>",
            "<pgdn>",
            "<backspace>",
            "<ctrl-d>",
            "<ctrl-u>",
            "<ctrl-l>",
            "<F1>",
            "<ctrl-p>",
        ])
        .prop_map(|name| chords(name)[0]),
    ];
    prop_oneof![
        12 => key.prop_map(|chord| Msg::Key(chord.event())),
        2 => (0_u16..140, 0_u16..50).prop_map(|(w, h)| Msg::Resize(w, h)),
        1 => any::<String>().prop_map(Msg::Paste),
        2 => (0_u16..140, 0_u16..50, 0..3_u8).prop_map(|(column, row, kind)| {
            Msg::Mouse(MouseEvent {
                kind: match kind {
                    0 => MouseEventKind::ScrollDown,
                    1 => MouseEventKind::ScrollUp,
                    _ => MouseEventKind::Down(MouseButton::Left),
                },
                column,
                row,
                modifiers: KeyModifiers::NONE,
            })
        }),
        1 => Just(Msg::Engine(Event::Missed)),
        1 => (0_i64..5_000_000).prop_map(|us| Msg::Tick(Timestamp(NOW.0 + us))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_keys_and_no_size_panic(
        start in (0_u16..140, 0_u16..50),
        count in 0_u64..30,
        messages in proptest::collection::vec(message(), 1..60),
    ) {
        let mut deliveries = many(count);
        if let Some(last) = deliveries.last_mut() {
            *last = hostile(count);
        }
        let mut world = World::open(start, deliveries);
        for (at, msg) in messages.into_iter().enumerate() {
            world.tell(msg);
            if at % 10 == 9 {
                world.arrive(match at % 4 { 0 => valid, 1 => binary, 2 => unknown, _ => hostile });
            }
            let size = world.app.size;
            let mut terminal = Terminal::new(TestBackend::new(size.width, size.height)).unwrap();
            terminal.draw(|frame| {
                let areas = layout(frame.area().as_size(), &world.app);
                view(&world.app, &areas, frame);
            }).unwrap();
        }
    }
}

#[test]
fn deliveries_sent_one_by_one_do_not_keep_from_leaving() {
    let mut world = world(5);
    for id in 1..=3 {
        let job = Job {
            id,
            total: 1,
            ..Job::default()
        };
        world.tell(Msg::Begun(ResendRequest::default(), Ok(job)));
    }
    world.keys("q");
    assert_eq!(world.took(), [Effect::Quit]);
    // One that is left of a batch does.
    let job = Job {
        id: 4,
        total: 2,
        done: 1,
        ..Job::default()
    };
    world.tell(Msg::Begun(ResendRequest::default(), Ok(job)));
    world.keys("q");
    assert!(matches!(world.app.overlay, Some(Overlay::Confirm(_))));
    assert!(world.took().is_empty());
}

#[test]
fn giving_up_asks_with_the_number_and_concerns_the_selected_or_all() {
    let mut waits = many(3);
    for detail in &mut waits[..2] {
        detail.summary.answer.by = Responder::CreelTargetDown;
    }
    let mut world = World::open((100, 30), waits);
    world.keys("W");
    assert_eq!(world.took(), [Effect::CountWaiting]);
    world.tell(Msg::Waiting(Ok(1204)));
    assert!(world.picture().contains("Give up on all 1,204 deliveries"));
    assert!(world.picture().contains("on some of them only"));
    world.keys("<esc>");
    assert!(world.took().is_empty() && world.app.overlay.is_none());
    world.tell(Msg::Waiting(Ok(0)));
    assert!(world.app.overlay.is_none() && world.toast().contains("Nothing to give up"));
    // Of three that are selected two wait.
    world.keys("g   W");
    assert!(!world.picture().contains("on some of them only"));
    world.keys("<enter>");
    let effects = world.took();
    assert!(
        matches!(&effects[..], [Effect::GiveUp(Selection::Ids(ids))] if ids.len() == 2),
        "{effects:?}"
    );
    world.tell(Msg::GivenUp(Ok(2)));
    assert!(world.toast().contains("Gave up on 2 deliveries"));
}

#[test]
fn a_doubted_clock_is_told_and_can_be_trusted() {
    let mut world = world(3);
    world.keys("T");
    assert!(world.took().is_empty() && world.toast().contains("does not doubt the clock"));
    let doubt = ClockDoubt {
        ahead_seconds: 400 * 86_400,
        steady_seconds: 3_600,
    };
    world.tell(Msg::Engine(Event::Clock(Some(doubt))));
    assert!(world.picture().contains("clock is 400 d ahead"));
    // It removes deliveries, so it asks first.
    world.keys("T");
    assert!(world.picture().contains("Trust the clock? It says "));
    world.keys("<esc>");
    assert!(world.took().is_empty() && world.app.overlay.is_none());
    world.keys("T<enter>");
    assert_eq!(world.took(), [Effect::TrustClock]);
    world.tell(Msg::Engine(Event::Clock(None)));
    world.tell(Msg::Trusted(Ok(())));
    assert!(!world.picture().contains("400 d"));
}
