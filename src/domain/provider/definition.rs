//! The shape of a provider's TOML file.

use serde::{Deserialize, Serialize};

use super::algorithm::KeyForm;
use super::scheme::Scheme;
use super::value_source::ValueSource;
use crate::domain::duration_spec::DurationSpec;
use crate::domain::failure::Failure;
use crate::domain::handshake::Handshake;
use crate::domain::toml_error;

/// What contradicts itself in a definition, and what to write instead.
pub(crate) type Contradiction = (String, &'static str);

/// A provider: who it is, how it signs, what it promises of its sending side.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The name used in configuration and JSON: `stack-auth`.
    pub name: String,
    /// The name as people write it: `Stack Auth`.
    pub title: String,
    /// The address of its documentation.
    pub docs: Option<String>,
    /// Whether the definition rests on its own documentation or library;
    /// `false` where it rests on what others say.
    #[serde(default = "yes")]
    pub verified: bool,
    /// Providers of one family sign alike and accept each other's secrets.
    pub family: Option<String>,
    /// How its deliveries are told from others.
    #[serde(default)]
    pub detect: Detection,
    /// How it signs; `None`: it does not.
    pub signature: Option<Scheme>,
    /// Where the event's name and id are.
    #[serde(default)]
    pub fields: FieldSources,
    /// What it promises of its sending side.
    #[serde(default)]
    pub sender: SenderBehavior,
    /// The requests it sends to try an address, and their answers.
    #[serde(default, rename = "handshake")]
    pub handshakes: Vec<Handshake>,
    /// The events it names; an unknown one is normal.
    #[serde(default)]
    pub events: Vec<String>,
    /// Things worth knowing where its deliveries are shown.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// How a provider's deliveries are told from others.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Detection {
    /// Any of these headers speaks for it.
    pub headers: Vec<String>,
    /// Any of these values in a JSON body speaks for it (RFC 6901).
    pub pointers: Vec<String>,
    /// Only where the event is one of those it names.
    pub known_event: bool,
}

/// Where the event's name and id are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FieldSources {
    /// The provider's own id of the event: the same in every retry.
    pub delivery_id: Option<ValueSource>,
    /// What happened.
    pub event: Option<ValueSource>,
}

/// What a provider's documentation promises of its sending side.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SenderBehavior {
    /// How long it waits for an answer.
    pub answer_within: Option<DurationSpec>,
    /// What it says of that, where it gives no number.
    pub answer_note: Option<String>,
    /// The waits before the second, third … attempt.
    pub retry: Vec<DurationSpec>,
    /// For how long it tries, where it states no waits.
    pub retry_up_to: Option<DurationSpec>,
    /// By how many percent the waits differ by chance, where it says so.
    pub jitter: Option<u8>,
    /// The statuses it tries again after, such as `429` and `5xx`; empty: all
    /// but 2xx.
    pub retry_status: Vec<String>,
    /// The statuses after which it gives a delivery up.
    pub no_retry_status: Vec<String>,
    /// The field of an answer, with its value, after which it gives up.
    pub no_retry_header: Option<String>,
    /// What it says of retries, where it gives no numbers or more than them.
    pub retry_note: Option<String>,
    /// How many attempts it makes in all.
    pub attempts: Option<u32>,
    /// After how many failures in a row it stops sending to an endpoint.
    pub disabled_after_failures: Option<u32>,
    /// The event it sends to try an endpoint.
    pub test_event: Option<String>,
    /// What it sends when an endpoint is registered, and what it expects.
    pub handshake: Option<String>,
    /// How long its own delivery history reaches back.
    pub history: Option<DurationSpec>,
}

const fn yes() -> bool {
    true
}

/// Returns the line, from 1, of the setting that a contradiction is about.
fn line_about(text: &str, what: &str) -> usize {
    let key = match what {
        _ if what.starts_with("the handshake") => "[[handshake]]",
        _ if what.starts_with("the name") => "name",
        _ if what.contains("format") => "format",
        _ if what.contains("encoding") => "encoding",
        _ if what.contains("version") => "[[signature.variant]]",
        _ if what.contains("claim") || what.contains("slash") => "timestamp",
        _ if what.contains("{secret}") => "algorithm",
        _ if what.contains("signature stands") => "[signature]",
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
    /// Reads a provider from the text of its file.
    ///
    /// # Errors
    /// A [`Failure`] that names the file, the line and the mend.
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

    /// Finds contradictions that the shape alone does not rule out.
    fn check(&self) -> Result<(), Contradiction> {
        let no = |what: &str, next| Err((what.to_owned(), next));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return no(
                "the name is not made of a-z, 0-9 and -.",
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

    /// Returns the form of its secrets; `None` where it signs nothing, or names
    /// one of several keys.
    pub fn secret_form(&self) -> Option<KeyForm> {
        let scheme = self.signature.as_ref()?;
        scheme.key_id.is_none().then_some(scheme.secret)
    }

    /// Returns how long the provider waits for an answer, in milliseconds; `None`: not stated.
    pub fn answer_within_ms(&self) -> Option<u64> {
        self.sender.answer_within.map(|span| span.0)
    }

    /// Returns the waits between attempts, in seconds; empty: not stated.
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
