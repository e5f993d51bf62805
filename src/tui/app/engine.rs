//! Handles events and replies of the engine.

use crate::domain::attempt::Attempt;
use crate::domain::attempt_verdict::AttemptVerdict;
use crate::domain::failure::Failure;
use crate::domain::summary::Summary;
use crate::domain::verification::{TrialOutcome, Verification};
use crate::engine::command::{Detail, Event, Info, ListQuery, MarkRequest, Page};
use crate::tui::action::Action;
use crate::tui::effect::Effect;
use crate::tui::overlay::Overlay;
use crate::tui::pane::detail::Tab;
use crate::tui::pane::list::Hunted;

use super::App;

impl App {
    /// Handles an event.
    pub(super) fn event(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Added(row) => self.added(row),
            Event::Changed(row) => {
                if self.list.seq() == Some(row.seq) {
                    self.detail.expire();
                }
                self.list.changed(row, self.now);
            }
            Event::Attempted(attempt) => self.attempted(attempt),
            Event::Job(job) => {
                self.info_wish.stale = true;
                return self.take_job(job);
            }
            Event::App(app) => {
                self.app_changed(app);
                // A reply under way may be older than this event.
                self.info_wish.stale = true;
            }
            Event::Answering(live) => {
                self.info.live = live;
                self.info_wish.stale = true;
            }
            Event::Trouble(trouble) => self.info.trouble = trouble,
            Event::Verifying(share) => self.info.verifying = share,
            Event::Lag(lag) => self.info.lag = lag,
            Event::Clock(doubt) => self.info.clock = doubt,
            Event::Panicked(what) => {
                let text = format!("A part of creel failed and the rest goes on: {what}");
                self.fail(&text);
            }
            Event::Missed => {
                self.list.expire();
                self.detail.expire();
                self.info_wish.stale = true;
            }
            Event::Gone => {
                self.info.trouble = Some("the creel shown here has ended".to_owned());
                self.info.listening = None;
                self.fail(
                    "The creel shown here has ended.\nThe list stays as it was and nothing can be changed.\nQuit, and start creel again.",
                );
            }
        }
        Vec::new()
    }

    fn added(&mut self, row: Summary) {
        self.info.kept += 1;
        self.info_wish.stale = true;
        let same_event = self.list.selected().is_some_and(|selected| {
            row.arrival > 1
                && selected.provider == row.provider
                && selected.delivery_id == row.delivery_id
        });
        if same_event {
            self.detail.expire();
        }
        let height = self.list_height();
        self.list.added(row, self.now, height);
    }

    fn attempted(&mut self, attempt: Attempt) {
        let Some(shown) = &mut self.detail.shown else {
            return;
        };
        if shown.seq() != attempt.delivery_seq {
            return;
        }
        let attempts = &mut shown.detail.attempts;
        match attempts.iter_mut().find(|a| a.id == attempt.id) {
            Some(known) => *known = attempt,
            None => attempts.push(attempt),
        }
        // The age of the signature is known when the delivery is read again.
        let status = shown.detail.verification.status;
        shown.detail.verdicts = AttemptVerdict::all(attempts, |_| status);
    }

    /// Handles the engine's state.
    pub(super) fn take_info(&mut self, answer: Result<Info, Failure>) -> Vec<Effect> {
        self.info_wish.asked = false;
        match answer {
            Ok(info) => {
                // Includes jobs that began before this inspector was opened.
                self.jobs.clone_from(&info.jobs);
                self.info = info;
                if let Some(Overlay::Secret(form)) = &mut self.overlay {
                    form.update(&self.info);
                }
            }
            Err(failure) => self.fail_with(&failure),
        }
        Vec::new()
    }

    /// Handles a window of the list.
    pub(super) fn take_page(
        &mut self,
        query: ListQuery,
        answer: Result<Page, Failure>,
    ) -> Vec<Effect> {
        let height = self.list_height();
        match answer {
            Ok(page) => self.list.take(query, page, height),
            Err(failure) => {
                self.list.failed(query);
                self.fail_with(&failure);
            }
        }
        Vec::new()
    }

    /// Handles a window of the list that was requested to find a problem.
    pub(super) fn take_sought(
        &mut self,
        query: &ListQuery,
        answer: Result<Page, Failure>,
    ) -> Vec<Effect> {
        let height = self.list_height();
        match answer {
            Ok(page) => {
                let hunted = self.list.sought(query, &page, height);
                self.hunted(hunted)
            }
            Err(failure) => {
                self.fail_with(&failure);
                Vec::new()
            }
        }
    }

    /// Reports how the search for a problem ended, or continues it.
    pub(super) fn hunted(&mut self, hunted: Hunted) -> Vec<Effect> {
        match hunted {
            Hunted::Found => Vec::new(),
            Hunted::Seek(query) => vec![Effect::Seek(query)],
            Hunted::None => {
                self.say("No further problem in this direction");
                Vec::new()
            }
        }
    }

    /// Handles the detail of a delivery.
    pub(super) fn take_detail(
        &mut self,
        seq: u64,
        answer: Result<Box<Detail>, Failure>,
    ) -> Vec<Effect> {
        let announced = self.detail.announce.take_if(|announced| *announced == seq);
        if let (Some(_), Ok(detail)) = (announced, &answer) {
            let text = self.checked(&detail.verification);
            self.done(&text);
        }
        self.detail.take(seq, self.list.seq(), answer, &self.look);
        if let (Some(Overlay::Resend(form)), Some(shown)) = (&mut self.overlay, &self.detail.shown)
        {
            form.describe(shown);
        }
        self.edit_when_read(seq)
    }

    /// Describes the result of verifying again, and where the hypotheses are shown.
    fn checked(&self, verification: &Verification) -> String {
        let word = verification.status.word();
        let tried = verification.tried.iter();
        let tried = tried
            .filter(|tried| tried.outcome != TrialOutcome::NotApplicable)
            .count();
        if tried == 0 {
            return format!("Checked again: {word}");
        }
        let where_to = if self.detail.tab == Tab::Signature {
            String::new()
        } else {
            format!("; {} shows them", self.keys.key(Action::TabSignature))
        };
        format!("Checked again: {word}, {tried} causes tried{where_to}")
    }

    /// Handles the reply to trusting the clock.
    pub(super) fn take_trusted(&mut self, answer: Result<(), Failure>) -> Vec<Effect> {
        match answer {
            Ok(()) => self.done("Clock trusted: old deliveries are removed by age again"),
            Err(failure) => self.fail_with(&failure),
        }
        Vec::new()
    }

    /// Handles the reply to marking.
    pub(super) fn take_marked(
        &mut self,
        order: &MarkRequest,
        answer: Result<(), Failure>,
    ) -> Vec<Effect> {
        match answer {
            Ok(()) if order.marked => self.done("Marked: kept until it is unmarked"),
            Ok(()) => self.done("Unmarked: it can be removed by age again"),
            Err(failure) => self.fail_with(&failure),
        }
        self.list.expire();
        self.detail.expire();
        Vec::new()
    }

    /// Handles the reply to sending a sample.
    pub(super) fn take_sampled(&mut self, answer: Result<(), Failure>) -> Vec<Effect> {
        match answer {
            Ok(()) => self.done("Sent a signed sample"),
            Err(failure) => self.fail_with(&failure),
        }
        Vec::new()
    }
}
