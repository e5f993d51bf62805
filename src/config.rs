//! User configuration, merged from defaults, file, environment and flags; later
//! sources win.
//!
//! Flags and environment variables arrive as one [`Overrides`], because the
//! command-line parser already lets a flag win over its variable.

// Removes secrets from the environment of child processes.
mod environment;
// Reads the file `creel.toml`.
mod file;
// Parses sizes and durations.
mod size;
// Rejects secrets and parameters that would have no effect.
mod validate;
// Warns of secrets that other users can read.
mod warnings;

pub use self::environment::withhold_secrets;
pub use self::validate::{check_params, check_secret};

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;

use crate::domain::endpoint::Endpoint;
use crate::domain::failure::Failure;
use crate::domain::provider::Catalog;
use crate::domain::response_plan::{ResponsePlan, ResponseStep};
use crate::domain::retention::Retention;
use crate::domain::route::{ForwardMode, PathMode, Route, target_problem, without_credentials};
use crate::domain::secret::Secret;
use crate::domain::toml_error::nearest;

/// The default address to listen on.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:2733";

/// The origin of a secret from the command line.
const SECRET_FLAG: &str = "--secret";

/// The default maximum body size, in bytes: 10 MiB.
pub const DEFAULT_MAX_BODY: u64 = 10 * 1024 * 1024;

/// The values of flags and environment variables.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The configuration file to read instead of the default ones.
    pub config: Option<PathBuf>,
    /// The data directory.
    pub data_dir: Option<PathBuf>,
    /// The address to listen on.
    pub listen: Option<String>,
    /// The target.
    pub target: Option<String>,
    /// The mode.
    pub mode: Option<String>,
    /// Secrets as `[NAME=]VALUE`.
    pub secrets: Vec<String>,
    /// The provider of deliveries whose endpoint has none.
    pub provider: Option<String>,
    /// The maximum body size, as a number with an optional unit.
    pub max_body: Option<String>,
    /// The default response status.
    pub answer_status: Option<u16>,
    /// The default response body.
    pub answer_body: Option<String>,
    /// Whether targets may have any certificate.
    pub insecure: bool,
    /// Whether deliveries may be sent to link-local addresses.
    pub allow_link_local: bool,
}

/// The merged configuration.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own in the file"
)]
pub struct Config {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Whether the address was configured explicitly.
    pub listen_chosen: bool,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The target of deliveries, unless their endpoint or a route has another
    /// one.
    pub target: Option<String>,
    /// The routes to other targets.
    pub routes: Vec<Route>,
    /// How paths are changed for a target.
    pub path_mode: PathMode,
    /// Maximum number of deliveries in flight to one target, unless configured
    /// otherwise.
    pub parallel: Option<u32>,
    /// When they are sent on, unless their endpoint says otherwise.
    pub mode: ForwardMode,
    /// The provider of deliveries that no endpoint names one for.
    pub provider: Option<String>,
    /// The maximum body size, in bytes.
    pub max_body: u64,
    /// How long and how much to keep.
    pub keep: Retention,
    /// What is answered where no endpoint says otherwise.
    pub answer: ResponsePlan,
    /// Whether requests that try the address are answered where no endpoint
    /// says otherwise.
    pub handshakes: bool,
    /// The configured endpoints.
    pub endpoints: Vec<Endpoint>,
    /// Every configured secret.
    pub secrets: Vec<Secret>,
    /// Old secrets. The doctor tests them, but they make no delivery valid.
    pub old_secrets: Vec<Secret>,
    /// Whether targets may have any certificate.
    pub insecure: bool,
    /// Whether deliveries may be sent to link-local addresses.
    pub allow_link_local: bool,
    /// The built-in and the user's providers.
    pub catalog: Catalog,
    /// Warnings of secrets that other users can read, as sentences.
    pub warnings: Vec<String>,
}

/// Reads the configuration file, if there is one, and applies `overrides`.
///
/// # Errors
/// Returns a [`Failure`] of kind usage that names the file and line and
/// suggests a fix.
pub fn load(overrides: &Overrides) -> Result<Config, Failure> {
    let folder = folder();
    let catalog = catalog(folder.as_deref())?;
    let found = find_file(overrides.config.as_deref(), folder.as_deref());
    let file = match &found {
        Some(path) => file::read(path, &catalog)?,
        None => file::Settings::default(),
    };
    let mut secrets = file.secrets;
    for text in &overrides.secrets {
        secrets.extend(flag_secret(text, &file.endpoints, &catalog)?.split());
    }
    let all = || secrets.iter().chain(&file.old_secrets);
    let mut warnings = warnings::collect(found.as_deref(), all);
    let provider = overrides.provider.clone().or(file.provider);
    validate(&secrets, &file.endpoints, provider.as_deref(), &catalog)?;
    if provider.is_none() {
        warnings.extend(warnings::unnamed_public_keys(&secrets, &file.endpoints));
    }
    if let Some(name) = &provider {
        check_provider(name, &catalog)?;
    }
    let max_body = match &overrides.max_body {
        Some(text) => Some(size::bytes(text).map_err(|why| {
            Failure::usage(
                format!("--max-body {text} cannot be read."),
                why,
                "Write, for example, --max-body 25MiB",
            )
        })?),
        None => file.max_body,
    };
    let listen = overrides.listen.clone().or(file.listen);
    let mut answer = file.answer.unwrap_or_default();
    if let Some(status) = overrides.answer_status {
        answer.steps = vec![ResponseStep::Status(status)];
    }
    if let Some(body) = &overrides.answer_body {
        answer.body.clone_from(body);
    }
    Ok(Config {
        listen: address(listen.as_deref().unwrap_or(DEFAULT_LISTEN))?,
        listen_chosen: listen.is_some(),
        data_dir: match &overrides.data_dir {
            Some(dir) => dir.clone(),
            None => default_data_dir()?,
        },
        target: match &overrides.target {
            Some(target) => Some(flag_target(target)?),
            None => file.target,
        },
        routes: file.routes,
        path_mode: file.path_mode,
        parallel: file.parallel,
        mode: match &overrides.mode {
            Some(word) => flag_mode(word)?,
            None => file.mode.unwrap_or_default(),
        },
        provider,
        max_body: max_body.unwrap_or(DEFAULT_MAX_BODY),
        keep: file.keep,
        answer,
        handshakes: file.handshakes.unwrap_or(true),
        endpoints: file.endpoints,
        secrets,
        old_secrets: file.old_secrets,
        insecure: overrides.insecure || file.insecure,
        allow_link_local: overrides.allow_link_local || file.allow_link_local,
        catalog,
        warnings,
    })
}

/// Rejects secrets and parameters that would have no effect.
fn validate(
    secrets: &[Secret],
    endpoints: &[Endpoint],
    default: Option<&str>,
    catalog: &Catalog,
) -> Result<(), Failure> {
    for secret in secrets {
        check_secret(secret, catalog)?;
        if let Some(provider) = validate::provider_of(secret, endpoints, default, catalog) {
            validate::check_secret_form(secret, provider)?;
        }
    }
    for endpoint in endpoints {
        let named = endpoint.provider.as_deref().or(default);
        let provider = named.and_then(|name| catalog.get(name));
        let shown = format!("endpoints.{} in creel.toml", endpoint.name);
        check_params(&endpoint.params, provider, &shown)?;
    }
    Ok(())
}

/// Checks that there is a target wherever deliveries are passed through.
///
/// # Errors
/// Returns a [`Failure`] of kind usage if there is none.
pub fn check_pass_through(config: &Config) -> Result<(), Failure> {
    if config.target.is_some() || !config.routes.is_empty() {
        return Ok(());
    }
    let lost = |endpoint: &&Endpoint| {
        endpoint.mode.unwrap_or(config.mode) == ForwardMode::PassThrough
            && endpoint.target.is_none()
            && endpoint.routes.is_empty()
    };
    let lost = config.endpoints.iter().find(lost);
    let what = match lost {
        Some(endpoint) => format!(
            "The endpoint {} passes deliveries through to no app.",
            endpoint.name
        ),
        None if config.endpoints.is_empty() && config.mode == ForwardMode::PassThrough => {
            "Deliveries are passed through to no app.".to_owned()
        }
        None => return Ok(()),
    };
    Err(Failure::usage(
        what,
        "In pass-through mode the app responds to the sender, but no target is set.",
        "Name the app:  --target http://127.0.0.1:3000   (or target = … in creel.toml)",
    ))
}

/// Reads one secret from a configuration value: `env:NAME`, `file:PATH` or the
/// secret itself.
///
/// One trailing line break of a file is removed. Several keys in one text are
/// separated with [`Secret::split`].
///
/// # Errors
/// Returns a [`Failure`] if the variable is not set or the file cannot be read.
/// The message does not contain `text`, which may be the secret itself by
/// mistake.
pub fn secret(name: &str, text: &str, origin: &str) -> Result<Secret, Failure> {
    let secret = read_secret(name, text, origin)?;
    environment::note_value(secret.reveal());
    Ok(secret)
}

fn read_secret(name: &str, text: &str, origin: &str) -> Result<Secret, Failure> {
    if let Some(variable) = text.strip_prefix("env:") {
        environment::note_variable(variable);
        // A name with `=` or NUL is not a valid variable name.
        let is_name = !variable.is_empty() && !variable.contains(['=', '\0']);
        let value = is_name.then(|| std::env::var_os(variable)).flatten();
        let value = value.ok_or_else(|| {
            Failure::usage(
                "The environment variable of a secret is not set.",
                format!("{origin} refers to it with env:."),
                "Set it first:  export NAME=…   (and write env:NAME)",
            )
        })?;
        return Ok(Secret::new(
            name,
            format!("env:{variable}"),
            value.into_encoded_bytes(),
        ));
    }
    if let Some(path) = text.strip_prefix("file:") {
        let mut value = std::fs::read(expand_home(path)).map_err(|error| {
            Failure::usage(
                "A secret file cannot be read.",
                format!("{origin} takes a secret from a file: {error}."),
                "Check the path, or write the secret to that file.",
            )
        })?;
        if value.last() == Some(&b'\n') {
            value.pop();
            if value.last() == Some(&b'\r') {
                value.pop();
            }
        }
        return Ok(Secret::new(name, format!("file:{path}"), value));
    }
    if is_flag(text) {
        return Err(Failure::usage(
            format!("A secret reads like a flag ({origin})."),
            "Its value seems to be left out.",
            "Write it behind the flag; if it does begin so:  env:NAME, or file:PATH",
        ));
    }
    Ok(Secret::new(name, origin, text))
}

/// Returns whether a text is a flag, long or short. A secret may begin with a
/// dash, as PEM does.
fn is_flag(text: &str) -> bool {
    let is_word = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(|c| c.is_ascii_lowercase() || c == '-')
    };
    let long = text.strip_prefix("--");
    let long = long.map(|rest| rest.split('=').next().unwrap_or_default());
    let short = text.strip_prefix('-').filter(|rest| rest.len() == 1);
    long.is_some_and(is_word) || short.is_some_and(is_word)
}

/// Returns the user's configuration directory, such as `~/.config/creel`.
pub fn folder() -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.config_dir().join("creel"))
}

/// Reads the built-in providers and those in the configuration directory.
fn catalog(folder: Option<&Path>) -> Result<Catalog, Failure> {
    let mut catalog = Catalog::builtin();
    let Some(entries) = folder.and_then(|f| std::fs::read_dir(f.join("providers")).ok()) else {
        return Ok(catalog);
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "toml"));
    paths.sort();
    for path in paths {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Failure::usage(
                format!("The provider file {shown} cannot be read."),
                format!("{error}."),
                "Check its permissions, or move it away.",
            )
        })?;
        catalog.add(&text, &shown)?;
    }
    Ok(catalog)
}

/// Returns the path of the configuration file: the given one, otherwise
/// `creel.toml` in the working directory, otherwise the one in the user's
/// configuration directory.
fn find_file(named: Option<&Path>, folder: Option<&Path>) -> Option<PathBuf> {
    if let Some(path) = named {
        return Some(path.to_owned());
    }
    let here = PathBuf::from("creel.toml");
    if here.is_file() {
        return Some(here);
    }
    folder.map(|f| f.join("creel.toml")).filter(|p| p.is_file())
}

fn default_data_dir() -> Result<PathBuf, Failure> {
    let base = etcetera::choose_base_strategy().map_err(|error| {
        Failure::usage(
            "There is no directory for deliveries.",
            format!("The home directory is not known: {error}."),
            "Name one:  creel --data-dir ./creel-data",
        )
    })?;
    Ok(base.data_dir().join("creel"))
}

/// Parses an address to listen on.
fn address(text: &str) -> Result<SocketAddr, Failure> {
    let local = text
        .strip_prefix("localhost:")
        .map(|port| format!("127.0.0.1:{port}"));
    local.as_deref().unwrap_or(text).parse().map_err(|_| {
        Failure::usage(
            format!(
                "{} is not an address to listen on.",
                without_credentials(text)
            ),
            "An address is an IP address and a port.",
            "Write, for example, --listen 127.0.0.1:2733  (port 0 picks a free one)",
        )
    })
}

/// Parses `[NAME=]VALUE`, where NAME is an endpoint or a provider.
///
/// A secret may contain `=` itself (base64 ends with it), so the part before
/// the first one is a name only if it looks like one and is followed by more
/// than padding. `=VALUE` takes everything after the first `=` as the secret.
fn flag_secret(text: &str, endpoints: &[Endpoint], catalog: &Catalog) -> Result<Secret, Failure> {
    let origin = SECRET_FLAG;
    let Some((name, value)) = text.split_once('=') else {
        return secret("", text, origin);
    };
    if name.is_empty() {
        return secret("", value, origin);
    }
    if endpoints.iter().any(|e| e.name == name) || catalog.get(name).is_some() {
        return secret(name, value, origin);
    }
    let named = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if named && !value.trim_matches('=').is_empty() {
        let endpoints = endpoints.iter().map(|e| e.name.as_str());
        let known: Vec<&str> = endpoints
            .chain(catalog.iter().map(|p| p.name.as_str()))
            .collect();
        // Quotes only what is certainly a name, as it may be the start of a
        // secret.
        let near = nearest(name, &known).filter(|_| name.len() > 4);
        let (what, next) = match near {
            Some(near) => (
                format!("--secret {name}=… names neither an endpoint nor a provider."),
                format!("Did you mean {near}?"),
            ),
            None => (
                "A --secret names neither an endpoint nor a provider.".to_owned(),
                "List the providers:  creel providers".to_owned(),
            ),
        };
        return Err(Failure::usage(
            what,
            "The part before the first = names the owner of the secret.",
            format!("{next}   (a secret that holds a =: write --secret =SECRET)"),
        ));
    }
    secret("", text, origin)
}

fn flag_target(target: &str) -> Result<String, Failure> {
    match target_problem(target) {
        Some(why) => Err(Failure::usage(
            "creel cannot send to the address given with --target.",
            why,
            "Write, for example, --target http://127.0.0.1:3000",
        )),
        None => Ok(target.to_owned()),
    }
}

fn flag_mode(word: &str) -> Result<ForwardMode, Failure> {
    ForwardMode::named(word).ok_or_else(|| {
        Failure::usage(
            format!("There is no mode {word}."),
            "",
            format!(
                "Take one of these:  --mode {}",
                ForwardMode::ALL.map(ForwardMode::word).join("|")
            ),
        )
    })
}

/// Checks that a provider with this name exists.
fn check_provider(name: &str, catalog: &Catalog) -> Result<(), Failure> {
    if catalog.get(name).is_some() {
        return Ok(());
    }
    let names: Vec<&str> = catalog.iter().map(|p| p.name.as_str()).collect();
    let next = match nearest(name, &names) {
        Some(near) => format!("Did you mean {near}? List all providers:  creel providers"),
        None => "List all providers:  creel providers".to_owned(),
    };
    Err(Failure::usage(
        format!("No provider is named {name}."),
        "",
        next,
    ))
}

fn expand_home(path: &str) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(rest) => etcetera::home_dir().map_or_else(|_| path.into(), |home| home.join(rest)),
        None => path.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Result<(String, Vec<u8>), Failure> {
        let endpoints = [Endpoint {
            name: "billing".into(),
            ..Endpoint::default()
        }];
        let secret = flag_secret(text, &endpoints, &Catalog::builtin())?;
        Ok((secret.name().to_owned(), secret.reveal().to_vec()))
    }

    #[test]
    fn a_secret_may_hold_an_equals_sign() {
        assert_eq!(
            named("billing=abc").unwrap(),
            ("billing".into(), b"abc".to_vec())
        );
        assert_eq!(
            named("porkbun=a=b").unwrap(),
            ("porkbun".into(), b"a=b".to_vec())
        );
        assert_eq!(
            named("whsec_abc=").unwrap(),
            (String::new(), b"whsec_abc=".to_vec())
        );
        assert_eq!(named("abc==").unwrap(), (String::new(), b"abc==".to_vec()));
        assert_eq!(named("=a=b").unwrap(), (String::new(), b"a=b".to_vec()));
        assert!(named("porkbnu=abc").unwrap_err().what.contains("porkbnu"));
    }

    #[test]
    fn one_line_end_of_a_secret_file_is_not_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        std::fs::write(&path, "abc\r\n").unwrap();
        let read = secret("a", &format!("file:{}", path.display()), "--secret").unwrap();
        assert_eq!(read.reveal(), b"abc");
    }

    #[test]
    fn listens_on_localhost_by_name() {
        assert_eq!(
            address("localhost:0").unwrap(),
            "127.0.0.1:0".parse().unwrap()
        );
        assert!(address("nonsense").is_err());
    }
}
