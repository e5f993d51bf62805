//! Searches a formatted body.

use std::ops::Range;

use crate::domain::text::find_folded;

use super::hex;
use super::line::Line;
use super::view::{BodyView, Layout};

/// How many lines are formatted at a time during a search.
const BLOCK_LINES: usize = 512;

/// A match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The line, counted from 0.
    pub line: usize,
    /// The offset of its first byte in [`Line::text`].
    pub start: usize,
    /// The offset after its last byte in [`Line::text`].
    pub end: usize,
}

/// All matches of a text in a view. Only the number of matches per block of
/// lines is stored, so that a million matches need little memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matches {
    needle: String,
    /// The cumulative number of matches at the end of each block.
    until: Vec<usize>,
}

impl Matches {
    /// Searches a view for a text, line by line and ignoring case. In hex lines
    /// it finds the bytes of the text, and bytes written as hex (`1f 8b`), even
    /// across lines. An empty text has no matches.
    pub fn of(view: &BodyView, needle: &str) -> Self {
        let mut matches = Self {
            needle: needle.to_owned(),
            until: Vec::new(),
        };
        if !needle.is_empty() {
            let mut total = 0;
            for from in (0..view.lines_total()).step_by(BLOCK_LINES) {
                total += view.found_on(from..from + BLOCK_LINES, needle).len();
                matches.until.push(total);
            }
        }
        matches
    }

    /// Returns the number of matches.
    pub fn total(&self) -> usize {
        self.until.last().copied().unwrap_or(0)
    }

    /// Returns match `number`, counted from 0, in the view that was searched.
    pub fn get(&self, view: &BodyView, number: usize) -> Option<Found> {
        let block = self.until.partition_point(|until| *until <= number);
        let before = match block {
            0 => 0,
            block => *self.until.get(block - 1)?,
        };
        let from = block * BLOCK_LINES;
        let found = view.found_on(from..from + BLOCK_LINES, &self.needle);
        found.get(number - before).copied()
    }

    /// Returns the matches on these lines of the view that was searched.
    pub fn on(&self, view: &BodyView, lines: Range<usize>) -> Vec<Found> {
        if self.total() == 0 {
            return Vec::new();
        }
        view.found_on(lines, &self.needle)
    }
}

impl BodyView {
    /// Returns the matches of a text on these lines.
    fn found_on(&self, lines: Range<usize>, needle: &str) -> Vec<Found> {
        if matches!(self.layout, Layout::Hex) {
            self.bytes_on(lines, needle)
        } else {
            self.text_on(lines, needle)
        }
    }

    fn text_on(&self, numbers: Range<usize>, needle: &str) -> Vec<Found> {
        let mut found = Vec::new();
        // One additional line, because a match may end on it.
        let lines = self.window(numbers.start, numbers.len() + 1);
        for (at, line) in lines.iter().take(numbers.len()).enumerate() {
            find_in_line(line, lines.get(at + 1), needle, |start, end| {
                found.push(Found {
                    line: numbers.start + at,
                    start,
                    end,
                });
            });
        }
        found
    }

    fn bytes_on(&self, lines: Range<usize>, needle: &str) -> Vec<Found> {
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
        let end = body.len().min(lines.end * hex::BYTES_PER_LINE);
        let starts = lines.start * hex::BYTES_PER_LINE..end;
        let found = starts.filter_map(|at| {
            let length = matches_at(at)?;
            let column = at % hex::BYTES_PER_LINE;
            Some(Found {
                line: at / hex::BYTES_PER_LINE,
                start: hex::ASCII_COLUMN + column,
                end: hex::ASCII_COLUMN + (column + length).min(hex::BYTES_PER_LINE),
            })
        });
        found.collect()
    }
}

/// Finds the matches in one line, including those that end on its continuation.
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

/// Parses `1f8b` or `1f 8b` as bytes.
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
        let matches = Matches::of(&view, needle);
        let found = (0..).map_while(|number| matches.get(&view, number));
        let places = found.map(|f| (f.line, f.start, f.end)).collect::<Vec<_>>();
        assert_eq!(places.len(), matches.total());
        places
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
    fn counts_and_reaches_every_place() {
        let line = "hit and hit\n";
        for (mode, lines) in [
            (ViewMode::Raw, 20_000),
            (ViewMode::Hex, BLOCK_LINES * 3 + 7),
        ] {
            let body = Bytes::from(line.repeat(lines));
            let view = view(&body, None, mode);
            let matches = Matches::of(&view, "HIT");
            let total = 2 * lines;
            assert_eq!(matches.total(), total, "{mode:?}");
            let places: Vec<Found> = [0, 1, 1_023, 1_024, 1_025, total - 2, total - 1]
                .into_iter()
                .map(|number| matches.get(&view, number).unwrap())
                .collect();
            let key = |f: &Found| (f.line, f.start);
            assert!(places.is_sorted_by(|a, b| key(a) < key(b)), "{places:?}");
            for found in &places {
                assert!(
                    matches
                        .on(&view, found.line..found.line + 1)
                        .contains(found)
                );
            }
            assert_eq!(matches.get(&view, total), None);
            assert!(
                matches
                    .on(&view, view.lines_total()..usize::MAX / 32)
                    .is_empty()
            );
        }
    }

    #[test]
    fn every_place_is_found_once_whatever_the_blocks() {
        // A line in every block, including the edges.
        let lines = (0..BLOCK_LINES * 3).map(|at| match at % (BLOCK_LINES - 1) {
            0 => "needle\n",
            _ => "hay\n",
        });
        let body = Bytes::from(lines.collect::<String>());
        let view = view(&body, None, ViewMode::Raw);
        let matches = Matches::of(&view, "needle");
        let found: Vec<usize> = (0..matches.total())
            .map(|number| matches.get(&view, number).unwrap().line)
            .collect();
        let expected: Vec<usize> = (0..BLOCK_LINES * 3).step_by(BLOCK_LINES - 1).collect();
        assert_eq!(found, expected);
    }
}
