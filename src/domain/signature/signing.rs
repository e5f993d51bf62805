//! Makes the deliveries that a provider would send.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::signing_context::SigningContext;
use super::{Reading, key};
use crate::domain::failure::Failure;
use crate::domain::headers::{Header, Headers};
use crate::domain::provider::scheme::CompanionSignature;
use crate::domain::provider::template::{Part, Template};
use crate::domain::provider::{Provider, Scheme, TimeUnit, ValueSource};
use crate::domain::request::Request;
use crate::domain::secret::Secret;
use crate::domain::timestamp::Timestamp;

/// The input of a signature.
#[derive(Clone, Copy, Debug)]
pub struct SigningInput<'a> {
    /// The bytes of the body.
    pub body: &'a [u8],
    /// The time of sending.
    pub now: Timestamp,
    /// The event's id.
    pub id: &'a str,
    /// The event's name.
    pub event: Option<&'a str>,
    /// The method.
    pub method: &'a str,
    /// The target address, for schemes that sign it.
    pub url: Option<&'a str>,
}

/// A signed delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedDelivery {
    /// The headers.
    pub headers: Headers,
    /// The body, if the scheme puts the time or the signature into it.
    pub body: Option<Vec<u8>>,
}

/// Returns the headers that the provider would send with a body: content type,
/// event, id, timestamp and signature.
///
/// # Errors
/// Returns a [`Failure`] if the provider does not sign, signs with a private
/// key or in the body, if the secret is not a valid key, or if the scheme signs
/// an address that is not known.
pub fn sign(
    provider: &Provider,
    secret: &Secret,
    what: &SigningInput<'_>,
) -> Result<Headers, Failure> {
    let made = prepare(provider, secret, what)?;
    if made.body.is_some() {
        return Err(in_body(provider));
    }
    Ok(made.headers)
}

/// Returns what the provider would send with a body: the headers as in
/// [`sign`], and the body if its scheme changes it.
///
/// # Errors
/// Returns the errors of [`sign`], and an error if time or signature cannot be
/// put into the body.
pub fn prepare(
    provider: &Provider,
    secret: &Secret,
    what: &SigningInput<'_>,
) -> Result<SignedDelivery, Failure> {
    let scheme = scheme_of(provider)?;
    let mut request = sender_s_request(provider, scheme, secret, what);
    let scheme = scheme.for_request(&request);
    for requirement in &scheme.requirements {
        if let (Some(header), Some(value)) = (
            &requirement.at.header,
            requirement.is.as_ref().and_then(Template::literal),
        ) {
            request.headers.set(header, value);
        }
    }
    let timestamp = written(scheme.unit, what.now);
    let place = scheme.timestamp.as_ref().and_then(|s| s.pointer.as_deref());
    if let Some(pointer) = place {
        let value = match scheme.unit {
            TimeUnit::Rfc3339 => Value::String(timestamp.clone()),
            TimeUnit::Seconds => what.now.unix_seconds().into(),
            TimeUnit::Milliseconds => what.now.unix_millis().into(),
        };
        put(&mut request, pointer, value).ok_or_else(|| no_place(provider, pointer))?;
    }
    let context = SigningContext {
        provider,
        scheme: &scheme,
        secret,
        url: what.url,
        now: what.now,
        timestamp: &timestamp,
        id: what.id.as_bytes(),
    };
    let signature = context.signature(&request)?;
    match &scheme.pointer {
        Some(pointer) => {
            put(&mut request, pointer, Value::String(signature))
                .ok_or_else(|| no_place(provider, pointer))?;
        }
        None => request
            .headers
            .push(&scheme.header, context.header_value(&signature)),
    }
    if let Some(header) = request.headers.iter().find(|h| !h.is_writable()) {
        return Err(Failure::usage(
            format!(
                "The value for {} contains a control character.",
                header.name
            ),
            "A header value is one line of text without control characters.",
            "Remove the character from the event's name or id.",
        ));
    }
    let changed = request.body != what.body;
    Ok(SignedDelivery {
        headers: request.headers,
        body: changed.then(|| request.body.to_vec()),
    })
}

/// Creates the provider's request without time and signature in the body.
fn sender_s_request(
    provider: &Provider,
    scheme: &Scheme,
    secret: &Secret,
    what: &SigningInput<'_>,
) -> Request {
    fn header(source: Option<&ValueSource>) -> Option<&str> {
        source.and_then(|s| s.header.as_deref())
    }
    let kind = if scheme.signed.has(&Part::Form) {
        "application/x-www-form-urlencoded"
    } else {
        "application/json"
    };
    let mut headers: Headers = [("content-type", kind)].into_iter().collect();
    if let (Some(name), Some(event)) = (header(provider.fields.event.as_ref()), what.event) {
        headers.push(name, event);
    }
    if let Some(name) = header(scheme.id.as_ref().or(provider.fields.delivery_id.as_ref())) {
        headers.push(name, what.id);
    }
    if let Some(name) = header(scheme.timestamp.as_ref()) {
        headers.push(name, written(scheme.unit, what.now));
    }
    if let (Some(name), (Some(id), _)) = (
        header(scheme.key_id.as_ref()),
        key::parts(secret.reveal(), scheme),
    ) {
        headers.push(name, id);
    }
    if let Some(first) = scheme.variants.first()
        && let (Some(name), Some(version)) = (header(Some(&first.at)), first.is.first())
    {
        headers.push(name, version);
    }
    if let Some(list) = &scheme.headers {
        headers.push(&list.named_by, list.usual.join(","));
    }
    let url = what.url.and_then(|url| url::Url::parse(url).ok());
    Request {
        method: what.method.to_owned(),
        path: url.as_ref().map_or("/", |url| url.path()).to_owned(),
        query: url.and_then(|url| url.query().map(str::to_owned)),
        http_version: "1.1".to_owned(),
        headers,
        body: Bytes::copy_from_slice(what.body),
    }
}

/// Returns a request's headers with timestamp and signature renewed in their
/// places. The id stays, because it is the same event. A time in the body stays
/// as well.
///
/// No signature of the original stays: companion signatures are renewed if
/// their scheme is known, and removed if it is not or if they use another
/// secret.
///
/// # Errors
/// Returns the errors of [`sign`].
pub fn sign_again(
    request: &Request,
    provider: &Provider,
    secret: &Secret,
    url: Option<&str>,
    now: Timestamp,
) -> Result<Headers, Failure> {
    let scheme = scheme_of(provider)?;
    if scheme.pointer.is_some() {
        return Err(in_body(provider));
    }
    let scheme = scheme.for_request(request);
    let mut request = request.clone();
    let timestamp = written(scheme.unit, now);
    if let Some(header) = scheme.timestamp.as_ref().and_then(|s| s.header.as_deref()) {
        request.headers.set(header, &timestamp);
    }
    let id = match Reading::of(&request, &scheme) {
        Reading { id: Some(id), .. } => Some(id),
        Reading { token, .. } => token
            .and_then(|token| Some(token.claims.get("jti")?.as_str()?.to_owned().into_bytes()))
            .or_else(|| provider.delivery_id(&request).map(String::into_bytes)),
    };
    if scheme.signed.has(&Part::Id) && id.as_ref().is_none_or(Vec::is_empty) {
        return Err(Failure::no(
            "The delivery cannot be signed again.",
            "The delivery has no id, which is part of the signed text.",
            "Resend it with the received signature.",
        ));
    }
    let context = SigningContext {
        provider,
        scheme: &scheme,
        secret,
        url,
        now,
        timestamp: &timestamp,
        id: &id.unwrap_or_default(),
    };
    let signature = context.signature(&request)?;
    let value = context.header_value(&signature);
    let mut headers = request.headers.clone();
    headers.set(&scheme.header, value);
    let is = |header: Header<'_>, name: &str| header.name.eq_ignore_ascii_case(name);
    for name in &scheme.also {
        headers.retain(|header| !is(header, name));
    }
    for CompanionSignature { header: name, .. } in &scheme.beside {
        if !request.headers.contains(name) {
            continue;
        }
        let Some((scheme, beside)) = scheme.companion_scheme(name, &request) else {
            headers.retain(|header| !is(header, name));
            continue;
        };
        let context = SigningContext {
            scheme: &scheme,
            ..context
        };
        headers.set(name, context.header_value(&context.signature(&request)?));
        if let Some(name) = &beside.timestamp {
            headers.set(name, &timestamp);
        }
    }
    Ok(headers)
}

/// Returns the reason why only the provider can sign its deliveries; `None` if
/// the secret suffices.
pub fn why_unsignable(provider: &Provider) -> Option<String> {
    let title = &provider.title;
    match &provider.signature {
        None => Some(format!("{title} does not sign its deliveries.")),
        Some(scheme) if !scheme.shared_secret() => {
            Some(format!("Only {title} itself can sign its deliveries."))
        }
        Some(scheme) if scheme.pointer.is_some() => {
            Some(format!("{title}'s signature is part of the body."))
        }
        Some(_) => None,
    }
}

fn scheme_of(provider: &Provider) -> Result<&Scheme, Failure> {
    let scheme = provider.signature.as_ref().ok_or_else(|| {
        Failure::usage(
            format!("{} does not sign its deliveries.", provider.title),
            "",
            "Send it unchanged.",
        )
    })?;
    if !scheme.shared_secret() {
        return Err(Failure::usage(
            format!("Only {} itself can sign its deliveries.", provider.title),
            format!(
                "Its {} signatures are made with a private key; the configured secret is the public key.",
                scheme.algorithm.word()
            ),
            "Resend a delivery with its received signature.",
        ));
    }
    Ok(scheme)
}

fn in_body(provider: &Provider) -> Failure {
    Failure::no(
        "The delivery cannot be signed again.",
        format!(
            "{}'s signature or time is part of the body.",
            provider.title
        ),
        "Resend it with the received signature.",
    )
}

fn no_place(provider: &Provider, pointer: &str) -> Failure {
    Failure::usage(
        format!("The body has no place for {pointer}."),
        format!(
            "{} puts that value into its JSON, and this body is not JSON or has another structure.",
            provider.title
        ),
        "Start from a body that the provider sent.",
    )
}

/// Puts a value into a JSON body; returns `None` if the body has no such place.
fn put(request: &mut Request, pointer: &str, value: Value) -> Option<()> {
    let mut body: Value = serde_json::from_slice(&request.body).ok()?;
    let mut place = &mut body;
    for name in pointer.split('/').skip(1) {
        let name = name.replace("~1", "/").replace("~0", "~");
        place = match place {
            Value::Object(fields) => fields
                .entry(name)
                .or_insert_with(|| Value::Object(Map::new())),
            Value::Array(items) => items.get_mut(name.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    *place = value;
    request.body = body.to_string().into();
    Some(())
}

/// Formats a time as the provider does.
fn written(unit: TimeUnit, at: Timestamp) -> String {
    match unit {
        TimeUnit::Seconds => at.unix_seconds().to_string(),
        TimeUnit::Milliseconds => at.unix_millis().to_string(),
        TimeUnit::Rfc3339 => at.utc().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
    }
}
