//! Line-based diff of two texts.

use std::ops::Range;

/// The maximum number of edit steps before the rest counts as replaced. Texts
/// that have little in common are easier to read that way.
const MAX_EDIT_STEPS: usize = 1_000;

/// A run of equal or replaced lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The lines of the old text.
    pub old: Range<usize>,
    /// The lines of the new text.
    pub new: Range<usize>,
    /// Whether the lines are equal.
    pub same: bool,
}

/// A line of the displayed diff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiffLine {
    /// A line in both texts, by its number in the new text.
    Same(usize),
    /// A line of the old text only.
    Old(usize),
    /// A line of the new text only.
    New(usize),
    /// The number of equal lines that are omitted.
    Skipped(usize),
}

/// Compares two texts.
///
/// The result covers all lines of both texts in order. It is a shortest edit
/// script by the algorithm of Myers ("An O(ND) Difference Algorithm and Its
/// Variations", 1986), unless that takes too long.
pub fn runs<T: PartialEq>(old: &[T], new: &[T]) -> Vec<Run> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let tail = old[head..]
        .iter()
        .rev()
        .zip(new[head..].iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let middle = (head..old.len() - tail, head..new.len() - tail);
    let mut runs = Runs(Vec::new());
    runs.add(0..head, 0..head, true);
    match trace(&old[middle.0.clone()], &new[middle.1.clone()]) {
        Some(pairs) => {
            let (mut a, mut b) = (0, 0);
            for (x, y) in pairs {
                runs.add(head + a..head + x, head + b..head + y, false);
                runs.add(head + x..head + x + 1, head + y..head + y + 1, true);
                (a, b) = (x + 1, y + 1);
            }
            runs.add(head + a..middle.0.end, head + b..middle.1.end, false);
        }
        None => runs.add(middle.0.clone(), middle.1.clone(), false),
    }
    runs.add(middle.0.end..old.len(), middle.1.end..new.len(), true);
    runs.0
}

/// Lists the lines to display: the differences, old before new, with `context`
/// equal lines around them; empty if the texts are equal.
pub fn shown(runs: &[Run], context: usize) -> Vec<DiffLine> {
    let mut lines = Vec::new();
    if runs.iter().all(|run| run.same) {
        return lines;
    }
    for (at, run) in runs.iter().enumerate() {
        if !run.same {
            lines.extend(run.old.clone().map(DiffLine::Old));
            lines.extend(run.new.clone().map(DiffLine::New));
            continue;
        }
        let first = if at == 0 { 0 } else { context };
        let last = if at + 1 == runs.len() { 0 } else { context };
        let Range { start, end } = run.new;
        // Omitting one line would take as much space as the line itself.
        if run.new.len() <= first + last + 1 {
            lines.extend((start..end).map(DiffLine::Same));
            continue;
        }
        lines.extend((start..start + first).map(DiffLine::Same));
        lines.push(DiffLine::Skipped(run.new.len() - first - last));
        lines.extend((end - last..end).map(DiffLine::Same));
    }
    lines
}

struct Runs(Vec<Run>);

impl Runs {
    fn add(&mut self, old: Range<usize>, new: Range<usize>, same: bool) {
        if old.is_empty() && new.is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some(last) if last.same == same => {
                last.old.end = old.end;
                last.new.end = new.end;
            }
            _ => self.0.push(Run { old, new, same }),
        }
    }
}

/// Returns the pairs of equal lines on a shortest edit path; `None` if the path
/// is too long.
fn trace<T: PartialEq>(old: &[T], new: &[T]) -> Option<Vec<(usize, usize)>> {
    let most = (old.len() + new.len()).min(MAX_EDIT_STEPS);
    let offset = most + 1;
    let mut furthest = vec![0_usize; 2 * most + 3];
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    for d in 0..=most {
        // Only the diagonals that this round can reach are stored.
        rounds.push(furthest[offset - d..=offset + d].to_vec());
        for step in 0..=d {
            // The diagonal k runs from -d to d in steps of two; `at` is the
            // index of k.
            let at = offset + 2 * step - d;
            let down = step == 0 || (step != d && furthest[at - 1] < furthest[at + 1]);
            let mut x = if down {
                furthest[at + 1]
            } else {
                furthest[at - 1] + 1
            };
            let mut y = (x + offset).wrapping_sub(at);
            while x < old.len() && y < new.len() && old[x] == new[y] {
                x += 1;
                y += 1;
            }
            furthest[at] = x;
            if x >= old.len() && y >= new.len() {
                return Some(back(&rounds, old.len(), new.len()));
            }
        }
    }
    None
}

/// Traces the path backwards and collects the pairs.
fn back(rounds: &[Vec<usize>], old: usize, new: usize) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    let (mut x, mut y) = (old, new);
    for (d, before) in rounds.iter().enumerate().skip(1).rev() {
        // `before[d + k]` is the furthest position on diagonal k.
        let k = x.cast_signed() - y.cast_signed();
        let reached = |k: isize| before[(d.cast_signed() + k).cast_unsigned()];
        let d = d.cast_signed();
        let down = k == -d || (k != d && reached(k - 1) < reached(k + 1));
        let from = if down { k + 1 } else { k - 1 };
        let from_x = reached(from);
        let from_y = (from_x.cast_signed() - from).cast_unsigned();
        let (mut start_x, mut start_y) = (from_x, from_y);
        if down {
            start_y += 1;
        } else {
            start_x += 1;
        }
        while x > start_x && y > start_y {
            (x, y) = (x - 1, y - 1);
            pairs.push((x, y));
        }
        (x, y) = (from_x, from_y);
    }
    while x > 0 && y > 0 {
        (x, y) = (x - 1, y - 1);
        pairs.push((x, y));
    }
    pairs.reverse();
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drawn(old: &str, new: &str, context: usize) -> String {
        let old: Vec<char> = old.chars().collect();
        let new: Vec<char> = new.chars().collect();
        let lines = shown(&runs(&old, &new), context);
        let line = |line: &DiffLine| match line {
            DiffLine::Same(at) => format!(" {}", new[*at]),
            DiffLine::Old(at) => format!("-{}", old[*at]),
            DiffLine::New(at) => format!("+{}", new[*at]),
            DiffLine::Skipped(count) => format!("~{count}"),
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn shows_what_differs_with_context() {
        assert_eq!(drawn("abc", "abc", 1), "");
        assert_eq!(drawn("", "ab", 1), "+a+b");
        assert_eq!(drawn("abcdefgh", "abcdXfgh", 1), "~3 d-e+X f~2");
        assert_eq!(drawn("abcdefgh", "Xbcdefgh", 2), "-a+X b c~5");
        assert_eq!(drawn("abXcYde", "abcde", 9), " a b-X c-Y d e");
        assert_eq!(drawn("abcabba", "cbabac", 1), "-a-b c+b a b-b a+c");
        assert_eq!(drawn("aXbcdYe", "a1bcd2e", 1), " a-X+1 b c d-Y+2 e");
    }

    #[test]
    fn texts_without_anything_in_common_are_replaced_in_good_time() {
        let old: Vec<usize> = (0..100_000).collect();
        let new: Vec<usize> = (100_000..200_000).collect();
        let runs = runs(&old, &new);
        assert_eq!(runs.len(), 1);
        assert!(!runs[0].same);
    }

    proptest! {
        #[test]
        fn covers_both_and_says_the_truth(old in "[ab]{0,12}", new in "[ab]{0,12}") {
            let a: Vec<char> = old.chars().collect();
            let b: Vec<char> = new.chars().collect();
            let runs = runs(&a, &b);
            let (mut x, mut y) = (0, 0);
            for run in &runs {
                prop_assert_eq!((run.old.start, run.new.start), (x, y));
                (x, y) = (run.old.end, run.new.end);
                if run.same {
                    prop_assert_eq!(&a[run.old.clone()], &b[run.new.clone()]);
                }
            }
            prop_assert_eq!((x, y), (a.len(), b.len()));
            // The number of edits is minimal: compared with the longest common
            // subsequence.
            let mut longest = vec![vec![0; b.len() + 1]; a.len() + 1];
            for i in 0..a.len() {
                for j in 0..b.len() {
                    longest[i + 1][j + 1] = if a[i] == b[j] {
                        longest[i][j] + 1
                    } else {
                        longest[i][j + 1].max(longest[i + 1][j])
                    };
                }
            }
            let same: usize = runs.iter().filter(|r| r.same).map(|r| r.old.len()).sum();
            prop_assert_eq!(same, longest[a.len()][b.len()]);
        }
    }
}
