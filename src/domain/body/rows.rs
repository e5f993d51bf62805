//! Splits text into rows: at newlines, and within very long lines. Only every
//! few hundredth row offset is stored, so that a large body needs little
//! memory.

use std::ops::Range;

/// Longer lines are split, in bytes.
pub(super) const MAX_ROW_BYTES: usize = 4096;

/// How many rows lie between two stored offsets.
const ROWS_PER_CHECKPOINT: usize = 256;

/// The rows of a text.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    /// The offset of every [`ROWS_PER_CHECKPOINT`]th row.
    places: Vec<usize>,
    total: usize,
}

/// One row of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TextRow {
    /// The range of its bytes, without the newline.
    pub(super) range: Range<usize>,
    /// Whether it starts in the middle of a line.
    pub(super) continued: bool,
}

impl Rows {
    /// Scans a text for its rows.
    pub(super) fn new(text: &[u8]) -> Self {
        let mut places = Vec::new();
        let mut total = 0;
        let mut at = Some(0);
        while let Some(start) = at {
            if total % ROWS_PER_CHECKPOINT == 0 {
                places.push(start);
            }
            total += 1;
            at = next(text, start).1;
        }
        Self { places, total }
    }

    /// Returns the number of rows, which is at least one.
    pub(super) const fn total(&self) -> usize {
        self.total
    }

    /// Returns the rows starting with number `from`.
    pub(super) fn from<'a>(
        &self,
        text: &'a [u8],
        from: usize,
    ) -> impl Iterator<Item = TextRow> + use<'a> {
        let mut at = self.places.get(from / ROWS_PER_CHECKPOINT).copied();
        let skipped = from % ROWS_PER_CHECKPOINT;
        std::iter::from_fn(move || {
            let start = at?;
            let (range, following) = next(text, start);
            at = following;
            Some(TextRow {
                range,
                continued: start > 0 && text[start - 1] != b'\n',
            })
        })
        .skip(skipped)
    }

    /// Returns the number of the row that contains the byte at `offset`.
    pub(super) fn holding(&self, text: &[u8], offset: usize) -> usize {
        let block = self.places.partition_point(|&p| p <= offset).max(1) - 1;
        let within = self
            .from(text, block * ROWS_PER_CHECKPOINT)
            .take_while(|row| row.range.start <= offset)
            .count();
        block * ROWS_PER_CHECKPOINT + within.max(1) - 1
    }
}

/// Returns the row that starts at `start`, and the start of the next row.
fn next(text: &[u8], start: usize) -> (Range<usize>, Option<usize>) {
    let rest = &text[start..];
    let window = &rest[..rest.len().min(MAX_ROW_BYTES + 1)];
    if let Some(length) = window.iter().position(|&b| b == b'\n') {
        return (start..start + length, Some(start + length + 1));
    }
    if rest.len() <= MAX_ROW_BYTES {
        return (start..text.len(), None);
    }
    let cut = floor_boundary(text, start + MAX_ROW_BYTES);
    (start..cut, Some(cut))
}

/// Returns the last offset up to `at` that is not inside a UTF-8 character.
pub(super) fn floor_boundary(text: &[u8], at: usize) -> usize {
    let inside = (0..4).take_while(|back| text.get(at - back).is_some_and(|b| b & 0xc0 == 0x80));
    match inside.count() {
        // No character is that long, so these bytes are not UTF-8.
        4 => at,
        back => at - back,
    }
}

/// Returns line and column, counted from 1, of the byte at `offset`; the column
/// counts characters.
pub(in crate::domain) fn line_and_column(text: &[u8], offset: usize) -> (usize, usize) {
    let before = &text[..offset.min(text.len())];
    let line = before.split(|&b| b == b'\n').count();
    let start = before
        .iter()
        .rposition(|&b| b == b'\n')
        .map_or(0, |at| at + 1);
    let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &[u8]) -> Vec<(String, bool)> {
        let rows = Rows::new(text);
        let all: Vec<_> = rows
            .from(text, 0)
            .map(|r| {
                (
                    String::from_utf8_lossy(&text[r.range]).into_owned(),
                    r.continued,
                )
            })
            .collect();
        assert_eq!(all.len(), rows.total());
        all
    }

    #[test]
    fn parts_at_newlines() {
        let row = |t: &str| (t.to_owned(), false);
        assert_eq!(all(b"a\r\nb"), [row("a\r"), row("b")]);
        assert_eq!(all(b"a\n"), [row("a"), row("")]);
        assert_eq!(all(b"\n\n"), [row(""), row(""), row("")]);
        assert_eq!(all(b""), [row("")]);
    }

    #[test]
    fn parts_long_lines_between_characters() {
        let text = format!("a{}\nb", "é".repeat(MAX_ROW_BYTES / 2));
        let rows = all(text.as_bytes());
        assert_eq!(rows.len(), 3);
        assert_eq!((rows[0].0.len(), rows[0].1), (MAX_ROW_BYTES - 1, false));
        assert_eq!(rows[1], ("é".to_owned(), true));
        assert_eq!(rows[2], ("b".to_owned(), false));
        assert_eq!(
            all(format!("{}\nb", "x".repeat(MAX_ROW_BYTES)).as_bytes()).len(),
            2
        );
        assert_eq!(all(&[0x80; MAX_ROW_BYTES * 2]).len(), 2);
    }

    #[test]
    fn counts_lines_and_columns_from_one() {
        let text = "a\néb".as_bytes();
        assert_eq!(line_and_column(text, 0), (1, 1));
        assert_eq!(line_and_column(text, 4), (2, 2));
        assert_eq!(line_and_column(text, 99), (2, 3));
    }

    proptest! {
        #[test]
        fn any_row_is_found_from_anywhere(text in "(\n|a|é|bc\n){0,2000}", pick in any::<prop::sample::Index>()) {
            let text = text.as_bytes();
            let rows = Rows::new(text);
            let all: Vec<_> = rows.from(text, 0).collect();
            let number = pick.index(all.len());
            prop_assert_eq!(rows.from(text, number).next(), Some(all[number].clone()));
            prop_assert_eq!(rows.holding(text, all[number].range.start), number);
            prop_assert_eq!(rows.holding(text, all[number].range.end), number);
            prop_assert_eq!(rows.from(text, all.len()).next(), None);
        }
    }
}
