//! What is old goes, what is marked stays, and the room comes back.

use std::path::Path;
use std::sync::Arc;

use creel::domain::attempt::{Attempt, Outcome};
use creel::domain::delivery::Responder;
use creel::domain::retention::Retention;
use creel::domain::summary::Summary;
use creel::domain::timestamp::Timestamp;
use creel::store::{Assess, Incoming, NewAttempt, Options, Store};
use tempfile::TempDir;

use crate::support::deliveries::{ByPath, answered, attempt, incoming};
use crate::support::index::{index_folders, remove_index};

const DAY: i64 = 86_400;

async fn open(folder: &Path) -> Store {
    let assess: Arc<dyn Assess> = Arc::new(ByPath);
    let options = Options {
        segment_bytes: 16 << 10,
        ..Options::default()
    };
    let (store, _) = Store::open(folder, &options, &assess).unwrap();
    store.settle().await;
    store
}

/// Keeps one delivery for every number, an hour apart each.
async fn filled(numbers: std::ops::Range<u64>) -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    for number in numbers {
        store.append(delivery(number)).await.unwrap();
    }
    store.settle().await;
    (dir, store)
}

/// Makes a delivery of so many hours after the epoch; every seventh is of one event.
fn delivery(number: u64) -> Incoming {
    Incoming {
        received_at: Timestamp::from_unix_seconds(3600 * number.cast_signed()),
        ..incoming(&format!("/{}", number % 7), &[b'x'; 1000])
    }
}

fn seqs(store: &Store) -> Vec<u64> {
    let rows = store.page(0, usize::MAX).unwrap();
    let mut seqs: Vec<u64> = rows.iter().map(|row| row.seq).collect();
    seqs.reverse();
    seqs
}

fn journal(folder: &Path) -> (usize, u64) {
    let sizes: Vec<u64> = std::fs::read_dir(folder.join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .collect();
    (sizes.len(), sizes.iter().sum())
}

/// Lets go what need not be kept, as often as it takes.
async fn retire(store: &Store, keep: &Retention, now: Timestamp) -> u64 {
    let mut gone = 0;
    for _ in 0..10 {
        gone += store.retire(keep, now).await.unwrap();
    }
    gone
}

const ALL: Retention = Retention {
    count: None,
    age_seconds: None,
    bytes: None,
};

/// Looks whether everything of these deliveries can be read, now, after a
/// restart and from the journal alone.
async fn holds(dir: &TempDir, store: Store, expected: &[u64], tried: u64) {
    let look = |store: &Store| {
        assert_eq!(seqs(store), expected);
        assert_eq!(store.count(), expected.len());
        for seq in expected {
            let found = store.delivery(*seq).unwrap().unwrap();
            assert_eq!(found.request.body.len(), 1000);
            let wanted = usize::from(*seq == tried) * 2;
            assert_eq!(store.attempts(*seq).unwrap().len(), wanted, "{seq}");
            let row = store.summary(*seq).unwrap().unwrap();
            assert_eq!(row.attempts as usize, wanted);
            assert_eq!(store.find(&row.id.to_string()), Ok(*seq));
        }
    };
    look(&store);
    store.close().await;
    drop(store);
    let again = open(dir.path()).await;
    look(&again);
    again.close().await;
    drop(again);
    remove_index(dir.path());
    let anew = open(dir.path()).await;
    look(&anew);
    let next = anew.append(delivery(1000)).await.unwrap();
    assert_eq!(next.seq, 101, "a number is never given twice");
    anew.close().await;
}

#[tokio::test]
async fn old_deliveries_go_and_marked_ones_stay_whole() {
    let (dir, store) = filled(1..101).await;
    let before = journal(dir.path());
    store.set_marked(&[3, 70, 99], true).await.unwrap();
    store.append_attempt(attempt(3)).await.unwrap();
    store.append_attempt(attempt(3)).await.unwrap();
    let keep = Retention {
        age_seconds: Some(DAY.cast_unsigned()),
        ..ALL
    };
    // 100 hours in, what came before hour 76 goes.
    let now = Timestamp::from_unix_seconds(100 * 3600);
    let first = store.retire(&keep, now).await.unwrap();
    assert!(first <= 50, "{first}: more than half at once");
    assert_eq!(first + retire(&store, &keep, now).await, 73);
    let after = journal(dir.path());
    assert!(
        after.1 < before.1 / 2 && after.0 < before.0,
        "{before:?} {after:?}"
    );
    let expected: Vec<u64> = [3, 70].into_iter().chain(76..101).collect();
    holds(&dir, store, &expected, 3).await;
}

#[tokio::test]
async fn no_clock_empties_the_list_at_once() {
    let (_dir, store) = filled(1..101).await;
    let keep = Retention {
        age_seconds: Some(1),
        ..ALL
    };
    let now = Timestamp::from_unix_seconds(i64::MAX / 2_000_000);
    let mut left = vec![store.count()];
    while store.retire(&keep, now).await.unwrap() > 0 {
        left.push(store.count());
    }
    assert_eq!(left, [100, 50, 25, 13, 7, 4, 2, 1, 0]);
}

#[tokio::test]
async fn what_came_after_another_is_no_older_whatever_the_clock_said() {
    let (_dir, store) = filled(100..140).await;
    // The clock went back, far ahead, and was put right.
    for number in [1, 2, 5000, 140, 141] {
        store.append(delivery(number)).await.unwrap();
    }
    store.settle().await;
    let keep = Retention {
        age_seconds: Some(DAY.cast_unsigned()),
        ..ALL
    };
    let at = |hours: i64| Timestamp::from_unix_seconds(hours * 3600);
    assert_eq!(retire(&store, &keep, at(141)).await, 17);
    assert_eq!(seqs(&store), (18..46).collect::<Vec<u64>>());
    assert_eq!(retire(&store, &keep, at(165)).await, 27);
    assert_eq!(seqs(&store), [45]);
}

#[tokio::test]
async fn so_many_deliveries_or_bytes_are_kept() {
    let (dir, store) = filled(1..101).await;
    let now = Timestamp::from_unix_seconds(100 * 3600);
    let keep = Retention {
        count: Some(60),
        ..ALL
    };
    assert_eq!(store.retire(&keep, now).await.unwrap(), 40);
    assert_eq!(seqs(&store), (41..101).collect::<Vec<u64>>());
    let keep = Retention {
        bytes: Some(40 << 10),
        ..ALL
    };
    assert!(store.retire(&keep, now).await.unwrap() > 0);
    let (_, bytes) = journal(dir.path());
    assert!(bytes <= 40 << 10, "{bytes} bytes are left");
    let left = seqs(&store);
    assert!(left.len() > 10 && left.last() == Some(&100), "{left:?}");
    holds(&dir, store, &left, 0).await;
}

#[tokio::test]
async fn what_is_unmarked_goes_with_the_next() {
    let (_dir, store) = filled(1..51).await;
    store.set_marked(&[1, 2], true).await.unwrap();
    let now = Timestamp::from_unix_seconds(0);
    let keep = |count| Retention {
        count: Some(count),
        ..ALL
    };
    store.retire(&keep(20), now).await.unwrap();
    assert_eq!(store.count(), 22);
    store.set_marked(&[2], false).await.unwrap();
    store.append(delivery(51)).await.unwrap();
    store.retire(&keep(20), now).await.unwrap();
    let left = seqs(&store);
    assert!(left.contains(&1) && !left.contains(&2), "{left:?}");
}

#[tokio::test]
async fn arrivals_of_an_event_are_those_still_kept() {
    let (_dir, store) = filled(1..101).await;
    let keep = Retention {
        count: Some(20),
        ..ALL
    };
    store.retire(&keep, Timestamp::default()).await.unwrap();
    // Every seventh is the same event.
    assert_eq!(store.arrivals(100, 50).unwrap(), [86, 93, 100]);
    let next = store.append(delivery(107)).await.unwrap();
    store.settle().await;
    assert_eq!(store.summary(next.seq).unwrap().unwrap().arrival, 16);
}

#[tokio::test]
async fn what_waits_for_its_app_stays_whatever_the_limit() {
    let (dir, store) = filled(1..31).await;
    for number in 31..71 {
        let mut owed = delivery(number);
        owed.answer.by = Responder::CreelTargetDown;
        store.append(owed).await.unwrap();
    }
    for number in 71..100 {
        store.append(delivery(number)).await.unwrap();
    }
    store.append_attempt(answered(35)).await.unwrap();
    for _ in 0..2 {
        store.append_attempt(attempt(36)).await.unwrap();
    }
    store.settle().await;
    let now = Timestamp::from_unix_seconds(1000 * 3600);
    let nothing = Retention {
        age_seconds: Some(1),
        count: Some(0),
        bytes: Some(0),
    };
    assert_eq!(store.retire(&nothing, now).await.unwrap(), 60);
    let waiting: Vec<u64> = (31..71).filter(|seq| *seq != 35).collect();
    assert_eq!(seqs(&store), waiting);
    store.append_attempt(answered(50)).await.unwrap();
    store.give_up(&[60, 61]).await.unwrap();
    assert_eq!(store.retire(&nothing, now).await.unwrap(), 3);
    let waiting: Vec<u64> = waiting
        .into_iter()
        .filter(|seq| ![50, 60, 61].contains(seq))
        .collect();
    let next = store.append(delivery(200)).await.unwrap();
    assert_eq!(next.seq, 100);
    store.retire(&nothing, now).await.unwrap();
    assert_eq!(seqs(&store), waiting);
    holds(&dir, store, &waiting, 36).await;
}

#[tokio::test]
async fn the_index_gives_room_back() {
    let (dir, store) = filled(1..2).await;
    let size = || -> u64 {
        let folders = index_folders(dir.path()).into_iter();
        folders
            .map(|path| std::fs::metadata(path.join("db")).unwrap().len())
            .sum()
    };
    let mut largest = 0;
    // One row changed again and again: the database only grows by itself.
    for round in 0..12 {
        let mut marks = tokio::task::JoinSet::new();
        for n in 0..2048u64 {
            let store = store.clone();
            marks.spawn(async move { store.set_marked(&[1], n % 2 == round % 2).await });
        }
        for done in marks.join_all().await {
            done.unwrap();
        }
        store.settle().await;
        largest = largest.max(size());
    }
    assert!(largest < 64 << 20, "{largest} bytes for one row");
    assert_eq!(seqs(&store), [1]);
}

#[tokio::test]
async fn marked_deliveries_that_fill_segments_are_not_written_again_and_again() {
    let (dir, store) = filled(1..101).await;
    let all: Vec<u64> = (1..101).collect();
    store.set_marked(&all, true).await.unwrap();
    let now = Timestamp::from_unix_seconds(1000 * 3600);
    let keep = Retention {
        age_seconds: Some(DAY.cast_unsigned()),
        ..ALL
    };
    let before = journal(dir.path());
    assert_eq!(store.retire(&keep, now).await.unwrap(), 0);
    assert_eq!(journal(dir.path()).0, before.0);
    // Where most of it can go, the rest is written once more.
    store.set_marked(&all[30..], false).await.unwrap();
    store.append(delivery(101)).await.unwrap();
    store.append(delivery(1000)).await.unwrap();
    assert_eq!(retire(&store, &keep, now).await, 71);
    let after = journal(dir.path());
    assert!(after.0 < before.0, "{before:?} {after:?}");
    let left: Vec<u64> = (1..31).chain([102]).collect();
    assert_eq!(seqs(&store), left);
    store.close().await;
}

#[tokio::test]
async fn where_all_are_gone_numbers_go_on_all_the_same() {
    let (dir, store) = filled(1..101).await;
    let keep = Retention {
        count: Some(0),
        ..ALL
    };
    let now = Timestamp::default();
    assert_eq!(store.retire(&keep, now).await.unwrap(), 100);
    // What is left of the journal holds no delivery.
    for _ in 0..200 {
        store.set_marked(&[1; 20], true).await.unwrap();
    }
    store.retire(&keep, now).await.unwrap();
    holds(&dir, store, &[], 0).await;
}

/// Flips a bit of the first record in the journal that contains `text`.
fn damage(folder: &Path, text: &str) {
    for entry in std::fs::read_dir(folder.join("journal")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(text.len()).position(|w| w == text.as_bytes());
        if let Some(at) = found {
            bytes[at] ^= 1;
            std::fs::write(path, bytes).unwrap();
            return;
        }
    }
    panic!("{text} is not in the journal");
}

/// Returns the rows and attempts, without what the journal does not hold.
fn contents(store: &Store) -> Vec<(Summary, Vec<Attempt>)> {
    let mut rows = store.page(0, usize::MAX).unwrap();
    for row in &mut rows {
        row.answer.duration_us = None;
        // Arrivals keep their ordinals when earlier ones are removed.
        row.arrival = 1;
    }
    let with_attempts = |row: Summary| {
        let attempts = store.attempts(row.seq).unwrap();
        (row, attempts)
    };
    rows.into_iter().map(with_attempts).collect()
}

#[tokio::test]
async fn damaged_records_are_reported_and_do_not_stop_retention() {
    let (dir, store) = filled(1..1).await;
    // Of each protected delivery: is it marked, is it owed, its attempts, and
    // the text of the record to damage.
    let delivered: fn(u64) -> NewAttempt = attempt;
    let pending: fn(u64) -> NewAttempt = |seq| NewAttempt {
        outcome: Outcome::Pending,
        ..attempt(seq)
    };
    let protected = [
        (true, false, vec![delivered, delivered], ""),
        (true, false, vec![], "body-2"),
        (false, true, vec![delivered], "body-3"),
        (false, true, vec![delivered, delivered], "attempt-4-0"),
        (true, false, vec![delivered, delivered], "attempt-5-1"),
        (true, true, vec![answered], "attempt-6-0"),
        (true, false, vec![pending], "attempt-7-0"),
        (false, false, vec![pending], "attempt-8-0"),
    ];
    for (seq, (marked, owed, attempts, _)) in (1..).zip(&protected) {
        let mut incoming = delivery(seq);
        incoming.request.body = format!("body-{seq} {}", "x".repeat(1000)).into();
        if *owed {
            incoming.answer.by = Responder::CreelTargetDown;
        }
        store.append(incoming).await.unwrap();
        store.set_marked(&[seq], *marked).await.unwrap();
        for (n, make) in attempts.iter().enumerate() {
            let target = format!("http://attempt-{seq}-{n}/");
            let attempt = NewAttempt {
                target,
                ..make(seq)
            };
            store.append_attempt(attempt).await.unwrap();
        }
    }
    for number in 9..101 {
        store.append(delivery(number)).await.unwrap();
    }
    store.settle().await;
    let before = journal(dir.path());
    for (.., text) in protected.iter().filter(|(.., text)| !text.is_empty()) {
        damage(dir.path(), text);
    }
    let keep = Retention {
        count: Some(20),
        ..ALL
    };
    retire(&store, &keep, Timestamp::default()).await;
    let after = journal(dir.path());
    assert!(after.1 < before.1 / 2, "{before:?} {after:?}");
    let expected: Vec<u64> = [1, 4, 5, 6, 7].into_iter().chain(81..101).collect();
    assert_eq!(seqs(&store), expected);
    let damaged = store.damaged().unwrap().deliveries;
    let damaged: Vec<u64> = damaged.iter().map(|one| one.seq).collect();
    assert_eq!(damaged, [2, 3, 4, 5, 6, 7, 8]);
    let copied = std::fs::read_dir(dir.path().join("damaged")).unwrap();
    assert_eq!(copied.count(), 7);
    let live = contents(&store);
    store.close().await;
    drop(store);
    remove_index(dir.path());
    let rebuilt = open(dir.path()).await;
    assert_eq!(contents(&rebuilt), live);
    rebuilt.close().await;
}
