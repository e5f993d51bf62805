//! What the screen says of the apps and of what is answered, and the form
//! that changes it.

use creel::domain::delivery::Responder;
use creel::domain::endpoint::Endpoint;
use creel::domain::failure::Failure;
use creel::domain::response_plan::{ResponsePlan, ResponseStep, parse_steps};
use creel::domain::route::ForwardMode;
use creel::domain::timestamp::Timestamp;
use creel::engine::command::{
    AppInfo, AppState, Detail, Event, ResponseOverride, ResponseOverrideRequest,
};
use creel::tui::effect::Effect;
use creel::tui::msg::Msg;
use creel::tui::overlay::Overlay;

use super::pictures::check;
use super::world::{NOW, World, ascii_look, attempt, many, valid};

const SIZE: (u16, u16) = (120, 40);

fn app(state: AppState, waiting: u64) -> AppInfo {
    AppInfo {
        origin: "http://localhost:3000".into(),
        state,
        waiting,
        oldest: None,
    }
}

fn down() -> AppState {
    AppState::Down {
        since: Timestamp(NOW.0 - 600_000_000),
        silent: false,
    }
}

/// Opens the screen on a creel with an app.
fn world(size: (u16, u16)) -> World {
    let mut world = World::open(size, many(5)).with_target("http://localhost:3000/hooks");
    world.tell(Msg::Engine(Event::App(app(AppState::Answering, 0))));
    world
}

fn header(world: &World) -> String {
    super::pictures::text(world)
        .lines()
        .next()
        .unwrap()
        .to_owned()
}

fn plan(steps: &str) -> ResponsePlan {
    ResponsePlan {
        steps: parse_steps(steps).unwrap(),
        ..ResponsePlan::default()
    }
}

/// A delivery that was acknowledged and waits for the app, asked once or not.
fn owed(seq: u64, asked: bool) -> Detail {
    let mut detail = valid(seq);
    detail.delivery.answer.by = Responder::CreelTargetDown;
    if asked {
        let mut failed = attempt(&detail, 1, 0, 900);
        failed.error = Some("localhost:3000 refused the connection: nothing listens there.".into());
        detail.attempts = vec![failed];
        detail.summary.attempts = 1;
        detail.summary.last_attempt = Some(creel::domain::summary::LastAttempt {
            status: None,
            outcome: creel::domain::attempt::Outcome::Failed,
            duration_us: 900,
        });
    }
    detail.summary.answer = detail.delivery.answer;
    detail
}

#[test]
fn the_header_says_whether_the_app_answers() {
    let mut world = world(SIZE);
    assert!(header(&world).contains("app localhost:3000 answering "));
    world.tell(Msg::Engine(Event::App(app(down(), 12))));
    assert!(header(&world).contains("app localhost:3000 down since 13:52, 12 wait"));
    let silent = AppState::Down {
        since: NOW,
        silent: true,
    };
    world.tell(Msg::Engine(Event::App(app(silent, 0))));
    assert!(header(&world).contains("app localhost:3000 not answering since 14:02 "));
    let other = AppInfo {
        origin: "http://localhost:4000".into(),
        state: AppState::Answering,
        waiting: 2,
        oldest: None,
    };
    world.tell(Msg::Engine(Event::App(other)));
    assert!(header(&world).contains("1 of 2 apps down, 2 wait"));
    world.tell(Msg::Engine(Event::App(app(AppState::Answering, 0))));
    assert!(header(&world).contains("2 apps answering, 2 wait"));
    world.tell(Msg::Resize(80, 24));
    world.tell(Msg::Engine(Event::App(app(down(), 12))));
    assert!(header(&world).contains("127.0.0.1:2733   1 of 2 apps down, 14 wait"));
}

#[test]
fn the_header_says_how_long_the_oldest_waits_also_while_the_app_answers() {
    let mut world = world(SIZE);
    let mut tell = |state, seconds: i64, now: i64| {
        let waiting = AppInfo {
            oldest: Some(Timestamp(NOW.0 - seconds * 1_000_000)),
            ..app(state, 16_000)
        };
        world.tell(Msg::Tick(Timestamp(NOW.0 + now * 1_000_000)));
        world.tell(Msg::Engine(Event::App(waiting)));
        (header(&world), world.app.next_tick())
    };
    let (text, tick) = tell(AppState::Answering, 84, 0);
    assert!(
        text.contains("answering, 16,000 wait, oldest 1 min"),
        "{text}"
    );
    assert!(tick.is_some_and(|tick| tick <= 36_000_000), "{tick:?}");
    let (text, _) = tell(down(), 7, 0);
    assert!(
        text.contains("down since 13:52, 16,000 wait, oldest 7 s"),
        "{text}"
    );
    // What is sent at once does not wait; once it is not, time alone shows it.
    let (text, tick) = tell(AppState::Answering, 0, 0);
    assert!(!text.contains("wait"), "{text}");
    assert!(tick.is_some_and(|tick| tick <= 1_000_000), "{tick:?}");
    let (text, _) = tell(AppState::Answering, 0, 3);
    assert!(text.contains("16,000 wait, oldest 3 s"), "{text}");
    world.tell(Msg::Resize(80, 24));
    let text = header(&world);
    assert!(text.contains("16,000 wait, oldest 3 s"), "{text}");
}

#[test]
fn the_header_says_what_is_answered_otherwise() {
    let mut world = world(SIZE);
    let live = |endpoint: Option<&str>, mode, steps: Option<&str>| ResponseOverride {
        endpoint: endpoint.map(str::to_owned),
        mode,
        plan: steps.map(plan),
    };
    let one = live(None, None, Some("500, 500, 200"));
    world.tell(Msg::Engine(Event::Answering(vec![one.clone()])));
    assert!(header(&world).contains("   answering 500, 500, 200 "));
    let other = live(Some("a"), Some(ForwardMode::Hold), None);
    world.tell(Msg::Engine(Event::Answering(vec![other.clone()])));
    assert!(header(&world).contains("   a: hold "));
    world.tell(Msg::Engine(Event::Answering(vec![one, other])));
    assert!(header(&world).contains("   2 answers changed "));
    world.tell(Msg::Engine(Event::Answering(Vec::new())));
    assert!(header(&world).contains("app localhost:3000 answering  "));
}

#[test]
fn the_header_says_what_waits_at_every_width() {
    for width in 60..=200 {
        for state in [AppState::Answering, down()] {
            let mut world = world((width, 24));
            let waiting = AppInfo {
                oldest: Some(Timestamp(NOW.0 - 9_000_000)),
                ..app(state, 16_000)
            };
            world.tell(Msg::Engine(Event::App(waiting)));
            let text = header(&world);
            assert!(text.contains("16,000 wait"), "{width}: {text}");
            let down = text.contains("down");
            assert_eq!(down, state != AppState::Answering, "{width}: {text}");
        }
    }
}

#[test]
fn the_header_says_nothing_twice() {
    let live = |endpoint: Option<&str>| ResponseOverride {
        endpoint: endpoint.map(str::to_owned),
        mode: None,
        plan: Some(plan("503")),
    };
    for width in 30..=200 {
        for lives in [vec![live(None)], vec![live(Some("a"))], Vec::new()] {
            let mut world = World::open((width, 24), many(3));
            world.tell(Msg::Engine(Event::Answering(lives.clone())));
            let text = header(&world);
            for word in ["503", "200", "answer", "app", "kept"] {
                let times = text.matches(word).count();
                let twice = word == "answer" && lives.len() == 1 && text.contains("a: ");
                assert!(times <= 1 || twice, "{width} {word}: {text}");
            }
            if lives.iter().any(|live| live.endpoint.is_none()) && width >= 60 {
                assert!(text.contains("503"), "{width}: {text}");
            }
        }
        let mut world = World::open((width, 14), many(40));
        world.keys("jjj");
        world.arrive(valid);
        let times = world.picture().matches("1 new").count();
        assert!(times <= 1, "{}", world.picture());
    }
}

/// Accepts what the form orders.
fn accepted(world: &mut World) -> ResponseOverrideRequest {
    let effects = world.took();
    let [Effect::Answer(order)] = &effects[..] else {
        panic!("{effects:?}");
    };
    world.tell(Msg::Answered(order.clone(), Ok(())));
    order.clone()
}

#[test]
fn the_form_stays_open_until_its_order_is_accepted() {
    let mut world = world(SIZE);
    world.keys("a<tab><ctrl-u>503<enter>");
    let effects = world.took();
    let [Effect::Answer(order)] = &effects[..] else {
        panic!("{effects:?}");
    };
    let why = "It is refused for a reason that takes more than a single line of the form to say.";
    let failure = Failure::usage("creel cannot answer so.", why, "Answer otherwise.");
    world.tell(Msg::Answered(order.clone(), Err(failure)));
    let picture = world.picture();
    for text in ["503", "creel cannot answer so.", "Answer otherwise."] {
        assert!(picture.contains(text), "{picture}");
    }
    world.keys("<enter>");
    assert_eq!(accepted(&mut world).plan, order.plan);
    assert!(world.app.overlay.is_none());
}

#[test]
fn a_number_in_the_form_picks_and_applies() {
    let mut world = world(SIZE);
    world.keys("a3");
    assert_eq!(
        accepted(&mut world),
        ResponseOverrideRequest {
            endpoint: None,
            mode: Some(ForwardMode::AckFirst),
            plan: Some(plan("500, 500, 200")),
        }
    );
    assert!(world.app.overlay.is_none());
    world.keys("ajjj<enter>");
    let dropped = ResponsePlan::of(ResponseStep::Drop);
    assert_eq!(accepted(&mut world).plan, Some(dropped));
    world.keys("a6");
    assert_eq!(accepted(&mut world), ResponseOverrideRequest::default());
    world.keys("a9x<esc>");
    assert!(world.took().is_empty() && world.app.overlay.is_none());
}

#[test]
fn what_is_picked_is_answered_by_creel_even_where_the_app_answered_before() {
    let mut world = world(SIZE);
    world.tell(Msg::Engine(Event::Answering(vec![ResponseOverride {
        endpoint: None,
        mode: Some(ForwardMode::PassThrough),
        plan: None,
    }])));
    world.keys("a2");
    let effects = world.took();
    let [Effect::Answer(order)] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(
        (order.mode, order.plan.clone()),
        (Some(ForwardMode::AckFirst), Some(plan("500")))
    );
}

#[test]
fn on_a_narrow_screen_what_is_answered_otherwise_goes_before_the_app() {
    let mut world = world((60, 16));
    world.tell(Msg::Engine(Event::Answering(vec![ResponseOverride {
        endpoint: None,
        mode: None,
        plan: Some(plan("500, 500, 200")),
    }])));
    assert!(header(&world).contains("127.0.0.1:2733   answering 500, 500, 200"));
}

#[test]
fn all_of_it_can_be_set_by_hand() {
    let mut world = world(SIZE);
    let clear = "<ctrl-u>";
    world.keys(&format!(
        "a<tab>{clear}503, drop<tab>Retry-After: 7 | X-A: b<tab>busy<tab>{clear}250ms<tab>{clear}2s<tab>  <enter>"
    ));
    let wanted = ResponsePlan {
        headers: [("retry-after", "7"), ("x-a", "b")].into_iter().collect(),
        body: "busy".into(),
        delay: std::time::Duration::from_millis(250),
        slow: std::time::Duration::from_secs(2),
        ..plan("503, drop")
    };
    assert_eq!(
        world.took(),
        [Effect::Answer(ResponseOverrideRequest {
            endpoint: None,
            mode: Some(ForwardMode::Hold),
            plan: Some(wanted),
        })]
    );
}

#[test]
fn what_cannot_be_read_is_told_where_it_stands() {
    let mut world = world(SIZE);
    world.keys("a<tab>x<enter>");
    assert!(world.took().is_empty());
    let Some(Overlay::Answer(form)) = &world.app.overlay else {
        panic!("the form is closed");
    };
    assert!(
        form.problem.as_ref().unwrap().contains("200x"),
        "{:?}",
        form.problem
    );
    world.keys("<Backspace><tab><tab><tab>h<enter>");
    assert!(world.took().is_empty());
    world.keys("<Backspace>");
    world.tell(Msg::Paste("00ms".into()));
    world.keys("<ctrl-u>100ms<enter>");
    assert_eq!(world.took().len(), 1);
}

#[test]
fn the_form_is_for_the_endpoint_of_the_delivery() {
    let mut deliveries = many(3);
    deliveries[2].summary.endpoint = Some("billing".into());
    let mut world = World::open(SIZE, deliveries);
    world.info.endpoints = vec![Endpoint {
        name: "billing".into(),
        path: "/hooks".into(),
        mode: Some(ForwardMode::Hold),
        ..Endpoint::default()
    }];
    world.tell(Msg::Engine(Event::Missed));
    world.tell(Msg::Tick(Timestamp(NOW.0 + 2_000_000)));
    world.keys("a2");
    let effects = world.took();
    let [Effect::Answer(order)] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(
        (order.endpoint.as_deref(), order.mode),
        (Some("billing"), Some(ForwardMode::Hold))
    );
    world.tell(Msg::Answered(order.clone(), Ok(())));
    assert_eq!(
        world.toast(),
        "At endpoint billing: answering 500 from now on"
    );
    world.tell(Msg::Answered(
        order.clone(),
        Err(Failure::no("There is no endpoint billing.", "", "")),
    ));
    assert!(world.toast().contains("no endpoint"));
    world.keys("ja1");
    assert!(matches!(&world.took()[..], [Effect::Answer(order)] if order.endpoint.is_none()));
}

#[test]
fn pictures() {
    for size in [(120, 40), (80, 24), (44, 10)] {
        let mut world = world(size);
        world.keys("a");
        check(&format!("answer_form_{}x{}", size.0, size.1), &world);
    }
    let mut world = world((80, 24));
    world.keys("a<tab>nonsense<enter>");
    check("answer_form_problem", &world);
    let mut world = World::open_with((80, 24), many(3), ascii_look());
    world.keys("a<tab><tab><tab><tab><tab><tab>");
    check("answer_form_ascii", &world);

    for size in [(120, 40), (80, 24)] {
        let deliveries = vec![valid(1), owed(2, true), owed(3, false)];
        let mut world = World::open(size, deliveries).with_target("http://localhost:3000/hooks");
        world.tell(Msg::Engine(Event::App(app(down(), 2))));
        world.keys("j");
        check(&format!("app_down_{}x{}", size.0, size.1), &world);
        world.keys("k5");
        check(&format!("waiting_tries_{}x{}", size.0, size.1), &world);
    }
}
