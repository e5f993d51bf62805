//! Sends deliveries again, one or many, and keeps what came of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::command::{Job, ResendOrder, Sent, Which};
use super::jobs::{PATIENCE, Running};
use super::local::{Local, unreadable};
use super::prepare::Prepared;
use super::retry::{Run, Step};
use super::sending::{forwarded, not_sent};
use crate::clock::random_bits;
use crate::domain::attempt::{Attempt, AttemptKind, Signing};
use crate::domain::delivery::Delivery;
use crate::domain::failure::Failure;
use crate::domain::filter::Filter;
use crate::domain::timestamp::Timestamp;
use crate::domain::verdict::{Verdict, previous};
use crate::domain::verification::Status;
use crate::outbound::Exchange;
use crate::store::NewAttempt;

/// How many may be under way at a time.
const MOST_PARALLEL: u32 = 256;

/// How many attempts may be on their way to the disk besides.
const BEING_KEPT: usize = 1024;

/// How many of a long list are looked at before the first is sent.
const CHECKED: usize = 50;

impl Local {
    /// Begins to send deliveries again, in the order given or of arrival.
    ///
    /// Whatever can be known to be wrong beforehand (an id that is not there,
    /// no target, no secret to sign with) is found before the first is sent.
    pub(super) fn resend(&self, mut order: ResendOrder) -> Result<Job, Failure> {
        // Every try of a new event has the same id.
        order.seed = order.seed.or_else(|| Some(random_bits() as u64));
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
    pub(super) fn which(&self, which: &Which) -> Result<Vec<u64>, Failure> {
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
        let (now, mut seqs) = (self.clock.now(), Vec::new());
        self.store
            .scan(None, &mut |row| {
                // What was refused has no body to send.
                if row.refused.is_none() && parsed.matches(row, now) {
                    seqs.push(row.seq);
                }
                true
            })
            .map_err(unreadable)?;
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
    ///
    /// Lets go of its slot when the answer is there.
    async fn send_once(
        &self,
        seq: u64,
        order: &ResendOrder,
        slot: OwnedSemaphorePermit,
    ) -> Result<Sent, Failure> {
        let prepared = self.prepare(seq, order)?;
        // Where creel ends meanwhile, it waits a moment, and keeps that it was sent.
        let under_way = self.exchanges.token();
        let started_at = self.clock.now();
        let (mut new, reached) = tokio::select! {
            sent = self.exchange(&prepared, AttemptKind::Resend) => sent,
            () = self.ending.cancelled() => {
                let why = "creel ended before the app answered.".to_owned();
                let took = self.clock.now().0.saturating_sub(started_at.0).max(0);
                let exchange = Exchange {
                    duration_us: took.cast_unsigned(),
                    ..not_sent(why, prepared.outgoing.headers.clone())
                };
                (self.attempted(&prepared, AttemptKind::Resend, started_at, exchange), true)
            }
        };
        drop(slot);
        new.can_wait = order.parallel > 1;
        let attempt = self.keep(new).await?;
        drop(under_way);
        let verdict = self.verdict(&prepared, &attempt).await?;
        Ok(Sent {
            delivery: prepared.delivery.id,
            attempt: Ok((attempt, verdict)),
            reached,
            note: None,
        })
    }

    /// Keeps an attempt.
    pub(super) async fn keep(&self, new: NewAttempt) -> Result<Attempt, Failure> {
        self.store.append_attempt(new).await.map_err(|error| {
            Failure::cannot(
                "The delivery was sent, but the attempt could not be kept.",
                format!("{error}."),
                "Free some space; the target's own log shows what it answered.",
            )
        })
    }

    /// Sends what is prepared; returns the attempt that is to be kept, and
    /// whether there was a connection to send it on.
    pub(super) async fn exchange(
        &self,
        prepared: &Prepared,
        kind: AttemptKind,
    ) -> (NewAttempt, bool) {
        let started_at = self.clock.now();
        let exchange = self.client.send(&prepared.outgoing, prepared.options).await;
        self.apps.sent(&prepared.to, &exchange, self.clock.now());
        let reached = exchange.connected;
        (
            self.attempted(prepared, kind, started_at, exchange),
            reached,
        )
    }

    /// Makes the attempt that is to be kept.
    fn attempted(
        &self,
        prepared: &Prepared,
        kind: AttemptKind,
        started_at: Timestamp,
        exchange: Exchange,
    ) -> NewAttempt {
        let delivery = &prepared.delivery;
        let acknowledged_in = self.acknowledged_in(delivery.endpoint.as_deref(), &delivery.request);
        let to = prepared.outgoing.address();
        NewAttempt {
            kind,
            signing: prepared.signing,
            edited: prepared.edited.clone(),
            ..forwarded(delivery.seq, acknowledged_in, to, started_at, exchange)
        }
    }

    /// Says what to make of an attempt.
    pub(super) async fn verdict(
        &self,
        prepared: &Prepared,
        attempt: &Attempt,
    ) -> Result<Verdict, Failure> {
        let mut earlier = Vec::new();
        if attempt.number > 1 {
            let seq = prepared.delivery.seq;
            earlier = self.store.attempts(seq).map_err(unreadable)?;
            let last = attempt.number - 1;
            if !earlier.iter().any(|a| a.number == last) {
                // It was kept a moment ago and is not indexed yet.
                self.store.settle().await;
                earlier = self.store.attempts(seq).map_err(unreadable)?;
            }
            earlier.retain(|a| a.number < attempt.number);
        }
        let worth = |attempt: &Attempt| self.worth(&prepared.delivery, attempt);
        let before = previous(&earlier, attempt, |at| worth(&earlier[at]));
        Ok(Verdict::of(attempt, before, worth(attempt)))
    }

    /// Says what the signature that came with a delivery was worth when an
    /// attempt sent it on.
    pub(super) fn worth(&self, delivery: &Delivery, attempt: &Attempt) -> Status {
        if attempt.signing == Signing::Fresh || attempt.edited.is_some() {
            return Status::Valid;
        }
        let endpoint = delivery.endpoint.as_deref();
        let at = attempt.started_at;
        self.assessor().status(endpoint, &delivery.request, at)
    }
}

/// Sends a job's deliveries.
async fn run(local: Arc<Local>, running: Arc<Running>, seqs: Vec<u64>, order: Arc<ResendOrder>) {
    let parallel = order.parallel.clamp(1, MOST_PARALLEL) as usize;
    let spacing = Duration::from_micros(order.spacing_us);
    let mut next = Instant::now();
    // A slot is free again as soon as the answer is there: while some attempts
    // are being written to the disk, others are made.
    let slots = Arc::new(Semaphore::new(parallel));
    let mut sending = JoinSet::new();
    // Schedules whose first try is made wait beside those that are being sent.
    let mut waiting = JoinSet::new();
    let on = |ended: Option<Result<Option<Run>, JoinError>>, waiting: &mut JoinSet<()>| {
        if let Some(Ok(Some(schedule))) = ended {
            waiting.spawn(go_on(Arc::clone(&running), schedule));
        }
    };
    for (index, seq) in seqs.into_iter().enumerate() {
        while sending.len() >= parallel + BEING_KEPT {
            on(sending.join_next().await, &mut waiting);
        }
        while let Some(ended) = sending.try_join_next() {
            on(Some(ended), &mut waiting);
        }
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            break;
        };
        // A timer is a millisecond at the least, which is long.
        if next > Instant::now() {
            tokio::select! {
                () = running.stop.cancelled() => {}
                () = tokio::time::sleep_until(next) => {}
            }
        }
        if running.stop.is_cancelled() {
            break;
        }
        next = (next + spacing).max(Instant::now());
        let one = Arc::clone(&local).send_one(Arc::clone(&running), seq, Arc::clone(&order), slot);
        if index == 0 && order.stop_unreached {
            let (unreached, schedule) = one.await;
            if unreached && schedule.is_none() {
                running.stop.cancel();
            }
            on(Some(Ok(schedule)), &mut waiting);
        } else {
            sending.spawn(async { one.await.1 });
        }
    }
    while let Some(ended) = sending.join_next().await {
        on(Some(ended), &mut waiting);
    }
    while waiting.join_next().await.is_some() {}
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

impl Local {
    /// Sends one of a job's deliveries; says whether its target could not be
    /// reached, and gives the schedule that goes on, where there is one.
    async fn send_one(
        self: Arc<Self>,
        running: Arc<Running>,
        seq: u64,
        order: Arc<ResendOrder>,
        slot: OwnedSemaphorePermit,
    ) -> (bool, Option<Run>) {
        let sent = if order.retry.is_some() {
            let stop = running.stop.child_token();
            match Run::begin(Arc::clone(&self), seq, order, stop).await {
                Ok(mut schedule) => match schedule.step().await {
                    Ok(Step::Again(sent)) => {
                        let unreached = sent.is_unreached();
                        running.note(sent).await;
                        return (unreached, Some(schedule));
                    }
                    Ok(Step::Over(sent)) => Ok(sent),
                    Ok(Step::Rests) => return (false, None),
                    Err(failure) => Err(failure),
                },
                Err(failure) => Err(failure),
            }
        } else {
            self.send_once(seq, &order, slot).await
        };
        let sent = sent.unwrap_or_else(|failure| Sent {
            delivery: self.id_of(seq),
            attempt: Err(failure),
            reached: false,
            note: None,
        });
        let unreached = sent.is_unreached();
        running.finish(sent).await;
        (unreached, None)
    }
}

/// Makes the tries that are left of a schedule.
async fn go_on(running: Arc<Running>, mut schedule: Run) {
    loop {
        match schedule.step().await {
            Ok(Step::Again(sent)) => running.note(sent).await,
            Ok(Step::Over(sent)) => return running.finish(sent).await,
            Ok(Step::Rests) => return,
            Err(failure) => return running.done(Err(failure)),
        }
    }
}
