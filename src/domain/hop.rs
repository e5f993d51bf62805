//! Header fields that are meant for one connection and go no further.

use super::headers::Headers;

/// The fields that RFC 9110 section 7.6.1 keeps to one connection; every
/// `proxy-*` field besides.
const NAMES: [&str; 6] = [
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Removes the fields that concern one connection only: `connection` and all
/// it names, and those of RFC 9110 section 7.6.1.
pub fn remove(headers: &mut Headers) {
    let named: Vec<String> = headers
        .all("connection")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(|name| String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase())
        .collect();
    headers.retain(|header| {
        !NAMES.contains(&header.name.as_str())
            && !header.name.starts_with("proxy-")
            && !named.contains(&header.name)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_what_concerns_one_connection_and_keeps_the_rest_in_order() {
        let mut headers: Headers = [
            ("x-first", "1"),
            ("connection", "X-Named , close"),
            ("keep-alive", "timeout=5"),
            ("x-named", "gone"),
            ("Connection", "x-second-named"),
            ("x-second-named", "gone"),
            ("proxy-authorization", "gone"),
            ("proxy-connection", "gone"),
            ("te", "trailers"),
            ("trailer", "x-sum"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x-last", "2"),
            ("x-first", "3"),
        ]
        .into_iter()
        .collect();
        remove(&mut headers);
        let kept: Vec<_> = headers.iter().map(|h| h.name.as_str()).collect();
        assert_eq!(kept, ["x-first", "x-last", "x-first"]);
    }
}
