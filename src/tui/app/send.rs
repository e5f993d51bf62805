//! Sending deliveries again: what, where to, and whether to ask first.

use std::collections::BTreeSet;

use url::{Host, Url};

use crate::domain::address::{AddressKind, ResolvedHost};
use crate::domain::attempt::Signing;
use crate::domain::attempt_verdict::AttemptVerdict;
use crate::domain::failure::Failure;
use crate::domain::summary::Summary;
use crate::domain::text::thousands;
use crate::engine::command::{Job, ResendRequest, Selection, SendResult};
use crate::tui::action::Action;
use crate::tui::advice;
use crate::tui::effect::Effect;
use crate::tui::overlay::Overlay;
use crate::tui::overlay::confirm::{Confirm, Then};
use crate::tui::overlay::resend::{ResendForm, Way};
use crate::tui::pane::detail::Shown;
use crate::tui::pane::overview::host;

use super::App;

/// How many deliveries are sent without a question.
const MAX_UNASKED: u64 = 50;

impl App {
    /// Returns the deliveries that keys for sending concern: the selected
    /// ones in the order of arrival, else the one under the cursor.
    pub(super) fn chosen(&self) -> Vec<Summary> {
        if self.list.chosen.is_empty() {
            self.list.selected().cloned().into_iter().collect()
        } else {
            self.list.chosen.values().cloned().collect()
        }
    }

    /// Returns where a plain resend of a delivery goes.
    fn target_of(&self, row: &Summary) -> Option<String> {
        if let Some(shown) = self.shown_of(row) {
            return shown.detail.target.clone();
        }
        self.info.destination(row).map(|to| to.address())
    }

    fn shown_of(&self, row: &Summary) -> Option<&Shown> {
        let shown = self.detail.shown.as_ref();
        shown.filter(|s| s.seq() == row.seq)
    }

    /// Sends again, as captured, to where each delivery goes.
    pub(super) fn resend(&mut self) -> Vec<Effect> {
        let rows = self.chosen();
        if rows.is_empty() {
            self.say("Nothing to send: no delivery is selected");
            return Vec::new();
        }
        if self.has_no_body() {
            return Vec::new();
        }
        let mut hosts = BTreeSet::new();
        for row in &rows {
            let Some(target) = self.target_of(row) else {
                self.open_form();
                if let Some(Overlay::Resend(form)) = &mut self.overlay {
                    form.problem = Some("No target is set: type one here.".to_owned());
                }
                return Vec::new();
            };
            hosts.insert(target);
        }
        let order = ResendRequest {
            which: Selection::Ids(rows.iter().map(|r| r.id.to_string()).collect()),
            ..ResendRequest::default()
        };
        self.ask_or_send(order, hosts)
    }

    /// Opens the form that asks where to and how.
    pub(super) fn open_form(&mut self) {
        if self.has_no_body() {
            return;
        }
        match self.form() {
            Some(form) => self.overlay = Some(Overlay::Resend(form)),
            None => self.say("Nothing to send: no delivery is selected"),
        }
    }

    /// Returns whether the only selected delivery was refused, and shows that
    /// its body was not kept.
    pub(super) fn has_no_body(&mut self) -> bool {
        let rows = self.chosen();
        let [row] = &rows[..] else {
            return false;
        };
        let Some(why) = &row.refused else {
            return false;
        };
        self.warn(&format!("It cannot be sent: its body was not kept. {why}"));
        true
    }

    /// Makes the form for what is selected.
    pub(super) fn form(&self) -> Option<Box<ResendForm>> {
        let rows = self.chosen();
        let first = rows.first()?;
        let target = self.target_of(first);
        let ids = rows.iter().map(|r| r.id.to_string()).collect();
        let shown = self.shown_of(first);
        let matching = self.list.rows.matching() as u64;
        let way = Way::new(rows.len(), self.list.filter(), matching);
        let form = ResendForm::new(ids, first, target.as_deref(), way);
        let form = match shown {
            Some(shown) => form.describing(shown),
            None => form,
        };
        Some(Box::new(form))
    }

    /// Sends what the form says; it stays open until that is accepted.
    pub(super) fn send_form(&mut self) -> Vec<Effect> {
        let Some(Overlay::Resend(form)) = &mut self.overlay else {
            return Vec::new();
        };
        let Some(order) = form.order() else {
            return Vec::new();
        };
        let targets: BTreeSet<String> = order.target.clone().into_iter().collect();
        self.ask_or_send(order, targets)
    }

    /// Does what was asked for in a question.
    pub(super) fn confirmed(&mut self, then: Then) -> Vec<Effect> {
        match then {
            Then::Quit => vec![Effect::Quit],
            Then::Edit(text) => vec![Effect::Edit(text)],
            Then::GiveUp(which) => vec![Effect::GiveUp(which)],
            Then::TrustClock => vec![Effect::TrustClock],
            Then::Do(action) => self.perform(action),
            Then::Send { order, hosts, to } => {
                self.overlay = self.parked.take().map(Overlay::Resend);
                self.hosts.extend(hosts);
                self.send(order, &to)
            }
        }
    }

    /// Sends at once to this machine and to hosts that were agreed to before;
    /// has it looked up where others are. Several deliveries are asked about
    /// each time they go to another machine.
    fn ask_or_send(&mut self, order: ResendRequest, targets: BTreeSet<String>) -> Vec<Effect> {
        let strangers: BTreeSet<String> = targets
            .iter()
            .filter(|target| !is_this_machine(target))
            .map(|target| host_name(target))
            .filter(|host| self.is_batch(&order) || !self.hosts.contains(host))
            .collect();
        if strangers.is_empty() {
            return self.send_or_ask_if_many(order, &names(&targets));
        }
        let strangers: Vec<String> = strangers.into_iter().collect();
        self.begin_progress(&format!("Looking up {}", strangers.join(", ")));
        vec![Effect::Locate(order, targets)]
    }

    /// Sends to this machine and to hosts that were agreed to before; asks
    /// where others are among the places.
    pub(super) fn take_places(
        &mut self,
        order: ResendRequest,
        targets: &BTreeSet<String>,
        answer: Result<Vec<ResolvedHost>, Failure>,
    ) -> Vec<Effect> {
        let mut places = match answer {
            Ok(places) => places,
            Err(failure) => {
                self.refuse(&order, &failure);
                return Vec::new();
            }
        };
        self.end_progress();
        let batch = self.is_batch(&order);
        places.retain(|place| batch || !self.hosts.contains(&place.host));
        if places.is_empty() {
            return self.send_or_ask_if_many(order, &names(targets));
        }
        let number = self.deliveries(&order);
        let to: Vec<String> = places.iter().map(ResolvedHost::words).collect();
        let kinds: BTreeSet<_> = places.iter().filter_map(ResolvedHost::kind).collect();
        let kinds: Vec<&str> = kinds.into_iter().map(AddressKind::words).collect();
        let hosts: Vec<String> = places.into_iter().map(|place| place.host).collect();
        let kinds = kinds.join(" and ");
        let again = if batch {
            "Several deliveries to another machine are sent only once agreed."
        } else {
            "Once agreed, a single delivery goes there without a question until creel ends."
        };
        self.ask(Confirm {
            what: format!("Send {number} to {}?", to.join(", ")),
            why: format!("That is not this machine but {kinds}. {again}"),
            then: Then::Send {
                order,
                to: hosts.join(", "),
                hosts,
            },
        });
        Vec::new()
    }

    /// Sends a few deliveries at once and asks before many are sent.
    fn send_or_ask_if_many(&mut self, order: ResendRequest, to: &str) -> Vec<Effect> {
        if self.count(&order) <= MAX_UNASKED {
            return self.send(order, to);
        }
        let key = self.keys.key(Action::Stop);
        self.ask(Confirm {
            what: format!("Send {} to {to}?", self.deliveries(&order)),
            why: format!(
                "More than {MAX_UNASKED} deliveries are sent only once agreed. {key} stops sending."
            ),
            then: Then::Send {
                order,
                to: to.to_owned(),
                hosts: Vec::new(),
            },
        });
        Vec::new()
    }

    /// Opens a question before something is done.
    pub(super) fn ask(&mut self, confirm: Confirm) {
        match self.overlay.take() {
            None => {}
            // It is there again where the answer is no, or it is refused.
            Some(Overlay::Resend(form)) if form.is_sent() && confirm.sends() => {
                self.parked = Some(form);
            }
            other => {
                // What is typed into it must not answer a question.
                self.overlay = other;
                let not = match confirm.then {
                    Then::GiveUp(_) => "Not given up",
                    Then::TrustClock => "Not trusted",
                    _ => "Not sent",
                };
                self.warn(&format!("{not}: another dialog was opened first"));
                return;
            }
        }
        self.overlay = Some(Overlay::Confirm(confirm));
    }

    /// Closes what lies over the panes; where that is a question about a form,
    /// the form is there again.
    pub(super) fn close_overlay(&mut self) {
        self.end_progress();
        self.overlay = match self.overlay.take() {
            Some(Overlay::Confirm(_)) => self.parked.take().map(|mut form| {
                form.unsend();
                Overlay::Resend(form)
            }),
            _ => None,
        };
    }

    /// Says why an order is not sent: in its form, where that is still open.
    fn refuse(&mut self, order: &ResendRequest, failure: &Failure) {
        self.end_progress();
        match &mut self.overlay {
            Some(Overlay::Resend(form)) if form.sent() == Some(order) => {
                form.refuse(&advice::parts(failure, &self.keys));
            }
            _ => self.fail_with(failure),
        }
    }

    /// Returns whether an order is about several deliveries.
    fn is_batch(&self, order: &ResendRequest) -> bool {
        matches!(order.which, Selection::Matching(_)) || self.count(order) > 1
    }

    /// Returns how many deliveries an order is about.
    fn count(&self, order: &ResendRequest) -> u64 {
        match &order.which {
            Selection::Ids(ids) => ids.len() as u64,
            Selection::Matching(_) => self.list.rows.matching() as u64,
        }
    }

    /// Says which deliveries an order is about.
    fn deliveries(&self, order: &ResendRequest) -> String {
        let number = self.count(order);
        match &order.which {
            Selection::Ids(_) => count(number),
            Selection::Matching(filter) if filter.is_empty() => format!("all {}", count(number)),
            Selection::Matching(filter) => format!("{} that match {filter}", count(number)),
        }
    }

    fn send(&mut self, order: ResendRequest, to: &str) -> Vec<Effect> {
        let which = self.deliveries(&order);
        let how = match order.signing {
            _ if order.new_event => "as a new event",
            _ if order.edit.is_some() => "edited",
            Some(Signing::Fresh) => "signed anew",
            Some(Signing::Kept) | None => "as received",
        };
        let text = format!("Sending {which} to {to}, {how}");
        if self.is_batch(&order) || order.retry.is_some() {
            // How it goes is in the status line, or among the tries.
            self.say(&text);
        } else {
            self.begin_progress(&text);
        }
        vec![Effect::Resend(order)]
    }

    /// Takes the beginning of a job, or why it did not begin.
    pub(super) fn take_begun(
        &mut self,
        order: &ResendRequest,
        answer: Result<Job, Failure>,
    ) -> Vec<Effect> {
        let job = match answer {
            Ok(job) => job,
            Err(failure) => {
                self.refuse(order, &failure);
                return Vec::new();
            }
        };
        self.list.chosen.clear();
        if !self.jobs.iter().any(|known| known.id == job.id) {
            self.jobs.push(job);
        }
        self.overlay.take_if(
            |overlay| matches!(overlay, Overlay::Resend(form) if form.sent() == Some(order)),
        );
        Vec::new()
    }

    /// Takes how a job goes.
    pub(super) fn take_job(&mut self, job: Job) -> Vec<Effect> {
        self.jobs.retain(|known| known.id != job.id);
        if !job.ended {
            self.jobs.push(job);
            return Vec::new();
        }
        self.detail.expire();
        if job.total == 1 {
            self.end_progress();
        }
        let (done, well) = (thousands(job.done), thousands(job.well));
        let total = thousands(job.total);
        match &job.failure {
            _ if job.stopped => self.done(&format!("Stopped: {done} of {total} were sent")),
            Some(failure) if job.total == 1 => self.fail_with(failure),
            // What came of it is told by who followed it.
            None if job.total == 1 => {}
            None if job.well == job.total => self.done(&format!("All {well} delivered")),
            None if job.well + job.wrongly_accepted == job.total => self.warn(&format!(
                "All {total} accepted, {} of them with a stale or wrong signature",
                thousands(job.wrongly_accepted)
            )),
            failure => self.fail_batch(&job, failure.as_ref()),
        }
        Vec::new()
    }

    /// Shows how a batch ended in which some deliveries failed.
    fn fail_batch(&mut self, job: &Job, failure: Option<&Failure>) {
        let failed = job.total.saturating_sub(job.well + job.wrongly_accepted);
        let (well, total) = (thousands(job.well), thousands(job.total));
        let mut text = format!("{well} of {total} delivered, {} failed", thousands(failed));
        if job.wrongly_accepted > 0 {
            let accepted = thousands(job.wrongly_accepted);
            text = format!("{text}, {accepted} accepted with a stale or wrong signature");
        }
        let reason = failure.map_or_else(Vec::new, |failure| advice::parts(failure, &self.keys));
        self.fail_parts(&[vec![text], reason].concat());
    }

    /// Takes what came of sending one delivery.
    pub(super) fn take_sent(&mut self, sent: &SendResult) -> Vec<Effect> {
        self.detail.expire();
        self.end_progress();
        let Ok((attempt, verdict)) = &sent.attempt else {
            return Vec::new();
        };
        let shown = self.detail.shown.as_ref();
        let shown = shown.filter(|shown| shown.seq() == attempt.delivery_seq);
        let facts = shown.and_then(|s| s.detail.provider.as_ref());
        let text = crate::tui::pane::tries::verdict(attempt, facts);
        let text = text.trim_end_matches('.');
        let text = format!("{}: {text} ({})", host(&attempt.target), verdict.words());
        match verdict {
            AttemptVerdict::StaleAccepted | AttemptVerdict::ForgedAccepted => self.warn(&text),
            verdict => match verdict.is_good() {
                Some(true) => self.done(&text),
                Some(false) => self.fail(&text),
                None => self.say(&text),
            },
        }
        Vec::new()
    }

    /// Stops what is being sent.
    pub(super) fn stop(&mut self) -> Vec<Effect> {
        if self.jobs.is_empty() {
            self.say("Nothing is being sent");
        }
        self.jobs.iter().map(|job| Effect::Stop(job.id)).collect()
    }

    /// Handles the reply to stopping. The end of the job may have been reported
    /// already, with more detail.
    pub(super) fn take_stopped(&mut self, answer: Result<(), Failure>) -> Vec<Effect> {
        match answer {
            Ok(()) if self.toast.is_none() => self.done("Stopped sending"),
            Ok(()) => {}
            Err(failure) => self.fail_with(&failure),
        }
        Vec::new()
    }

    /// Returns how many deliveries of batches are still to be sent.
    pub fn sending(&self) -> u64 {
        let batches = self.jobs.iter().filter(|job| job.total > 1);
        batches.map(|job| job.total.saturating_sub(job.done)).sum()
    }

    /// Leaves, or asks first where a batch is being sent.
    pub(super) fn leave(&mut self) -> Vec<Effect> {
        if self.sending() == 0 {
            return vec![Effect::Quit];
        }
        let key = self.keys.key(Action::Quit);
        self.overlay = Some(Overlay::Confirm(Confirm {
            what: format!("Quit while {} are being sent?", count(self.sending())),
            why: format!("Deliveries not sent yet will be skipped. {key} quits without asking."),
            then: Then::Quit,
        }));
        Vec::new()
    }
}

pub(super) fn count(deliveries: u64) -> String {
    match deliveries {
        1 => "one delivery".to_owned(),
        n => format!("{} deliveries", thousands(n)),
    }
}

/// Returns the hosts and ports of targets.
fn names(targets: &BTreeSet<String>) -> String {
    let names: BTreeSet<String> = targets.iter().map(|target| host(target)).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// Returns a target's host without its port.
fn host_name(target: &str) -> String {
    let url = Url::parse(target).ok();
    let host = url.as_ref().and_then(Url::host_str);
    host.unwrap_or_default().to_owned()
}

/// Says whether an address is on this machine whatever a look-up says: as a
/// number, or by the name that RFC 6761 keeps for it.
fn is_this_machine(target: &str) -> bool {
    let url = Url::parse(target).ok();
    match url.as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => {
            let mapped = address.to_ipv4_mapped().is_some_and(|a| a.is_loopback());
            address.is_loopback() || mapped
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_this_machine() {
        let here = [
            "http://localhost:3000/x",
            "http://app.localhost",
            "http://127.9.9.9",
            "http://[::1]:80",
            "http://[::ffff:127.0.0.1]/",
        ];
        let elsewhere = [
            "http://example.test",
            "http://localhost.example.test",
            "http://10.0.0.1",
            "http://[::ffff:169.254.169.254]/",
            "http://0.0.0.0",
            "nonsense",
        ];
        for target in here {
            assert!(is_this_machine(target), "{target}");
        }
        for target in elsewhere {
            assert!(!is_this_machine(target), "{target}");
        }
    }
}
