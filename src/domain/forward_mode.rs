//! When deliveries are sent on, under which path, and what is configured of it.

use serde::{Deserialize, Serialize};

/// When deliveries are sent on, and who answers their senders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardMode {
    /// creel answers at once, then sends on; what cannot be delivered is
    /// delivered later, in order.
    #[default]
    AckFirst,
    /// The sender gets the app's own answer.
    PassThrough,
    /// creel answers, and sends on when somebody says so.
    Hold,
}

impl ForwardMode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::AckFirst, Self::PassThrough, Self::Hold];

    /// Returns the word for it, in the configuration and on screen.
    pub const fn word(self) -> &'static str {
        match self {
            Self::AckFirst => "ack-first",
            Self::PassThrough => "pass-through",
            Self::Hold => "hold",
        }
    }

    /// Finds the mode of that word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.word() == word)
    }
}

/// What becomes of a delivery's path on the way to its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathMode {
    /// A target with a path is used as it is; one without keeps the delivery's.
    #[default]
    Auto,
    /// The target's path, and the delivery's behind it.
    Keep,
    /// The target's path alone.
    Replace,
    /// The target's path, and behind it what is left of the delivery's
    /// without the endpoint's.
    Strip,
}

impl PathMode {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Keep, Self::Replace, Self::Strip];

    /// Returns the word for it in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Keep => "keep",
            Self::Replace => "replace",
            Self::Strip => "strip",
        }
    }

    /// Finds the way of that word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.word() == word)
    }
}

/// A target for some of the deliveries: those that have all that is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// A path prefix, or a pattern with `*` for the whole path.
    pub path: Option<String>,
    /// The provider, `*` standing for any text.
    pub provider: Option<String>,
    /// The event, `*` standing for any text.
    pub event: Option<String>,
    /// Where they go.
    pub target: String,
    /// What becomes of their path; `None`: as elsewhere.
    pub path_mode: Option<PathMode>,
    /// How many of them are forwarded at once; `None`: as elsewhere.
    pub parallel: Option<u32>,
}
