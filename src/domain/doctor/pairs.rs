//! Tries pairs of hypotheses, the most likely pairs first.

use super::budget::Budget;
use super::case::{Case, DigestMatch};
use super::hypotheses::{HYPOTHESES, OTHER_SECRET};
use super::hypothesis::{InputChange, Procedure, Variation};
use super::secret;
use crate::domain::verification::Group;

/// How many variations of one kind are combined with those of another kind.
const MAX_VARIATIONS_PER_KIND: usize = 200;

/// Body hypotheses that are cheap enough for large bodies.
const CHEAP_BODY_CODES: [&str; 4] = ["body_newline", "body_line_ends", "body_bom", "body_empty"];

/// How many classes of pairs are tried for a large body.
const LARGE_BODY_CLASSES: usize = 4;

/// Secret hypotheses that are likely enough for large bodies.
const LIKELY_SECRET_CODES: [&str; 3] = ["other_secret", "old_secret", "secret_space"];

/// A variation, or several that belong together, each with the index of its
/// hypothesis.
type Combination<'a> = Vec<(usize, Variation<'a>)>;

/// Finds two variations of different kinds that together yield a candidate.
pub(super) fn search<'a>(
    case: &Case<'a>,
    budget: &mut Budget,
) -> Option<(Combination<'a>, DigestMatch)> {
    let [keys, bodies, texts, methods] = kinds(case);
    let others = others(case);
    // A variation at the end of the body costs almost nothing with any key, so
    // these are tried first with every key.
    let behind = |combination: &Combination<'a>| {
        let stem = case.stem();
        combination
            .iter()
            .all(|(_, variation)| matches!(&variation.change, InputChange::Body(body) if body.starts_with(stem)))
    };
    let (tails, bodies): (Vec<_>, Vec<_>) = bodies.into_iter().partition(behind);
    // The empty combination, for variations that are tried alone.
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
    let count = if case.is_large() {
        LARGE_BODY_CLASSES
    } else {
        classes.len()
    };
    for (at, (first, second)) in classes.into_iter().take(count).enumerate() {
        // Budget that one class does not use is left for the following classes.
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
) -> Option<(Combination<'a>, DigestMatch)> {
    for one in first {
        let inputs = one.iter().fold(case.inputs(), |inputs, (_, variation)| {
            variation.applied(inputs)
        });
        for two in second {
            let inputs = two
                .iter()
                .fold(inputs, |inputs, (_, variation)| variation.applied(inputs));
            if case.is_late() || !budget.try_spend(case.cost(&inputs)) {
                return None;
            }
            if let Some(hit) = case.find_match(&inputs) {
                return Some(([one.as_slice(), two].concat(), hit));
            }
        }
    }
    None
}

/// Collects the variations by kind: keys, bodies, texts and methods.
fn kinds<'a>(case: &Case<'a>) -> [Vec<Combination<'a>>; 4] {
    let mut kinds: [Vec<Combination<'a>>; 4] = Default::default();
    for (at, hypothesis) in HYPOTHESES.iter().enumerate() {
        let Procedure::Compute(variations) = &hypothesis.procedure else {
            continue;
        };
        if !hypothesis.applies_to(case) || case.is_late() {
            continue;
        }
        if case.is_large()
            && hypothesis.group == Group::Body
            && !CHEAP_BODY_CODES.contains(&hypothesis.code)
        {
            continue;
        }
        if case.is_large()
            && hypothesis.group == Group::Secret
            && !LIKELY_SECRET_CODES.contains(&hypothesis.code)
        {
            continue;
        }
        let variations = variations(case).unwrap_or_default();
        for variation in variations
            .into_iter()
            .filter(|variation| variation.changes(case))
        {
            let kind = match &variation.change {
                InputChange::Key(_) => 0,
                InputChange::Body(_) => 1,
                InputChange::Text(_) => 2,
                InputChange::Method(_) => 3,
            };
            if kinds[kind].len() < MAX_VARIATIONS_PER_KIND {
                kinds[kind].push(vec![(at, variation)]);
            }
        }
    }
    kinds
}

/// Collects the variations of the other configured secrets.
fn others<'a>(case: &Case<'a>) -> Vec<Combination<'a>> {
    let theirs = case.with_secrets(case.subject.others);
    let mut found = Vec::new();
    for (at, hypothesis) in HYPOTHESES.iter().enumerate() {
        let Procedure::Compute(variations) = &hypothesis.procedure else {
            continue;
        };
        if hypothesis.group != Group::Secret || at == OTHER_SECRET || case.is_late() {
            continue;
        }
        if case.is_large() && !LIKELY_SECRET_CODES.contains(&hypothesis.code) {
            continue;
        }
        for variation in variations(&theirs).unwrap_or_default() {
            let Some(secret) = variation
                .secret
                .filter(|_| found.len() < MAX_VARIATIONS_PER_KIND)
            else {
                continue;
            };
            found.push(vec![
                (
                    OTHER_SECRET,
                    secret::other_secret_variation(secret, Vec::new()),
                ),
                (at, variation),
            ]);
        }
    }
    found
}
