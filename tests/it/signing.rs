//! Properties of signing and verifying, for every provider that signs.

use creel::domain::headers::Headers;
use creel::domain::provider::{Catalog, KeyForm, Provider};
use creel::domain::request::Request;
use creel::domain::secret::Secret;
use creel::domain::signature::{Keys, Signed, resign, sign, verify};
use creel::domain::timestamp::Timestamp;
use creel::domain::verification::Status;
use proptest::prelude::*;

const NOW: i64 = 1_790_000_000;

/// Makes a secret of the form a provider hands out.
fn secret(provider: &Provider, key: &[u8]) -> Secret {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD.encode(key);
    let text = match provider.signature.as_ref().map(|s| s.secret) {
        Some(KeyForm::Whsec) => format!("whsec_{base64}"),
        Some(KeyForm::Hex) => hex::encode(key),
        _ => base64,
    };
    Secret::new("test", "test", text)
}

fn signed(provider: &Provider, secret: &Secret, body: &[u8], at: i64) -> Request {
    let what = Signed {
        body,
        now: Timestamp::from_unix_seconds(at),
        id: "msg_2mQvPz0bU6n5q1T8aJk3wXyZ4Rt",
        event: Some("thing.happened"),
        method: "POST",
        url: Some("https://hooks.example.test/in"),
    };
    let headers = sign(provider, secret, &what).unwrap();
    Request {
        method: "POST".into(),
        path: "/in".into(),
        headers,
        body: body.to_vec().into(),
        ..Request::default()
    }
}

fn status(provider: &Provider, secret: &Secret, request: &Request) -> Status {
    let keys = Keys {
        secrets: &[secret],
        url: Some("https://hooks.example.test/in"),
    };
    verify(request, provider, keys, Timestamp::from_unix_seconds(NOW)).status
}

/// Returns the headers with one bit of one value changed.
fn bit_changed(headers: &Headers, name: &str, bit: usize) -> Headers {
    let change = |value: &[u8]| {
        let mut value = value.to_vec();
        let at = bit / 8 % value.len();
        value[at] ^= 1 << (bit % 8);
        value
    };
    headers
        .iter()
        .map(|h| {
            (
                h.name.clone(),
                if h.name == name {
                    change(&h.value)
                } else {
                    h.value.clone()
                },
            )
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_signed_is_valid_and_any_changed_bit_is_not(
        key in proptest::collection::vec(any::<u8>(), 24..48),
        body in proptest::collection::vec(any::<u8>(), 1..300),
        bit in any::<proptest::sample::Index>(),
    ) {
        for provider in Catalog::builtin().iter() {
            let Some(scheme) = &provider.signature else { continue };
            let secret = secret(provider, &key);
            let request = signed(provider, &secret, &body, NOW - 5);
            prop_assert_eq!(status(provider, &secret, &request), Status::Valid, "{}", provider.name);

            let mut changed = request.clone();
            let mut bytes = body.clone();
            bytes[bit.index(body.len())] ^= 1 << bit.index(8);
            changed.body = bytes.into();
            prop_assert_eq!(status(provider, &secret, &changed), Status::Invalid, "{} body", provider.name);

            let mut signed_headers = vec![scheme.header.as_str()];
            signed_headers.extend(scheme.timestamp.as_ref().and_then(|s| s.header.as_deref()));
            signed_headers.extend(scheme.id.as_ref().and_then(|s| s.header.as_deref()));
            for name in signed_headers {
                let bits = request.headers.first(name).unwrap().len() * 8;
                let mut changed = request.clone();
                changed.headers = bit_changed(&request.headers, name, bit.index(bits));
                let found = status(provider, &secret, &changed);
                // Blanks at a value's ends are no part of it, so they may come and go.
                if changed.headers != request.headers {
                    prop_assert_ne!(found, Status::Valid, "{} {}", provider.name, name);
                }
            }
            let other = Secret::new("other", "test", format!("whsec_{}", "QUJD".repeat(8)));
            prop_assert_eq!(status(provider, &other, &request), Status::Invalid);
        }
    }

    #[test]
    fn signed_afresh_an_old_delivery_is_valid_and_keeps_its_id(
        key in proptest::collection::vec(any::<u8>(), 24..48),
        body in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        for provider in Catalog::builtin().iter() {
            let secret = secret(provider, &key);
            let mut request = signed(provider, &secret, &body, NOW - 90_000);
            request.headers.push("x-else", "kept");
            let id = provider.delivery_id(&request);
            let url = Some("https://hooks.example.test/in");
            let headers = resign(&request, provider, &secret, url, Timestamp::from_unix_seconds(NOW)).unwrap();
            let names = |headers: &Headers| headers.iter().map(|h| h.name.clone()).collect::<Vec<_>>();
            prop_assert_eq!(names(&headers), names(&request.headers));
            request.headers = headers;
            prop_assert_eq!(status(provider, &secret, &request), Status::Valid);
            prop_assert_eq!(provider.delivery_id(&request), id);
        }
    }

    #[test]
    fn nothing_that_arrives_makes_it_panic(
        values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..90), 8),
        body in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        for provider in Catalog::builtin().iter() {
            let Some(scheme) = &provider.signature else { continue };
            let names = [
                Some(scheme.header.as_str()),
                scheme.timestamp.as_ref().and_then(|s| s.header.as_deref()),
                scheme.id.as_ref().and_then(|s| s.header.as_deref()),
            ];
            let headers = names.into_iter().flatten().zip(&values).collect();
            let request = Request { headers, body: body.clone().into(), ..Request::default() };
            let secret = secret(provider, b"0123456789abcdef01234567");
            prop_assert_ne!(status(provider, &secret, &request), Status::Valid);
        }
    }
}
