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
        let window = matching.iter().skip(query.offset).take(query.limit);
        Page {
            offset: query.offset,
            rows: window.map(|r| (*r).clone()).collect(),
            matching: matching.len(),
            total: self.rows.len(),
            notes: Vec::new(),
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
    assert_eq!(list.seq, Some(50));
    list.added(store.add(Status::Valid), NOW, HEIGHT);
    assert_eq!((list.seq, list.cursor, list.top), (Some(51), 0, 0));
    list.step(2, HEIGHT);
    assert_eq!((list.seq, list.follow), (Some(49), false));
    let before = on_screen(&list);
    list.added(store.add(Status::Valid), NOW, HEIGHT);
    list.added(store.add(Status::Valid), NOW, HEIGHT);
    assert_eq!((list.seq, list.cursor, list.unseen), (Some(49), 4, 2));
    assert_eq!(on_screen(&list), before);
    list.step(-9, HEIGHT);
    assert_eq!((list.seq, list.unseen), (Some(53), 0));
}

#[test]
fn new_rows_show_at_once_while_all_fit() {
    let mut store = Store::of(3);
    let mut list = store.list();
    list.step(1, HEIGHT);
    list.added(store.add(Status::Valid), NOW, HEIGHT);
    assert_eq!((list.seq, list.cursor, list.top), (Some(2), 2, 0));
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
    assert_eq!(list.seq, None);
    store.serve(&mut list);
    assert_eq!(list.seq, Some(1));
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
    let (seq, before) = (list.seq, on_screen(&list));
    assert!(seq.is_some());
    // More than a window's margin, so that it must be looked for again.
    for _ in 0..400 {
        let row = store.add(Status::Valid);
        list.added(row, NOW, HEIGHT);
    }
    store.serve(&mut list);
    assert_eq!((list.seq, list.cursor), (seq, 3_400));
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
    assert_eq!(list.seq, Some(2_800));
    list.set_filter("");
    store.serve(&mut list);
    assert_eq!((list.seq, list.cursor), (Some(2_800), 2_200));
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
    assert_eq!(list.seq, None);
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
                seqs.push(list.seq.unwrap());
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

proptest! {
    #[test]
    fn the_delivery_under_the_cursor_changes_only_by_hand(
        start in 0_u64..400,
        steps in proptest::collection::vec((0..4_u8, 0..300_isize, any::<bool>()), 1..40),
    ) {
        let mut store = Store::of(start);
        let mut list = store.list();
        list.follow = false;
        for (what, by, answered) in steps {
            let before = list.seq;
            match what {
                0 => list.step(by, HEIGHT),
                1 => list.step(-by, HEIGHT),
                2 => for _ in 0..by {
                    let row = store.add(Status::Valid);
                    list.added(row, NOW, HEIGHT);
                },
                _ => list.expire(),
            }
            if answered {
                store.serve(&mut list);
                prop_assert!(on_screen(&list).iter().all(Option::is_some));
                if !store.rows.is_empty() {
                    let cursor = list.rows.get(list.cursor).map(|r| r.seq);
                    prop_assert_eq!(list.seq, cursor);
                }
            }
            if what >= 2 && before.is_some() {
                prop_assert_eq!(list.seq, before);
            }
            let inside = list.cursor >= list.top && list.cursor < list.top + HEIGHT;
            prop_assert!(inside || list.rows.matching() == 0);
        }
    }
}
