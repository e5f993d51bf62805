//! The file `creel.toml`: its shape, and its mistakes explained.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::{known, secret, size};
use crate::domain::endpoint::{AnswerPlan, Endpoint};
use crate::domain::failure::Failure;
use crate::domain::keep::Keep;
use crate::domain::mend;
use crate::domain::provider::Catalog;
use crate::domain::secret::Secret;

/// What a configuration file settled.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) listen: Option<String>,
    pub(super) target: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) max_body: Option<u64>,
    pub(super) keep: Keep,
    pub(super) answer: Option<AnswerPlan>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) secrets: Vec<Secret>,
    pub(super) insecure: bool,
    pub(super) allow_link_local: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<String>,
    target: Option<String>,
    provider: Option<Spanned<String>>,
    max_body: Option<Spanned<Number>>,
    keep: Option<Spanned<KeepTable>>,
    answer: Option<Spanned<AnswerTable>>,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    allow_link_local: bool,
    #[serde(default)]
    secrets: BTreeMap<Spanned<String>, Spanned<Many>>,
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
    target: Option<String>,
    mode: Option<Spanned<String>>,
    answer: Option<Spanned<AnswerTable>>,
    public_url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    params: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerTable {
    status: Option<u16>,
    body: Option<String>,
    delay: Option<String>,
    sequence: Option<Vec<u16>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeepTable {
    count: Option<u64>,
    age: Option<String>,
    bytes: Option<Number>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a number of bytes, or a text such as \"25MiB\"")]
enum Number {
    Plain(u64),
    Written(String),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a secret, or a list of secrets")]
enum Many {
    One(String),
    Several(Vec<String>),
}

/// A place in a file, to name in an error.
struct Source<'a> {
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
    let source = Source {
        shown: shown.to_owned(),
        text,
    };
    let file: File = toml::from_str(text).map_err(|error| mend::explain(shown, text, &error))?;
    let mut settings = Settings {
        listen: file.listen,
        target: file.target,
        insecure: file.insecure,
        allow_link_local: file.allow_link_local,
        ..Settings::default()
    };
    if let Some(provider) = file.provider {
        settings.provider = Some(source.provider(provider, catalog)?);
    }
    if let Some(size) = file.max_body {
        settings.max_body = Some(source.number(size)?);
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
            source.provider(name.clone(), catalog)?;
        }
        let values = match values.into_inner() {
            Many::One(value) => vec![value],
            Many::Several(values) => values,
        };
        for value in values {
            settings
                .secrets
                .push(source.secret(name.get_ref(), &value, &span)?);
        }
    }
    let mut seen: BTreeMap<String, (String, usize)> = BTreeMap::new();
    for (name, table) in file.endpoints {
        let line = source.line(&name.span());
        let name = name.into_inner();
        let endpoint = source.endpoint(name.clone(), table, catalog, &mut settings.secrets)?;
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

impl Source<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        mend::line(self.text, span)
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
        known(name.get_ref(), catalog)
            .map_err(|failure| self.at(&name.span(), &failure.what, failure.why, failure.next))?;
        Ok(name.into_inner())
    }

    fn number(&self, number: Spanned<Number>) -> Result<u64, Failure> {
        let span = number.span();
        match number.into_inner() {
            Number::Plain(number) => Ok(number),
            Number::Written(text) => size::bytes(&text).map_err(|why| {
                self.at(
                    &span,
                    "this is no size.",
                    why,
                    "Write, for example, \"25MiB\".",
                )
            }),
        }
    }

    fn keep(&self, keep: Spanned<KeepTable>) -> Result<Keep, Failure> {
        let span = keep.span();
        let keep = keep.into_inner();
        let age = keep.age.map(|age| size::seconds(&age)).transpose();
        let age = age.map_err(|why| {
            self.at(
                &span,
                "this is no span of time.",
                why,
                "Write, for example, \"30d\".",
            )
        })?;
        let bytes = keep
            .bytes
            .map(|bytes| self.number(Spanned::new(span, bytes)))
            .transpose()?;
        Ok(Keep {
            count: keep.count,
            age_seconds: age.or(Keep::default().age_seconds),
            bytes,
        })
    }

    fn answer(&self, answer: Spanned<AnswerTable>) -> Result<AnswerPlan, Failure> {
        let span = answer.span();
        let answer = answer.into_inner();
        let delayed = answer
            .delay
            .as_deref()
            .is_some_and(|delay| size::seconds(delay) != Ok(0));
        if delayed || answer.sequence.is_some() {
            return Err(self.at(
                &span,
                "delay and sequence are not available.",
                "This version of creel answers at once with one status.",
                "Leave them out.",
            ));
        }
        let status = answer.status.unwrap_or(200);
        if !(200..=599).contains(&status) {
            return Err(self.at(
                &span,
                &format!("{status} is no status to answer with."),
                "",
                "Take one from 200 to 599.",
            ));
        }
        Ok(AnswerPlan {
            status,
            body: answer.body.unwrap_or_default(),
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
        secrets: &mut Vec<Secret>,
    ) -> Result<Endpoint, Failure> {
        if let Some(mode) = table.mode
            && mode.get_ref() != "ack-first"
        {
            return Err(self.at(
                &mode.span(),
                &format!("the mode {} is not available.", mode.get_ref()),
                "This version of creel answers every delivery itself, as soon as it is kept.",
                "Leave mode out, or write mode = \"ack-first\".",
            ));
        }
        for value in table.secrets {
            let span = value.span();
            secrets.push(self.secret(&name, value.get_ref(), &span)?);
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
            target: table.target,
            answer: table.answer.map(|a| self.answer(a)).transpose()?,
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
max_body = "25MiB"
insecure = true
allow_link_local = true
keep = { count = 1_000_000, age = "7d", bytes = "10GB" }

[secrets]
zyra = "shown-once"

[endpoints.billing]
path = "/hooks/billing"
provider = "porkbun"
secrets = ["one", "two"]
target = "http://127.0.0.1:3000/hooks/billing"
mode = "ack-first"
answer = { status = 202, body = "thanks", delay = "0s" }
public_url = "https://example.test/hooks/billing"
headers = { delivery_id = "X-Id" }
"#,
            &Catalog::builtin(),
        )
        .unwrap();
        assert_eq!(settings.max_body, Some(25 << 20));
        assert!(settings.insecure && settings.allow_link_local);
        assert_eq!(
            settings.keep,
            Keep {
                count: Some(1_000_000),
                age_seconds: Some(7 * 86_400),
                bytes: Some(10_000_000_000)
            }
        );
        let names: Vec<_> = settings.secrets.iter().map(Secret::name).collect();
        assert_eq!(names, ["zyra", "billing", "billing"]);
        assert_eq!(settings.secrets[1].origin(), "creel.toml line 15");
        let endpoint = &settings.endpoints[0];
        assert_eq!(
            endpoint.answer,
            Some(AnswerPlan {
                status: 202,
                body: "thanks".into()
            })
        );
        assert_eq!(endpoint.headers["delivery_id"], "X-Id");
    }

    #[test]
    fn an_unknown_key_names_the_line_and_the_mend() {
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
            text.starts_with("creel.toml line 2: this cannot be read."),
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
    fn a_provider_nobody_knows_is_refused_with_the_nearest() {
        let text = failure("[endpoints.a]\nprovider = \"porkbum\"\n");
        assert!(
            text.contains("line 2: No provider is named porkbum.")
                && text.contains("Did you mean porkbun"),
            "{text}"
        );
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let text = failure("[endpoints.a]\nsecrets = [\"env:CREEL_NO_SUCH_VARIABLE\"]\n");
        assert!(
            text.contains("CREEL_NO_SUCH_VARIABLE is not set")
                && text.contains("creel.toml line 2"),
            "{text}"
        );
    }
}
