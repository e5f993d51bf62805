//! Where the providers' own libraries answer otherwise than a lenient reader
//! would: repeated headers, other header names, mixed lists, odd tokens.
//!
//! Each request is a provider's recorded delivery (`tests/vectors`) with one
//! change. What the libraries answer was recorded from npm svix 1.99.1,
//! standardwebhooks 1.1.1, stripe, `@mux/mux-node` 12, `@sanity/webhook`,
//! jose 5 (livekit-server-sdk, `@upstash/qstash`) and sns-validator.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use creel::domain::assess::Assessor;
use creel::domain::doctor::History;
use creel::domain::endpoint::Endpoint;
use creel::domain::headers::Headers;
use creel::domain::provider::scheme::Leniency;
use creel::domain::provider::{Algorithm, Catalog, Encoding, Provider, Scheme, ValueSource};
use creel::domain::request::Request;
use creel::domain::secret::Secret;
use creel::domain::signature::{Keys, digest, verify};
use creel::domain::timestamp::Timestamp;
use creel::domain::verification::{HypothesisTrial, Status, Verification};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::Value;

use crate::conformance;
use crate::support::creel::run;

/// A provider's recorded delivery that is valid, with what it is checked with.
struct Recorded {
    provider: Provider,
    request: Request,
    secrets: Vec<Secret>,
    url: String,
    now: i64,
}

impl Recorded {
    fn of(file: &str) -> Self {
        let case = conformance::cases(file).swap_remove(0);
        Self {
            provider: Catalog::builtin().get(file).unwrap().clone(),
            request: conformance::request(&case),
            secrets: conformance::secrets(&case),
            url: case["url"].as_str().unwrap().to_owned(),
            now: case["now_unix"].as_i64().unwrap(),
        }
    }

    /// Returns the first delivery of every provider.
    fn all() -> impl Iterator<Item = Self> {
        conformance::FILES.iter().map(|(file, _)| Self::of(file))
    }

    fn scheme(&self) -> &Scheme {
        self.provider.signature.as_ref().unwrap()
    }

    fn checked(&self, request: &Request) -> Verification {
        let secrets: Vec<&Secret> = self.secrets.iter().collect();
        let keys = Keys {
            secrets: &secrets,
            url: Some(&self.url),
        };
        let now = Timestamp::from_unix_seconds(self.now);
        verify(request, &self.provider, keys, now)
    }

    fn with_headers(&self, change: impl FnOnce(&mut Headers)) -> Verification {
        let mut request = self.request.clone();
        change(&mut request.headers);
        self.checked(&request)
    }
}

/// Puts a field before all others.
fn put_first(headers: &mut Headers, name: &str, value: &str) {
    let mut all: Headers = [(name, value)].into_iter().collect();
    for header in headers.iter() {
        all.push(header.name, header.value);
    }
    *headers = all;
}

#[test]
fn a_signature_header_with_an_empty_repeat_is_malformed() {
    let mut tested = 0;
    for recorded in Recorded::all() {
        let name = &recorded.provider.name;
        assert_eq!(
            recorded.checked(&recorded.request).status,
            Status::Valid,
            "{name}"
        );
        let headers = std::iter::once(&recorded.scheme().header).chain(&recorded.scheme().also);
        for header in headers.filter(|header| recorded.request.headers.contains(header)) {
            for blank in ["", " ", "\t"] {
                let behind = recorded.with_headers(|headers| headers.push(header, blank));
                assert_eq!(behind.status, Status::Malformed, "{name} {header}");
                let before = recorded.with_headers(|headers| put_first(headers, header, blank));
                assert_eq!(before.status, Status::Malformed, "{name} {header}");
                assert!(!before.findings.is_empty(), "{name} {header}");
            }
            tested += 1;
        }
    }
    assert!(tested > 40, "{tested}");
}

#[test]
fn an_id_or_timestamp_that_comes_twice_is_malformed() {
    let mut tested = 0;
    for recorded in Recorded::all() {
        let scheme = recorded.scheme();
        let header = |source: &Option<ValueSource>| source.as_ref()?.header.clone();
        let sources = [&scheme.timestamp, &scheme.id, &scheme.key_id];
        for header in sources.into_iter().filter_map(header) {
            let value = recorded.request.headers.text(&header).unwrap().to_owned();
            for second in [value.as_str(), "", "1", "msg_2"] {
                let name = &recorded.provider.name;
                let behind = recorded.with_headers(|headers| headers.push(&header, second));
                assert_eq!(behind.status, Status::Malformed, "{name} {header} {second}");
                let before = recorded.with_headers(|headers| put_first(headers, &header, second));
                assert_eq!(before.status, Status::Malformed, "{name} {header} {second}");
            }
            tested += 1;
        }
    }
    assert!(tested > 20, "{tested}");
}

/// The npm and Python packages of Svix look for the standard's name of each header where
/// their own is absent; npm standardwebhooks knows its own names alone.
#[test]
fn senders_by_svix_may_use_the_standard_s_header_names() {
    const NAMES: [(&str, &str); 3] = [
        ("svix-id", "webhook-id"),
        ("svix-timestamp", "webhook-timestamp"),
        ("svix-signature", "webhook-signature"),
    ];
    let renamed = |recorded: &Recorded, count: usize| {
        let mut headers = Headers::new();
        for header in &recorded.request.headers {
            let pair = NAMES[..count].iter().find(|(svix, _)| *svix == header.name);
            headers.push(pair.map_or(header.name, |(_, other)| other), header.value);
        }
        headers
    };
    for file in ["stack-auth", "resend"] {
        let recorded = Recorded::of(file);
        let id = recorded.provider.delivery_id(&recorded.request);
        assert!(id.is_some());
        let mut request = recorded.request.clone();
        request.headers = renamed(&recorded, 3);
        assert_eq!(recorded.checked(&request).status, Status::Valid, "{file}");
        assert_eq!(recorded.provider.delivery_id(&request), id, "{file}");
        for count in [1, 2] {
            request.headers = renamed(&recorded, count);
            let status = recorded.checked(&request).status;
            assert_eq!(status, Status::Valid, "{file}: parts of both sets");
        }
        // The sender's own names count where both sets are there.
        request.headers = recorded.request.headers.clone();
        for header in &renamed(&recorded, 3) {
            request.headers.push(header.name, header.value);
        }
        request.headers.set("webhook-signature", "v1,AAAA");
        request.headers.set("content-type", "application/json");
        assert_eq!(recorded.checked(&request).status, Status::Valid, "{file}");
    }
    let recorded = Recorded::of("standard-webhooks");
    let mut request = recorded.request.clone();
    request.headers = Headers::new();
    for header in &recorded.request.headers {
        let pair = NAMES.iter().find(|(_, other)| *other == header.name);
        let name = pair.map_or(header.name, |(svix, _)| svix);
        request.headers.push(name, header.value);
    }
    let status = recorded.checked(&request).status;
    assert_eq!(status, Status::MissingSignature);
}

/// A delivery as Standard Webhooks and its family sign it, with a key of each kind.
struct Mixed {
    provider: Provider,
    shared: Secret,
    public: Secret,
    private: Ed25519KeyPair,
}

const ID: &str = "msg_1";
const AT: i64 = 1_790_000_000;
const BODY: &str = r#"{"type":"a.b"}"#;

/// Signs with a shared secret, by hand.
fn v1(key: &[u8]) -> String {
    let text = format!("{ID}.{AT}.{BODY}");
    let made = digest(Algorithm::HmacSha256, key, std::iter::once(text.as_bytes()));
    format!("v1,{}", STANDARD.encode(made))
}

impl Mixed {
    fn of(provider: &Provider) -> Self {
        let private = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let public = format!("whpk_{}", STANDARD.encode(private.public_key().as_ref()));
        Self {
            provider: provider.clone(),
            shared: Secret::new("", "test", format!("whsec_{}", STANDARD.encode([9; 24]))),
            public: Secret::new("", "test", public),
            private,
        }
    }

    fn v1a(&self) -> String {
        let text = format!("{ID}.{AT}.{BODY}");
        format!(
            "v1a,{}",
            STANDARD.encode(self.private.sign(text.as_bytes()))
        )
    }

    fn checked(&self, value: &str, secrets: &[&Secret]) -> Verification {
        let scheme = self.provider.signature.as_ref().unwrap();
        let header =
            |source: &Option<ValueSource>| source.as_ref().unwrap().header.clone().unwrap();
        let request = Request {
            method: "POST".into(),
            path: "/".into(),
            headers: [
                (header(&scheme.id), ID.to_owned()),
                (header(&scheme.timestamp), AT.to_string()),
                (scheme.header.clone(), value.to_owned()),
            ]
            .into_iter()
            .collect(),
            body: BODY.into(),
            ..Request::default()
        };
        let keys = Keys { secrets, url: None };
        verify(
            &request,
            &self.provider,
            keys,
            Timestamp::from_unix_seconds(AT),
        )
    }
}

#[test]
fn lists_are_joined_by_blanks_and_by_commas_with_blanks() {
    let catalog = Catalog::builtin();
    let family = |p: &&Provider| p.family.as_deref() == Some("standard-webhooks");
    for provider in catalog.iter().filter(family) {
        let mixed = Mixed::of(provider);
        let (right, wrong) = (v1(&[9; 24]), v1(&[1; 24]));
        let v1a = mixed.v1a();
        let bare = right.trim_start_matches("v1,");
        for (value, expected) in [
            (format!("{wrong} {right}"), Status::Valid),
            (format!("{wrong}, {right}"), Status::Valid),
            (format!("{right}, {wrong}"), Status::Valid),
            (format!("{wrong},  {wrong}, {right}"), Status::Valid),
            (format!("{v1a}, {right}"), Status::Valid),
            (format!("v2,AAAA, {right}"), Status::Valid),
            // As the JavaScript libraries read a comma alone: the first counts.
            (format!("{right},{wrong}"), Status::Valid),
            (format!("{right},{v1a}"), Status::Valid),
            (format!("{wrong},{right}"), Status::Invalid),
            (format!("{wrong}, {wrong}"), Status::Invalid),
            // What stands behind a comma is an entry or the value is no list.
            (format!("{right},junk"), Status::Malformed),
            (format!("{right},v1"), Status::Malformed),
            (format!("{right},"), Status::Malformed),
            (format!("v1, {bare}"), Status::Malformed),
            (format!("x,{right}"), Status::Malformed),
        ] {
            let found = mixed.checked(&value, &[&mixed.shared]);
            assert_eq!(found.status, expected, "{} {value}", provider.name);
        }
    }
}

#[test]
fn v1a_signatures_verify_with_public_keys_alone() {
    let catalog = Catalog::builtin();
    let family = |p: &&Provider| p.family.as_deref() == Some("standard-webhooks");
    let mut tested = 0;
    for provider in catalog.iter().filter(family) {
        tested += 1;
        let mixed = Mixed::of(provider);
        let (shared, public) = (&mixed.shared, &mixed.public);
        let (right, v1a, wrong) = (v1(&[9; 24]), mixed.v1a(), v1(&[1; 24]));
        let forged = format!("v1a,{}", STANDARD.encode([5; 64]));
        // Whoever knows the public key could make these.
        let raw = mixed.private.public_key().as_ref();
        let (with_text, with_key) = (v1(public.reveal()), v1(raw));
        for (value, secrets, expected) in [
            (v1a.clone(), &[public][..], Status::Valid),
            (v1a.clone(), &[shared, public], Status::Valid),
            (right.clone(), &[public, shared], Status::Valid),
            (format!("{right} {v1a}"), &[public], Status::Valid),
            (format!("{right}, {v1a}"), &[shared], Status::Valid),
            (format!("{wrong} {v1a}"), &[shared, public], Status::Valid),
            (
                format!("{forged} {right}"),
                &[shared, public],
                Status::Valid,
            ),
            (format!("{forged} {right}"), &[public], Status::Invalid),
            (format!("{wrong} {v1a}"), &[shared], Status::Invalid),
            (forged.clone(), &[public], Status::Invalid),
            (with_text.clone(), &[public, shared], Status::Invalid),
            (with_key.clone(), &[public, shared], Status::Invalid),
            (with_key.clone(), &[public], Status::NoSecret),
            (v1a.clone(), &[shared], Status::NoSecret),
            (v1a.replace("v1a,", "v1,"), &[public], Status::Malformed),
            (right.replace("v1,", "v1a,"), &[shared], Status::Malformed),
        ] {
            let found = mixed.checked(&value, secrets);
            assert_eq!(found.status, expected, "{} {value}", provider.name);
        }
        let found = mixed.checked(&v1a, &[shared, public]);
        assert_eq!(found.secret, Some(public.to_string()));
    }
    assert!(tested >= 6, "{tested}");
    // A public key is no shared secret of any provider.
    for provider in catalog.iter() {
        let scheme = provider.signature.as_ref().unwrap();
        let key = b"whpk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        assert!(creel::domain::signature::decode_key(key, scheme.secret).is_none());
    }
}

/// Makes a token with other header fields or claims than a recorded one, and
/// signs it rightly.
fn token(recorded: &Recorded, change: impl FnOnce(&mut Value, &mut Value)) -> Verification {
    let value = recorded.request.headers.text(&recorded.scheme().header);
    let parts: Vec<&str> = value.unwrap().split('.').collect();
    let decoded = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap());
    let (mut header, mut claims) = (decoded(parts[0]).unwrap(), decoded(parts[1]).unwrap());
    change(&mut header, &mut claims);
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let secret = recorded.secrets[0].reveal();
    let key = match secret.iter().position(|b| *b == b':') {
        Some(at) if recorded.scheme().key_id.is_some() => &secret[at + 1..],
        _ => secret,
    };
    let made = digest(
        Algorithm::HmacSha256,
        key,
        std::iter::once(signed.as_bytes()),
    );
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(made));
    recorded.with_headers(|headers| headers.set(&recorded.scheme().header, token))
}

#[test]
fn tokens_with_extensions_or_times_in_text_are_refused() {
    let tokens = Recorded::all().filter(|recorded| recorded.scheme().jwt.is_some());
    let mut tested = 0;
    for recorded in tokens {
        tested += 1;
        let name = &recorded.provider.name;
        assert_eq!(token(&recorded, |_, _| {}).status, Status::Valid, "{name}");
        for (field, value) in [
            ("crit", serde_json::json!(["exp"])),
            ("crit", serde_json::json!(["b64"])),
            ("crit", serde_json::json!([])),
            ("crit", serde_json::json!(null)),
            ("b64", serde_json::json!(false)),
            ("b64", serde_json::json!("true")),
        ] {
            let found = token(&recorded, |header, _| header[field] = value.clone());
            assert_eq!(found.status, Status::Malformed, "{name} {field} {value}");
            assert_eq!(found.findings[0].code, "token_extension", "{name}");
        }
        for claim in ["iat", "nbf", "exp"] {
            for value in [
                serde_json::json!(recorded.now.to_string()),
                serde_json::json!("soon"),
                serde_json::json!(true),
                serde_json::json!(null),
                serde_json::json!([recorded.now]),
            ] {
                let found = token(&recorded, |_, claims| claims[claim] = value.clone());
                assert_eq!(found.status, Status::Malformed, "{name} {claim} {value}");
            }
        }
    }
    assert_eq!(tested, 3);
}

/// npm sns-validator compares the version with the words 1 and 2.
#[test]
fn an_unusable_signature_version_of_amazon_sns_is_malformed() {
    let recorded = Recorded::of("amazon-sns");
    let body = String::from_utf8(recorded.request.body.to_vec()).unwrap();
    let version = ["\"SignatureVersion\":\"1\"", "\"SignatureVersion\": \"1\""];
    let version = version
        .into_iter()
        .find(|text| body.contains(text))
        .unwrap();
    for (change, expected) in [
        (version, Status::Valid),
        ("\"Other\":\"1\"", Status::Malformed),
        ("\"SignatureVersion\":\"3\"", Status::Malformed),
        ("\"SignatureVersion\":\"\"", Status::Malformed),
        ("\"SignatureVersion\":\"01\"", Status::Malformed),
        ("\"SignatureVersion\":\" 1\"", Status::Malformed),
        ("\"SignatureVersion\":1", Status::Malformed),
        ("\"SignatureVersion\":2", Status::Malformed),
        ("\"SignatureVersion\":1.0", Status::Malformed),
        ("\"SignatureVersion\":null", Status::Malformed),
        ("\"SignatureVersion\":true", Status::Malformed),
        ("\"SignatureVersion\":[\"1\"]", Status::Malformed),
        (
            "\"SignatureVersion\":\"1\",\"SignatureVersion\":\"1\"",
            Status::Malformed,
        ),
        (
            "\"SignatureVersion\":\"2\",\"SignatureVersion\":\"1\"",
            Status::Malformed,
        ),
        (
            "\"SignatureVersion\":\"1\",\"Signature\\u0056ersion\":\"1\"",
            Status::Malformed,
        ),
    ] {
        let mut request = recorded.request.clone();
        request.body = body.replace(version, change).into();
        let found = recorded.checked(&request);
        assert_eq!(found.status, expected, "{change}");
    }
}

/// A secret as Supabase shows it, wherever secrets are given to a command.
#[test]
fn a_secret_is_accepted_as_the_provider_shows_it() {
    let home = tempfile::tempdir().unwrap();
    let mixed = Mixed::of(Catalog::builtin().get("standard-webhooks").unwrap());
    let other = format!("whsec_{}", STANDARD.encode([1; 24]));
    let shared = String::from_utf8(mixed.shared.reveal().to_vec()).unwrap();
    let public = String::from_utf8(mixed.public.reveal().to_vec()).unwrap();
    let raw = |signature: &str| {
        format!(
            "POST / HTTP/1.1\r\nhost: a\r\nwebhook-id: {ID}\r\nwebhook-timestamp: {AT}\r\n\
             webhook-signature: {signature}\r\n\r\n{BODY}"
        )
    };
    let now = AT.to_string();
    let code = |secrets: &[&str], signature: &str| {
        let given = secrets.iter().flat_map(|secret| ["--secret", secret]);
        let args: Vec<&str> = ["verify", "--now", &now].into_iter().chain(given).collect();
        let args = [&args[..], &["-"]].concat();
        run(home.path(), &args, raw(signature).as_bytes()).code
    };
    let (right, v1a) = (v1(&[9; 24]), mixed.v1a());
    let file = home.path().join("secret");
    std::fs::write(&file, format!("v1,{other}|v1,{shared}\n")).unwrap();
    let file = format!("file:{}", file.display());
    for secret in [
        format!("v1,{shared}"),
        format!("v1,{shared}|v1,{other}"),
        format!("v1,{other} | v1,{shared}"),
        format!("{other}|{shared}"),
        format!("v1a,{public}|v1,{shared}"),
        file,
    ] {
        assert_eq!(code(&[&secret], &right), 0, "{secret}");
        let args = [
            "sign",
            "--provider",
            "svix",
            "--secret",
            &secret,
            "--id",
            ID,
        ];
        assert_eq!(run(home.path(), &args, BODY.as_bytes()).code, 0, "{secret}");
    }
    assert_eq!(code(&[&format!("v1,{other}")], &right), 1);
    assert_eq!(code(&[&format!("v1,{shared}|v1a,{public}")], &v1a), 0);
    assert_eq!(code(&[&public], &v1a), 0);
    assert_eq!(code(&[&shared], &v1a), 1);
    assert_eq!(code(&[&public], &right), 1);
}

/// Says what an assessor finds, for the delivery that somebody looks at.
fn examined(provider: &str, secret: &str, request: &Request, now: i64, url: &str) -> Verification {
    let endpoint = Endpoint {
        name: "e".into(),
        provider: Some(provider.into()),
        public_url: Some(url.into()),
        ..Endpoint::default()
    };
    let secrets = vec![Secret::new("e", "test", secret)];
    let assessor = Assessor::new(Catalog::builtin(), vec![endpoint], secrets, None);
    let now = Timestamp::from_unix_seconds(now);
    let found = assessor.assess_fully(Some("e"), request, now, History::default());
    found.verification
}

#[test]
fn a_right_signature_for_another_key_is_explained() {
    let mut tested = 0;
    for recorded in Recorded::all().filter(|r| r.scheme().key_id.is_some()) {
        tested += 1;
        let name = &recorded.provider.name;
        let secret = String::from_utf8(recorded.secrets[0].reveal().to_vec()).unwrap();
        let (_, secret) = secret.split_once(':').unwrap();
        let check = |secret: &str, request: &Request| {
            examined(name, secret, request, recorded.now, &recorded.url)
        };
        assert_eq!(check(secret, &recorded.request).status, Status::Valid);
        let found = check(&format!("another:{secret}"), &recorded.request);
        assert_eq!(found.status, Status::Invalid, "{name}");
        let codes: Vec<&str> = found.findings.iter().map(|f| f.code.as_str()).collect();
        assert_eq!(codes[0], "other_key", "{name} {codes:?}");
        assert!(!codes.contains(&"unexplained"), "{name}");
        assert!(found.findings[0].message.contains("another"), "{name}");
        assert_eq!(found.received, found.expected, "{name}");
        let found = check("another:secret", &recorded.request);
        assert!(found.findings.iter().all(|f| f.code != "other_key"));
    }
    assert_eq!(tested, 2);
}

#[test]
fn what_was_not_tried_over_a_large_body_is_not_called_tried() {
    let message = |size: usize| {
        let recorded = Recorded::of("zyra");
        let mut request = recorded.request.clone();
        request.body = format!("{{\"a\": \"{}\"}}", "x".repeat(size)).into();
        let found = examined("zyra", "secret", &request, recorded.now, &recorded.url);
        let of = |tried: &&HypothesisTrial| tried.reason.contains("large");
        let left_out = found.tried.iter().filter(of).count();
        let finding = found.findings.into_iter().find(|f| f.code == "unexplained");
        (finding.unwrap().message, left_out)
    };
    let (small, left_out) = message(100);
    assert_eq!(left_out, 0);
    assert!(
        small.contains("nor from any of the usual changes"),
        "{small}"
    );
    for size in [5 << 20, 9 << 20] {
        let (large, left_out) = message(size);
        assert!(left_out > 3);
        assert!(!large.contains("nor from any"), "{large}");
        assert!(large.contains("skipped, fully or in part"), "{large}");
        assert!(
            large.contains(&format!("and {} more", left_out - 3)),
            "{large}"
        );
    }
    // While deliveries are received in numbers, nothing is computed, and so
    // nothing is called unexplained either.
    let recorded = Recorded::of("zyra");
    let secrets = vec![Secret::new("zyra", "test", "secret")];
    let assessor = Assessor::new(Catalog::builtin(), Vec::new(), secrets, None);
    let now = Timestamp::from_unix_seconds(recorded.now);
    let found = assessor
        .assess_minimal(None, &recorded.request, now)
        .verification;
    assert_eq!(found.status, Status::Invalid);
    let claims = |code: &str| found.findings.iter().any(|f| f.code == code);
    assert!(!claims("unexplained"), "{:?}", found.findings);
}

/// The libraries of Stripe, Mux, Sanity and Paddle split the header and trim
/// nothing; those of the others with labelled parts accept the blank.
#[test]
fn a_blank_that_the_official_library_refuses_is_a_finding() {
    for (file, separator, refused) in [
        ("stripe", ",", true),
        ("mux", ",", true),
        ("sanity", ",", true),
        ("paddle", ";", true),
        ("stackryze", ",", false),
        ("workos", ",", false),
    ] {
        let recorded = Recorded::of(file);
        let header = &recorded.scheme().header;
        let value = recorded.request.headers.text(header).unwrap();
        let parts: Vec<&str> = value.split(separator).map(str::trim).collect();
        let with = |between: &str| {
            recorded.with_headers(|headers| headers.set(header, parts.join(between)))
        };
        let said = |found: &Verification| {
            let mut findings = found.findings.iter();
            findings.any(|f| f.code == "library_refuses_blank" && f.message.contains("400"))
        };
        let close = with(separator);
        assert_eq!(close.status, Status::Valid, "{file}");
        assert!(!said(&close), "{file}");
        let spaced = with(&format!("{separator} "));
        assert_eq!(spaced.status, Status::Valid, "{file}");
        assert_eq!(said(&spaced), refused, "{file}");
    }
}

/// The references that answered the recorded cases say which of them read the body as text.
#[test]
fn a_body_that_the_official_library_does_not_read_is_a_finding() {
    let is_accepted = |answer: &Value| answer.as_str().unwrap().starts_with("valid");
    let mut tested = [0, 0];
    for (file, _) in conformance::FILES {
        let mut cases = conformance::cases(file);
        cases.retain(|case| {
            let name = case["name"].as_str().unwrap();
            name.starts_with("invalid_utf8")
        });
        for case in cases {
            let answers = case["reference_answers"].as_object().unwrap();
            let refuses = !answers.values().all(is_accepted);
            let recorded = Recorded::of(file);
            let request = conformance::request(&case);
            assert!(std::str::from_utf8(&request.body).is_err());
            let now = case["now_unix"].as_i64().unwrap();
            let recorded = Recorded {
                url: case["url"].as_str().unwrap().to_owned(),
                secrets: conformance::secrets(&case),
                now,
                ..recorded
            };
            let found = recorded.checked(&request);
            let mut findings = found.findings.iter();
            let is_named = findings.any(|f| f.code == "library_reads_text");
            assert_eq!(found.status, Status::Valid, "{file}");
            assert_eq!(is_named, refuses, "{file}: {answers:?}");
            tested[usize::from(refuses)] += 1;
            let found = recorded.checked(&recorded.request);
            let mut findings = found.findings.iter();
            assert!(findings.all(|f| f.code != "library_reads_text"), "{file}");
        }
    }
    assert!(tested[0] >= 4 && tested[1] > 25, "{tested:?}");
}

/// Decoders of base64 in Node.js end at the padding; others compare texts.
#[test]
fn text_behind_a_right_signature_is_named() {
    let mut tested = 0;
    for recorded in Recorded::all() {
        let scheme = recorded.scheme();
        let header = &scheme.header;
        let is_base64 = matches!(scheme.encoding, Encoding::Base64);
        if !is_base64 || !scheme.shared_secret() || header.is_empty() {
            continue;
        }
        let name = &recorded.provider.name;
        let value = recorded.request.headers.text(header).unwrap();
        let value = value.split(' ').next().unwrap();
        let secret = String::from_utf8(recorded.secrets[0].reveal().to_vec()).unwrap();
        let accepts = scheme.library_accepts.contains(&Leniency::Trailing);
        for rest in [
            "x",
            "=",
            "==",
            "junk",
            "==junk",
            "\"",
            ";",
            ", and more",
            " more",
            "!",
        ] {
            let mut request = recorded.request.clone();
            request.headers.set(header, format!("{value}{rest}"));
            let found = examined(name, &secret, &request, recorded.now, &recorded.url);
            // A blank parts the entries of a list, a comma before it as well.
            let is_entry = scheme.separator.is_some() && rest.contains(' ');
            if is_entry || found.status == Status::Valid {
                assert!(is_entry || scheme.lenient, "{name} {rest:?}");
                continue;
            }
            assert_ne!(found.status, Status::Stale, "{name} {rest:?}");
            let right = found.findings.iter().find(|f| f.proved).map(|f| &f.message);
            let right = right.unwrap_or_else(|| panic!("{name} {rest:?}: {found:?}"));
            let is_named = right.contains("official library");
            if rest.starts_with(|first: char| first != '=') {
                assert_eq!(is_named, accepts, "{name} {rest:?}: {right}");
            }
            tested += 1;
        }
    }
    assert!(tested > 80, "{tested}");
}

/// The JavaScript libraries of LINE and Adyen decode base64 leniently, that of
/// Square compares texts.
#[test]
fn a_spelling_that_the_official_library_accepts_is_named() {
    for (file, lenient) in [("line", true), ("adyen-platform", true), ("square", false)] {
        let recorded = Recorded::of(file);
        let header = &recorded.scheme().header;
        let value = recorded.request.headers.text(header).unwrap();
        let secret = String::from_utf8(recorded.secrets[0].reveal().to_vec()).unwrap();
        for changed in [
            value.trim_end_matches('=').to_owned(),
            format!("\"{value}\""),
        ] {
            let mut request = recorded.request.clone();
            request.headers.set(header, &changed);
            let found = examined(file, &secret, &request, recorded.now, &recorded.url);
            assert!(
                matches!(found.status, Status::Malformed | Status::Invalid),
                "{file} {changed}"
            );
            let mut findings = found.findings.iter();
            let named = findings.any(|f| f.message.contains("official library"));
            assert_eq!(named, lenient, "{file} {changed}: {:?}", found.findings);
        }
    }
}
