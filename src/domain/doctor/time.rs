//! Hypotheses about the time.

use super::case::Case;
use super::finding;
use super::hypothesis::Observation;
use crate::domain::provider::TimeUnit;
use crate::domain::text::{age, span, thousands};
use crate::domain::verification::{Finding, Status};

/// From this age on, an old delivery is reported, in seconds.
const MIN_OLD_AGE_SECONDS: i64 = 300;

/// How many deliveries are needed to distinguish a wrong clock from a delay.
const MIN_DELIVERIES: usize = 3;

/// From this difference on, a wrong clock is reported, in seconds.
const MIN_SKEW_SECONDS: i64 = 20;

/// Returns age and tolerance, if both are known.
fn bounds(case: &Case<'_>) -> Result<(i64, i64), &'static str> {
    let v = case.verification;
    match (v.age_seconds, v.tolerance_seconds) {
        (Some(age), Some(tolerance)) => Ok((age, tolerance)),
        (None, _) => Err("the request contains no readable time"),
        (_, None) => Err("the provider states no limit"),
    }
}

/// Detects a signed time that is too old.
pub(super) fn stale(case: &Case<'_>) -> Observation {
    match bounds(case) {
        Err(why) => Observation::NotApplicable(why),
        Ok((age, tolerance)) if age <= tolerance => Observation::Absent("it is not too old"),
        Ok(_) if milliseconds(case).is_some() => Observation::Absent("the time is in another unit"),
        Ok((since, tolerance)) => Observation::Present(finding(
            "stale",
            true,
            format!(
                "Signed {} before arrival: {} s more than the {} s allowed.",
                age(since).trim_end_matches(" ago"),
                thousands((since - tolerance).unsigned_abs()),
                thousands(tolerance.unsigned_abs())
            ),
            "If the delivery is late or repeated, resend it with a new signature (R). If it is new, set the clocks of both machines.",
        )),
    }
}

/// Detects a signed time in the future.
pub(super) fn future(case: &Case<'_>) -> Observation {
    let (age, behind) = match bounds(case) {
        Err(why) => return Observation::NotApplicable(why),
        Ok(bounds) => bounds,
    };
    let Some(ahead) = case.scheme.ahead.seconds(behind) else {
        return Observation::NotApplicable("the provider states no limit for future timestamps");
    };
    if age >= ahead.saturating_neg() {
        return Observation::Absent("it is not in the future");
    }
    if milliseconds(case).is_some() {
        return Observation::Absent("the time is in another unit");
    }
    Observation::Present(finding(
        "future",
        true,
        format!(
            "Signed {} s after arrival: {} s more than the {} s allowed.",
            thousands(age.unsigned_abs()),
            thousands((age.saturating_add(ahead)).unsigned_abs()),
            thousands(ahead.unsigned_abs())
        ),
        "Set the clocks: the sender's is fast, or this machine's is slow.",
    ))
}

/// Detects a timestamp in a unit other than the scheme's.
pub(super) fn unit(case: &Case<'_>) -> Observation {
    match milliseconds(case) {
        Some(finding) => Observation::Present(finding),
        None if case.verification.timestamp.is_none() => {
            Observation::NotApplicable("the request contains no readable time")
        }
        None => Observation::Absent("it is in the scheme's unit"),
    }
}

fn milliseconds(case: &Case<'_>) -> Option<Finding> {
    let (age, _) = bounds(case).ok()?;
    // A time in a smaller unit may exceed the range of a timestamp.
    let counted = std::str::from_utf8(&case.values.time)
        .ok()
        .filter(|_| case.scheme.unit == TimeUnit::Seconds)
        .and_then(|text| text.parse().ok());
    let stated = counted.or(case.verification.timestamp)?;
    let now = case.subject.now.unix_seconds();
    // One day: no delay turns a time into one that is 1,000 times larger or
    // smaller.
    let close = |seconds: i64| now.abs_diff(seconds) <= 86_400;
    if close(stated) || age == 0 {
        return None;
    }
    let (counted, scheme, advice) = match case.scheme.unit {
        TimeUnit::Seconds if close(stated / 1000) => (
            "milliseconds",
            "seconds",
            "Divide it by 1000 where you sign: Math.floor(Date.now() / 1000) in JavaScript.",
        ),
        TimeUnit::Seconds if close(stated / 1_000_000) => (
            "microseconds",
            "seconds",
            "Divide it by 1,000,000 where you sign.",
        ),
        TimeUnit::Seconds if close(stated / 1_000_000_000) => (
            "nanoseconds",
            "seconds",
            "Divide it by 1,000,000,000 where you sign: time.Now().Unix() in Go.",
        ),
        TimeUnit::Milliseconds if close(stated.saturating_mul(1000)) => (
            "seconds",
            "milliseconds",
            "Multiply it by 1000 where you sign.",
        ),
        TimeUnit::Seconds | TimeUnit::Milliseconds | TimeUnit::Rfc3339 => return None,
    };
    let text = crate::domain::text::visible_bytes(&case.values.time);
    Some(finding(
        "timestamp_unit",
        true,
        format!("The timestamp {text} is in {counted}; the scheme uses {scheme}."),
        advice,
    ))
}

/// Detects a wrong clock: the last deliveries all have a similar offset.
pub(super) fn clock(case: &Case<'_>) -> Observation {
    let Some(age) = case.verification.age_seconds else {
        return Observation::NotApplicable("the request contains no readable time");
    };
    let mut offsets = case.subject.history.offsets.to_vec();
    offsets.push(age);
    if offsets.len() < MIN_DELIVERIES {
        return Observation::NotApplicable("too few deliveries were received");
    }
    let (off, spread) = median(&mut offsets);
    if off.abs() < MIN_SKEW_SECONDS || spread > (off.abs() / 4).max(5) {
        return Observation::Absent("the last deliveries do not have a similar offset");
    }
    let mut others = case.subject.history.other_offsets.to_vec();
    let whose = if others.is_empty() {
        "the sender's or this machine's"
    } else {
        let (other, spread) = median(&mut others);
        let alike = other.abs_diff(off) <= (off.unsigned_abs() / 4).max(5);
        match (alike, spread <= MIN_SKEW_SECONDS || alike) {
            (true, _) => "this machine's, because other senders have the same offset",
            (false, true) => "the sender's, because other senders have no offset",
            (false, false) => "the sender's or this machine's",
        }
    };
    let way = if off > 0 { "before" } else { "after" };
    Observation::Present(finding(
        "clock_skew",
        true,
        format!(
            "A clock is wrong, {whose}: the last {} deliveries were all signed about {} {way} arrival.",
            offsets.len(),
            span(off.unsigned_abs())
        ),
        "Synchronize the clock: timedatectl set-ntp true, or restart the virtual machine that was suspended.",
    ))
}

/// Returns the median and the largest distance from it.
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

/// Detects a signature that an older delivery carried.
pub(super) fn replay(case: &Case<'_>) -> Observation {
    let Some(earlier) = &case.subject.history.same_signature else {
        return Observation::Absent("no older delivery has this signature");
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
            "A replay: the delivery {} had the same signature {body}, {} earlier.",
            earlier.id,
            span(since.unsigned_abs())
        ),
        if earlier.same_body {
            "The delivery was sent again unchanged. To test your own code, resend it with a new signature (R)."
        } else {
            "The header was copied from another delivery: a signature belongs to one body. Resend it with a new signature (R)."
        },
    ))
}

/// Warns about an old delivery of a provider that states no tolerance.
pub(super) fn old(case: &Case<'_>) -> Observation {
    let v = case.verification;
    match (v.status, v.age_seconds, v.tolerance_seconds) {
        (Status::Valid, Some(since), None) if since.abs() > MIN_OLD_AGE_SECONDS => {
            Observation::Present(finding(
                "old",
                true,
                format!(
                    "Signed {}; {} states no limit, so it is still valid.",
                    age(since),
                    case.subject.provider.title
                ),
                "To reject old deliveries, check the signed time in your own code.",
            ))
        }
        (_, _, Some(_)) => Observation::NotApplicable("the provider states a limit"),
        (_, None, _) => Observation::NotApplicable("the request contains no readable time"),
        _ => Observation::Absent("it is not old, or not valid"),
    }
}
