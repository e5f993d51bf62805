//! The structure of requirements beyond the signature.

use serde::{Deserialize, Serialize};

use super::template::Template;
use super::value_source::ValueSource;

/// A requirement beyond the signature.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// The place of the value, which must be present.
    pub at: ValueSource,
    /// The required value.
    pub is: Option<Template>,
    /// The accepted patterns; one match is sufficient. A `*` matches letters,
    /// digits, `-` and `_`.
    #[serde(default)]
    pub like: Vec<String>,
    /// The difference that the comparison ignores.
    #[serde(default)]
    pub but: IgnoredDifference,
    /// Whether the value may be absent if there is no body.
    #[serde(default)]
    pub only_with_body: bool,
    /// The status of a delivery that does not meet the requirement.
    #[serde(default, rename = "else")]
    pub otherwise: UnmetStatus,
}

/// The difference that is ignored when a required value is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IgnoredDifference {
    /// Nothing is ignored.
    #[default]
    Nothing,
    /// Upper and lower case are equal, as in hexadecimal.
    Case,
    /// Trailing `=` is ignored, as in base64.
    Padding,
}

/// The status of a delivery that does not meet a requirement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnmetStatus {
    /// The delivery is not authentic.
    #[default]
    Invalid,
    /// The delivery does not have the form of the scheme.
    Malformed,
}
