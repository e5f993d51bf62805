//! Finds the secret that matches a signature.

use super::public::EcdsaForm;
use super::reading::Reading;
use super::{
    Keys, address, constant_time_eq, decode_key, expected, expected_digest, key, mac, public,
};
use crate::domain::provider::template::TemplateValues;
use crate::domain::provider::value_source::RequestView;
use crate::domain::provider::{Algorithm, Scheme};
use crate::domain::request::Request;
use crate::domain::secret::Secret;

/// A secret that matches a signature.
pub(super) struct MatchedSecret<'a> {
    pub(super) secret: &'a Secret,
    /// The address in the signed text, in the notation that matched.
    pub(super) url: Option<String>,
}

/// A secret that matches the signature of a delivery that names another key.
pub(super) struct KeyIdMismatch {
    pub(super) secret: String,
    /// The key id of the secret.
    pub(super) expected: String,
    /// The key id that the delivery names, if any.
    pub(super) named: Option<String>,
}

/// Tries every secret with every notation of the address. The first match
/// counts, and all others are still tried. The signatures that would match are
/// added to `right`.
pub(super) fn find<'a>(
    scheme: &Scheme,
    request: &Request,
    reading: &Reading,
    keys: Keys<'a>,
    right: &mut Vec<String>,
) -> Result<MatchedSecret<'a>, Option<KeyIdMismatch>> {
    let urls: Vec<Option<String>> = match keys.url {
        Some(url) if scheme.any_port => address::with_and_without_port(url)
            .into_iter()
            .map(Some)
            .collect(),
        url => vec![url.map(str::to_owned)],
    };
    let named = scheme
        .key_id
        .as_ref()
        .and_then(|source| match &reading.token {
            Some(token) => source.read_claim(&RequestView::of(request), &token.claims),
            None => source.read(request),
        });
    let asymmetric = scheme.asymmetric_version();
    let received_asymmetric: Vec<&[u8]> = reading.asymmetric.iter().map(Vec::as_slice).collect();
    // With one secret per header, each secret belongs to its own header.
    let paired = !scheme.also.is_empty() && keys.secrets.len() == scheme.also.len() + 1;
    let mut found = None;
    let mut mismatch = None;
    for (number, secret) in keys.secrets.iter().enumerate() {
        let (id, _) = key::parts(secret.reveal(), scheme);
        let wanted = [id, scheme.key.as_deref().map(str::as_bytes)];
        let is_other = |id: &&[u8]| {
            named
                .as_ref()
                .is_none_or(|named| !constant_time_eq(named.as_bytes(), id))
        };
        let other_key = wanted.into_iter().flatten().find(is_other);
        let received = reading.signatures.iter().enumerate();
        let received: Vec<&[u8]> = received
            .filter(|(at, _)| !paired || reading.slots.get(*at) == Some(&number))
            .map(|(_, signature)| signature.as_slice())
            .collect();
        let mut would_be = None;
        for url in &urls {
            let filling = reading.template_values(request, url.as_deref());
            let (hit, made) = compare(scheme, secret, &filling, &received);
            let hit = hit
                || asymmetric.as_ref().is_some_and(|scheme| {
                    compare(scheme, secret, &filling, &received_asymmetric).0
                });
            if let (true, Some(id)) = (hit, other_key) {
                mismatch.get_or_insert_with(|| KeyIdMismatch {
                    secret: secret.to_string(),
                    expected: String::from_utf8_lossy(id).into_owned(),
                    named: named.clone(),
                });
            }
            if hit && other_key.is_none() && found.is_none() {
                found = Some(MatchedSecret {
                    secret,
                    url: url.clone(),
                });
                would_be = made;
            } else {
                would_be = would_be.or(made);
            }
        }
        right.extend(would_be);
    }
    found.ok_or(mismatch)
}

/// Returns whether a secret can verify one of the signatures. Always true for
/// schemes with one kind of signature.
pub(super) fn can_check(scheme: &Scheme, reading: &Reading, secret: &Secret) -> bool {
    let Some(asymmetric) = &scheme.asymmetric else {
        return true;
    };
    if decode_key(secret.reveal(), asymmetric.secret).is_some() {
        !reading.asymmetric.is_empty()
    } else {
        !reading.signatures.is_empty()
    }
}

/// Returns whether a secret matches one of these signatures, for any algorithm.
pub fn matches_any(
    scheme: &Scheme,
    secret: &Secret,
    filling: &TemplateValues<'_>,
    received: &[&[u8]],
) -> bool {
    compare(scheme, secret, filling, received).0
}

/// Returns whether a secret matches one of the received signatures, and the
/// expected signature. All signatures are compared, even after a match.
fn compare(
    scheme: &Scheme,
    secret: &Secret,
    filling: &TemplateValues<'_>,
    received: &[&[u8]],
) -> (bool, Option<String>) {
    if scheme.algorithm == Algorithm::Token {
        // Compared as bytes, because a lossy conversion to text would make
        // different invalid UTF-8 equal. The expected token is the secret
        // itself, so it is not returned.
        let Some(token) = expected_digest(scheme, secret, filling) else {
            return (false, None);
        };
        let hits = received.iter().filter(|r| constant_time_eq(r, &token));
        return (hits.count() > 0, None);
    }
    if scheme.shared_secret() {
        let Some(made) = expected(scheme, secret, filling) else {
            return (false, None);
        };
        let hits = received
            .iter()
            .filter(|r| constant_time_eq(r, made.as_bytes()));
        return (hits.count() > 0, Some(made));
    }
    let (_, secret) = key::parts(secret.reveal(), scheme);
    let Some(key) = decode_key(secret, scheme.secret) else {
        return (false, None);
    };
    let text = scheme.signed.fill(filling);
    let form = match scheme.jwt {
        Some(_) => EcdsaForm::Token,
        None => EcdsaForm::Der,
    };
    let holds = |written: &&[u8]| {
        mac::decode(scheme.encoding, written).is_some_and(|signature| {
            public::verifies(scheme.algorithm, form, &key, &text, &signature)
        })
    };
    (received.iter().any(holds), None)
}
