//! Changes to a request before it is resent.
//!
//! An [`Edit`] is a whole request from an editor ([`text`]) or a set of single
//! changes; everything else stays unchanged byte for byte. [`super::signature`]
//! signs the result, and the engine sends it.

mod form;
mod json;
pub mod path;
mod set_value;
pub mod text;

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use self::path::{Path, Step};
use super::body::{BodyKind, kind};
use super::failure::Failure;
use super::headers::{Header, Headers, is_control};
use super::hop_by_hop;
use super::request::{Request, split_target};
use super::serde_base64;
use super::text::visible;

pub use self::set_value::put;

/// The changes to a request, in the order of application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// A replacement of the whole request, from an editor.
    pub whole: Option<Request>,
    /// A new method.
    pub method: Option<String>,
    /// A new path, optionally with a query.
    pub path: Option<String>,
    /// A new body.
    pub body: Option<BodyBytes>,
    /// Values to set in the body: in JSON, or as a form field.
    pub set: Vec<(Path, String)>,
    /// Names of headers to remove.
    pub remove_headers: Vec<String>,
    /// Headers to set: the first one of a name replaces all of that name,
    /// further ones are added.
    pub headers: Headers,
}

/// A replacement body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BodyBytes(#[serde(with = "serde_base64")] pub Bytes);

/// The result of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditResult {
    /// The request.
    pub request: Request,
    /// Warnings to show before the request is sent, as sentences.
    pub warnings: Vec<String>,
}

impl EditResult {
    /// Returns a request without changes.
    pub fn unchanged(request: &Request) -> Self {
        Self {
            request: request.clone(),
            warnings: Vec::new(),
        }
    }
}

impl Edit {
    /// Returns whether the edit changes nothing, for any request.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds a header in the form `Name: value`.
    ///
    /// # Errors
    /// Returns a usage [`Failure`] if the text is not a header.
    pub fn header(&mut self, typed: &str) -> Result<(), Failure> {
        let wrong = |why: &str| {
            Failure::usage(
                format!("{} is not a header.", visible(typed)),
                why,
                "Write, for example,  --header 'X-Acme-Event: push'",
            )
        };
        let (name, value) = typed
            .split_once(':')
            .ok_or_else(|| wrong("A header is a name, a colon and a value."))?;
        if !text::is_token(name.trim_end()) {
            return Err(wrong(
                "A header name consists of letters, digits and hyphens.",
            ));
        }
        if value.bytes().any(is_control) {
            return Err(wrong(CONTROL_CHARACTERS));
        }
        self.headers.push(name.trim_end(), value);
        Ok(())
    }

    /// Returns the edited request.
    ///
    /// # Errors
    /// Returns a [`Failure`] if a value cannot be set in the body, or if the
    /// method or path is not valid.
    pub fn apply(&self, original: &Request) -> Result<EditResult, Failure> {
        let mut request = match &self.whole {
            Some(whole) => whole.clone(),
            None => original.clone(),
        };
        let mut warnings = Vec::new();
        if let Some(method) = &self.method {
            request.method.clone_from(method);
        }
        if let Some(path) = &self.path {
            (request.path, request.query) = split_target(path);
        }
        check_line(&request, original)?;
        if let Some(BodyBytes(body)) = &self.body {
            request.body = body.clone();
        }
        for (path, value) in &self.set {
            set(&mut request, path, value, &mut warnings)?;
        }
        for name in &self.remove_headers {
            request
                .headers
                .retain(|h| !h.name.eq_ignore_ascii_case(name));
        }
        self.set_headers(&mut request.headers, &mut warnings);
        check_headers(&request.headers, &original.headers)?;
        if request.body != original.body {
            warnings.extend(broken_json(original, &request));
            warnings.extend(wrong_coding(original, &request));
        }
        if request.headers.contains("content-length") {
            let length = request.body.len().to_string();
            request.headers.set("content-length", length);
        }
        Ok(EditResult { request, warnings })
    }

    fn set_headers(&self, headers: &mut Headers, warnings: &mut Vec<String>) {
        for (at, header) in self.headers.iter().enumerate() {
            let first = self.headers.iter().take(at).all(|h| h.name != header.name);
            if first {
                headers.set(header.name, header.value);
            } else {
                headers.push(header.name, header.value);
            }
            if first && header.name == "content-length" {
                warnings.push("Content-Length is recomputed from the body.".to_owned());
            }
            if first && header.name == "host" {
                warnings.push("Host is set to that of the target.".to_owned());
            }
        }
        let set = |name: &str| self.headers.iter().any(|h| h.name == name);
        if set("connection") || hop_by_hop::removed(headers).any(|h| set(h.name)) {
            let names: BTreeSet<&str> = hop_by_hop::removed(headers).map(|h| h.name).collect();
            let names: Vec<&str> = names.into_iter().collect();
            warnings.push(format!(
                "Hop-by-hop headers are not forwarded: {}.",
                names.join(", ")
            ));
        }
    }
}

/// The reason for refusing a value with a control character.
const CONTROL_CHARACTERS: &str =
    "A header value must not contain line breaks or control characters.";

/// Checks that new and changed headers are valid in HTTP. Headers may be sent
/// as they were received.
fn check_headers(headers: &Headers, original: &Headers) -> Result<(), Failure> {
    let is_new = |header: &Header<'_>| !original.all(header.name).any(|v| v == header.value);
    let wrong = headers
        .iter()
        .find(|h| !(text::is_token(h.name) && h.is_writable()) && is_new(h));
    match wrong {
        None => Ok(()),
        Some(header) => Err(Failure::usage(
            format!("The header {} cannot be sent.", visible(header.name)),
            CONTROL_CHARACTERS,
            "Remove the character, or leave the header as received.",
        )),
    }
}

/// Checks that method and path are valid in a request line. They may be sent as
/// they were received.
fn check_line(request: &Request, original: &Request) -> Result<(), Failure> {
    if request.method != original.method && !text::is_token(&request.method) {
        return Err(Failure::usage(
            format!("{} is not a method.", visible(&request.method)),
            "A method is a single word such as POST.",
            "Write, for example,  --method PUT",
        ));
    }
    let target = request.target();
    if target == original.target() {
        return Ok(());
    }
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if (target.starts_with('/') || target == "*") && !target.contains(odd) {
        return Ok(());
    }
    Err(Failure::usage(
        format!("{} is not a path.", visible(&target)),
        "A path begins with a slash and contains no spaces.",
        "Write, for example,  --path '/hooks/billing?try=2'   (a space is %20)",
    ))
}

/// Sets one value in the body.
fn set(
    request: &mut Request,
    path: &Path,
    value: &str,
    warnings: &mut Vec<String>,
) -> Result<(), Failure> {
    let cannot = |why: String, next: &str| {
        Failure::usage(format!("{path} cannot be set in the body."), why, next)
    };
    if let Some(coding) = coding(request) {
        return Err(cannot(
            format!("The body is compressed: {coding}."),
            "Send a whole body instead:  --body FILE --remove-header content-encoding",
        ));
    }
    let kind = kind(request.content_type(), &request.body);
    if kind == BodyKind::Form {
        let [Step::Name(name)] = &path.0[..] else {
            return Err(cannot(
                "The body is a form, whose fields have no nested values.".to_owned(),
                "Name the field, quoted if necessary:  --set '.\"data[id]\"=42'",
            ));
        };
        let set = form::set(&request.body, name, value);
        if set.fields > 1 {
            warnings.push(format!(
                "The form has {} fields called {}; the last one was set.",
                set.fields,
                visible(name)
            ));
        }
        request.body = set.body.into();
        return Ok(());
    }
    let splice = json::set(&request.body, path, &json::value(value)).map_err(|wrong| {
        let (why, next) = explained(&wrong, request, kind);
        cannot(why, next)
    })?;
    request.body = splice.apply(&request.body).into();
    Ok(())
}

/// Explains why a value could not be set, and what to do instead.
fn explained(
    wrong: &json::JsonEditError,
    request: &Request,
    kind: BodyKind,
) -> (String, &'static str) {
    use super::body::rows::line_and_column;
    match wrong {
        json::JsonEditError::NotJson(_) if request.body.is_empty() => (
            "The body is empty.".to_owned(),
            "Send a whole body instead:  --body FILE",
        ),
        json::JsonEditError::NotJson(fault) if kind == BodyKind::Json => {
            let (line, column) = line_and_column(&request.body, fault.offset);
            (
                format!(
                    "The body is not valid JSON: line {line}, column {column}: {}.",
                    fault.what
                ),
                "Send a whole body instead:  --body FILE",
            )
        }
        json::JsonEditError::NotJson(_) => (
            format!("The body is neither JSON nor a form but {}.", kind.word()),
            "Send a whole body instead:  --body FILE",
        ),
        json::JsonEditError::NoInside(what) => (
            format!("The path leads through {what}, which is not a container."),
            "Set that value as a whole to an object or a list.",
        ),
        json::JsonEditError::NotAList => (
            "The path leads through an object, and the path has an index there.".to_owned(),
            "Name a member:  .name instead of [0]",
        ),
        json::JsonEditError::NotAnObject => (
            "The path leads through a list, and the path has a name there.".to_owned(),
            "Use an index from 0:  [0] instead of .name; [] appends an item",
        ),
        json::JsonEditError::TooShort(items) => (
            match items {
                1 => "The list there has one item.".to_owned(),
                items => format!("The list there has {items} items."),
            },
            "Items are numbered from 0; [] appends an item.",
        ),
    }
}

/// Returns the content coding of the body, if any.
fn coding(request: &Request) -> Option<&str> {
    let coding = request.headers.text("content-encoding")?.trim();
    (!coding.is_empty() && !coding.eq_ignore_ascii_case("identity")).then_some(coding)
}

/// Returns a warning if the body should be JSON and is not.
fn broken_json(original: &Request, request: &Request) -> Option<String> {
    use super::body::{json::check, rows::line_and_column};
    if coding(request).is_some() || request.body.is_empty() {
        return None;
    }
    let media = request.content_type().unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    let media = media.to_ascii_lowercase();
    let said = media.ends_with("/json") || media.ends_with("+json");
    let was = kind(original.content_type(), &original.body) == BodyKind::Json
        && check(&original.body).is_ok();
    if !said && !was {
        return None;
    }
    let fault = check(&request.body).err()?;
    let (line, column) = line_and_column(&request.body, fault.offset);
    Some(format!(
        "The body is not valid JSON any more: line {line}, column {column}: {}.",
        fault.what
    ))
}

/// Returns a warning if a new body does not match its content coding.
fn wrong_coding(original: &Request, request: &Request) -> Option<String> {
    let coding = coding(request)?;
    let known: &[u8] = match coding {
        "gzip" | "x-gzip" => b"\x1f\x8b",
        "zstd" => b"\x28\xb5\x2f\xfd",
        _ => return None,
    };
    let fits = request.body.starts_with(known) || !original.body.starts_with(known);
    (!fits).then(|| {
        format!("Content-Encoding says {coding}, and the new body is not; remove the header too.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(content_type: &str, body: &'static [u8]) -> Request {
        Request {
            method: "POST".into(),
            path: "/hooks".into(),
            query: Some("a=1".into()),
            http_version: "1.1".into(),
            headers: [
                ("content-type", content_type),
                ("x-a", "1"),
                ("x-b", "2"),
                ("x-a", "3"),
                ("content-length", "99"),
            ]
            .into_iter()
            .collect(),
            body: body.into(),
        }
    }

    fn sets(assignments: &[&str]) -> Edit {
        let set = assignments
            .iter()
            .map(|text| {
                let (path, value) = Path::parse_assignment(text).unwrap();
                (path, value.to_owned())
            })
            .collect();
        Edit {
            set,
            ..Edit::default()
        }
    }

    #[test]
    fn nothing_but_what_is_named_changes() {
        let before = request("application/json", b"{\"n\": 1.10,\"s\":\"x\"}");
        let mut edit = sets(&[".n=2.50", ".s=y"]);
        edit.method = Some("PUT".into());
        edit.path = Some("/else?b=%20".into());
        edit.remove_headers = vec!["X-B".into()];
        for header in ["X-A: 7", "x-a:8", "X-New:  "] {
            edit.header(header).unwrap();
        }
        let after = edit.apply(&before).unwrap();
        assert_eq!(after.warnings, [""; 0]);
        let after = after.request;
        assert_eq!(&after.body[..], b"{\"n\": 2.50,\"s\":\"y\"}");
        assert_eq!(
            (after.method.as_str(), after.target().as_str()),
            ("PUT", "/else?b=%20")
        );
        let headers: Headers = [
            ("content-type", "application/json"),
            ("x-a", "7"),
            ("content-length", "19"),
            ("x-a", "8"),
            ("x-new", ""),
        ]
        .into_iter()
        .collect();
        assert_eq!(after.headers, headers);
        assert!(Edit::default().is_empty() && !edit.is_empty());
    }

    #[test]
    fn a_form_is_set_by_field() {
        let before = request("application/x-www-form-urlencoded", b"a=1&b=2&a=3");
        let after = sets(&[".b=x y", ".a=4"]).apply(&before).unwrap();
        assert_eq!(&after.request.body[..], b"a=1&b=x+y&a=4");
        assert_eq!(
            after.warnings,
            ["The form has 2 fields called a; the last one was set."]
        );
        let failure = sets(&[".a.b=1"]).apply(&before).unwrap_err();
        assert!(failure.why.contains("a form"), "{failure}");
    }

    #[test]
    fn says_why_a_value_cannot_be_set() {
        let mut packed = request("application/json", b"\x1f\x8b\x08");
        packed.headers.push("content-encoding", "gzip");
        for (before, assignment, why) in [
            (packed.clone(), ".a=1", "compressed: gzip"),
            (
                request("text/plain", b"hello"),
                ".a=1",
                "neither JSON nor a form but text",
            ),
            (
                request("application/json", b"{\"a\":\n}"),
                ".a=1",
                "line 2, column 1",
            ),
            (request("application/json", b""), ".a=1", "is empty"),
            (
                request("application/json", b"{\"a\":\"b\"}"),
                ".a.b=1",
                "a text",
            ),
            (
                request("application/json", b"{\"a\":[1]}"),
                ".a[3]=1",
                "has one item",
            ),
        ] {
            let failure = sets(&[assignment]).apply(&before).unwrap_err();
            assert!(failure.why.contains(why), "{assignment}: {failure}");
        }
        // A whole body may replace it.
        let edit = Edit {
            body: Some(BodyBytes(b"{}"[..].into())),
            ..Edit::default()
        };
        let after = edit.apply(&packed).unwrap();
        assert_eq!(&after.request.body[..], b"{}");
        assert!(
            after.warnings[0].contains("says gzip"),
            "{:?}",
            after.warnings
        );
    }

    #[test]
    fn json_that_no_longer_parses_is_warned_about_and_not_refused() {
        let body = |text: &'static str| Edit {
            body: Some(BodyBytes(text.into())),
            ..Edit::default()
        };
        let before = request("application/json", b"{\"a\":1}");
        let after = body("{\"a\":1\n \"b\":2}").apply(&before).unwrap();
        assert_eq!(
            after.warnings,
            ["The body is not valid JSON any more: line 2, column 2: a comma or } is expected."]
        );
        let text = request("text/plain", b"{\"a\":1}");
        assert_eq!(body("{").apply(&text).unwrap().warnings.len(), 1);
        let plain = request("text/plain", b"hello");
        assert_eq!(body("{").apply(&plain).unwrap().warnings, [""; 0]);
        assert_eq!(
            Edit::default().apply(&before).unwrap().request.body,
            before.body
        );
    }

    #[test]
    fn a_header_that_is_not_sent_on_is_told_of() {
        let warnings = |headers: &[&str]| {
            let mut edit = Edit::default();
            for header in headers {
                edit.header(header).unwrap();
            }
            let request = request("application/json", b"{}");
            edit.apply(&request).unwrap().warnings
        };
        assert_eq!(
            warnings(&["TE: trailers", "Connection: x-a", "X-A: 1"]),
            ["Hop-by-hop headers are not forwarded: connection, te, x-a."]
        );
        assert!(warnings(&["X-A: 1"]).is_empty());
    }

    #[test]
    fn what_cannot_stand_in_a_request_is_refused() {
        let before = request("text/plain", b"");
        for (method, path) in [
            (Some("PO ST"), None),
            (Some(""), None),
            (None, Some("hooks")),
            (None, Some("/a b")),
            (None, Some("/a\r\nx: y")),
        ] {
            let edit = Edit {
                method: method.map(Into::into),
                path: path.map(Into::into),
                ..Edit::default()
            };
            assert!(edit.apply(&before).is_err(), "{method:?} {path:?}");
        }
        for header in ["no colon", "a b: c", ": c", "a: b\r\nc: d"] {
            assert!(Edit::default().header(header).is_err(), "{header:?}");
        }
    }

    /// A new value contains no control characters except tabs, wherever it
    /// comes from; a received value may be sent unchanged.
    #[test]
    fn a_header_s_new_value_with_a_control_character_is_refused() {
        for byte in (0..=255u8).filter(|b| !b.is_ascii_whitespace() || *b == b'\t') {
            let value = [b'a', byte, b'b'];
            let refused = byte.is_ascii_control() && byte != b'\t';
            let before = request("text/plain", b"");
            let mut received = before.clone();
            received.headers.push("x-new", value);
            let set = Edit {
                headers: [("x-new", value)].into_iter().collect(),
                ..Edit::default()
            };
            let whole = Edit {
                whole: Some(received.clone()),
                ..Edit::default()
            };
            assert_eq!(set.apply(&before).is_err(), refused, "{byte}");
            assert_eq!(whole.apply(&before).is_err(), refused, "{byte}");
            assert!(whole.apply(&received).is_ok(), "{byte}");
            if byte.is_ascii() {
                let typed = format!("X-New: a{}b", char::from(byte));
                let failed = Edit::default().header(&typed).is_err();
                assert_eq!(failed, refused, "{byte}");
            }
        }
        for typed in [
            "X-New: a\r\nX-B: 1",
            "X-New: a\nb",
            "X-New: a\r",
            "X-New: \x0c",
        ] {
            assert!(Edit::default().header(typed).is_err(), "{typed:?}");
        }
    }

    #[test]
    fn travels_as_json() {
        let mut edit = sets(&[".a[0][]=1"]);
        edit.body = Some(BodyBytes(b"\xff\x00"[..].into()));
        edit.whole = Some(request("text/plain", b"\xff"));
        edit.header("X-A: \u{e9}").unwrap();
        let text = serde_json::to_string(&edit).unwrap();
        assert_eq!(serde_json::from_str::<Edit>(&text).unwrap(), edit);
    }
}
