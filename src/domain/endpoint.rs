//! Configured endpoints.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::forward_mode::{ForwardMode, PathMode, Route};
use super::request::Request;
use super::response_plan::ResponsePlan;

/// A configured endpoint: a path prefix, its sender and its target.
///
/// Its secrets are stored in [`super::assess::Assessor`] under the name of the
/// endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The name, which is the key of its table in the configuration.
    pub name: String,
    /// The path prefix; the longest match wins.
    pub path: String,
    /// The provider that sends here; `None` if it is detected.
    pub provider: Option<String>,
    /// The default target of its deliveries.
    pub target: Option<String>,
    /// Targets for some of its deliveries, which take precedence.
    pub routes: Vec<Route>,
    /// How the path is mapped to the target; `None` uses the global setting.
    pub path_mode: Option<PathMode>,
    /// How many deliveries are forwarded in parallel; `None` uses the global
    /// setting.
    pub parallel: Option<u32>,
    /// When deliveries are forwarded; `None` uses the global setting.
    pub mode: Option<ForwardMode>,
    /// The response plan, if it differs from the global one.
    pub answer: Option<ResponsePlan>,
    /// Whether endpoint verification requests are answered; `None` uses the
    /// global setting.
    pub handshakes: Option<bool>,
    /// The public address, for schemes that sign the URL: scheme, host and the
    /// path that maps to the endpoint's own.
    pub public_url: Option<String>,
    /// Header names that differ from the provider's definition, by role:
    /// `signature`, `timestamp`, `delivery_id`, `event`.
    pub headers: BTreeMap<String, String>,
    /// Parameters that a scheme needs in addition to a secret, by name:
    /// Pusher's `key`.
    pub params: BTreeMap<String, String>,
}

impl Endpoint {
    /// Returns whether `path` is this endpoint's path or below it.
    pub fn takes(&self, path: &str) -> bool {
        below(path, &self.path).is_some()
    }

    /// Returns the address of a request from the sender's perspective, for
    /// schemes that sign it; `None` if no public address is configured.
    ///
    /// Scheme, host and prefix are those of the public address. The path below
    /// the endpoint's path and the query are those of the request; a query in
    /// the public address is ignored.
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
                // A request path always has a slash.
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

/// Returns the part of a path below a prefix, if it is below it.
fn below<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(prefix.trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// Returns the endpoint with the longest path that matches `path`.
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
            // A proxy that strips a prefix, and one that adds a prefix.
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
            // A proxy that does not change the path.
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
