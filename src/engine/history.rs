//! What came before a delivery, as far as it may explain its signature.

use std::time::{Duration, Instant};

use super::local::{Local, read_failure};
use crate::domain::assess::{Assessment, Assessor};
use crate::domain::delivery::Delivery;
use crate::domain::doctor::{Deadline, EarlierDelivery, Effort, History};
use crate::domain::failure::Failure;
use crate::domain::signature::Reading;
use crate::domain::verification::Status;

/// How long the search for a cause may take while somebody waits for it.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(5);

/// How many older deliveries are looked at.
const MAX_SCANNED_DELIVERIES: usize = 24;

/// How many of one sender's are told on.
const MAX_OFFSETS: usize = 8;

/// Larger deliveries are left out, for they take long to read.
const MAX_SCANNED_BYTES: u64 = 256 << 10;

/// What older deliveries say.
#[derive(Default)]
struct EarlierDeliveries {
    offsets: Vec<i64>,
    other_offsets: Vec<i64>,
    same_signature: Option<EarlierDelivery>,
}

impl Local {
    /// Says what the configuration makes of a delivery that is looked at:
    /// where its signature does not hold, or with full effort in any case, with
    /// all that was tried to explain it.
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

    /// Reads the times and signatures of the deliveries before one.
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

/// Reads who sent a delivery, its signatures, and arrival minus signed time.
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
