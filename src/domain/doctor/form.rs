//! Bodies of forms, decoded or encoded again on the way.

use super::case::Case;
use super::hypothesis::{Variation, Variations};
use super::percent::{decode, encode};

/// Bodies larger than this are not tried; 1 MiB.
const MAX_BODY_BYTES: usize = 1 << 20;

const ADVICE: &str = "Sign and check the bytes of the form as they are sent, not the fields put together again. In Express, take express.raw({type: '*/*'}) for this route.";

/// Tries a form's body decoded, and encoded in other ways.
pub(super) fn recoded<'a>(case: &Case<'a>) -> Variations<'a> {
    let body = case.body();
    let declared = case
        .subject
        .request
        .content_type()
        .is_some_and(|t| t.to_ascii_lowercase().contains("form-urlencoded"));
    if !declared && !looks_like_form(body) {
        return Err("the body is no form");
    }
    if body.len() > MAX_BODY_BYTES {
        return Err("the form is too large");
    }
    let mut variations = Vec::new();
    let mut add = |bytes: Vec<u8>, how: &str| {
        variations.push(Variation::body(
            bytes,
            format!("The form was written anew on the way; it was signed {how}."),
            ADVICE,
        ));
    };
    add(decode(body, true), "decoded");
    add(decode(body, false), "decoded, with its + kept");
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
    // Nested: a document in one field, as payload=%7B…
    if let [only] = pairs[..]
        && let Some(at) = only.iter().position(|b| *b == b'=')
    {
        add(
            decode(&only[at + 1..], true),
            "as the text of its one field",
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
