//! A configured place that receives.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answer::AnswerPlan;
use super::mode::{Mode, PathMode, Route};

/// A configured place that receives: a path, who sends there and where it goes.
///
/// Its secrets are kept apart, in [`super::assess::Assessor`], by this name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its name, the key of its table in the configuration.
    pub name: String,
    /// The path prefix it takes; the longest match wins.
    pub path: String,
    /// The provider that sends here; `None`: detected from the headers.
    pub provider: Option<String>,
    /// Where its deliveries are sent on or resent to.
    pub target: Option<String>,
    /// Targets for some of its deliveries, which come before that.
    pub routes: Vec<Route>,
    /// What becomes of the path on the way; `None`: as everywhere.
    pub path_mode: Option<PathMode>,
    /// How many of its deliveries are forwarded at once; `None`: as everywhere.
    pub parallel: Option<u32>,
    /// When its deliveries are sent on; `None`: as everywhere.
    pub mode: Option<Mode>,
    /// What creel answers here, where it differs from everywhere else.
    pub answer: Option<AnswerPlan>,
    /// Whether requests that try the address are answered; `None`: as everywhere.
    pub handshakes: Option<bool>,
    /// Its public address, for schemes that sign the URL.
    pub public_url: Option<String>,
    /// Header names that differ from the provider's definition, by role:
    /// `signature`, `timestamp`, `delivery_id`, `event`.
    pub headers: BTreeMap<String, String>,
    /// What a scheme needs besides a secret, by name: Pusher's `key`.
    pub params: BTreeMap<String, String>,
}

impl Endpoint {
    /// Says whether `path` is this endpoint's path or lies below it.
    pub fn takes(&self, path: &str) -> bool {
        let own = self.path.trim_end_matches('/');
        path.strip_prefix(own)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Finds the endpoint with the longest path that takes `path`.
pub fn route<'a>(endpoints: &'a [Endpoint], path: &str) -> Option<&'a Endpoint> {
    endpoints
        .iter()
        .filter(|e| e.takes(path))
        .max_by_key(|e| e.path.trim_end_matches('/').len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(name: &str, path: &str) -> Endpoint {
        Endpoint {
            name: name.into(),
            path: path.into(),
            ..Endpoint::default()
        }
    }

    #[test]
    fn longest_prefix_wins_at_segment_borders() {
        let all = [
            at("root", "/"),
            at("hooks", "/hooks"),
            at("billing", "/hooks/billing/"),
        ];
        let name = |path| route(&all, path).map(|e| e.name.as_str());
        assert_eq!(name("/hooks/billing"), Some("billing"));
        assert_eq!(name("/hooks/billing/eu"), Some("billing"));
        assert_eq!(name("/hooks/billings"), Some("hooks"));
        assert_eq!(name("/other"), Some("root"));
        assert_eq!(route(&all[1..], "/other"), None);
    }
}
