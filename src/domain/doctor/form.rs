//! Hypotheses about form bodies that were decoded or re-encoded in transit.

use super::case::Case;
use super::hypothesis::{Variation, Variations};
use crate::domain::percent::{decode, encode};

/// Bodies larger than this are not tried, in bytes (1 MiB).
const MAX_BODY_BYTES: usize = 1 << 20;

const ADVICE: &str = "Sign and verify the bytes of the form as sent, not the re-encoded fields. In Express, use express.raw({type: '*/*'}) for this route.";

/// Tries a form body decoded and re-encoded in several ways.
pub(super) fn recoded<'a>(case: &Case<'a>) -> Variations<'a> {
    let body = case.body();
    let declared = case
        .subject
        .request
        .content_type()
        .is_some_and(|t| t.to_ascii_lowercase().contains("form-urlencoded"));
    if !declared && !looks_like_form(body) {
        return Err("the body is not a form");
    }
    if body.len() > MAX_BODY_BYTES {
        return Err("the form is too large");
    }
    let mut variations = Vec::new();
    let mut add = |bytes: Vec<u8>, how: &str| {
        variations.push(Variation::body(
            bytes,
            format!("The form was re-encoded in transit; it was signed {how}."),
            ADVICE,
        ));
    };
    add(decode(body, true), "decoded");
    add(decode(body, false), "decoded, with + unchanged");
    let mut pairs: Vec<&[u8]> = body.split(|b| *b == b'&').collect();
    let encoded = |pairs: &[&[u8]], space: &str, upper: bool, safe: &[u8]| {
        let part = |bytes: &[u8]| encode(&decode(bytes, true), space, upper, safe);
        pairs
            .iter()
            .map(|pair| match pair.iter().position(|b| *b == b'=') {
                Some(at) => format!("{}={}", part(&pair[..at]), part(&pair[at + 1..])),
                None => part(pair),
            })
            .collect::<Vec<_>>()
            .join("&")
            .into_bytes()
    };
    for (space, upper, safe, how) in [
        (
            "+",
            true,
            &b"-._*"[..],
            "encoded as browsers and URLSearchParams do",
        ),
        ("%20", true, b"-._~", "encoded as RFC 3986 says"),
        (
            "%20",
            true,
            b"-._~!'()*",
            "encoded as encodeURIComponent does",
        ),
        ("+", true, b"-._~", "encoded as Python's urlencode does"),
        ("+", false, b"-._", "encoded with lower-case hexadecimal"),
        (
            "%20",
            false,
            b"-._~",
            "encoded with %20 and lower-case hexadecimal",
        ),
    ] {
        add(encoded(&pairs, space, upper, safe), how);
    }
    // A document nested in one field, such as `payload=%7B…`.
    if let [only] = pairs[..]
        && let Some(at) = only.iter().position(|b| *b == b'=')
    {
        add(
            decode(&only[at + 1..], true),
            "as the value of its only field",
        );
    }
    pairs.sort_unstable();
    add(pairs.join(&b'&'), "with sorted fields");
    Ok(variations)
}

fn looks_like_form(body: &[u8]) -> bool {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"%+=&-._~*!'()[]@:,$".contains(b);
    body.contains(&b'=') && body.iter().all(plain)
}
