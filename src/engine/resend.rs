//! Starts resend jobs and stores their attempts.

use std::time::Duration;

use super::batch;
use super::command::{Job, ResendRequest, Selection};
use super::local::{Local, persist_failure, read_failure};
use super::prepare::PreparedResend;
use super::routing::unsent_exchange;
use crate::clock::random_bits;
use crate::domain::attempt::{Attempt, AttemptKind, INTERRUPTED_ERROR};
use crate::domain::attempt_verdict::{AttemptVerdict, previous};
use crate::domain::delivery::Delivery;
use crate::domain::failure::{Failure, Remedy};
use crate::domain::filter::Filter;
use crate::domain::timestamp::Timestamp;
use crate::domain::verification::Status;
use crate::outbound::Exchange;
use crate::store::{NewAttempt, Rows};

/// Maximum number of deliveries that are prepared in advance to detect errors.
const MAX_PRECHECKED: usize = 50;

impl Local {
    /// Starts a job that resends deliveries, in the given order or in the order
    /// of arrival.
    ///
    /// Errors that can be known in advance (an unknown id, no target, no secret
    /// to sign with) are reported before the first delivery is sent.
    pub(super) fn resend(&self, mut order: ResendRequest) -> Result<Job, Failure> {
        // All tries of a new event share its id.
        order.seed = order.seed.or_else(|| Some(random_bits() as u64));
        let seqs = self.resolve_selection(&order.which)?;
        for &seq in seqs.iter().take(MAX_PRECHECKED) {
            match self.prepare(seq, &order) {
                // One damaged delivery of many is reported when it is sent.
                Err(_) if seqs.len() > 1 && self.store.is_damaged(seq) => {}
                prepared => drop(prepared?),
            }
        }
        let spacing = Duration::from_micros(order.spacing_us);
        let running = self.jobs.begin(
            seqs.len() as u64,
            order.followed,
            spacing,
            self.events.clone(),
        );
        running.publish();
        let job = running.job();
        if let Some(local) = self.me.upgrade() {
            tokio::spawn(batch::run(local, running, seqs, order));
        }
        Ok(job)
    }

    /// Resolves a selection to sequence numbers.
    pub(super) fn resolve_selection(&self, which: &Selection) -> Result<Vec<u64>, Failure> {
        let filter = match which {
            Selection::Ids(ids) => return ids.iter().map(|id| self.find(id)).collect(),
            Selection::Matching(filter) => filter,
        };
        let parsed = Filter::parse(filter);
        if let Some(note) = parsed.notes().first() {
            return Err(Failure::usage(
                format!("The filter {filter} is not valid."),
                note.clone(),
                "See what it matches:  creel list FILTER",
            )
            .with_remedy(Remedy::CorrectFilter));
        }
        // Refused deliveries have no body to send.
        let seqs = if parsed.is_empty() {
            self.store.taken().map_err(read_failure)?
        } else {
            let (now, mut seqs) = (self.clock.now(), Vec::new());
            self.store
                .scan(None, &mut |row| {
                    if row.refused.is_none() && parsed.matches(row, now) {
                        seqs.push(row.seq);
                    }
                    true
                })
                .map_err(read_failure)?;
            seqs.reverse();
            seqs
        };
        if seqs.is_empty() {
            return Err(Failure::no(
                "No delivery matches.",
                "",
                "See what a filter matches:  creel list FILTER",
            )
            .with_remedy(Remedy::CorrectFilter));
        }
        Ok(seqs)
    }

    /// Stores an attempt.
    pub(super) async fn persist_attempt(&self, new: NewAttempt) -> Result<Attempt, Failure> {
        let kept = self
            .store
            .append_attempt(new)
            .await
            .map_err(persist_failure)?;
        self.note_answered(&kept);
        Ok(kept)
    }

    /// Removes a delivery from the queues if a manual attempt was answered.
    pub(super) fn note_answered(&self, kept: &Attempt) {
        if kept.response.is_some() {
            self.queues.finish(kept.delivery_seq);
        }
    }

    /// Sends a prepared request; a shutdown cancels it. Returns the attempt to
    /// store, and whether a connection was established.
    pub(super) async fn exchange(
        &self,
        prepared: &PreparedResend,
        kind: AttemptKind,
    ) -> (NewAttempt, bool) {
        let started_at = self.clock.now();
        let outgoing = &prepared.outgoing;
        let exchange = tokio::select! {
            exchange = self.client.send(outgoing, prepared.options) => {
                let origin = outgoing.origin();
                self.apps.record_exchange(&origin, &exchange, self.clock.now());
                exchange
            }
            () = self.ending.cancelled() => {
                let took = self.clock.now().0.saturating_sub(started_at.0).max(0);
                Exchange {
                    duration_us: took.cast_unsigned(),
                    connected: true,
                    ..unsent_exchange(INTERRUPTED_ERROR.to_owned(), outgoing.headers.clone())
                }
            }
        };
        let reached = exchange.connected;
        (prepared.attempt(kind, started_at, exchange), reached)
    }

    /// Returns the verdict of an attempt. `signature_status` is the status of
    /// the received signature at the time of sending.
    pub(super) async fn verdict(
        &self,
        attempt: &Attempt,
        signature_status: Status,
    ) -> Result<AttemptVerdict, Failure> {
        let mut earlier = Vec::new();
        let seq = attempt.delivery_seq;
        if attempt.number > 1 {
            earlier = self.store.attempts(seq).map_err(read_failure)?;
            let last = attempt.number - 1;
            if !earlier.iter().any(|a| a.number == last) {
                // It was stored a moment ago and is not indexed yet.
                self.store.settle_index().await;
                earlier = self.store.attempts(seq).map_err(read_failure)?;
            }
            earlier.retain(|a| a.number < attempt.number && a.target == attempt.target);
        }
        if earlier.is_empty() {
            return Ok(AttemptVerdict::of(attempt, None, signature_status));
        }
        let listed = self.look_up(seq, &mut Rows::default())?;
        let delivery = self.store.read(&listed).map_err(read_failure)?;
        let signature_status_of =
            |at: usize| self.signature_status_at(&delivery, listed.status, earlier[at].started_at);
        let before = previous(&earlier, attempt, signature_status_of);
        Ok(AttemptVerdict::of(attempt, before, signature_status))
    }

    /// Returns the status of the received signature at `at`, the time of
    /// sending. `status` is its status on arrival.
    pub(super) fn signature_status_at(
        &self,
        delivery: &Delivery,
        status: Status,
        at: Timestamp,
    ) -> Status {
        let endpoint = delivery.endpoint.as_deref();
        self.assessor()
            .status_at(endpoint, &delivery.request, status, at)
    }
}
