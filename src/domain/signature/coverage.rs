//! Determines which parts of a delivery a valid signature covers, and which
//! caveats remain.
//!
//! The coverage follows from the scheme's template and requirements and from
//! the places of the provider's fields.

use std::borrow::Cow;

use super::boundaries::{self, PartBoundaries};
use super::problem::Problem;
use super::{Reading, finding};
use crate::domain::provider::derived::is_form;
use crate::domain::provider::template::{Part, Template, TemplateValues};
use crate::domain::provider::value_source::{self, RequestView};
use crate::domain::provider::{Algorithm, Provider, Scheme, ValueSource};
use crate::domain::request::Request;
use crate::domain::text::visible;
use crate::domain::verification::{Finding, Status, Verification};

/// The finding codes of caveats: what a valid signature does not cover.
pub(crate) const CAVEAT_CODES: &[(&str, &str)] = &[
    (
        "fields_unsigned",
        "the signature does not cover the event's name, the delivery's id or the time",
    ),
    (
        "body_unsigned",
        "a token matches, and the body is not signed",
    ),
    (
        "body_partly_signed",
        "only some values in the body are signed",
    ),
    (
        "form_borders",
        "the form's names and values are signed without separators",
    ),
    (
        "border_unclear",
        "bytes may be moved between two signed parts",
    ),
    ("timestamp_form", "the signed timestamp has an unusual form"),
    (
        "headers_unsigned",
        "the list of signed headers does not include itself or the timestamp",
    ),
    (
        "length_extension",
        "anyone can extend a plain hash over the secret",
    ),
    (
        "hash_not_keyed",
        "a plain hash with the secret at its end is weaker than an HMAC",
    ),
    ("token_without_end", "the token has no expiry time"),
    (
        "sender_unconfirmed",
        "only the headers identify the sender: other providers sign alike, and no provider is named for the secret",
    ),
];

/// Returns whether a finding code is a caveat.
pub(crate) fn is_caveat(code: &str) -> bool {
    CAVEAT_CODES.iter().any(|(known, _)| *known == code)
}

/// How much of the body a signature covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyCoverage {
    /// All of its bytes, or the body is empty.
    Whole,
    /// The fields of a form.
    Form,
    /// Some of its values.
    Values,
    /// Nothing.
    Nothing,
}

/// The context in which the coverage of a valid signature is determined.
pub(super) struct Coverage<'a> {
    pub(super) provider: &'a Provider,
    pub(super) scheme: &'a Scheme,
    pub(super) request: &'a Request,
    pub(super) reading: &'a Reading,
    pub(super) filling: &'a TemplateValues<'a>,
}

impl Coverage<'_> {
    /// Adds the covered and uncovered parts. A valid status is revoked if the
    /// parts are ambiguous or the body is not signed.
    pub(super) fn add_to(&self, verification: &mut Verification) {
        let boundaries = boundaries::check(self.scheme, self.reading, self.filling);
        if verification.status == Status::Valid
            && let Some((status, finding)) = self.refusal(&boundaries)
        {
            verification.status = status;
            verification.findings.push(finding);
            return;
        }
        verification.covers = self.covers();
        verification.unsigned = self.unsigned();
        if verification.status == Status::Valid {
            let open = self.open(&boundaries, &verification.unsigned);
            verification.findings.extend(open);
        }
    }

    /// Returns the finding that revokes the valid status.
    fn refusal(&self, boundaries: &PartBoundaries) -> Option<(Status, Finding)> {
        let problem = boundaries.problem.clone().or_else(|| {
            let view = RequestView::of(self.request);
            let pointers = self.pointers();
            let pointers: Vec<&str> = pointers.iter().map(AsRef::as_ref).collect();
            // Where the whole body is signed, its sender wrote every key. Else
            // somebody may have added one that a reader takes for another, as
            // Go's and .NET's do whatever the case of its letters.
            let is_same = match self.body() {
                BodyCoverage::Whole => value_source::same_key,
                _ => str::eq_ignore_ascii_case,
            };
            let key = view.repeated_key(&pointers, is_same);
            key.map(Problem::KeyRepeated)
        });
        if let Some(problem) = problem {
            return Some((problem.status(), problem.finding(self.scheme)));
        }
        let is_token = self.scheme.algorithm == Algorithm::Token;
        (self.body() == BodyCoverage::Nothing && !is_token).then(|| {
            let message = "The signature is correct but does not cover the body, which is not a form and whose digest is not signed.";
            let advice = "Do not act on the body. Check that the sender signs this kind of body, and that no proxy changes the content type or the query.";
            (
                Status::Invalid,
                finding("body_not_covered", true, message.to_owned(), advice),
            )
        })
    }

    /// Returns every template that the signature binds: the signed text and the
    /// requirements of the scheme.
    fn templates(&self) -> impl Iterator<Item = &Template> {
        let required = self.scheme.requirements.iter();
        required
            .filter_map(|requirement| requirement.is.as_ref())
            .chain([&self.scheme.signed])
    }

    fn has(&self, test: &dyn Fn(&Part) -> bool) -> bool {
        self.templates().any(|template| template.any(test))
    }

    fn body(&self) -> BodyCoverage {
        if self.request.body.is_empty() || self.has(&|part| *part == Part::Body) {
            BodyCoverage::Whole
        } else if self.has(&|part| *part == Part::Form) && is_form(self.request) {
            BodyCoverage::Form
        } else if self.has(&|part| matches!(part, Part::Pointer(_) | Part::Lines(_))) {
            BodyCoverage::Values
        } else {
            BodyCoverage::Nothing
        }
    }

    fn covers(&self) -> Vec<String> {
        let scheme = self.scheme;
        let mut covers = Vec::new();
        let mut add = |word: &str, is_covered: bool| {
            if is_covered {
                covers.push(word.to_owned());
            }
        };
        let body = self.body();
        add(
            "body",
            body == BodyCoverage::Whole && scheme.algorithm != Algorithm::Token,
        );
        add("form", body == BodyCoverage::Form);
        add("values", body == BodyCoverage::Values);
        add(
            "timestamp",
            self.reading.timestamp.is_some() && self.signs_time(),
        );
        add("id", self.has(&|part| *part == Part::Id));
        add("method", self.has(&|part| *part == Part::Method));
        add("url", self.has(&|part| *part == Part::Url));
        let path = |part: &Part| matches!(part, Part::Path | Part::Target | Part::EscapedTarget);
        add("path", self.has(&path));
        let headers = |part: &Part| matches!(part, Part::Headers | Part::Header(_));
        add("headers", self.has(&headers));
        covers
    }

    /// Returns whether the timestamp is signed.
    fn signs_time(&self) -> bool {
        let place = self.scheme.timestamp.as_ref();
        self.has(&|part| *part == Part::Timestamp) || place.is_some_and(|source| self.signs(source))
    }

    /// Returns whether the value of a source is signed.
    fn signs(&self, source: &ValueSource) -> bool {
        let scheme = self.scheme;
        let body = self.body();
        if let Some(name) = &source.header {
            let is = |place: &Option<ValueSource>| place.as_ref() == Some(source);
            let by_place = |part: &Part| match part {
                Part::Timestamp => is(&scheme.timestamp),
                Part::Id => is(&scheme.id),
                Part::Header(other) => other.eq_ignore_ascii_case(name),
                Part::Headers => self.lists_header(name),
                _ => false,
            };
            return self.has(&by_place);
        }
        if let Some(pointer) = &source.pointer {
            return body == BodyCoverage::Whole
                || self.has(&|part| match part {
                    Part::Pointer(other) => other == pointer,
                    Part::Lines(names) => names.iter().any(|name| pointer[1..] == **name),
                    _ => false,
                });
        }
        if source.query.is_some() {
            return self
                .has(&|part| matches!(part, Part::Url | Part::Target | Part::EscapedTarget));
        }
        if source.form.is_some() {
            return matches!(body, BodyCoverage::Whole | BodyCoverage::Form);
        }
        source.claim.is_some()
    }

    /// Returns whether the delivery lists a header among the signed ones.
    fn lists_header(&self, name: &str) -> bool {
        let Some(list) = &self.scheme.headers else {
            return false;
        };
        let names = self.request.headers.text(&list.named_by);
        names.is_some_and(|names| {
            names
                .split(',')
                .any(|listed| listed.trim().eq_ignore_ascii_case(name))
        })
    }

    /// Returns the names of fields that are shown but not signed.
    fn unsigned(&self) -> Vec<String> {
        let fields = &self.provider.fields;
        let mut unsigned = Vec::new();
        for (name, source) in [
            ("event", &fields.event),
            ("delivery_id", &fields.delivery_id),
        ] {
            if let Some(source) = source
                && !self.signs(source)
                && source.read(self.request).is_some()
            {
                unsigned.push(name.to_owned());
            }
        }
        if self.reading.timestamp.is_some() && !self.signs_time() {
            unsigned.push("timestamp".to_owned());
        }
        unsigned
    }

    /// Returns the pointers that the scheme and the provider's fields read, in
    /// every item where a delivery holds several.
    fn pointers(&self) -> Vec<Cow<'_, str>> {
        let (scheme, fields) = (self.scheme, &self.provider.fields);
        let places = [&scheme.timestamp, &scheme.id, &scheme.key_id];
        let required = scheme.requirements.iter().map(|r| &r.at);
        let versions = scheme.variants.iter().map(|v| &v.at);
        let mut pointers: Vec<Cow<'_, str>> = places
            .into_iter()
            .chain([&fields.event, &fields.delivery_id])
            .flatten()
            .chain(required)
            .chain(versions)
            .filter_map(|source| source.pointer.as_deref())
            .chain(scheme.pointer.as_deref())
            .map(Cow::Borrowed)
            .collect();
        for part in self.templates().flat_map(Template::parts) {
            match part {
                Part::Pointer(pointer) => pointers.push(pointer.into()),
                Part::Lines(names) => {
                    pointers.extend(names.iter().map(|name| format!("/{name}").into()));
                }
                _ => {}
            }
        }
        if let Some(each) = &scheme.each {
            for pointer in &mut pointers {
                let inside = pointer.strip_prefix(each.as_str());
                if let Some(rest) = inside.and_then(|rest| rest.strip_prefix("/0")) {
                    *pointer = format!("{each}/*{rest}").into();
                }
            }
        }
        pointers
    }

    /// Returns the caveats of a valid signature.
    fn open(&self, boundaries: &PartBoundaries, unsigned: &[String]) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut add = |code: &str, message: String, advice: &str| {
            found.push(finding(code, true, message, advice));
        };
        match self.body() {
            BodyCoverage::Whole => {}
            BodyCoverage::Nothing => add(
                "body_unsigned",
                "The token matches; the body is not signed, so anyone who knows the token can change it.".to_owned(),
                "Fetch the object that the body names from the provider before you act on it.",
            ),
            BodyCoverage::Values => add(
                "body_partly_signed",
                format!("Only these values of the body are signed: {}.", self.values()),
                "Act on the signed values only.",
            ),
            BodyCoverage::Form => add(
                "form_borders",
                "The form's names and values are signed sorted and concatenated: their boundaries, order and repetition are not covered.".to_owned(),
                "Use only the fields that the provider documents.",
            ),
        }
        let hash = self.scheme.algorithm.word();
        match self.hash() {
            Some(true) => add(
                "length_extension",
                format!(
                    "The signature is a plain {hash} that begins with the secret: anyone who has one delivery can append bytes to it and sign them."
                ),
                "Use the provider's newer signature where there is one.",
            ),
            Some(false) => add(
                "hash_not_keyed",
                format!(
                    "The signature is a plain {hash} over text and secret, not an HMAC: two texts with the same digest have the same signature."
                ),
                "Use a stronger hash where the provider offers one.",
            ),
            None => {}
        }
        if !boundaries.ambiguous.is_empty() {
            let names = visible(&boundaries.ambiguous.join(", ")).into_owned();
            add(
                "border_unclear",
                format!(
                    "No separator marks the end of {names} in the signed text: bytes may have been moved between it and its neighbour."
                ),
                "Do not act on a delivery whose parts look cut or joined.",
            );
        }
        if boundaries.odd_timestamp {
            add(
                "timestamp_form",
                "The signed timestamp begins with a zero or is in milliseconds, which its sender does not write.".to_owned(),
                "Check that the delivery was not replayed by someone else.",
            );
        }
        if let Some(list) = &self.scheme.headers {
            let time = self
                .scheme
                .timestamp
                .as_ref()
                .and_then(|s| s.header.as_ref());
            let left_out = [Some(&list.named_by), time]
                .into_iter()
                .flatten()
                .find(|name| !self.lists_header(name));
            if let Some(name) = left_out {
                add(
                    "headers_unsigned",
                    format!(
                        "{name} is not among the signed headers that {} lists.",
                        list.named_by
                    ),
                    "Do not rely on it: anyone who replays a delivery can change it.",
                );
            }
        }
        if let Some(token) = &self.reading.token
            && !token.claims.contains_key("exp")
        {
            add(
                "token_without_end",
                "The token has no exp, so it never expires.".to_owned(),
                "Reject tokens that were used before.",
            );
        }
        let names: Vec<String> = unsigned.iter().map(|field| self.place_of(field)).collect();
        if !names.is_empty() {
            add(
                "fields_unsigned",
                format!("The signature does not cover {}.", names.join(" and ")),
                "Rely on the signed body: anyone who replays a delivery can change the rest.",
            );
        }
        found
    }

    /// Returns the name and the place of a field.
    fn place_of(&self, field: &str) -> String {
        let fields = &self.provider.fields;
        let (name, source) = match field {
            "event" => ("the event's name", &fields.event),
            "delivery_id" => ("the delivery's id", &fields.delivery_id),
            _ => ("the timestamp", &self.scheme.timestamp),
        };
        match source {
            Some(source) => format!("{name} ({})", source.name()),
            None => format!("{name} ({})", self.scheme.place()),
        }
    }

    /// Returns the names of the signed values in the body.
    fn values(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for part in self.templates().flat_map(Template::parts) {
            match part {
                Part::Pointer(pointer) => names.extend(pointer.rsplit('/').next()),
                Part::Lines(lines) => names.extend(lines.iter().map(String::as_str)),
                _ => {}
            }
        }
        names.join(", ")
    }

    /// Returns whether a plain hash can be extended by anyone who knows a
    /// digest; a secret at the end of the text prevents that. Returns `None`
    /// for other algorithms.
    fn hash(&self) -> Option<bool> {
        let is_hash = matches!(
            self.scheme.algorithm,
            Algorithm::Sha1 | Algorithm::Sha256 | Algorithm::Sha512
        );
        let ends_with_secret = self.scheme.signed.parts().last() == Some(&Part::Secret);
        is_hash.then_some(!ends_with_secret)
    }
}
