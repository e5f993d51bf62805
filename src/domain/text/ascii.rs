//! Text for terminals that only show ASCII.

use std::borrow::Cow;

use super::{Marks, visible_as};

/// creel's own symbols and their replacements.
const ASCII_REPLACEMENTS: [(char, &str); 16] = [
    ('…', "..."),
    ('→', "->"),
    ('←', "<-"),
    ('↑', "^"),
    ('↓', "v"),
    ('·', "-"),
    ('–', "-"),
    ('—', "-"),
    ('±', "+-"),
    ('×', "x"),
    ('✓', "+"),
    ('✗', "x"),
    ('●', "*"),
    ('▶', ">"),
    ('⏎', "Enter"),
    ('•', "*"),
];

/// Converts creel's own text to ASCII: symbols are replaced, quoted text is
/// escaped.
pub fn ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return visible_as(text, Marks::Ascii);
    }
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match (ASCII_REPLACEMENTS.iter().find(|(sign, _)| *sign == c), c) {
            (Some((_, instead)), _) => plain.push_str(instead),
            // The picture of a control character.
            (None, '\u{2400}'..='\u{241f}') => {
                plain.extend(char::from_u32(u32::from(c) - 0x2400));
            }
            (None, '\u{2421}') => plain.push('\u{7f}'),
            (None, _) => plain.push(c),
        }
    }
    Cow::Owned(visible_as(&plain, Marks::Ascii).into_owned())
}

/// Returns whether the locale given by `LC_ALL`, `LC_CTYPE` and `LANG` is
/// limited to ASCII. If none is set, UTF-8 is assumed.
pub fn is_ascii_locale(lc_all: Option<&str>, lc_ctype: Option<&str>, lang: Option<&str>) -> bool {
    // POSIX: the first non-empty variable counts.
    let mut values = [lc_all, lc_ctype, lang].into_iter().flatten();
    values.find(|value| !value.is_empty()).is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        !value.contains("utf-8") && !value.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_signs_as_others_and_escapes_what_is_quoted() {
        assert_eq!(ascii("a … b — é · ✗"), r"a ... b - \u{e9} - x");
        assert_eq!(ascii("\u{1b}[2J"), r"\x1b[2J");
        assert_eq!(ascii("␛[2J␀␡"), r"\x1b[2J\x00\x7f");
        for (sign, instead) in ASCII_REPLACEMENTS {
            assert_eq!(ascii(&sign.to_string()), instead);
            assert!(instead.is_ascii());
        }
    }

    #[test]
    fn the_first_variable_that_is_set_decides() {
        let ascii = [
            (None, None, Some("C")),
            (None, None, Some("POSIX")),
            (None, None, Some("de_DE.ISO-8859-1")),
            (None, None, Some("de_DE")),
            (None, Some("C"), Some("en_US.UTF-8")),
            (Some("POSIX"), Some("UTF-8"), Some("en_US.UTF-8")),
            (Some(""), Some("C"), None),
        ];
        for (all, ctype, lang) in ascii {
            assert!(
                is_ascii_locale(all, ctype, lang),
                "{all:?} {ctype:?} {lang:?}"
            );
        }
        let utf8 = [
            (None, None, None),
            (None, None, Some("C.UTF-8")),
            (None, None, Some("en_US.utf8@euro")),
            (None, Some("UTF-8"), Some("C")),
            (Some("C.utf8"), Some("C"), Some("C")),
            (Some(""), None, None),
        ];
        for (all, ctype, lang) in utf8 {
            assert!(
                !is_ascii_locale(all, ctype, lang),
                "{all:?} {ctype:?} {lang:?}"
            );
        }
    }
}
