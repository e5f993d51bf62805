//! Reasons why a signature cannot be verified, with their messages.

use super::proved_finding;
use crate::domain::provider::{Scheme, TimeUnit, ValueSource};
use crate::domain::verification::{Finding, Status};

/// A reason why a signature cannot be verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The signature header is absent or empty.
    NoSignature,
    /// The header is repeated, and the scheme has no list.
    Doubled(usize),
    /// The header is repeated, and one of its values is empty.
    EmptyRepeat,
    /// A header that belongs to the signature is repeated.
    Repeated(String),
    /// No entry has the form of the scheme.
    Form,
    /// No signature has the length or the characters of a digest.
    NotADigest,
    /// The timestamp is absent or empty.
    NoTimestamp,
    /// The timestamp is repeated.
    TimestampsDiffer,
    /// The timestamp is not a time.
    TimestampUnreadable(Vec<u8>),
    /// The id is absent or empty.
    NoId,
    /// The signature should be in the body, and the body is not JSON.
    NoJson,
    /// The delivery names an unknown version: place and name.
    UnknownVersion(String, String),
    /// The id contains the separator that follows it in the signed text.
    IdHoldsBorder,
    /// A key in the body that is read occurs more than once.
    KeyRepeated(String),
    /// The list of signed headers is absent.
    NoHeaderList(String),
    /// The header contains no JSON Web Token.
    NoToken,
    /// The token names an algorithm that the scheme does not use.
    TokenAlgorithm(String),
    /// A time in the token is not a number.
    TokenTime(&'static str),
    /// The token's header requires an extension that the scheme does not have.
    TokenExtension(&'static str),
}

impl Problem {
    /// Returns the finding code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSignature => "signature_missing",
            Self::Doubled(_) => "signature_header_doubled",
            Self::EmptyRepeat => "signature_header_empty",
            Self::Repeated(_) => "header_repeated",
            Self::Form => "signature_form",
            Self::NotADigest => "signature_not_a_digest",
            Self::NoTimestamp => "timestamp_missing",
            Self::TimestampsDiffer => "timestamps_differ",
            Self::TimestampUnreadable(_) => "timestamp_unreadable",
            Self::NoId => "id_missing",
            Self::NoJson => "body_no_json",
            Self::UnknownVersion(..) => "version_unknown",
            Self::IdHoldsBorder => "id_holds_border",
            Self::KeyRepeated(_) => "key_repeated",
            Self::NoHeaderList(_) => "signed_headers_missing",
            Self::NoToken => "token_form",
            Self::TokenAlgorithm(_) => "token_algorithm",
            Self::TokenTime(_) => "token_time",
            Self::TokenExtension(_) => "token_extension",
        }
    }

    /// Returns the verification status of a delivery with this problem.
    pub const fn status(&self) -> Status {
        match self {
            Self::NoSignature => Status::MissingSignature,
            // An attacker may choose the algorithm in the hope that it is not
            // checked.
            Self::TokenAlgorithm(_) => Status::Invalid,
            Self::Doubled(_)
            | Self::EmptyRepeat
            | Self::Repeated(_)
            | Self::Form
            | Self::NotADigest
            | Self::NoTimestamp
            | Self::TimestampsDiffer
            | Self::TimestampUnreadable(_)
            | Self::NoId
            | Self::NoJson
            | Self::UnknownVersion(..)
            | Self::IdHoldsBorder
            | Self::KeyRepeated(_)
            | Self::NoHeaderList(_)
            | Self::NoToken
            | Self::TokenTime(_)
            | Self::TokenExtension(_) => Status::Malformed,
        }
    }

    /// Returns the finding for this problem.
    pub(super) fn finding(&self, scheme: &Scheme) -> Finding {
        proved_finding(self.code(), self.message(scheme), &self.advice(scheme))
    }

    /// Returns what was found.
    pub fn message(&self, scheme: &Scheme) -> String {
        let header = &scheme.place();
        let timestamp = &scheme
            .timestamp
            .as_ref()
            .map_or_else(|| header.clone(), ValueSource::name);
        match self {
            Self::NoSignature if scheme.pointer.is_some() => {
                format!("The signature at {header} is absent.")
            }
            Self::NoSignature => format!("The {header} header is absent."),
            Self::Doubled(times) => {
                format!("{header} occurs {times} times; the scheme has one signature.")
            }
            Self::EmptyRepeat => {
                format!("{header} is repeated, and one of its values is empty.")
            }
            Self::Repeated(name) => format!("{name} is repeated; the scheme has one."),
            Self::Form => format!("{header} does not have the form {}.", scheme.format),
            Self::NotADigest if scheme.algorithm.size() == 0 => {
                format!(
                    "{header} contains no signature in {}.",
                    scheme.encoding.word()
                )
            }
            Self::NotADigest => format!(
                "{header} contains no {} digest: {} characters of {} are expected.",
                scheme.algorithm.word(),
                super::encode(scheme.encoding, &vec![0; scheme.algorithm.size()]).len(),
                scheme.encoding.word()
            ),
            Self::NoTimestamp => {
                format!("{timestamp} contains no timestamp, and the timestamp is signed.")
            }
            Self::TimestampsDiffer => format!("{timestamp} is repeated."),
            Self::TimestampUnreadable(value) => {
                format!(
                    "{timestamp} is not a time: {}",
                    crate::domain::text::visible_bytes(value)
                )
            }
            Self::NoId => {
                let id = scheme
                    .id
                    .as_ref()
                    .and_then(|s| s.header.as_deref())
                    .unwrap_or("the id");
                format!("{id} is absent or empty, and the id is signed.")
            }
            Self::NoJson => "The body is not JSON, and the signature should be in it.".to_owned(),
            Self::UnknownVersion(place, said) => format!(
                "{place} names the version {}, which the scheme does not have.",
                crate::domain::text::visible(said)
            ),
            Self::IdHoldsBorder => format!(
                "{} contains the separator that follows it in the signed text {}, so its end is ambiguous.",
                scheme
                    .id
                    .as_ref()
                    .map(ValueSource::name)
                    .unwrap_or_default(),
                scheme.signed.text()
            ),
            Self::KeyRepeated(key) => format!(
                "The key {} occurs more than once in an object of the body, so its value depends on the parser.",
                crate::domain::text::visible(key)
            ),
            Self::NoHeaderList(name) => {
                format!("{name}, which lists the signed headers, is absent or empty.")
            }
            Self::NoToken => format!("{header} contains no JSON Web Token."),
            Self::TokenAlgorithm(name) => format!(
                "The token is signed with {}; the scheme uses {}.",
                crate::domain::text::visible(name),
                scheme.algorithm.word()
            ),
            Self::TokenTime(claim) => format!("The token's {claim} is not a number."),
            Self::TokenExtension(field) => format!(
                "The token's header has {field}, which requires an extension; a receiver that does not support it must reject the token (RFC 7515)."
            ),
        }
    }

    /// Returns what to do next.
    pub fn advice(&self, scheme: &Scheme) -> String {
        match self {
            Self::NoSignature => {
                "Check that the sender signs, and that no proxy removes the header."
            }
            Self::Doubled(_) | Self::EmptyRepeat | Self::Repeated(_) => {
                "Look for a proxy that adds the header again."
            }
            Self::Form
            | Self::NotADigest
            | Self::NoJson
            | Self::UnknownVersion(..)
            | Self::NoToken
            | Self::TokenTime(_)
            | Self::TokenExtension(_) => {
                "Check whether the delivery is from another provider or uses another version of the scheme."
            }
            Self::TokenAlgorithm(_) => {
                "Do not act on the delivery: only the sender's own algorithm proves the sender."
            }
            Self::IdHoldsBorder | Self::KeyRepeated(_) => {
                "Do not act on the delivery: no sender writes this, so it may have been tampered with."
            }
            Self::NoTimestamp | Self::NoId | Self::NoHeaderList(_) => {
                "Check that no proxy removes the header."
            }
            Self::TimestampsDiffer => "Look for a proxy that merges the headers of two requests.",
            Self::TimestampUnreadable(_) => match scheme.unit {
                TimeUnit::Seconds => "Expected: whole seconds since 1970, digits only.",
                TimeUnit::Milliseconds => {
                    "Expected: whole milliseconds since 1970, digits only."
                }
                TimeUnit::Rfc3339 => "Expected: a date and time such as 2026-11-21T14:02:31Z.",
            },
        }
        .to_owned()
    }
}
