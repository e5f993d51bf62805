//! Reads the file `creel.toml` and explains its errors.

// Reads the tables that define responses.
mod response;
// Reads the settings that define where deliveries go and when.
mod routing;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use self::response::AnswerTable;
use self::routing::RouteTable;
use super::{check_provider, secret, size};
use crate::domain::endpoint::Endpoint;
use crate::domain::failure::Failure;
use crate::domain::provider::Catalog;
use crate::domain::response_plan::ResponsePlan;
use crate::domain::retention::Retention;
use crate::domain::route::{ForwardMode, PathMode, Route};
use crate::domain::secret::Secret;
use crate::domain::toml_error::{self, nearest};

/// The settings of a configuration file.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) listen: Option<String>,
    pub(super) target: Option<String>,
    pub(super) routes: Vec<Route>,
    pub(super) path_mode: PathMode,
    pub(super) parallel: Option<u32>,
    pub(super) mode: Option<ForwardMode>,
    pub(super) provider: Option<String>,
    pub(super) max_body: Option<u64>,
    pub(super) keep: Retention,
    pub(super) answer: Option<ResponsePlan>,
    pub(super) handshakes: Option<bool>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) secrets: Vec<Secret>,
    pub(super) old_secrets: Vec<Secret>,
    pub(super) insecure: bool,
    pub(super) allow_link_local: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<String>,
    target: Option<Spanned<String>>,
    #[serde(default)]
    routes: Vec<RouteTable>,
    path_mode: Option<Spanned<String>>,
    parallel: Option<Spanned<u32>>,
    mode: Option<Spanned<String>>,
    provider: Option<Spanned<String>>,
    max_body: Option<Spanned<ByteCount>>,
    keep: Option<Spanned<KeepTable>>,
    answer: Option<Spanned<AnswerTable>>,
    handshakes: Option<bool>,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    allow_link_local: bool,
    #[serde(default)]
    secrets: BTreeMap<Spanned<String>, Spanned<OneOrMany>>,
    #[serde(default)]
    endpoints: BTreeMap<Spanned<String>, EndpointTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndpointTable {
    path: Option<Spanned<String>>,
    provider: Option<Spanned<String>>,
    #[serde(default)]
    secrets: Vec<Spanned<String>>,
    #[serde(default)]
    old_secrets: Vec<Spanned<String>>,
    target: Option<Spanned<String>>,
    #[serde(default)]
    routes: Vec<RouteTable>,
    path_mode: Option<Spanned<String>>,
    parallel: Option<Spanned<u32>>,
    mode: Option<Spanned<String>>,
    answer: Option<Spanned<AnswerTable>>,
    handshakes: Option<bool>,
    public_url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    params: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeepTable {
    count: Option<u64>,
    age: Option<String>,
    bytes: Option<ByteCount>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a number of bytes, or a text such as \"25MiB\"")]
enum ByteCount {
    Bytes(u64),
    Text(String),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a text, or a list of texts")]
enum OneOrMany {
    One(String),
    Several(Vec<String>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(value) => vec![value],
            Self::Several(values) => values,
        }
    }
}

/// A configuration file, for its error messages.
struct SourceFile<'a> {
    shown: String,
    text: &'a str,
}

/// Reads a configuration file.
pub(super) fn read(path: &Path, catalog: &Catalog) -> Result<Settings, Failure> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(
            format!("The configuration file {shown} cannot be read."),
            format!("{error}."),
            "Check the path given with --config or CREEL_CONFIG.",
        )
    })?;
    parse(&shown, &text, catalog)
}

fn parse(shown: &str, text: &str, catalog: &Catalog) -> Result<Settings, Failure> {
    let source = SourceFile {
        shown: shown.to_owned(),
        text,
    };
    let file: File = toml::from_str(text)
        .map_err(|error| toml_error::explain_toml_error(shown, text, &error))?;
    let mut settings = Settings {
        listen: file.listen,
        handshakes: file.handshakes,
        routes: source.routes(file.routes, catalog)?,
        insecure: file.insecure,
        allow_link_local: file.allow_link_local,
        ..Settings::default()
    };
    if let Some(target) = file.target {
        settings.target = Some(source.target(target)?);
    }
    if let Some(mode) = file.path_mode {
        settings.path_mode = source.path_mode(&mode)?;
    }
    if let Some(parallel) = file.parallel {
        settings.parallel = Some(source.parallel(&parallel)?);
    }
    if let Some(mode) = file.mode {
        settings.mode = Some(source.mode(&mode)?);
    }
    if let Some(provider) = file.provider {
        settings.provider = Some(source.provider(provider, catalog)?);
    }
    if let Some(size) = file.max_body {
        settings.max_body = Some(source.byte_count(size)?);
    }
    if let Some(keep) = file.keep {
        settings.keep = source.keep(keep)?;
    }
    if let Some(answer) = file.answer {
        settings.answer = Some(source.answer(answer)?);
    }
    for (name, values) in file.secrets {
        let span = values.span();
        if !file.endpoints.keys().any(|e| e.get_ref() == name.get_ref()) {
            source.owner(&name, catalog)?;
        }
        for value in values.into_inner().into_vec() {
            settings
                .secrets
                .extend(source.secret(name.get_ref(), &value, &span)?.split());
        }
    }
    let mut seen: BTreeMap<String, (String, usize)> = BTreeMap::new();
    for (name, table) in file.endpoints {
        let line = source.line(&name.span());
        let name = name.into_inner();
        let endpoint = source.endpoint(name.clone(), table, catalog, &mut settings)?;
        let path = endpoint.path.trim_end_matches('/').to_owned();
        if let Some((other, at)) = seen.insert(path, (name.clone(), line)) {
            return Err(Failure::usage(
                format!("{shown} lines {at} and {line}: the endpoints {other} and {name} clash."),
                format!("Both take the path {}.", endpoint.path),
                "Give one of them another path.",
            ));
        }
        settings.endpoints.push(endpoint);
    }
    Ok(settings)
}

impl SourceFile<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        toml_error::line(self.text, span)
    }

    fn at(
        &self,
        span: &Range<usize>,
        what: &str,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Failure {
        Failure::usage(
            format!("{} line {}: {what}", self.shown, self.line(span)),
            why,
            next,
        )
    }

    fn provider(&self, name: Spanned<String>, catalog: &Catalog) -> Result<String, Failure> {
        check_provider(name.get_ref(), catalog)
            .map_err(|failure| self.at(&name.span(), &failure.what, failure.why, failure.next))?;
        Ok(name.into_inner())
    }

    /// Checks that the key of a secret is a provider. Quotes it only if it is
    /// certainly a provider's name: name and secret may be swapped.
    fn owner(&self, name: &Spanned<String>, catalog: &Catalog) -> Result<(), Failure> {
        let names: Vec<&str> = catalog.iter().map(|p| p.name.as_str()).collect();
        if catalog.get(name.get_ref()).is_some() || nearest(name.get_ref(), &names).is_some() {
            return self.provider(name.clone(), catalog).map(|_| ());
        }
        Err(self.at(
            &name.span(),
            "no provider and no endpoint has that name.",
            "The keys under [secrets] name the owners of the secrets.",
            "List all providers:  creel providers",
        ))
    }

    fn byte_count(&self, number: Spanned<ByteCount>) -> Result<u64, Failure> {
        let span = number.span();
        match number.into_inner() {
            ByteCount::Bytes(number) => Ok(number),
            ByteCount::Text(text) => size::bytes(&text).map_err(|why| {
                self.at(
                    &span,
                    "this is not a size.",
                    why,
                    "Write, for example, \"25MiB\".",
                )
            }),
        }
    }

    fn keep(&self, keep: Spanned<KeepTable>) -> Result<Retention, Failure> {
        let span = keep.span();
        let keep = keep.into_inner();
        let age = keep.age.map(|age| size::seconds(&age)).transpose();
        let age = age.map_err(|why| {
            self.at(
                &span,
                "this is not a duration.",
                why,
                "Write, for example, \"30d\".",
            )
        })?;
        let bytes = keep
            .bytes
            .map(|bytes| self.byte_count(Spanned::new(span, bytes)))
            .transpose()?;
        Ok(Retention {
            count: keep.count,
            age_seconds: age.or(Retention::default().age_seconds),
            bytes,
        })
    }

    fn secret(&self, name: &str, value: &str, span: &Range<usize>) -> Result<Secret, Failure> {
        let origin = format!("{} line {}", self.shown, self.line(span));
        secret(name, value, &origin)
    }

    fn endpoint(
        &self,
        name: String,
        table: EndpointTable,
        catalog: &Catalog,
        settings: &mut Settings,
    ) -> Result<Endpoint, Failure> {
        for (values, list) in [
            (table.secrets, &mut settings.secrets),
            (table.old_secrets, &mut settings.old_secrets),
        ] {
            for value in values {
                let span = value.span();
                list.extend(self.secret(&name, value.get_ref(), &span)?.split());
            }
        }
        let path = match table.path {
            Some(path) if !path.get_ref().starts_with('/') => {
                return Err(self.at(
                    &path.span(),
                    "a path begins with a slash.",
                    "",
                    format!("Write path = \"/{}\"", path.get_ref()),
                ));
            }
            Some(path) => path.into_inner(),
            None => "/".to_owned(),
        };
        Ok(Endpoint {
            path,
            provider: table
                .provider
                .map(|p| self.provider(p, catalog))
                .transpose()?,
            target: table.target.map(|t| self.target(t)).transpose()?,
            routes: self.routes(table.routes, catalog)?,
            path_mode: table.path_mode.map(|m| self.path_mode(&m)).transpose()?,
            parallel: table.parallel.map(|p| self.parallel(&p)).transpose()?,
            mode: table.mode.map(|m| self.mode(&m)).transpose()?,
            answer: table.answer.map(|a| self.answer(a)).transpose()?,
            handshakes: table.handshakes,
            public_url: table.public_url,
            headers: table.headers,
            params: table.params,
            name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(text: &str) -> String {
        parse("creel.toml", text, &Catalog::builtin())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn reads_every_setting() {
        let settings = parse(
            "creel.toml",
            r#"
listen = "127.0.0.1:4000"
target = "http://127.0.0.1:3000"
mode = "hold"
path_mode = "keep"
parallel = 3
max_body = "25MiB"
insecure = true
allow_link_local = true
keep = { count = 1_000_000, age = "7d", bytes = "10GB" }

[secrets]
zyra = "shown-once"

[[routes]]
path = "/hooks/*"
provider = "zyra"
event = "device.*"
target = "http://127.0.0.1:3001"

[endpoints.billing]
path = "/hooks/billing"
provider = "porkbun"
secrets = ["one", "two"]
old_secrets = ["zero"]
target = "http://127.0.0.1:3000/hooks/billing"
mode = "ack-first"
answer = { body = "thanks", delay = "250ms", slow = "2s", sequence = [500, "drop", 202], headers = { X-A = ["1", "2"] } }
public_url = "https://example.test/hooks/billing"
headers = { delivery_id = "X-Id" }
path_mode = "strip"
parallel = 1

[[endpoints.billing.routes]]
event = "invoice.*"
target = "https://example.test/invoices"
parallel = 16
path_mode = "replace"
"#,
            &Catalog::builtin(),
        )
        .unwrap();
        assert_eq!(settings.max_body, Some(25 << 20));
        assert!(settings.insecure && settings.allow_link_local);
        assert_eq!(
            settings.keep,
            Retention {
                count: Some(1_000_000),
                age_seconds: Some(7 * 86_400),
                bytes: Some(10_000_000_000)
            }
        );
        let names: Vec<_> = settings.secrets.iter().map(Secret::name).collect();
        assert_eq!(names, ["zyra", "billing", "billing"]);
        let old: Vec<_> = settings.old_secrets.iter().map(Secret::name).collect();
        assert_eq!(old, ["billing"]);
        assert_eq!(settings.secrets[1].origin(), "creel.toml line 24");
        let endpoint = &settings.endpoints[0];
        let answer = endpoint.answer.as_ref().unwrap();
        assert_eq!(answer.to_string(), "500, drop, 202 after 250 ms over 2 s");
        let values: Vec<_> = answer.headers.all("x-a").collect();
        assert_eq!(
            (values, answer.body.as_str()),
            (vec![&b"1"[..], b"2"], "thanks")
        );
        assert_eq!(endpoint.mode, Some(ForwardMode::AckFirst));
        assert_eq!(endpoint.path_mode, Some(PathMode::Strip));
        assert_eq!(endpoint.routes[0].path_mode, Some(PathMode::Replace));
        let parallel = [
            settings.parallel,
            endpoint.parallel,
            endpoint.routes[0].parallel,
        ];
        assert_eq!(parallel, [Some(3), Some(1), Some(16)]);
        assert_eq!(
            (settings.mode, settings.path_mode),
            (Some(ForwardMode::Hold), PathMode::Keep)
        );
        assert_eq!(settings.routes[0].event.as_deref(), Some("device.*"));
        assert_eq!(endpoint.headers["delivery_id"], "X-Id");
    }

    #[test]
    fn an_unknown_key_names_the_line_and_a_fix() {
        let text = failure("listen = \"127.0.0.1:1\"\n\n[endpoints.a]\npaht = \"/x\"\n");
        assert_eq!(
            text,
            "creel.toml line 4: there is no setting paht.\nDid you mean path?"
        );
    }

    #[test]
    fn a_wrong_type_names_the_line() {
        let text = failure("\nlisten = 4000\n");
        assert!(
            text.starts_with("creel.toml line 2: this setting is not valid."),
            "{text}"
        );
        assert!(text.contains("invalid type: integer"), "{text}");
    }

    #[test]
    fn endpoints_that_clash_name_both_lines() {
        let text = failure("[endpoints.a]\npath = \"/x\"\n[endpoints.b]\npath = \"/x/\"\n");
        assert!(
            text.starts_with("creel.toml lines 1 and 3: the endpoints a and b clash."),
            "{text}"
        );
    }

    #[test]
    fn an_unknown_provider_is_refused_with_the_nearest() {
        let text = failure("[endpoints.a]\nprovider = \"porkbum\"\n");
        assert!(
            text.contains("line 2: No provider is named porkbum.")
                && text.contains("Did you mean porkbun"),
            "{text}"
        );
    }

    #[test]
    fn an_unset_variable_is_named_by_its_line_only() {
        let text = failure("[endpoints.a]\nsecrets = [\"env:CREEL_NO_SUCH_VARIABLE\"]\n");
        assert!(
            text.contains("is not set")
                && text.contains("creel.toml line 2")
                && !text.contains("CREEL_NO_SUCH_VARIABLE"),
            "{text}"
        );
    }

    #[test]
    fn invalid_forwarding_names_the_line_and_a_fix() {
        for (text, says) in [
            (
                "target = \"localhost:3000\"",
                "line 1: creel cannot send to this target.",
            ),
            (
                "[endpoints.a]\nparallel = 0",
                "line 2: creel cannot forward 0 deliveries at once.",
            ),
            (
                "[endpoints.a]\nmode = \"later\"",
                "line 2: there is no mode later.",
            ),
            (
                "mode = \"later\"",
                "\"ack-first\", \"pass-through\", \"hold\"",
            ),
            (
                "\npath_mode = \"cut\"",
                "line 2: there is no path_mode cut.",
            ),
            ("[[routes]]\npath = \"/x\"", "missing field `target`"),
            (
                "[[routes]]\ntarget = \"ftp://h\"",
                "line 2: creel cannot send",
            ),
            (
                "[[routes]]\ntarget = \"http://h\"\nprovider = \"porkbum\"",
                "line 3: No provider is named porkbum.",
            ),
            (
                "[[endpoints.a.routes]]\ntarget = \"http://h\"\npath = \"x\"",
                "line 3: a path begins with a slash.",
            ),
            (
                "[[routes]]\ntarget = \"http://h\"\nto = 1",
                "there is no setting to",
            ),
        ] {
            let message = failure(text);
            assert!(message.contains(says), "{text}: {message}");
        }
    }

    #[test]
    fn invalid_responses_name_the_line_and_a_fix() {
        for (answer, says) in [
            ("status = 99", "99 is not a valid response status."),
            ("sequence = [500, 700]", "700 is not a valid"),
            (
                "sequence = [500, \"dorp\"]",
                "neither a status from 200 to 599 nor drop",
            ),
            ("sequence = []", "a sequence has 1 to 100 responses"),
            ("sequence = [200], drop = true", "contradict each other"),
            ("delay = \"6m\"", "The maximum is 5 m."),
            ("slow = \"long\"", "does not begin with a whole number"),
            ("headers = { \"x y\" = \"1\" }", "cannot be written in HTTP"),
            ("delya = \"1s\"", "Did you mean delay?"),
        ] {
            let message = failure(&format!("\nanswer = {{ {answer} }}"));
            assert!(
                message.contains("line 2") && message.contains(says),
                "{answer}: {message}"
            );
        }
    }
}
