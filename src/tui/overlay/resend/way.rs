//! How deliveries are sent again: which of them, how often, how fast.

use crate::domain::rate;
use crate::domain::text::thousands;
use crate::engine::command::{ResendRequest, RetryOptions, Selection};
use crate::tui::widget::field::Field;

/// How many times shorter the waits are of a schedule that is to be watched.
const FASTER: u32 = 60;

/// How many may be under way at a time.
const MOST_AT_ONCE: u32 = 256;

/// Which deliveries to send, how often and how fast.
#[derive(Clone, Debug)]
pub struct Way {
    /// How often each is tried.
    pub tries: Tries,
    /// Whether all that match go, and not only those selected.
    pub all: bool,
    /// The time between one and the next.
    pub pace: Field,
    /// How many may be under way at a time.
    pub at_once: Field,
    /// The list's filter, and how many match it.
    matching: Option<(String, u64)>,
}

/// How often a delivery is tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tries {
    /// Once.
    #[default]
    Once,
    /// As often and with such waits as the provider does.
    AsProvider,
    /// The same with waits [`FASTER`] times shorter.
    Faster,
}

impl Tries {
    /// Every choice, as they stand in the form.
    pub const ALL: [Self; 3] = [Self::Once, Self::AsProvider, Self::Faster];

    /// Says what it is.
    pub fn words(self) -> String {
        match self {
            Self::Once => "once".to_owned(),
            Self::AsProvider => "as its provider retries".to_owned(),
            Self::Faster => format!("{FASTER} times faster"),
        }
    }
}

impl Way {
    /// Sends what is selected, once, one after the other. All that match may
    /// be chosen where they are more than those.
    pub fn new(selected: usize, filter: &str, matching: u64) -> Self {
        let more = matching > selected as u64;
        Self {
            tries: Tries::Once,
            all: false,
            pace: Field::new(""),
            at_once: Field::new("1"),
            matching: more.then(|| (filter.to_owned(), matching)),
        }
    }

    /// Says what may be sent besides what is selected.
    pub fn others(&self) -> Option<String> {
        let (filter, count) = self.matching.as_ref()?;
        let count = thousands(*count);
        Some(match filter.as_str() {
            "" => format!("all {count}"),
            filter => format!("all {count} that match {filter}"),
        })
    }

    /// Returns which deliveries are meant.
    pub fn which(&self, selected: &[String]) -> Selection {
        match &self.matching {
            Some((filter, _)) if self.all => Selection::Matching(filter.clone()),
            _ => Selection::Ids(selected.to_vec()),
        }
    }

    /// Adds to an order how often and how fast.
    ///
    /// # Errors
    /// What is wrong with what was typed, and the part it is in.
    pub fn complete(&self, order: &mut ResendRequest) -> Result<(), (super::Part, String)> {
        order.retry = match self.tries {
            Tries::Once => None,
            Tries::AsProvider => Some(RetryOptions { compress: 1 }),
            Tries::Faster => Some(RetryOptions { compress: FASTER }),
        };
        let pace = rate::parse_rate_or_interval(self.pace.text())
            .map_err(|why| (super::Part::Pace, why))?;
        order.spacing_us = u64::try_from(pace.as_micros()).unwrap_or(u64::MAX);
        let at_once = self.at_once.text().trim();
        let number = at_once.parse().ok();
        let number = number.filter(|number| (1..=MOST_AT_ONCE).contains(number));
        order.parallel = number.ok_or_else(|| {
            let why = format!("write a number from 1 to {MOST_AT_ONCE}");
            (super::Part::AtOnce, why)
        })?;
        Ok(())
    }
}
