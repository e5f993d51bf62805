//! Whatever happened in whatever order, the store tells what a plain list would.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use creel::domain::attempt::{Attempt, AttemptKind, Outcome, RetryPosition};
use creel::domain::delivery::Responder;
use creel::domain::retention::Retention;
use creel::domain::timestamp::Timestamp;
use creel::store::disk::{Disk, RealDisk};
use creel::store::{Assess, NewAttempt, Options, Rows, Store};
use proptest::prelude::*;

use crate::support::deliveries::{Unknown, answered, attempt, incoming};
use crate::support::index::remove_index;

/// Something that happens to a store; deliveries are chosen by any number.
#[derive(Clone, Debug)]
enum Step {
    /// A delivery, which may have to wait for its app.
    Deliver(bool),
    /// Nobody waits for the app any more.
    GiveUp(Vec<u64>),
    /// The app answers.
    Settle(u64),
    /// Attempts kept together; whether their numbers were looked at before.
    Attempts(Vec<u64>, bool),
    /// The same, and the disk fails.
    Lost(Vec<u64>),
    /// A try of a schedule is planned.
    Plan(u64),
    /// The planned try is made; whether another one follows.
    Try(u64, bool),
    Mark(u64, bool),
    /// So many are kept, and meanwhile something happens.
    Retire(u64, Meanwhile),
    Restart,
    /// The index is lost.
    Rebuild,
}

/// What happens while old deliveries are let go.
#[derive(Clone, Debug)]
enum Meanwhile {
    /// The app answers attempts.
    Attempts(Vec<u64>),
    /// A planned try is made.
    Try(u64),
    /// A delivery is marked or its mark taken away.
    Mark(u64, bool),
    /// Nobody waits for the app any more.
    GiveUp(Vec<u64>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let some = || proptest::collection::vec(any::<u64>(), 1..6);
    let meanwhile = prop_oneof![
        2 => some().prop_map(Meanwhile::Attempts),
        1 => any::<u64>().prop_map(Meanwhile::Try),
        2 => (any::<u64>(), any::<bool>()).prop_map(|(of, on)| Meanwhile::Mark(of, on)),
        1 => some().prop_map(Meanwhile::GiveUp),
    ];
    let step = prop_oneof![
        6 => any::<bool>().prop_map(Step::Deliver),
        1 => some().prop_map(Step::GiveUp),
        2 => any::<u64>().prop_map(Step::Settle),
        4 => (some(), any::<bool>()).prop_map(|(of, seen)| Step::Attempts(of, seen)),
        1 => some().prop_map(Step::Lost),
        3 => any::<u64>().prop_map(Step::Plan),
        3 => (any::<u64>(), any::<bool>()).prop_map(|(of, more)| Step::Try(of, more)),
        3 => (any::<u64>(), any::<bool>()).prop_map(|(of, on)| Step::Mark(of, on)),
        6 => (0..4_u64, meanwhile).prop_map(|(count, what)| Step::Retire(count, what)),
        1 => Just(Step::Restart),
        2 => Just(Step::Rebuild),
    ];
    proptest::collection::vec(step, 1..60)
}

/// A disk of which one sync fails when told.
#[derive(Default)]
struct Flaky(AtomicBool);

impl Disk for Flaky {
    fn sync(&self, file: &File) -> io::Result<()> {
        if self.0.swap(false, Ordering::SeqCst) {
            return Err(io::Error::other("the disk is gone"));
        }
        RealDisk.sync(file)
    }

    fn prepare(&self, _: &File, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Known {
    marked: bool,
    owed: bool,
    attempts: Vec<Outcome>,
    pending: Option<u32>,
}

/// What a plain list knows.
#[derive(Default)]
struct Model {
    all: BTreeMap<u64, Known>,
    newest: u64,
    retired: u64,
}

impl Model {
    /// Chooses a delivery.
    fn choose(&self, any: u64) -> Option<u64> {
        let at = usize::try_from(any).unwrap_or(usize::MAX) % self.all.len().max(1);
        self.all.keys().nth(at).copied()
    }

    fn choose_all(&self, any: &[u64]) -> Vec<u64> {
        any.iter().filter_map(|any| self.choose(*any)).collect()
    }

    /// Chooses a delivery with a planned try, and says which that is.
    fn planned(&self, any: u64) -> Option<(u64, u32)> {
        let seq = self.choose(any)?;
        let known = &self.all[&seq];
        let number = known.pending?;
        (known.attempts[number as usize - 1] == Outcome::Pending).then_some((seq, number))
    }

    fn attempted(&mut self, seq: u64, outcome: Outcome) -> u32 {
        let known = self.all.get_mut(&seq).unwrap();
        known.attempts.push(outcome);
        known.attempts.len() as u32
    }

    fn tried(&mut self, (seq, number): (u64, u32), more: bool) {
        let known = self.all.get_mut(&seq).unwrap();
        known.attempts[number as usize - 1] = end_of(more);
        known.pending = more.then_some(number);
    }

    fn retire(&mut self, count: u64) {
        let mut below = self.retired;
        if let Some(newest) = self.all.keys().rev().nth(usize::try_from(count).unwrap()) {
            below = below.max(newest + 1);
        }
        let stays = |known: &Known| known.marked || known.owed || known.pending.is_some();
        self.all.retain(|seq, known| stays(known) || *seq >= below);
        self.retired = below;
    }
}

const fn end_of(more: bool) -> Outcome {
    if more {
        Outcome::Failed
    } else {
        Outcome::Delivered
    }
}

fn a_try(seq: u64, outcome: Outcome, next: bool) -> NewAttempt {
    NewAttempt {
        kind: AttemptKind::Retry,
        outcome,
        retry: Some(RetryPosition {
            number: 1,
            of: 9,
            compress: 1,
            began: Timestamp(1),
            due: Timestamp(2),
            next: next.then_some(Timestamp(3)),
            failures: 0,
            to: "http://127.0.0.1:3000".to_owned(),
            insecure: false,
            link_local: false,
        }),
        ..attempt(seq)
    }
}

struct Tested {
    dir: tempfile::TempDir,
    disk: Arc<Flaky>,
    store: Option<Store>,
    model: Model,
}

impl Tested {
    fn new() -> Self {
        let mut tested = Self {
            dir: tempfile::tempdir().unwrap(),
            disk: Arc::default(),
            store: None,
            model: Model::default(),
        };
        tested.open();
        tested
    }

    fn open(&mut self) {
        let assess: Arc<dyn Assess> = Arc::new(Unknown);
        let options = Options {
            segment_bytes: 2 << 10,
            disk: Arc::clone(&self.disk) as Arc<dyn Disk>,
            ..Options::default()
        };
        let opened = Store::open(self.dir.path(), &options, &assess);
        self.store = Some(opened.unwrap_or_else(|error| panic!("{error}")).0);
    }

    fn store(&self) -> Store {
        self.store.clone().unwrap()
    }

    async fn close(&mut self) {
        self.store.take().unwrap().close().await;
    }

    /// Keeps attempts together, and says whether they have the numbers they
    /// must have.
    async fn attempts(&mut self, seqs: &[u64], seen: bool) {
        let store = self.store();
        let new = |seq: &u64| {
            let listed = seen.then(|| store.listed(*seq, &mut Rows::default()).unwrap());
            NewAttempt {
                before: listed.flatten().and_then(|listed| listed.attempts),
                ..attempt(*seq)
            }
        };
        let new = seqs.iter().map(new).collect();
        self.numbered(&store.append_attempts(new).await.unwrap());
    }

    fn numbered(&mut self, kept: &[Attempt]) {
        for attempt in kept {
            let wanted = self.model.attempted(attempt.delivery_seq, attempt.outcome);
            assert_eq!(attempt.number, wanted, "of {}", attempt.delivery_seq);
        }
    }

    /// Returns the end of a planned try.
    fn end(&self, (seq, number): (u64, u32), more: bool) -> NewAttempt {
        let mut attempts = self.store().attempts(seq).unwrap().into_iter();
        let pending = attempts.find(|attempt| attempt.number == number).unwrap();
        assert_eq!(pending.outcome, Outcome::Pending);
        NewAttempt {
            ends: Some((pending.id, number)),
            ..a_try(seq, end_of(more), more)
        }
    }

    async fn retire(&self, count: u64) {
        let keep = Retention {
            count: Some(count),
            age_seconds: None,
            bytes: None,
        };
        let store = self.store();
        store.retire(&keep, Timestamp::default()).await.unwrap();
    }

    /// Marks a delivery while others are let go, `steps` steps into it.
    async fn retire_marking(&mut self, count: u64, seq: u64, marked: bool, steps: u64) {
        let store = self.store();
        let late = async {
            for _ in 0..steps {
                tokio::task::yield_now().await;
            }
            store.set_marked(&[seq], marked).await.unwrap();
        };
        tokio::join!(self.retire(count), late);
        store.settle().await;
        // It may have gone before, or have stayed until the next time.
        let stayed = store.summary(seq).unwrap().is_some();
        self.model.all.get_mut(&seq).unwrap().marked = stayed;
        self.model.retire(count);
        if let Some(known) = self.model.all.get_mut(&seq) {
            known.marked = marked;
        }
    }

    async fn retire_while(&mut self, count: u64, what: Meanwhile) {
        let store = self.store();
        match what {
            Meanwhile::Attempts(any) => {
                let seqs = self.model.choose_all(&any);
                let new = seqs.iter().copied().map(answered).collect();
                let (kept, ()) = tokio::join!(store.append_attempts(new), self.retire(count));
                self.numbered(&kept.unwrap());
                for seq in seqs {
                    self.model.all.get_mut(&seq).unwrap().owed = false;
                }
                self.retire(count).await;
                self.model.retire(count);
            }
            Meanwhile::Try(any) => {
                store.settle().await;
                let Some(planned) = self.model.planned(any) else {
                    return;
                };
                let end = self.end(planned, false);
                let late = async {
                    // Some steps into it.
                    for _ in 0..count * 3 {
                        tokio::task::yield_now().await;
                    }
                    store.append_attempt(end).await.unwrap()
                };
                tokio::join!(self.retire(count), late);
                self.retire(count).await;
                self.model.tried(planned, false);
                self.model.retire(count);
            }
            Meanwhile::Mark(any, marked) => {
                if let Some(seq) = self.model.choose(any) {
                    self.retire_marking(count, seq, marked, any % 16).await;
                }
            }
            Meanwhile::GiveUp(any) => {
                let seqs = self.model.choose_all(&any);
                let late = async {
                    for _ in 0..any[0] % 16 {
                        tokio::task::yield_now().await;
                    }
                    store.give_up(&seqs).await.unwrap();
                };
                tokio::join!(self.retire(count), late);
                self.retire(count).await;
                for seq in seqs {
                    self.model.all.get_mut(&seq).unwrap().owed = false;
                }
                self.model.retire(count);
            }
        }
    }

    async fn go(&mut self, step: Step) {
        let store = self.store();
        match step {
            Step::Deliver(owed) => {
                let mut incoming = incoming("/", &[b'x'; 300]);
                if owed {
                    incoming.answer.by = Responder::CreelTargetDown;
                }
                let kept = store.append(incoming).await.unwrap();
                self.model.newest += 1;
                assert_eq!(kept.seq, self.model.newest);
                let known = Known {
                    owed,
                    ..Known::default()
                };
                self.model.all.insert(kept.seq, known);
                store.settle().await;
            }
            Step::GiveUp(any) => {
                let seqs = self.model.choose_all(&any);
                store.give_up(&seqs).await.unwrap();
                for seq in seqs {
                    self.model.all.get_mut(&seq).unwrap().owed = false;
                }
            }
            Step::Settle(any) => {
                if let Some(seq) = self.model.choose(any) {
                    let kept = store.append_attempt(answered(seq)).await.unwrap();
                    self.numbered(&[kept]);
                    self.model.all.get_mut(&seq).unwrap().owed = false;
                }
            }
            Step::Attempts(any, seen) => {
                let seqs = self.model.choose_all(&any);
                self.attempts(&seqs, seen).await;
            }
            Step::Lost(any) => {
                let seqs = self.model.choose_all(&any);
                if !seqs.is_empty() {
                    self.disk.0.store(true, Ordering::SeqCst);
                    let new = seqs.into_iter().map(attempt).collect();
                    store.append_attempts(new).await.unwrap_err();
                }
            }
            Step::Plan(any) => {
                if let Some(seq) = self.model.choose(any)
                    && self.model.planned(any).is_none()
                {
                    let planned = a_try(seq, Outcome::Pending, false);
                    let kept = store.append_attempt(planned).await.unwrap();
                    self.numbered(std::slice::from_ref(&kept));
                    self.model.all.get_mut(&seq).unwrap().pending = Some(kept.number);
                }
            }
            Step::Try(any, more) => {
                store.settle().await;
                if let Some(planned) = self.model.planned(any) {
                    let end = self.end(planned, more);
                    let kept = store.append_attempt(end).await.unwrap();
                    assert_eq!(kept.number, planned.1);
                    self.model.tried(planned, more);
                }
            }
            Step::Mark(any, marked) => {
                if let Some(seq) = self.model.choose(any) {
                    store.set_marked(&[seq], marked).await.unwrap();
                    self.model.all.get_mut(&seq).unwrap().marked = marked;
                }
            }
            Step::Retire(count, what) => self.retire_while(count, what).await,
            Step::Restart => {
                drop(store);
                self.close().await;
                self.open();
            }
            Step::Rebuild => {
                drop(store);
                self.close().await;
                remove_index(self.dir.path());
                self.open();
            }
        }
    }

    /// Looks whether the store tells what the list does.
    async fn look(&self) {
        let store = self.store();
        store.settle().await;
        let mut told = BTreeMap::new();
        for row in store.page(0, usize::MAX).unwrap() {
            let attempts = store.attempts(row.seq).unwrap();
            let numbers: Vec<u32> = attempts.iter().map(|attempt| attempt.number).collect();
            assert_eq!(numbers, (1..=row.attempts).collect::<Vec<_>>());
            let outcomes: Vec<Outcome> = attempts.iter().map(|attempt| attempt.outcome).collect();
            let last = row.last_attempt.map(|last| last.outcome);
            // What is planned does not hide what the target answered.
            let mut newest = outcomes.iter().rev().copied();
            let over = newest.clone().find(|outcome| *outcome != Outcome::Pending);
            assert_eq!(last, over.or_else(|| newest.next()));
            let known = Known {
                marked: row.marked,
                owed: row.is_unanswered(),
                attempts: outcomes,
                pending: row.pending,
            };
            let delivery = store.delivery(row.seq).unwrap().unwrap();
            assert_eq!((delivery.id, delivery.seq), (row.id, row.seq));
            told.insert(row.seq, known);
        }
        assert_eq!(told, self.model.all);
        assert_eq!(store.count(), told.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 32,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_store_tells_what_a_plain_list_would(steps in steps()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let mut tested = Tested::new();
            for step in steps.into_iter().chain([Step::Restart]) {
                let opened = matches!(step, Step::Restart | Step::Rebuild);
                tested.go(step).await;
                // Half of the time what comes next comes while the list is made.
                if opened && tested.model.newest.is_multiple_of(2) {
                    tested.look().await;
                }
            }
            tested.look().await;
            tested.go(Step::Rebuild).await;
            tested.look().await;
            tested.close().await;
        });
    }
}
