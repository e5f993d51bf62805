//! What to make of an attempt: in the provider's eyes, beside the attempt
//! before it, and in view of what was sent.

use serde::{Deserialize, Serialize};

use super::attempt::{Attempt, Outcome, Signing};
use super::verification::Status;

/// What to make of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptVerdict {
    /// It is under way, or waits until it is due.
    Pending,
    /// It was stopped before it had a response.
    Stopped,
    /// A 2xx in time; nothing to compare it with.
    Delivered,
    /// A 2xx in time, where the attempt before failed.
    Fixed,
    /// A 2xx in time, as before.
    StillPassing,
    /// A 2xx that came after the provider had given up.
    TooLate,
    /// No 2xx; nothing to compare it with.
    Failed,
    /// No 2xx, where the attempt before was delivered.
    Regressed,
    /// No 2xx, as before.
    StillFailing,
    /// No 2xx, and it was the last try.
    Expired,
    /// A 4xx to what was forged or too old: the right answer.
    RightlyRefused,
    /// A 2xx to what was forged: the app does not check the signature.
    ForgedAccepted,
    /// A 2xx to what was too old: the app does not check the time.
    StaleAccepted,
}

impl AttemptVerdict {
    /// Judges an attempt. `before` is the one before it to the same target,
    /// `signed` what the signature it carried was worth at that time.
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

    /// Judges the answer to what should be refused; `None` where it should be
    /// taken, or where the answer says nothing about the signature.
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

    /// Judges a delivery's attempts, oldest first. `signed` says what the
    /// signature that an attempt carried was worth when it was sent.
    pub fn all(attempts: &[Attempt], signed: impl Fn(&Attempt) -> Status) -> Vec<Self> {
        let worth: Vec<Status> = attempts.iter().map(signed).collect();
        let judge = |(index, attempt): (usize, &Attempt)| {
            let before = previous(&attempts[..index], attempt, |at| worth[at]);
            Self::of(attempt, before, worth[index])
        };
        attempts.iter().enumerate().map(judge).collect()
    }

    /// Returns the words shown.
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

    /// Says whether all is well; `None` where it is not known yet.
    pub const fn is_good(self) -> Option<bool> {
        match self {
            Self::Pending | Self::Stopped => None,
            Self::Delivered | Self::Fixed | Self::StillPassing | Self::RightlyRefused => Some(true),
            _ => Some(false),
        }
    }
}

/// Returns the newest of the `earlier` attempts that went to the same target,
/// is over, and can be compared: how what is forged or too old was answered
/// says nothing of how well the target works. `signed` says what the signature
/// that the one at a place carried was worth.
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
        // What is right by itself is not compared with what was refused.
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
