//! Verifies and makes signatures according to a provider's scheme.
//!
//! The results agree with those of the providers' own libraries.
//! [`super::doctor`] explains why a signature does not match.

mod address;
mod boundaries;
pub(crate) mod coverage;
mod items;
mod key;
mod mac;
mod matching;
mod overlap;
mod problem;
mod public;
pub mod reading;
mod requirement;
mod signing;
mod signing_context;
pub mod token;

use self::coverage::Coverage;
pub use self::key::decode as decode_key;
pub use self::mac::{constant_time_eq, digest, encode};
pub use self::matching::matches_any;
pub use self::overlap::{SchemeOverlap, overlapping_schemes};
pub use self::problem::Problem;
pub use self::reading::Reading;
pub use self::signing::{SignedDelivery, SigningInput, prepare, sign, sign_again, why_unsignable};
use super::provider::template::TemplateValues;
use super::provider::{Algorithm, Provider, Scheme, UnmetStatus, ValueSource};
use super::request::Request;
use super::secret::Secret;
use super::timestamp::Timestamp;
use super::verification::{Finding, Status, Verification};

/// The configuration that a signature is verified with.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    /// The configured secrets; all of them are tried.
    pub secrets: &'a [&'a Secret],
    /// The public address, for schemes that sign it.
    pub url: Option<&'a str>,
}

/// Verifies a request's signature as of `now`.
///
/// Every secret is tried, and every comparison takes the same time whether or
/// not it matches.
pub fn verify(
    request: &Request,
    provider: &Provider,
    keys: Keys<'_>,
    now: Timestamp,
) -> Verification {
    verify_and_match(request, provider, keys, now).0
}

/// Verifies a signature like [`verify`] and returns the secret that matched.
pub fn verify_and_match<'a>(
    request: &Request,
    provider: &Provider,
    keys: Keys<'a>,
    now: Timestamp,
) -> (Verification, Option<&'a Secret>) {
    let mut matched = None;
    let verification = check(request, provider, keys, now, &mut matched);
    (verification, matched)
}

fn check<'a>(
    request: &Request,
    provider: &Provider,
    keys: Keys<'a>,
    now: Timestamp,
    matched: &mut Option<&'a Secret>,
) -> Verification {
    let Some(scheme) = &provider.signature else {
        return Verification {
            provider: Some(provider.name.clone()),
            ..Verification::new(Status::UnknownProvider)
        };
    };
    let scheme = scheme.for_request(request);
    let scheme = scheme.as_ref();
    let mut verification = Verification {
        provider: Some(provider.name.clone()),
        scheme: Some(scheme.describe()),
        tolerance_seconds: scheme.tolerance.map(|span| span.seconds().cast_signed()),
        ahead: scheme.ahead,
        ..Verification::new(Status::Malformed)
    };
    let reading = Reading::of(request, scheme);
    verification.received = reading
        .all_signatures()
        .map(|signature| shown(scheme, signature))
        .collect();
    let signed_at = reading.signed_at(scheme);
    verification.timestamp = signed_at.map(Timestamp::unix_seconds);
    verification.age_seconds = verification
        .timestamp
        .map(|at| now.unix_seconds().saturating_sub(at));
    if let Some(problem) = &reading.problem {
        verification.status = problem.status();
        if *problem != Problem::NoSignature {
            verification.findings.push(problem.finding(scheme));
        }
        return verification;
    }
    let filling = reading.template_values(request, keys.url);
    if let Some((status, finding)) =
        requirement::unmet(UnmetStatus::Malformed, scheme, request, &reading, &filling)
    {
        verification.status = status;
        verification.findings.push(finding);
        return verification;
    }
    if !keys
        .secrets
        .iter()
        .any(|s| matching::can_check(scheme, &reading, s))
    {
        verification.status = Status::NoSecret;
        return verification;
    }
    let found = match matching::find(scheme, request, &reading, keys, &mut verification.expected) {
        Ok(found) => found,
        Err(mismatch) => {
            verification.status = Status::Invalid;
            let finding = mismatch.map(|other| other_key(scheme, &other));
            verification.findings.extend(finding);
            return verification;
        }
    };
    verification.secret = Some(found.secret.to_string());
    *matched = Some(found.secret);
    if let Some(problem) = &reading.deferred_problem {
        verification.status = problem.status();
        verification.findings.push(problem.finding(scheme));
        return verification;
    }
    if scheme.library_refuses_blanks && Reading::has_blank_before_part(request, scheme) {
        verification.findings.push(blank_refused(provider, scheme));
    }
    if scheme.library_reads_text && std::str::from_utf8(&request.body).is_err() {
        verification.findings.push(text_expected(provider));
    }
    let filling = reading.template_values(request, found.url.as_deref());
    let unmet = requirement::unmet(UnmetStatus::Invalid, scheme, request, &reading, &filling);
    verification.status = match unmet {
        Some((status, finding)) => {
            verification.findings.push(finding);
            status
        }
        None if is_fresh(scheme, &reading, verification.age_seconds, now) => Status::Valid,
        None => Status::Stale,
    };
    if matches!(verification.status, Status::Valid | Status::Stale) {
        items::check(scheme, request, keys, &mut verification);
    }
    if matches!(verification.status, Status::Valid | Status::Stale) {
        let coverage = Coverage {
            provider,
            scheme,
            request,
            reading: &reading,
            filling: &filling,
        };
        coverage.add_to(&mut verification);
    }
    verification
}

/// Formats a received signature for display. A plain token is the secret
/// itself, so only its fingerprint is shown.
fn shown(scheme: &Scheme, signature: &[u8]) -> String {
    if scheme.algorithm == Algorithm::Token {
        Secret::new("", "received", signature).fingerprint()
    } else {
        super::text::visible_bytes(signature)
    }
}

/// Creates the finding for a correct signature in a header that the provider's
/// own library does not accept.
fn blank_refused(provider: &Provider, scheme: &Scheme) -> Finding {
    proved_finding(
        "library_refuses_blank",
        format!(
            "{} has a space between its parts. The signature is correct, but the official library of {} rejects the header, so an app that uses it responds with 400.",
            scheme.header, provider.title
        ),
        "Write the parts without spaces where you sign, and look for a proxy that rewrites the header.",
    )
}

/// Creates the finding for a correct signature over a body that the provider's
/// own library does not read.
fn text_expected(provider: &Provider) -> Finding {
    proved_finding(
        "library_reads_text",
        format!(
            "The body is not UTF-8. The signature is correct over its bytes, but {}'s official library or sample reads the body as text: an app that uses it may reject the delivery.",
            provider.title
        ),
        "Verify the raw bytes, before anything decodes them.",
    )
}

/// Creates the finding for a correct signature on a delivery that names another
/// key than the secret's.
fn other_key(scheme: &Scheme, other: &matching::KeyIdMismatch) -> Finding {
    let visible = super::text::visible;
    let place = scheme
        .key_id
        .as_ref()
        .map(ValueSource::name)
        .unwrap_or_default();
    let named = match &other.named {
        Some(named) => format!("{place} names the key {}", visible(named)),
        None => format!("{place} names no key"),
    };
    proved_finding(
        "other_key",
        format!(
            "The signature is correct with {}, but {named}, and the secret is for the key {}.",
            other.secret,
            visible(&other.expected)
        ),
        "Configure the secret as KEY:SECRET with the key that the delivery names, or without a key to accept any.",
    )
}

/// Returns the first secret that can sign a provider's deliveries; the first of
/// all if none can.
///
/// # Panics
/// Panics if there are no secrets.
pub fn select_signing_secret(provider: &Provider, secrets: Vec<Secret>) -> Secret {
    let signs = |secret: &Secret| can_sign(provider, secret);
    let at = secrets.iter().position(signs).unwrap_or(0);
    let mut secrets = secrets.into_iter();
    secrets.nth(at).expect("a secret splits into one at least")
}

/// Returns whether a secret is a valid key of a provider's scheme.
pub fn can_sign(provider: &Provider, secret: &Secret) -> bool {
    provider.signature.as_ref().is_some_and(|scheme| {
        let (_, key) = key::parts(secret.reveal(), scheme);
        decode_key(key, scheme.secret).is_some()
    })
}

/// Returns whether a request with a correct signature would be within the
/// tolerance if it arrived at `now`.
pub fn freshness(request: &Request, provider: &Provider, now: Timestamp) -> Status {
    let Some(scheme) = &provider.signature else {
        return Status::UnknownProvider;
    };
    let scheme = scheme.for_request(request);
    let scheme = scheme.as_ref();
    if scheme.tolerance.is_none() && scheme.jwt.is_none() {
        return Status::Valid;
    }
    let reading = Reading::of(request, scheme);
    let signed_at = reading.signed_at(scheme);
    let age = signed_at.map(|at| now.unix_seconds().saturating_sub(at.unix_seconds()));
    if is_fresh(scheme, &reading, age, now) {
        Status::Valid
    } else {
        Status::Stale
    }
}

/// Creates a finding whose proof is visible in the bytes.
fn proved_finding(code: &str, message: String, advice: &str) -> Finding {
    finding(code, true, message, advice)
}

/// Creates the finding for an invalid signature without a known cause.
pub(super) fn unexplained() -> Finding {
    finding(
        "unexplained",
        false,
        "The signature is not valid for these bytes with the configured key.".to_owned(),
        "Compare the key with the provider's dashboard; then look for a proxy that changes the body.",
    )
}

fn finding(code: &str, proved: bool, message: String, advice: &str) -> Finding {
    Finding {
        code: code.to_owned(),
        proved,
        message,
        advice: advice.to_owned(),
        proof: String::new(),
    }
}

/// Returns whether a delivery is within the tolerance.
fn is_fresh(scheme: &Scheme, reading: &Reading, age: Option<i64>, now: Timestamp) -> bool {
    if let (Some(jwt), Some(token)) = (&scheme.jwt, &reading.token) {
        let leeway = jwt.leeway.seconds().cast_signed();
        let now = now.unix_seconds();
        let time = |claim| token.time(claim).ok().flatten();
        let expired = time("exp").is_some_and(|exp| now >= exp.saturating_add(leeway));
        let early = time("nbf").is_some_and(|nbf| nbf > now.saturating_add(leeway));
        if expired || early {
            return false;
        }
    }
    age.is_none_or(|age| is_within(scheme, age))
}

/// Returns whether a delivery's age, in seconds, is within the tolerance.
fn is_within(scheme: &Scheme, age: i64) -> bool {
    let Some(tolerance) = scheme.tolerance else {
        return true;
    };
    let tolerance = tolerance.seconds().cast_signed();
    if age < 0 {
        let ahead = scheme.ahead.seconds(tolerance);
        return ahead.is_none_or(|ahead| age.saturating_neg() <= ahead);
    }
    age < tolerance || age == tolerance && !scheme.exclusive
}

/// Returns the expected signature for a shared secret, encoded as in the
/// header; `None` if the secret is not a valid key of the scheme.
pub fn expected(scheme: &Scheme, secret: &Secret, filling: &TemplateValues<'_>) -> Option<String> {
    let digest = expected_digest(scheme, secret, filling)?;
    Some(encode(scheme.encoding, &digest))
}

/// Returns the expected signature before it is encoded.
fn expected_digest(
    scheme: &Scheme,
    secret: &Secret,
    filling: &TemplateValues<'_>,
) -> Option<Vec<u8>> {
    if !scheme.shared_secret() {
        return None;
    }
    let (_, secret) = key::parts(secret.reveal(), scheme);
    let key = decode_key(secret, scheme.secret)?;
    let filling = TemplateValues {
        secret: &key,
        ..*filling
    };
    Some(digest(
        scheme.algorithm,
        &key,
        scheme.signed.pieces(&filling),
    ))
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

    /// Computes an HMAC independently of the templates under test.
    fn hex_mac(secret: &str, text: &str) -> String {
        hex::encode(digest(
            Algorithm::HmacSha256,
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

    fn custom(signature: &str) -> Provider {
        let text = format!("name = \"acme\"\ntitle = \"Acme\"\n[signature]\n{signature}");
        Provider::parse("acme.toml", &text).unwrap_or_else(|failure| panic!("{failure}"))
    }

    fn check(provider: &Provider, request: &Request, secret: &str) -> Verification {
        let secret = Secret::new("", "test", secret);
        let keys = Keys {
            secrets: &[&secret],
            url: None,
        };
        verify(request, provider, keys, Timestamp::from_unix_seconds(100))
    }

    #[test]
    fn a_plain_token_is_compared_and_never_told() {
        let provider = custom(
            "algorithm = \"token\"\nheader = \"x-token\"\nsigned = \"{secret}\"\nencoding = \"text\"",
        );
        for (value, expected) in [
            ("hunter2", Status::Valid),
            ("hunter", Status::Invalid),
            ("hunter22", Status::Invalid),
            ("", Status::MissingSignature),
        ] {
            let found = check(&provider, &request(&[("x-token", value)], "{}"), "hunter2");
            assert_eq!(found.status, expected, "{value}");
            assert!(found.expected.is_empty());
        }
    }

    /// A token signed with ES256 whose claim binds the body.
    #[test]
    fn a_token_may_be_signed_with_a_private_key() {
        use base64::Engine as _;
        use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
        use ring::rand::SystemRandom;
        use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random)
            .unwrap();
        let public = STANDARD.encode(key.public_key());
        let provider = custom(
            "algorithm = \"ecdsa-p256-sha256\"\nheader = \"x-jwt\"\nsigned = \"{token}\"\nencoding = \"base64url\"\nsecret = \"base64\"\n\
             timestamp = { claim = \"iat\" }\ntolerance = \"5m\"\n\
             jwt = { leeway = \"0s\", lifetime = \"5m\" }\n\
             require = [{ at = { claim = \"body\" }, is = \"{body|sha256}\" }]",
        );
        let token = |name: &str, issued: i64| {
            let mut claims = token::Claims::new();
            let body = digest(Algorithm::Sha256, b"", [b"{}"].into_iter());
            claims.insert("body".into(), hex::encode(body).into());
            claims.insert("iat".into(), issued.into());
            let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{name}"}}"#));
            let claims = URL_SAFE_NO_PAD.encode(serde_json::to_string(&claims).unwrap());
            let signed = format!("{header}.{claims}");
            let signature = key.sign(&random, signed.as_bytes()).unwrap();
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
        };
        let status = |token: &str, body| {
            check(&provider, &request(&[("x-jwt", token)], body), &public).status
        };
        assert_eq!(status(&token("ES256", 90), "{}"), Status::Valid);
        assert_eq!(status(&token("ES256", 90), "{ }"), Status::Invalid);
        assert_eq!(status(&token("ES256", -900), "{}"), Status::Malformed);
        assert_eq!(status(&token("ES256", 500), "{}"), Status::Stale);
        // A public key is not a shared secret, regardless of the token.
        let (signed, _) = token("HS256", 90)
            .rsplit_once('.')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let mac = digest(
            Algorithm::HmacSha256,
            key.public_key().as_ref(),
            [signed.as_bytes()].into_iter(),
        );
        let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac));
        assert_eq!(status(&forged, "{}"), Status::Invalid);
        for name in ["none", "RS256", "EdDSA"] {
            assert_eq!(status(&token(name, 90), "{}"), Status::Invalid, "{name}");
        }
    }
}
