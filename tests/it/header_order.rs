//! The order of headers changes no verdict, and a header that came twice makes
//! none right: over every provider's recorded deliveries.

use std::collections::BTreeSet;

use creel::domain::headers::Headers;
use creel::domain::provider::{Catalog, Provider, Scheme, ValueSource};
use creel::domain::request::Request;
use creel::domain::secret::Secret;
use creel::domain::signature::{Keys, verify};
use creel::domain::timestamp::Timestamp;
use creel::domain::verification::{Status, Verification};
use serde_json::Value;

use crate::conformance::{FILES, cases, request, secrets};

/// Recorded deliveries of one provider, signed with one secret.
struct Deliveries {
    provider: Provider,
    secrets: Vec<Secret>,
    all: Vec<Delivery>,
}

#[derive(Clone)]
struct Delivery {
    request: Request,
    url: String,
    now: Timestamp,
}

impl Deliveries {
    fn of(file: &str) -> Self {
        let mut cases = cases(file);
        let secret = cases[0]["secret"].clone();
        let binds = |case: &Value| {
            case["expect"] == "valid" && case["normative"] != false && case["secret"] == secret
        };
        cases.retain(binds);
        let delivery = |case: &Value| Delivery {
            request: request(case),
            url: case["url"].as_str().unwrap().to_owned(),
            now: Timestamp::from_unix_seconds(case["now_unix"].as_i64().unwrap()),
        };
        Self {
            provider: Catalog::builtin().get(file).unwrap().clone(),
            secrets: secrets(&cases[0]),
            all: cases.iter().map(delivery).collect(),
        }
    }

    fn every() -> impl Iterator<Item = Self> {
        FILES.iter().map(|(file, _)| Self::of(file))
    }

    fn scheme(&self) -> &Scheme {
        self.provider.signature.as_ref().unwrap()
    }

    fn checked(&self, delivery: &Delivery) -> Verification {
        let secrets: Vec<&Secret> = self.secrets.iter().collect();
        let keys = Keys {
            secrets: &secrets,
            url: Some(&delivery.url),
        };
        verify(&delivery.request, &self.provider, keys, delivery.now)
    }

    /// Returns the headers that belong to the signature and that a delivery has.
    fn signature_headers(&self, delivery: &Delivery) -> Vec<String> {
        let scheme = self.scheme();
        let sources = [&scheme.timestamp, &scheme.id, &scheme.key_id];
        let sources = sources.into_iter().flatten();
        let header = |source: &ValueSource| source.header.clone();
        let mut names: BTreeSet<String> = sources.filter_map(&header).collect();
        names.extend(scheme.headers.iter().map(|list| list.named_by.clone()));
        names.extend(scheme.headers.iter().flat_map(|list| list.usual.clone()));
        let required = scheme.requirements.iter().map(|required| &required.at);
        names.extend(required.filter_map(header));
        names.extend(scheme.also.iter().cloned());
        names.insert(scheme.header.clone());
        let has = |name: &String| delivery.request.headers.contains(name);
        names.into_iter().filter(has).collect()
    }
}

/// Returns a delivery with other headers.
fn with_headers(delivery: &Delivery, headers: Headers) -> Delivery {
    let mut changed = delivery.clone();
    changed.request.headers = headers;
    changed
}

/// Returns a delivery's headers in many other orders.
fn orders(headers: &Headers) -> Vec<Headers> {
    let fields: Vec<(&str, &[u8])> = headers.iter().map(|h| (h.name, h.value)).collect();
    let collect = |fields: &[(&str, &[u8])]| {
        let mut headers = Headers::new();
        for (name, value) in fields {
            headers.push(name, *value);
        }
        headers
    };
    let mut all = Vec::new();
    for shift in 0..fields.len() {
        let mut other = fields.clone();
        other.rotate_left(shift);
        all.push(collect(&other));
        other.reverse();
        all.push(collect(&other));
    }
    let mut sorted = fields;
    sorted.sort_unstable();
    all.push(collect(&sorted));
    all
}

#[test]
fn the_order_of_headers_changes_nothing() {
    for deliveries in Deliveries::every() {
        for delivery in &deliveries.all {
            let mut expected = deliveries.checked(delivery);
            expected.received.sort_unstable();
            assert_eq!(
                expected.status,
                Status::Valid,
                "{}",
                deliveries.provider.name
            );
            for headers in orders(&delivery.request.headers) {
                let mut found = deliveries.checked(&with_headers(delivery, headers));
                // Of several fields of one name their own order stays a list's.
                found.received.sort_unstable();
                assert_eq!(found, expected, "{}", deliveries.provider.name);
            }
        }
    }
}

/// What stands in a header that is doubled, for one that holds `right`.
fn seconds(right: &[u8]) -> Vec<Vec<u8>> {
    let other = |byte: &u8| match byte {
        b'0'..=b'8' | b'a'..=b'e' | b'A'..=b'Y' => byte + 1,
        b'9' => b'0',
        _ => *byte,
    };
    let flipped: Vec<u8> = right.iter().map(other).collect();
    let half = right[..right.len() / 2].to_vec();
    vec![
        right.to_vec(),
        flipped,
        half,
        Vec::new(),
        b" ".to_vec(),
        b"0".to_vec(),
        b"v1,".to_vec(),
        b",".to_vec(),
        b"\xff".to_vec(),
    ]
}

/// Returns headers in which one came twice, in either order, as two fields and
/// joined as RFC 9110 section 5.3 has it.
fn doubled(headers: &Headers, name: &str, second: &[u8]) -> Vec<Headers> {
    let right = headers.first(name).unwrap().to_vec();
    let mut all = Vec::new();
    for [one, two] in [[&right[..], second], [second, &right]] {
        let mut twice = Headers::new();
        for header in headers.iter().filter(|header| header.name != name) {
            twice.push(header.name, header.value);
        }
        for join in [&b","[..], b", ", b" "] {
            let mut joined = twice.clone();
            joined.push(name, [one, join, two].concat());
            all.push(joined);
        }
        twice.push(name, one);
        twice.push(name, two);
        all.push(twice);
    }
    all
}

#[test]
fn a_doubled_header_makes_no_changed_delivery_right() {
    let mut tested = 0;
    for deliveries in Deliveries::every() {
        let name = &deliveries.provider.name;
        let delivery = &deliveries.all[0];
        let is_list = deliveries.scheme().separator.is_some()
            || deliveries.scheme().format.contains("{timestamp}");
        for header in deliveries.signature_headers(delivery) {
            let right = delivery.request.headers.first(&header).unwrap().to_vec();
            for second in seconds(&right) {
                for headers in doubled(&delivery.request.headers, &header, &second) {
                    let genuine = with_headers(delivery, headers);
                    let found = deliveries.checked(&genuine);
                    let is_repeated = genuine.request.headers.all(&header).count() > 1;
                    if is_repeated && !(is_list && header == deliveries.scheme().header) {
                        assert_ne!(found.status, Status::Valid, "{name} {header} {second:?}");
                    }
                    if found.status != Status::Valid {
                        assert!(
                            !found.findings.is_empty() || found.status != Status::Malformed,
                            "{name} {header} {second:?}"
                        );
                    }
                    let mut forged = genuine;
                    forged.request.body = "forged=1".into();
                    let found = deliveries.checked(&forged);
                    let is_ok = matches!(found.status, Status::Valid | Status::Stale);
                    assert!(!is_ok, "{name} {header} {second:?}");
                    tested += 1;
                }
            }
        }
    }
    assert!(tested > 3000, "{tested}");
}

/// Parts of two genuine deliveries, put together in every way, are right only
/// where signature, time, id and body are those of one.
#[test]
fn parts_of_two_deliveries_make_no_third() {
    let mut tested = 0;
    for deliveries in Deliveries::every() {
        let name = &deliveries.provider.name;
        let first = &deliveries.all[0];
        let expected = deliveries.checked(first);
        let id = deliveries.provider.delivery_id(&first.request);
        let differs = |other: &&Delivery| other.request.body != first.request.body;
        for second in deliveries.all.iter().filter(differs).take(3) {
            let headers = deliveries.signature_headers(first);
            let choices = 4_usize.pow(u32::try_from(headers.len()).unwrap());
            for choice in 0..choices {
                let mut mixed = first.request.headers.clone();
                let mut is_first = true;
                for (at, header) in headers.iter().enumerate() {
                    let of = |delivery: &Delivery| {
                        delivery.request.headers.first(header).map(<[u8]>::to_vec)
                    };
                    let (one, two) = (of(first), of(second));
                    let values = match choice / 4_usize.pow(u32::try_from(at).unwrap()) % 4 {
                        0 => [one, None],
                        1 => [two, None],
                        2 => [one, two],
                        _ => [two, one],
                    };
                    is_first &= values[0] == of(first) && values[1].is_none();
                    mixed.retain(|field| field.name != header);
                    for value in values.into_iter().flatten() {
                        mixed.push(header, value);
                    }
                }
                let found = deliveries.checked(&with_headers(first, mixed.clone()));
                tested += 1;
                if found.status != Status::Valid {
                    assert!(!is_first, "{name}");
                    continue;
                }
                let time = |found: &Verification| {
                    let is_signed = !found.unsigned.iter().any(|field| field == "timestamp");
                    is_signed.then_some(found.timestamp)
                };
                assert_eq!(time(&found), time(&expected), "{name}: {mixed:?}");
                let is_signed = expected.covers.iter().any(|part| part == "id");
                if is_signed {
                    let request = Request {
                        headers: mixed,
                        ..first.request.clone()
                    };
                    assert_eq!(deliveries.provider.delivery_id(&request), id, "{name}");
                }
            }
        }
    }
    assert!(tested > 1000, "{tested}");
}
