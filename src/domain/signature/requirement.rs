//! What must hold besides the signature.

use super::{Reading, same, token, visible_fault};
use crate::domain::provider::place::View;

use crate::domain::provider::template::Filling;
use crate::domain::provider::{But, Otherwise, Requirement, Scheme};
use crate::domain::request::Request;
use crate::domain::verification::{Finding, Status};

/// Checks those of a scheme's requirements of which a delivery that does not
/// meet them is `what`; gives the verdict and the reason where one is not met.
pub(super) fn unmet(
    what: Otherwise,
    scheme: &Scheme,
    request: &Request,
    reading: &Reading,
    filling: &Filling<'_>,
) -> Option<(Status, Finding)> {
    let view = View::of(request);
    scheme
        .requirements
        .iter()
        .filter(|requirement| requirement.otherwise == what)
        .find_map(|requirement| check(requirement, &view, reading, filling))
}

fn check(
    requirement: &Requirement,
    view: &View<'_>,
    reading: &Reading,
    filling: &Filling<'_>,
) -> Option<(Status, Finding)> {
    let none = token::Claims::new();
    let claims = reading.token.as_ref().map_or(&none, |t| &t.claims);
    let place = requirement.at.name();
    let message = match requirement.at.read_claim(view, claims) {
        None if requirement.only_with_body && filling.body.is_empty() => return None,
        None => format!("{place} is absent, and the scheme asks for it."),
        Some(value) if requirement.accepts(&value, filling) => return None,
        Some(value) => format!(
            "{place} is {}; the scheme asks for {}.",
            crate::domain::text::visible(&value),
            requirement.wanted()
        ),
    };
    let (status, advice) = match requirement.otherwise {
        Otherwise::Invalid => (
            Status::Invalid,
            "The signature itself is right; look at what was changed on the way, and at the configured address.",
        ),
        Otherwise::Malformed => (
            Status::Malformed,
            "Check that another provider, or another version of the scheme, is not meant.",
        ),
    };
    let finding = visible_fault("requirement_unmet", message, advice);
    Some((status, finding))
}

impl Requirement {
    fn accepts(&self, value: &str, filling: &Filling<'_>) -> bool {
        if let Some(template) = &self.is {
            let wanted = template.fill(filling);
            let equal = match self.but {
                But::Nothing => same(value.as_bytes(), &wanted),
                But::Case => same(
                    &value.as_bytes().to_ascii_lowercase(),
                    &wanted.to_ascii_lowercase(),
                ),
                But::Padding => same(value.trim_end_matches('=').as_bytes(), &wanted),
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

/// Says whether a value looks like a pattern, in which `*` stands for
/// letters, digits, `-` and `_`.
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
