//! `creel verify`: checks the signature of a raw request, offline.

use std::io::Read as _;
use std::path::Path;

use super::CommandOutcome;
use super::args::{Global, Verify};
use super::output::{Output, Style};
use super::session;
use crate::clock::{Clock as _, System};
use crate::config::{self, Overrides};
use crate::domain::assess::Assessor;
use crate::domain::contract_json::SignatureJson;
use crate::domain::doctor::History;
use crate::domain::endpoint::Endpoint;
use crate::domain::failure::Failure;
use crate::domain::request::Request;
use crate::domain::text::pad;
use crate::domain::timestamp::Timestamp;
use crate::domain::verification::{HypothesisTrial, Status, TrialOutcome, Verification};

/// The name of the endpoint that the request is verified with.
const ENDPOINT: &str = "secret";

/// Runs `creel verify`.
pub(super) fn run(
    global: &Global,
    args: &Verify,
    output: &Output,
) -> Result<CommandOutcome, Failure> {
    let overrides = Overrides {
        provider: args.provider.clone(),
        ..session::overrides(global, &super::args::Receiving::default())
    };
    let config = config::load(&overrides)?;
    let mut secrets = Vec::new();
    for text in &args.secrets {
        secrets.extend(config::secret(ENDPOINT, text, "--secret")?.split());
    }
    for secret in &secrets {
        config::check_secret(secret, &config.catalog)?;
    }
    let mut old = Vec::new();
    for text in &args.old_secrets {
        old.extend(config::secret(ENDPOINT, text, "--old-secret")?.split());
    }
    let mut endpoint = Endpoint {
        name: ENDPOINT.to_owned(),
        path: "/".to_owned(),
        provider: args.provider.clone(),
        public_url: args.url.clone(),
        ..Endpoint::default()
    };
    for param in &args.params {
        let (name, value) = param.split_once('=').ok_or_else(|| {
            Failure::usage(
                "A --param has no value.",
                "",
                "Write it as NAME=VALUE, for example --param key=abc",
            )
        })?;
        endpoint.params.insert(name.to_owned(), value.to_owned());
    }
    let request = Request::parse_raw(&read(&args.file)?)?;
    if !endpoint.params.is_empty() {
        let provider = match &args.provider {
            Some(name) => config.catalog.get(name),
            None => config.catalog.detect(&request),
        };
        config::check_params(&endpoint.params, provider, "--param")?;
        endpoint.provider = provider.map(|provider| provider.name.clone());
    }
    let now = args
        .now
        .map_or_else(|| System.now(), Timestamp::from_unix_seconds);
    let mut assessor = Assessor::new(config.catalog, vec![endpoint], secrets, None);
    assessor.keyring.remember(old);
    let (endpoint, history) = (Some(ENDPOINT), History::default());
    let mut verification = assessor.assess(endpoint, &request, now).verification;
    if args.full || verification.status != Status::Valid {
        verification = assessor
            .assess_fully(endpoint, &request, now, history)
            .verification;
    }
    if output.json {
        output.json(&SignatureJson {
            signature: &verification,
        })?;
    } else {
        print(output, &verification)?;
    }
    Ok(if verification.status == Status::Valid {
        CommandOutcome::Success
    } else {
        CommandOutcome::No
    })
}

/// Reads a file; `-` is standard input.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let result = if path == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    result.map_err(|error| {
        Failure::usage(
            format!("{} cannot be read.", path.display()),
            format!("{error}."),
            "Name a file, or - for standard input.",
        )
    })?;
    Ok(bytes)
}

/// Prints a verification and its evidence.
pub(super) fn print(output: &Output, v: &Verification) -> Result<(), Failure> {
    output.styled(&[
        (v.status.word().to_owned(), Style::of(v.status)),
        (format!("  {}", v.status.code()), Style::Plain),
    ])?;
    for line in evidence(v) {
        output.line(&line)?;
    }
    Ok(())
}

/// Formats the evidence of a verification as lines.
fn evidence(v: &Verification) -> Vec<String> {
    let mut lines = Vec::new();
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            lines.push(format!("{name:<10} {value}"));
        }
    };
    fact("provider", v.provider.clone());
    fact("scheme", v.scheme.clone());
    fact("secret", v.secret.clone());
    fact(
        "age",
        v.age_seconds.map(|age| match v.limit() {
            Some(limit) => format!("{age} s; the limit is {limit}"),
            None => format!("{age} s; no limit is stated"),
        }),
    );
    let names = |names: &[String]| (!names.is_empty()).then(|| names.join(", "));
    fact("covers", names(&v.covers));
    fact("unsigned", names(&v.unsigned));
    for received in &v.received {
        fact("received", Some(received.clone()));
    }
    if v.status != Status::Valid {
        for expected in &v.expected {
            fact("expected", Some(expected.clone()));
        }
    }
    for finding in &v.findings {
        let mark = match v.status {
            // Parts that a valid signature does not cover are notes, not
            // failures.
            Status::Valid => "·",
            _ if finding.proved => "✗",
            _ => "·",
        };
        lines.push(format!("{mark} {}", finding.message));
        if !finding.proof.is_empty() {
            lines.push(format!("  {}", finding.proof));
        }
        if !finding.advice.is_empty() {
            lines.push(format!("  Do this: {}", finding.advice));
        }
    }
    lines.extend(tried(&v.tried));
    lines
}

/// Writes what was tried, and how much of it does not apply.
fn tried(tried: &[HypothesisTrial]) -> Vec<String> {
    let applies = |t: &&HypothesisTrial| t.outcome != TrialOutcome::NotApplicable;
    let mut lines: Vec<String> = tried
        .iter()
        .filter(applies)
        .map(|t| {
            let what = pad(&t.what, 52);
            format!(
                "  {:<4} {:<10} {what}  {}",
                t.outcome.word(),
                t.group.word(),
                t.reason
            )
        })
        .collect();
    if !tried.is_empty() {
        lines.insert(0, "tried".to_owned());
        let rest = tried.len() - tried.iter().filter(applies).count();
        lines.push(format!(
            "  {rest} more do not apply here; --json names them"
        ));
    }
    lines
}
