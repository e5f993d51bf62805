//! The one door for foreign text on its way to a screen or a terminal.
//!
//! Control characters, escape sequences, bidirectional and invisible marks
//! become visible marks: never silence, never a command. Also measures and
//! cuts text by the columns it takes, and writes numbers for people.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// How many combining marks in a row are shown as they are.
const COMBINING_SHOWN: usize = 4;

/// Returns `text` with everything that a terminal might act on, or that an
/// eye cannot see, as a visible mark. Newlines and tabs count too: the result
/// is one line.
///
/// ESC becomes `␛`, NUL `␀`, DEL `␡`; C1 controls, bidirectional and
/// zero-width characters become `\u{202e}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    let mut combining = 0;
    let plain = text.chars().all(|c| {
        combining = if is_combining(c) { combining + 1 } else { 0 };
        !is_hidden(c) && combining <= COMBINING_SHOWN
    });
    if plain {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut combining = 0;
    for c in text.chars() {
        combining = if is_combining(c) { combining + 1 } else { 0 };
        if is_hidden(c) || combining > COMBINING_SHOWN {
            mark(c, &mut shown);
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Returns bytes as one visible line: UTF-8 where it is, `\xff` where not.
pub fn visible_bytes(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        shown.push_str(&visible(chunk.valid()));
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    shown
}

/// Splits text at its newlines into visible lines. The newline itself is not
/// shown; a carriage return before it is, as `␍`.
pub fn visible_lines(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.split('\n').map(visible)
}

/// Returns how many columns `text` takes on a terminal.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Cuts `text` at its end to `columns`, with `…` where something was cut.
pub fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    Cow::Owned(format!("{}…", head(text, columns - 1)))
}

/// Cuts `text` in its middle to `columns`: both ends of an id or a URL tell
/// more than its middle.
pub fn cut_middle(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    let left = (columns - 1).div_ceil(2);
    Cow::Owned(format!("{}…{}", head(text, left), tail(text, columns - 1 - left)))
}

/// Cuts or fills `text` to exactly `columns`.
pub fn pad(text: &str, columns: usize) -> String {
    let cut = cut(text, columns);
    let fill = columns.saturating_sub(width(&cut));
    format!("{cut}{:fill$}", "")
}

/// Returns the longest start of `text` that fits `columns`.
fn head(text: &str, columns: usize) -> &str {
    let mut end = 0;
    for (at, c) in text.char_indices() {
        let next = at + c.len_utf8();
        // Measured whole: a cluster is not always as wide as its characters.
        if width(&text[..next]) > columns {
            break;
        }
        end = next;
    }
    &text[..end]
}

/// Returns the longest end of `text` that fits `columns`.
fn tail(text: &str, columns: usize) -> &str {
    let mut start = text.len();
    for (at, _) in text.char_indices().rev() {
        if width(&text[at..]) > columns {
            break;
        }
        start = at;
    }
    &text[start..]
}

/// Says whether a character does something other than show itself.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{fdd0}'..='\u{fdef}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}' | '\u{e000}'..='\u{f8ff}')
        || (c as u32) & 0xfffe == 0xfffe
}

/// Says whether a character joins the one before it.
fn is_combining(c: char) -> bool {
    c.width() == Some(0) && !is_hidden(c)
}

/// Writes the visible mark of a hidden character.
fn mark(c: char, shown: &mut String) {
    match c {
        '\0'..='\u{1f}' => shown.push(char::from_u32(0x2400 + c as u32).unwrap_or('?')),
        '\u{7f}' => shown.push('␡'),
        _ => shown.extend(c.escape_unicode()),
    }
}

/// Writes a count with separators: `1,284`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Writes a size: exact up to a million bytes (`1,482 B`), then `18 MB`, `1.2 GB`.
pub fn bytes(size: u64) -> String {
    match size {
        0..1_000_000 => format!("{} B", thousands(size)),
        1_000_000..1_000_000_000 => format!("{} MB", scaled(size, 1_000_000)),
        _ => format!("{} GB", scaled(size, 1_000_000_000)),
    }
}

/// Writes a span of microseconds: `0.4 ms`, `12 ms`, `1.8 s`, `2 min`, `5 h`.
pub fn duration_us(micros: u64) -> String {
    const MINUTE: u64 = 60_000_000;
    match micros {
        0..10_000 => format!("{}.{} ms", micros / 1000, micros % 1000 / 100),
        10_000..1_000_000 => format!("{} ms", micros / 1000),
        1_000_000..MINUTE => format!("{} s", scaled(micros, 1_000_000)),
        MINUTE..7_200_000_000 => format!("{} min", micros / MINUTE),
        _ => format!("{} h", micros / (60 * MINUTE)),
    }
}

/// Writes how long ago something was: `3 s ago`, `5 min ago`; `in 3 s` where
/// it lies ahead.
pub fn age(seconds: i64) -> String {
    let far = seconds.unsigned_abs();
    let shown = match far {
        0..120 => format!("{far} s"),
        120..7_200 => format!("{} min", far / 60),
        7_200..172_800 => format!("{} h", far / 3_600),
        _ => format!("{} days", thousands(far / 86_400)),
    };
    if seconds < 0 { format!("in {shown}") } else { format!("{shown} ago") }
}

/// Writes `size / unit` with one decimal where it is below ten.
fn scaled(size: u64, unit: u64) -> String {
    if size < 10 * unit {
        let tenths = size * 10 / unit;
        return match tenths % 10 {
            0 => (tenths / 10).to_string(),
            rest => format!("{}.{rest}", tenths / 10),
        };
    }
    thousands(size / unit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_characters_become_marks() {
        assert_eq!(visible("a\u{1b}[31mb\0\t\r\n\u{7f}"), "a␛[31mb␀␉␍␊␡");
        assert_eq!(visible("\u{9b}31m\u{202e}x\u{200b}\u{feff}"), "\\u{9b}31m\\u{202e}x\\u{200b}\\u{feff}");
        assert_eq!(visible("plain äöü 東京 🎣"), "plain äöü 東京 🎣");
    }

    #[test]
    fn bytes_that_are_no_utf8_are_shown_as_numbers() {
        assert_eq!(visible_bytes(b"a\xff\x9bb\xc3\xa4"), "a\\xff\\x9bbä");
    }

    #[test]
    fn a_heap_of_combining_marks_is_capped() {
        let heap = format!("e{}", "\u{301}".repeat(50));
        let shown = visible(&heap);
        assert!(shown.starts_with("e\u{301}\u{301}\u{301}\u{301}\\u{301}"), "{shown}");
    }

    #[test]
    fn cuts_by_columns() {
        assert_eq!(cut("payment_intent", 8), "payment…");
        assert_eq!(cut("東京東京", 5), "東京…");
        assert_eq!(cut_middle("evt_1QK2f9LkdIwHu7ix", 11), "evt_1…Hu7ix");
        assert_eq!(pad("東京", 6), "東京  ");
        assert_eq!(pad("東京東", 4), "東… ");
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn writes_numbers_for_people() {
        assert_eq!(thousands(1_284), "1,284");
        assert_eq!(thousands(7), "7");
        assert_eq!(bytes(1_482), "1,482 B");
        assert_eq!(bytes(18_400_000), "18 MB");
        assert_eq!(bytes(1_200_000_000), "1.2 GB");
        assert_eq!(duration_us(400), "0.4 ms");
        assert_eq!(duration_us(12_345), "12 ms");
        assert_eq!(duration_us(1_840_000), "1.8 s");
        assert_eq!(duration_us(6_200_000), "6.2 s");
        assert_eq!(duration_us(120_000_000), "2 min");
        assert_eq!(age(3), "3 s ago");
        assert_eq!(age(300), "5 min ago");
        assert_eq!(age(-4), "in 4 s");
    }

    proptest! {
        #[test]
        fn nothing_hidden_gets_through(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let shown = visible_bytes(&bytes);
            prop_assert!(!shown.chars().any(is_hidden));
            prop_assert_eq!(visible(&shown), shown.as_str());
        }

        #[test]
        fn any_text_is_shown_without_hidden_characters(text in "\\PC*|.*") {
            prop_assert!(!visible(&text).chars().any(is_hidden));
        }

        #[test]
        fn cuts_are_never_wider_than_asked(text in ".*", columns in 0usize..40) {
            let text = visible(&text).into_owned();
            prop_assert!(width(&cut(&text, columns)) <= columns);
            prop_assert!(width(&cut_middle(&text, columns)) <= columns);
            prop_assert_eq!(width(&pad(&text, columns)), columns);
        }
    }
}
