//! The shape of what must hold besides a signature.

use serde::{Deserialize, Serialize};

use super::template::Template;
use super::value_source::ValueSource;

/// What must hold besides the signature.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Where the value stands; it must be there.
    pub at: ValueSource,
    /// What the value must be.
    pub is: Option<Template>,
    /// What it must look like; any one of these suffices. A `*` stands for
    /// letters, digits, `-` and `_`.
    #[serde(default)]
    pub like: Vec<String>,
    /// What does not count in the comparison.
    #[serde(default)]
    pub but: IgnoredDifference,
    /// Whether it may be absent where there is no body.
    #[serde(default)]
    pub only_with_body: bool,
    /// What a delivery is that does not meet it.
    #[serde(default, rename = "else")]
    pub otherwise: UnmetStatus,
}

/// What does not count when a required value is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IgnoredDifference {
    /// Everything counts.
    #[default]
    Nothing,
    /// Upper and lower case are the same, as in hexadecimal.
    Case,
    /// `=` at the end is left out, as in base64.
    Padding,
}

/// What a delivery is that does not meet a requirement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnmetStatus {
    /// Not authentic.
    #[default]
    Invalid,
    /// Not of the scheme's form.
    Malformed,
}
