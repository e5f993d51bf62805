//! Texts that a template derives from a request: sorted, named or escaped.

use serde_json::Value;

use super::template::TemplateValues;
use crate::domain::request::Request;

/// Percent-encodes path and query once more.
pub(super) fn escaped_target(request: &Request) -> String {
    let target = match &request.query {
        Some(query) => format!("{}?{}", request.path, percent_encoded(query, b"")),
        None => request.path.clone(),
    };
    percent_encoded(&target, b";,/?:@&=+$#")
}

/// Percent-encodes all bytes except letters, digits, `-_.!~*'()` and those in
/// `plain`.
fn percent_encoded(text: &str, plain: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) || plain.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Formats the headers that the delivery names, in lower case and sorted.
pub(super) fn named_headers(filling: &TemplateValues<'_>) -> Vec<u8> {
    let (Some(list), Some(request)) = (filling.headers, filling.request) else {
        return Vec::new();
    };
    let mut names: Vec<String> = request
        .headers
        .text(&list.named_by)
        .unwrap_or_default()
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect();
    names.sort();
    let line = |name: &String| {
        let value = request.headers.first(name).unwrap_or_default();
        [name.as_bytes(), b":", value].concat()
    };
    names
        .iter()
        .map(line)
        .collect::<Vec<_>>()
        .join(list.join.as_bytes())
}

/// Returns whether the media type of a request is that of a form.
pub(crate) fn is_form(request: &Request) -> bool {
    request.content_type().is_some_and(|kind| {
        kind.trim_start()
            .to_ascii_lowercase()
            .starts_with("application/x-www-form-urlencoded")
    })
}

/// Formats the fields of a form, sorted; returns nothing if the body is not a
/// form.
pub(super) fn sorted_form(filling: &TemplateValues<'_>) -> Vec<u8> {
    if !filling.request.is_some_and(is_form) {
        return Vec::new();
    }
    let mut fields: Vec<_> = url::form_urlencoded::parse(filling.body).collect();
    fields.sort();
    fields.dedup();
    let mut text = String::new();
    for (name, value) in fields {
        text.push_str(&name);
        text.push_str(&value);
    }
    text.into_bytes()
}

/// Formats the named strings that are present: one line for the name, one for
/// the value.
pub(super) fn lines(names: &[String], json: Option<&Value>) -> String {
    let line = |name: &String| {
        let value = json?.get(name)?.as_str()?;
        Some(format!("{name}\n{value}\n"))
    };
    names.iter().filter_map(line).collect()
}
