//! Reads one delivery with its verification, arrivals and attempts.

use super::command::{Detail, EventArrival, ProviderFacts, RetryPlan};
use super::local::{Local, read_failure};
use super::resend_support::resend_support;
use super::secret::suggested_secret;
use crate::domain::assess::Assessment;
use crate::domain::attempt::{Attempt, Outcome};
use crate::domain::attempt_verdict::AttemptVerdict;
use crate::domain::delivery::Delivery;
use crate::domain::doctor::{self, Deadline, Effort};
use crate::domain::failure::{Failure, Remedy};
use crate::domain::provider::Provider;
use crate::domain::retry::{self, Schedule};
use crate::domain::summary::Summary;
use crate::domain::timestamp::Timestamp;
use crate::domain::verification::{Finding, Status, Verification};
use crate::store::ReadError;

/// Maximum number of arrivals of one event; older ones are left out.
const ARRIVALS_SHOWN: usize = 50;

impl Local {
    /// Returns one delivery with all its details.
    pub(super) fn detail(&self, seq: u64, effort: Effort) -> Result<Detail, Failure> {
        let gone = || {
            Failure::no(
                "That delivery is no longer stored.",
                "",
                "List all deliveries:  creel list",
            )
            .with_remedy(Remedy::ChooseDelivery)
        };
        let delivery = self
            .store
            .delivery(seq)
            .map_err(read_failure)?
            .ok_or_else(gone)?;
        let mut summary = self
            .store
            .summary(seq)
            .map_err(read_failure)?
            .ok_or_else(gone)?;
        let assessor = self.assessor();
        let assessment = self.examine(&assessor, &delivery, effort)?;
        if summary.status == Status::Pending {
            // The delivery is still pending; it is verified here.
            summary.status = assessment.verification.status;
            summary.provider.clone_from(&assessment.provider);
            summary.event.clone_from(&assessment.event);
            summary.delivery_id.clone_from(&assessment.delivery_id);
        }
        let attempts = self.store.attempts(seq).map_err(read_failure)?;
        let provider = assessment
            .provider
            .as_deref()
            .and_then(|name| assessor.catalog.get(name));
        let schedule = provider.and_then(|provider| retry_plan(provider, &attempts));
        let suggested = suggested_secret(&assessor, &assessment.verification);
        Ok(Detail {
            schedule,
            suggested,
            signed: assessor.signed_text(delivery.endpoint.as_deref(), &delivery.request),
            provider: provider.map(provider_facts),
            arrivals: self.arrivals(&delivery)?,
            verdicts: AttemptVerdict::all(&attempts, |attempt| {
                self.signature_status_at(&delivery, summary.status, attempt.started_at)
            }),
            attempts,
            target: self.destination_of(&delivery).map(|to| to.address()),
            offers: resend_support(&assessor, &delivery),
            verification: self.recorded_verification(&summary, assessment.verification),
            summary,
            delivery,
        })
    }

    /// Verifies a delivery as of its arrival; the search for a cause ends at a
    /// deadline.
    pub(super) fn assessment(&self, delivery: &Delivery, deadline: Deadline<'_>) -> Assessment {
        let endpoint = delivery.endpoint.as_deref();
        let (request, at) = (&delivery.request, delivery.received_at);
        self.assessor()
            .assess_until(endpoint, request, at, deadline)
    }

    /// Returns the verification to show. A command may lack the secrets of the
    /// creel that received the delivery. Then the stored status counts, and the
    /// evidence is what can be computed without the secrets.
    pub(super) fn recorded_verification(
        &self,
        summary: &Summary,
        computed: Verification,
    ) -> Verification {
        let knew_nothing = matches!(summary.status, Status::NoSecret | Status::UnknownProvider);
        if self.is_receiver || knew_nothing || computed.status == summary.status {
            return computed;
        }
        let cause = summary.cause.as_deref().and_then(doctor::find_code);
        let told = |cause: doctor::FindingCode| Finding {
            code: cause.code.to_owned(),
            proved: false,
            message: format!("Found by the creel that received it: {}.", cause.what),
            advice: "For the proof, start creel with the secrets that were configured then."
                .to_owned(),
            proof: String::new(),
        };
        Verification {
            status: summary.status,
            secret: None,
            expected: Vec::new(),
            findings: cause.map(told).into_iter().collect(),
            tried: Vec::new(),
            ..computed
        }
    }

    /// Reads a delivery; `None` if it was removed or is damaged.
    pub(super) fn read_delivery(&self, seq: u64) -> Result<Option<Delivery>, Failure> {
        match self.store.delivery(seq) {
            Err(ReadError::Damaged(_)) => Ok(None),
            read => read.map_err(read_failure),
        }
    }

    fn arrivals(&self, delivery: &Delivery) -> Result<Vec<EventArrival>, Failure> {
        let newest = self
            .store
            .arrivals(delivery.seq, ARRIVALS_SHOWN)
            .map_err(read_failure)?;
        let mut arrivals = Vec::with_capacity(newest.len());
        for seq in newest {
            let Some(summary) = self.store.summary(seq).map_err(read_failure)? else {
                continue;
            };
            let same_body = seq == delivery.seq
                || summary.body_size == delivery.request.body.len() as u64
                    && self
                        .read_delivery(seq)?
                        .is_some_and(|other| other.request.body == delivery.request.body);
            arrivals.push(EventArrival { summary, same_body });
        }
        Ok(arrivals)
    }
}

/// Returns the newest retry schedule of a delivery.
fn retry_plan(provider: &Provider, attempts: &[Attempt]) -> Option<RetryPlan> {
    let mut tries = attempts.iter().rev();
    let (newest, last) = tries.find_map(|a| Some((a, a.retry.as_ref()?)))?;
    let schedule = Schedule::of(provider).ok()?;
    let open = newest.outcome == Outcome::Pending || last.next.is_some();
    let mut later = Vec::new();
    let (mut at, mut number) = match last.next {
        Some(next) => {
            later.push(next);
            (next, last.number + 1)
        }
        None => (last.due, last.number),
    };
    // Jitter is random and not predictable.
    let plain = Schedule {
        jitter: 0,
        ..schedule
    };
    while let Some(wait) = plain.wait_after(number, last.compress, 0)
        && open
    {
        at = Timestamp(at.0.saturating_add(wait));
        later.push(at);
        number += 1;
    }
    Some(RetryPlan {
        began: last.began,
        later,
        assumed: plain.assumed,
        note: retry::disabled(provider, last.failures),
    })
}

/// Returns what a provider documents about its sender.
fn provider_facts(provider: &Provider) -> ProviderFacts {
    ProviderFacts {
        title: provider.title.clone(),
        answer_within_ms: provider.answer_within_ms(),
        retry_seconds: provider.retry_seconds(),
        attempts: provider.sender.attempts,
        notes: provider.notes.clone(),
        answer_note: provider.sender.answer_note.clone(),
        retry_note: provider.sender.retry_note.clone(),
        docs: provider.docs.clone(),
        secret_form: provider.secret_form(),
    }
}
