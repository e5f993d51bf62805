//! Checks the further items of a delivery that holds several, each signed by itself.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::reading::Reading;
use super::{Keys, finding, matching};
use crate::domain::provider::Scheme;
use crate::domain::provider::place;
use crate::domain::request::Request;
use crate::domain::verification::{Status, Verification};

/// Checks every item but the first, which the verdict is about; where one is
/// not signed with a configured secret, the delivery is not.
pub(super) fn check(
    scheme: &Scheme,
    request: &Request,
    keys: Keys<'_>,
    verification: &mut Verification,
) {
    let Some(each) = &scheme.each else {
        return;
    };
    let items = place::json(&request.body).and_then(|mut body| match body.pointer_mut(each)? {
        Value::Array(items) => Some(std::mem::take(items)),
        _ => None,
    });
    let Some(items) = items.filter(|items| items.len() > 1) else {
        return;
    };
    let count = items.len();
    let holds =
        |(at, item): (usize, Value)| at == 0 || is_signed(scheme, each, &item, request, keys);
    let wrong: Vec<bool> = items.into_iter().enumerate().map(holds).collect();
    let signed = wrong.iter().filter(|holds| **holds).count();
    let Some(first) = wrong.iter().position(|holds| !holds) else {
        return;
    };
    verification.status = Status::Invalid;
    verification.findings.push(finding(
        "item_unsigned",
        true,
        format!(
            "{signed} of {count} items in {each} are signed with a configured secret; item {} is not.",
            first + 1
        ),
        "Do not act on the delivery: somebody may have added the item.",
    ));
}

/// Says whether an item is signed as the first one must be.
fn is_signed(scheme: &Scheme, each: &str, item: &Value, request: &Request, keys: Keys<'_>) -> bool {
    let mut body = json!([item]);
    for name in each.rsplit('/').filter(|name| !name.is_empty()) {
        body = json!({ name: body });
    }
    let request = Request {
        body: body.to_string().into(),
        ..request.clone()
    };
    let scheme: Cow<'_, Scheme> = scheme.suited(&request);
    let reading = Reading::of(&request, &scheme);
    let found = matching::find(&scheme, &request, &reading, keys, &mut Vec::new());
    reading.problem.is_none() && found.is_ok()
}
