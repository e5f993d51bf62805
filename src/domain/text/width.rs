//! Measures and cuts text by its display width.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Returns the number of columns of a text; each grapheme counts separately,
/// like the cells of a terminal.
pub fn width(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}

/// Cuts a text to at most `max` columns; a longer text ends in `…`.
pub fn cut(text: &str, max: usize) -> String {
    cut_with(text, max, "…")
}

/// Cuts a text to at most `max` columns, with the given ellipsis.
pub fn cut_with(text: &str, max: usize, ellipsis: &str) -> String {
    if width(text) <= max {
        return text.to_owned();
    }
    let ellipsis = head(ellipsis, max);
    let head = head(text, max - width(ellipsis));
    format!("{head}{ellipsis}")
}

/// Cuts a text to at most `max` columns in its middle, so that both ends of an
/// id or URL stay: `evt_1QK…u7ix`.
pub fn cut_middle(text: &str, max: usize) -> String {
    cut_middle_with(text, max, "…")
}

/// Cuts a text in its middle, with the given ellipsis.
pub fn cut_middle_with(text: &str, max: usize, ellipsis: &str) -> String {
    if width(text) <= max {
        return text.to_owned();
    }
    let ellipsis = head(ellipsis, max);
    let room = max - width(ellipsis);
    let head = head(text, room.div_ceil(2));
    let tail = tail(text, room - width(head));
    format!("{head}{ellipsis}{tail}")
}

/// Makes a text exactly `columns` wide: cut with `…`, or padded with spaces on
/// the right.
pub fn pad(text: &str, columns: usize) -> String {
    let mut text = cut(text, columns);
    let blanks = columns - width(&text);
    text.extend(std::iter::repeat_n(' ', blanks));
    text
}

/// Makes a text exactly `columns` wide: cut with `…`, or padded with spaces on
/// the left, as for numbers.
pub fn pad_left(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    let blanks = columns - width(&text);
    format!("{}{text}", " ".repeat(blanks))
}

/// Returns the longest prefix of at most `max` columns.
fn head(text: &str, max: usize) -> &str {
    let mut taken = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        taken += grapheme.width();
        if taken > max {
            return &text[..at];
        }
    }
    text
}

/// Returns the longest suffix of at most `max` columns.
fn tail(text: &str, max: usize) -> &str {
    let mut taken = 0;
    for (at, grapheme) in text.grapheme_indices(true).rev() {
        taken += grapheme.width();
        if taken > max {
            return &text[at + grapheme.len()..];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_columns_not_letters() {
        let cases = [
            ("", 0),
            ("abc", 3),
            ("é", 1),
            ("e\u{301}", 1),
            ("日本", 4),
            ("🎣", 2),
            ("🇩🇪", 2),
            ("한", 2),
            ("␛…", 2),
        ];
        for (text, columns) in cases {
            assert_eq!(width(text), columns, "{text:?}");
        }
    }

    #[test]
    fn cuts_at_the_end() {
        let cases = [
            ("payment_intent", 9, "payment_…"),
            ("payment", 7, "payment"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("日本", 1, "…"),
            ("abc", 0, ""),
            ("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}…"),
        ];
        for (text, max, cut_text) in cases {
            assert_eq!(cut(text, max), cut_text, "{text} to {max}");
        }
        assert_eq!(cut_with("payment_intent", 9, "..."), "paymen...");
        assert_eq!(cut_with("payment", 2, "..."), "..");
    }

    #[test]
    fn cuts_in_the_middle() {
        let cases = [
            ("evt_1QK2f9LkdIwHu7ix", 12, "evt_1Q…Hu7ix"),
            ("abcdef", 6, "abcdef"),
            ("abcdef", 2, "a…"),
            ("abcdef", 1, "…"),
            ("abcdef", 0, ""),
            ("日本語日本", 6, "日…本"),
        ];
        for (text, max, cut_text) in cases {
            assert_eq!(cut_middle(text, max), cut_text, "{text} to {max}");
        }
        assert_eq!(cut_middle_with("abcdefgh", 7, "..."), "ab...gh");
    }

    #[test]
    fn pads_to_the_column() {
        assert_eq!(pad("ab", 4), "ab  ");
        assert_eq!(pad("日本語", 4), "日… ");
        assert_eq!(pad("日本", 5), "日本 ");
        assert_eq!(pad("abc", 0), "");
        assert_eq!(pad_left("12", 4), "  12");
        assert_eq!(pad_left("12345", 4), "123…");
    }
}
