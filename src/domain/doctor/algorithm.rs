//! How the digest may have been made instead.

use super::case::Case;
use super::hypothesis::{Variation, Variations};
use super::mac::{Hash, Method};

/// Tries an HMAC with every other hash.
#[expect(clippy::unnecessary_wraps, reason = "one of many of this shape")]
pub(super) fn other_hash<'a>(case: &Case<'a>) -> Variations<'a> {
    Ok(Hash::ALL
        .into_iter()
        .map(Method::Hmac)
        .filter(|method| *method != case.method)
        .map(|method| {
            let (made, right) = (method.describe(), case.method.describe());
            Variation::method(
                method,
                format!("Signed with {made}; the scheme says {right}."),
                format!("Where you sign, take {right}: createHmac('sha256', …) names the hash in Node, hashlib.sha256 in Python."),
            )
        })
        .collect())
}

/// Tries a plain hash where an HMAC is meant.
#[expect(clippy::unnecessary_wraps, reason = "one of many of this shape")]
pub(super) fn plain_hash<'a>(case: &Case<'a>) -> Variations<'a> {
    let plain = |hash| {
        [
            Method::KeyFirst(hash),
            Method::KeyLast(hash),
            Method::NoKey(hash),
        ]
    };
    let right = case.method.describe();
    Ok(Hash::ALL
        .into_iter()
        .flat_map(plain)
        .map(|method| {
            Variation::method(
                method,
                format!("Not an HMAC but {} came.", method.describe().trim_end_matches(',')),
                format!("Where you sign, take {right}: createHmac in the place of createHash in Node, hmac.new in the place of hashlib in Python."),
            )
        })
        .collect())
}

/// Tries key and text in each other's place.
#[expect(clippy::unnecessary_wraps, reason = "one of many of this shape")]
pub(super) fn swapped<'a>(_: &Case<'a>) -> Variations<'a> {
    Ok(Hash::ALL
        .into_iter()
        .map(|hash| {
            Variation::method(
                Method::Swapped(hash),
                "The key was signed with the text, not the text with the key.",
                "Where you sign, swap the two arguments: hash_hmac('sha256', $body, $secret) in PHP.",
            )
        })
        .collect())
}
