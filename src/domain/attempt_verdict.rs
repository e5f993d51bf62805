//! The verdict on an attempt, based on the provider's rules, the previous
//! attempt and the signature that was sent.

use serde::{Deserialize, Serialize};

use super::attempt::{Attempt, Outcome, Signing};
use super::verification::Status;

/// The verdict on an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptVerdict {
    /// In progress, or scheduled.
    Pending,
    /// Stopped before it had a response.
    Stopped,
    /// A 2xx in time; there is no previous attempt.
    Delivered,
    /// A 2xx in time, after a failed attempt.
    Fixed,
    /// A 2xx in time, after a successful attempt.
    StillPassing,
    /// A 2xx after the provider's timeout.
    TooLate,
    /// No 2xx; there is no previous attempt.
    Failed,
    /// No 2xx, after a successful attempt.
    Regressed,
    /// No 2xx, after a failed attempt.
    StillFailing,
    /// No 2xx on the last try.
    Expired,
    /// A 4xx for a forged or stale delivery, which is correct.
    RightlyRefused,
    /// A 2xx for a forged delivery: the app does not verify the signature.
    ForgedAccepted,
    /// A 2xx for a stale delivery: the app does not check the time.
    StaleAccepted,
}

impl AttemptVerdict {
    /// Returns the verdict on an attempt. `before` is the previous attempt to
    /// the same target; `signed` is the status of the signature at the time of
    /// sending.
    pub fn of(attempt: &Attempt, before: Option<&Attempt>, signed: Status) -> Self {
        let status = attempt.status().filter(|_| attempt.error.is_none());
        let accepted = matches!(status, Some(200..=299));
        if attempt.is_stopped() {
            return Self::Stopped;
        }
        if let Some(verdict) = Self::of_wrong(attempt, signed) {
            return verdict;
        }
        let before = before.map(|a| a.outcome == Outcome::Delivered);
        match attempt.outcome {
            Outcome::Pending => Self::Pending,
            Outcome::Delivered => match before {
                None => Self::Delivered,
                Some(true) => Self::StillPassing,
                Some(false) => Self::Fixed,
            },
            _ if accepted && attempt.within_ack_timeout == Some(false) => Self::TooLate,
            Outcome::Expired => Self::Expired,
            Outcome::Failed => match before {
                None => Self::Failed,
                Some(true) => Self::Regressed,
                Some(false) => Self::StillFailing,
            },
        }
    }

    /// Returns the verdict on a delivery that should be refused; `None` if it
    /// should be accepted, or if the response does not depend on the signature.
    fn of_wrong(attempt: &Attempt, signed: Status) -> Option<Self> {
        if attempt.signing != Signing::Kept
            || attempt.edited.is_some()
            || attempt.error.is_some()
            || attempt.outcome == Outcome::Pending
        {
            return None;
        }
        let wrong = match signed {
            Status::Invalid | Status::Malformed | Status::MissingSignature => Self::ForgedAccepted,
            Status::Stale => Self::StaleAccepted,
            Status::Valid | Status::NoSecret | Status::UnknownProvider | Status::Pending => {
                return None;
            }
        };
        match attempt.status()? {
            400..=499 => Some(Self::RightlyRefused),
            200..=299 => Some(wrong),
            _ => None,
        }
    }

    /// Returns the verdicts on a delivery's attempts, oldest first. `signed`
    /// returns the status of an attempt's signature at the time of sending.
    pub fn all(attempts: &[Attempt], signed: impl Fn(&Attempt) -> Status) -> Vec<Self> {
        let worth: Vec<Status> = attempts.iter().map(signed).collect();
        let judge = |(index, attempt): (usize, &Attempt)| {
            let before = previous(&attempts[..index], attempt, |at| worth[at]);
            Self::of(attempt, before, worth[index])
        };
        attempts.iter().enumerate().map(judge).collect()
    }

    /// Returns the displayed words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Stopped => "stopped",
            Self::Delivered => "delivered",
            Self::Fixed => "fixed",
            Self::StillPassing => "still passing",
            Self::TooLate => "too late",
            Self::Failed => "failed",
            Self::Regressed => "regressed",
            Self::StillFailing => "still failing",
            Self::Expired => "expired",
            Self::RightlyRefused => "rightly refused",
            Self::ForgedAccepted => "took a forgery",
            Self::StaleAccepted => "took a stale one",
        }
    }

    /// Returns whether the verdict is good; `None` if it is not known yet.
    pub const fn is_good(self) -> Option<bool> {
        match self {
            Self::Pending | Self::Stopped => None,
            Self::Delivered | Self::Fixed | Self::StillPassing | Self::RightlyRefused => Some(true),
            _ => Some(false),
        }
    }
}

/// Returns the latest of the `earlier` attempts to the same target that is
/// finished and comparable. The response to a forged or stale delivery does not
/// show how well the target works. `signed` returns the signature status of the
/// attempt at an index.
pub fn previous<'a>(
    earlier: &'a [Attempt],
    attempt: &Attempt,
    signed: impl Fn(usize) -> Status,
) -> Option<&'a Attempt> {
    let same = |(at, a): &(usize, &Attempt)| {
        a.target == attempt.target
            && a.outcome != Outcome::Pending
            && !a.is_stopped()
            && AttemptVerdict::of_wrong(a, signed(*at)).is_none()
    };
    earlier.iter().enumerate().rev().find(same).map(|(_, a)| a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::attempt::{AttemptKind, Response, outcome};
    use crate::domain::headers::Headers;
    use crate::domain::id::Id;
    use crate::domain::timestamp::Timestamp;

    fn attempt(target: &str, status: u16, within: Option<bool>) -> Attempt {
        Attempt {
            id: Id::new(Timestamp(0), 0),
            delivery_seq: 1,
            number: 1,
            target: target.to_owned(),
            started_at: Timestamp(0),
            kind: AttemptKind::Resend,
            signing: Signing::Kept,
            edited: None,
            sent_headers: Headers::new(),
            outcome: outcome(Some(status), within),
            response: Some(Response {
                status,
                headers: Headers::new(),
                body: bytes::Bytes::new(),
                body_size: 0,
            }),
            duration_us: 1,
            within_ack_timeout: within,
            error: None,
            retry: None,
        }
    }

    fn signed_anew(attempt: Attempt) -> Attempt {
        Attempt {
            signing: Signing::Fresh,
            ..attempt
        }
    }

    fn words(attempts: &[Attempt], signed: Status) -> Vec<&'static str> {
        let verdicts = AttemptVerdict::all(attempts, |_| signed);
        verdicts.into_iter().map(AttemptVerdict::words).collect()
    }

    #[test]
    fn an_attempt_is_compared_with_the_one_before_to_the_same_target() {
        let all = [
            attempt("a", 500, None),
            attempt("b", 200, None),
            attempt("a", 500, None),
            attempt("a", 204, Some(true)),
            attempt("b", 200, None),
            attempt("b", 404, None),
            attempt("a", 200, Some(false)),
        ];
        assert_eq!(
            words(&all, Status::Valid),
            [
                "failed",
                "delivered",
                "still failing",
                "fixed",
                "still passing",
                "regressed",
                "too late"
            ]
        );
    }

    #[test]
    fn a_stopped_attempt_says_nothing_of_the_target() {
        use crate::domain::attempt::{INTERRUPTED_ERROR, REPLACED_ERROR, STOPPED_ERROR};
        for why in [INTERRUPTED_ERROR, STOPPED_ERROR, REPLACED_ERROR] {
            let stopped = Attempt {
                response: None,
                outcome: Outcome::Failed,
                error: Some(why.to_owned()),
                ..attempt("a", 0, None)
            };
            let refused = Attempt {
                error: Some("a refused the connection.".to_owned()),
                ..stopped.clone()
            };
            let all = [
                attempt("a", 200, None),
                stopped.clone(),
                attempt("a", 200, None),
                refused,
                stopped,
            ];
            let expected = [
                "delivered",
                "stopped",
                "still passing",
                "regressed",
                "stopped",
            ];
            assert_eq!(words(&all, Status::Valid), expected);
            assert_eq!(words(&all, Status::Invalid)[1], "stopped");
        }
    }

    #[test]
    fn what_is_forged_or_stale_should_be_refused() {
        let all = [attempt("a", 401, None), attempt("a", 200, None)];
        assert_eq!(
            words(&all, Status::Invalid),
            ["rightly refused", "took a forgery"]
        );
        assert_eq!(
            words(&all, Status::Stale),
            ["rightly refused", "took a stale one"]
        );
        assert_eq!(words(&all, Status::NoSecret), ["failed", "fixed"]);
        // A correctly signed delivery is not compared with a refused one.
        let mixed = [
            signed_anew(attempt("a", 200, None)),
            attempt("a", 401, None),
            signed_anew(attempt("a", 200, None)),
            signed_anew(attempt("a", 500, None)),
            attempt("a", 200, None),
            signed_anew(attempt("a", 200, None)),
        ];
        assert_eq!(
            words(&mixed, Status::Stale),
            [
                "delivered",
                "rightly refused",
                "still passing",
                "regressed",
                "took a stale one",
                "fixed"
            ]
        );
        let mut fresh = all.clone();
        for attempt in &mut fresh {
            attempt.signing = Signing::Fresh;
        }
        assert_eq!(words(&fresh, Status::Invalid), ["failed", "fixed"]);
        assert_eq!(
            words(&[attempt("a", 500, None)], Status::Invalid),
            ["failed"]
        );
    }
}
