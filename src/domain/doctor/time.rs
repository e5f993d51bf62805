//! What may be wrong with the time.

use super::case::Case;
use super::finding;
use super::hypothesis::Observation;
use crate::domain::provider::TimeUnit;
use crate::domain::text::{age, span, thousands};
use crate::domain::verification::{Finding, Status};

/// An old delivery is worth a word from this age on, in seconds.
const MIN_OLD_AGE_SECONDS: i64 = 300;

/// How many deliveries it takes to tell a clock from a delay.
const MIN_DELIVERIES: usize = 3;

/// A clock is worth a word from this difference on, in seconds.
const MIN_SKEW_SECONDS: i64 = 20;

/// Returns age and tolerance, where there are both.
fn bounds(case: &Case<'_>) -> Result<(i64, i64), &'static str> {
    let v = case.verification;
    match (v.age_seconds, v.tolerance_seconds) {
        (Some(age), Some(tolerance)) => Ok((age, tolerance)),
        (None, _) => Err("no time came that can be read"),
        (_, None) => Err("the provider states no limit"),
    }
}

/// Says by how much a signed time lies too far back.
pub(super) fn stale(case: &Case<'_>) -> Observation {
    match bounds(case) {
        Err(why) => Observation::NotApplicable(why),
        Ok((age, tolerance)) if age <= tolerance => Observation::Absent("it is not too old"),
        Ok(_) if milliseconds(case).is_some() => Observation::Absent("the time is in another unit"),
        Ok((since, tolerance)) => Observation::Present(finding(
            "stale",
            true,
            format!(
                "Signed {} before it arrived: {} s more than the {} s that are allowed.",
                age(since).trim_end_matches(" ago"),
                thousands((since - tolerance).unsigned_abs()),
                thousands(tolerance.unsigned_abs())
            ),
            "A late or repeated delivery: send it again signed afresh (R). A fresh one: set the clocks of both machines.",
        )),
    }
}

/// Says by how much a signed time lies ahead.
pub(super) fn future(case: &Case<'_>) -> Observation {
    let (age, behind) = match bounds(case) {
        Err(why) => return Observation::NotApplicable(why),
        Ok(bounds) => bounds,
    };
    let Some(ahead) = case.scheme.ahead.seconds(behind) else {
        return Observation::NotApplicable("the provider states no limit ahead");
    };
    if age >= ahead.saturating_neg() {
        return Observation::Absent("it does not lie ahead");
    }
    if milliseconds(case).is_some() {
        return Observation::Absent("the time is in another unit");
    }
    Observation::Present(finding(
        "future",
        true,
        format!(
            "Signed {} s after it arrived: {} s more than the {} s that are allowed.",
            thousands(age.unsigned_abs()),
            thousands((age.saturating_add(ahead)).unsigned_abs()),
            thousands(ahead.unsigned_abs())
        ),
        "Set the clocks: the sender's is ahead, or this machine's is behind.",
    ))
}

/// Says that the timestamp counts in another unit than the scheme's.
pub(super) fn unit(case: &Case<'_>) -> Observation {
    match milliseconds(case) {
        Some(finding) => Observation::Present(finding),
        None if case.verification.timestamp.is_none() => {
            Observation::NotApplicable("no time came that can be read")
        }
        None => Observation::Absent("it is no other unit's"),
    }
}

fn milliseconds(case: &Case<'_>) -> Option<Finding> {
    let (age, _) = bounds(case).ok()?;
    // Counted in so small a unit, it may be beyond what a time holds.
    let counted = std::str::from_utf8(&case.values.time)
        .ok()
        .filter(|_| case.scheme.unit == TimeUnit::Seconds)
        .and_then(|text| text.parse().ok());
    let stated = counted.or(case.verification.timestamp)?;
    let now = case.subject.now.unix_seconds();
    // A day: however late, it is far from being a thousandth or a thousandfold.
    let close = |seconds: i64| now.abs_diff(seconds) <= 86_400;
    if close(stated) || age == 0 {
        return None;
    }
    let (counted, scheme, advice) = match case.scheme.unit {
        TimeUnit::Seconds if close(stated / 1000) => (
            "milliseconds",
            "seconds",
            "Divide it by 1000 where it is signed: Math.floor(Date.now() / 1000) in JavaScript.",
        ),
        TimeUnit::Seconds if close(stated / 1_000_000) => (
            "microseconds",
            "seconds",
            "Divide it by 1,000,000 where it is signed.",
        ),
        TimeUnit::Seconds if close(stated / 1_000_000_000) => (
            "nanoseconds",
            "seconds",
            "Divide it by 1,000,000,000 where it is signed: time.Now().Unix() in Go.",
        ),
        TimeUnit::Milliseconds if close(stated.saturating_mul(1000)) => (
            "seconds",
            "milliseconds",
            "Multiply it by 1000 where it is signed.",
        ),
        TimeUnit::Seconds | TimeUnit::Milliseconds | TimeUnit::Rfc3339 => return None,
    };
    let text = crate::domain::text::visible_bytes(&case.values.time);
    Some(finding(
        "timestamp_unit",
        true,
        format!("The timestamp {text} counts {counted}; the scheme counts {scheme}."),
        advice,
    ))
}

/// Says that a clock is wrong: the last deliveries are all off alike.
pub(super) fn clock(case: &Case<'_>) -> Observation {
    let Some(age) = case.verification.age_seconds else {
        return Observation::NotApplicable("no time came that can be read");
    };
    let mut offsets = case.subject.history.offsets.to_vec();
    offsets.push(age);
    if offsets.len() < MIN_DELIVERIES {
        return Observation::NotApplicable("too few deliveries came to tell");
    }
    let (off, spread) = median(&mut offsets);
    if off.abs() < MIN_SKEW_SECONDS || spread > (off.abs() / 4).max(5) {
        return Observation::Absent("the last deliveries are not off alike");
    }
    let mut others = case.subject.history.other_offsets.to_vec();
    let whose = if others.is_empty() {
        "the sender's or this machine's"
    } else {
        let (other, spread) = median(&mut others);
        let alike = other.abs_diff(off) <= (off.unsigned_abs() / 4).max(5);
        match (alike, spread <= MIN_SKEW_SECONDS || alike) {
            (true, _) => "this machine's, for other senders' are off alike",
            (false, true) => "the sender's, for others' are not off",
            (false, false) => "the sender's or this machine's",
        }
    };
    let way = if off > 0 { "before" } else { "after" };
    Observation::Present(finding(
        "clock_skew",
        true,
        format!(
            "A clock is wrong, {whose}: the last {} deliveries were all signed about {} {way} they arrived.",
            offsets.len(),
            span(off.unsigned_abs())
        ),
        "Set the clock by the network: timedatectl set-ntp true, or restart the virtual machine that slept.",
    ))
}

/// Returns the median, and how far the others are from it.
fn median(numbers: &mut [i64]) -> (i64, i64) {
    numbers.sort_unstable();
    let middle = numbers[numbers.len() / 2];
    let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
    (
        middle,
        last.saturating_sub(middle)
            .max(middle.saturating_sub(first)),
    )
}

/// Says that an older delivery carried the same signature.
pub(super) fn replay(case: &Case<'_>) -> Observation {
    let Some(earlier) = &case.subject.history.same_signature else {
        return Observation::Absent("no older delivery carried this signature");
    };
    let body = if earlier.same_body {
        "and the same body"
    } else {
        "with another body"
    };
    let since = case.subject.now.unix_seconds() - earlier.received_at.unix_seconds();
    Observation::Present(finding(
        "replay",
        true,
        format!(
            "A replay: the delivery {} carried the same signature {body}, {} before.",
            earlier.id,
            span(since.unsigned_abs())
        ),
        if earlier.same_body {
            "Somebody sent it again as it was. To try your own code, send it signed afresh (R)."
        } else {
            "The header was taken from another delivery: a signature belongs to one body. Send it signed afresh (R)."
        },
    ))
}

/// Warns of an old delivery where the provider states no tolerance.
pub(super) fn old(case: &Case<'_>) -> Observation {
    let v = case.verification;
    match (v.status, v.age_seconds, v.tolerance_seconds) {
        (Status::Valid, Some(since), None) if since.abs() > MIN_OLD_AGE_SECONDS => {
            Observation::Present(finding(
                "old",
                true,
                format!(
                    "Signed {}; {} states no limit, so it is valid all the same.",
                    age(since),
                    case.subject.provider.title
                ),
                "If it should be refused, compare the signed time in your own code.",
            ))
        }
        (_, _, Some(_)) => Observation::NotApplicable("the provider states a limit"),
        (_, None, _) => Observation::NotApplicable("no time came that can be read"),
        _ => Observation::Absent("it is not old, or not valid"),
    }
}
