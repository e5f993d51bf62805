//! Reads earlier deliveries that may explain the signature of a delivery.

use std::time::{Duration, Instant};

use super::local::{Local, read_failure};
use crate::domain::assess::{Assessment, Assessor};
use crate::domain::delivery::Delivery;
use crate::domain::doctor::{Deadline, EarlierDelivery, Effort, History};
use crate::domain::failure::Failure;
use crate::domain::signature::Reading;
use crate::domain::verification::Status;

/// Timeout of the search for a cause while the user waits.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum number of earlier deliveries to read.
const MAX_SCANNED_DELIVERIES: usize = 24;

/// Maximum number of time offsets per sender.
const MAX_OFFSETS: usize = 8;

/// Maximum size of an earlier delivery, in bytes; larger ones are skipped
/// because they take long to read.
const MAX_SCANNED_BYTES: u64 = 256 << 10;

/// Facts from earlier deliveries.
#[derive(Default)]
struct EarlierDeliveries {
    offsets: Vec<i64>,
    other_offsets: Vec<i64>,
    same_signature: Option<EarlierDelivery>,
}

impl Local {
    /// Verifies a delivery for display. If its signature is not valid, or with
    /// full effort, tests every hypothesis.
    pub(super) fn examine(
        &self,
        assessor: &Assessor,
        delivery: &Delivery,
        effort: Effort,
    ) -> Result<Assessment, Failure> {
        let (endpoint, request) = (delivery.endpoint.as_deref(), &delivery.request);
        let at = delivery.received_at;
        let began = Instant::now();
        let is_over = || began.elapsed() > SEARCH_TIMEOUT;
        let deadline = Deadline::new(&is_over);
        if effort != Effort::Full {
            let assessment = assessor.assess_until(endpoint, request, at, deadline);
            if assessment.verification.status == Status::Valid {
                return Ok(assessment);
            }
        }
        let earlier = self.earlier_deliveries(assessor, delivery)?;
        let history = History {
            offsets: &earlier.offsets,
            other_offsets: &earlier.other_offsets,
            same_signature: earlier.same_signature,
        };
        Ok(assessor.assess_fully_until(endpoint, request, at, history, deadline))
    }

    /// Reads the times and signatures of earlier deliveries.
    fn earlier_deliveries(
        &self,
        assessor: &Assessor,
        delivery: &Delivery,
    ) -> Result<EarlierDeliveries, Failure> {
        let mut earlier = EarlierDeliveries::default();
        let Some((provider, ours, _)) = read_signature(assessor, delivery) else {
            return Ok(earlier);
        };
        let mut older = Vec::new();
        self.store
            .scan(Some(delivery.seq), &mut |row| {
                if row.body_size <= MAX_SCANNED_BYTES {
                    older.push(row.seq);
                }
                older.len() < MAX_SCANNED_DELIVERIES
            })
            .map_err(read_failure)?;
        for seq in older {
            let Some(other) = self.read_delivery(seq)? else {
                continue;
            };
            let Some((theirs, read, offset)) = read_signature(assessor, &other) else {
                continue;
            };
            let offsets = if theirs == provider {
                &mut earlier.offsets
            } else {
                &mut earlier.other_offsets
            };
            offsets.extend(offset.filter(|_| offsets.len() < MAX_OFFSETS));
            let same = ours.all_signatures().next().is_some()
                && read.all_signatures().eq(ours.all_signatures());
            if same && earlier.same_signature.is_none() {
                earlier.same_signature = Some(EarlierDelivery {
                    id: other.id,
                    received_at: other.received_at,
                    same_body: other.request.body == delivery.request.body,
                });
            }
        }
        Ok(earlier)
    }
}

/// Returns the provider of a delivery, its signatures and its arrival time
/// minus its signed time.
fn read_signature<'a>(
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
