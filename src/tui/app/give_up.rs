//! Giving up on deliveries that wait for their app.

use crate::domain::failure::Failure;
use crate::domain::summary::Summary;
use crate::engine::command::{ListQuery, Selection};
use crate::tui::action::Action;
use crate::tui::effect::Effect;
use crate::tui::overlay::confirm::{Confirm, Then};

use super::App;
use super::send::count;

/// The filter that finds the deliveries that wait for their app.
const WAITING: &str = "app:waiting";

/// Returns the query that counts the waiting deliveries.
pub fn waiting() -> ListQuery {
    ListQuery {
        filter: WAITING.to_owned(),
        ..ListQuery::default()
    }
}

impl App {
    /// Asks whether to give up on the selected deliveries that wait; without a
    /// selection, on all that wait.
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

    /// Handles the number of waiting deliveries: asks whether to give up on them.
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
            self.say("Nothing to give up: no delivery is waiting for its app");
            return;
        }
        let key = |action| self.keys.key(action);
        let all = if waiting == 1 { "" } else { all };
        let hint = if all.is_empty() {
            String::new()
        } else {
            format!(
                " To give up on some of them only, cancel, select them ({}) and press {}.",
                key(Action::Select),
                key(Action::GiveUp)
            )
        };
        self.ask(Confirm {
            what: format!("Give up on {all}{} waiting for an app?", count(waiting)),
            why: format!(
                "creel stops forwarding them, and retention removes them like any other.{hint}"
            ),
            then: Then::GiveUp(which),
        });
    }

    /// Handles the number of deliveries given up on.
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
