//! How far ahead a timestamp may lie: `"any"`, `"0s"`, or as far as behind.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::duration_spec::DurationSpec;

/// How far ahead of the receiver's clock a timestamp may lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FutureTolerance {
    /// As far as it may lie behind.
    #[default]
    Same,
    /// Any time ahead is accepted.
    Any,
    /// Up to this.
    Within(DurationSpec),
}

impl FutureTolerance {
    pub(super) fn is_same(&self) -> bool {
        *self == Self::Same
    }

    /// Returns how many seconds ahead are accepted, where so many are behind;
    /// `None`: any.
    pub const fn seconds(self, behind: i64) -> Option<i64> {
        match self {
            Self::Same => Some(behind),
            Self::Any => None,
            Self::Within(span) => Some(span.seconds().cast_signed()),
        }
    }

    /// Says how far a timestamp may be off, where it may lie so many seconds
    /// behind.
    pub fn limit(self, behind: i64) -> String {
        match self.seconds(behind) {
            Some(ahead) if ahead == behind => format!("{behind} s either way"),
            Some(ahead) => format!("{behind} s back, {ahead} s ahead"),
            None => format!("{behind} s back; ahead there is none"),
        }
    }
}

impl Serialize for FutureTolerance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Same => serializer.serialize_str("same"),
            Self::Any => serializer.serialize_str("any"),
            Self::Within(span) => span.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for FutureTolerance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "same" => Ok(Self::Same),
            "any" => Ok(Self::Any),
            _ => DurationSpec::parse(&text).map(Self::Within).ok_or_else(|| {
                serde::de::Error::custom(format!(
                    "{text:?} is neither \"any\" nor a span of time such as \"0s\" or \"5m\""
                ))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_said_for_both_ways() {
        let second = DurationSpec(1_000);
        assert_eq!(FutureTolerance::Same.limit(300), "300 s either way");
        assert_eq!(
            FutureTolerance::Any.limit(300),
            "300 s back; ahead there is none"
        );
        assert_eq!(
            FutureTolerance::Within(second).limit(300),
            "300 s back, 1 s ahead"
        );
        assert_eq!(
            FutureTolerance::Within(DurationSpec(0)).limit(300),
            "300 s back, 0 s ahead"
        );
    }
}
