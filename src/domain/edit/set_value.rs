//! Sets a value at the place from which a provider reads it: a header, the
//! body, the query.

use super::json;
use super::path::Path;
use super::{coding, form};
use crate::domain::provider::ValueSource;
use crate::domain::request::Request;

/// Sets the value of `source` in a request and leaves everything else
/// unchanged. In JSON, a number stays a number if the text is one.
///
/// Returns `None` if the value cannot be set: the body is compressed or has
/// another structure, or the value is inside a token.
#[must_use]
pub fn put(request: &Request, source: &ValueSource, value: &str) -> Option<Request> {
    let mut request = request.clone();
    if let Some(header) = &source.header {
        request.headers.set(header, value);
        return Some(request);
    }
    if let Some(name) = &source.query {
        let query = request.query.unwrap_or_default();
        let set = form::set(query.as_bytes(), name, value);
        request.query = Some(String::from_utf8(set.body).ok()?);
        return Some(request);
    }
    if coding(&request).is_some() {
        return None;
    }
    if let Some(name) = &source.form {
        request.body = form::set(&request.body, name, value).body.into();
        return Some(request);
    }
    let path = Path::of_pointer(source.pointer.as_deref()?);
    let place = json::set(&request.body, &path, b"").ok()?.place;
    let was_text = request.body.get(place.clone())?.first() == Some(&b'"');
    let put = if was_text {
        json::string(value)
    } else {
        json::value(value)
    };
    request.body = json::Splice { place, put }.apply(&request.body).into();
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(place: &str, value: &str) -> Option<Request> {
        let request = Request {
            headers: [("x-id", "1")].into_iter().collect(),
            query: Some("a=1&id=2".into()),
            body: (&b"{\"id\": \"3\", \"n\":{\"v\":7}}"[..]).into(),
            ..Request::default()
        };
        let source: ValueSource = toml::from_str(place).unwrap();
        let after = put(&request, &source, value)?;
        assert_eq!(source.read(&after).as_deref(), Some(value));
        Some(after)
    }

    #[test]
    fn puts_it_in_every_kind_of_place() {
        assert_eq!(
            at("header = 'X-Id'", "9").unwrap().headers.text("x-id"),
            Some("9")
        );
        assert_eq!(
            at("query = 'id'", "9 9").unwrap().query.unwrap(),
            "a=1&id=9+9"
        );
        let body = |place: &str| at(place, "9").unwrap().body;
        assert_eq!(
            &body("pointer = '/id'")[..],
            b"{\"id\": \"9\", \"n\":{\"v\":7}}"
        );
        assert_eq!(
            &body("pointer = '/n/v'")[..],
            b"{\"id\": \"3\", \"n\":{\"v\":9}}"
        );
        assert_eq!(at("pointer = '/id/x'", "9"), None);
    }
}
