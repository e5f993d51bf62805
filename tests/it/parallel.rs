//! Forwarding several deliveries at once: the limits, the order of an event's
//! arrivals, a backlog, and what the header is told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use creel::clock::{Clock, System};
use creel::config::{self, Overrides};
use creel::domain::headers::Headers;
use creel::domain::request::Request;
use creel::domain::route::ForwardMode;
use creel::domain::timestamp::Timestamp;
use creel::engine::command::{
    AppInfo, Command, Reply, ResendRequest, ResponseOverrideRequest, Selection,
};
use creel::engine::local::Local;
use creel::server::ReceivedRequest;
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::support::app::{App, PATIENCE, Seen, ok, until};
use crate::support::creel::Creel;
use crate::support::random::Random;

/// Lets an app hold its responses back, and counts its simultaneous requests.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<Counts>, Condvar)>);

#[derive(Default)]
struct Counts {
    open: bool,
    now: usize,
    most: usize,
    /// Simultaneous requests by the first part of their path, and the most.
    by_part: BTreeMap<String, (usize, usize)>,
}

impl Gate {
    /// Holds a request back while the gate is closed.
    fn pass(&self, seen: &Seen) {
        self.enter(seen);
        let (counts, changed) = &*self.0;
        let shut = |counts: &mut Counts| !counts.open;
        drop(changed.wait_while(counts.lock().unwrap(), shut).unwrap());
        self.leave(seen);
    }

    fn enter(&self, seen: &Seen) {
        let mut counts = self.0.0.lock().unwrap();
        counts.now += 1;
        counts.most = counts.most.max(counts.now);
        let part = counts.by_part.entry(part(seen.target())).or_default();
        part.0 += 1;
        part.1 = part.1.max(part.0);
    }

    fn leave(&self, seen: &Seen) {
        let mut counts = self.0.0.lock().unwrap();
        counts.now -= 1;
        counts.by_part.get_mut(&part(seen.target())).unwrap().0 -= 1;
    }

    fn open(&self) {
        self.0.0.lock().unwrap().open = true;
        self.0.1.notify_all();
    }

    fn wait_for(&self, at_once: usize) {
        until("so many simultaneous requests", || {
            (self.0.0.lock().unwrap().now >= at_once).then_some(())
        });
    }

    fn most(&self) -> usize {
        self.0.0.lock().unwrap().most
    }

    fn most_of(&self, part: &str) -> usize {
        let counts = self.0.0.lock().unwrap();
        counts.by_part.get(part).map_or(0, |part| part.1)
    }

    /// Starts an app behind it.
    fn app(&self) -> App {
        let gate = self.clone();
        App::saying(move |seen| {
            gate.pass(seen);
            ok()
        })
    }
}

/// Returns the first part of a path.
fn part(path: &str) -> String {
    path.split('/').nth(1).unwrap_or_default().to_owned()
}

fn home(config: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("creel.toml"), config).unwrap();
    home
}

fn waiting(creel: &Creel) -> usize {
    let query = ["list", "--json", "--limit", "10000", "app:waiting"];
    creel.run(&query).lines().len()
}

fn settled(creel: &Creel) {
    until("nothing to wait", || (waiting(creel) == 0).then_some(()));
}

#[test]
fn eight_are_forwarded_at_once_by_default_and_never_more() {
    let gate = Gate::default();
    let app = gate.app();
    let creel = Creel::serve(&["--target", &app.url()]);
    for n in 0..30 {
        assert_eq!(creel.post(&format!("/{n}"), "", b"x"), 200);
    }
    gate.wait_for(8);
    until("all to be listed", || (waiting(&creel) == 30).then_some(()));
    assert_eq!(gate.most(), 8);
    gate.open();
    settled(&creel);
    assert_eq!(gate.most(), 8);
    assert_eq!(app.seen().len(), 30);
}

#[test]
fn the_limit_is_set_for_all_for_an_endpoint_and_for_a_route() {
    let gate = Gate::default();
    let app = gate.app();
    let url = app.url();
    let config = format!(
        "target = \"{url}\"\npath_mode = \"keep\"\nparallel = 3\n\
         [[routes]]\npath = \"/routed\"\ntarget = \"{url}/\"\nparallel = 2\n\
         [endpoints.strict]\npath = \"/strict\"\nparallel = 1\n\
         [endpoints.own]\npath = \"/own\"\ntarget = \"{url}/own\"\npath_mode = \"replace\"\nparallel = 5\n"
    );
    let creel = Creel::serve_in(home(&config), &[]);
    for n in 0..8 {
        for part in ["plain", "routed", "strict", "own"] {
            assert_eq!(creel.post(&format!("/{part}/{n}"), "", b"x"), 200);
        }
    }
    // The strict endpoint shares its target, and so the three of it.
    gate.wait_for(3 + 2 + 5);
    until("all to be listed", || (waiting(&creel) == 32).then_some(()));
    gate.open();
    settled(&creel);
    assert_eq!(gate.most(), 3 + 2 + 5);
    for (part, most) in [("routed", 2), ("strict", 1), ("own", 5)] {
        assert_eq!(gate.most_of(part), most, "{part}");
    }
    assert!(gate.most_of("plain") <= 3);
    let strict: Vec<_> = app.targets(32);
    let strict: Vec<_> = strict.iter().filter(|p| p.starts_with("/strict")).collect();
    let expected: Vec<_> = (0..8).map(|n| format!("/strict/{n}")).collect();
    assert_eq!(strict, expected.iter().collect::<Vec<_>>());
}

/// Returns the fields of a delivery of an event.
fn of_event(event: &str) -> String {
    format!(
        "X-Porkbun-Signature: sha256=00\r\nX-Porkbun-Event: dns.record.updated\r\nX-Porkbun-Webhook-Id: {event}\r\n"
    )
}

#[test]
fn a_later_arrival_of_an_event_waits_for_the_earlier_and_others_do_not() {
    let gate = Gate::default();
    let held = gate.clone();
    let app = App::saying(move |seen| {
        if seen.target() == "/a/1" {
            held.pass(seen);
        }
        ok()
    });
    let creel = Creel::serve(&["--target", &app.url()]);
    for n in 1..=3 {
        creel.post(&format!("/a/{n}"), &of_event("a"), b"x");
    }
    for n in 1..=20 {
        creel.post(&format!("/b/{n}"), &of_event(&format!("b{n}")), b"x");
    }
    gate.wait_for(1);
    until("the others", || (waiting(&creel) == 3).then_some(()));
    let seen = app.targets(20);
    assert!(seen.iter().all(|path| path.starts_with("/b/")), "{seen:?}");
    gate.open();
    settled(&creel);
    assert_eq!(app.targets(23)[20..], ["/a/1", "/a/2", "/a/3"]);
}

#[test]
fn an_arrival_the_app_never_answers_holds_back_its_own_event_alone() {
    let mended = Arc::new(Mutex::new(false));
    let now = Arc::clone(&mended);
    let app = App::saying(move |seen| {
        if seen.target() == "/a/1" && !*now.lock().unwrap() {
            Vec::new()
        } else {
            ok()
        }
    });
    let creel = Creel::serve(&["--target", &app.url()]);
    for n in 1..=2 {
        creel.post(&format!("/a/{n}"), &of_event("a"), b"x");
    }
    for n in 1..=20 {
        creel.post(&format!("/b/{n}"), &of_event(&format!("b{n}")), b"x");
    }
    until("the others", || (waiting(&creel) == 2).then_some(()));
    let seen: Vec<String> = app.targets(21);
    assert!(!seen.contains(&"/a/2".to_owned()), "{seen:?}");
    *mended.lock().unwrap() = true;
    settled(&creel);
    let seen = app.targets(22);
    let last: Vec<&String> = seen.iter().rev().take(2).rev().collect();
    assert_eq!(last, ["/a/1", "/a/2"]);
    let rows = creel.run(&["list", "path:/a/1", "--json"]).lines();
    assert_eq!(rows[0]["attempts"].as_array().unwrap().len(), 2);
}

#[test]
fn a_slow_target_does_not_hold_up_another_of_the_same_app() {
    let gate = Gate::default();
    let held = gate.clone();
    let app = App::saying(move |seen| {
        if seen.target() == "/slow" {
            held.pass(seen);
        }
        ok()
    });
    let url = app.url();
    let config = format!(
        "[endpoints.slow]\npath = \"/s\"\ntarget = \"{url}/slow\"\n\
         [endpoints.fast]\npath = \"/f\"\ntarget = \"{url}/fast\"\n"
    );
    let creel = Creel::serve_in(home(&config), &[]);
    for n in 0..20 {
        creel.post(&format!("/s/{n}"), "", b"x");
    }
    gate.wait_for(8);
    for n in 0..20 {
        creel.post(&format!("/f/{n}"), "", b"x");
    }
    until("the fast ones", || (waiting(&creel) == 20).then_some(()));
    gate.open();
    settled(&creel);
    assert_eq!((gate.most(), app.seen().len()), (8, 40));
}

#[test]
fn a_backlog_is_drained_while_more_arrives() {
    let mut app = App::down(|_| ok());
    let creel = Creel::serve(&["--target", &app.url()]);
    let mut sent = BTreeSet::new();
    let mut post = |n: usize| {
        let path = format!("/{n}");
        assert_eq!(creel.post(&path, "", b"x"), 200);
        sent.insert(path);
    };
    (0..300).for_each(&mut post);
    app.start();
    (300..360).for_each(&mut post);
    settled(&creel);
    let seen = app.targets(360);
    assert_eq!(seen.len(), 360, "each once");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), sent);
}

/// What an app has seen of each event: the newest arrival it was sent, and
/// the newest it answered.
#[derive(Default)]
struct Model {
    random: Option<Random>,
    events: BTreeMap<String, (usize, usize)>,
    mistakes: String,
}

impl Model {
    /// Takes a request as the app gets it.
    fn ask(&mut self, event: &str, arrival: usize) -> (Duration, bool) {
        let (sent, answered) = self.events.entry(event.to_owned()).or_default();
        if arrival > *answered + 1 || arrival < *sent {
            let _ = writeln!(
                self.mistakes,
                "event {event}: {arrival} was sent after {sent}, when {answered} were answered"
            );
        }
        *sent = arrival.max(*sent);
        let random = self.random.as_mut().unwrap();
        let delay = Duration::from_millis(random.below(20) as u64);
        (delay, random.below(12) > 0)
    }
}

#[test]
fn arrivals_of_an_event_keep_their_order_under_delays_failures_and_kills() {
    const EVENTS: usize = 9;
    const ROUNDS: usize = 4;
    const ARRIVALS: usize = 5;
    let model = Arc::new(Mutex::new(Model {
        random: Some(Random::new(7)),
        ..Model::default()
    }));
    let now = Arc::clone(&model);
    let app = App::saying(move |seen| {
        let mut parts = seen.target().split('/').skip(1);
        let (event, arrival) = (parts.next().unwrap(), parts.next().unwrap());
        let arrival = arrival.parse().unwrap();
        let (delay, answers) = now.lock().unwrap().ask(event, arrival);
        std::thread::sleep(delay);
        if !answers {
            return Vec::new();
        }
        let mut model = now.lock().unwrap();
        let answered = &mut model.events.get_mut(event).unwrap().1;
        *answered = arrival.max(*answered);
        ok()
    });
    let config = format!("target = \"{}\"\n", app.url());
    let mut home = home(&config);
    let mut arrival = 0;
    for round in 0..ROUNDS {
        let creel = Creel::serve_in(home, &[]);
        for _ in 0..ARRIVALS {
            arrival += 1;
            for event in 0..EVENTS {
                let path = format!("/e{event}/{arrival}");
                let fields = of_event(&format!("e{event}"));
                assert_eq!(creel.post(&path, &fields, b"x"), 200);
            }
        }
        // In the middle of it, at another point each round.
        app.targets(round * 20 + 7);
        home = creel.kill();
    }
    let creel = Creel::serve_in(home, &[]);
    settled(&creel);
    let model = model.lock().unwrap();
    assert_eq!(model.mistakes, "");
    let all = ROUNDS * ARRIVALS;
    assert_eq!(model.events.len(), EVENTS);
    for (event, counts) in &model.events {
        assert_eq!(*counts, (all, all), "{event}");
    }
    let rows = creel.run(&["list", "--json", "--limit", "1000"]).lines();
    assert_eq!(rows.len(), EVENTS * all);
    assert!(rows.iter().all(|row| row["answer"]["by"] == json!("creel")));
}

/// A creel in this process, without a listener.
struct Inside {
    local: Arc<Local>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    _home: TempDir,
}

impl Inside {
    fn start(target: &str) -> Self {
        let home = home(&format!("target = \"{target}\"\n"));
        let config = config::load(&Overrides {
            config: Some(home.path().join("creel.toml")),
            data_dir: Some(home.path().join("data")),
            ..Overrides::default()
        })
        .unwrap();
        let clock: Arc<dyn Clock> = Arc::new(System);
        let (local, _) = Local::open(&config, clock, false).unwrap();
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        local.forward(&tasks, &shutdown);
        Self {
            local,
            tasks,
            shutdown,
            _home: home,
        }
    }

    async fn take(&self, path: &str, received_at: Timestamp) {
        let reply = self.local.intake()(ReceivedRequest {
            received_at,
            started: Instant::now(),
            remote_addr: SocketAddr::from(([127, 0, 0, 1], 4000)),
            request: Request {
                method: "POST".into(),
                path: path.into(),
                query: None,
                http_version: "1.1".into(),
                headers: Headers::new(),
                body: "x".into(),
            },
            refused: None,
        })
        .await;
        assert_eq!(reply.status, 200);
    }

    async fn ask(&self, command: Command) -> Reply {
        self.local.engine().call(command).await.unwrap()
    }

    /// Waits until the header is told of so many.
    async fn wait_for(&self, count: u64) -> AppInfo {
        let begun = Instant::now();
        loop {
            let Reply::Info(info) = self.ask(Command::Info).await else {
                panic!("no info");
            };
            if info.apps[0].waiting == count {
                return info.apps[0].clone();
            }
            assert!(begun.elapsed() < PATIENCE, "{count}: {:?}", info.apps);
            tokio::task::yield_now().await;
        }
    }

    async fn set_mode(&self, mode: ForwardMode) {
        let order = ResponseOverrideRequest {
            endpoint: None,
            mode: Some(mode),
            plan: None,
        };
        self.ask(Command::Answer(order)).await;
    }

    async fn end(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.local.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_is_told_how_many_wait_and_since_when_while_the_app_answers() {
    let gate = Gate::default();
    let app = gate.app();
    let other = App::up();
    let creel = Inside::start(&app.url());
    let at = |n: i64| Timestamp(1_800_000_000_000_000 + n * 1_000_000);
    for n in 0..30 {
        creel.take(&format!("/{n}"), at(n)).await;
    }
    let told = creel.wait_for(30).await;
    assert_eq!(told.oldest, Some(at(0)));
    // What is answered by hand does not wait any more.
    let order = ResendRequest {
        which: Selection::Matching("path:/29".into()),
        target: Some(other.url()),
        parallel: 1,
        ..ResendRequest::default()
    };
    creel.ask(Command::Resend(order)).await;
    creel.wait_for(29).await;
    // What is held back is not on its way, and comes back.
    creel.set_mode(ForwardMode::Hold).await;
    creel.wait_for(0).await;
    creel.set_mode(ForwardMode::AckFirst).await;
    let told = creel.wait_for(29).await;
    assert_eq!(told.oldest, Some(at(0)));
    gate.open();
    let told = creel.wait_for(0).await;
    assert_eq!(told.oldest, None);
    let seen: BTreeSet<String> = app.targets(29).into_iter().collect();
    assert_eq!((seen.len(), app.seen().len()), (29, 29), "each once");
    creel.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_end_of_creel_cuts_off_is_owed_still_and_no_attempt_is_kept() {
    let gate = Gate::default();
    let app = gate.app();
    let creel = Inside::start(&app.url());
    for n in 0..12 {
        creel.take(&format!("/{n}"), System.now()).await;
    }
    tokio::task::block_in_place(|| gate.wait_for(8));
    creel.shutdown.cancel();
    creel.tasks.close();
    creel.tasks.wait().await;
    let Reply::Page(page) = creel
        .ask(Command::List(creel::engine::command::ListQuery {
            limit: 100,
            ..Default::default()
        }))
        .await
    else {
        panic!("no list");
    };
    assert_eq!(page.rows.len(), 12);
    assert!(
        page.rows
            .iter()
            .all(|row| row.is_unanswered() && row.attempts == 0)
    );
    gate.open();
    creel.end().await;
}
