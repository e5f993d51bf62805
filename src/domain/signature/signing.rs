//! Makes the headers a provider would send.

use super::expected;
use crate::domain::failure::Failure;
use crate::domain::headers::Headers;
use crate::domain::provider::template::{Filling, Part};
use crate::domain::provider::{Provider, Scheme, TimeUnit};
use crate::domain::request::Request;
use crate::domain::secret::Secret;
use crate::domain::timestamp::Timestamp;

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The body's bytes.
    pub body: &'a [u8],
    /// The time of sending.
    pub now: Timestamp,
    /// The event's id.
    pub id: &'a str,
    /// The event's name.
    pub event: Option<&'a str>,
    /// The method.
    pub method: &'a str,
    /// The address the request goes to, for schemes that sign it.
    pub url: Option<&'a str>,
}

/// Returns the headers the provider would send with a body: content type,
/// event, id, timestamp and signature.
///
/// # Errors
/// A [`Failure`] where the provider does not sign, the secret is no key, or
/// the scheme signs an address that is not known.
pub fn sign(provider: &Provider, secret: &Secret, what: &Signed<'_>) -> Result<Headers, Failure> {
    let scheme = scheme_of(provider)?;
    let mut headers: Headers = [("content-type", "application/json")].into_iter().collect();
    if let (Some(header), Some(event)) = (
        provider
            .fields
            .event
            .as_ref()
            .and_then(|s| s.header.as_deref()),
        what.event,
    ) {
        headers.push(header, event);
    }
    let id_header = scheme
        .id
        .as_ref()
        .or(provider.fields.delivery_id.as_ref())
        .and_then(|s| s.header.as_deref());
    if let Some(header) = id_header {
        headers.push(header, what.id);
    }
    let timestamp = written(scheme.unit, what.now);
    if let Some(header) = scheme.timestamp.as_ref().and_then(|s| s.header.as_deref()) {
        headers.push(header, &timestamp);
    }
    let filling = Filling {
        body: what.body,
        timestamp: timestamp.as_bytes(),
        id: what.id.as_bytes(),
        method: what.method.as_bytes(),
        url: what.url.unwrap_or_default().as_bytes(),
    };
    headers.push(
        &scheme.header,
        value(provider, scheme, secret, &filling, &timestamp)?,
    );
    Ok(headers)
}

/// Returns a request's headers with timestamp and signature made anew, in
/// their places; the id stays, for it is the same event.
///
/// # Errors
/// As [`sign`].
pub fn resign(
    request: &Request,
    provider: &Provider,
    secret: &Secret,
    url: Option<&str>,
    now: Timestamp,
) -> Result<Headers, Failure> {
    let scheme = scheme_of(provider)?;
    let mut headers = request.headers.clone();
    let timestamp = written(scheme.unit, now);
    if let Some(header) = scheme.timestamp.as_ref().and_then(|s| s.header.as_deref()) {
        headers.set(header, &timestamp);
    }
    let id = scheme
        .id
        .as_ref()
        .and_then(|source| source.header.as_deref())
        .and_then(|header| request.headers.first(header));
    if scheme.signed.has(&Part::Id) && id.is_none_or(<[u8]>::is_empty) {
        return Err(Failure::no(
            "It cannot be signed afresh.",
            "It came without the id that is part of the signed text.",
            "Send it with the signature it came with.",
        ));
    }
    let filling = Filling {
        body: &request.body,
        timestamp: timestamp.as_bytes(),
        id: id.unwrap_or_default(),
        method: request.method.as_bytes(),
        url: url.unwrap_or_default().as_bytes(),
    };
    headers.set(
        &scheme.header,
        value(provider, scheme, secret, &filling, &timestamp)?,
    );
    Ok(headers)
}

fn scheme_of(provider: &Provider) -> Result<&Scheme, Failure> {
    provider.signature.as_ref().ok_or_else(|| {
        Failure::usage(
            format!("{} does not sign its deliveries.", provider.title),
            "",
            "Send it as it is.",
        )
    })
}

/// Makes the signature header's value.
fn value(
    provider: &Provider,
    scheme: &Scheme,
    secret: &Secret,
    filling: &Filling<'_>,
    timestamp: &str,
) -> Result<String, Failure> {
    if scheme.signed.has(&Part::Url) && filling.url.is_empty() {
        return Err(Failure::usage(
            format!("{} signs the address, and none is known.", provider.title),
            "",
            "Name it:  --url https://…   (or public_url in creel.toml)",
        ));
    }
    let signature = expected(scheme, secret, filling).ok_or_else(|| {
        Failure::usage(
            format!("The secret {secret} is no key of {}.", provider.title),
            "It is empty, or not in the form that the scheme asks for.",
            "Copy it once more from the provider, whole.",
        )
    })?;
    Ok(scheme
        .format
        .replace("{timestamp}", timestamp)
        .replace("{signature}", &signature))
}

/// Writes a time as the provider does.
fn written(unit: TimeUnit, at: Timestamp) -> String {
    match unit {
        TimeUnit::Seconds => at.unix_seconds().to_string(),
        TimeUnit::Milliseconds => at.unix_millis().to_string(),
        TimeUnit::Rfc3339 => at.utc().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
    }
}
