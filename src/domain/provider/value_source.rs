//! The place of a value in a request.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::definition::Contradiction;
use crate::domain::request::Request;
use crate::domain::signature::token;

/// The place of a value in a request. Exactly one field is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValueSource {
    /// A header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// A JSON pointer into the body (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// A decoded query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// A decoded form field in the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// A claim of the JSON Web Token in the signature header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
}

/// A request from which several values are read; its JSON is parsed once.
#[derive(Debug)]
pub(crate) struct RequestView<'a> {
    request: &'a Request,
    json: OnceCell<Option<Value>>,
}

impl<'a> RequestView<'a> {
    pub(crate) const fn of(request: &'a Request) -> Self {
        Self {
            request,
            json: OnceCell::new(),
        }
    }

    /// Returns whether a key on the path to a value in the body occurs more
    /// than once, so that the value depends on the JSON parser.
    pub(crate) fn is_repeated(&self, pointer: &str) -> bool {
        self.repeated_key(&[pointer], same_key).is_some()
    }

    /// Returns the first repeated key on the paths to these values in the body,
    /// where `is_same` compares keys. In a pointer, `*` matches every item of a
    /// list. Parses the body once.
    pub(crate) fn repeated_key(
        &self,
        pointers: &[&str],
        is_same: fn(&str, &str) -> bool,
    ) -> Option<String> {
        let paths: Vec<Vec<String>> = pointers
            .iter()
            .map(|pointer| pointer.split('/').skip(1).map(unescaped).collect())
            .collect();
        let mut repeated = None;
        let walk = RepeatedKeyVisitor {
            paths: paths.iter().map(Vec::as_slice).collect(),
            is_same,
            repeated: &mut repeated,
        };
        let text = String::from_utf8_lossy(&self.request.body);
        let read = walk.deserialize(&mut serde_json::Deserializer::from_str(&text));
        repeated.filter(|_| read.is_ok())
    }

    /// Returns the body as JSON, if it is JSON.
    pub(crate) fn json(&self) -> Option<&Value> {
        self.json.get_or_init(|| json(&self.request.body)).as_ref()
    }
}

/// Unescapes a token of a JSON pointer (RFC 6901 section 4).
fn unescaped(name: &str) -> String {
    name.replace("~1", "/").replace("~0", "~")
}

/// Compares two keys exactly.
pub(crate) fn same_key(one: &str, other: &str) -> bool {
    one == other
}

/// Follows JSON pointers and records a key that occurs twice in its object.
struct RepeatedKeyVisitor<'p, 'w> {
    paths: Vec<&'p [String]>,
    is_same: fn(&str, &str) -> bool,
    repeated: &'w mut Option<String>,
}

impl<'p> RepeatedKeyVisitor<'p, '_> {
    /// Returns the rest of the paths that continue with a name.
    fn below(&self, is_next: impl Fn(&str) -> bool) -> Vec<&'p [String]> {
        let rest = |path: &&'p [String]| {
            let (first, rest) = path.split_first()?;
            is_next(first).then_some(rest)
        };
        self.paths.iter().filter_map(rest).collect()
    }
}

impl<'de> DeserializeSeed<'de> for RepeatedKeyVisitor<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.paths.iter().all(|path| path.is_empty()) {
            return IgnoredAny::deserialize(deserializer).map(|_| ());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RepeatedKeyVisitor<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let is_same = self.is_same;
        let mut seen: Vec<String> = Vec::new();
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            let paths = self.below(|name| is_same(name, &key));
            if !paths.is_empty() {
                if seen.iter().any(|earlier| is_same(earlier, &key)) {
                    self.repeated
                        .get_or_insert_with(|| key.clone().into_owned());
                } else {
                    seen.push(key.into_owned());
                }
            }
            map.next_value_seed(RepeatedKeyVisitor {
                paths,
                is_same,
                repeated: &mut *self.repeated,
            })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        for at in 0.. {
            let walk = RepeatedKeyVisitor {
                paths: self.below(|name| name == "*" || name.parse() == Ok(at)),
                is_same: self.is_same,
                repeated: &mut *self.repeated,
            };
            if list.next_element_seed(walk)?.is_none() {
                break;
            }
        }
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

impl ValueSource {
    /// Creates the source of a header value.
    pub fn header(name: &str) -> Self {
        Self {
            header: Some(name.to_ascii_lowercase()),
            ..Self::default()
        }
    }

    /// Reads the value from a request; returns `None` if it is absent or empty.
    /// [`ValueSource::read_claim`] reads claims.
    pub fn read(&self, request: &Request) -> Option<String> {
        self.read_in(&RequestView::of(request))
    }

    /// Like [`ValueSource::read`], for reading several values of one request.
    pub(crate) fn read_in(&self, view: &RequestView<'_>) -> Option<String> {
        let request = view.request;
        if let Some(header) = &self.header {
            return request
                .headers
                .text(header)
                .filter(|v| !v.is_empty())
                .map(str::to_owned);
        }
        if let Some(name) = &self.query {
            return parameter(request.query.as_deref()?.as_bytes(), name);
        }
        if let Some(name) = &self.form {
            return parameter(&request.body, name);
        }
        text(view.json()?.pointer(self.pointer.as_deref()?)?)
    }

    /// Returns whether the value occurs at most once in the request.
    pub(crate) fn is_single(&self, view: &RequestView<'_>) -> bool {
        let request = view.request;
        let count = |form: &[u8], name: &String| {
            url::form_urlencoded::parse(form)
                .filter(|(key, _)| key == name)
                .count()
        };
        let times = if let Some(header) = &self.header {
            request.headers.all(header).count()
        } else if let Some(name) = &self.query {
            count(
                request.query.as_deref().unwrap_or_default().as_bytes(),
                name,
            )
        } else if let Some(name) = &self.form {
            count(&request.body, name)
        } else {
            1
        };
        times <= 1
    }

    /// Like [`ValueSource::read`], but a JSON string keeps its quotes, so that
    /// it differs from a number.
    pub(crate) fn read_exact(&self, view: &RequestView<'_>) -> Option<String> {
        match &self.pointer {
            Some(pointer) => Some(view.json()?.pointer(pointer)?.to_string()),
            None => self.read_in(view),
        }
    }

    /// Like [`ValueSource::read`], but only a JSON string counts as a word.
    /// Other JSON values are returned in a form that equals no word.
    pub(crate) fn read_word(&self, view: &RequestView<'_>) -> Option<String> {
        match &self.pointer {
            Some(pointer) => match view.json()?.pointer(pointer)? {
                Value::String(word) => Some(word.clone()),
                other => Some(format!("{other} (no text)")),
            },
            None => self.read_in(view),
        }
    }

    /// Reads the value from a request or, if it is a claim, from a token's
    /// claims.
    pub(crate) fn read_claim(
        &self,
        view: &RequestView<'_>,
        claims: &token::Claims,
    ) -> Option<String> {
        match &self.claim {
            Some(name) => text(claims.get(name)?),
            None => self.read_in(view),
        }
    }

    /// Returns the name of the place for a message: `x-acme-id`, `/id in the
    /// body`.
    pub fn name(&self) -> String {
        let named = [
            (&self.header, ""),
            (&self.pointer, " in the body"),
            (&self.query, " in the query"),
            (&self.form, " in the form"),
            (&self.claim, " in the token"),
        ];
        named
            .iter()
            .find_map(|(name, place)| name.as_ref().map(|name| format!("{name}{place}")))
            .unwrap_or_default()
    }

    pub(crate) fn check(&self) -> Result<(), Contradiction> {
        let given = [
            &self.header,
            &self.pointer,
            &self.query,
            &self.form,
            &self.claim,
        ];
        if given.iter().filter(|place| place.is_some()).count() != 1 {
            return Err((
                "a place is one of header, pointer, query, form and claim.".to_owned(),
                "Write { header = \"x-acme-id\" } or { pointer = \"/id\" }",
            ));
        }
        if self.pointer.as_ref().is_some_and(|p| !p.starts_with('/')) {
            return Err((
                "a pointer begins with a slash.".to_owned(),
                "Write, for example, { pointer = \"/data/id\" }",
            ));
        }
        Ok(())
    }
}

impl ValueSource {
    /// Checks a place that is read before the signature is.
    pub(crate) fn check_outside_token(&self) -> Result<(), Contradiction> {
        self.check()?;
        if self.claim.is_some() {
            return Err((
                "a claim is only valid in the table [signature].".to_owned(),
                "Write { header = \"x-acme-id\" } or { pointer = \"/id\" }",
            ));
        }
        Ok(())
    }
}

/// Parses a body as JSON. Invalid UTF-8 is replaced, so that other fields can
/// still be read.
pub(crate) fn json(body: &[u8]) -> Option<Value> {
    match String::from_utf8_lossy(body) {
        Cow::Borrowed(text) => serde_json::from_str(text).ok(),
        Cow::Owned(text) => serde_json::from_str(&text).ok(),
    }
}

/// Returns a JSON string, number or boolean as text.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn parameter(form: &[u8], name: &str) -> Option<String> {
    url::form_urlencoded::parse(form)
        .find(|(key, value)| key == name && !value.is_empty())
        .map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_key_is_found_on_the_way_only() {
        let repeated = |body: &'static str, pointer: &str| {
            let request = Request {
                body: body.into(),
                ..Request::default()
            };
            RequestView::of(&request).is_repeated(pointer)
        };
        for (body, expected) in [
            (r#"{"a":{"b":1,"b":2}}"#, true),
            (r#"{"a":{"b":1},"a":{"b":2}}"#, true),
            (r#"{"a":{"b":1},"a":2}"#, true),
            (r#"{"a":{"b":1,"\u0062":2}}"#, true),
            (r#"{"a":{"b":1,"c":2,"c":3},"d":1,"d":2}"#, false),
            (r#"{"a":{"b":{"b":1,"b":2}}}"#, false),
            (
                r#"{"a":[{"b":1,"b":1}],"b":null,"c":[1,-1,1.5,true,"x"]}"#,
                false,
            ),
            (r#"{"a":{"b":1,"b":2}"#, false),
            ("", false),
        ] {
            assert_eq!(repeated(body, "/a/b"), expected, "{body}");
        }
        assert!(repeated(r#"[{"b":1},{"b":1,"b":2}]"#, "/1/b"));
        assert!(!repeated(r#"[{"b":1},{"b":1,"b":2}]"#, "/0/b"));
    }

    #[test]
    fn reads_every_kind_of_place() {
        let request = Request {
            headers: [("x-id", "1")].into_iter().collect(),
            query: Some("a=b%20c&empty=".into()),
            body: (&b"{\"n\":{\"v\":7,\"l\":[]},\"s\":\"\xff\"}"[..]).into(),
            ..Request::default()
        };
        let at = |place: &str| toml::from_str::<ValueSource>(place).unwrap().read(&request);
        assert_eq!(at("header = 'X-Id'").as_deref(), Some("1"));
        assert_eq!(at("query = 'a'").as_deref(), Some("b c"));
        assert_eq!(at("query = 'empty'"), None);
        assert_eq!(at("pointer = '/n/v'").as_deref(), Some("7"));
        assert_eq!(at("pointer = '/n/l'"), None);
        assert_eq!(at("pointer = '/s'").as_deref(), Some("\u{fffd}"));
    }
}
