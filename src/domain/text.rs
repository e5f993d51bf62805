//! Sanitizes received text for a screen, a terminal or a log.
//!
//! Characters that control a terminal or are invisible become visible marks.
//! [`visible`] is for one line, [`visible_lines`] for several,
//! [`visible_bytes`] for bytes that may not be text; [`pieces`] separates marks
//! from text for colouring.
//!
//! Text is measured and cut by display width ([`fn@width`], [`cut`], [`pad`]),
//! and numbers are formatted for people ([`bytes()`], [`duration_us`],
//! [`age`]). These functions expect sanitized text.

mod ascii;
mod fold;
mod marks;
mod number;
mod width;

use std::borrow::Cow;

pub use ascii::{ascii, is_ascii_locale};
pub use fold::{find_folded, fold};
pub use marks::{Marks, Piece, Pieces, is_hidden, pieces};
pub use number::{age, bytes, duration_us, span, thousands};
pub use width::{cut, cut_middle, cut_middle_with, cut_with, pad, pad_left, width};

/// Sanitizes text for one line: `␛[31m`, `a␊b`, `\u{202e}`.
///
/// The function is idempotent.
pub fn visible(text: &str) -> Cow<'_, str> {
    visible_as(text, Marks::Pictures)
}

/// Sanitizes text for one line with the given kind of marks.
pub fn visible_as(text: &str, marks: Marks) -> Cow<'_, str> {
    if text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Cow::Borrowed(text);
    }
    let mut pieces = pieces(text.as_bytes(), marks);
    match pieces.next() {
        Some(first) if first.text.len() == text.len() && !first.mark => Cow::Borrowed(text),
        first => Cow::Owned(first.into_iter().chain(pieces).map(|p| p.text).collect()),
    }
}

/// Sanitizes bytes for one line; invalid UTF-8 becomes `\xNN`.
pub fn visible_bytes(bytes: &[u8]) -> String {
    visible_bytes_as(bytes, Marks::Pictures)
}

/// Sanitizes bytes for one line with the given kind of marks.
pub fn visible_bytes_as(bytes: &[u8], marks: Marks) -> String {
    pieces(bytes, marks).map(|p| p.text).collect()
}

/// Sanitizes text of several lines, line by line.
///
/// Only `
/// ` separates lines: the `\r` of `\r
/// ` becomes `␍`, and text that ends in `
/// ` has an empty last line.
pub fn visible_lines(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.split('\n').map(visible)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shows_what_hides_or_commands() {
        let cases: &[(&str, &str, &str)] = &[
            ("plain text", "plain text", "plain text"),
            ("\u{1b}[31mred", "␛[31mred", r"\x1b[31mred"),
            (
                "\0\u{1}\t\n\r\u{1f}\u{7f}",
                "␀␁␉␊␍␟␡",
                r"\x00\x01\x09\x0a\x0d\x1f\x7f",
            ),
            ("\u{9b}2J\u{85}", r"\u{9b}2J\u{85}", r"\u{9b}2J\u{85}"),
            (
                "a\u{202e}b\u{2066}\u{61c}",
                r"a\u{202e}b\u{2066}\u{61c}",
                r"a\u{202e}b\u{2066}\u{61c}",
            ),
            (
                "\u{200b}\u{200d}\u{feff}\u{ad}\u{180e}\u{2064}",
                r"\u{200b}\u{200d}\u{feff}\u{ad}\u{180e}\u{2064}",
                r"\u{200b}\u{200d}\u{feff}\u{ad}\u{180e}\u{2064}",
            ),
            ("\u{2028}\u{2029}", r"\u{2028}\u{2029}", r"\u{2028}\u{2029}"),
            ("\u{e0041}", r"\u{e0041}", r"\u{e0041}"),
            (
                "\u{fe0f}\u{e0100}",
                r"\u{fe0f}\u{e0100}",
                r"\u{fe0f}\u{e0100}",
            ),
            (
                "\u{fdd0}\u{fffe}\u{10ffff}",
                r"\u{fdd0}\u{fffe}\u{10ffff}",
                r"\u{fdd0}\u{fffe}\u{10ffff}",
            ),
            ("日本 é 🎣", "日本 é 🎣", "日本 é 🎣"),
        ];
        for (text, pictures, escapes) in cases {
            assert_eq!(visible(text), *pictures, "{text:?}");
            assert_eq!(visible_as(text, Marks::Escapes), *escapes, "{text:?}");
        }
    }

    #[test]
    fn writes_ascii_only_when_asked() {
        assert_eq!(visible_as("é\u{1b}日", Marks::Ascii), r"\u{e9}\x1b\u{65e5}");
        assert_eq!(
            visible_bytes_as(b"\xc3\xa9\xff", Marks::Ascii),
            r"\u{e9}\xff"
        );
    }

    #[test]
    fn shows_bytes_that_are_not_text() {
        assert_eq!(visible_bytes(b"a\xffb\x9b2J\xc3"), r"a\xffb\x9b2J\xc3");
        assert_eq!(visible_bytes("ü\u{1b}".as_bytes()), "ü␛");
        assert_eq!(visible_bytes(b"\xed\xa0\x80"), r"\xed\xa0\x80");
        assert_eq!(visible_bytes(b""), "");
    }

    #[test]
    fn caps_combining_marks_and_gives_them_no_mark_to_sit_on() {
        let pile = format!("a{}", "\u{301}".repeat(6));
        let shown = format!("a{}{}", "\u{301}".repeat(4), r"\u{301}\u{301}");
        assert_eq!(visible(&pile), shown);
        assert_eq!(visible("\u{301}a"), r"\u{301}a");
        assert_eq!(visible("\u{1b}\u{301}"), r"␛\u{301}");
        assert_eq!(visible_bytes(b"\xff\xcc\x81"), r"\xff\u{301}");
    }

    #[test]
    fn borrows_what_needs_no_marks() {
        assert!(matches!(visible("plain"), Cow::Borrowed(_)));
        assert!(matches!(visible("日本語"), Cow::Borrowed(_)));
        assert!(matches!(visible(""), Cow::Borrowed(_)));
        assert!(matches!(visible("\t"), Cow::Owned(_)));
    }

    #[test]
    fn parts_lines_at_newlines_only() {
        let lines: Vec<_> = visible_lines("a\r\nb\u{2028}c\rd\n").collect();
        assert_eq!(lines, ["a␍", r"b\u{2028}c␍d", ""]);
    }

    fn allowed(text: &str) -> bool {
        let mut run = 4;
        text.chars().all(|c| {
            let zero = unicode_width::UnicodeWidthChar::width(c) == Some(0);
            run = if zero { run + 1 } else { 0 };
            run <= 4 && !is_hidden(c) && !c.is_control()
        })
    }

    /// Text with many characters that must not pass.
    fn nasty() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just("\u{301}".to_owned()),
            Just("\u{202e}".to_owned()),
            Just("\u{1b}".to_owned()),
            Just("日".to_owned()),
            Just("👨\u{200d}👩".to_owned()),
            any::<char>().prop_map(String::from),
        ];
        proptest::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn nothing_forbidden_passes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(allowed(&visible_bytes(&bytes)));
            for marks in [Marks::Escapes, Marks::Ascii] {
                let shown = visible_bytes_as(&bytes, marks);
                prop_assert!(allowed(&shown));
                prop_assert!(marks != Marks::Ascii || shown.is_ascii());
            }
        }

        #[test]
        fn nothing_forbidden_passes_from_text(text in nasty()) {
            let shown = visible(&text);
            prop_assert!(allowed(&shown), "{shown:?}");
            prop_assert_eq!(&visible(&shown), &shown);
            prop_assert_eq!(visible_bytes(text.as_bytes()), shown);
        }

        #[test]
        fn cutting_and_padding_keep_to_the_width(text in nasty(), max in 0_usize..30) {
            let shown = visible(&text);
            prop_assert!(width(&cut(&shown, max)) <= max);
            prop_assert!(width(&cut_middle(&shown, max)) <= max);
            prop_assert_eq!(width(&pad(&shown, max)), max);
            prop_assert_eq!(width(&pad_left(&shown, max)), max);
            if width(&shown) <= max {
                prop_assert_eq!(&cut(&shown, max), &*shown);
                prop_assert_eq!(&cut_middle(&shown, max), &*shown);
            }
        }
    }
}
