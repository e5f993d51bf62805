//! Checks and makes signatures by a provider's scheme.
//!
//! Verdicts follow what the providers' own libraries answer. Why a signature
//! does not match is left to [`super::doctor`].

mod key;
mod mac;
pub mod reading;
mod signing;

pub use self::key::decode as decode_key;
pub use self::mac::{digest, encode, same};
pub use self::reading::{Problem, Reading};
pub use self::signing::{Signed, resign, sign};
use super::provider::template::Filling;
use super::provider::{Provider, Scheme};
use super::request::Request;
use super::secret::Secret;
use super::timestamp::Timestamp;
use super::verification::{Finding, Status, Verification};

/// What a signature is checked with.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    /// The configured secrets, all of them tried.
    pub secrets: &'a [&'a Secret],
    /// The public address, for schemes that sign it.
    pub url: Option<&'a str>,
}

/// Checks a request's signature as of `now`.
///
/// Every secret is tried and every comparison takes the same time, whether or
/// not it matches.
pub fn verify(
    request: &Request,
    provider: &Provider,
    keys: Keys<'_>,
    now: Timestamp,
) -> Verification {
    let Some(scheme) = &provider.signature else {
        return Verification {
            provider: Some(provider.name.clone()),
            ..Verification::bare(Status::UnknownProvider)
        };
    };
    let mut verification = Verification {
        provider: Some(provider.name.clone()),
        scheme: Some(scheme.describe()),
        tolerance_seconds: scheme.tolerance.map(|span| span.seconds().cast_signed()),
        ..Verification::bare(Status::Malformed)
    };
    let reading = Reading::of(request, scheme);
    verification.received = reading
        .signatures
        .iter()
        .map(|s| super::text::visible_bytes(s))
        .collect();
    let signed_at = reading.signed_at(scheme);
    verification.timestamp = signed_at.map(Timestamp::unix_seconds);
    verification.age_seconds = verification
        .timestamp
        .map(|at| now.unix_seconds().saturating_sub(at));
    match &reading.problem {
        Some(Problem::NoSignature) => {
            verification.status = Status::MissingSignature;
            return verification;
        }
        Some(problem) => {
            verification.findings.push(Finding {
                code: problem.code().to_owned(),
                proved: true,
                message: problem.message(scheme),
                advice: problem.advice(scheme),
                proof: String::new(),
            });
            return verification;
        }
        None => {}
    }
    if keys.secrets.is_empty() {
        verification.status = Status::NoSecret;
        return verification;
    }
    let filling = reading.filling(request, keys.url);
    let mut matched = None;
    for secret in keys.secrets {
        let Some(expected) = expected(scheme, secret, &filling) else {
            continue;
        };
        // All signatures are compared, also after one matched.
        let hits = reading
            .signatures
            .iter()
            .filter(|received| same(received, expected.as_bytes()))
            .count();
        if hits > 0 && matched.is_none() {
            matched = Some(secret);
        }
        verification.expected.push(expected);
    }
    let Some(secret) = matched else {
        verification.status = Status::Invalid;
        return verification;
    };
    verification.secret = Some(secret.to_string());
    let fresh = match (verification.age_seconds, verification.tolerance_seconds) {
        (Some(age), Some(tolerance)) => age.unsigned_abs() <= tolerance.unsigned_abs(),
        _ => true,
    };
    verification.status = if fresh { Status::Valid } else { Status::Stale };
    verification
}

/// Returns the signature a secret gives, as it would stand in the header;
/// `None` where the secret cannot be a key of that scheme.
pub fn expected(scheme: &Scheme, secret: &Secret, filling: &Filling<'_>) -> Option<String> {
    let key = decode_key(secret.reveal(), scheme.secret)?;
    let digest = digest(scheme.algorithm, &key, scheme.signed.pieces(filling));
    Some(encode(scheme.encoding, &digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::provider::Catalog;

    fn request(headers: &[(&str, &str)], body: &'static str) -> Request {
        Request {
            method: "POST".into(),
            path: "/".into(),
            headers: headers.iter().copied().collect(),
            body: body.into(),
            ..Request::default()
        }
    }

    fn status(provider: &str, request: &Request, secrets: &[&Secret], now: i64) -> Status {
        let catalog = Catalog::builtin();
        let keys = Keys { secrets, url: None };
        verify(
            request,
            catalog.get(provider).unwrap(),
            keys,
            Timestamp::from_unix_seconds(now),
        )
        .status
    }

    /// Signs by hand, apart from the code under test's own templates.
    fn hex_mac(secret: &str, text: &str) -> String {
        hex::encode(digest(
            crate::domain::provider::Algorithm::HmacSha256,
            secret.as_bytes(),
            [text.as_bytes()].into_iter(),
        ))
    }

    #[test]
    fn stackryze_parts_are_read_by_label_and_any_right_v1_passes() {
        let secret = Secret::new("", "test", "s");
        let right = hex_mac("s", "100.{}");
        let wrong = hex_mac("x", "100.{}");
        for value in [
            format!("t=100,v1={wrong},v1={right}"),
            format!("v1={right},t=100"),
            format!("t=100,v0={wrong},v1={right}"),
            format!("t=100, v1={right}"),
        ] {
            let request = request(&[("x-stackryze-signature", &value)], "{}");
            assert_eq!(
                status("stackryze", &request, &[&secret], 99_999_999),
                Status::Valid,
                "{value}"
            );
        }
        for (value, expected) in [
            (format!("t=100,v2={right}"), Status::Malformed),
            (format!("v1={right}"), Status::Malformed),
            (format!("t=101,v1={right}"), Status::Invalid),
            (String::new(), Status::MissingSignature),
        ] {
            let request = request(&[("x-stackryze-signature", &value)], "{}");
            assert_eq!(
                status("stackryze", &request, &[&secret], 100),
                expected,
                "{value}"
            );
        }
    }

    #[test]
    fn a_doubled_header_is_a_list_only_where_the_scheme_has_one() {
        let secret = Secret::new("", "test", "s");
        let right = hex_mac("s", "{}");
        let zyra = request(
            &[("x-zyra-signature", &right), ("x-zyra-signature", &right)],
            "{}",
        );
        assert_eq!(status("zyra", &zyra, &[&secret], 0), Status::Malformed);
        let right = hex_mac("s", "100.{}");
        let (one, two) = (
            format!("t=100,v1={}", hex_mac("x", "y")),
            format!("t=100,v1={right}"),
        );
        let stackryze = request(
            &[
                ("x-stackryze-signature", &one),
                ("x-stackryze-signature", &two),
            ],
            "{}",
        );
        assert_eq!(
            status("stackryze", &stackryze, &[&secret], 100),
            Status::Valid
        );
    }

    #[test]
    fn porkbun_s_tolerance_is_inclusive_both_ways() {
        let secret = Secret::new("", "test", "s");
        let value = format!("sha256={}", hex_mac("s", "1000.{}"));
        let request = request(
            &[
                ("x-porkbun-signature", &value),
                ("x-porkbun-webhook-timestamp", "1000"),
            ],
            "{}",
        );
        for (now, expected) in [
            (1300, Status::Valid),
            (700, Status::Valid),
            (1301, Status::Stale),
            (699, Status::Stale),
        ] {
            assert_eq!(
                status("porkbun", &request, &[&secret], now),
                expected,
                "at {now}"
            );
        }
        let other = Secret::new("", "test", "other");
        assert_eq!(
            status("porkbun", &request, &[&other], 9000),
            Status::Invalid,
            "a wrong secret is told even when it is late"
        );
        assert_eq!(
            status("porkbun", &request, &[&other, &secret], 1000),
            Status::Valid
        );
        assert_eq!(status("porkbun", &request, &[], 1000), Status::NoSecret);
    }

    #[test]
    fn names_the_secret_that_matched() {
        let (old, new) = (
            Secret::new("billing", "a", "old-secret-value"),
            Secret::new("billing", "b", "new-secret-value"),
        );
        let request = request(
            &[("x-zyra-signature", &hex_mac("new-secret-value", "{}"))],
            "{}",
        );
        let catalog = Catalog::builtin();
        let keys = Keys {
            secrets: &[&old, &new],
            url: None,
        };
        let found = verify(&request, catalog.get("zyra").unwrap(), keys, Timestamp(0));
        assert_eq!(found.secret.as_deref(), Some("billing (ne…ue)"));
        assert_eq!(found.expected.len(), 2);
    }
}
