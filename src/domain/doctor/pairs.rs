//! Tries two hypotheses at once, the likeliest pairs first.

use super::budget::Budget;
use super::case::{Case, Hit};
use super::hypothesis::{Change, Idea, Test};
use super::list::{HYPOTHESES, OTHER_SECRET};
use super::secret;
use crate::domain::verification::Group;

/// More ideas of one kind than these are not tried with another's.
const IDEAS: usize = 200;

/// What is made of a large body too, because it costs next to nothing.
const CHEAP: [&str; 4] = ["body_newline", "body_line_ends", "body_bom", "body_empty"];

/// How many classes are tried where the body is large.
const LARGE: usize = 4;

/// What is supposed of a secret too, where the body is large.
const LIKELY: [&str; 3] = ["other_secret", "old_secret", "secret_space"];

/// An idea, or several that belong together, each with its hypothesis's place
/// in the list.
type Combination<'a> = Vec<(usize, Idea<'a>)>;

/// Finds two ideas of different kinds that together give a signature that came.
pub(super) fn search<'a>(case: &Case<'a>, budget: &mut Budget) -> Option<(Combination<'a>, Hit)> {
    let [keys, bodies, texts, methods] = kinds(case);
    let others = others(case);
    // What differs behind the body's end only costs next to nothing, whatever
    // the key: that is tried of every key first.
    let behind = |combination: &Combination<'a>| {
        let stem = case.stem();
        combination
            .iter()
            .all(|(_, idea)| matches!(&idea.change, Change::Body(body) if body.starts_with(stem)))
    };
    let (tails, bodies): (Vec<_>, Vec<_>) = bodies.into_iter().partition(behind);
    // One idea, and nothing besides.
    let alone = [Vec::new()];
    let classes: [(&[Combination<'a>], &[Combination<'a>]); 12] = [
        (&keys, &tails),
        (&others, &alone),
        (&others, &tails),
        (&keys, &bodies),
        (&keys, &texts),
        (&bodies, &texts),
        (&tails, &texts),
        (&keys, &methods),
        (&texts, &methods),
        (&bodies, &methods),
        (&tails, &methods),
        (&others, &bodies),
    ];
    let count = if case.large() { LARGE } else { classes.len() };
    for (at, (first, second)) in classes.into_iter().take(count).enumerate() {
        // What one class leaves over is the next ones'.
        let share = budget.0 / (count - at);
        let mut left = Budget(share);
        let found = try_class(case, first, second, &mut left);
        budget.0 -= share - left.0;
        if found.is_some() {
            return found;
        }
    }
    None
}

fn try_class<'a>(
    case: &Case<'a>,
    first: &[Combination<'a>],
    second: &[Combination<'a>],
    budget: &mut Budget,
) -> Option<(Combination<'a>, Hit)> {
    for one in first {
        let setting = one
            .iter()
            .fold(case.setting(), |setting, (_, idea)| idea.applied(setting));
        for two in second {
            let setting = two
                .iter()
                .fold(setting, |setting, (_, idea)| idea.applied(setting));
            if case.is_late() || !budget.spend(case.cost(&setting)) {
                return None;
            }
            if let Some(hit) = case.hit(&setting) {
                return Some(([one.as_slice(), two].concat(), hit));
            }
        }
    }
    None
}

/// Collects the ideas of each kind: keys, bodies, texts and methods.
fn kinds<'a>(case: &Case<'a>) -> [Vec<Combination<'a>>; 4] {
    let mut kinds: [Vec<Combination<'a>>; 4] = Default::default();
    for (at, hypothesis) in HYPOTHESES.iter().enumerate() {
        let Test::Compute(ideas) = &hypothesis.test else {
            continue;
        };
        if !hypothesis.fits(case) || case.is_late() {
            continue;
        }
        if case.large() && hypothesis.group == Group::Body && !CHEAP.contains(&hypothesis.code) {
            continue;
        }
        if case.large() && hypothesis.group == Group::Secret && !LIKELY.contains(&hypothesis.code) {
            continue;
        }
        let ideas = ideas(case).unwrap_or_default();
        for idea in ideas.into_iter().filter(|idea| idea.changes(case)) {
            let kind = match &idea.change {
                Change::Key(_) => 0,
                Change::Body(_) => 1,
                Change::Text(_) => 2,
                Change::Method(_) => 3,
            };
            if kinds[kind].len() < IDEAS {
                kinds[kind].push(vec![(at, idea)]);
            }
        }
    }
    kinds
}

/// Collects what may be wrong with the other configured secrets.
fn others<'a>(case: &Case<'a>) -> Vec<Combination<'a>> {
    let theirs = case.with_secrets(case.patient.others);
    let mut found = Vec::new();
    for (at, hypothesis) in HYPOTHESES.iter().enumerate() {
        let Test::Compute(ideas) = &hypothesis.test else {
            continue;
        };
        if hypothesis.group != Group::Secret || at == OTHER_SECRET || case.is_late() {
            continue;
        }
        if case.large() && !LIKELY.contains(&hypothesis.code) {
            continue;
        }
        for idea in ideas(&theirs).unwrap_or_default() {
            let Some(secret) = idea.secret.filter(|_| found.len() < IDEAS) else {
                continue;
            };
            found.push(vec![
                (OTHER_SECRET, secret::other_idea(secret, Vec::new())),
                (at, idea),
            ]);
        }
    }
    found
}
