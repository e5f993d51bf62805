//! Forwarding by itself: acknowledged first, delivered in order, whatever
//! happens to the app and to creel.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use creel::clock::{Clock, System};
use creel::config::{self, Overrides};
use creel::domain::headers::Headers;
use creel::domain::request::Request;
use creel::engine::command::{Command, ListQuery, Reply};
use creel::engine::local::Local;
use creel::{outbound, server};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::support::app::{App, ok, until};
use crate::support::creel::{Creel, run};

/// Starts creel with a configuration.
fn configured(config: &str) -> Creel {
    Creel::serve_in(home(config), &[])
}

fn home(config: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("creel.toml"), config).unwrap();
    home
}

/// Returns path and who answered of all that is kept, oldest first.
fn kept(creel: &Creel) -> Vec<(String, String)> {
    let mut rows = creel.list();
    rows.reverse();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let row = |row: &Value| (text(&row["path"]), text(&row["answer"]["by"]));
    rows.iter().map(row).collect()
}

/// Waits until nothing is owed any more.
fn settled(creel: &Creel) {
    until("nothing to be owed", || {
        let waiting = creel.run(&["list", "--json", "app:waiting"]).lines();
        waiting.is_empty().then_some(())
    });
}

#[test]
fn what_arrives_is_sent_on_byte_for_byte_and_the_attempt_is_kept() {
    let app = App::saying(|_| {
        b"HTTP/1.1 202 Yes\r\nContent-Length: 2\r\nX-A: 1\r\nConnection: close\r\n\r\nok".to_vec()
    });
    let creel = Creel::serve(&["--target", &app.url()]);
    let body = [b"\x00\xff{\"n\": 1.10}", &vec![7; 100_000][..]].concat();
    assert_eq!(
        creel.post("/hooks/a?x=%20", "X-B: 2\r\nX-A: 1\r\nX-B: 3\r\n", &body),
        200
    );
    assert_eq!(app.targets(1), ["/hooks/a?x=%20"]);
    settled(&creel);
    let seen = &app.seen()[0];
    assert_eq!(seen.body, body);
    assert!(
        seen.head.contains("x-b: 2\r\nx-a: 1\r\nx-b: 3\r\n"),
        "{}",
        seen.head
    );
    let shown = creel.run(&["show", "--json", "@latest"]).lines().remove(0);
    assert_eq!(shown["answer"]["by"], json!("creel"));
    assert_eq!(shown["answer"]["status"], json!(200));
    let attempts = shown["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0]["kind"], json!("forward"));
    assert_eq!(attempts[0]["status"], json!(202));
    assert_eq!(attempts[0]["outcome"], json!("delivered"));
    assert_eq!(attempts[0]["body"]["text"], json!("ok"));
}

#[test]
fn an_app_that_answers_an_error_has_handled_it() {
    let app = App::saying(|_| {
        b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
    });
    let creel = Creel::serve(&["--target", &app.url()]);
    creel.post("/1", "", b"");
    creel.post("/2", "", b"");
    let mut seen = app.targets(2);
    seen.sort();
    assert_eq!(seen, ["/1", "/2"]);
    settled(&creel);
    assert_eq!(app.seen().len(), 2, "nothing is tried again by itself");
    let rows = creel.list();
    assert_eq!(rows[0]["attempts"][0]["outcome"], json!("failed"));
}

#[test]
fn while_the_app_is_down_deliveries_wait_in_order() {
    let mut seen = wait_for_an_app_that_is_down(1);
    let paths: Vec<String> = (0..40).map(|n| format!("/{n}")).collect();
    assert_eq!(seen.pop().as_deref(), Some("/new"));
    assert_eq!(seen, paths);
}

#[test]
fn while_the_app_is_down_one_failure_is_kept_however_many_are_forwarded_at_once() {
    let seen = wait_for_an_app_that_is_down(8);
    // It is tried with the oldest.
    assert_eq!(seen[0], "/0");
    let paths: BTreeSet<String> = (0..40).map(|n| format!("/{n}")).collect();
    let seen: BTreeSet<String> = seen.into_iter().collect();
    assert!(
        seen.is_superset(&paths) && seen.contains("/new"),
        "{seen:?}"
    );
}

/// Lets 40 deliveries wait for an app that is down, starts it and sends one
/// more; returns what the app was sent.
fn wait_for_an_app_that_is_down(parallel: u32) -> Vec<String> {
    let mut app = App::down(|_| ok());
    let creel = configured(&format!(
        "target = \"{}\"\nparallel = {parallel}\n",
        app.url()
    ));
    let paths: Vec<String> = (0..40).map(|n| format!("/{n}")).collect();
    for path in &paths {
        assert_eq!(creel.post(path, "", path.as_bytes()), 200);
    }
    let owed: Vec<_> = paths
        .iter()
        .map(|path| (path.clone(), "creel-target-down".to_owned()))
        .collect();
    assert_eq!(kept(&creel), owed);
    // Of the outage one failure is kept, not one for every delivery or try.
    let failed = until("the first failure", || {
        let rows = creel.list();
        let tries: Vec<usize> = rows
            .iter()
            .map(|r| r["attempts"].as_array().unwrap().len())
            .collect();
        (tries.iter().sum::<usize>() > 0).then_some(rows)
    });
    let first = failed.last().unwrap();
    assert_eq!(first["attempts"][0]["outcome"], json!("failed"));
    assert!(
        first["attempts"][0]["error"]
            .as_str()
            .unwrap()
            .contains("refused")
    );
    let text = creel.run(&["list"]).out;
    assert_eq!(text.matches("  wait  ").count(), 39, "{text}");
    assert_eq!(text.matches("  down  ").count(), 1, "{text}");
    assert!(
        creel
            .run(&["show", "@latest"])
            .out
            .contains("acknowledged, not handled")
    );

    app.start();
    // A new delivery has it tried at once.
    creel.post("/new", "", b"");
    let all = app.targets(41);
    settled(&creel);
    assert!(kept(&creel).iter().all(|(_, by)| by == "creel"));
    let tries = creel
        .list()
        .iter()
        .map(|r| r["attempts"].as_array().unwrap().len())
        .sum::<usize>();
    assert_eq!(tries, 42);
    for seen in app.seen().iter().filter(|seen| seen.target() != "/new") {
        assert_eq!(seen.body, seen.target().as_bytes());
    }
    all
}

#[test]
fn what_is_owed_survives_kill_9_and_is_delivered_after_the_next_start() {
    let mut app = App::down(|_| ok());
    let config = format!("target = \"{}\"\nparallel = 1\n", app.url());
    let mut home = home(&config);
    let mut paths = Vec::new();
    for round in 0..4 {
        let creel = Creel::serve_in(home, &[]);
        for n in 0..5 {
            let path = format!("/{round}/{n}");
            assert_eq!(creel.post(&path, "", b"x"), 200);
            paths.push(path);
        }
        home = creel.kill();
    }
    app.start();
    let creel = Creel::serve_in(home, &[]);
    assert_eq!(app.targets(20), paths);
    settled(&creel);
    let home = creel.kill();
    // What was delivered is not delivered again.
    let creel = Creel::serve_in(home, &[]);
    creel.post("/last", "", b"");
    assert_eq!(app.targets(21)[20], "/last");
    assert_eq!(app.seen().len(), 21);
    assert!(kept(&creel)[..20].iter().all(|(_, by)| by == "creel"));
}

#[test]
fn killed_in_the_middle_of_it_nothing_is_lost_or_out_of_order() {
    let app = App::up();
    let config = format!("target = \"{}\"\nparallel = 1\n", app.url());
    let mut home = home(&config);
    let mut paths = Vec::new();
    for round in 0..6 {
        let creel = Creel::serve_in(home, &[]);
        for n in 0..12 {
            let path = format!("/{round}/{n}");
            assert_eq!(creel.post(&path, "", b"x"), 200);
            paths.push(path);
        }
        // While the lane is at work, at another point each round.
        app.targets(round * 3);
        home = creel.kill();
    }
    let creel = Creel::serve_in(home, &[]);
    settled(&creel);
    // One may come twice where the kill fell between answer and record.
    let mut came = app.targets(paths.len());
    came.dedup();
    assert_eq!(came, paths);
    assert_eq!(kept(&creel).len(), paths.len());
}

#[test]
fn a_restart_in_peace_goes_on_where_it_was() {
    let mut app = App::down(|_| ok());
    let config = format!("target = \"{}\"\n", app.url());
    let mut creel = Creel::serve_in(home(&config), &[]);
    creel.post("/1", "", b"");
    assert_eq!(creel.signal("-TERM"), Some(0));
    let home = creel.home();
    app.start();
    let creel = Creel::serve_in(home, &[]);
    assert_eq!(app.targets(1), ["/1"]);
    settled(&creel);
}

#[test]
fn an_app_that_takes_connections_and_says_nothing_does_not_hold_up_the_others() {
    let mended = Arc::new(Mutex::new(false));
    let now = Arc::clone(&mended);
    let app = App::saying(move |seen| {
        if seen.target() == "/poison" && !*now.lock().unwrap() {
            Vec::new()
        } else {
            ok()
        }
    });
    let creel = Creel::serve(&["--target", &app.url()]);
    creel.post("/poison", "", b"");
    creel.post("/good", "", b"");
    until("the good one", || {
        app.seen()
            .iter()
            .any(|s| s.target() == "/good")
            .then_some(())
    });
    let waiting = until("only the poison to wait", || {
        let waiting = creel.run(&["list", "--json", "app:waiting"]).lines();
        (waiting.len() == 1).then_some(waiting)
    });
    assert_eq!(waiting[0]["path"], json!("/poison"));
    assert_eq!(waiting[0]["attempts"].as_array().unwrap().len(), 1);
    assert!(
        waiting[0]["attempts"][0]["error"]
            .as_str()
            .unwrap()
            .contains("without an answer")
    );
    // Once the app is mended it gets what was set aside, without a restart.
    *mended.lock().unwrap() = true;
    settled(&creel);
    let shown = creel.run(&["list", "path:/poison", "--json"]).lines();
    assert_eq!(shown[0]["answer"]["by"], json!("creel"));
    assert_eq!(shown[0]["attempts"].as_array().unwrap().len(), 2);
}

#[test]
fn a_path_replaced_by_none_is_so_however_it_is_sent() {
    let app = App::up();
    let creel = configured(&format!(
        "target = \"{}\"\npath_mode = \"replace\"\n",
        app.url()
    ));
    creel.post("/hooks/a", "", b"");
    assert_eq!(app.targets(1), ["/"]);
    // The form and a schedule that goes on name the address alone.
    let to = format!("{}/", app.url());
    assert_eq!(creel.run(&["resend", "@latest", "--to", &to]).code, 0);
    assert_eq!(app.targets(2), ["/", "/"]);
}

#[test]
fn one_app_does_not_wait_for_another() {
    let down = App::down(|_| ok());
    let up = App::up();
    let creel = configured(&format!(
        "target = \"{}\"\n[[routes]]\npath = \"/up\"\ntarget = \"{}\"\n",
        down.url(),
        up.url()
    ));
    creel.post("/down", "", b"");
    creel.post("/up", "", b"");
    assert_eq!(up.targets(1), ["/up"]);
    let waiting = until("one to wait", || {
        let waiting = creel.run(&["list", "--json", "app:waiting"]).lines();
        (waiting.len() == 1).then_some(waiting)
    });
    assert_eq!(waiting[0]["path"], json!("/down"));
}

#[test]
fn answered_when_resent_by_hand_it_is_handled() {
    let down = App::down(|_| ok());
    let other = App::up();
    let creel = Creel::serve(&["--target", &down.url()]);
    creel.post("/1", "", b"");
    let ran = creel.run(&["resend", "@latest", "--to", &other.url()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    settled(&creel);
    assert_eq!(kept(&creel), [("/1".to_owned(), "creel".to_owned())]);
}

#[test]
fn routes_go_by_path_provider_and_event() {
    let apps: Vec<App> = (0..4).map(|_| App::up()).collect();
    let creel = configured(&format!(
        r#"
target = "{0}"

[[routes]]
provider = "porkbun"
event = "dns.*"
target = "{1}"
path_mode = "replace"

[endpoints.users]
path = "/hooks/users"
target = "{2}/base"
path_mode = "strip"

[[endpoints.users.routes]]
path = "/hooks/users/*/eu"
target = "{3}/eu/"
path_mode = "keep"
"#,
        apps[0].url(),
        apps[1].url(),
        apps[2].url(),
        apps[3].url()
    ));
    creel.post("/other", "", b"");
    creel.post(
        "/dns?q=1",
        "X-Porkbun-Signature: sha256=00\r\nX-Porkbun-Event: dns.record.updated\r\nX-Porkbun-Webhook-Id: 1\r\n",
        b"",
    );
    creel.post("/hooks/users/a//b/%2e?q=1", "", b"");
    creel.post("/hooks/users/a/eu", "", b"");
    let targets: Vec<Vec<String>> = apps.iter().map(|app| app.targets(1)).collect();
    assert_eq!(
        targets,
        [
            ["/other"],
            ["/?q=1"],
            ["/base/a//b/%2e?q=1"],
            ["/eu/hooks/users/a/eu"]
        ]
    );
    settled(&creel);
    // By hand it goes the same way.
    assert_eq!(creel.run(&["resend", "@latest"]).code, 0);
    assert_eq!(apps[3].targets(2)[1], "/eu/hooks/users/a/eu");
}

#[test]
fn held_back_it_is_sent_when_somebody_says_so() {
    let app = App::up();
    let creel = Creel::serve(&["--target", &app.url(), "--mode", "hold"]);
    assert_eq!(creel.post("/1", "", b""), 200);
    assert_eq!(kept(&creel), [("/1".to_owned(), "creel".to_owned())]);
    assert_eq!(app.seen().len(), 0);
    assert_eq!(creel.run(&["resend", "@latest"]).code, 0);
    assert_eq!(app.targets(1), ["/1"]);
}

#[test]
fn refusals_handshakes_and_what_was_told_no_are_not_sent_on() {
    let app = App::up();
    let creel = configured(&format!(
        "target = \"{}\"\nmax_body = 10\n[endpoints.slack]\npath = \"/slack\"\nprovider = \"slack\"\n\
         [endpoints.no]\npath = \"/no\"\nanswer = {{ status = 500 }}\n\
         [endpoints.drop]\npath = \"/drop\"\nanswer = {{ drop = true }}\n",
        app.url()
    ));
    assert_eq!(creel.post("/", "", b"more than ten bytes"), 413);
    assert_eq!(creel.post("/no", "", b""), 500);
    assert_eq!(creel.try_post("/drop", b""), None);
    assert_eq!(creel.post("/yes", "", b""), 200);
    assert_eq!(app.targets(1), ["/yes"]);
    settled(&creel);
    assert_eq!(app.seen().len(), 1);
    assert_eq!(creel.list().len(), 4);
}

#[test]
fn a_target_that_is_creel_itself_is_refused_at_the_start() {
    let free = tokio::net::TcpSocket::new_v4().unwrap();
    free.set_reuseaddr(true).unwrap();
    free.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = free.local_addr().unwrap();
    let home = tempfile::tempdir().unwrap();
    let port = address.port();
    for target in [
        format!("http://{address}/x"),
        format!("http://localhost:{port}"),
    ] {
        let listen = address.to_string();
        let ran = run(
            home.path(),
            &["serve", "--listen", &listen, "--target", &target],
            b"",
        );
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains("is creel itself"), "{}", ran.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_that_shows_only_later_is_cut() {
    let home = tempfile::tempdir().unwrap();
    let config = config::load(&Overrides {
        data_dir: Some(home.path().join("data")),
        ..Overrides::default()
    })
    .unwrap();
    let clock: Arc<dyn Clock> = Arc::new(System);
    let (local, _) = Local::open(&config, Arc::clone(&clock), false).unwrap();
    let listener = server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr();
    // As if a name had come to mean creel itself after the start.
    local.set_default_target(format!("http://{address}"));
    assert!(local.refuse_loops(address).await.is_err());
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let limits = server::Limits::default();
    tasks.spawn(server::serve(
        listener,
        limits,
        local.intake(),
        clock,
        shutdown.clone(),
    ));
    local.forward(&tasks, &shutdown);
    let outgoing = outbound::prepare(
        &Request {
            method: "POST".into(),
            path: "/round".into(),
            body: "x".into(),
            ..Request::default()
        },
        &format!("http://{address}"),
        Headers::new(),
    )
    .unwrap();
    let told = outbound::Client::default()
        .send(&outgoing, outbound::SendOptions::default())
        .await;
    assert_eq!(told.response.unwrap().status, 200);
    let rows = loop {
        let query = ListQuery {
            limit: 10,
            ..ListQuery::default()
        };
        let Ok(Reply::Page(page)) = local.engine().call(Command::List(query)).await else {
            panic!("no list");
        };
        // A page read while both come may show the end of the first alone.
        if page.rows.len() > 1 && page.rows.last().is_some_and(|row| !row.is_unanswered()) {
            break page.rows;
        }
        tokio::task::yield_now().await;
    };
    // Once round and no further.
    let round: Vec<_> = rows
        .iter()
        .map(|row| (row.answer.status, row.attempts))
        .collect();
    assert_eq!(round, [(508, 0), (200, 1)]);
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
    local.close().await;
}

#[test]
fn what_cannot_be_forwarded_to_is_told_at_the_start() {
    let home = tempfile::tempdir().unwrap();
    for (args, says) in [
        (vec!["--target", "localhost:3000"], "creel cannot send to"),
        (vec!["--mode", "later"], "ack-first|pass-through|hold"),
        (vec!["--mode", "pass-through"], "passed through to no app"),
        (
            vec!["--target", "http://me:secret-word@h/"],
            "name and password",
        ),
    ] {
        let ran = run(home.path(), &[&["serve"][..], &args].concat(), b"");
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(says), "{}", ran.err);
        assert!(!ran.err.contains("secret-word"), "{}", ran.err);
    }
}
