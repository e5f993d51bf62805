//! The tolerance for future timestamps: `"any"`, `"0s"`, or the same as for the
//! past.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::duration_spec::DurationSpec;

/// How far in the future a timestamp may be, by the receiver's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FutureTolerance {
    /// The same tolerance as for the past.
    #[default]
    Same,
    /// Any time in the future.
    Any,
    /// Up to this duration.
    Within(DurationSpec),
}

impl FutureTolerance {
    pub(super) fn is_same(&self) -> bool {
        *self == Self::Same
    }

    /// Returns the tolerance for the future in seconds, given the tolerance for
    /// the past; `None` means no limit.
    pub const fn seconds(self, behind: i64) -> Option<i64> {
        match self {
            Self::Same => Some(behind),
            Self::Any => None,
            Self::Within(span) => Some(span.seconds().cast_signed()),
        }
    }

    /// Describes the tolerance in both directions, given the tolerance for the
    /// past in seconds.
    pub fn limit(self, behind: i64) -> String {
        match self.seconds(behind) {
            Some(ahead) if ahead == behind => format!("{behind} s in either direction"),
            Some(ahead) => format!("up to {behind} s old, up to {ahead} s in the future"),
            None => format!("up to {behind} s old; no limit for future timestamps"),
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
                    "{text:?} is neither \"any\" nor a duration such as \"0s\" or \"5m\""
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
        assert_eq!(
            FutureTolerance::Same.limit(300),
            "300 s in either direction"
        );
        assert_eq!(
            FutureTolerance::Any.limit(300),
            "up to 300 s old; no limit for future timestamps"
        );
        assert_eq!(
            FutureTolerance::Within(second).limit(300),
            "up to 300 s old, up to 1 s in the future"
        );
        assert_eq!(
            FutureTolerance::Within(DurationSpec(0)).limit(300),
            "up to 300 s old, up to 0 s in the future"
        );
    }
}
