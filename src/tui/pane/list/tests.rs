//! The list against a store of plain rows.

use proptest::prelude::*;

use super::*;
use crate::domain::verification::Status;

const HEIGHT: usize = 10;
const NOW: Timestamp = Timestamp(0);

fn row(seq: u64, status: Status) -> Summary {
    Summary {
        provider: Some("zyra".into()),
        event: Some("job.queued".into()),
        status,
        ..Summary::plain(seq)
    }
}

/// A store that answers as an engine does.
struct Store {
    rows: Vec<Summary>,
}

impl Store {
    fn of(count: u64) -> Self {
        let bad = |seq: u64| seq.is_multiple_of(700);
        let status = |seq| {
            if bad(seq) {
                Status::Invalid
            } else {
                Status::Valid
            }
        };
        let rows = (1..=count).map(|seq| row(seq, status(seq)));
        Self {
            rows: rows.collect(),
        }
    }

    fn add(&mut self, status: Status) -> Summary {
        let seq = self.rows.last().map_or(1, |r| r.seq + 1);
        self.rows.push(row(seq, status));
        row(seq, status)
    }

    fn page(&self, query: &ListQuery) -> Page {
        let filter = Filter::parse(&query.filter);
        let matching: Vec<&Summary> = self
            .rows
            .iter()
            .rev()
            .filter(|r| filter.matches(r, NOW))
            .collect();
        let offset = query.around.map_or(query.offset, |seq| {
            let newer = matching.iter().filter(|r| r.seq > seq).count();
            newer.saturating_sub(query.offset)
        });
        let window = matching.iter().skip(offset).take(query.limit);
        Page {
            offset,
            rows: window.map(|r| (*r).clone()).collect(),
            matching: matching.len(),
            total: self.rows.len(),
            notes: Vec::new(),
            anchor: self
                .rows
                .iter()
                .find(|r| Some(r.seq) == query.around)
                .cloned()
                .map(Box::new),
        }
    }

    /// Answers what the list asks, until it asks no more.
    fn serve(&self, list: &mut ListPane) -> usize {
        let mut asked = 0;
        while let Some(query) = list.wants(HEIGHT) {
            let page = self.page(&query);
            list.take(query, page, HEIGHT);
            asked += 1;
            assert!(asked < 10, "the list asks for ever");
        }
        asked
    }

    fn list(&self) -> ListPane {
        let mut list = ListPane::following();
        self.serve(&mut list);
        list
    }
}

fn on_screen(list: &ListPane) -> Vec<Option<u64>> {
    let places = list.top..(list.top + HEIGHT).min(list.rows.matching());
    places.map(|p| list.rows.get(p).map(|r| r.seq)).collect()
}

#[test]
fn follows_until_somebody_moves() {
    let mut store = Store::of(50);
    let mut list = store.list();
    assert_eq!(list.seq(), Some(50));
    list.added(store.add(Status::Valid), NOW, HEIGHT);
    assert_eq!((list.seq(), list.cursor, list.top), (Some(51), 0, 0));
    list.step(2, HEIGHT);
    assert_eq!((list.seq(), list.follow), (Some(49), false));
    let before = on_screen(&list);
    list.added(store.add(Status::Valid), NOW, HEIGHT);
    list.added(store.add(Status::Valid), NOW, HEIGHT);
    assert_eq!((list.seq(), list.cursor, list.unseen), (Some(49), 4, 2));
    assert_eq!(on_screen(&list), before);
    list.step(-9, HEIGHT);
    assert_eq!((list.seq(), list.unseen), (Some(53), 0));
}

#[test]
fn new_rows_show_at_once_while_all_fit() {
    let mut store = Store::of(3);
    let mut list = store.list();
    list.step(1, HEIGHT);
    list.added(store.add(Status::Valid), NOW, HEIGHT);
    assert_eq!((list.seq(), list.cursor, list.top), (Some(2), 2, 0));
    assert_eq!(on_screen(&list), [4, 3, 2, 1].map(Some));
    assert_eq!(list.unseen, 0);
}

#[test]
fn a_row_told_twice_is_there_once() {
    let mut store = Store::of(3);
    let mut list = ListPane::following();
    let query = list.wants(HEIGHT).unwrap();
    let new = store.add(Status::Valid);
    let page = store.page(&query);
    list.take(query, page, HEIGHT);
    list.added(new, NOW, HEIGHT);
    assert_eq!(list.rows.matching(), 4);
    assert_eq!(on_screen(&list), [4, 3, 2, 1].map(Some));
    assert_eq!(list.rows.total(), 4);
}

#[test]
fn asks_for_a_window_and_not_for_all() {
    let store = Store::of(100_000);
    let mut list = store.list();
    assert!(list.rows.range().len() < 500);
    list.step(isize::MAX / 4, HEIGHT);
    assert_eq!(list.seq(), None);
    store.serve(&mut list);
    assert_eq!(list.seq(), Some(1));
    assert_eq!(on_screen(&list).last(), Some(&Some(1)));
    for _ in 0..30 {
        list.step(-5, HEIGHT);
        store.serve(&mut list);
        assert!(on_screen(&list).iter().all(Option::is_some));
    }
}

#[test]
fn holds_its_place_deep_in_the_list_while_rows_come_in() {
    let mut store = Store::of(5_000);
    let mut list = store.list();
    list.go(3_000, HEIGHT);
    store.serve(&mut list);
    let (seq, before) = (list.seq(), on_screen(&list));
    assert!(seq.is_some());
    // More than a window's margin, so that it must be looked for again.
    for _ in 0..400 {
        let row = store.add(Status::Valid);
        list.added(row, NOW, HEIGHT);
    }
    store.serve(&mut list);
    assert_eq!((list.seq(), list.cursor), (seq, 3_400));
    assert_eq!(on_screen(&list), before);
    assert_eq!(list.unseen, 400);
}

#[test]
fn a_filter_and_its_end_keep_the_delivery() {
    let store = Store::of(5_000);
    let mut list = store.list();
    list.set_filter("sig:bad");
    store.serve(&mut list);
    assert_eq!((list.rows.matching(), list.rows.total()), (7, 5_000));
    list.step(3, HEIGHT);
    assert_eq!(list.seq(), Some(2_800));
    list.set_filter("");
    store.serve(&mut list);
    assert_eq!((list.seq(), list.cursor), (Some(2_800), 2_200));
    assert!(on_screen(&list).contains(&Some(2_800)));
}

#[test]
fn an_answer_to_an_older_filter_is_not_taken() {
    let store = Store::of(2_000);
    let mut list = store.list();
    list.set_filter("sig:b");
    let older = list.wants(HEIGHT).unwrap();
    list.set_filter("sig:old");
    assert_eq!(list.wants(HEIGHT), None);
    let page = store.page(&older);
    list.take(older, page, HEIGHT);
    assert_eq!(list.rows.matching(), 2_000);
    store.serve(&mut list);
    assert_eq!(list.rows.matching(), 0);
    assert_eq!(list.seq(), None);
}

#[test]
fn new_rows_that_do_not_match_stay_out() {
    let mut store = Store::of(1_500);
    let mut list = store.list();
    list.set_filter("sig:bad");
    store.serve(&mut list);
    list.added(store.add(Status::Valid), NOW, HEIGHT);
    assert_eq!((list.rows.matching(), list.rows.total()), (2, 1_501));
    list.added(store.add(Status::Invalid), NOW, HEIGHT);
    assert_eq!((list.rows.matching(), list.rows.total()), (3, 1_502));
    assert_eq!(store.serve(&mut list), 0);
}

#[test]
fn finds_problems_beyond_what_is_in_memory() {
    let store = Store::of(5_000);
    let mut list = store.list();
    let mut hunted = list.hunt(true, HEIGHT);
    let mut seqs = Vec::new();
    for _ in 0..20 {
        match hunted {
            Hunted::Found => {
                store.serve(&mut list);
                seqs.push(list.seq().unwrap());
                hunted = list.hunt(true, HEIGHT);
            }
            Hunted::Seek(query) => {
                let page = store.page(&query);
                hunted = list.sought(&query, &page, HEIGHT);
            }
            Hunted::None => break,
        }
    }
    assert_eq!(hunted, Hunted::None);
    assert_eq!(seqs, [4_900, 4_200, 3_500, 2_800, 2_100, 1_400, 700]);
    let Hunted::Seek(query) = list.hunt(false, HEIGHT) else {
        panic!("it is above what is in memory");
    };
    assert_eq!(query.offset + query.limit, list.rows.range().start);
}

/// Something that happens to the list, and what a key does.
#[derive(Clone, Debug)]
enum Step {
    Arrivals(u16, bool),
    Change(u16, bool),
    Remove(u16),
    Missed,
    /// Says what is asked for now; the reply comes later.
    Ask,
    Reply,
    Serve,
    Move(isize),
    Filter(bool),
    Follow(bool),
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..2_500_u16, any::<bool>()).prop_map(|(n, bad)| Step::Arrivals(n, bad)),
        2 => (any::<u16>(), any::<bool>()).prop_map(|(at, bad)| Step::Change(at, bad)),
        1 => (1..400_u16).prop_map(Step::Remove),
        2 => Just(Step::Missed),
        3 => Just(Step::Ask),
        3 => Just(Step::Reply),
        2 => Just(Step::Serve),
        2 => (-300..300_isize).prop_map(Step::Move),
        1 => any::<bool>().prop_map(Step::Filter),
        1 => any::<bool>().prop_map(Step::Follow),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_selected_delivery_changes_by_a_key_alone(
        start in 0_u64..1_500,
        steps in proptest::collection::vec(steps(), 1..60),
    ) {
        let mut store = Store::of(start);
        let mut list = store.list();
        let mut on_the_way = None;
        for step in steps {
            let before = list.seq();
            let followed = list.follow;
            let mut by_key = false;
            match step.clone() {
                Step::Arrivals(count, bad) => for _ in 0..count {
                    let status = if bad { Status::Invalid } else { Status::Valid };
                    let row = store.add(status);
                    list.added(row, NOW, HEIGHT);
                },
                Step::Change(at, bad) if !store.rows.is_empty() => {
                    let at = usize::from(at) % store.rows.len();
                    let status = if bad { Status::Invalid } else { Status::Valid };
                    store.rows[at].status = status;
                    list.changed(store.rows[at].clone(), NOW);
                }
                Step::Change(..) => {}
                Step::Remove(count) => {
                    let count = usize::from(count).min(store.rows.len().saturating_sub(1));
                    store.rows.drain(..count);
                    list.expire();
                }
                Step::Missed => list.expire(),
                Step::Ask => if on_the_way.is_none() {
                    on_the_way = list.wants(HEIGHT).map(|query| (store.page(&query), query));
                },
                Step::Reply => if let Some((page, query)) = on_the_way.take() {
                    list.take(query, page, HEIGHT);
                },
                Step::Serve => {
                    if let Some((page, query)) = on_the_way.take() {
                        list.take(query, page, HEIGHT);
                    }
                    store.serve(&mut list);
                }
                Step::Move(by) => {
                    by_key = true;
                    list.step(by, HEIGHT);
                }
                Step::Filter(on) => {
                    by_key = true;
                    list.set_filter(if on { "sig:bad" } else { "" });
                    // What a filter selects is settled when its rows are there.
                    if let Some((page, query)) = on_the_way.take() {
                        list.take(query, page, HEIGHT);
                    }
                    store.serve(&mut list);
                }
                Step::Follow(on) => {
                    by_key = true;
                    list.set_follow(on, HEIGHT);
                }
            }
            let after = list.seq();
            let kept = |seq: u64| store.rows.iter().any(|row| row.seq == seq);
            match before {
                Some(seq) if !by_key && !followed && kept(seq) => {
                    prop_assert_eq!(after, Some(seq), "{:?}", step);
                }
                // Removed: the neighbour is the oldest that is left, or the
                // oldest that matches.
                Some(seq) if !by_key && !followed && after != before => {
                    let filter = Filter::parse(list.filter());
                    let oldest = store.rows.iter().find(|r| filter.matches(r, NOW));
                    prop_assert!(after.is_none_or(|after| after > seq));
                    if matches!(step, Step::Serve) {
                        prop_assert_eq!(after, oldest.map(|row| row.seq));
                    }
                }
                _ => {}
            }
            if matches!(step, Step::Serve) {
                prop_assert!(on_screen(&list).iter().all(Option::is_some));
                if let Some(row) = list.selected() {
                    let place = list.rows.position(row.seq);
                    if Filter::parse(list.filter()).matches(row, NOW) {
                        prop_assert_eq!(place, Some(list.cursor));
                    }
                    prop_assert_eq!(list.rows.get(list.cursor).is_some(), list.rows.matching() > 0);
                }
            }
            let inside = list.cursor >= list.top && list.cursor < list.top + HEIGHT;
            prop_assert!(inside || list.rows.matching() == 0);
        }
    }
}

#[test]
fn a_selected_delivery_that_stops_matching_stays_selected() {
    let mut store = Store::of(5_000);
    let mut list = store.list();
    list.set_filter("sig:bad");
    store.serve(&mut list);
    list.step(3, HEIGHT);
    assert_eq!(list.seq(), Some(2_800));
    store.rows[2_799].status = Status::Valid;
    list.changed(store.rows[2_799].clone(), NOW);
    store.serve(&mut list);
    assert_eq!(list.seq(), Some(2_800));
    assert!(!on_screen(&list).contains(&Some(2_800)));
    let mut up = list.clone();
    up.step(-1, HEIGHT);
    assert_eq!(up.seq(), Some(3_500));
    list.step(1, HEIGHT);
    assert_eq!(list.seq(), Some(2_100));
}
