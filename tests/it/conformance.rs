//! The verdicts of the providers' own libraries, case by case.

use std::fmt::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use creel::domain::handshake::Handshake;
use creel::domain::provider::{Catalog, Provider};
use creel::domain::request::Request;
use creel::domain::secret::Secret;
use creel::domain::signature::{Keys, verify};
use creel::domain::timestamp::Timestamp;
use creel::domain::verification::Verification;
use serde_json::Value;

/// The files, each named like its provider, and how many cases bind.
pub(crate) const FILES: &[(&str, usize)] = &[
    ("adyen-payments", 18),
    ("adyen-platform", 23),
    ("amazon-sns", 23),
    ("bigcommerce", 51),
    ("box", 41),
    ("cloudinary", 38),
    ("coinbase-commerce", 26),
    ("contentful", 43),
    ("discord", 39),
    ("github", 33),
    ("gocardless", 24),
    ("hubspot-v1-v2", 32),
    ("hubspot-v3", 45),
    ("line", 23),
    ("linear", 33),
    ("liveblocks", 53),
    ("livekit", 29),
    ("messagebird", 35),
    ("mux", 49),
    ("openai", 47),
    ("paddle", 40),
    ("pagerduty", 34),
    ("porkbun", 44),
    ("pusher", 27),
    ("razorpay", 26),
    ("resend", 58),
    ("sanity", 32),
    ("sendgrid", 28),
    ("shopify", 26),
    ("slack", 40),
    ("square", 33),
    ("stack-auth", 52),
    ("stackryze", 34),
    ("standard-webhooks", 52),
    ("stripe", 51),
    ("telnyx", 38),
    ("tenant-platform", 27),
    ("twilio", 39),
    ("upstash-qstash", 33),
    ("workos", 26),
    ("zendesk", 35),
    ("zoom", 33),
    ("zyra", 29),
];

#[test]
fn every_vector_gives_the_recorded_verdict() {
    let catalog = Catalog::builtin();
    let mut wrong = String::new();
    for (file, least) in FILES {
        let Some(provider) = catalog.get(file) else {
            writeln!(wrong, "{file} is not compiled in").unwrap();
            continue;
        };
        let mut bound = 0;
        for case in cases(file) {
            let secrets = secrets(&case);
            let secrets: Vec<&Secret> = secrets.iter().collect();
            let verification = verified(&case, &request(&case), provider, &secrets);
            let verdict = verification.status.code();
            if case["normative"] == Value::Bool(false) {
                continue;
            }
            bound += 1;
            let also: Vec<&str> = case["also_ok"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let expected = case["expect"].as_str().unwrap();
            if verdict != expected && !also.contains(&verdict) {
                let name = case["name"].as_str().unwrap();
                writeln!(
                    wrong,
                    "{file} {name}: {verdict}, expected {expected} {also:?}"
                )
                .unwrap();
            }
        }
        assert_eq!(bound, *least, "{file}: so many cases bind");
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_provider_s_own_delivery_is_known_for_it() {
    let catalog = Catalog::builtin();
    let mut wrong = String::new();
    for (file, _) in FILES {
        let first = cases(file).swap_remove(0);
        let found = catalog.detect(&request(&first)).map_or("", |p| &p.name);
        if found != *file {
            writeln!(wrong, "{file} is taken for {found:?}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn the_documentation_names_every_provider_and_its_example_reads() {
    let readme = include_str!("../../assets/docs/providers.md");
    let text = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut catalog = Catalog::builtin();
    for provider in catalog.iter() {
        let title = provider.title.split(" (v").next().unwrap();
        assert!(text.contains(title), "{title} is not named");
    }
    let (_, example) = readme.split_once("<!-- provider -->\n```toml\n").unwrap();
    let (example, _) = example.split_once("\n```").unwrap();
    catalog.add(example, "acme.toml").unwrap();
}

/// The files of handshakes, and how many cases each holds.
const HANDSHAKES: &[(&str, usize)] = &[("discord", 4), ("slack", 3), ("zoom", 3)];

/// Where the official receiver answers a handshake, so does this one, in the
/// same way; what it refuses, or takes for an ordinary event, is not answered.
#[test]
fn every_handshake_gets_the_recorded_answer() {
    let catalog = Catalog::builtin();
    for (file, count) in HANDSHAKES {
        let provider = catalog.get(file).unwrap();
        let cases = cases(&format!("handshakes/{file}"));
        assert_eq!(cases.len(), *count, "{file}");
        for case in cases {
            let name = case["name"].as_str().unwrap();
            let request = request(&case);
            let secrets = secrets(&case);
            let secrets: Vec<&Secret> = secrets.iter().collect();
            let verification = verified(&case, &request, provider, &secrets);
            let reply = Handshake::reply(provider, &request, &verification, &secrets);
            let expected = &case["reference_response"];
            let status = expected["status"].as_u64().unwrap();
            if status >= 300 || name == "ordinary_event" {
                assert_eq!(reply, None, "{file} {name}");
                continue;
            }
            let reply = reply.unwrap_or_else(|| panic!("{file} {name} is not answered"));
            assert_eq!(u64::from(reply.status), status, "{file} {name}");
            assert_eq!(
                reply.headers.text("content-type"),
                expected["content_type"].as_str(),
                "{file} {name}"
            );
            let body = STANDARD
                .decode(expected["body_base64"].as_str().unwrap())
                .unwrap();
            let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
            assert_eq!(json(&reply.body), json(&body), "{file} {name}");
            assert_eq!(reply.body.is_empty(), body.is_empty(), "{file} {name}");
        }
    }
}

/// No delivery that a provider signed, and no forged one, has the shape of a
/// challenge that would be answered.
#[test]
fn no_ordinary_delivery_has_the_shape_of_a_challenge() {
    let catalog = Catalog::builtin();
    for (file, _) in FILES {
        for case in cases(file) {
            let found = catalog.challenge(&request(&case));
            let name = found.map(|(_, handshake)| handshake.name.clone());
            assert_eq!(name, None, "{file} {}", case["name"]);
        }
    }
}

fn verified(
    case: &Value,
    request: &Request,
    provider: &Provider,
    secrets: &[&Secret],
) -> Verification {
    let url = case["url"].as_str();
    let now = Timestamp::from_unix_seconds(case["now_unix"].as_i64().unwrap());
    verify(request, provider, Keys { secrets, url }, now)
}

pub(crate) fn cases(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(format!("{file}.json"));
    let text = std::fs::read_to_string(path).unwrap();
    let mut file: Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(file["cases"].take()).unwrap()
}

/// Makes the secrets of a case: a second one may stand beside the first, and
/// the first may have an id.
pub(crate) fn secrets(case: &Value) -> Vec<Secret> {
    let extra = |name: &str| case["extra"][name].as_str();
    let id = extra("api_key").or(extra("key"));
    let first = case["secret"].as_str().unwrap();
    let first = id.map_or_else(|| first.to_owned(), |id| format!("{id}:{first}"));
    let second = extra("secondary_secret").or(extra("next_secret"));
    std::iter::once(first.as_str())
        .chain(second)
        .map(|text| Secret::new("", "vector", text))
        .collect()
}

/// Makes the request of a case.
pub(crate) fn request(case: &Value) -> Request {
    let bytes = |value: &Value| STANDARD.decode(value.as_str().unwrap_or_default()).unwrap();
    let body = match &case["body_repeat"] {
        Value::Null => bytes(&case["body_base64"]),
        repeat => {
            let count = usize::try_from(repeat["count"].as_u64().unwrap()).unwrap();
            [
                bytes(&repeat["prefix_base64"]),
                bytes(&repeat["byte_base64"]).repeat(count),
                bytes(&repeat["suffix_base64"]),
            ]
            .concat()
        }
    };
    let url = case["url"].as_str().unwrap();
    let local = url.splitn(4, '/').nth(3).unwrap_or_default();
    let (path, query) = match local.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (local, None),
    };
    Request {
        method: case["method"].as_str().unwrap().to_owned(),
        path: format!("/{path}"),
        query,
        http_version: "1.1".to_owned(),
        headers: case["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| {
                (
                    pair[0].as_str().unwrap().to_owned(),
                    pair[1].as_str().unwrap().to_owned(),
                )
            })
            .collect(),
        body: body.into(),
    }
}
