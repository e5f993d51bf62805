//! Retry schedules of providers.

use super::attempt::{Outcome, Response};
use super::failure::{Failure, Remedy};
use super::provider::Provider;

/// The delay before the second try if a provider documents no delays, in
/// milliseconds. Each further delay is twice as long.
const INITIAL_BACKOFF_MS: u64 = 60_000;

/// The assumed retry period of a provider that documents none, in milliseconds.
const ASSUMED_RETRY_SPAN_MS: u64 = 86_400_000;

/// The maximum number of tries, regardless of the definition.
const MAX_TRIES: usize = 100;

/// A provider's retry schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The delays before the second, third … try, in milliseconds.
    pub waits: Vec<u64>,
    /// The random variation of each delay, in percent.
    pub jitter: u8,
    /// Whether the delays are assumed because none are documented.
    pub assumed: bool,
}

impl Schedule {
    /// Returns the schedule of a provider: as documented, or with doubling
    /// delays if only the length is known.
    ///
    /// # Errors
    /// Returns a [`Failure`] if the provider does not retry.
    pub fn of(provider: &Provider) -> Result<Self, Failure> {
        let sender = &provider.sender;
        let jitter = sender.jitter.unwrap_or(0).min(100);
        if sender.attempts == Some(1) {
            return Err(Failure::no(
                format!("{} does not retry deliveries.", provider.title),
                sender.retry_note.clone().unwrap_or_default(),
                "Resend it without --retry.",
            )
            .with_remedy(Remedy::SendOnce));
        }
        let most = sender
            .attempts
            .map_or(MAX_TRIES, |n| (n as usize).min(MAX_TRIES))
            .saturating_sub(1);
        if !sender.retry.is_empty() {
            let waits = sender.retry.iter().map(|span| span.0).take(most).collect();
            return Ok(Self {
                waits,
                jitter,
                assumed: false,
            });
        }
        let up_to = sender
            .retry_up_to
            .map_or(ASSUMED_RETRY_SPAN_MS, |span| span.0);
        let waits = if sender.attempts.is_some() {
            doubling(up_to / ((1_u64 << most.min(40)) - 1).max(1), most)
        } else {
            let mut sum = 0;
            let mut waits = doubling(INITIAL_BACKOFF_MS.min(up_to), 40);
            waits.retain(|wait| {
                sum += wait;
                sum <= up_to
            });
            waits
        };
        Ok(Self {
            waits,
            jitter,
            assumed: true,
        })
    }

    /// Returns the total number of tries.
    pub fn tries(&self) -> u32 {
        self.waits.len() as u32 + 1
    }

    /// Returns the delay after a try, counted from 1, in microseconds; `None`
    /// after the last try. `chance` determines the jitter.
    pub fn wait_after(&self, number: u32, compress: u32, chance: u64) -> Option<i64> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        let wait = self.waits.get(at)?.saturating_mul(1_000) / u64::from(compress.max(1));
        let most = wait / 100 * u64::from(self.jitter);
        let shift = chance.checked_rem(2 * most + 1).unwrap_or(0);
        i64::try_from(wait - most + shift).ok()
    }
}

fn doubling(first: u64, count: usize) -> Vec<u64> {
    (0..count.min(40))
        .map(|n| first.max(1).saturating_mul(1 << n))
        .collect()
}

/// Returns a message if a provider would disable an endpoint after this number
/// of consecutive failures.
pub fn disabled(provider: &Provider, failures: u32) -> Option<String> {
    let after = provider.sender.disabled_after_failures?;
    (failures >= after).then(|| {
        format!(
            "{} would disable this endpoint now: {failures} consecutive failures.",
            provider.title
        )
    })
}

/// Returns whether a provider retries after this outcome.
pub fn tries_again(provider: &Provider, outcome: Outcome, response: Option<&Response>) -> bool {
    if outcome == Outcome::Delivered {
        return false;
    }
    let Some(response) = response else {
        return true;
    };
    let sender = &provider.sender;
    let told_not_to = sender.no_retry_header.as_deref().is_some_and(|field| {
        field.split_once(':').is_some_and(|(name, value)| {
            let name = name.trim().to_ascii_lowercase();
            let mut found = response.headers.all(&name);
            found.any(|v| v.trim_ascii() == value.trim().as_bytes())
        })
    });
    let status = response.status.to_string();
    let fits = |pattern: &String| {
        let mut pairs = pattern.chars().zip(status.chars());
        pattern.len() == status.len() && pairs.all(|(p, s)| p == 'x' || p == s)
    };
    let not_for = sender.no_retry_status.iter().any(fits);
    let only_for = sender.retry_status.is_empty()
        || sender.retry_status.iter().any(fits)
        // A successful response that arrived too late counts as a timeout.
        || (200..300).contains(&response.status);
    !told_not_to && !not_for && only_for
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::headers::Headers;
    use crate::domain::provider::Catalog;

    fn schedule(name: &str) -> Schedule {
        Schedule::of(Catalog::builtin().get(name).unwrap()).unwrap()
    }

    #[test]
    fn stated_schedules_are_followed() {
        let minutes = |name| -> Vec<u64> {
            let waits = schedule(name).waits;
            waits.iter().map(|ms| ms / 60_000).collect()
        };
        assert_eq!(minutes("porkbun"), [1, 5, 30, 120, 360]);
        assert_eq!(schedule("porkbun").tries(), 6);
        assert_eq!(schedule("zyra").waits, [2_000, 4_000, 8_000, 16_000]);
        assert_eq!(schedule("zyra").jitter, 0);
        assert_eq!(schedule("stack-auth").tries(), 8);
        assert!(!schedule("zyra").assumed);
    }

    #[test]
    fn where_only_the_length_is_stated_the_waits_double() {
        let stackryze = schedule("stackryze");
        assert!(stackryze.assumed);
        assert_eq!(stackryze.waits[..3], [60_000, 120_000, 240_000]);
        let sum: u64 = stackryze.waits.iter().sum();
        assert!(sum <= 86_400_000 && sum * 2 + 60_000 > 86_400_000, "{sum}");
        let shopify = schedule("shopify");
        assert_eq!(shopify.tries(), 9);
        let sum: u64 = shopify.waits.iter().sum();
        assert!((14_000_000..=14_400_000).contains(&sum), "{sum}");
        let github = Schedule::of(Catalog::builtin().get("github").unwrap());
        assert!(github.unwrap_err().what.contains("does not retry"));
    }

    #[test]
    fn waits_are_shortened_and_end() {
        let porkbun = schedule("porkbun");
        assert_eq!(porkbun.wait_after(1, 1, 7), Some(60_000_000));
        assert_eq!(porkbun.wait_after(2, 60, 7), Some(5_000_000));
        assert_eq!(porkbun.wait_after(6, 1, 7), None);
        assert_eq!(porkbun.wait_after(0, 1, 7), None);
        let jittered = Schedule {
            jitter: 10,
            ..porkbun
        };
        for chance in [0, 1, 12_345_678, u64::MAX] {
            let wait = jittered.wait_after(1, 1, chance).unwrap();
            assert!((54_000_000..=66_000_000).contains(&wait), "{wait}");
        }
        assert_eq!(jittered.wait_after(1, 1, 0), Some(54_000_000));
    }

    #[test]
    fn some_answers_end_a_schedule() {
        let catalog = Catalog::builtin();
        let answer = |status, headers: Headers| Response {
            status,
            headers,
            body: bytes::Bytes::new(),
            body_size: 0,
        };
        let again = |name, status, headers| {
            let response = answer(status, headers);
            tries_again(catalog.get(name).unwrap(), Outcome::Failed, Some(&response))
        };
        let none = Headers::new;
        assert!(again("porkbun", 404, none()) && again("zyra", 500, none()));
        assert!(!again("standard-webhooks", 410, none()));
        let told: Headers = [("x-slack-no-retry", "1")].into_iter().collect();
        assert!(again("slack", 500, none()) && !again("slack", 500, told));
        assert!(again("sanity", 503, none()) && !again("sanity", 404, none()));
        let porkbun = catalog.get("porkbun").unwrap();
        assert!(tries_again(porkbun, Outcome::Failed, None));
        assert!(!tries_again(porkbun, Outcome::Delivered, None));
    }
}
