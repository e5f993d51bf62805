//! Durations in a provider's file: `300s`, `5m`, `2h`, `500ms`.

use serde::{Deserialize, Deserializer, Serializer};

/// A duration in milliseconds, written with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DurationSpec(pub u64);

impl DurationSpec {
    /// Returns whole seconds, rounded down.
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// Parses a duration; returns `None` if the text is not one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = text[..end].parse().ok()?;
        let unit = match &text[end..] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        number.checked_mul(unit).map(Self)
    }
}

impl<'de> Deserialize<'de> for DurationSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "{text:?} is not a duration; write, for example, \"300s\", \"5m\", \"2h\" or \"1d\""
            ))
        })
    }
}

impl serde::Serialize for DurationSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(1000) {
            serializer.collect_str(&format_args!("{}s", self.0 / 1000))
        } else {
            serializer.collect_str(&format_args!("{}ms", self.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_units() {
        assert_eq!(DurationSpec::parse("300s"), Some(DurationSpec(300_000)));
        assert_eq!(DurationSpec::parse("5m"), Some(DurationSpec(300_000)));
        assert_eq!(DurationSpec::parse("1250ms"), Some(DurationSpec(1250)));
        assert_eq!(DurationSpec::parse("300"), None);
        assert_eq!(DurationSpec::parse("3y"), None);
    }
}
