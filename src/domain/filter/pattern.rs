//! Text looked for in a field: anywhere, as the whole, or with `*`.

use crate::domain::text::{find_folded, fold};

/// What is looked for in a field; case does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::domain) enum Pattern {
    /// Anywhere in it.
    Within(String),
    /// The whole of it.
    Whole(String),
    /// The whole of it, `*` being any text; in lower case.
    Stars(Vec<char>),
}

impl Pattern {
    /// Makes the pattern of a field's value.
    pub(in crate::domain) fn field(value: &str, quoted: bool) -> Self {
        if quoted {
            Self::Whole(value.to_owned())
        } else if value.contains('*') {
            Self::Stars(value.chars().map(fold).collect())
        } else {
            Self::Within(value.to_owned())
        }
    }

    /// Makes the pattern of a word, which may stand anywhere.
    pub(super) fn word(value: &str, quoted: bool) -> Self {
        if quoted || !value.contains('*') {
            return Self::Within(value.to_owned());
        }
        Self::Stars(format!("*{value}*").chars().map(fold).collect())
    }

    /// Says whether a text is what is looked for.
    pub(in crate::domain) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Within(wanted) => wanted.is_empty() || find_folded(text, wanted).is_some(),
            Self::Whole(wanted) => same(text, wanted),
            Self::Stars(stars) => stars_match(stars, text),
        }
    }
}

/// Says whether two texts are the same but for case.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.chars().map(fold).eq(other.chars().map(fold))
}

/// Says whether a text begins with another, whatever the case.
pub(super) fn begins(text: &str, with: &str) -> bool {
    let mut chars = text.chars().map(fold);
    with.chars().all(|c| chars.next() == Some(fold(c)))
}

/// Says whether a text ends with another, whatever the case.
pub(super) fn ends(text: &str, with: &str) -> bool {
    let mut chars = text.chars().rev().map(fold);
    with.chars().rev().all(|c| chars.next() == Some(fold(c)))
}

/// Matches with a single way back, to the last star, so the work is at most
/// the product of the lengths.
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
