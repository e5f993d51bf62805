//! The verdicts of the providers' own libraries, case by case.

use std::fmt::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use creel::domain::provider::Catalog;
use creel::domain::request::Request;
use creel::domain::secret::Secret;
use creel::domain::signature::{Keys, verify};
use creel::domain::timestamp::Timestamp;
use serde_json::Value;

/// The files, the provider each is checked as, and how many cases bind.
const FILES: &[(&str, &str, usize)] = &[
    ("stackryze", "stackryze", 31),
    ("porkbun", "porkbun", 39),
    ("tenant-platform", "tenant-platform", 24),
    ("zyra", "zyra", 27),
    ("stack-auth", "stack-auth", 44),
    ("standard-webhooks", "standard-webhooks", 44),
    ("resend", "svix", 39),
];

#[test]
fn every_vector_gives_the_recorded_verdict() {
    let catalog = Catalog::builtin();
    let mut wrong = String::new();
    for (file, provider, least) in FILES {
        let provider = catalog
            .get(provider)
            .expect("the file's provider is compiled in");
        let mut bound = 0;
        for case in cases(file) {
            let request = request(&case);
            let secret = Secret::new("", "vector", case["secret"].as_str().unwrap());
            let keys = Keys {
                secrets: &[&secret],
                url: case["url"].as_str(),
            };
            let now = Timestamp::from_unix_seconds(case["now_unix"].as_i64().unwrap());
            let verdict = verify(&request, provider, keys, now).status.code();
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
        assert!(bound >= *least, "{file}: only {bound} cases bind");
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

fn cases(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(format!("{file}.json"));
    let text = std::fs::read_to_string(path).unwrap();
    let mut file: Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(file["cases"].take()).unwrap()
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
