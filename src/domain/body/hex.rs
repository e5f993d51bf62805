//! Formats bytes as a hex dump, sixteen per line: offset, hex and ASCII.

use std::fmt::Write as _;

use super::line::{Line, Role};

/// How many bytes a line shows.
pub(super) const BYTES_PER_LINE: usize = 16;

/// The column of the first byte in the ASCII part.
pub(super) const ASCII_COLUMN: usize = 8 + 2 + 3 * BYTES_PER_LINE + 2 + 1;

/// Returns the number of lines of a body.
pub(super) const fn total(size: usize) -> usize {
    size.div_ceil(BYTES_PER_LINE)
}

/// Formats line `number`: `00000010  31 37 …  |1795266149.{.  |`.
pub(super) fn line(body: &[u8], number: usize) -> Line {
    let start = number * BYTES_PER_LINE;
    let bytes = &body[start..body.len().min(start + BYTES_PER_LINE)];
    let mut hex = String::with_capacity(3 * BYTES_PER_LINE + 4);
    for at in 0..BYTES_PER_LINE {
        hex.push_str(if at == BYTES_PER_LINE / 2 { "  " } else { " " });
        match bytes.get(at) {
            Some(byte) => write!(hex, "{byte:02x}").expect("writing to a string does not fail"),
            None => hex.push_str("  "),
        }
    }
    let shown = |b: &u8| {
        if matches!(b, b' '..=b'~') {
            char::from(*b)
        } else {
            '.'
        }
    };
    let mut line = Line::default();
    line.own(format!("{start:08x}"), Role::Offset);
    line.own(format!(" {hex}  "), Role::Plain);
    line.own("|", Role::Punctuation);
    line.own(bytes.iter().map(shown).collect::<String>(), Role::String);
    line.own("|", Role::Punctuation);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_place_hex_and_ascii() {
        let body = b"1795266149.{.  \"\x1bend";
        assert_eq!(total(body.len()), 2);
        assert_eq!(
            line(body, 0).text(),
            "00000000  31 37 39 35 32 36 36 31  34 39 2e 7b 2e 20 20 22  |1795266149.{.  \"|"
        );
        assert_eq!(
            line(body, 1).text(),
            "00000010  1b 65 6e 64                                       |.end|"
        );
        assert_eq!(line(body, 0).text().as_bytes()[ASCII_COLUMN], b'1');
        assert_eq!(line(body, 1).text().as_bytes()[ASCII_COLUMN], b'.');
    }
}
