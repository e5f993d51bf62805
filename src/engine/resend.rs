//! Sends deliveries again, one or many, and keeps what came of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::command::{Job, ListQuery, ResendOrder, Sent, Which};
use super::jobs::{PATIENCE, Running};
use super::local::{Local, unreadable};
use super::prepare::Prepared;
use crate::domain::attempt::{Attempt, AttemptKind, Signing, outcome};
use crate::domain::failure::Failure;
use crate::domain::filter::Filter;
use crate::domain::provider::definition::Provider;
use crate::domain::verdict::{Verdict, previous};
use crate::domain::verification::Status;
use crate::store::NewAttempt;

/// How many may be under way at a time.
const MOST_PARALLEL: u32 = 256;

/// How many of a long list are looked at before the first is sent.
const CHECKED: usize = 50;

impl Local {
    /// Begins to send deliveries again, in the order given or of arrival.
    ///
    /// Whatever can be known to be wrong beforehand (an id that is not there,
    /// no target, no secret to sign with) is found before the first is sent.
    pub(super) fn resend(&self, order: ResendOrder) -> Result<Job, Failure> {
        let seqs = self.which(&order.which)?;
        for &seq in seqs.iter().take(CHECKED) {
            self.prepare(seq, &order)?;
        }
        let spacing = Duration::from_micros(order.spacing_us);
        let running = self.jobs.begin(
            seqs.len() as u64,
            order.followed,
            spacing,
            self.events.clone(),
        );
        running.tell();
        let job = running.job();
        if let Some(local) = self.me.upgrade() {
            tokio::spawn(run(local, running, seqs, Arc::new(order)));
        }
        Ok(job)
    }

    /// Returns the deliveries that are meant.
    fn which(&self, which: &Which) -> Result<Vec<u64>, Failure> {
        let filter = match which {
            Which::Ids(ids) => return ids.iter().map(|id| self.find(id)).collect(),
            Which::Matching(filter) => filter,
        };
        let parsed = Filter::parse(filter);
        if let Some(note) = parsed.notes().first() {
            return Err(Failure::usage(
                format!("The filter {filter} is not clear."),
                note.clone(),
                "See what it matches:  creel list FILTER",
            ));
        }
        let query = ListQuery {
            filter: filter.clone(),
            before: None,
            offset: 0,
            limit: usize::MAX,
        };
        // What was refused has no body to send.
        let rows = self.page(&query)?.rows.into_iter();
        let mut seqs: Vec<u64> = rows
            .filter(|r| r.refused.is_none())
            .map(|r| r.seq)
            .collect();
        seqs.reverse();
        if seqs.is_empty() {
            return Err(Failure::no(
                "No delivery matches.",
                "",
                "See what a filter matches:  creel list FILTER",
            ));
        }
        Ok(seqs)
    }

    /// Sends one delivery once.
    async fn send_once(&self, seq: u64, order: &ResendOrder) -> Result<Sent, Failure> {
        let prepared = self.prepare(seq, order)?;
        let attempt = self.attempt(&prepared, AttemptKind::Resend).await?;
        let verdict = self.verdict(&prepared, &attempt)?;
        Ok(Sent {
            delivery: prepared.delivery.id,
            attempt: Ok((attempt, verdict)),
        })
    }

    /// Sends what is prepared and keeps the attempt.
    pub(super) async fn attempt(
        &self,
        prepared: &Prepared,
        kind: AttemptKind,
    ) -> Result<Attempt, Failure> {
        let new = self.exchange(prepared, kind).await;
        self.store.append_attempt(new).await.map_err(|error| {
            Failure::cannot(
                "The delivery was sent, but the attempt could not be kept.",
                format!("{error}."),
                "Free some space; the target's own log shows what it answered.",
            )
        })
    }

    /// Sends what is prepared; returns the attempt that is to be kept.
    pub(super) async fn exchange(&self, prepared: &Prepared, kind: AttemptKind) -> NewAttempt {
        let started_at = self.clock.now();
        let exchange = self.client.send(&prepared.outgoing).await;
        let within_ack_timeout = self
            .provider_of(prepared)
            .and_then(Provider::answer_within_ms)
            .filter(|_| exchange.response.is_some())
            .map(|limit| exchange.duration_us <= limit.saturating_mul(1000));
        let status = exchange
            .response
            .as_ref()
            .map(|r| r.status)
            .filter(|_| exchange.error.is_none());
        NewAttempt {
            delivery_seq: prepared.delivery.seq,
            target: prepared.outgoing.address(),
            started_at,
            kind,
            signing: prepared.signing,
            edited: prepared.edited.clone(),
            sent_headers: exchange.sent_headers,
            outcome: outcome(status, within_ack_timeout),
            response: exchange.response,
            duration_us: exchange.duration_us,
            within_ack_timeout,
            error: exchange.error,
            retry: None,
            ends: None,
        }
    }

    /// Says what to make of an attempt.
    pub(super) fn verdict(
        &self,
        prepared: &Prepared,
        attempt: &Attempt,
    ) -> Result<Verdict, Failure> {
        let earlier = if attempt.number > 1 {
            self.store
                .attempts(prepared.delivery.seq)
                .map_err(unreadable)?
        } else {
            Vec::new()
        };
        let earlier: Vec<Attempt> = earlier
            .into_iter()
            .filter(|a| a.number < attempt.number)
            .collect();
        let signed = self.worth(&prepared.delivery, attempt);
        Ok(Verdict::of(attempt, previous(&earlier, attempt), signed))
    }

    /// Says what the signature that came with a delivery was worth when an
    /// attempt sent it on.
    pub(super) fn worth(
        &self,
        delivery: &crate::domain::delivery::Delivery,
        attempt: &Attempt,
    ) -> Status {
        if attempt.signing == Signing::Fresh || attempt.edited.is_some() {
            return Status::Valid;
        }
        self.assessor
            .glance(
                delivery.endpoint.as_deref(),
                &delivery.request,
                attempt.started_at,
            )
            .verification
            .status
    }

    fn provider_of(&self, prepared: &Prepared) -> Option<&Provider> {
        let delivery = &prepared.delivery;
        self.assessor
            .provider_of(delivery.endpoint.as_deref(), &delivery.request)
    }
}

/// Sends a job's deliveries.
async fn run(local: Arc<Local>, running: Arc<Running>, seqs: Vec<u64>, order: Arc<ResendOrder>) {
    let parallel = order.parallel.clamp(1, MOST_PARALLEL) as usize;
    let spacing = Duration::from_micros(order.spacing_us);
    let mut next = Instant::now();
    let mut sending = JoinSet::new();
    for (index, seq) in seqs.into_iter().enumerate() {
        while sending.len() >= parallel {
            sending.join_next().await;
        }
        tokio::select! {
            biased;
            () = running.stop.cancelled() => break,
            () = tokio::time::sleep_until(next) => {}
        }
        next = (next + spacing).max(Instant::now());
        let one = send_one(
            Arc::clone(&local),
            Arc::clone(&running),
            seq,
            Arc::clone(&order),
        );
        if index == 0 && order.stop_unanswered {
            if !one.await {
                running.stop.cancel();
            }
        } else {
            sending.spawn(one);
        }
    }
    while sending.join_next().await.is_some() {}
    running.end();
    let id = running.job().id;
    if running.followed {
        // Whoever followed it may be gone without a word.
        let weak = Arc::downgrade(&local);
        drop(local);
        tokio::time::sleep(PATIENCE).await;
        if let Some(local) = weak.upgrade() {
            local.jobs.forget(id);
        }
    } else {
        local.jobs.forget(id);
    }
}

/// Sends one of a job's deliveries; says whether it was answered.
async fn send_one(
    local: Arc<Local>,
    running: Arc<Running>,
    seq: u64,
    order: Arc<ResendOrder>,
) -> bool {
    let sent = match local.send_once(seq, &order).await {
        Ok(sent) => sent,
        Err(failure) => Sent {
            delivery: local.id_of(seq),
            attempt: Err(failure),
        },
    };
    let answered = matches!(&sent.attempt, Ok((attempt, _)) if attempt.response.is_some());
    let ended = sent.attempt.as_ref().map(|(_, verdict)| *verdict);
    let ended = ended.map_err(Clone::clone);
    running.note(sent).await;
    running.done(ended);
    answered
}
