//! Searching a readable form.

use crate::domain::text::find_folded;

use super::hex;
use super::line::Line;
use super::view::{BodyView, Layout};

/// How many lines are made at a time while searching.
const BLOCK: usize = 512;

/// A place where the searched text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The line, from 0.
    pub line: usize,
    /// The first byte of it in [`Line::text`].
    pub start: usize,
    /// The byte behind it in [`Line::text`].
    pub end: usize,
}

impl BodyView {
    /// Finds up to `limit` places of a text, line by line, upper and lower
    /// case being the same. In hex lines it finds the text's bytes, and
    /// bytes written as hex (`1f 8b`), even across lines.
    pub fn find(&self, needle: &str, limit: usize) -> Vec<Found> {
        let mut found = Vec::new();
        if needle.is_empty() {
            return found;
        }
        if matches!(self.layout, Layout::Hex) {
            self.find_bytes(needle, limit, &mut found);
        } else {
            self.find_text(needle, limit, &mut found);
        }
        found
    }

    fn find_text(&self, needle: &str, limit: usize, found: &mut Vec<Found>) {
        let mut from = 0;
        loop {
            // One line more than the block: a match may end on it.
            let lines = self.window(from, BLOCK + 1);
            for (at, line) in lines.iter().take(BLOCK).enumerate() {
                find_in_line(line, lines.get(at + 1), needle, |start, end| {
                    if found.len() < limit {
                        found.push(Found {
                            line: from + at,
                            start,
                            end,
                        });
                    }
                });
                if found.len() >= limit {
                    return;
                }
            }
            if lines.len() <= BLOCK {
                return;
            }
            from += BLOCK;
        }
    }

    fn find_bytes(&self, needle: &str, limit: usize, found: &mut Vec<Found>) {
        let body = &self.body[..];
        let text = needle.as_bytes();
        let bytes = hex_bytes(needle);
        let matches_at = |at: usize| {
            let rest = &body[at..];
            let as_text = rest
                .get(..text.len())
                .is_some_and(|part| part.eq_ignore_ascii_case(text));
            if as_text {
                return Some(text.len());
            }
            bytes.as_ref().filter(|b| rest.starts_with(b)).map(Vec::len)
        };
        for at in 0..body.len() {
            if found.len() >= limit {
                return;
            }
            let Some(length) = matches_at(at) else {
                continue;
            };
            let column = at % hex::WIDTH;
            found.push(Found {
                line: at / hex::WIDTH,
                start: hex::ASCII_COLUMN + column,
                end: hex::ASCII_COLUMN + (column + length).min(hex::WIDTH),
            });
        }
    }
}

/// Finds the places in one line, those that end on the line that continues
/// it among them.
fn find_in_line(
    line: &Line,
    next: Option<&Line>,
    needle: &str,
    mut each: impl FnMut(usize, usize),
) {
    let mut text = line.text();
    let length = text.len();
    if let Some(next) = next.filter(|n| n.continued) {
        let more = needle.chars().count() - 1;
        text.extend(next.text().chars().take(more));
    }
    let mut at = 0;
    while let Some((start, end)) = find_folded(&text[at..], needle) {
        if at + start >= length {
            return;
        }
        each(at + start, (at + end).min(length));
        at += end;
    }
}

/// Reads `1f8b` or `1f 8b` as bytes.
fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.split_ascii_whitespace().collect();
    (!digits.is_empty()).then(|| ::hex::decode(&digits).ok())?
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::{ViewMode, view};
    use super::*;

    fn places(body: &[u8], mode: ViewMode, needle: &str) -> Vec<(usize, usize, usize)> {
        let view = view(&Bytes::copy_from_slice(body), None, mode);
        let found = view.find(needle, 100);
        found.iter().map(|f| (f.line, f.start, f.end)).collect()
    }

    #[test]
    fn finds_text_as_it_is_shown() {
        let json = b"{\"Amount\":4200,\"b\":[4200]}";
        assert_eq!(
            places(json, ViewMode::Pretty, "\"amount\": 4200"),
            [(1, 2, 16)]
        );
        assert_eq!(
            places(json, ViewMode::Pretty, "4200"),
            [(1, 12, 16), (3, 4, 8)]
        );
        assert_eq!(
            places(json, ViewMode::Raw, "4200"),
            [(0, 10, 14), (0, 20, 24)]
        );
        assert!(places(json, ViewMode::Raw, "").is_empty());
        assert!(places(json, ViewMode::Raw, "absent").is_empty());
        assert!(places(b"", ViewMode::Raw, "a").is_empty());
    }

    #[test]
    fn finds_bytes_in_hex_even_across_lines() {
        let body = b"0123456789abcdeFGhi\x1f\x8b";
        assert_eq!(places(body, ViewMode::Hex, "fgh"), [(0, 76, 77)]);
        assert_eq!(places(body, ViewMode::Hex, "1F 8b"), [(1, 64, 66)]);
        assert_eq!(places(body, ViewMode::Hex, "68"), [(1, 62, 63)]);
    }

    #[test]
    fn finds_what_a_long_line_was_parted_in() {
        let body = format!("{}needle{}needle", "x".repeat(4093), "y".repeat(100));
        let found = places(body.as_bytes(), ViewMode::Raw, "NEEDLE");
        assert_eq!(found, [(0, 4093, 4096), (1, 103, 109)]);
    }

    #[test]
    fn finds_beyond_a_block_and_stops_at_the_limit() {
        let body = Bytes::from("hit\n".repeat(BLOCK * 3));
        let view = view(&body, None, ViewMode::Raw);
        assert_eq!(view.find("hit", usize::MAX).len(), BLOCK * 3);
        assert_eq!(view.find("hit", BLOCK + 1).len(), BLOCK + 1);
        assert_eq!(view.find("hit", usize::MAX)[BLOCK * 2].line, BLOCK * 2);
    }
}
