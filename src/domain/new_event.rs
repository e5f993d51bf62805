//! Turns a delivery into a new event: a new id, and a new time if the time is
//! in the body.
//!
//! [`super::signature`] signs the result.

use super::edit;
use super::event_id;
use super::provider::{Provider, TimeUnit, ValueSource};
use super::request::Request;
use super::timestamp::Timestamp;

/// A request for a new event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// The request.
    pub request: Request,
    /// What could not be renewed, as sentences.
    pub notes: Vec<String>,
}

/// Replaces the event id of a request in all places of its provider.
pub fn with_new_id(
    request: &Request,
    provider: &Provider,
    now: Timestamp,
    random: u128,
) -> NewEvent {
    let mut new = NewEvent {
        request: request.clone(),
        notes: Vec::new(),
    };
    let scheme_id = provider.signature.as_ref().and_then(|s| s.id.as_ref());
    let mut places: Vec<&ValueSource> = Vec::new();
    for place in [provider.fields.delivery_id.as_ref(), scheme_id]
        .into_iter()
        .flatten()
    {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let title = &provider.title;
    if places.is_empty() {
        new.notes.push(format!(
            "{title} has no event id; only time and signature are new."
        ));
        return new;
    }
    for place in places {
        let name = place.name();
        let Some(old) = place.read(&new.request) else {
            new.notes.push(format!(
                "The delivery has no event id of {title} ({name}), so no new id was set."
            ));
            continue;
        };
        match edit::put(&new.request, place, &event_id::like(&old, now, random)) {
            Some(request) => new.request = request,
            None => new.notes.push(format!(
                "The event id of {title} ({name}) cannot be changed in this request."
            )),
        }
    }
    new
}

/// Sets the time in the body if the provider signs a time there; otherwise
/// returns the request unchanged.
pub fn with_current_time(request: &Request, provider: &Provider, now: Timestamp) -> Request {
    let Some(scheme) = &provider.signature else {
        return request.clone();
    };
    let scheme = scheme.for_request(request);
    let Some(place) = scheme.timestamp.as_ref().filter(|s| s.pointer.is_some()) else {
        return request.clone();
    };
    let time = match scheme.unit {
        TimeUnit::Seconds => now.unix_seconds().to_string(),
        TimeUnit::Milliseconds => now.unix_millis().to_string(),
        TimeUnit::Rfc3339 => now.utc().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
    };
    edit::put(request, place, &time).unwrap_or_else(|| request.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::provider::Catalog;

    const NOW: Timestamp = Timestamp(1_795_266_151_204_000);

    fn request(headers: &[(&str, &str)], body: &'static str) -> Request {
        Request {
            method: "POST".into(),
            path: "/".into(),
            headers: headers.iter().copied().collect(),
            body: body.into(),
            ..Request::default()
        }
    }

    #[test]
    fn the_id_is_new_where_the_provider_keeps_it() {
        let catalog = Catalog::builtin();
        for (provider, before) in [
            (
                "porkbun",
                request(
                    &[(
                        "x-porkbun-webhook-id",
                        "7c91d8c2-0f7a-4a0e-9f63-0b7f6d1f8c11",
                    )],
                    "{}",
                ),
            ),
            (
                "svix",
                request(&[("svix-id", "msg_2Lh9KRb0pzN4LePd3XiA4v12Axj")], "{}"),
            ),
            (
                "stripe",
                request(
                    &[],
                    "{ \"id\" : \"evt_1QK2f9LkdIwHu7ix\", \"amount\": 1.10 }",
                ),
            ),
            ("hubspot-v3", request(&[], "[{\"eventId\":100,\"n\":1e3}]")),
        ] {
            let provider = catalog.get(provider).unwrap();
            let new = with_new_id(&before, provider, NOW, 7);
            let (old, made) = (
                provider.delivery_id(&before),
                provider.delivery_id(&new.request),
            );
            assert!(made.is_some() && made != old, "{made:?}");
            assert_eq!(new.notes, [""; 0]);
            // Nothing else changes.
            let place = provider.fields.delivery_id.as_ref().unwrap();
            let back = edit::put(&new.request, place, &old.unwrap()).unwrap();
            assert_eq!(back, before);
        }
    }

    #[test]
    fn says_what_cannot_be_new() {
        let catalog = Catalog::builtin();
        let note = |provider: &str, before: &Request| {
            let new = with_new_id(before, catalog.get(provider).unwrap(), NOW, 7);
            assert_eq!(new.request, *before);
            new.notes.concat()
        };
        assert!(note("zyra", &request(&[], "{}")).contains("has no event id"));
        assert!(note("porkbun", &request(&[], "{}")).contains("has no event id"));
        let mut packed = request(&[], "{\"id\":\"evt_1\"}");
        packed.headers.push("content-encoding", "br");
        assert!(note("stripe", &packed).contains("cannot be changed"));
    }

    #[test]
    fn a_time_in_the_body_is_that_of_sending() {
        let catalog = Catalog::builtin();
        let linear = catalog.get("linear").unwrap();
        let before = request(&[], "{\"webhookTimestamp\": 1, \"a\":1.0}");
        let after = with_current_time(&before, linear, NOW);
        assert_eq!(
            &after.body[..],
            b"{\"webhookTimestamp\": 1795266151204, \"a\":1.0}"
        );
        let porkbun = catalog.get("porkbun").unwrap();
        assert_eq!(with_current_time(&before, porkbun, NOW), before);
    }
}
