//! Hop-by-hop header fields, which are not forwarded.

use super::headers::{Header, Headers};

/// The fields that RFC 9110 section 7.6.1 limits to one connection, those
/// between a client and its proxy (section 11.7), and the announcement of
/// trailers, which are not forwarded.
const HOP_BY_HOP_FIELDS: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Removes the hop-by-hop fields: `connection`, the fields that it lists, and
/// those of RFC 9110 section 7.6.1.
pub fn remove(headers: &mut Headers) {
    let named = named(headers);
    headers.retain(|header| !is_hop(header, &named));
}

/// Returns the fields that [`remove`] would remove.
pub fn removed(headers: &Headers) -> impl Iterator<Item = Header<'_>> {
    let named = named(headers);
    headers.iter().filter(move |header| is_hop(*header, &named))
}

fn is_hop(header: Header<'_>, named: &[String]) -> bool {
    HOP_BY_HOP_FIELDS.contains(&header.name) || named.iter().any(|name| name == header.name)
}

/// Returns the field names that `connection` lists.
fn named(headers: &Headers) -> Vec<String> {
    headers
        .all("connection")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(|name| String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase())
        .collect()
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
            ("proxy-status", "end to end, RFC 9209"),
        ]
        .into_iter()
        .collect();
        assert_eq!(removed(&headers).count(), 11);
        remove(&mut headers);
        let kept: Vec<_> = headers.iter().map(|h| h.name).collect();
        assert_eq!(kept, ["x-first", "x-last", "x-first", "proxy-status"]);
    }
}
