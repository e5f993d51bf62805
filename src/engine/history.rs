//! What came before a delivery, as far as it may explain its signature.

use std::time::{Duration, Instant};

use super::local::{Local, unreadable};
use crate::domain::assess::{Assessment, Assessor};
use crate::domain::delivery::Delivery;
use crate::domain::doctor::{Deadline, Earlier, Effort, History};
use crate::domain::failure::Failure;
use crate::domain::signature::Reading;
use crate::domain::verification::Status;

/// How long the search for a cause may take while somebody waits for it.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(5);

/// How many older deliveries are looked at.
const LOOKED_AT: usize = 24;

/// How many of one sender's are told on.
const OFFSETS: usize = 8;

/// Larger deliveries are left out, for they take long to read.
const LARGEST: u64 = 256 << 10;

/// What older deliveries say.
#[derive(Default)]
struct Past {
    offsets: Vec<i64>,
    other_offsets: Vec<i64>,
    same_signature: Option<Earlier>,
}

impl Local {
    /// Says what the configuration makes of a delivery that is looked at:
    /// where its signature does not hold, or with full effort in any case, with
    /// all that was tried to explain it.
    pub(super) fn examination(
        &self,
        assessor: &Assessor,
        delivery: &Delivery,
        effort: Effort,
    ) -> Result<Assessment, Failure> {
        let (endpoint, request) = (delivery.endpoint.as_deref(), &delivery.request);
        let at = delivery.received_at;
        let began = Instant::now();
        let is_over = || began.elapsed() > SEARCH_TIMEOUT;
        let deadline = Deadline::when(&is_over);
        if effort != Effort::Full {
            let assessment = assessor.assess_until(endpoint, request, at, deadline);
            if assessment.verification.status == Status::Valid {
                return Ok(assessment);
            }
        }
        let past = self.past(assessor, delivery)?;
        let history = History {
            offsets: &past.offsets,
            other_offsets: &past.other_offsets,
            same_signature: past.same_signature,
        };
        Ok(assessor.examine_until(endpoint, request, at, history, deadline))
    }

    /// Reads the times and signatures of the deliveries before one.
    fn past(&self, assessor: &Assessor, delivery: &Delivery) -> Result<Past, Failure> {
        let mut past = Past::default();
        let Some((provider, ours, _)) = reading(assessor, delivery) else {
            return Ok(past);
        };
        let mut older = Vec::new();
        self.store
            .scan(Some(delivery.seq), &mut |row| {
                if row.body_size <= LARGEST {
                    older.push(row.seq);
                }
                older.len() < LOOKED_AT
            })
            .map_err(unreadable)?;
        for seq in older {
            let Some(other) = self.readable(seq)? else {
                continue;
            };
            let Some((theirs, read, offset)) = reading(assessor, &other) else {
                continue;
            };
            let offsets = if theirs == provider {
                &mut past.offsets
            } else {
                &mut past.other_offsets
            };
            offsets.extend(offset.filter(|_| offsets.len() < OFFSETS));
            let same = ours.all_signatures().next().is_some()
                && read.all_signatures().eq(ours.all_signatures());
            if same && past.same_signature.is_none() {
                past.same_signature = Some(Earlier {
                    id: other.id,
                    received_at: other.received_at,
                    same_body: other.request.body == delivery.request.body,
                });
            }
        }
        Ok(past)
    }
}

/// Reads who sent a delivery, its signatures, and arrival minus signed time.
fn reading<'a>(
    assessor: &'a Assessor,
    delivery: &Delivery,
) -> Option<(&'a str, Reading, Option<i64>)> {
    let request = &delivery.request;
    let provider = assessor.provider_of(delivery.endpoint.as_deref(), request)?;
    let scheme = provider.signature.as_ref()?;
    let reading = Reading::of(request, scheme);
    let offset = reading.signed_at(scheme).map(|at| {
        let arrived = delivery.received_at.unix_seconds();
        arrived.saturating_sub(at.unix_seconds())
    });
    Some((provider.name.as_str(), reading, offset))
}
