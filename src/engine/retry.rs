//! Retries deliveries on their provider's schedule until a try is delivered or
//! all are used up.
//!
//! Each try is stored twice: as pending, with its due time, before the wait,
//! and with its result. So a creel that opens the store knows the open
//! schedules and resumes them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::command::{ResendRequest, SendOptions, SendResult};
use super::local::{Local, read_failure};
use super::prepare::PreparedResend;
use crate::clock::random_bits;
use crate::domain::attempt::{
    Attempt, AttemptKind, Outcome, REPLACED_ERROR, RetryPosition, STOPPED_ERROR,
};
use crate::domain::attempt_verdict::AttemptVerdict;
use crate::domain::edit::Edit;
use crate::domain::failure::{Failure, Remedy};
use crate::domain::provider::Provider;
use crate::domain::retry::{self, Schedule};
use crate::domain::summary::Summary;
use crate::domain::timestamp::Timestamp;
use crate::domain::verification::Status;
use crate::store::NewAttempt;

/// Maximum number of the newest deliveries that are scanned for consecutive
/// failures.
const MAX_SCANNED_DELIVERIES: usize = 200;

/// The retry schedules of a running creel.
#[derive(Default)]
pub(super) struct RetrySchedules {
    /// By delivery: the number of its schedule and the token that ends it.
    running: Mutex<HashMap<u64, (u64, CancellationToken)>>,
    last: AtomicU64,
    /// Number of consecutive failures by provider and target, and the time of
    /// the last one.
    failures: Mutex<HashMap<(String, String), (u32, Timestamp)>>,
    /// Set once the failures counted by earlier runs are loaded.
    failures_loaded: OnceLock<()>,
    /// Cancelled at shutdown: schedules are suspended and resume at the next
    /// start.
    pub(super) suspended: CancellationToken,
}

impl RetrySchedules {
    /// Ends the schedules of deliveries.
    pub(super) fn stop(&self, seqs: &[u64]) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        for seq in seqs {
            if let Some((_, stop)) = running.get(seq) {
                stop.cancel();
            }
        }
    }

    /// Returns `true` if a delivery has a running schedule.
    fn is_running(&self, seq: u64) -> bool {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.contains_key(&seq)
    }

    /// Registers a schedule and returns its number; ends a running schedule of
    /// the same delivery.
    fn begin(&self, seq: u64, stop: &CancellationToken) -> u64 {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, before)) = running.insert(seq, (number, stop.clone())) {
            before.cancel();
        }
        number
    }

    /// Removes a schedule, unless another one has replaced it.
    fn end(&self, seq: u64, number: u64) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.get(&seq).is_some_and(|(own, _)| *own == number) {
            running.remove(&seq);
        }
    }

    /// Counts a try and returns the number of consecutive failures.
    fn count(&self, provider: &Provider, to: &str, delivered: bool, at: Timestamp) -> u32 {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (provider.name.clone(), to.to_owned());
        let (count, when) = failures.entry(key).or_insert((0, at));
        *count = if delivered { 0 } else { *count + 1 };
        *when = at;
        *count
    }

    /// Restores the count stored with an attempt of an earlier run.
    fn remember(&self, provider: &str, attempt: &Attempt) {
        let Some(retry) = &attempt.retry else { return };
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (provider.to_owned(), retry.to.clone());
        let known = failures.entry(key).or_insert((0, Timestamp(i64::MIN)));
        if known.1 < attempt.started_at {
            *known = (retry.failures, attempt.started_at);
        }
    }
}

/// The running schedule of one delivery.
pub(super) struct ScheduleRun {
    local: Arc<Local>,
    seq: u64,
    /// Distinguishes schedules of the same delivery.
    number: u64,
    order: Arc<ResendRequest>,
    provider: Provider,
    schedule: Schedule,
    compress: u32,
    began: Timestamp,
    /// The try that is stored as pending.
    pending: Attempt,
    due: Timestamp,
    stop: CancellationToken,
}

/// The outcome of a try.
pub(super) enum TryOutcome {
    /// Further tries follow.
    Continues(SendResult),
    /// It was the last try.
    Finished(SendResult),
    /// creel shuts down before the try is due; the schedule resumes at the next
    /// start.
    Suspended,
}

impl ScheduleRun {
    /// Starts a schedule; the first try is due immediately.
    pub(super) async fn begin(
        local: Arc<Local>,
        seq: u64,
        order: Arc<ResendRequest>,
        stop: CancellationToken,
    ) -> Result<Self, Failure> {
        let prepared = local.prepare(seq, &order)?;
        let (provider, schedule) = local.schedule_of(&prepared)?;
        local.load_failures();
        if !local.retries.is_running(seq) {
            local.end_open(seq, REPLACED_ERROR).await?;
        }
        let now = local.clock.now();
        let number = local.retries.begin(seq, &stop);
        let compress = order.retry.map_or(1, |retry| retry.compress.max(1));
        let first = RetryPosition {
            number: 1,
            of: schedule.tries(),
            compress,
            began: now,
            due: now,
            next: None,
            failures: 0,
            to: prepared.to.clone(),
            insecure: prepared.options.insecure,
            link_local: prepared.options.link_local,
        };
        let pending = local.persist_pending(&prepared, first).await?;
        Ok(Self {
            local,
            seq,
            number,
            order,
            provider,
            schedule,
            compress,
            began: now,
            pending,
            due: now,
            stop,
        })
    }

    /// Resumes the schedule whose newest try is `last`.
    async fn resume(local: Arc<Local>, last: Attempt) -> Result<Option<Self>, Failure> {
        let Some(retry) = last.retry.clone() else {
            return Ok(None);
        };
        let seq = last.delivery_seq;
        // Uses the configured destination, including its path, if the addresses
        // are equal.
        let delivery = local.store.delivery(seq).map_err(read_failure)?;
        let usual = delivery.and_then(|delivery| local.destination_of(&delivery));
        let usual = usual.is_some_and(|usual| usual.address() == retry.to);
        let order = Arc::new(ResendRequest {
            target: (!usual).then(|| retry.to.clone()),
            options: SendOptions {
                insecure: retry.insecure,
                link_local: retry.link_local,
            },
            signing: Some(last.signing),
            edit: last.edited_request().map(|whole| {
                Box::new(Edit {
                    whole: Some(whole),
                    ..Edit::default()
                })
            }),
            ..ResendRequest::default()
        });
        let prepared = local.prepare(seq, &order)?;
        let (provider, schedule) = local.schedule_of(&prepared)?;
        let (pending, due) = match (last.outcome, retry.next) {
            (Outcome::Pending, _) => (last, retry.due),
            (_, Some(next)) => {
                let planned = RetryPosition {
                    number: retry.number + 1,
                    due: next,
                    next: None,
                    ..retry.clone()
                };
                (local.persist_pending(&prepared, planned).await?, next)
            }
            _ => return Ok(None),
        };
        let stop = CancellationToken::new();
        let number = local.retries.begin(seq, &stop);
        Ok(Some(Self {
            local,
            seq,
            number,
            order,
            provider,
            schedule,
            compress: retry.compress,
            began: retry.began,
            pending,
            due,
            stop,
        }))
    }

    /// Waits for the next try and makes it.
    pub(super) async fn next_try(&mut self) -> Result<TryOutcome, Failure> {
        let wait = self.due.0.saturating_sub(self.local.clock.now().0).max(0);
        let wait = Duration::from_micros(wait.cast_unsigned());
        tokio::select! {
            biased;
            () = self.local.retries.suspended.cancelled() => return Ok(TryOutcome::Suspended),
            () = self.stop.cancelled() => {
                return self.give_up(STOPPED_ERROR).await;
            }
            () = tokio::time::sleep(wait) => {}
        }
        let prepared = match self.local.prepare(self.seq, &self.order) {
            Ok(prepared) => prepared,
            Err(failure) => {
                self.give_up(&failure.what).await?;
                return Err(failure);
            }
        };
        // Delays shutdown until the attempt is stored.
        let _under_way = self.local.exchanges.token();
        let (mut new, reached) = self.local.exchange(&prepared, AttemptKind::Retry).await;
        let number = self.pending.retry.as_ref().map_or(1, |retry| retry.number);
        let now = self.local.clock.now();
        let next = retry::tries_again(&self.provider, new.outcome, new.response.as_ref())
            .then(|| self.wait_after(number))
            .flatten()
            .map(|wait| Timestamp(now.0.saturating_add(wait)));
        if new.outcome == Outcome::Failed && next.is_none() {
            new.outcome = Outcome::Expired;
        }
        let delivered = new.outcome == Outcome::Delivered;
        let failures = self
            .local
            .retries
            .count(&self.provider, &prepared.to, delivered, now);
        new.retry = Some(self.build_try(number, &prepared, next, failures));
        new.ends = Some((self.pending.id, self.pending.number));
        let attempt = self.local.persist_attempt(new).await?;
        let signature_status = self.local.signature_status_at(
            &prepared.delivery,
            prepared.listed.status,
            attempt.started_at,
        );
        let verdict = self.local.verdict(&attempt, signature_status).await?;
        let sent = SendResult {
            delivery: prepared.delivery.id,
            attempt: Ok((attempt, verdict)),
            reached,
            note: retry::disabled(&self.provider, failures),
        };
        let Some(next) = next else {
            self.local.retries.end(self.seq, self.number);
            return Ok(TryOutcome::Finished(sent));
        };
        let mut planned = self.build_try(number + 1, &prepared, None, failures);
        planned.due = next;
        self.pending = self.local.persist_pending(&prepared, planned).await?;
        self.due = next;
        Ok(TryOutcome::Continues(sent))
    }

    fn build_try(
        &self,
        number: u32,
        prepared: &PreparedResend,
        next: Option<Timestamp>,
        failures: u32,
    ) -> RetryPosition {
        RetryPosition {
            number,
            of: self.schedule.tries(),
            compress: self.compress,
            began: self.began,
            due: self.due,
            next,
            failures,
            to: prepared.to.clone(),
            insecure: prepared.options.insecure,
            link_local: prepared.options.link_local,
        }
    }

    fn wait_after(&self, number: u32) -> Option<i64> {
        self.schedule
            .wait_after(number, self.compress, random_bits() as u64)
    }

    /// Cancels the pending try.
    async fn give_up(&self, why: &str) -> Result<TryOutcome, Failure> {
        self.local.retries.end(self.seq, self.number);
        let new = cancelled_try(self.pending.clone(), self.local.clock.now(), why);
        let attempt = self.local.persist_attempt(new).await?;
        // It was not sent, so what it carried says nothing.
        let verdict = AttemptVerdict::of(&attempt, None, Status::Valid);
        Ok(TryOutcome::Finished(SendResult {
            delivery: self.local.id_of(self.seq),
            attempt: Ok((attempt, verdict)),
            reached: true,
            note: None,
        }))
    }
}

impl Local {
    /// Returns the provider of a prepared request and its retry schedule.
    fn schedule_of(&self, prepared: &PreparedResend) -> Result<(Provider, Schedule), Failure> {
        let delivery = &prepared.delivery;
        let assessor = self.assessor();
        let endpoint = delivery.endpoint.as_deref();
        let provider = assessor.provider_of(endpoint, &delivery.request);
        let provider = provider.ok_or_else(|| {
            Failure::no(
                format!("Delivery {} has no retry schedule.", delivery.id),
                "Its provider is not known.",
                "Name its provider:  creel --provider NAME, or in creel.toml",
            )
            .with_remedy(Remedy::SendOnce)
        })?;
        Ok((provider.clone(), Schedule::of(provider)?))
    }

    /// Stores a pending try.
    async fn persist_pending(
        &self,
        prepared: &PreparedResend,
        planned: RetryPosition,
    ) -> Result<Attempt, Failure> {
        let new = NewAttempt {
            delivery_seq: prepared.delivery.seq,
            target: prepared.outgoing.address(),
            started_at: self.clock.now(),
            kind: AttemptKind::Retry,
            signing: prepared.signing,
            edited: prepared.edited.clone(),
            sent_headers: prepared.outgoing.headers.clone(),
            outcome: Outcome::Pending,
            response: None,
            duration_us: 0,
            within_ack_timeout: None,
            error: None,
            retry: Some(planned),
            ends: None,
            before: None,
        };
        self.persist_attempt(new).await
    }

    /// Resumes the schedules that an earlier run left open.
    pub async fn resume_retries(self: Arc<Self>) {
        self.store.settle_index().await;
        self.load_failures();
        let mut open: Vec<Summary> = Vec::new();
        let scanned = self.store.scan(None, &mut |row| {
            if row.pending.is_some() {
                open.push(row.clone());
            }
            true
        });
        if let Err(error) = scanned {
            tracing::warn!(%error, "open retry schedules could not be read");
        }
        // Oldest first.
        for row in open.into_iter().rev() {
            if let Err(failure) = Arc::clone(&self).resume_one(&row).await {
                tracing::warn!(%failure, id = %row.id, "a retry schedule could not be resumed");
            }
        }
    }

    /// Loads, once, the numbers of consecutive failures of earlier runs.
    fn load_failures(&self) {
        self.retries.failures_loaded.get_or_init(|| {
            let mut tried = Vec::new();
            let scanned = self.store.scan(None, &mut |row| {
                if row.attempts > 0 {
                    tried.push((row.seq, row.provider.clone()));
                }
                tried.len() < MAX_SCANNED_DELIVERIES
            });
            if let Err(error) = scanned {
                tracing::warn!(%error, "earlier failures could not be read");
            }
            for (seq, provider) in tried {
                let attempts = self.store.attempts(seq).unwrap_or_default();
                for attempt in attempts.iter().filter(|a| a.outcome != Outcome::Pending) {
                    self.retries
                        .remember(provider.as_deref().unwrap_or_default(), attempt);
                }
            }
        });
    }

    /// Ends the retry schedules of deliveries, including those that are not
    /// running.
    pub(super) async fn stop_retries(&self, seqs: &[u64]) -> Result<(), Failure> {
        self.retries.stop(seqs);
        for &seq in seqs {
            if !self.retries.is_running(seq) {
                self.end_open(seq, STOPPED_ERROR).await?;
            }
        }
        Ok(())
    }

    /// Ends the schedules of a delivery that an earlier run left open.
    async fn end_open(&self, seq: u64, why: &str) -> Result<(), Failure> {
        let summary = self.store.summary(seq).map_err(read_failure)?;
        if summary.is_none_or(|row| row.pending.is_none()) {
            return Ok(());
        }
        let attempts = self.store.attempts(seq).map_err(read_failure)?;
        let newest = attempts.iter().map(|attempt| attempt.number).max();
        for attempt in attempts {
            let pending = attempt.outcome == Outcome::Pending;
            let planned = attempt.retry.as_ref().is_some_and(|r| r.next.is_some());
            if pending {
                self.persist_attempt(cancelled_try(attempt, self.clock.now(), why))
                    .await?;
            } else if planned && newest == Some(attempt.number) {
                // The next try was not stored as pending yet.
                self.persist_attempt(last_try(attempt)).await?;
            }
        }
        Ok(())
    }

    async fn resume_one(self: Arc<Self>, row: &Summary) -> Result<(), Failure> {
        let attempts = self.store.attempts(row.seq).map_err(read_failure)?;
        let newest = attempts
            .into_iter()
            .rev()
            .find(|attempt| attempt.retry.is_some());
        let Some(newest) = newest else { return Ok(()) };
        if let Some(mut run) = ScheduleRun::resume(self, newest).await? {
            tokio::spawn(async move {
                loop {
                    match run.next_try().await {
                        Ok(TryOutcome::Continues(_)) => {}
                        Ok(TryOutcome::Finished(_) | TryOutcome::Suspended) => break,
                        Err(failure) => {
                            tracing::warn!(%failure, "a retry schedule ended early");
                            break;
                        }
                    }
                }
            });
        }
        Ok(())
    }
}

/// Returns the record that cancels a pending try.
fn cancelled_try(pending: Attempt, at: Timestamp, why: &str) -> NewAttempt {
    NewAttempt {
        started_at: at,
        outcome: Outcome::Failed,
        error: Some(why.to_owned()),
        ..last_try(pending)
    }
}

/// Returns a copy of a try that is the last of its schedule.
fn last_try(attempt: Attempt) -> NewAttempt {
    NewAttempt {
        ends: Some((attempt.id, attempt.number)),
        before: None,
        delivery_seq: attempt.delivery_seq,
        target: attempt.target,
        started_at: attempt.started_at,
        kind: attempt.kind,
        signing: attempt.signing,
        edited: attempt.edited,
        sent_headers: attempt.sent_headers,
        outcome: attempt.outcome,
        response: attempt.response,
        duration_us: attempt.duration_us,
        within_ack_timeout: attempt.within_ack_timeout,
        error: attempt.error,
        retry: attempt.retry.map(|retry| RetryPosition {
            next: None,
            ..retry
        }),
    }
}
