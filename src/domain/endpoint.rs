//! A configured place that receives.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::forward_mode::{ForwardMode, PathMode, Route};
use super::request::Request;
use super::response_plan::ResponsePlan;

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
    pub mode: Option<ForwardMode>,
    /// What creel answers here, where it differs from everywhere else.
    pub answer: Option<ResponsePlan>,
    /// Whether requests that try the address are answered; `None`: as everywhere.
    pub handshakes: Option<bool>,
    /// Its public address, for schemes that sign the URL: scheme, host and
    /// the path that stands for its own.
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
        below(path, &self.path).is_some()
    }

    /// Returns the address that a request was sent to as its sender knows it,
    /// for schemes that sign it; `None` where no public address is configured.
    ///
    /// The public address supplies scheme, host and prefix. What the request
    /// has below the endpoint's path, and its query, are its own; a query in
    /// the public address does not count.
    pub fn address_of(&self, request: &Request) -> Option<String> {
        let public = self.public_url.as_deref()?;
        let public = &public[..public.find(['?', '#']).unwrap_or(public.len())];
        let host = public.find("://").map_or(0, |at| at + 3);
        let slash = public[host..]
            .find('/')
            .map_or(public.len(), |at| host + at);
        let (origin, prefix) = public.split_at(slash);
        let path = &request.path;
        let mut address = if below(path, prefix).is_some() && !(prefix.is_empty() && path == "/") {
            format!("{origin}{path}")
        } else {
            match below(path, &self.path) {
                None | Some("") => public.to_owned(),
                // A request has no path without a slash.
                Some("/") if self.path.trim_end_matches('/').is_empty() => public.to_owned(),
                Some(rest) => format!("{}{rest}", public.trim_end_matches('/')),
            }
        };
        if let Some(query) = &request.query {
            address.push('?');
            address.push_str(query);
        }
        Some(address)
    }
}

/// Returns what a path has below a prefix, where it lies there.
fn below<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(prefix.trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
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
    fn path_and_query_of_the_address_are_the_request_s_own() {
        for (own, public, target, expected) in [
            ("/", "https://a.test", "/", "https://a.test"),
            ("/", "https://a.test", "/x?y=1", "https://a.test/x?y=1"),
            ("/", "https://a.test/", "/", "https://a.test/"),
            ("/in", "https://a.test/in", "/in", "https://a.test/in"),
            ("/in", "https://a.test/in", "/in/", "https://a.test/in/"),
            ("/in", "https://a.test/in?z=1", "/in", "https://a.test/in"),
            (
                "/in",
                "https://a.test/in?z=1",
                "/in/x?y=1",
                "https://a.test/in/x?y=1",
            ),
            ("/in", "https://a.test/in", "/in?", "https://a.test/in?"),
            // A proxy that takes a prefix away, and one that adds one.
            (
                "/in",
                "https://a.test/hooks/in",
                "/in/x",
                "https://a.test/hooks/in/x",
            ),
            ("/", "https://a.test/hooks", "/x", "https://a.test/hooks/x"),
            ("/", "https://a.test/hooks", "/", "https://a.test/hooks"),
            (
                "/a/in",
                "https://a.test/in",
                "/a/in/x",
                "https://a.test/in/x",
            ),
            ("/in", "https://a.test/other", "/in", "https://a.test/other"),
            // No proxy changes the path.
            ("/", "https://a.test/in", "/in/x", "https://a.test/in/x"),
            (
                "/",
                "https://a.test/in",
                "/inner",
                "https://a.test/in/inner",
            ),
        ] {
            let endpoint = Endpoint {
                public_url: Some(public.into()),
                ..at("one", own)
            };
            let (path, query) = crate::domain::request::split_target(target);
            let request = Request {
                path,
                query,
                ..Request::default()
            };
            let address = endpoint.address_of(&request);
            assert_eq!(
                address.as_deref(),
                Some(expected),
                "{own} {public} {target}"
            );
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
