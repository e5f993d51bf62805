//! Fits a delivery to its target.

use std::cell::RefCell;

use bytes::Bytes;
use hyper::http::uri::Scheme;
use hyper::{Method, Uri};
use url::Url;

use super::error::SendError;
use crate::domain::failure::Failure;
use crate::domain::headers::Headers;
use crate::domain::hop_by_hop;
use crate::domain::request::Request;
use crate::domain::route::without_credentials;

/// Advice for an invalid target.
const TARGET_EXAMPLE: &str = "Write a target like  http://127.0.0.1:3000/hooks";

/// A request that is ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The method; any token.
    pub method: String,
    /// The URL of the target. Only its scheme, host and port are used.
    pub url: Url,
    /// The path and query, exactly as sent.
    pub target: String,
    /// The headers, in the order they are sent.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
}

/// Fits a delivery to a target, with the received `headers` or newly signed
/// ones.
///
/// A target with a path replaces the path of the delivery; one without a path
/// keeps it. The query of the delivery is appended to that of the target.
/// Hop-by-hop headers and `expect` are dropped, `host` and `content-length` are
/// set, and all other headers stay unchanged.
///
/// Returns a [`Failure`] if the target is not an http or https URL with a host,
/// contains credentials, or if the request cannot be expressed in HTTP.
pub fn prepare(request: &Request, target: &str, headers: Headers) -> Result<Outgoing, Failure> {
    let url = parse_cached(target)?;
    let outgoing = Outgoing {
        method: request.method.clone(),
        target: fit_target(request, &url),
        headers: fit_headers(request, &url, headers),
        url,
        body: request.body.clone(),
    };
    check(&outgoing)?;
    Ok(outgoing)
}

impl Outgoing {
    /// Replaces the path by `path`, unaltered, and keeps the query.
    ///
    /// # Errors
    /// Returns a [`Failure`] if the path contains characters that HTTP does not
    /// allow.
    pub fn at_path(mut self, path: &str) -> Result<Self, Failure> {
        let query = self.target.find('?').map_or("", |at| &self.target[at..]);
        self.target = format!("{path}{query}");
        check(&self)?;
        Ok(self)
    }

    /// Returns the complete URL.
    pub fn address(&self) -> String {
        let mut address = self.origin();
        address.push_str(&self.target);
        address
    }

    /// Returns the scheme, host and port.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.url.scheme(), host_field(&self.url))
    }

    /// Returns the host, with brackets around an IPv6 address.
    pub(super) fn host(&self) -> String {
        self.url.host_str().unwrap_or_default().to_owned()
    }

    /// Returns the port, by default that of the scheme.
    pub(super) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(80)
    }

    /// Returns the host and port.
    pub(super) fn authority(&self) -> String {
        format!("{}:{}", self.host(), self.port())
    }

    /// Returns the head as sent over HTTP/1.1.
    pub(super) fn head(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(256);
        for part in [&self.method, " ", &self.target, " HTTP/1.1\r\n"] {
            head.extend_from_slice(part.as_bytes());
        }
        for field in &self.headers {
            head.extend_from_slice(field.name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(field.value);
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    /// Returns the method as hyper's type.
    pub(super) fn http_method(&self) -> Result<Method, SendError> {
        Method::from_bytes(self.method.as_bytes()).map_err(not_http2)
    }

    /// Returns the request as sent over HTTP/2: `host` becomes the authority,
    /// and repeats of a name are grouped.
    pub(super) fn http2(&self) -> Result<hyper::Request<Bytes>, SendError> {
        let scheme = match self.url.scheme() {
            "http" => Scheme::HTTP,
            _ => Scheme::HTTPS,
        };
        let uri = Uri::builder()
            .scheme(scheme)
            .authority(host_field(&self.url))
            .path_and_query(self.target.as_str())
            .build()
            .map_err(not_http2)?;
        let mut request = hyper::Request::builder()
            .method(self.http_method()?)
            .uri(uri);
        for field in self.headers.iter().filter(|field| field.name != "host") {
            request = request.header(field.name, field.value);
        }
        // The encoder adds this header to a request without a body if its
        // method usually has one. Adding it here records it.
        if !self.headers.contains("content-length")
            && !["GET", "HEAD", "DELETE"].contains(&self.method.as_str())
        {
            request = request.header("content-length", self.body.len());
        }
        request.body(self.body.clone()).map_err(not_http2)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "serves map_err")]
fn not_http2(error: impl ToString) -> SendError {
    SendError::NotHttp2(error.to_string())
}

/// Parses a target. Caches the last one, as most requests share it.
fn parse_cached(target: &str) -> Result<Url, Failure> {
    thread_local! {
        static LAST: RefCell<Option<(String, Url)>> = const { RefCell::new(None) };
    }
    LAST.with_borrow_mut(|last| match last {
        Some((known, url)) if known == target => Ok(url.clone()),
        _ => {
            let url = parse(target)?;
            *last = Some((target.to_owned(), url.clone()));
            Ok(url)
        }
    })
}

/// Parses a target.
pub(super) fn parse(target: &str) -> Result<Url, Failure> {
    let no = |why: String| {
        Err(Failure::usage(
            format!("{:?} is not a valid target.", without_credentials(target)),
            why,
            TARGET_EXAMPLE,
        ))
    };
    let url = match Url::parse(target.trim()) {
        Ok(url) => url,
        Err(error) => return no(format!("It is not a complete URL: {error}.")),
    };
    if !["http", "https"].contains(&url.scheme()) {
        return no("Only http and https are supported.".to_owned());
    }
    if url.host_str().is_none_or(str::is_empty) {
        return no("It has no host.".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        let what = "The target contains a user name or password.";
        let why = "It would be stored and shown with every attempt.";
        return Err(Failure::usage(what, why, TARGET_EXAMPLE));
    }
    Ok(url)
}

/// Combines path and query, without decoding or normalising them.
fn fit_target(request: &Request, url: &Url) -> String {
    let own = url.path();
    let mut target = if own.is_empty() || own == "/" {
        request.path.clone()
    } else {
        own.to_owned()
    };
    if !target.starts_with('/') && target != "*" {
        target.insert(0, '/');
    }
    let query = match (url.query(), request.query.as_deref()) {
        (Some(own), Some(query)) if !own.is_empty() && !query.is_empty() => {
            Some(format!("{own}&{query}"))
        }
        (Some(own), None | Some("")) => Some(own.to_owned()),
        (_, query) => query.map(str::to_owned),
    };
    if let Some(query) = query {
        target.push('?');
        target.push_str(&query);
    }
    target
}

fn fit_headers(request: &Request, url: &Url, mut headers: Headers) -> Headers {
    let had_body = headers.contains("content-length") || headers.contains("transfer-encoding");
    hop_by_hop::remove(&mut headers);
    headers.retain(|field| field.name != "expect");
    let host = host_field(url);
    if headers.contains("host") {
        headers.set("host", host);
    } else {
        let mut with_host = Headers::new();
        with_host.push("host", host);
        for field in &headers {
            with_host.push(field.name, field.value);
        }
        headers = with_host;
    }
    // These methods usually have a body, so an empty one has `content-length`
    // too (RFC 9110 section 8.6).
    let expects_body = ["POST", "PUT", "PATCH"].contains(&request.method.as_str());
    if had_body || expects_body || !request.body.is_empty() {
        headers.set("content-length", request.body.len().to_string());
    }
    headers
}

/// Returns the value of `host`. The port is omitted if it is the default of the
/// scheme.
fn host_field(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Checks that no part of the request contains a line break and that it is not
/// a CONNECT. Received deliveries always pass; imported ones may not.
fn check(outgoing: &Outgoing) -> Result<(), Failure> {
    let no = |why: String| {
        let what = "This delivery cannot be sent.";
        Err(Failure::usage(what, why, "Edit it, or import it again."))
    };
    if !is_token(&outgoing.method) {
        return no(format!(
            "Its method {:?} is not an HTTP method.",
            outgoing.method
        ));
    }
    if outgoing.method == "CONNECT" {
        return no("CONNECT opens a tunnel; an app cannot handle it.".to_owned());
    }
    if outgoing.target.bytes().any(|b| b <= b' ' || b == 0x7f) {
        return no("Its path or query contains a space or a control character.".to_owned());
    }
    for field in &outgoing.headers {
        if !is_token(field.name) {
            return no(format!(
                "The header name {:?} is not allowed in HTTP.",
                field.name
            ));
        }
        if field.value.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
            return no(format!(
                "The header {} contains a line break or NUL.",
                field.name
            ));
        }
    }
    Ok(())
}

/// Returns `true` if the text is a token (RFC 9110 section 5.6.2).
fn is_token(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(method: &str, path: &str, query: Option<&str>) -> Request {
        Request {
            method: method.into(),
            path: path.into(),
            query: query.map(Into::into),
            ..Request::default()
        }
    }

    fn sent(headers: &[(&str, &str)], body: &'static str) -> String {
        let mut request = request("POST", "/hooks", None);
        request.body = body.into();
        let headers = headers.iter().copied().collect();
        let outgoing = prepare(&request, "http://app.test:3000", headers).unwrap();
        String::from_utf8(outgoing.head()).unwrap()
    }

    #[test]
    fn path_and_query_are_the_targets_or_the_deliverys() {
        for (target, path, query, expected) in [
            ("http://h", "/a/../b//%2e%zz", None, "/a/../b//%2e%zz"),
            ("http://h/", "/a", Some("x=%20&y"), "/a?x=%20&y"),
            ("http://h", "/a", Some(""), "/a?"),
            ("http://h?own", "/a", None, "/a?own"),
            ("http://h?own", "/a", Some("x"), "/a?own&x"),
            ("http://h?own", "/a", Some(""), "/a?own"),
            ("http://h?", "/a", Some("x"), "/a?x"),
            ("http://h/p", "/a", Some("x"), "/p?x"),
            ("http://h/p/?own#part", "/a", Some("x"), "/p/?own&x"),
            ("http://h", "*", None, "*"),
            ("http://h", "a", None, "/a"),
            ("http://h", "/\u{fc}|<{", None, "/\u{fc}|<{"),
        ] {
            let request = request("GET", path, query);
            let outgoing = prepare(&request, target, Headers::new()).unwrap();
            assert_eq!(outgoing.target, expected, "{target} {path}");
            assert_eq!(outgoing.address(), format!("http://h{expected}"));
        }
    }

    #[test]
    fn another_path_keeps_the_query() {
        let request = request("GET", "/a", Some("x=1?2"));
        let outgoing = prepare(&request, "http://h/p?own", Headers::new()).unwrap();
        let outgoing = outgoing.at_path("/q/../%2e").unwrap();
        assert_eq!(outgoing.address(), "http://h/q/../%2e?own&x=1?2");
        assert!(outgoing.at_path("/a b").is_err());
    }

    #[test]
    fn fields_keep_order_and_repeats_but_for_host_and_length() {
        let head = sent(
            &[
                ("x-a", "1"),
                ("host", "public.test"),
                ("x-b", "2"),
                ("content-length", "999"),
                ("expect", "100-continue"),
                ("x-a", "3"),
                ("connection", "close, x-hop"),
                ("x-hop", "1"),
                ("user-agent", ""),
            ],
            "four",
        );
        assert_eq!(
            head,
            "POST /hooks HTTP/1.1\r\nx-a: 1\r\nhost: app.test:3000\r\nx-b: 2\r\n\
             content-length: 4\r\nx-a: 3\r\nuser-agent: \r\n\r\n"
        );
    }

    #[test]
    fn only_required_fields_are_added() {
        assert_eq!(
            sent(&[("transfer-encoding", "chunked")], "four"),
            "POST /hooks HTTP/1.1\r\nhost: app.test:3000\r\ncontent-length: 4\r\n\r\n"
        );
        let get = prepare(&request("GET", "/", None), "https://h:443", Headers::new()).unwrap();
        assert_eq!(get.head(), b"GET / HTTP/1.1\r\nhost: h\r\n\r\n");
        let six = prepare(
            &request("PUT", "/", None),
            "http://[::1]:80/",
            Headers::new(),
        )
        .unwrap();
        assert_eq!(six.headers.text("host"), Some("[::1]"));
        assert_eq!(six.headers.text("content-length"), Some("0"));
        assert_eq!(six.authority(), "[::1]:80");
    }

    #[test]
    fn unusable_targets_are_explained() {
        for (target, why) in [
            ("", "It is not a complete URL: relative URL without a base."),
            (
                "127.0.0.1:3000",
                "It is not a complete URL: relative URL without a base.",
            ),
            ("localhost:3000", "Only http and https are supported."),
            ("ftp://h/", "Only http and https are supported."),
            ("http://", "It is not a complete URL: empty host."),
            (
                "http://h:99999",
                "It is not a complete URL: invalid port number.",
            ),
            (
                "http://me:pw@h/",
                "It would be stored and shown with every attempt.",
            ),
        ] {
            let failure = prepare(&request("GET", "/", None), target, Headers::new()).unwrap_err();
            assert_eq!(failure.why, why, "{target}");
            assert!(!failure.to_string().contains("pw"));
        }
    }

    #[test]
    fn numeric_hosts_are_read_as_addresses() {
        for target in [
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://0251.0376.169.254/",
        ] {
            let outgoing = prepare(&request("GET", "/", None), target, Headers::new()).unwrap();
            assert_eq!(outgoing.host(), "169.254.169.254");
        }
    }

    #[test]
    fn line_breaks_in_any_part_are_refused() {
        let no_headers = Headers::new;
        let bad_value = [("a", "1\r\nb: 2")].into_iter().collect();
        let bad_name = [("a b", "1")].into_iter().collect();
        for (request, headers) in [
            (request("GET /x HTTP/1.1\r\n", "/", None), no_headers()),
            (request("", "/", None), no_headers()),
            (request("CONNECT", "/", None), no_headers()),
            (request("GET", "/ HTTP/1.1\r\nx: y", None), no_headers()),
            (request("GET", "/", Some("a b")), no_headers()),
            (request("GET", "/", None), bad_value),
            (request("GET", "/", None), bad_name),
        ] {
            assert!(
                prepare(&request, "http://h", headers).is_err(),
                "{request:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_head_is_as_many_lines_as_it_has_fields(
            method in "[A-Z]{1,8}|.{0,3}",
            path in "/[!-~]{0,20}|.{0,9}",
            query in prop::option::of("[!-~]{0,20}|.{0,9}"),
            fields in prop::collection::vec(
                ("[a-z-]{1,9}|.{0,3}", prop::collection::vec(any::<u8>(), 0..9)),
                0..4,
            ),
        ) {
            let request = request(&method, &path, query.as_deref());
            let headers = fields.into_iter().collect();
            if let Ok(outgoing) = prepare(&request, "http://h", headers) {
                let head = outgoing.head();
                let lines = outgoing.headers.len() + 2;
                prop_assert_eq!(head.split(|b| *b == b'\n').count(), lines + 1);
                prop_assert_eq!(head.split(|b| *b == b'\r').count(), lines + 1);
            }
        }
    }
}
