//! Text patterns: a substring, a whole field, or a wildcard pattern.

use crate::domain::text::{find_folded, fold};

/// A pattern for a field; case is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::domain) enum Pattern {
    /// Matches anywhere in the field.
    Within(String),
    /// Matches the whole field.
    Whole(String),
    /// Matches the whole field with `*` as any text; in lower case.
    Stars(Vec<char>),
}

impl Pattern {
    /// Creates the pattern of a field value.
    pub(in crate::domain) fn field(value: &str, quoted: bool) -> Self {
        if quoted {
            Self::Whole(value.to_owned())
        } else if value.contains('*') {
            Self::Stars(value.chars().map(fold).collect())
        } else {
            Self::Within(value.to_owned())
        }
    }

    /// Creates the pattern of a word, which matches anywhere.
    pub(super) fn word(value: &str, quoted: bool) -> Self {
        if quoted || !value.contains('*') {
            return Self::Within(value.to_owned());
        }
        Self::Stars(format!("*{value}*").chars().map(fold).collect())
    }

    /// Returns whether a text matches.
    pub(in crate::domain) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Within(wanted) => wanted.is_empty() || find_folded(text, wanted).is_some(),
            Self::Whole(wanted) => same(text, wanted),
            Self::Stars(stars) => stars_match(stars, text),
        }
    }
}

/// Returns whether two texts are equal, ignoring case.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.chars().map(fold).eq(other.chars().map(fold))
}

/// Returns whether a text starts with another, ignoring case.
pub(super) fn begins(text: &str, with: &str) -> bool {
    let mut chars = text.chars().map(fold);
    with.chars().all(|c| chars.next() == Some(fold(c)))
}

/// Returns whether a text ends with another, ignoring case.
pub(super) fn ends(text: &str, with: &str) -> bool {
    let mut chars = text.chars().rev().map(fold);
    with.chars().rev().all(|c| chars.next() == Some(fold(c)))
}

/// Matches with a single backtracking position, at the last star, so the work
/// is at most the product of the lengths.
fn stars_match(stars: &[char], text: &str) -> bool {
    let mut wanted = 0;
    let mut rest = text.chars();
    let mut back = None;
    loop {
        let mut following = rest.clone();
        match (following.next(), stars.get(wanted)) {
            (_, Some('*')) => {
                wanted += 1;
                back = Some((wanted, rest.clone()));
            }
            (Some(c), Some(&w)) if fold(c) == w => {
                wanted += 1;
                rest = following;
            }
            (None, None) => return true,
            (None, Some(_)) => return false,
            (Some(_), _) => {
                let Some((star, from)) = back.as_mut() else {
                    return false;
                };
                from.next();
                wanted = *star;
                rest = from.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        let cases = [
            ("*", "", true),
            ("*", "abc", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "abc", true),
            ("a*b*c", "aXXbYYbZc", true),
            ("a*b", "abc", false),
            ("**b**", "abc", true),
            ("a*", "xa", false),
            ("Ä*", "äx", true),
            ("*aab", "aaaab", true),
        ];
        for (pattern, text, matches) in cases {
            let stars = Pattern::field(pattern, false);
            assert_eq!(stars.matches(text), matches, "{pattern} on {text}");
        }
    }

    #[test]
    fn ends_and_begins_whatever_the_case() {
        assert!(begins("01JD", "01j"));
        assert!(!begins("01", "01J"));
        assert!(ends("01JD", "jd"));
        assert!(!ends("D", "JD"));
    }
}
