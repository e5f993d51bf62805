//! Finding lines by a few letters of theirs, in order.

use crate::domain::text::{find_folded, fold};

/// Rates how well a line answers what was typed; smaller is better, `None`
/// where a letter is missing. Letters may stand apart; those that stand
/// together, and at the beginnings of words, count for more.
pub fn rate(line: &str, typed: &str) -> Option<usize> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Some(0);
    }
    if let Some((start, _)) = find_folded(line, typed) {
        let at_word = start == 0 || line[..start].ends_with([' ', '-']);
        return Some(if at_word { start } else { 100 + start });
    }
    let mut penalty = 1_000;
    let mut last = None;
    let mut chars = line.chars().enumerate();
    for wanted in typed.chars().filter(|c| !c.is_whitespace()) {
        let (at, _) = chars.find(|(_, c)| fold(*c) == fold(wanted))?;
        penalty += last.map_or(at, |last| at - last - 1);
        last = Some(at);
    }
    Some(penalty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_whole_words_over_scattered_letters() {
        let best = |typed: &str| {
            let lines = [
                "Send again",
                "Copy a curl command",
                "Show the body as bytes",
            ];
            let rated = lines.iter().filter_map(|l| Some((rate(l, typed)?, *l)));
            rated.min().map(|(_, l)| l)
        };
        assert_eq!(best("curl"), Some("Copy a curl command"));
        assert_eq!(best("CPC"), Some("Copy a curl command"));
        assert_eq!(best("bytes"), Some("Show the body as bytes"));
        assert_eq!(best("xyz"), None);
        assert_eq!(rate("anything", ""), Some(0));
    }
}
