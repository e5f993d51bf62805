//! Identifiers that sort by arrival: ULIDs (github.com/ulid/spec).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::timestamp::Timestamp;

/// The id of a delivery or an attempt: a ULID of 26 characters that sorts by
/// time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(Ulid);

impl Id {
    /// Creates an id from a time and random bits (the low 80 are used).
    pub fn new(at: Timestamp, random: u128) -> Self {
        Self(Ulid::from_parts(
            at.unix_millis().max(0).cast_unsigned(),
            random,
        ))
    }

    /// Returns an id for `at` that sorts after `self`, even if the clock stood
    /// still or was set back.
    #[must_use]
    pub fn next(self, at: Timestamp, random: u128) -> Self {
        let fresh = Self::new(at, random);
        if fresh > self {
            fresh
        } else {
            Self(Ulid(self.0.0.wrapping_add(1)))
        }
    }

    /// Returns the 128 bits.
    pub const fn bits(self) -> u128 {
        self.0.0
    }

    /// Creates an id from its 128 bits.
    pub const fn from_bits(bits: u128) -> Self {
        Self(Ulid(bits))
    }

    /// Returns the last six characters, which distinguish the rows on a screen.
    pub fn short(self) -> String {
        let text = self.to_string();
        text[text.len() - 6..].to_owned()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.0)
    }
}

impl FromStr for Id {
    type Err = ulid::DecodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ulid::from_string(text).map(Self)
    }
}

impl Serialize for Id {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_sorts_after_even_when_the_clock_goes_back() {
        let first = Id::new(Timestamp(2_000_000), u128::MAX);
        let second = first.next(Timestamp(1_000_000), 0);
        assert!(second > first);
        assert!(second.to_string() > first.to_string());
    }
}
