//! What a signature does not cover: no part that can be changed, moved or
//! repeated without a new signature gives a plain `ok`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use creel::domain::keyring::Keyring;
use creel::domain::pins::Pin;
use creel::domain::provider::{Catalog, Encoding, Scheme, ValueSource};
use creel::domain::request::Request;
use creel::domain::secret::Secret;
use creel::domain::signature::{Keys, verify};
use creel::domain::timestamp::Timestamp;
use creel::domain::verification::{Status, Verification};
use serde_json::{Value, json};

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

/// Says whether a finding is about what was changed, not about anything else.
fn names_the_change(original: &Request, other: &Request, found: &Verification) -> bool {
    let codes: &[&str] = if original.body == other.body {
        &[
            "fields_unsigned",
            "headers_unsigned",
            "border_unclear",
            "timestamp_form",
        ]
    } else {
        &[
            "body_unsigned",
            "body_partly_signed",
            "form_borders",
            "border_unclear",
            "length_extension",
        ]
    };
    found
        .findings
        .iter()
        .any(|finding| codes.contains(&finding.code.as_str()))
}

/// Moves bytes between the labelled parts of a signature header and the body.
fn moved_within(request: &Request, name: &str) -> Vec<Request> {
    let value = request.headers.first(name).unwrap_or_default().to_vec();
    let text = String::from_utf8_lossy(&value).into_owned();
    let mut all = Vec::new();
    for (at, _) in text.match_indices([',', ';']).chain([(text.len(), "")]) {
        for count in 1..=4.min(request.body.len()) {
            let (start, rest) = request.body.split_at(count);
            let mut headers = request.headers.clone();
            let longer = [&value[..at], start, &value[at..]].concat();
            headers.set(name, longer);
            all.push(Request {
                headers,
                body: rest.to_vec().into(),
                ..request.clone()
            });
        }
        for count in 1..=4.min(at) {
            let mut headers = request.headers.clone();
            headers.set(name, [&value[..at - count], &value[at..]].concat());
            all.push(Request {
                headers,
                body: [&value[at - count..at], &request.body].concat().into(),
                ..request.clone()
            });
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
        let header = &provider.signature.as_ref().unwrap().header;
        changed.extend(moved_within(&original, header));
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
                found.status != Status::Valid || names_the_change(&original, &other, &found),
                "{file}: ok without a word on it: {:?} {:?} {:?}",
                other.headers,
                other.body,
                found.findings
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

/// Readers differ in what they take for a list, and in which of two keys that
/// are alike they take.
#[test]
fn a_batch_whose_items_depend_on_the_reader_is_not_ok() {
    let adyen = cases("adyen-payments").swap_remove(0);
    let graph = json!({
        "name": "graph", "method": "POST", "url": "https://a.test/", "now_unix": 0,
        "secret": "the-state", "headers": [["content-type", "application/json"]],
        "body_base64": STANDARD.encode(
            r#"{"value":[{"subscriptionId":"s","changeType":"created","clientState":"the-state"}]}"#
        ),
    });
    for (file, case, list, path) in [
        (
            "adyen-payments",
            adyen,
            "notificationItems",
            &["NotificationRequestItem", "merchantReference"][..],
        ),
        ("microsoft-graph", graph, "value", &["clientState"]),
    ] {
        let original = request(&case);
        let body: Value = serde_json::from_slice(&original.body).unwrap();
        let item = &body[list][0];
        let mut forged = item.clone();
        *forged.pointer_mut(&format!("/{}", path.join("/"))).unwrap() = "forged".into();
        let status = |items: String| {
            let request = Request {
                body: format!("{{\"{list}\":{items}}}").into(),
                ..original.clone()
            };
            verified(file, &case, &request).status
        };
        assert_eq!(status(format!("[{item},{item}]")), Status::Valid, "{file}");
        for items in [
            format!("{{\"0\":{item}}}"),
            format!("{{\"0\":{item},\"1\":{forged}}}"),
            format!("{{\"0\":{item},\"items\":[{forged}]}}"),
        ] {
            assert_eq!(status(items.clone()), Status::Invalid, "{file}: {items}");
        }
        for key in path {
            for spelled in [(*key).to_owned(), key.to_uppercase(), key.to_lowercase()] {
                let twice = item.to_string().replacen(
                    &format!("\"{key}\":"),
                    &format!("\"{spelled}\":\"forged\",\"{key}\":"),
                    1,
                );
                for items in [format!("[{twice}]"), format!("[{item},{twice}]")] {
                    let found = status(items.clone());
                    assert_eq!(found, Status::Malformed, "{file}: {items}");
                }
            }
        }
    }
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

/// Writes a captured signature as another provider's header carries it.
fn relabelled(
    captured: &Request,
    found: &Verification,
    from: &Scheme,
    to: &Scheme,
) -> Option<Request> {
    let digest = match from.encoding {
        Encoding::Hex => hex::decode(found.received.first()?).ok()?,
        Encoding::Base64 => STANDARD.decode(found.received.first()?).ok()?,
        Encoding::Base64Url | Encoding::Text => return None,
    };
    let written = creel::domain::signature::encode(to.encoding, &digest);
    let time = found.timestamp.unwrap_or_default().to_string();
    let value = to
        .format
        .replace("{signature}", &written)
        .replace("{timestamp}", &time);
    let mut headers = captured.headers.clone();
    let of =
        |source: &Option<ValueSource>| source.as_ref().and_then(|source| source.header.clone());
    headers.retain(|header| {
        !header.name.eq_ignore_ascii_case(&from.header)
            && from
                .additional_headers()
                .all(|name| !header.name.eq_ignore_ascii_case(name))
    });
    if to.header.is_empty() {
        return None;
    }
    headers.set(&to.header, value);
    if let Some(name) = of(&to.timestamp) {
        headers.set(&name, time);
    }
    if let (Some(own), Some(name)) = (of(&from.id), of(&to.id)) {
        let id = captured.headers.first(&own)?.to_vec();
        headers.set(&name, id);
    }
    Some(Request {
        headers,
        ..captured.clone()
    })
}

#[test]
fn no_captured_delivery_is_right_under_another_provider_s_name() {
    let catalog = Catalog::builtin();
    let mut assessor = crate::keys::assessor(None);
    let mut tried = 0;
    for (file, _) in FILES {
        let provider = catalog.get(file).unwrap();
        let cases = cases(file);
        let case = cases.iter().find(|c| c["expect"] == "valid").unwrap();
        let captured = request(case);
        let found = verified(file, case, &captured);
        let now = Timestamp::from_unix_seconds(case["now_unix"].as_i64().unwrap());
        assessor.endpoints[0].public_url = case["url"].as_str().map(str::to_owned);
        let secrets = secrets(case);
        assessor.keyring = Keyring::new(secrets.clone());
        let from = provider.signature.as_ref().unwrap();
        for other in catalog.iter().filter(|other| other.name != *file) {
            let Some(to) = &other.signature else {
                continue;
            };
            let Some(relabelled) = relabelled(&captured, &found, from, to) else {
                continue;
            };
            tried += 1;
            let mut both = relabelled.clone();
            for header in &captured.headers {
                if !both.headers.contains(header.name) {
                    both.headers.push(header.name, header.value);
                }
            }
            let later = Timestamp(now.0 + 86_400_000_000);
            for (request, at) in [(&relabelled, now), (&relabelled, later), (&both, now)] {
                for is_pinned in [false, true] {
                    let pins = secrets.iter().filter(|_| is_pinned);
                    assessor.pins = pins.map(|s| Pin::new(Some("hooks"), s, file)).collect();
                    let assessed = assessor.assess_minimal(Some("hooks"), request, at);
                    let found = assessed.verification;
                    let sender = assessed
                        .provider
                        .as_deref()
                        .and_then(|name| catalog.get(name));
                    let is_alike = sender.is_some_and(|sender| {
                        sender.name == *file || sender.shares_scheme(provider)
                    });
                    let is_said = !is_pinned
                        && found
                            .findings
                            .iter()
                            .any(|f| f.code == "sender_unconfirmed");
                    assert!(
                        found.status != Status::Valid || is_alike || is_said,
                        "{file} as {} (pinned: {is_pinned}): {found:?}",
                        other.name,
                    );
                }
            }
        }
    }
    assert!(tried > 1000, "{tried}");
}

/// Microsoft Graph's notifications carry a token each.
#[test]
fn every_notification_of_microsoft_graph_is_checked() {
    let catalog = Catalog::builtin();
    let provider = catalog.get("microsoft-graph").unwrap();
    let status = |states: &[&str], secret: &[u8]| {
        let items = states.iter().map(
            |state| json!({ "subscriptionId": "s", "changeType": "created", "clientState": state }),
        );
        let body = json!({ "value": items.collect::<Vec<_>>() }).to_string();
        let request = Request {
            method: "POST".into(),
            body: body.into(),
            ..Request::default()
        };
        let secret = Secret::new("", "test", secret);
        let keys = Keys {
            secrets: &[&secret],
            url: None,
        };
        verify(&request, provider, keys, Timestamp(0)).status
    };
    let right = b"the-state";
    assert_eq!(status(&["the-state"], right), Status::Valid);
    assert_eq!(status(&["the-state", "the-state"], right), Status::Valid);
    for forged in [
        &["the-state", "other"][..],
        &["other", "the-state"],
        &["the-state", ""],
        &["the-state", "the-state", "the-stat"],
    ] {
        assert_eq!(status(forged, right), Status::Invalid, "{forged:?}");
    }
    // A token is compared as bytes: what is no UTF-8 is not what replaces it.
    assert_eq!(status(&["\u{fffd}\u{fffd}"], b"\xff\xfe"), Status::Invalid);
    assert_eq!(status(&["?"], b"\xff"), Status::Invalid);
}

/// Which of two values an app reads is not known: neither makes it right.
#[test]
fn a_signed_field_that_stands_twice_is_not_ok() {
    for (file, field) in [
        ("adyen-payments", "\"merchantReference\""),
        ("amazon-sns", "\"Message\""),
        ("amazon-sns", "\"Type\""),
    ] {
        let cases = cases(file);
        let case = cases.iter().find(|c| c["expect"] == "valid").unwrap();
        let original = request(case);
        let text = String::from_utf8(original.body.to_vec()).unwrap();
        let at = text.find(field).unwrap();
        // The same name, its first letter escaped.
        let escaped = format!("\"\\u{:04x}{}", field.as_bytes()[1], &field[2..]);
        for name in [field, &escaped] {
            let twice = format!("{}{name}:\"forged\",{}", &text[..at], &text[at..]);
            let other = Request {
                body: twice.clone().into(),
                ..original.clone()
            };
            let found = verified(file, case, &other);
            assert_ne!(found.status, Status::Valid, "{file}: {twice}");
        }
    }
}
