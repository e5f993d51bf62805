//! Forwarding settings: the mode, the path mapping and the routes.

use serde::{Deserialize, Serialize};

/// When deliveries are forwarded, and who responds to their senders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardMode {
    /// creel responds immediately and forwards afterwards; deliveries that
    /// cannot be forwarded are retried later, in order.
    #[default]
    AckFirst,
    /// The sender gets the app's response.
    PassThrough,
    /// creel responds, and forwards when a user requests it.
    Hold,
}

impl ForwardMode {
    /// All modes.
    pub const ALL: [Self; 3] = [Self::AckFirst, Self::PassThrough, Self::Hold];

    /// Returns the word used in the configuration and on screen.
    pub const fn word(self) -> &'static str {
        match self {
            Self::AckFirst => "ack-first",
            Self::PassThrough => "pass-through",
            Self::Hold => "hold",
        }
    }

    /// Returns the mode with this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.word() == word)
    }
}

/// How a delivery's path is mapped to its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathMode {
    /// A target with a path is used unchanged; a target without a path gets the
    /// delivery's path.
    #[default]
    Auto,
    /// The target's path followed by the delivery's path.
    Keep,
    /// The target's path alone.
    Replace,
    /// The target's path followed by the delivery's path without the endpoint's
    /// prefix.
    Strip,
}

impl PathMode {
    /// All path modes.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Keep, Self::Replace, Self::Strip];

    /// Returns the word used in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Keep => "keep",
            Self::Replace => "replace",
            Self::Strip => "strip",
        }
    }

    /// Returns the path mode with this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.word() == word)
    }
}

/// A target for some deliveries: those that match all of its conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// A path prefix, or a pattern with `*` for the whole path.
    pub path: Option<String>,
    /// The provider, where `*` is any text.
    pub provider: Option<String>,
    /// The event, where `*` is any text.
    pub event: Option<String>,
    /// The target.
    pub target: String,
    /// The path mapping; `None` uses the default.
    pub path_mode: Option<PathMode>,
    /// How many deliveries are forwarded in parallel; `None` uses the default.
    pub parallel: Option<u32>,
}
