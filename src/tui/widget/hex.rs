//! Bytes as hex lines, as many a line as there is room for.

use std::fmt::Write as _;

use crate::tui::theme::Role;

/// Returns how many bytes fit on a line of so many columns: 16, 8 or 4.
pub fn per_line(columns: usize) -> usize {
    [16, 8]
        .into_iter()
        .find(|n| line_width(*n) <= columns)
        .unwrap_or(4)
}

/// Writes the line of bytes that begins at `offset`: `00000010  31 37  17`.
/// `found` says which bytes were searched for.
pub fn line(
    bytes: &[u8],
    offset: usize,
    per_line: usize,
    found: impl Fn(usize) -> bool,
) -> Vec<(String, Role)> {
    let end = bytes.len().min(offset + per_line);
    let chunk = bytes.get(offset..end).unwrap_or_default();
    let role = |at: usize| {
        if found(offset + at) {
            Role::Match
        } else {
            Role::Plain
        }
    };
    let mut words = vec![(format!("{offset:08x} "), Role::Context)];
    for at in 0..per_line {
        let gap = if at > 0 && at % 8 == 0 { "  " } else { " " };
        let mut digits = String::new();
        match chunk.get(at) {
            Some(byte) => write!(digits, "{byte:02x}").expect("writing to a string does not fail"),
            None => digits.push_str("  "),
        }
        push(&mut words, gap.to_owned(), Role::Plain);
        push(&mut words, digits, role(at));
    }
    push(&mut words, "  ".to_owned(), Role::Plain);
    for (at, byte) in chunk.iter().enumerate() {
        let shown = match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '.',
        };
        let role = match role(at) {
            Role::Match => Role::Match,
            _ => Role::String,
        };
        push(&mut words, shown.to_string(), role);
    }
    words
}

/// Returns how many columns a line of so many bytes takes.
const fn line_width(bytes: usize) -> usize {
    8 + 1 + 3 * bytes + (bytes - 1) / 8 + 2 + bytes
}

fn push(words: &mut Vec<(String, Role)>, text: String, role: Role) {
    match words.last_mut() {
        Some((last, same)) if *same == role => last.push_str(&text),
        _ => words.push((text, role)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(words: &[(String, Role)]) -> String {
        words.iter().map(|(t, _)| t.as_str()).collect()
    }

    #[test]
    fn writes_place_hex_and_text() {
        let bytes = b"1795266149.{.\n  \x1bend";
        assert_eq!(
            text(&line(bytes, 0, 16, |_| false)),
            "00000000  31 37 39 35 32 36 36 31  34 39 2e 7b 2e 0a 20 20  1795266149.{..  "
        );
        assert_eq!(
            text(&line(bytes, 16, 4, |_| false)),
            "00000010  1b 65 6e 64  .end"
        );
        assert_eq!(
            text(&line(bytes, 16, 8, |_| false)),
            "00000010  1b 65 6e 64              .end"
        );
        assert_eq!(text(&line(b"", 0, 4, |_| false)).trim_end(), "00000000");
    }

    #[test]
    fn takes_as_many_bytes_as_fit() {
        for (columns, bytes) in [(120, 16), (76, 16), (75, 8), (43, 8), (42, 4), (1, 4)] {
            assert_eq!(per_line(columns), bytes, "{columns}");
        }
        assert_eq!(
            text(&line(&[b'a'; 16], 0, 16, |_| false)).len(),
            line_width(16)
        );
        assert_eq!(
            text(&line(&[b'a'; 8], 0, 8, |_| false)).len(),
            line_width(8)
        );
    }

    #[test]
    fn shows_what_was_found() {
        let words = line(b"abcd", 0, 4, |at| at == 1);
        let found: Vec<_> = words.iter().filter(|(_, r)| *r == Role::Match).collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].0.as_str(), found[1].0.as_str()), ("62", "b"));
    }
}
