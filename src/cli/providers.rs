//! `creel providers`: the known providers, or one of them.

use super::Ended;
use super::args::{Global, Providers, Receiving};
use super::output::Output;
use super::session;
use crate::config::{self, Overrides};
use crate::domain::failure::Failure;
use crate::domain::provider::Provider;
use crate::domain::text;

/// Runs `creel providers`.
pub(super) fn run(global: &Global, args: &Providers, output: &Output) -> Result<Ended, Failure> {
    let overrides = Overrides { provider: args.name.clone(), ..session::overrides(global, &Receiving::default()) };
    let config = config::load(&overrides)?;
    let one = args.name.as_deref().and_then(|name| config.catalog.get(name));
    let Some(provider) = one else {
        for provider in config.catalog.iter() {
            if output.json {
                output.json(provider)?;
            } else {
                output.line(&format!("{}  {}", text::pad(&provider.name, 20), text::pad(&provider.title, 22)))?;
            }
        }
        return Ok(Ended::Well);
    };
    if output.json {
        return output.json(provider);
    }
    for line in lines(provider) {
        output.line(&line)?;
    }
    Ok(Ended::Well)
}

/// Writes what is known of a provider as lines for a person.
fn lines(provider: &Provider) -> Vec<String> {
    let mut lines = vec![format!("{}  ({})", provider.title, provider.name)];
    let mut fact = |name: &str, value: String| lines.push(format!("{name:<14} {value}"));
    fact("scheme", provider.scheme());
    let stated = |value: Option<String>| value.unwrap_or_else(|| "not stated".to_owned());
    fact("answer within", stated(provider.answer_within_ms().map(|ms| text::duration_us(ms * 1000))));
    let waits = provider.retry_seconds();
    let waits = waits.iter().map(|s| text::duration_us(s * 1_000_000)).collect::<Vec<_>>().join(", ");
    fact("retries after", stated(Some(waits).filter(|waits| !waits.is_empty())));
    fact("attempts", stated(provider.attempts().map(|n| n.to_string())));
    for event in provider.events() {
        fact("event", event.clone());
    }
    for note in provider.notes() {
        fact("note", note.clone());
    }
    if let Some(docs) = &provider.docs {
        fact("documentation", docs.clone());
    }
    lines
}
