//! Giving up on deliveries that wait for their app.

use crate::domain::failure::Failure;
use crate::domain::summary::Summary;
use crate::engine::command::{ListQuery, Selection};
use crate::tui::effect::Effect;
use crate::tui::overlay::confirm::{Confirm, Then};

use super::App;
use super::send::count;

/// The filter that finds the deliveries that wait for their app.
const WAITING: &str = "app:waiting";

/// Returns the question how many deliveries wait.
pub fn waiting() -> ListQuery {
    ListQuery {
        filter: WAITING.to_owned(),
        ..ListQuery::default()
    }
}

impl App {
    /// Asks whether the selected ones that wait shall be given up; without a
    /// selection all of them.
    pub(super) fn give_up(&mut self) -> Vec<Effect> {
        if self.list.chosen.is_empty() {
            return vec![Effect::CountWaiting];
        }
        let mut rows = self.chosen();
        rows.retain(Summary::is_waiting);
        let ids = rows.iter().map(|row| row.id.to_string()).collect();
        self.ask_to_give_up(rows.len() as u64, "", Selection::Ids(ids));
        Vec::new()
    }

    /// Takes how many wait, and asks.
    pub(super) fn take_waiting(&mut self, answer: Result<u64, Failure>) -> Vec<Effect> {
        match answer {
            Ok(waiting) => {
                self.ask_to_give_up(waiting, "all ", Selection::Matching(WAITING.to_owned()));
            }
            Err(failure) => self.fail_with(&failure),
        }
        Vec::new()
    }

    fn ask_to_give_up(&mut self, waiting: u64, all: &str, which: Selection) {
        if waiting == 0 {
            self.say("Nothing to give up: none of them waits for its app");
            return;
        }
        let all = if waiting == 1 { "" } else { all };
        self.ask(Confirm {
            what: format!(
                "Give up on {all}{} waiting for an app?",
                count(waiting)
            ),
            why: "They are not sent by themselves any more, and go when their time is over as all others do.".to_owned(),
            then: Then::GiveUp(which),
        });
    }

    /// Takes how many were given up.
    pub(super) fn take_given_up(&mut self, answer: Result<u64, Failure>) -> Vec<Effect> {
        match answer {
            Ok(given_up) => self.done(&format!("Gave up on {}", count(given_up))),
            Err(failure) => self.fail_with(&failure),
        }
        self.list.chosen.clear();
        self.list.expire();
        self.detail.expire();
        Vec::new()
    }
}
