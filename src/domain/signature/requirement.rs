//! Checks the requirements beyond the signature.

use super::{Reading, constant_time_eq, proved_finding, token};
use crate::domain::provider::value_source::RequestView;

use crate::domain::provider::template::TemplateValues;
use crate::domain::provider::{IgnoredDifference, Requirement, Scheme, UnmetStatus};
use crate::domain::request::Request;
use crate::domain::verification::{Finding, Status};

/// Checks the scheme's requirements whose violation results in `what`; returns
/// the status and the finding of the first one that is not met.
pub(super) fn unmet(
    what: UnmetStatus,
    scheme: &Scheme,
    request: &Request,
    reading: &Reading,
    filling: &TemplateValues<'_>,
) -> Option<(Status, Finding)> {
    let view = RequestView::of(request);
    scheme
        .requirements
        .iter()
        .filter(|requirement| requirement.otherwise == what)
        .find_map(|requirement| check(requirement, &view, reading, filling))
}

fn check(
    requirement: &Requirement,
    view: &RequestView<'_>,
    reading: &Reading,
    filling: &TemplateValues<'_>,
) -> Option<(Status, Finding)> {
    let none = token::Claims::new();
    let claims = reading.token.as_ref().map_or(&none, |t| &t.claims);
    let place = requirement.at.name();
    let message = match requirement.at.read_claim(view, claims) {
        None if requirement.only_with_body && filling.body.is_empty() => return None,
        None => format!("{place} is absent, and the scheme requires it."),
        Some(value) if requirement.accepts(&value, filling) => return None,
        Some(value) => format!(
            "{place} is {}; the scheme requires {}.",
            crate::domain::text::visible(&value),
            requirement.wanted()
        ),
    };
    let (status, advice) = match requirement.otherwise {
        UnmetStatus::Invalid => (
            Status::Invalid,
            "The signature itself is correct; check what was changed in transit, and the configured address.",
        ),
        UnmetStatus::Malformed => (
            Status::Malformed,
            "Check whether the delivery is from another provider or uses another version of the scheme.",
        ),
    };
    let finding = proved_finding("requirement_unmet", message, advice);
    Some((status, finding))
}

impl Requirement {
    fn accepts(&self, value: &str, filling: &TemplateValues<'_>) -> bool {
        if let Some(template) = &self.is {
            let wanted = template.fill(filling);
            let equal = match self.but {
                IgnoredDifference::Nothing => constant_time_eq(value.as_bytes(), &wanted),
                IgnoredDifference::Case => constant_time_eq(
                    &value.as_bytes().to_ascii_lowercase(),
                    &wanted.to_ascii_lowercase(),
                ),
                IgnoredDifference::Padding => {
                    constant_time_eq(value.trim_end_matches('=').as_bytes(), &wanted)
                }
            };
            if !equal {
                return false;
            }
        }
        self.like.is_empty() || self.like.iter().any(|like| resembles(value, like))
    }

    fn wanted(&self) -> String {
        match &self.is {
            Some(template) => template.text().to_owned(),
            None => self.like.join(" or "),
        }
    }
}

/// Returns whether a value matches a pattern, in which `*` matches letters,
/// digits, `-` and `_`.
fn resembles(value: &str, pattern: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('*') else {
        return value == pattern;
    };
    let Some(value) = value.strip_prefix(before) else {
        return false;
    };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let most = value.find(|c| !word(c)).unwrap_or(value.len());
    (0..=most).rev().any(|end| resembles(&value[end..], rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_does_not_leave_its_word() {
        let like = "https://sns.*.amazonaws.com/*.pem";
        assert!(resembles("https://sns.eu-west-1.amazonaws.com/a.pem", like));
        for other in [
            "http://sns.eu-west-1.amazonaws.com/a.pem",
            "https://sns.evil.example/x.amazonaws.com/a.pem",
            "https://sns.evil.example?.amazonaws.com/a.pem",
            "https://sns.eu-west-1.amazonaws.com/a.pem?",
            "https://sns.eu-west-1.amazonaws.com/../a.pem",
        ] {
            assert!(!resembles(other, like), "{other}");
        }
        assert!(resembles("aXbXc", "*X*") && resembles("", "*"));
    }
}
