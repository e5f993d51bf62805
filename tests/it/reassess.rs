//! Rows verified again: because somebody asks, or because the configuration
//! is another than the one they were judged by.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use creel::domain::assess::Assessment;
use creel::domain::event_key::EventKey;
use creel::domain::request::Request;
use creel::domain::timestamp::Timestamp;
use creel::domain::verification::{Status, Verification};
use creel::store::{Assess, Change, Options, Store};
use tempfile::TempDir;

use crate::support::deliveries::{attempt, incoming};

/// Judges as it is told, and notes what it was asked.
struct Judge {
    rule: Mutex<Rule>,
    asked: Mutex<Vec<Asked>>,
    gate: Mutex<Option<Gate>>,
}

/// What a judge says.
#[derive(Clone, Copy)]
struct Rule {
    /// Stands for the configuration.
    number: u8,
    status: Status,
    group: fn(&str) -> String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    First(String),
    Again(String),
}

/// Holds the judge up at one delivery.
struct Gate {
    at: String,
    reached: mpsc::Sender<()>,
    go_on: mpsc::Receiver<()>,
}

/// Stands for one command, which leaves what is known as it is.
const LOOKS_ONLY: u8 = 0;

const GROUP: fn(&str) -> String = str::to_owned;

impl Judge {
    fn new(number: u8, status: Status) -> Arc<Self> {
        Arc::new(Self {
            rule: Mutex::new(Rule {
                number,
                status,
                group: GROUP,
            }),
            asked: Mutex::default(),
            gate: Mutex::default(),
        })
    }

    fn now(&self, number: u8, status: Status) {
        let mut rule = self.rule.lock().unwrap();
        (rule.number, rule.status) = (number, status);
    }

    fn asked_again(&self) -> usize {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|asked| matches!(asked, Asked::Again(_)))
            .count()
    }

    fn say(&self, request: &Request) -> Assessment {
        let rule = *self.rule.lock().unwrap();
        Assessment {
            provider: Some("test".into()),
            event: Some(format!("rule {}", rule.number)),
            delivery_id: None,
            group: Some(EventKey::of_id("test", &(rule.group)(&request.path))),
            verification: Verification::new(rule.status),
            pin: None,
        }
    }
}

impl Assess for Judge {
    fn assess(&self, _: Option<&str>, request: &Request, _: Timestamp) -> Assessment {
        let path = request.path.clone();
        self.asked.lock().unwrap().push(Asked::First(path));
        self.say(request)
    }

    fn assess_again(&self, _: Option<&str>, request: &Request, _: Timestamp) -> Assessment {
        let path = request.path.clone();
        self.asked.lock().unwrap().push(Asked::Again(path.clone()));
        if let Some(gate) = &*self.gate.lock().unwrap()
            && gate.at == path
        {
            gate.reached.send(()).unwrap();
            gate.go_on.recv().unwrap();
        }
        self.say(request)
    }

    fn stamp(&self) -> Option<[u8; 32]> {
        let number = self.rule.lock().unwrap().number;
        (number != LOOKS_ONLY).then_some([number; 32])
    }
}

async fn open(folder: &Path, judge: &Arc<Judge>) -> Store {
    let judge: Arc<dyn Assess> = Arc::<Judge>::clone(judge);
    let (store, _) = Store::open(folder, &Options::default(), &judge).unwrap();
    store.verified().await;
    store
}

async fn filled(judge: &Arc<Judge>, paths: &[&str]) -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), judge).await;
    for path in paths {
        store.append(incoming(path, b"x")).await.unwrap();
    }
    store.settle().await;
    (dir, store)
}

fn statuses(store: &Store) -> BTreeMap<String, Status> {
    let rows = store.page(0, 10_000).unwrap();
    rows.into_iter().map(|row| (row.path, row.status)).collect()
}

#[tokio::test]
async fn only_what_is_wanted_is_verified_again_and_told() {
    let judge = Judge::new(1, Status::Invalid);
    let (_dir, store) = filled(&judge, &["/a/1", "/b/1", "/a/2"]).await;
    store.append_attempt(attempt(1)).await.unwrap();
    store.set_marked(&[1], true).await.unwrap();
    store.settle().await;
    let mut changes = store.watch();
    judge.now(2, Status::Valid);
    let found = store
        .reassess(|row| row.path.starts_with("/a/"))
        .await
        .unwrap();
    assert_eq!((found.rows(), found.changed), (2, 2));
    assert_eq!(found.statuses[0], 2, "valid ones");
    let rows = statuses(&store);
    assert_eq!(rows["/a/1"], Status::Valid);
    assert_eq!(rows["/b/1"], Status::Invalid);
    let mut told = Vec::new();
    while let Ok(change) = changes.try_recv() {
        match change {
            Change::Changed(row) => told.push(row.seq),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, [3, 1], "newest first");
    let row = store.summary(1).unwrap().unwrap();
    assert!(row.marked && row.attempts == 1 && row.event.as_deref() == Some("rule 2"));
    // What is as it was is not told.
    let found = store.reassess(|row| row.seq == 1).await.unwrap();
    assert_eq!((found.rows(), found.changed), (1, 0));
    assert!(changes.try_recv().is_err());
}

#[tokio::test]
async fn rows_judged_by_another_configuration_are_verified_again_after_opening() {
    let judge = Judge::new(1, Status::Invalid);
    let (dir, store) = filled(&judge, &["/1", "/2", "/3"]).await;
    store.close().await;
    drop(store);

    // The same: nothing is to be done.
    let same = Judge::new(1, Status::Valid);
    let store = open(dir.path(), &same).await;
    assert_eq!(same.asked_again(), 0);
    assert_eq!(statuses(&store)["/1"], Status::Invalid);
    store.close().await;
    drop(store);

    let other = Judge::new(2, Status::Valid);
    let store = open(dir.path(), &other).await;
    assert_eq!(other.asked_again(), 3);
    assert!(statuses(&store).values().all(|s| *s == Status::Valid));
    store.close().await;
    drop(store);

    // And only once.
    let other = Judge::new(2, Status::Valid);
    let store = open(dir.path(), &other).await;
    assert_eq!(other.asked_again(), 0);
    store.close().await;
}

#[tokio::test]
async fn whoever_only_looks_leaves_the_verdicts_as_they_are() {
    let judge = Judge::new(1, Status::Valid);
    let (dir, store) = filled(&judge, &["/1", "/2"]).await;
    store.close().await;
    drop(store);
    let looks = Judge::new(LOOKS_ONLY, Status::NoSecret);
    let store = open(dir.path(), &looks).await;
    assert_eq!(looks.asked_again(), 0);
    assert!(statuses(&store).values().all(|s| *s == Status::Valid));
    store.close().await;
    drop(store);
    // Whoever received them finds them as they were.
    let judge = Judge::new(1, Status::Invalid);
    let store = open(dir.path(), &judge).await;
    assert_eq!(judge.asked_again(), 0);
    store.close().await;
    drop(store);
    // Where it has to index them itself, they are verified again by the next.
    std::fs::remove_dir_all(dir.path().join("index-1")).unwrap();
    let looks = Judge::new(LOOKS_ONLY, Status::NoSecret);
    open(dir.path(), &looks).await.close().await;
    let judge = Judge::new(1, Status::Valid);
    let store = open(dir.path(), &judge).await;
    assert_eq!(judge.asked_again(), 2);
    assert!(statuses(&store).values().all(|s| *s == Status::Valid));
    store.close().await;
}

#[tokio::test]
async fn what_counted_in_one_session_is_not_believed_in_the_next() {
    let judge = Judge::new(1, Status::Invalid);
    let (dir, store) = filled(&judge, &["/1", "/2"]).await;
    store.judged_otherwise().unwrap();
    judge.now(7, Status::Valid);
    store.reassess(|row| row.seq == 1).await.unwrap();
    assert_eq!(statuses(&store)["/1"], Status::Valid);
    store.close().await;
    drop(store);
    let judge = Judge::new(1, Status::Invalid);
    let store = open(dir.path(), &judge).await;
    assert_eq!(statuses(&store)["/1"], Status::Invalid);
    // An end in the middle leaves nothing to believe either.
    store.judged_otherwise().unwrap();
    store.close().await;
    drop(store);
    let judge = Judge::new(1, Status::Invalid);
    let store = open(dir.path(), &judge).await;
    assert_eq!(judge.asked_again(), 2);
    store.close().await;
}

#[tokio::test]
async fn arrivals_are_counted_anew_where_events_are_others() {
    let judge = Judge::new(1, Status::Valid);
    let (dir, store) = filled(&judge, &["/x/1", "/y/1", "/x/2", "/x/1"]).await;
    let arrivals = |store: &Store| -> Vec<u32> {
        let rows = store.page(0, 100).unwrap();
        rows.iter().rev().map(|row| row.arrival).collect()
    };
    assert_eq!(arrivals(&store), [1, 1, 1, 2]);
    judge.rule.lock().unwrap().group = |path| path[..2].to_owned();
    let mut changes = store.watch();
    store.reassess(|_| true).await.unwrap();
    assert_eq!(arrivals(&store), [1, 1, 2, 3]);
    assert_eq!(store.arrivals(1, 10).unwrap(), [1, 3, 4]);
    assert_eq!(store.arrivals(2, 10).unwrap(), [2]);
    let told = std::iter::from_fn(|| changes.try_recv().ok());
    assert!(told.into_iter().any(|change| change == Change::Removed(0)));
    // The next ones follow on.
    store.append(incoming("/x/9", b"x")).await.unwrap();
    store.append(incoming("/y/9", b"x")).await.unwrap();
    store.settle().await;
    assert_eq!(arrivals(&store), [1, 1, 2, 3, 4, 2]);
    store.close().await;
    drop(store);
    // Only the events differ: nothing is lost by opening once more.
    let store = open(dir.path(), &judge).await;
    assert_eq!(arrivals(&store), [1, 1, 2, 3, 4, 2]);
    assert_eq!(store.arrivals(1, 10).unwrap(), [1, 3, 4, 5]);
    store.close().await;
}

#[tokio::test]
async fn what_arrives_meanwhile_is_listed_before_the_last_is_verified() {
    let judge = Judge::new(1, Status::Invalid);
    let paths: Vec<String> = (0..600).map(|n| format!("/{n}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let (_dir, store) = filled(&judge, &paths).await;
    let (reached, is_reached) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    *judge.gate.lock().unwrap() = Some(Gate {
        at: "/300".into(),
        reached,
        go_on: may_go_on,
    });
    judge.now(2, Status::Valid);
    let asked = tokio::spawn({
        let store = store.clone();
        async move { store.reassess(|_| true).await }
    });
    tokio::task::spawn_blocking(move || is_reached.recv())
        .await
        .unwrap()
        .unwrap();
    // When the second is kept, the first waits for the index.
    store.append(incoming("/new", b"x")).await.unwrap();
    store.append(incoming("/newer", b"x")).await.unwrap();
    go_on.send(()).unwrap();
    assert_eq!(asked.await.unwrap().unwrap().rows(), 600);
    let asked = judge.asked.lock().unwrap();
    let place = |wanted: Asked| asked.iter().position(|asked| *asked == wanted).unwrap();
    assert!(place(Asked::First("/new".into())) < place(Asked::Again("/0".into())));
    assert!(place(Asked::Again("/599".into())) < place(Asked::Again("/598".into())));
}

#[tokio::test]
async fn many_changes_are_told_at_once() {
    let judge = Judge::new(1, Status::Invalid);
    let paths: Vec<String> = (0..500).map(|n| format!("/{n}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let (_dir, store) = filled(&judge, &paths).await;
    let mut changes = store.watch();
    judge.now(2, Status::Valid);
    store.reassess(|_| true).await.unwrap();
    let told: Vec<Change> = std::iter::from_fn(|| changes.try_recv().ok()).collect();
    let single = |change: &&Change| matches!(change, Change::Changed(_));
    assert!(told.iter().filter(single).count() < 500);
    assert!(told.contains(&Change::Removed(0)));
}

#[tokio::test]
async fn whoever_asks_a_store_that_closes_is_answered() {
    let judge = Judge::new(1, Status::Invalid);
    let (_dir, store) = filled(&judge, &["/1"]).await;
    store.close().await;
    assert!(store.reassess(|_| true).await.is_err());
}
