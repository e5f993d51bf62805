//! `creel send`: sends a signed sample event.

use super::CommandOutcome;
use super::args::{Global, Receiving, Send};
use super::output::Output;
use super::{confirm, session};
use crate::clock::{Clock as _, System, random_bits};
use crate::config::{self, Overrides};
use crate::domain::failure::Failure;
use crate::domain::signature;
use crate::domain::text;
use crate::engine::sample;
use crate::outbound;

/// Runs `creel send`.
pub(super) async fn run(
    global: &Global,
    args: &Send,
    output: &Output,
) -> Result<CommandOutcome, Failure> {
    let overrides = Overrides {
        provider: Some(args.provider.clone()),
        ..session::overrides(global, &Receiving::default())
    };
    let config = config::load(&overrides)?;
    let provider = config
        .catalog
        .get(&args.provider)
        .expect("loading the configuration checked the name");
    let secret = config::secret(&args.provider, &args.secret, "--secret")?;
    let secret = signature::select_signing_secret(provider, secret.split());
    let request = sample::request(
        provider,
        &secret,
        args.event.as_deref(),
        "/",
        System.now(),
        random_bits(),
    )?;
    let client = outbound::Client::default();
    let outgoing = outbound::prepare(&request, &args.to, request.headers.clone())?;
    let flags = confirm::options(args.sending);
    let options = flags.or(outbound::SendOptions {
        insecure: config.insecure,
        link_local: config.allow_link_local,
    });
    if !args.yes {
        let places = client.locate([args.to.as_str()]).await?;
        confirm::confirm_hosts(outbound::remote_hosts(places, options)).await?;
    }
    let exchange = client.send(&outgoing, options).await;
    let status = exchange.response.as_ref().map(|r| r.status);
    if output.json {
        output.json(&serde_json::json!({
            "target": outgoing.address(), "status": status,
            "duration_ms": exchange.duration_us / 1000, "error": exchange.error,
        }))?;
    } else if let Some(status) = status {
        output.line(&format!(
            "{status} in {}  {}",
            text::duration_us(exchange.duration_us),
            outgoing.address()
        ))?;
    }
    match (status, exchange.error) {
        (Some(200..=299), None) => Ok(CommandOutcome::Success),
        (Some(_), _) => Ok(CommandOutcome::No),
        (None, error) => Err(Failure::cannot(
            format!("{} gave no answer.", args.to),
            error.unwrap_or_default(),
            "Start the app, or name another address:  --to URL",
        )),
    }
}
