//! Breaking lines at a width.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;

use crate::domain::text::width;

/// Breaks a line hard where the width ends, so that nothing of it is lost.
pub fn hard(spans: &[Span<'_>], columns: usize) -> Vec<Line<'static>> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut current = Line::default();
    let mut used = 0;
    for span in spans {
        let mut text = String::new();
        for grapheme in span.content.graphemes(true) {
            let takes = width(grapheme);
            if used + takes > columns && used > 0 {
                push(&mut current, &mut text, span.style);
                lines.push(std::mem::take(&mut current));
                used = 0;
            }
            text.push_str(grapheme);
            used += takes;
        }
        push(&mut current, &mut text, span.style);
    }
    lines.push(current);
    lines
}

/// Breaks a sentence between words, and hard where a word is too long.
pub fn words(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = vec![String::new()];
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        let line = lines.last_mut().expect("there is one line from the start");
        if line.is_empty() {
            line.push_str(word);
        } else if width(line) + 1 + width(word) <= columns {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
        while let Some((head, tail)) = split_long(lines.last().map_or("", |l| l), columns) {
            lines.pop();
            lines.extend([head, tail]);
        }
    }
    lines
}

/// Cuts a line to the width; an ellipsis says that there was more.
pub fn cut(spans: Vec<Span<'static>>, columns: usize, ellipsis: &str) -> Line<'static> {
    let total: usize = spans.iter().map(|s| width(&s.content)).sum();
    if total <= columns {
        return Line::from(spans);
    }
    let room = columns.saturating_sub(width(ellipsis));
    let mut first = hard(&spans, room.max(1)).swap_remove(0);
    if room == 0 {
        first = Line::default();
    }
    let style = first.spans.last().map_or_else(Style::new, |s| s.style);
    let rest = columns.min(width(ellipsis));
    first.push_span(Span::styled(
        ellipsis.chars().take(rest).collect::<String>(),
        style,
    ));
    first
}

fn push(line: &mut Line<'static>, text: &mut String, style: Style) {
    if !text.is_empty() {
        line.push_span(Span::styled(std::mem::take(text), style));
    }
}

fn split_long(line: &str, columns: usize) -> Option<(String, String)> {
    let mut used = 0;
    for (at, grapheme) in line.grapheme_indices(true) {
        used += width(grapheme);
        if used > columns && at > 0 {
            return Some((line[..at].to_owned(), line[at..].to_owned()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_hard_without_losing_anything() {
        let spans = [Span::raw("abc"), Span::raw("日本語")];
        let lines: Vec<String> = hard(&spans, 4).iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["abc", "日本", "語"]);
        assert_eq!(hard(&[], 4).len(), 1);
        assert_eq!(hard(&[Span::raw("日本")], 1).len(), 2);
    }

    #[test]
    fn breaks_between_words() {
        assert_eq!(
            words("the bytes are intact", 9),
            ["the bytes", "are", "intact"]
        );
        assert_eq!(words("a abcdefgh b", 4), ["a", "abcd", "efgh", "b"]);
        assert_eq!(words("", 4), [""]);
    }

    #[test]
    fn cuts_and_says_so() {
        let text =
            |columns| cut(vec![Span::raw("abc"), Span::raw("日本")], columns, "…").to_string();
        assert_eq!(text(7), "abc日本");
        assert_eq!(text(6), "abc日…");
        assert_eq!(text(1), "…");
        assert_eq!(text(0), "");
    }
}
