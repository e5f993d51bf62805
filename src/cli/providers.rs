//! `creel providers`: lists the known providers, or shows one.

use super::CommandOutcome;
use super::args::{Global, Providers, Receiving};
use super::output::Output;
use super::session;
use crate::config::{self, Overrides};
use crate::domain::failure::Failure;
use crate::domain::provider::{Provider, Scheme};
use crate::domain::text;

/// Runs `creel providers`.
pub(super) fn run(
    global: &Global,
    args: &Providers,
    output: &Output,
) -> Result<CommandOutcome, Failure> {
    let overrides = Overrides {
        provider: args.name.clone(),
        ..session::overrides(global, &Receiving::default())
    };
    let config = config::load(&overrides)?;
    let one = args
        .name
        .as_deref()
        .and_then(|name| config.catalog.get(name));
    let Some(provider) = one else {
        for provider in config.catalog.iter() {
            if output.json {
                output.json(provider)?;
            } else {
                output.line(&format!(
                    "{}  {}",
                    text::pad(&provider.name, 20),
                    text::pad(&provider.title, 22)
                ))?;
            }
        }
        return Ok(CommandOutcome::Success);
    };
    if output.json {
        return output.json(provider);
    }
    for line in lines(provider) {
        output.line(&line)?;
    }
    Ok(CommandOutcome::Success)
}

/// Formats a provider as readable lines.
fn lines(provider: &Provider) -> Vec<String> {
    let mut lines = vec![format!("{}  ({})", provider.title, provider.name)];
    let mut fact = |name: &str, value: String| lines.push(format!("{name:<14} {value}"));
    fact("scheme", provider.scheme());
    let limit = provider.signature.as_ref().and_then(Scheme::limit);
    fact(
        "time limit",
        limit.unwrap_or_else(|| "not stated".to_owned()),
    );
    let sender = &provider.sender;
    let stated = |value: Option<String>, note: &Option<String>| match (value, note) {
        (Some(value), Some(note)) => format!("{value}; {note}"),
        (Some(value), None) => value,
        (None, Some(note)) => note.clone(),
        (None, None) => "not stated".to_owned(),
    };
    let limit = provider.answer_within_ms().map(|ms| match ms % 1000 {
        0 => text::span(ms / 1000),
        _ => format!("{ms} ms"),
    });
    fact("answer within", stated(limit, &sender.answer_note));
    let waits: Vec<String> = provider
        .retry_seconds()
        .iter()
        .map(|s| text::span(*s))
        .collect();
    fact(
        "retries after",
        stated(
            (!waits.is_empty()).then(|| waits.join(", ")),
            &sender.retry_note,
        ),
    );
    fact(
        "attempts",
        stated(sender.attempts.map(|n| n.to_string()), &None),
    );
    if let Some(failures) = sender.disabled_after_failures {
        fact("disabled", format!("after {failures} failures in a row"));
    }
    if let Some(handshake) = &sender.handshake {
        fact("handshake", handshake.clone());
    }
    for handshake in &provider.handshakes {
        fact("answers", handshake.name.clone());
    }
    if let Some(event) = &sender.test_event {
        fact("test event", event.clone());
    }
    for event in &provider.events {
        fact("event", event.clone());
    }
    for note in &provider.notes {
        fact("note", note.clone());
    }
    if let Some(docs) = &provider.docs {
        fact("documentation", docs.clone());
    }
    lines
}
