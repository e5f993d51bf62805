//! What may be wrong with the time.

use super::{Case, finding};
use crate::domain::text;
use crate::domain::verification::{Finding, Status};

/// An old delivery is worth a word from this age on, in seconds.
const OLD: i64 = 300;

/// Says by how much a signed time is outside the tolerance.
pub(super) fn outside(case: &Case<'_>) -> Vec<Finding> {
    let v = case.verification;
    let (Some(age), Some(tolerance)) = (v.age_seconds, v.tolerance_seconds) else {
        return Vec::new();
    };
    if age.abs() <= tolerance {
        return Vec::new();
    }
    if let Some(finding) = milliseconds(case, tolerance) {
        return vec![finding];
    }
    let by = text::thousands((age.abs() - tolerance).unsigned_abs());
    let limit = text::thousands(tolerance.unsigned_abs());
    if age > 0 {
        vec![finding(
            "stale",
            true,
            format!(
                "Signed {} before it arrived: {by} s more than the {limit} s that are allowed.",
                text::age(age).trim_end_matches(" ago")
            ),
            "A late or repeated delivery: send it again signed afresh (R). A fresh one: set the clocks of both machines.",
        )]
    } else {
        vec![finding(
            "future",
            true,
            format!(
                "Signed {} s after it arrived: {by} s more than the {limit} s that are allowed.",
                text::thousands(age.unsigned_abs())
            ),
            "Set the clocks: the sender's is ahead, or this machine's is behind.",
        )]
    }
}

/// Says that milliseconds stand where the scheme has seconds.
fn milliseconds(case: &Case<'_>, tolerance: i64) -> Option<Finding> {
    let stated = case.verification.timestamp?;
    let close = case.patient.now.unix_seconds().abs_diff(stated / 1000) <= tolerance.unsigned_abs();
    close.then(|| {
        finding(
            "timestamp_unit",
            true,
            format!("The timestamp {stated} counts milliseconds; the scheme counts seconds."),
            "Divide it by 1000 where it is signed.",
        )
    })
}

/// Warns of an old delivery where the provider states no tolerance.
pub(super) fn unguarded(case: &Case<'_>) -> Vec<Finding> {
    let v = case.verification;
    match (v.status, v.age_seconds, v.tolerance_seconds) {
        (Status::Valid, Some(age), None) if age.abs() > OLD => vec![finding(
            "old",
            true,
            format!(
                "Signed {}; {} states no limit, so it is valid all the same.",
                text::age(age),
                case.patient.provider.title
            ),
            "If it should be refused, compare the signed time in your own code.",
        )],
        _ => Vec::new(),
    }
}
