//! Creates signed sample deliveries, as the provider would send them.

use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::local::Local;
use crate::clock::random_bits;
use crate::domain::failure::{Failure, Remedy};
use crate::domain::headers::Headers;
use crate::domain::id::Id;
use crate::domain::provider::Provider;
use crate::domain::request::Request;
use crate::domain::sample;
use crate::domain::secret::Secret;
use crate::domain::signature::{self, SigningInput};
use crate::domain::timestamp::Timestamp;
use crate::outbound;

/// The providers whose samples are sent in turn by default.
const SAMPLE_PROVIDERS: [&str; 5] = [
    "stackryze",
    "porkbun",
    "tenant-platform",
    "zyra",
    "stack-auth",
];

/// Creates the request that a provider would send for one of its events.
///
/// # Errors
/// Returns a [`Failure`] if there is no such sample or the secret cannot sign.
pub fn request(
    provider: &Provider,
    secret: &Secret,
    event: Option<&str>,
    path: &str,
    now: Timestamp,
    random: u128,
) -> Result<Request, Failure> {
    let samples = sample::samples(&provider.name);
    let found = match event {
        Some(event) => samples.iter().find(|sample| sample.event == event),
        None => samples.first(),
    };
    let sample = found.ok_or_else(|| {
        let names: Vec<&str> = samples.iter().map(|s| s.event.as_str()).collect();
        match event {
            Some(event) if !names.is_empty() => Failure::usage(
                format!("There is no sample of {} for {event}.", provider.title),
                "",
                format!("There are: {}", names.join(", ")),
            ),
            _ => Failure::usage(
                format!("There is no sample of {}.", provider.title),
                "",
                format!("There are samples of: {}", SAMPLE_PROVIDERS.join(", ")),
            ),
        }
    })?;
    signed(
        provider,
        secret,
        sample,
        path,
        now,
        &event_id(provider, random),
    )
}

/// Creates the signed request of one sample.
pub(super) fn signed(
    provider: &Provider,
    secret: &Secret,
    sample: &sample::Sample,
    path: &str,
    now: Timestamp,
    id: &str,
) -> Result<Request, Failure> {
    let body = Bytes::from(sample.body.clone());
    let mut headers: Headers = [("user-agent", format!("{}-sample/1.0", provider.name))]
        .into_iter()
        .collect();
    let mut made = signature::sign(
        provider,
        secret,
        &SigningInput {
            body: &body,
            now,
            id,
            event: Some(&sample.event),
            method: "POST",
            url: None,
        },
    )?;
    if let (false, Some(scheme)) = (sample.signed, &provider.signature) {
        made.retain(|header| header.name != scheme.header);
    }
    for header in &made {
        headers.push(header.name, header.value);
    }
    Ok(Request {
        method: "POST".to_owned(),
        path: path.to_owned(),
        query: None,
        http_version: "1.1".to_owned(),
        headers,
        body,
    })
}

/// Creates an event id in the provider's format.
pub(super) fn event_id(provider: &Provider, random: u128) -> String {
    if matches!(
        provider.name.as_str(),
        "stack-auth" | "svix" | "standard-webhooks"
    ) {
        return format!("msg_{}", Id::from_bits(random));
    }
    let hex = format!("{random:032x}");
    format!(
        "{}-{}-4{}-a{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..]
    )
}

/// Reads the secret of creel's own samples, or creates it. It is random and
/// never leaves the data directory, so that only creel can sign with it.
pub(super) fn secret(data_dir: &Path) -> Option<Secret> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = data_dir.join("sample.key");
    let text = if let Ok(text) = std::fs::read_to_string(&path) {
        text
    } else {
        // Base64 after the prefix makes it a valid key of every scheme.
        let text = format!("whsec_{}", STANDARD.encode(random_bits().to_le_bytes()));
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data_dir)
            .ok()?;
        let mut file = std::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .ok()?;
        file.write_all(text.as_bytes()).ok()?;
        text
    };
    Some(Secret::new(
        "creel's own samples",
        "sample.key",
        text.trim(),
    ))
}

impl Local {
    /// Sends a signed sample to creel's own address over the network.
    pub(super) async fn send_sample(&self, name: Option<&str>) -> Result<(), Failure> {
        let random = random_bits();
        let name = name.unwrap_or(SAMPLE_PROVIDERS[(random % 5) as usize]);
        let assessor = self.assessor();
        let provider = assessor.catalog.get(name).ok_or_else(|| {
            Failure::usage(
                format!("No provider is named {name}."),
                "",
                "List all providers:  creel providers",
            )
        })?;
        let Some(address) = self.listening.get() else {
            return Err(Failure::cannot(
                "No sample can be sent.",
                "This creel is not receiving.",
                "Start one that does:  creel",
            ));
        };
        let endpoint = self
            .endpoints
            .iter()
            .find(|e| e.provider.as_deref() == Some(name));
        let path = endpoint.map_or_else(|| format!("/hooks/{name}"), |e| e.path.clone());
        let samples = sample::samples(name);
        let Some(sample) = samples.get((random / 5) as usize % samples.len().max(1)) else {
            return Err(Failure::usage(
                format!("There is no sample of {}.", provider.title),
                "",
                format!("There are samples of: {}", SAMPLE_PROVIDERS.join(", ")),
            ));
        };
        let own = assessor.sample_secret_for(endpoint.map(|e| e.name.as_str()), provider);
        let Some(secret) = own else {
            return Err(Failure::cannot(
                "No sample can be signed.",
                format!(
                    "No secret is configured for {}, and the data directory keeps none.",
                    provider.title
                ),
                format!("Add one:  creel --secret {name}=SECRET"),
            )
            .with_remedy(Remedy::AddSecret));
        };
        let id = event_id(provider, random);
        let request = signed(provider, secret, sample, &path, self.clock.now(), &id)?;
        let outgoing = outbound::prepare(
            &request,
            &format!("http://{address}"),
            request.headers.clone(),
        )?;
        // A separate client: creel would take requests of its own client for a
        // loop.
        let exchange = outbound::Client::default()
            .send(&outgoing, outbound::SendOptions::default())
            .await;
        match exchange.error {
            None => Ok(()),
            Some(error) => Err(Failure::cannot(
                "The sample did not arrive.",
                error,
                "Check that creel still receives.",
            )),
        }
    }
}
