//! How far ahead a timestamp may lie: `"any"`, `"0s"`, or as far as behind.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::span::Span;

/// How far ahead of the receiver's clock a timestamp may lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ahead {
    /// As far as it may lie behind.
    #[default]
    Same,
    /// Any time ahead is accepted.
    Any,
    /// Up to this.
    Within(Span),
}

impl Ahead {
    pub(super) fn is_same(&self) -> bool {
        *self == Self::Same
    }
}

impl Serialize for Ahead {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Same => serializer.serialize_str("same"),
            Self::Any => serializer.serialize_str("any"),
            Self::Within(span) => span.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Ahead {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "same" => Ok(Self::Same),
            "any" => Ok(Self::Any),
            _ => Span::parse(&text).map(Self::Within).ok_or_else(|| {
                serde::de::Error::custom(format!(
                    "{text:?} is neither \"any\" nor a span of time such as \"0s\" or \"5m\""
                ))
            }),
        }
    }
}
