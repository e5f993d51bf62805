//! Case-insensitive search.

/// Converts a character to lower case, one to one.
pub fn fold(c: char) -> char {
    if c.is_ascii() {
        c.to_ascii_lowercase()
    } else {
        c.to_lowercase().next().unwrap_or(c)
    }
}

/// Finds the first match of `needle` in `text`, ignoring case; returns its byte
/// range. An empty needle has no match.
pub fn find_folded(text: &str, needle: &str) -> Option<(usize, usize)> {
    let first = fold(needle.chars().next()?);
    text.char_indices()
        .filter(|&(_, c)| fold(c) == first)
        .find_map(|(at, _)| Some((at, at + prefix_folded(&text[at..], needle)?)))
}

/// Returns how many bytes of `text` match `needle`, if it starts with it.
fn prefix_folded(text: &str, needle: &str) -> Option<usize> {
    let mut chars = text.char_indices();
    for wanted in needle.chars() {
        let (_, c) = chars.next()?;
        if fold(c) != fold(wanted) {
            return None;
        }
    }
    Some(chars.offset())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_whatever_the_case() {
        let cases = [
            ("Invoice.Paid", "paid", Some((8, 12))),
            ("straße ÄÖ", "äö", Some((8, 12))),
            ("aab", "AB", Some((1, 3))),
            ("abc", "abcd", None),
            ("abc", "", None),
            ("", "a", None),
        ];
        for (text, needle, place) in cases {
            assert_eq!(find_folded(text, needle), place, "{needle} in {text}");
        }
    }
}
