//! Formats form fields (`application/x-www-form-urlencoded`,
//! url.spec.whatwg.org section 5.1), decoded and one per line.

use crate::domain::text::Marks;

use super::line::{Line, Role};
use super::rows::{MAX_ROW_BYTES, floor_boundary};

/// One line: a field or a part of a long field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    start: usize,
    end: usize,
    /// The offset of the field's `=`, or of its end if there is none.
    equals: usize,
    continued: bool,
}

/// Splits form fields into rows.
pub(super) fn rows(text: &[u8]) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut at = 0;
    for field in text.trim_ascii_end().split(|&b| b == b'&') {
        let end = at + field.len();
        let equals = field.iter().position(|&b| b == b'=');
        let equals = equals.map_or(end, |within| at + within);
        let mut start = at;
        while end - start > MAX_ROW_BYTES {
            let cut = boundary(text, start + MAX_ROW_BYTES);
            rows.push(row(start, cut, equals, start > at));
            start = cut;
        }
        if end > at {
            rows.push(row(start, end, equals, start > at));
        }
        at = end + 1;
    }
    rows
}

/// Formats one row.
pub(super) fn line(text: &[u8], row: &Row, marks: Marks) -> Line {
    let mut line = Line {
        continued: row.continued,
        ..Line::default()
    };
    let name = row.start..row.equals.clamp(row.start, row.end);
    line.foreign(&decoded(&text[name]), Role::Key, marks);
    let mut value = row.start.max(row.equals);
    if value < row.end && value == row.equals {
        line.own(" = ", Role::Punctuation);
        value += 1;
    }
    if value < row.end {
        line.foreign(&decoded(&text[value..row.end]), Role::String, marks);
    }
    line
}

const fn row(start: usize, end: usize, equals: usize, continued: bool) -> Row {
    Row {
        start,
        end,
        equals,
        continued,
    }
}

/// Decodes percent-encoding; anything else than `%NN` is unchanged.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if let Some(byte) = escaped(text, at) {
            out.push(byte);
            at += 3;
        } else {
            out.push(if text[at] == b'+' { b' ' } else { text[at] });
            at += 1;
        }
    }
    out
}

/// Returns the byte that is encoded as `%NN` at this offset.
fn escaped(text: &[u8], at: usize) -> Option<u8> {
    let [b'%', high, low] = *text.get(at..at + 3)? else {
        return None;
    };
    let digit = |b: u8| char::from(b).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Returns the last offset up to `at` that splits neither a `%NN` nor a
/// character encoded as several of them.
fn boundary(text: &[u8], at: usize) -> usize {
    let at = floor_boundary(text, at);
    let whole = |place: usize| {
        let in_escape = (1..=2).any(|back| escaped(text, place - back).is_some());
        !in_escape && escaped(text, place).is_none_or(|b| b & 0xc0 != 0x80)
    };
    (at - 12..=at)
        .rev()
        .find(|&place| whole(place))
        .unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_out(text: &str) -> Vec<String> {
        rows(text.as_bytes())
            .iter()
            .map(|row| line(text.as_bytes(), row, Marks::Pictures).text())
            .collect()
    }

    #[test]
    fn shows_one_decoded_field_a_line() {
        let cases: &[(&str, &[&str])] = &[
            ("a=1&b=2", &["a = 1", "b = 2"]),
            ("a=x+y%21&a=", &["a = x y!", "a = "]),
            ("alone&&b=%e6%97%a5\r\n", &["alone", "b = 日"]),
            ("a=b=c", &["a = b=c"]),
            ("%zz=%4&=v", &["%zz = %4", " = v"]),
            ("n=%0a%1b%ff", &[r"n = ␊␛\xff"]),
            ("&", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(laid_out(text), *expected, "{text}");
        }
    }

    #[test]
    fn names_and_values_have_roles() {
        let text = b"a%3d=b";
        let spans = line(text, &rows(text)[0], Marks::Pictures).spans;
        let seen: Vec<_> = spans.iter().map(|s| (s.text.as_str(), s.role)).collect();
        let expected = [
            ("a=", Role::Key),
            (" = ", Role::Punctuation),
            ("b", Role::String),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn parts_long_values_between_characters() {
        for shift in 0..9 {
            let text = format!("{}=a{}", "k".repeat(shift), "%e6%97%a5".repeat(2_000));
            let rows = rows(text.as_bytes());
            assert!(rows.len() > 2);
            let lines: Vec<_> = rows
                .iter()
                .map(|row| line(text.as_bytes(), row, Marks::Pictures))
                .collect();
            let shown: String = lines.iter().map(Line::text).collect();
            assert_eq!(
                shown,
                format!("{} = a{}", "k".repeat(shift), "日".repeat(2_000))
            );
            assert!(lines[1].continued && lines[1].spans[0].role == Role::String);
        }
    }
}
