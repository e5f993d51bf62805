//! Routing: the target of a delivery, its path, and the parallel limit.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

use super::endpoint::Endpoint;
use super::filter::pattern::Pattern;
pub use super::forward_mode::{ForwardMode, PathMode, Route};

/// The default number of deliveries forwarded to a target in parallel.
pub const DEFAULT_PARALLEL: u32 = 8;

/// The maximum number of parallel forwards that can be configured.
pub const MAX_PARALLEL: u32 = 256;

/// The properties of a delivery that determine its target.
#[derive(Clone, Copy, Debug, Default)]
pub struct RouteQuery<'a> {
    /// The endpoint that received it.
    pub endpoint: Option<&'a Endpoint>,
    /// Its path.
    pub path: &'a str,
    /// Its provider.
    pub provider: Option<&'a str>,
    /// Its event.
    pub event: Option<&'a str>,
}

/// The routing settings for all deliveries.
#[derive(Clone, Copy, Debug, Default)]
pub struct RouteDefaults<'a> {
    /// The default target.
    pub target: Option<&'a str>,
    /// Targets for some deliveries.
    pub routes: &'a [Route],
    /// The default path mapping.
    pub path_mode: PathMode,
    /// How many deliveries are forwarded to a target in parallel; `None` means
    /// [`DEFAULT_PARALLEL`].
    pub parallel: Option<u32>,
}

/// Limits how many deliveries are forwarded to a target in parallel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ParallelLimit {
    /// The number of parallel forwards; 1 preserves strict order.
    pub at_once: u32,
    /// The setting that defines the limit: deliveries under the same setting
    /// share it.
    pub scope: Scope,
}

/// The setting that limits parallel forwards.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The setting for all deliveries.
    Global,
    /// The setting of an endpoint, by its name.
    Endpoint(String),
    /// The setting of a route, by its endpoint and its index in the list.
    Route(Option<String>, usize),
}

/// The resolved destination of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The configured target.
    pub target: String,
    /// The path to request; `None` uses the target's path, else the delivery's.
    pub path: Option<String>,
    /// The limit of parallel forwards.
    pub parallel: ParallelLimit,
}

/// Resolves the destination of a delivery: the first match among the endpoint's
/// routes, its target, the global routes and the global target.
pub fn destination(everywhere: RouteDefaults<'_>, asked: &RouteQuery<'_>) -> Option<Destination> {
    let endpoint = asked.endpoint;
    let inherited = ParallelLimit::inherited(everywhere, endpoint);
    let first = |routes: &[Route], mode: PathMode, owner: Option<&Endpoint>| {
        let mut routes = routes.iter().enumerate();
        let (index, route) = routes.find(|(_, route)| route.takes(asked))?;
        let parallel = route.parallel.map(|at_once| ParallelLimit {
            at_once,
            scope: Scope::Route(owner.map(|e| e.name.clone()), index),
        });
        let mode = route.path_mode.unwrap_or(mode);
        let found = found(&route.target, mode, route.path.as_deref(), asked);
        Some((found, parallel))
    };
    let own_mode = endpoint
        .and_then(|e| e.path_mode)
        .unwrap_or(everywhere.path_mode);
    let own_routes = endpoint.map_or(&[][..], |e| &e.routes);
    let plain = |target: &str| (found(target, own_mode, None, asked), None);
    let ((target, path), parallel) = first(own_routes, own_mode, endpoint)
        .or_else(|| endpoint?.target.as_deref().map(plain))
        .or_else(|| first(everywhere.routes, own_mode, None))
        .or_else(|| everywhere.target.map(plain))?;
    Some(Destination {
        target,
        path,
        parallel: parallel.unwrap_or(inherited),
    })
}

impl ParallelLimit {
    /// Returns the limit for deliveries whose route defines none.
    fn inherited(everywhere: RouteDefaults<'_>, endpoint: Option<&Endpoint>) -> Self {
        let own = |e: &Endpoint| {
            Some(Self {
                at_once: e.parallel?,
                scope: Scope::Endpoint(e.name.clone()),
            })
        };
        endpoint.and_then(own).unwrap_or(Self {
            at_once: everywhere.parallel.unwrap_or(DEFAULT_PARALLEL),
            scope: Scope::Global,
        })
    }
}

/// Returns a target and the path to request.
fn found(
    target: &str,
    mode: PathMode,
    route: Option<&str>,
    asked: &RouteQuery<'_>,
) -> (String, Option<String>) {
    let prefix = match (asked.endpoint, route) {
        (Some(endpoint), _) => endpoint.path.as_str(),
        (None, Some(path)) if !path.contains('*') => path,
        (None, _) => "",
    };
    let path = fitted(target, mode, prefix, asked.path);
    (target.to_owned(), path)
}

/// Returns the path to request, byte for byte; `None` if it is determined by
/// the target.
fn fitted(target: &str, mode: PathMode, prefix: &str, path: &str) -> Option<String> {
    // `*`, which OPTIONS may use, is not a path that can be joined.
    if mode == PathMode::Auto || !path.starts_with('/') {
        return None;
    }
    let own = own_path(target);
    let base = own.trim_end_matches('/');
    let rest = match mode {
        PathMode::Keep => path,
        PathMode::Strip => path
            .strip_prefix(prefix.trim_end_matches('/'))
            .filter(|rest| rest.is_empty() || rest.starts_with('/'))
            .unwrap_or(path),
        PathMode::Replace | PathMode::Auto => "",
    };
    Some(match (rest, own) {
        ("", "") => "/".to_owned(),
        ("", own) => own.to_owned(),
        (rest, _) => format!("{base}{rest}"),
    })
}

/// Returns the path of a URL as written.
fn own_path(target: &str) -> &str {
    let behind = target.split_once("://").map_or(target, |(_, rest)| rest);
    let end = behind.find(['?', '#']).unwrap_or(behind.len());
    let behind = &behind[..end];
    behind.find('/').map_or("", |at| &behind[at..])
}

impl Destination {
    /// Returns the destination for an explicitly named target.
    pub fn to(target: &str) -> Self {
        Self {
            target: target.to_owned(),
            path: None,
            parallel: ParallelLimit::inherited(RouteDefaults::default(), None),
        }
    }

    /// Returns the address for display: the target with the path to request.
    pub fn address(&self) -> String {
        let Some(path) = &self.path else {
            return self.target.clone();
        };
        let start = self.target.find("://").map_or(0, |at| at + 3);
        let rest = &self.target[start..];
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let query = rest.find(['?', '#']).map_or("", |at| &rest[at..]);
        format!("{}{}{path}{query}", &self.target[..start], &rest[..end])
    }
}

impl Route {
    /// Returns whether a delivery matches all conditions of this route.
    pub fn takes(&self, asked: &RouteQuery<'_>) -> bool {
        let whole = |wanted: &Option<String>, text: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| {
                let pattern = Pattern::field(wanted, !wanted.contains('*'));
                text.is_some_and(|text| pattern.matches(text))
            })
        };
        let path = match self.path.as_deref() {
            None => true,
            Some(path) if path.contains('*') => Pattern::field(path, false).matches(asked.path),
            Some(path) => asked
                .path
                .strip_prefix(path.trim_end_matches('/'))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        };
        path && whole(&self.provider, asked.provider) && whole(&self.event, asked.event)
    }
}

/// Returns why creel cannot send to a target.
pub fn target_problem(target: &str) -> Option<String> {
    let url = match Url::parse(target) {
        Ok(url) => url,
        Err(error) => return Some(format!("It is not a complete URL: {error}.")),
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Some("Only http and https are supported.".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some(
            "Its name and password would be stored and shown with every attempt.".to_owned(),
        );
    }
    None
}

/// Formats an address without its name and password. If the address cannot be
/// parsed, everything up to the last possible credential is removed.
pub fn without_credentials(address: &str) -> Cow<'_, str> {
    let is_plain = |url: &Url| url.username().is_empty() && url.password().is_none();
    let readable = Url::parse(address.trim()).ok();
    if readable.as_ref().is_some_and(is_plain) {
        return Cow::Borrowed(address);
    }
    let begin = address.find("://").map_or(0, |at| at + 3);
    let end = match (&readable, address[begin..].rfind('@')) {
        (_, Some(at)) => begin + at + 1,
        // An invalid port may be a password.
        (None, None) if begin > 0 => address.len(),
        _ => return Cow::Borrowed(address),
    };
    Cow::Owned(format!("{}…{}", &address[..begin], &address[end..]))
}

/// Returns scheme, host and port of a target, which identify an app.
pub fn origin(target: &str) -> String {
    match Url::parse(target) {
        Ok(url) => url.origin().ascii_serialization(),
        Err(_) => without_credentials(target).into_owned(),
    }
}

/// Returns host and port of a target, for connecting.
pub fn authority(target: &str) -> Option<(String, u16)> {
    let url = Url::parse(target).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    Some((host, url.port_or_known_default()?))
}

/// Returns whether a target is on this machine, by its host alone.
pub fn is_loopback(target: &str) -> bool {
    match Url::parse(target).ok().as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => {
            address.is_loopback() || address.to_ipv4_mapped().is_some_and(|a| a.is_loopback())
        }
        None => false,
    }
}

/// Returns whether a target is creel's own listening address.
pub fn is_itself(target: &str, listening: SocketAddr) -> bool {
    let Ok(url) = Url::parse(target) else {
        return false;
    };
    if url.port_or_known_default() != Some(listening.port()) {
        return false;
    }
    let own = listening.ip().to_canonical();
    let local = own.is_loopback() || own.is_unspecified();
    let address: IpAddr = match url.host() {
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).to_canonical(),
        Some(Host::Domain(_)) => return local && is_loopback(target),
        None => return false,
    };
    // Connecting to 0.0.0.0 reaches this machine.
    address == own
        || own.is_unspecified() && (address.is_loopback() || address.is_unspecified())
        || own.is_loopback() && address.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path: &str, provider: &str, event: &str, target: &str) -> Route {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Route {
            path: some(path),
            provider: some(provider),
            event: some(event),
            target: target.to_owned(),
            path_mode: None,
            parallel: None,
        }
    }

    #[test]
    fn the_first_route_that_fits_wins() {
        let endpoint = Endpoint {
            name: "billing".into(),
            path: "/hooks/billing".into(),
            target: Some("http://endpoint".into()),
            routes: vec![
                route("", "stripe", "invoice.*", "http://invoices"),
                route("/hooks/billing/eu", "", "", "http://eu"),
            ],
            ..Endpoint::default()
        };
        let routes = [
            route("/*/test", "", "", "http://star"),
            route("", "zyra", "", "http://zyra"),
        ];
        let everywhere = RouteDefaults {
            target: Some("http://all"),
            routes: &routes,
            ..RouteDefaults::default()
        };
        let to = |endpoint, path, provider, event| {
            let asked = RouteQuery {
                endpoint,
                path,
                provider,
                event,
            };
            destination(everywhere, &asked).unwrap().target
        };
        let billing = Some(&endpoint);
        let event = Some("invoice.paid");
        assert_eq!(
            to(billing, "/hooks/billing", Some("Stripe"), event),
            "http://invoices"
        );
        assert_eq!(
            to(billing, "/hooks/billing", Some("stripe"), None),
            "http://endpoint"
        );
        assert_eq!(to(billing, "/hooks/billing/eu/x", None, event), "http://eu");
        assert_eq!(
            to(billing, "/hooks/billing/europe", None, None),
            "http://endpoint"
        );
        assert_eq!(to(None, "/a/test", None, None), "http://star");
        assert_eq!(to(None, "/a/test/b", Some("zyra"), None), "http://zyra");
        assert_eq!(to(None, "/", None, None), "http://all");
        assert_eq!(
            destination(RouteDefaults::default(), &RouteQuery::default()),
            None
        );
    }

    #[test]
    fn the_nearest_setting_limits_parallel_forwards() {
        let limited = |parallel, target: &str| Route {
            parallel,
            ..route("/hooks/eu", "", "", target)
        };
        let endpoint = |parallel, target: Option<&str>| Endpoint {
            name: "a".into(),
            path: "/hooks".into(),
            target: target.map(str::to_owned),
            routes: vec![limited(Some(3), "http://eu")],
            parallel,
            ..Endpoint::default()
        };
        let routes = [Route {
            parallel: Some(2),
            ..route("/hooks/us", "", "", "http://us")
        }];
        let limit = |everywhere: Option<u32>, endpoint: Option<&Endpoint>, path: &str| {
            let everywhere = RouteDefaults {
                target: Some("http://all"),
                routes: &routes,
                parallel: everywhere,
                ..RouteDefaults::default()
            };
            let asked = RouteQuery {
                endpoint,
                path,
                ..RouteQuery::default()
            };
            let limit = destination(everywhere, &asked).unwrap().parallel;
            (limit.at_once, limit.scope)
        };
        let name = || "a".to_owned();
        assert_eq!(limit(None, None, "/"), (8, Scope::Global));
        assert_eq!(limit(Some(4), None, "/"), (4, Scope::Global));
        assert_eq!(limit(None, None, "/hooks/us"), (2, Scope::Route(None, 0)));
        let plain = endpoint(None, None);
        let strict = endpoint(Some(1), Some("http://own"));
        assert_eq!(limit(Some(4), Some(&plain), "/hooks"), (4, Scope::Global));
        assert_eq!(
            limit(Some(4), Some(&strict), "/hooks"),
            (1, Scope::Endpoint(name()))
        );
        for one in [&plain, &strict] {
            let scope = Scope::Route(Some(name()), 0);
            assert_eq!(limit(None, Some(one), "/hooks/eu"), (3, scope));
        }
    }

    #[test]
    fn a_path_is_kept_replaced_or_stripped() {
        use PathMode::{Auto, Keep, Replace, Strip};
        for (target, mode, prefix, path, expected) in [
            ("http://h", Auto, "", "/a", None),
            ("http://h", Keep, "", "/a/../b//%2e", Some("/a/../b//%2e")),
            ("http://h/base/", Keep, "", "/a", Some("/base/a")),
            ("http://h/base?x", Keep, "", "/a", Some("/base/a")),
            ("http://h/base", Replace, "", "/a", Some("/base")),
            ("http://h", Replace, "", "/a", Some("/")),
            (
                "http://h/base",
                Strip,
                "/hooks",
                "/hooks/a",
                Some("/base/a"),
            ),
            ("http://h/base/", Strip, "/hooks/", "/hooks", Some("/base/")),
            ("http://h", Strip, "/hooks", "/hooks", Some("/")),
            ("http://h", Strip, "/hooks", "/hooks/", Some("/")),
            ("http://h", Strip, "/hook", "/hooks/a", Some("/hooks/a")),
            ("http://h", Strip, "/", "/hooks/a", Some("/hooks/a")),
            ("http://h/b", Keep, "", "*", None),
        ] {
            let path = fitted(target, mode, prefix, path);
            assert_eq!(path.as_deref(), expected, "{target} {mode:?} {prefix}");
        }
        let to = Destination {
            path: Some("/base/a".into()),
            ..Destination::to("http://h/base?own=1")
        };
        assert_eq!(to.address(), "http://h/base/a?own=1");
    }

    #[test]
    fn knows_its_own_address() {
        let own = |target, listening: &str| is_itself(target, listening.parse().unwrap());
        assert!(own("http://127.0.0.1:2733/x", "127.0.0.1:2733"));
        assert!(own("http://localhost:2733", "127.0.0.1:2733"));
        assert!(own("http://localhost:2733", "[::1]:2733"));
        assert!(own("http://0.0.0.0:2733", "127.0.0.1:2733"));
        assert!(own("http://[::ffff:127.0.0.1]:2733", "127.0.0.1:2733"));
        assert!(own("http://127.0.0.1:2733", "0.0.0.0:2733"));
        assert!(own("http://10.0.0.7", "10.0.0.7:80"));
        assert!(!own("http://127.0.0.1:3000", "127.0.0.1:2733"));
        assert!(!own("http://10.0.0.7:2733", "127.0.0.1:2733"));
        assert!(!own("http://example.test:2733", "0.0.0.0:2733"));
    }

    #[test]
    fn apps_are_told_apart_by_scheme_host_and_port() {
        assert_eq!(origin("http://LOCALHOST:80/a?b"), "http://localhost");
        assert_eq!(origin("https://[::1]:3000/"), "https://[::1]:3000");
        assert_eq!(authority("https://h.test/x"), Some(("h.test".into(), 443)));
        assert_eq!(authority("http://[::1]:3000"), Some(("::1".into(), 3000)));
        assert!(is_loopback("http://app.localhost:1/"));
        assert!(!is_loopback("http://localhost.example.test"));
    }

    #[test]
    fn a_target_that_cannot_be_used_is_told() {
        assert_eq!(target_problem("http://localhost:3000/x?y"), None);
        for target in ["localhost:3000", "", "/x", "ftp://h/", "http://a:b@h/"] {
            assert!(target_problem(target).is_some(), "{target}");
        }
    }
}
