//! What a signature does not cover: no part that can be changed, moved or
//! repeated without a new signature gives a plain `ok`.

use creel::domain::provider::Catalog;
use creel::domain::request::Request;
use creel::domain::secret::Secret;
use creel::domain::signature::{Keys, verify};
use creel::domain::timestamp::Timestamp;
use creel::domain::verification::{Status, Verification};
use serde_json::Value;

use crate::conformance::{FILES, cases, request, secrets};

fn verified(file: &str, case: &Value, request: &Request) -> Verification {
    let catalog = Catalog::builtin();
    let provider = catalog.get(file).unwrap();
    let secrets = secrets(case);
    let secrets: Vec<&Secret> = secrets.iter().collect();
    let keys = Keys {
        secrets: &secrets,
        url: case["url"].as_str(),
    };
    let now = Timestamp::from_unix_seconds(case["now_unix"].as_i64().unwrap());
    verify(request, provider, keys, now)
}

/// Moves bytes between the body and a header's value, in every way that keeps
/// the order of the bytes in one signed text.
fn moved(request: &Request) -> Vec<Request> {
    let mut all = Vec::new();
    let names: Vec<String> = request.headers.iter().map(|h| h.name.to_owned()).collect();
    for name in names {
        let value = request.headers.first(&name).unwrap().to_vec();
        for count in 1..=4.min(value.len().saturating_sub(1)) {
            let mut change = |header: &[u8], body: Vec<u8>| {
                let mut headers = request.headers.clone();
                headers.set(&name, header);
                all.push(Request {
                    headers,
                    body: body.into(),
                    ..request.clone()
                });
            };
            let (start, end) = value.split_at(value.len() - count);
            change(start, [end, &request.body].concat());
            let (start, end) = value.split_at(count);
            change(end, [&request.body[..], start].concat());
            if count <= request.body.len() {
                let (start, rest) = request.body.split_at(count);
                change(&[&value, start].concat(), rest.to_vec());
                let (rest, end) = request.body.split_at(request.body.len() - count);
                change(&[end, &value].concat(), rest.to_vec());
            }
        }
    }
    all
}

#[test]
fn no_moved_border_and_no_changed_field_is_plainly_ok() {
    let catalog = Catalog::builtin();
    for (file, _) in FILES {
        let provider = catalog.get(file).unwrap();
        let cases = cases(file);
        let case = cases.iter().find(|c| c["expect"] == "valid").unwrap();
        let original = request(case);
        let mut changed = moved(&original);
        let fields = [&provider.fields.event, &provider.fields.delivery_id];
        for name in fields
            .into_iter()
            .flatten()
            .filter_map(|f| f.header.as_ref())
        {
            let mut other = original.clone();
            other.headers.set(name, "forged");
            changed.push(other);
        }
        for other in changed {
            let found = verified(file, case, &other);
            assert!(
                found.status != Status::Valid || !found.findings.is_empty(),
                "{file}: plainly ok: {:?} {:?}",
                other.headers,
                other.body
            );
        }
    }
}

#[test]
fn a_batch_with_an_unsigned_item_is_not_ok() {
    let cases = cases("adyen-payments");
    let case = &cases[0];
    let original = request(case);
    let with = |second: &dyn Fn(&mut Value)| {
        let mut body: Value = serde_json::from_slice(&original.body).unwrap();
        let items = body["notificationItems"].as_array_mut().unwrap();
        let mut item = items[0].clone();
        second(&mut item["NotificationRequestItem"]);
        items.push(item);
        let request = Request {
            body: body.to_string().into(),
            ..original.clone()
        };
        verified("adyen-payments", case, &request).status
    };
    assert_eq!(with(&|_| {}), Status::Valid);
    assert_eq!(
        with(&|item| item["success"] = "changed".into()),
        Status::Invalid
    );
    assert_eq!(
        with(&|item| item["additionalData"] = Value::Null),
        Status::Invalid
    );
}

#[test]
fn a_body_that_twilio_does_not_sign_is_not_ok() {
    let cases = cases("twilio");
    let case = &cases[0];
    let original = request(case);
    assert_eq!(verified("twilio", case, &original).status, Status::Valid);
    let json = cases
        .iter()
        .find(|c| c["name"] == "json_with_body_hash")
        .unwrap();
    let hashed = request(json);
    assert_eq!(verified("twilio", json, &hashed).status, Status::Valid);
    let other = Request {
        body: b"{}".to_vec().into(),
        ..hashed
    };
    assert_eq!(verified("twilio", json, &other).status, Status::Invalid);
}
