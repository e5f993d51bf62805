//! What is owed, as the store tells it: derived from the journal alone.

use std::sync::Arc;

use creel::domain::attempt::{AttemptKind, Response};
use creel::domain::delivery::Responder;
use creel::domain::event_key::EventKey;
use creel::store::{Assess, Incoming, NewAttempt, Options, Store};

use crate::support::deliveries::{ByPath, attempt, incoming};
use crate::support::index::remove_index;

fn open(folder: &std::path::Path) -> Store {
    let assess: Arc<dyn Assess> = Arc::new(ByPath);
    match Store::open(folder, &Options::default(), &assess) {
        Ok((store, _)) => store,
        Err(error) => panic!("{error}"),
    }
}

fn answered(path: &str, status: u16, by: Responder) -> Incoming {
    let mut incoming = incoming(path, b"body");
    incoming.answer.status = status;
    incoming.answer.by = by;
    incoming
}

fn forward(seq: u64, status: Option<u16>) -> NewAttempt {
    NewAttempt {
        kind: AttemptKind::Forward,
        response: status.map(|status| Response {
            status,
            headers: [("a", "b")].into_iter().collect(),
            body: "x".into(),
            body_size: 1,
        }),
        ..attempt(seq)
    }
}

/// Returns status and author of every answer, in the order of arrival.
fn answers(store: &Store) -> Vec<(u16, Responder)> {
    let mut all = Vec::new();
    store
        .scan_up(0, &mut |row| {
            all.push((row.answer.status, row.answer.by));
            true
        })
        .unwrap();
    all
}

#[tokio::test]
async fn answers_follow_from_attempts_and_again_when_the_index_is_made_anew() {
    use Responder::{Creel, CreelTargetDown, Target};
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for (status, by) in [
        (200, CreelTargetDown),
        (200, CreelTargetDown),
        (0, CreelTargetDown),
        (0, CreelTargetDown),
        (0, CreelTargetDown),
        (0, Creel),
    ] {
        store.append(answered("/", status, by)).await.unwrap();
    }
    for (seq, status) in [
        (1, None),
        (1, Some(500)),
        (2, None),
        (3, Some(404)),
        (4, None),
    ] {
        store.append_attempt(forward(seq, status)).await.unwrap();
    }
    store.settle_whole().await;
    let expected = [
        (200, Creel),
        (200, CreelTargetDown),
        (404, Target),
        (502, CreelTargetDown),
        (0, CreelTargetDown),
        (0, Creel),
    ];
    assert_eq!(answers(&store), expected);
    let delivery = store.delivery(3).unwrap().unwrap();
    assert_eq!((delivery.answer.status, delivery.answer.by), (404, Target));
    store.close().await;
    drop(store);
    remove_index(folder.path());
    let store = open(folder.path());
    store.settle_whole().await;
    assert_eq!(answers(&store), expected);
    store.close().await;
}

#[tokio::test]
async fn the_list_can_be_read_upwards_from_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut growth = store.growth();
    for n in 0..500 {
        store
            .append(incoming(&format!("/{}", n % 7), b"x"))
            .await
            .unwrap();
    }
    store.settle_whole().await;
    assert!(growth.has_changed().unwrap() && *growth.borrow_and_update() == 500);
    for after in [0, 1, 17, 250, 499, 500, 9999] {
        let mut seqs = Vec::new();
        store
            .scan_up(after, &mut |row| {
                seqs.push(row.seq);
                seqs.len() < 300
            })
            .unwrap();
        let expected: Vec<u64> = (after + 1..=500).take(300).collect();
        assert_eq!(seqs, expected, "after {after}");
    }
    let arrived = |path: &str| store.arrived(&EventKey::of_id("test", path)).unwrap();
    assert_eq!(
        [arrived("/0"), arrived("/6"), arrived("/none")],
        [72, 71, 0]
    );
    store.close().await;
}
