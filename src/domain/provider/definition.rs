//! The structure of a provider's TOML file.

use serde::{Deserialize, Serialize};

use super::algorithm::KeyForm;
use super::scheme::Scheme;
use super::value_source::ValueSource;
use crate::domain::duration_spec::DurationSpec;
use crate::domain::failure::Failure;
use crate::domain::handshake::Handshake;
use crate::domain::toml_error;

/// A contradiction in a definition, and the suggested fix.
pub(crate) type Contradiction = (String, &'static str);

/// A provider: its name, its signing scheme, and the documented behavior of its
/// sender.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The name used in configuration and JSON: `stack-auth`.
    pub name: String,
    /// The display name: `Stack Auth`.
    pub title: String,
    /// The URL of its documentation.
    pub docs: Option<String>,
    /// Whether the definition is based on the provider's own documentation or
    /// library; `false` if it is based on third parties.
    #[serde(default = "yes")]
    pub verified: bool,
    /// Providers of one family sign alike and accept each other's secrets.
    pub family: Option<String>,
    /// How its deliveries are recognised.
    #[serde(default)]
    pub detect: Detection,
    /// The signing scheme; `None` if the provider does not sign.
    pub signature: Option<Scheme>,
    /// The places of the event's name and id.
    #[serde(default)]
    pub fields: FieldSources,
    /// The documented behavior of its sender.
    #[serde(default)]
    pub sender: SenderBehavior,
    /// The endpoint verification requests it sends, and the replies.
    #[serde(default, rename = "handshake")]
    pub handshakes: Vec<Handshake>,
    /// The documented events; unknown events are normal.
    #[serde(default)]
    pub events: Vec<String>,
    /// Notes that are shown with its deliveries.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// How the deliveries of a provider are recognised.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Detection {
    /// Headers of which any one identifies the provider.
    pub headers: Vec<String>,
    /// JSON pointers into the body of which any one identifies the provider
    /// (RFC 6901).
    pub pointers: Vec<String>,
    /// Whether the event must be one of the documented events.
    pub known_event: bool,
}

/// The places of the event's name and id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FieldSources {
    /// The provider's own id of the event, which is equal in all retries.
    pub delivery_id: Option<ValueSource>,
    /// The name of the event.
    pub event: Option<ValueSource>,
}

/// The documented behavior of a provider's sender.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SenderBehavior {
    /// The timeout for a response.
    pub answer_within: Option<DurationSpec>,
    /// The note about the timeout, if no number is documented.
    pub answer_note: Option<String>,
    /// The delays before the second, third … attempt.
    pub retry: Vec<DurationSpec>,
    /// The total retry period, if no delays are documented.
    pub retry_up_to: Option<DurationSpec>,
    /// The random variation of the delays in percent, if documented.
    pub jitter: Option<u8>,
    /// The statuses that are retried, such as `429` and `5xx`; if empty, all
    /// but 2xx.
    pub retry_status: Vec<String>,
    /// The statuses that end the retries.
    pub no_retry_status: Vec<String>,
    /// The response header, with its value, that ends the retries.
    pub no_retry_header: Option<String>,
    /// The note about retries, if numbers are missing or not sufficient.
    pub retry_note: Option<String>,
    /// The total number of attempts.
    pub attempts: Option<u32>,
    /// The number of consecutive failures after which the endpoint is disabled.
    pub disabled_after_failures: Option<u32>,
    /// The event that is sent to test an endpoint.
    pub test_event: Option<String>,
    /// The request that registers an endpoint, and the expected response.
    pub handshake: Option<String>,
    /// The retention of the provider's own delivery history.
    pub history: Option<DurationSpec>,
}

const fn yes() -> bool {
    true
}

/// Returns the line, counted from 1, of the setting that a contradiction is
/// about.
fn line_about(text: &str, what: &str) -> usize {
    let key = match what {
        _ if what.starts_with("the handshake") => "[[handshake]]",
        _ if what.starts_with("the name") => "name",
        _ if what.contains("format") => "format",
        _ if what.contains("encoding") => "encoding",
        _ if what.contains("version") => "[[signature.variant]]",
        _ if what.contains("claim") || what.contains("slash") => "timestamp",
        _ if what.contains("{secret}") => "algorithm",
        _ if what.contains("signature is either") => "[signature]",
        _ => "signed",
    };
    let begins = |line: &str, key: &str| {
        let rest = line.trim_start().strip_prefix(key);
        rest.is_some_and(|rest| key.starts_with('[') || rest.trim_start().starts_with(['=', '.']))
    };
    let of = |key| text.lines().position(|line| begins(line, key));
    of(key).or_else(|| of("[signature]")).map_or(1, |at| at + 1)
}

impl Provider {
    /// Parses a provider from the text of its file.
    ///
    /// # Errors
    /// Returns a [`Failure`] that names the file and the line and suggests a
    /// fix.
    pub fn parse(file: &str, text: &str) -> Result<Self, Failure> {
        let provider: Self = toml::from_str(text)
            .map_err(|error| toml_error::explain_toml_error(file, text, &error))?;
        provider.check().map_err(|(what, next)| {
            Failure::usage(
                format!("{file} line {}: {what}", line_about(text, &what)),
                "The definition would never match a delivery.",
                next,
            )
        })?;
        Ok(provider)
    }

    /// Checks the definition for contradictions that its types do not exclude.
    fn check(&self) -> Result<(), Contradiction> {
        let no = |what: &str, next| Err((what.to_owned(), next));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return no(
                "the name must consist of a-z, 0-9 and -.",
                "Write, for example, name = \"acme\"",
            );
        }
        for source in [&self.fields.delivery_id, &self.fields.event]
            .into_iter()
            .flatten()
        {
            source.check_outside_token()?;
        }
        for handshake in &self.handshakes {
            handshake.check()?;
        }
        match &self.signature {
            Some(scheme) => scheme.check(),
            None => Ok(()),
        }
    }

    /// Describes the scheme in a few words: `hmac-sha256 over {timestamp}.{body}, hex`.
    pub fn scheme(&self) -> String {
        match &self.signature {
            Some(scheme) => scheme.describe(),
            None => "not signed".to_owned(),
        }
    }

    /// Returns the form of its secrets. Returns `None` if the provider does not
    /// sign or names one of several keys.
    pub fn secret_form(&self) -> Option<KeyForm> {
        let scheme = self.signature.as_ref()?;
        scheme.key_id.is_none().then_some(scheme.secret)
    }

    /// Returns the timeout for a response in milliseconds; `None` if it is not
    /// documented.
    pub fn answer_within_ms(&self) -> Option<u64> {
        self.sender.answer_within.map(|span| span.0)
    }

    /// Returns the delays between attempts in seconds; empty if they are not
    /// documented.
    pub fn retry_seconds(&self) -> Vec<u64> {
        self.sender
            .retry
            .iter()
            .map(|span| span.seconds())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACME: &str = r#"
name = "acme"
title = "Acme"
[signature]
algorithm = "hmac-sha256"
header = "x-acme-signature"
format = "sha256={signature}"
signed = "{body}"
encoding = "hex"
"#;

    #[test]
    fn a_mistake_is_explained_with_its_line_and_the_mend() {
        for (was, is, line, mend) in [
            (
                "sha256={signature}",
                "sha256=",
                "line 7:",
                "Write, for example",
            ),
            ("{body}", "{timestamp}.{body}", "line 8:", "Add timestamp"),
            ("\"acme\"", "\"Ac me\"", "line 2:", "Write, for example"),
            (
                "hmac-sha256",
                "hmac-sha265",
                "line 5:",
                "Did you mean \"hmac-sha256\"?",
            ),
            ("signed = \"{body}\"", "", "line 4:", "Add it:  signed = "),
            ("encoding", "encodin", "line 9:", "Did you mean encoding?"),
        ] {
            let failure = Provider::parse("acme.toml", &ACME.replace(was, is)).unwrap_err();
            let told = failure.to_string();
            assert!(told.contains(line) && told.contains(mend), "{is}: {told}");
        }
        Provider::parse("acme.toml", ACME).unwrap();
    }
}
