//! Verifies the additional items of a delivery that contains several, each with
//! its own signature.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::reading::Reading;
use super::{Keys, finding, matching};
use crate::domain::provider::Scheme;
use crate::domain::provider::value_source;
use crate::domain::request::Request;
use crate::domain::verification::{Status, Verification};

/// Verifies every item but the first, which determines the status. If one is
/// not signed with a configured secret, the delivery is invalid.
pub(super) fn check(
    scheme: &Scheme,
    request: &Request,
    keys: Keys<'_>,
    verification: &mut Verification,
) {
    let Some(each) = &scheme.each else {
        return;
    };
    let body = value_source::json(&request.body);
    let found = body.and_then(|mut body| body.pointer_mut(each).map(Value::take));
    let Some(Value::Array(items)) = found else {
        refuse(
            verification,
            format!("{each} is no list, so it depends on the reader which items it holds."),
        );
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
    let first = first + 1;
    refuse(
        verification,
        format!(
            "{signed} of {count} items in {each} are signed with a configured secret; item {first} is not."
        ),
    );
}

/// Takes a verdict away that is about one item only.
fn refuse(verification: &mut Verification, message: String) {
    let advice = "Do not act on the delivery: somebody may have added the item.";
    verification.status = Status::Invalid;
    verification
        .findings
        .push(finding("item_unsigned", true, message, advice));
}

/// Returns whether an item is signed like the first one.
fn is_signed(scheme: &Scheme, each: &str, item: &Value, request: &Request, keys: Keys<'_>) -> bool {
    let mut body = json!([item]);
    for name in each.rsplit('/').filter(|name| !name.is_empty()) {
        body = json!({ name: body });
    }
    let request = Request {
        body: body.to_string().into(),
        ..request.clone()
    };
    let scheme: Cow<'_, Scheme> = scheme.for_request(&request);
    let reading = Reading::of(&request, &scheme);
    let found = matching::find(&scheme, &request, &reading, keys, &mut Vec::new());
    reading.problem.is_none() && found.is_ok()
}
