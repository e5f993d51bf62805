//! Hypotheses about the algorithm that made the digest.

use super::case::Case;
use super::hypothesis::{Variation, Variations};
use super::mac::{Hash, Method};

/// Tries an HMAC with every other hash function.
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
                format!("Signed with {made}; the scheme uses {right}."),
                format!("Sign with {right}: createHmac('sha256', …) names the hash in Node, hashlib.sha256 in Python."),
            )
        })
        .collect())
}

/// Tries a plain hash instead of an HMAC.
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
                format!("The signature is not an HMAC but {}.", method.describe().trim_end_matches(',')),
                format!("Sign with {right}: use createHmac instead of createHash in Node, hmac.new instead of hashlib in Python."),
            )
        })
        .collect())
}

/// Tries the key and the text in swapped roles.
#[expect(clippy::unnecessary_wraps, reason = "one of many of this shape")]
pub(super) fn swapped<'a>(_: &Case<'a>) -> Variations<'a> {
    Ok(Hash::ALL
        .into_iter()
        .map(|hash| {
            Variation::method(
                Method::Swapped(hash),
                "Key and text were swapped: the key was signed with the text.",
                "Swap the two arguments where you sign: hash_hmac('sha256', $body, $secret) in PHP.",
            )
        })
        .collect())
}
