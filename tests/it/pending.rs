//! Deliveries that are listed before they are verified.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use creel::domain::assess::Assessment;
use creel::domain::event_key::EventKey;
use creel::domain::request::Request;
use creel::domain::timestamp::Timestamp;
use creel::domain::verification::{Status, Verification};
use creel::store::{Appended, Assess, Change, Options, Store};
use proptest::prelude::*;

use crate::support::deliveries::incoming;

/// Verifies a delivery when the gate of its endpoint is open, and groups by
/// the path. It sketches nothing, so that everything is known late.
#[derive(Default)]
struct Gated {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// How many deliveries of an endpoint may still be verified; absent: all.
    left: HashMap<Option<String>, usize>,
    verified: Vec<String>,
}

impl Gated {
    fn new() -> Arc<Self> {
        Arc::default()
    }

    fn allow(&self, endpoint: Option<&str>, count: usize) {
        let mut state = self.state.lock().unwrap();
        state.left.insert(endpoint.map(str::to_owned), count);
        self.changed.notify_all();
    }

    fn open(&self) {
        self.state.lock().unwrap().left.clear();
        self.changed.notify_all();
    }

    fn verified(&self) -> Vec<String> {
        self.state.lock().unwrap().verified.clone()
    }
}

impl Assess for Gated {
    fn assess(&self, endpoint: Option<&str>, request: &Request, _: Timestamp) -> Assessment {
        let endpoint = endpoint.map(str::to_owned);
        let state = self.state.lock().unwrap();
        let shut = |state: &mut State| state.left.get(&endpoint) == Some(&0);
        let mut state = self.changed.wait_while(state, shut).unwrap();
        if let Some(left) = state.left.get_mut(&endpoint) {
            *left -= 1;
        }
        state.verified.push(request.path.clone());
        Assessment {
            provider: Some("test".into()),
            event: None,
            delivery_id: Some(request.path.clone()),
            group: Some(EventKey::of_id("test", &request.path)),
            verification: Verification::new(Status::Valid),
            pin: None,
        }
    }
}

fn open(folder: &Path, gated: &Arc<Gated>) -> Store {
    let assess: Arc<dyn Assess> = Arc::<Gated>::clone(gated);
    Store::open(folder, &Options::default(), &assess).unwrap().0
}

async fn append(store: &Store, endpoint: Option<&str>, path: &str) -> Appended {
    let mut delivery = incoming(path, b"x");
    delivery.endpoint = endpoint.map(str::to_owned);
    store.append(delivery).await.unwrap()
}

fn statuses(store: &Store) -> Vec<Status> {
    let rows = store.page(0, 1000).unwrap();
    rows.iter().rev().map(|row| row.status).collect()
}

fn arrivals(store: &Store) -> Vec<u32> {
    let rows = store.page(0, 1000).unwrap();
    rows.iter().rev().map(|row| row.arrival).collect()
}

/// Waits until something is so; not for ever.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
    waited.unwrap_or_else(|_| panic!("waited in vain until {what}"));
}

#[tokio::test]
async fn a_delivery_is_listed_while_verification_is_blocked() {
    let dir = tempfile::tempdir().unwrap();
    let gated = Gated::new();
    gated.allow(None, 0);
    let store = open(dir.path(), &gated);
    let mut changes = store.watch();
    for n in 0..50 {
        append(&store, None, &format!("/{n}")).await;
    }
    store.settle_index().await;
    assert_eq!(statuses(&store), [Status::Pending; 50]);
    let row = store.summary(1).unwrap().unwrap();
    assert_eq!((row.body_size, row.provider.as_deref()), (1, None));
    assert!(gated.verified().is_empty());
    gated.open();
    store.settle().await;
    assert_eq!(statuses(&store), [Status::Valid; 50]);
    let told: Vec<Change> = std::iter::from_fn(|| changes.try_recv().ok()).collect();
    let verified = told
        .iter()
        .filter(|change| matches!(change, Change::Changed(row) if row.status == Status::Valid));
    assert_eq!(verified.count(), 50);
    store.close().await;
}

#[tokio::test]
async fn one_endpoint_is_verified_while_another_is_blocked_and_each_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let gated = Gated::new();
    gated.allow(Some("a"), 0);
    let store = open(dir.path(), &gated);
    for n in 0..100 {
        append(&store, Some("a"), &format!("/a{n}")).await;
        append(&store, Some("b"), &format!("/b{n}")).await;
    }
    until("b is verified", || {
        let rows = statuses(&store);
        rows.iter().filter(|s| **s == Status::Valid).count() == 100
    })
    .await;
    let expected: Vec<String> = (0..100).map(|n| format!("/b{n}")).collect();
    assert_eq!(gated.verified(), expected);
    gated.open();
    store.settle().await;
    let mut verified = gated.verified();
    verified.retain(|path| path.starts_with("/a"));
    let expected: Vec<String> = (0..100).map(|n| format!("/a{n}")).collect();
    assert_eq!(verified, expected);
    store.close().await;
}

#[tokio::test]
async fn a_store_closes_while_verification_is_blocked_and_the_rest_is_verified_later() {
    let dir = tempfile::tempdir().unwrap();
    let gated = Gated::new();
    gated.allow(None, 3);
    let store = open(dir.path(), &gated);
    for n in 0..20 {
        append(&store, None, &format!("/{n}")).await;
    }
    until("three are verified", || {
        store.count() == 20 && statuses(&store).starts_with(&[Status::Valid; 3])
    })
    .await;
    store.close().await;
    drop(store);

    // What is still blocked is verified by the next, and only that.
    let next = Gated::new();
    let store = open(dir.path(), &next);
    until("all are verified", || {
        statuses(&store) == [Status::Valid; 20]
    })
    .await;
    let expected: Vec<String> = (3..20).map(|n| format!("/{n}")).collect();
    assert_eq!(next.verified(), expected);
    store.close().await;
    drop(store);

    let last = Gated::new();
    let store = open(dir.path(), &last);
    store.settle().await;
    assert!(last.verified().is_empty());
    store.close().await;
    gated.open();
}

#[tokio::test]
async fn what_a_change_of_secrets_overtakes_is_verified_once_more() {
    let dir = tempfile::tempdir().unwrap();
    let gated = Gated::new();
    gated.allow(None, 0);
    let store = open(dir.path(), &gated);
    append(&store, None, "/1").await;
    append(&store, None, "/2").await;
    store.settle_index().await;
    let again = tokio::spawn({
        let store = store.clone();
        async move { store.reassess(|row| row.seq == 2).await }
    });
    tokio::task::yield_now().await;
    gated.open();
    assert_eq!(again.await.unwrap().unwrap().rows(), 1);
    store.settle().await;
    assert_eq!(statuses(&store), [Status::Valid; 2]);
    store.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn arrivals_are_numbered_in_their_order_whenever_they_are_verified(
        deliveries in prop::collection::vec((0..2_usize, 0..3_usize), 1..40),
        order in prop::collection::vec(0..2_usize, 0..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let gated = Gated::new();
            let names = ["a", "b"];
            for name in names {
                gated.allow(Some(name), 0);
            }
            let store = open(dir.path(), &gated);
            let (mut expected, mut counts) = (Vec::new(), [0; 3]);
            for (endpoint, event) in &deliveries {
                append(&store, Some(names[*endpoint]), &format!("/{event}")).await;
                counts[*event] += 1;
                expected.push(counts[*event]);
            }
            store.settle_index().await;
            for endpoint in order {
                let of = |d: &&(usize, usize)| d.0 == endpoint;
                let there = deliveries.iter().filter(of).count();
                let done = || {
                    let rows = store.page(0, 1000).unwrap();
                    let own = rows.iter().filter(|row| row.endpoint.as_deref() == Some(names[endpoint]));
                    own.filter(|row| row.status == Status::Valid).count()
                };
                let wanted = there.min(done() + 4);
                gated.allow(Some(names[endpoint]), 4);
                until("some are verified", || done() >= wanted).await;
            }
            gated.open();
            store.settle().await;
            until("all are verified", || statuses(&store).iter().all(|s| *s == Status::Valid)).await;
            assert_eq!(arrivals(&store), expected);
            for event in 0..3_usize {
                let own: Vec<u64> = (1..).zip(&deliveries).filter(|(_, d)| d.1 == event).map(|(seq, _)| seq).collect();
                if let Some(first) = own.first() {
                    assert_eq!(store.arrivals(*first, 100).unwrap(), own);
                }
            }
            store.close().await;
        });
    }
}

#[tokio::test]
async fn arrivals_that_are_too_many_to_renumber_at_once_are_counted_again() {
    let dir = tempfile::tempdir().unwrap();
    let gated = Gated::new();
    gated.allow(Some("late"), 0);
    let store = open(dir.path(), &gated);
    append(&store, Some("late"), "/same").await;
    for _ in 0..600 {
        append(&store, Some("soon"), "/same").await;
    }
    until("the others are verified", || {
        statuses(&store)[1..].iter().all(|s| *s == Status::Valid) && store.count() == 601
    })
    .await;
    gated.open();
    let expected: Vec<u32> = (1..=601).collect();
    until("all are numbered", || arrivals(&store) == expected).await;
    store.close().await;
}
