//! `creel sign`: prints the headers that a provider would send for a body.

use serde_json::json;

use super::CommandOutcome;
use super::args::{Global, Sign};
use super::output::Output;
use super::{session, verify};
use crate::clock::{Clock as _, System, random_bits};
use crate::config::{self, Overrides};
use crate::domain::failure::Failure;
use crate::domain::id::Id;
use crate::domain::signature::{self, SigningInput};
use crate::domain::timestamp::Timestamp;

/// Runs `creel sign`.
pub(super) fn run(
    global: &Global,
    args: &Sign,
    output: &Output,
) -> Result<CommandOutcome, Failure> {
    let overrides = Overrides {
        provider: Some(args.provider.clone()),
        ..session::overrides(global, &super::args::Receiving::default())
    };
    let config = config::load(&overrides)?;
    let provider = config
        .catalog
        .get(&args.provider)
        .expect("loading the configuration checked the name");
    let secret = config::secret(&args.provider, &args.secret, "--secret")?;
    let secret = signature::select_signing_secret(provider, secret.split());
    let body = verify::read(&args.file)?;
    let now = args
        .now
        .map_or_else(|| System.now(), Timestamp::from_unix_seconds);
    let id = args
        .id
        .clone()
        .unwrap_or_else(|| Id::new(now, random_bits()).to_string());
    let made = signature::prepare(
        provider,
        &secret,
        &SigningInput {
            body: &body,
            now,
            id: &id,
            event: args.event.as_deref(),
            method: &args.method,
            url: args.url.as_deref(),
        },
    )?;
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    if output.json {
        let headers: Vec<_> = made
            .headers
            .iter()
            .map(|h| [h.name.to_owned(), text(h.value)])
            .collect();
        let mut answer = json!({ "headers": headers });
        if let Some(body) = &made.body {
            answer["body"] = text(body).into();
        }
        return output.json(&answer);
    }
    for header in &made.headers {
        output.line(&format!("{}: {}", header.name, text(header.value)))?;
    }
    // The body is signed, so no line break may follow.
    if let Some(body) = &made.body {
        output.line("")?;
        output.raw(body)?;
    }
    Ok(CommandOutcome::Success)
}
