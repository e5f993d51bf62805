//! Hypotheses about the address, for schemes that sign it.

use super::case::Case;
use super::hypothesis::{Variation, Variations, non_empty_or};
use crate::domain::request::Request;
use crate::domain::route::without_credentials;

/// An address that the sender may have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) text: String,
    /// The only part that differs from the configured address; `None` if
    /// several differ.
    pub(super) differs: Option<AddressPart>,
}

/// A part of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressPart {
    Scheme,
    Host,
    Port,
    Slash,
    Path,
    Query,
}

/// How many addresses are tried at most.
const MAX_ADDRESSES: usize = 160;

/// An address split into parts, without decoding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct AddressParts {
    scheme: String,
    host: String,
    port: String,
    path: String,
    query: String,
}

impl AddressParts {
    fn of(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, format!("?{query}")),
            None => (rest, String::new()),
        };
        let slash = rest.find('/').unwrap_or(rest.len());
        let (host, port) = host_port(&rest[..slash]);
        Some(Self {
            scheme: scheme.to_owned(),
            host,
            port,
            path: rest[slash..].to_owned(),
            query,
        })
    }

    fn text(&self) -> String {
        format!(
            "{}://{}{}{}{}",
            self.scheme, self.host, self.port, self.path, self.query
        )
    }
}

/// Splits `a.test:80` into `a.test` and `:80`.
fn host_port(authority: &str) -> (String, String) {
    match authority.rfind(':') {
        Some(at) if authority[at + 1..].bytes().all(|b| b.is_ascii_digit()) => {
            (authority[..at].to_owned(), authority[at..].to_owned())
        }
        _ => (authority.to_owned(), String::new()),
    }
}

/// The possible values of each part of an address.
struct PartAlternatives {
    schemes: Vec<String>,
    hosts: Vec<(String, String)>,
    ports: Vec<String>,
    slash: String,
    paths: Vec<String>,
    queries: Vec<String>,
}

/// Returns the first value of a header.
fn header(request: &Request, name: &str) -> Option<String> {
    let value = request.headers.text(name)?;
    Some(value.split(',').next()?.trim().to_owned()).filter(|v| !v.is_empty())
}

/// Returns the address to which a request appears to have been sent.
fn received(request: &Request) -> AddressParts {
    let host = header(request, "x-forwarded-host").or_else(|| header(request, "host"));
    let (host, port) = host_port(&host.unwrap_or_default());
    AddressParts {
        scheme: header(request, "x-forwarded-proto").unwrap_or_else(|| "https".to_owned()),
        host,
        port,
        path: request.path.clone(),
        query: query_of(request),
    }
}

fn query_of(request: &Request) -> String {
    let query = request.query.as_ref();
    query.map(|q| format!("?{q}")).unwrap_or_default()
}

impl PartAlternatives {
    fn of(request: &Request, base: &AddressParts) -> Self {
        let forwarded = header(request, "forwarded").and_then(|value| {
            let mut pairs = value.split(';').map(str::trim);
            pairs.find_map(|p| Some(p.strip_prefix("host=")?.trim_matches('"').to_owned()))
        });
        let named = ["host", "x-forwarded-host", "x-original-host"];
        let hosts: Vec<(String, String)> = named
            .into_iter()
            .filter_map(|name| header(request, name))
            .chain(forwarded)
            .map(|host| host_port(&host))
            .collect();
        let mut ports: Vec<String> = vec![String::new(), ":443".into(), ":80".into()];
        ports.extend(hosts.iter().map(|(_, port)| port.clone()));
        ports.extend(header(request, "x-forwarded-port").map(|port| format!(":{port}")));
        let before = [
            "x-original-url",
            "x-original-uri",
            "x-rewrite-url",
            "x-forwarded-uri",
            "x-forwarded-path",
        ];
        let mut paths = vec![request.path.clone()];
        paths.extend(before.into_iter().filter_map(|name| {
            let path = header(request, name)?;
            Some(path.split('?').next().unwrap_or_default().to_owned())
        }));
        let prefix = header(request, "x-forwarded-prefix");
        paths.extend(prefix.map(|p| format!("{}{}", p.trim_end_matches('/'), request.path)));
        let slash = match base.path.strip_suffix('/') {
            Some(without) => without.to_owned(),
            None => format!("{}/", base.path),
        };
        Self {
            schemes: ["https", "http"].map(str::to_owned).to_vec(),
            hosts,
            ports,
            slash,
            paths,
            queries: queries(&query_of(request), &base.query),
        }
    }
}

/// Returns the possible queries: as received, none, as configured, and sorted.
fn queries(received: &str, configured: &str) -> Vec<String> {
    let mut queries = vec![received.to_owned(), String::new(), configured.to_owned()];
    let pairs = configured.strip_prefix('?').or(received.strip_prefix('?'));
    if let Some(pairs) = pairs {
        let mut sorted: Vec<&str> = pairs.split('&').collect();
        sorted.sort_unstable();
        queries.push(format!("?{}", sorted.join("&")));
        sorted.reverse();
        queries.push(format!("?{}", sorted.join("&")));
    }
    queries
}

/// Returns the addresses that a sender may have used, derived from the
/// configured address, `host` and the headers that proxies add.
pub(super) fn candidates(case: &Case<'_>) -> Vec<Address> {
    let request = case.subject.request;
    let own = case.subject.url.and_then(AddressParts::of);
    let received = received(request);
    if own.is_none() && received.host.is_empty() {
        return Vec::new();
    }
    let base = own.clone().unwrap_or_else(|| received.clone());
    let parts = PartAlternatives::of(request, &base);
    let mut found: Vec<Address> = Vec::new();
    let mut add = |split: AddressParts, differs: Option<AddressPart>| {
        let text = split.text();
        let known = found.iter().any(|a| a.text == text) || own.as_ref() == Some(&split);
        if !known && found.len() < MAX_ADDRESSES {
            found.push(Address { text, differs });
        }
    };
    if own.is_none() {
        add(received, None);
    }
    one_part(&base, &parts, &mut add);
    several_parts(&base, &parts, &mut add);
    found
}

/// Adds the addresses that differ in one part.
fn one_part(
    base: &AddressParts,
    parts: &PartAlternatives,
    add: &mut impl FnMut(AddressParts, Option<AddressPart>),
) {
    let mut with = |part: AddressPart, change: &dyn Fn(&mut AddressParts)| {
        let mut split = base.clone();
        change(&mut split);
        add(split, Some(part));
    };
    for scheme in &parts.schemes {
        with(AddressPart::Scheme, &|split| {
            split.scheme.clone_from(scheme);
        });
    }
    for (host, port) in &parts.hosts {
        with(AddressPart::Host, &|split| split.host.clone_from(host));
        with(AddressPart::Host, &|split| {
            split.host.clone_from(host);
            split.port.clone_from(port);
        });
    }
    for port in &parts.ports {
        with(AddressPart::Port, &|split| split.port.clone_from(port));
    }
    with(AddressPart::Slash, &|split| {
        split.path.clone_from(&parts.slash);
    });
    for path in &parts.paths {
        with(AddressPart::Path, &|split| split.path.clone_from(path));
    }
    for query in &parts.queries {
        with(AddressPart::Query, &|split| split.query.clone_from(query));
    }
}

/// Adds the addresses that differ in several parts.
fn several_parts(
    base: &AddressParts,
    parts: &PartAlternatives,
    add: &mut impl FnMut(AddressParts, Option<AddressPart>),
) {
    let own = (base.host.clone(), base.port.clone());
    for (host, port) in parts.hosts.iter().chain([&own]) {
        for scheme in &parts.schemes {
            for path in parts.paths.iter().chain([&base.path, &parts.slash]) {
                for query in &parts.queries {
                    for port in [port.as_str(), ""] {
                        let split = AddressParts {
                            scheme: scheme.clone(),
                            host: host.clone(),
                            port: port.to_owned(),
                            path: path.clone(),
                            query: query.clone(),
                        };
                        add(split, None);
                    }
                }
            }
        }
    }
}

fn variations<'a>(
    case: &Case<'a>,
    part: Option<AddressPart>,
    advice: &'static str,
) -> Variations<'a> {
    if !case.signs_address() {
        return Err("the scheme signs no address");
    }
    let variations = candidates(case)
        .into_iter()
        .filter(|address| address.differs == part)
        .map(|address| {
            let shown = without_credentials(&address.text);
            let shown = crate::domain::text::visible(&shown);
            let configured = case.subject.url.map_or("none".into(), without_credentials);
            Variation::text(
                case.text_at(&address.text),
                format!(
                    "The sender signed the address {shown}; the configured address is {configured}."
                ),
                advice,
            )
        })
        .collect();
    non_empty_or("no header names another one")(variations)
}

const PUBLIC_URL_ADVICE: &str = "Set public_url of the endpoint in creel.toml to the sender's address, exactly as configured there.";

/// Tries the other URL scheme.
pub(super) fn scheme<'a>(case: &Case<'a>) -> Variations<'a> {
    variations(
        case,
        Some(AddressPart::Scheme),
        "TLS is terminated before your code: take the scheme from X-Forwarded-Proto, as with app.set('trust proxy', true) in Express. In creel, correct public_url.",
    )
}

/// Tries the hosts that the headers name.
pub(super) fn host<'a>(case: &Case<'a>) -> Variations<'a> {
    variations(
        case,
        Some(AddressPart::Host),
        "Use the host that the sender uses, not the internal one: X-Forwarded-Host, or public_url in creel.",
    )
}

/// Tries the address with and without its port.
pub(super) fn port<'a>(case: &Case<'a>) -> Variations<'a> {
    variations(case, Some(AddressPart::Port), PUBLIC_URL_ADVICE)
}

/// Tries the path with and without a trailing slash.
pub(super) fn slash<'a>(case: &Case<'a>) -> Variations<'a> {
    variations(case, Some(AddressPart::Slash), PUBLIC_URL_ADVICE)
}

/// Tries the received path, and the original paths that proxies report.
pub(super) fn path<'a>(case: &Case<'a>) -> Variations<'a> {
    variations(case, Some(AddressPart::Path), PUBLIC_URL_ADVICE)
}

/// Tries the received query, no query, and a sorted query.
pub(super) fn query<'a>(case: &Case<'a>) -> Variations<'a> {
    variations(
        case,
        Some(AddressPart::Query),
        "Sign and verify the query as sent, in the same order: use req.originalUrl in Express, not req.url or a rebuilt URL.",
    )
}

/// Tries addresses that differ in several parts.
pub(super) fn rebuilt<'a>(case: &Case<'a>) -> Variations<'a> {
    variations(case, None, PUBLIC_URL_ADVICE)
}
