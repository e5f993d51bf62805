//! A row of tabs: `1 Overview [2 Headers] 3 Body`, shorter where it must be.

use std::ops::Range;

use crate::domain::text::{cut_with, width};

/// One tab as it stands in its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// What is written.
    pub text: String,
    /// The columns it takes, from the row's beginning.
    pub columns: Range<usize>,
}

/// Places tabs in a row of so many columns; `chosen` stands in brackets.
///
/// Where the titles do not fit, those not chosen shrink to their digits.
pub fn place(titles: &[&str], chosen: usize, columns: usize) -> Vec<Placed> {
    let full = |at: usize| {
        let text = format!("{} {}", at + 1, titles[at]);
        if at == chosen {
            format!("[{text}]")
        } else {
            text
        }
    };
    let short = |at: usize| {
        if at == chosen {
            full(at)
        } else {
            (at + 1).to_string()
        }
    };
    let texts: Vec<String> = (0..titles.len()).map(full).collect();
    let needed: usize = texts.iter().map(|t| width(t) + 1).sum();
    let texts = if needed <= columns + 1 {
        texts
    } else {
        (0..titles.len()).map(short).collect()
    };
    let mut start = 0;
    texts
        .into_iter()
        .map(|text| {
            let text = cut_with(&text, columns.saturating_sub(start), "");
            let end = start + width(&text);
            let placed = Placed {
                text,
                columns: start..end,
            };
            start = end + 1;
            placed
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(columns: usize) -> String {
        let placed = place(&["Overview", "Headers", "Body"], 1, columns);
        let texts: Vec<_> = placed.iter().map(|p| p.text.as_str()).collect();
        texts.join(" ")
    }

    #[test]
    fn shrinks_to_fit() {
        assert_eq!(row(30), "1 Overview [2 Headers] 3 Body");
        assert_eq!(row(29), "1 Overview [2 Headers] 3 Body");
        assert_eq!(row(28), "1 [2 Headers] 3");
        assert_eq!(row(4).trim_end(), "1 [2");
        assert_eq!(place(&["A", "B"], 0, 20)[1].columns, 6..9);
    }
}
