//! Properties of signing and verifying, for every provider that signs.

use std::ops::Range;

use creel::domain::headers::Headers;
use creel::domain::provider::template::Part;
use creel::domain::provider::{Algorithm, Catalog, KeyForm, Provider, Scheme};
use creel::domain::request::Request;
use creel::domain::secret::Secret;
use creel::domain::signature::{Keys, SigningInput, prepare, sign, sign_again, verify};
use creel::domain::timestamp::Timestamp;
use creel::domain::verification::Status;
use proptest::prelude::*;

use crate::support::creel::run;

const NOW: i64 = 1_790_000_000;
const URL: &str = "https://hooks.example.test/in?a=1";

/// Makes a secret of the form a provider hands out.
fn secret(provider: &Provider, key: &[u8]) -> Secret {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD.encode(key);
    let scheme = provider.signature.as_ref();
    let text = match scheme.map(|s| s.secret) {
        Some(KeyForm::Whsec | KeyForm::WhsecOrText) => format!("whsec_{base64}"),
        Some(KeyForm::Hex) => hex::encode(key),
        _ => base64,
    };
    let named = scheme.is_some_and(|s| s.key_id.is_some());
    Secret::new(
        "test",
        "test",
        if named { format!("key1:{text}") } else { text },
    )
}

/// Returns those that sign with a secret that both sides have.
fn signing(catalog: &Catalog) -> impl Iterator<Item = (&Provider, &Scheme)> {
    catalog
        .iter()
        .filter_map(|p| Some((p, p.signature.as_ref().filter(|s| s.shared_secret())?)))
}

/// Makes a body of the form a provider sends, with `content` in it, and says
/// which part of it is bound by the signature.
fn body(scheme: &Scheme, content: &[u8]) -> (Vec<u8>, Bound) {
    let text = hex::encode(content);
    if scheme.algorithm == Algorithm::Token {
        return (
            format!(r#"{{"value":[{{"text":"{text}"}}]}}"#).into(),
            Bound::Nothing,
        );
    }
    if scheme.pointer.is_some() {
        let item = format!(r#"{{"merchantReference":"{text}","reason":""}}"#);
        let body = format!(r#"{{"notificationItems":[{{"NotificationRequestItem":{item}}}]}}"#);
        return (body.into(), Bound::Text(text));
    }
    if scheme
        .timestamp
        .as_ref()
        .is_some_and(|s| s.pointer.is_some())
    {
        return (format!(r#"{{"text":"{text}"}}"#).into(), Bound::All);
    }
    if scheme.signed.has(&Part::Form) {
        return (format!("From=a&Text={text}").into(), Bound::All);
    }
    (content.to_vec(), Bound::All)
}

/// What of a body is bound by the signature.
enum Bound {
    All,
    Text(String),
    Nothing,
}

impl Bound {
    /// Returns the bytes that may not change.
    fn of(&self, body: &[u8]) -> Range<usize> {
        match self {
            Self::All => 0..body.len(),
            Self::Nothing => 0..0,
            Self::Text(text) => {
                let at = body.windows(text.len()).position(|w| w == text.as_bytes());
                at.unwrap()..at.unwrap() + text.len()
            }
        }
    }
}

fn signed(provider: &Provider, secret: &Secret, body: &[u8], at: i64) -> Request {
    let what = SigningInput {
        body,
        now: Timestamp::from_unix_seconds(at),
        id: "msg_2mQvPz0bU6n5q1T8aJk3wXyZ4Rt",
        event: Some("thing.happened"),
        method: "POST",
        url: Some(URL),
    };
    let made = prepare(provider, secret, &what).unwrap();
    Request {
        method: "POST".into(),
        path: "/in".into(),
        query: Some("a=1".into()),
        headers: made.headers,
        body: made.body.unwrap_or_else(|| body.to_vec()).into(),
        ..Request::default()
    }
}

fn status(provider: &Provider, secret: &Secret, request: &Request) -> Status {
    let keys = Keys {
        secrets: &[secret],
        url: Some(URL),
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
                h.name.to_owned(),
                if h.name == name {
                    change(h.value)
                } else {
                    h.value.to_owned()
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
        content in proptest::collection::vec(any::<u8>(), 1..300),
        bit in any::<proptest::sample::Index>(),
    ) {
        for (provider, scheme) in signing(&Catalog::builtin()) {
            let secret = secret(provider, &key);
            let (body, bound) = body(scheme, &content);
            let request = signed(provider, &secret, &body, NOW - 5);
            prop_assert_eq!(status(provider, &secret, &request), Status::Valid, "{}", provider.name);

            let bound = bound.of(&request.body);
            if !bound.is_empty() {
                let mut changed = request.clone();
                let mut bytes = request.body.to_vec();
                bytes[bound.start + bit.index(bound.len())] ^= 1 << bit.index(8);
                changed.body = bytes.into();
                prop_assert_ne!(status(provider, &secret, &changed), Status::Valid, "{} body", provider.name);
            }

            let mut signed_headers = vec![scheme.header.as_str()];
            signed_headers.extend(scheme.timestamp.as_ref().and_then(|s| s.header.as_deref()));
            signed_headers.extend(scheme.id.as_ref().and_then(|s| s.header.as_deref()));
            for name in signed_headers.into_iter().filter(|name| !name.is_empty()) {
                let before = request.headers.first(name).unwrap();
                let mut changed = request.clone();
                changed.headers = bit_changed(&request.headers, name, bit.index(before.len() * 8));
                let after = changed.headers.first(name).unwrap();
                // Blanks at a value's ends are no part of it, so they may come
                // and go; and some take hexadecimal in either case.
                let same = after == before || scheme.lenient && after.eq_ignore_ascii_case(before);
                if !same {
                    prop_assert_ne!(status(provider, &secret, &changed), Status::Valid, "{} {}", provider.name, name);
                }
            }
            let other = Secret::new("other", "test", format!("whsec_{}", "QUJD".repeat(8)));
            prop_assert_eq!(status(provider, &other, &request), Status::Invalid, "{}", provider.name);
        }
    }

    #[test]
    fn signed_afresh_an_old_delivery_is_valid_and_keeps_its_id(
        key in proptest::collection::vec(any::<u8>(), 24..48),
        content in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        for (provider, scheme) in signing(&Catalog::builtin()) {
            let secret = secret(provider, &key);
            let (body, _) = body(scheme, &content);
            let mut request = signed(provider, &secret, &body, NOW - 90_000);
            request.headers.push("x-else", "kept");
            let id = provider.delivery_id(&request);
            let headers = sign_again(&request, provider, &secret, Some(URL), Timestamp::from_unix_seconds(NOW));
            if scheme.pointer.is_some() {
                prop_assert!(headers.is_err(), "{}", provider.name);
                continue;
            }
            let headers = headers.unwrap();
            let names = |headers: &Headers| headers.iter().map(|h| h.name.to_owned()).collect::<Vec<_>>();
            prop_assert_eq!(names(&headers), names(&request.headers));
            request.headers = headers;
            let time_in_body = scheme.timestamp.as_ref().is_some_and(|s| s.pointer.is_some());
            let expected = if time_in_body { Status::Stale } else { Status::Valid };
            prop_assert_eq!(status(provider, &secret, &request), expected, "{}", provider.name);
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
            let names = names.into_iter().flatten().filter(|name| !name.is_empty());
            let headers = names.zip(&values).collect();
            let request = Request { headers, body: body.clone().into(), ..Request::default() };
            let secret = secret(provider, b"0123456789abcdef01234567");
            prop_assert_ne!(status(provider, &secret, &request), Status::Valid);
        }
    }
}

#[test]
fn what_only_the_provider_can_sign_is_said_to_be_so() {
    let catalog = Catalog::builtin();
    let mut seen = 0;
    for provider in catalog.iter() {
        if provider
            .signature
            .as_ref()
            .is_none_or(Scheme::shared_secret)
        {
            continue;
        }
        seen += 1;
        let what = SigningInput {
            body: b"{}",
            now: Timestamp::from_unix_seconds(NOW),
            id: "1",
            event: None,
            method: "POST",
            url: None,
        };
        let failure = sign(provider, &secret(provider, b"key"), &what).unwrap_err();
        assert!(failure.to_string().contains("private key"), "{failure}");
    }
    assert_eq!(seen, 4);
}

/// The headers, an empty line, the body: a request but for its first line.
#[test]
fn a_signature_that_stands_in_the_body_is_printed_with_it() {
    let home = tempfile::tempdir().unwrap();
    let body = br#"{"notificationItems":[{"NotificationRequestItem":{"pspReference":"79"}}]}"#;
    let who = ["--provider", "adyen-payments", "--secret", "00ff"];
    let printed = run(home.path(), &[&["sign"], &who[..]].concat(), body);
    assert_eq!(printed.code, 0, "{printed:?}");
    let request = format!("POST /in HTTP/1.1\n{}", printed.out);
    let found = run(
        home.path(),
        &[&["verify", "-"], &who[..]].concat(),
        request.as_bytes(),
    );
    assert_eq!(found.code, 0, "{found:?}");
    let changed = request.replace("\"79\"", "\"80\"");
    let found = run(
        home.path(),
        &[&["verify", "-"], &who[..]].concat(),
        changed.as_bytes(),
    );
    assert_eq!(found.code, 1, "{found:?}");
}

#[test]
fn a_body_that_is_printed_with_its_headers_is_the_one_that_is_signed() {
    let home = tempfile::tempdir().unwrap();
    let args = ["sign", "--provider", "linear", "--secret", "s"];
    let signed = run(home.path(), &args, b"{\"action\":\"create\"}");
    assert_eq!(signed.code, 0, "{signed:?}");
    let request = format!("POST / HTTP/1.1\n{}", signed.out);
    let args = ["verify", "-", "--provider", "linear", "--secret", "s"];
    let verified = run(home.path(), &args, request.as_bytes());
    assert_eq!(verified.code, 0, "{verified:?}");
}

/// Whichever signature headers of a provider a delivery has: signed afresh,
/// none of them is the old one, and each that is left is right.
#[test]
fn no_signature_header_stays_stale_where_a_delivery_is_signed_afresh() {
    let catalog = Catalog::builtin();
    let mut seen = Vec::new();
    for (provider, scheme) in signing(&catalog) {
        let secret = secret(provider, b"0123456789abcdef01234567");
        let (body, _) = body(scheme, b"{}");
        let mut names: Vec<&str> = scheme.also.iter().map(String::as_str).collect();
        names.extend(scheme.beside.iter().map(|beside| beside.header.as_str()));
        names.dedup();
        for version in ["v1", "v2", "v9"] {
            let mut old = signed(provider, &secret, &body, NOW - 90_000);
            for name in &names {
                old.headers.push(name, "stale");
                old.headers.push(name, "stale");
            }
            for beside in &scheme.beside {
                if let Some(name) = &beside.timestamp {
                    old.headers.push(name, (NOW - 90_000).to_string());
                }
                for name in beside.at.iter().filter_map(|at| at.header.as_ref()) {
                    old.headers.set(name, version);
                }
            }
            if scheme.pointer.is_some() {
                continue;
            }
            let now = Timestamp::from_unix_seconds(NOW);
            let mut new = old.clone();
            new.headers = sign_again(&old, provider, &secret, Some(URL), now).unwrap();
            for name in &names {
                let left: Vec<&[u8]> = new.headers.all(name).collect();
                assert!(!left.contains(&&b"stale"[..]), "{} {name}", provider.name);
                let Some((other, beside)) = scheme.companion_scheme(name, &new) else {
                    assert!(left.is_empty(), "{} {name} is not known", provider.name);
                    continue;
                };
                if left.is_empty() {
                    continue;
                }
                let mut alone = provider.clone();
                let other = alone.signature.insert(other);
                if let Some(name) = &beside.timestamp {
                    other.timestamp = Some(creel::domain::provider::ValueSource::header(name));
                }
                let found = status(&alone, &secret, &new);
                assert_eq!(found, Status::Valid, "{} {name} {version}", provider.name);
                seen.push(format!("{} {name}", provider.name));
            }
        }
    }
    seen.dedup();
    for expected in ["github x-hub-signature", "hubspot-v3 x-hubspot-signature"] {
        assert!(seen.iter().any(|one| one == expected), "{seen:?}");
    }
}

/// The SHA-1 signature is the one that GitHub documents for its example.
#[test]
fn github_s_second_signature_is_made_with_sha1() {
    let catalog = Catalog::builtin();
    let github = catalog.get("github").unwrap();
    let secret = Secret::new("", "test", "key");
    let request = Request {
        method: "POST".into(),
        headers: [
            ("x-hub-signature", "sha1=00"),
            ("x-hub-signature-256", "sha256=00"),
        ]
        .into_iter()
        .collect(),
        body: "The quick brown fox jumps over the lazy dog".into(),
        ..Request::default()
    };
    let now = Timestamp::from_unix_seconds(NOW);
    let headers = sign_again(&request, github, &secret, None, now).unwrap();
    assert_eq!(
        headers.text("x-hub-signature"),
        Some("sha1=de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9")
    );
    assert_eq!(
        headers.text("x-hub-signature-256"),
        Some("sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8")
    );
}

#[test]
fn an_event_s_name_with_a_control_character_is_refused() {
    let home = tempfile::tempdir().unwrap();
    for (flag, value) in [("--event", "push\r\nX-Evil: 1"), ("--id", "a\x1b[2J")] {
        let args = ["sign", "--provider", "github", "--secret", "s", flag, value];
        let ran = run(home.path(), &args, b"{}");
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
        assert!(ran.err.contains("control character"), "{}", ran.err);
    }
}
