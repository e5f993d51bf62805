//! Tests the hypotheses within a budget: each alone, then in pairs.

use std::borrow::Cow;

use super::budget::Budget;
use super::case::{Case, DigestInputs, DigestMatch};
use super::deviation::Deviation;
use super::deviation_finding;
use super::hypotheses::{HYPOTHESES, OTHER_SECRET};
use super::hypothesis::{Hypothesis, Observation, Procedure, Variation, Variations};
use super::mac::Hash;
use super::signed_part::SignedPart;
use super::{Effort, finding, header, pairs};
use crate::domain::text::thousands;
use crate::domain::verification::{Finding, Group, HypothesisTrial, Status, TrialOutcome};

/// The budget at arrival, in hashed bytes; four times the body size is added.
const BRIEF_BUDGET_BYTES: usize = 1 << 20;

/// The budget when a user opens a delivery, in hashed bytes.
const FULL_BUDGET_BYTES: usize = 36 << 20;

/// The part of that budget for pairs, in hashed bytes.
const PAIRS_BUDGET_BYTES: usize = 16 << 20;

const TOO_LARGE: &str = "not tried: the body is too large";

const OUT_OF_TIME: &str = "not tried: out of time";

/// The findings and the tested hypotheses.
pub(super) struct SearchOutcome {
    /// The findings with their groups, most relevant first.
    pub(super) findings: Vec<(Group, Finding)>,
    /// The tested hypotheses, in the order of the list.
    pub(super) tried: Vec<HypothesisTrial>,
    /// Whether a computation yielded a received signature.
    pub(super) explained: bool,
    /// Hypotheses that were skipped, fully or in part, because the body is
    /// large.
    pub(super) skipped: Vec<&'static str>,
}

/// The result of one hypothesis.
enum TrialResult {
    Matched(Finding),
    /// It matches, and means the same as a hypothesis that matched before.
    SameAs(Cow<'static, str>),
    /// It matches a received signature too, but the signature is valid without
    /// it.
    AlsoMatched(String),
    NotMatched(Cow<'static, str>),
    NotApplicable(Cow<'static, str>),
    /// Some or all variations were skipped because the body is large.
    Skipped(TrialOutcome, Cow<'static, str>),
}

/// The results so far.
struct Results<'c, 'a> {
    case: &'c Case<'a>,
    outcomes: Vec<TrialResult>,
    /// The indexes of the hypotheses that a computation proved, most relevant
    /// first.
    computed: Vec<usize>,
}

/// Tests all hypotheses.
pub(super) fn search(case: &Case<'_>, effort: Effort) -> SearchOutcome {
    let brief = effort != Effort::Full;
    let least = effort == Effort::Least;
    let is_valid = matches!(case.verification.status, Status::Valid | Status::Stale);
    let mut budget = Budget(if brief {
        BRIEF_BUDGET_BYTES + 4 * case.body().len()
    } else {
        FULL_BUDGET_BYTES
    });
    // For a large body, single hypotheses would use the whole budget, so a part
    // is reserved for pairs.
    let kept_back = if case.is_large() && !is_valid {
        budget.0 / 4
    } else {
        0
    };
    budget.0 -= kept_back;
    let mut results = Results {
        case,
        outcomes: HYPOTHESES
            .iter()
            .map(|_| TrialResult::NotApplicable(Cow::Borrowed("not tried")))
            .collect(),
        computed: Vec::new(),
    };
    let base = if least { None } else { case.base() };
    if let Some(hit) = &base {
        results.record_match(&[], hit);
    }
    if base.is_none() && !least && !case.is_late() {
        results.check_other_provider();
    }
    let second = if is_valid && !brief {
        results.check_second_key(base.as_ref())
    } else {
        None
    };
    let mut explained = !results.computed.is_empty();
    let computing = |h: &&Hypothesis| matches!(h.procedure, Procedure::Compute(_));
    let mut waiting = HYPOTHESES.iter().filter(computing).count();
    for (at, hypothesis) in HYPOTHESES.iter().enumerate() {
        match &hypothesis.procedure {
            Procedure::Compute(_) if least || brief && (is_valid || explained) => {}
            Procedure::Compute(variations) => {
                // Another secret is the most likely cause. Budget that one
                // hypothesis does not use is left for the following ones.
                let share = if at == OTHER_SECRET {
                    budget.0 / 3
                } else {
                    budget.0 / waiting.max(1)
                };
                waiting -= 1;
                explained |= results.compute(at, *variations, share, &mut budget);
            }
            Procedure::Deviation => results.check_deviation(at, base.is_some()),
            Procedure::Inspect(inspect) => results.inspect(at, *inspect),
        }
    }
    if let Some(second) = second {
        results.outcomes[OTHER_SECRET] = second;
    }
    // A pair consists of a secret and something else.
    let any_secret = !case.keys.is_empty() || !case.subject.others.is_empty();
    if !explained && !is_valid && !case.candidates.is_empty() && any_secret && !case.is_late() {
        budget.0 = (budget.0 + kept_back).min(PAIRS_BUDGET_BYTES);
        let pair = pairs::search(case, &mut budget);
        explained = pair.is_some();
        if let Some((variations, hit)) = pair {
            let variations: Vec<_> = variations
                .iter()
                .map(|(at, variation)| (*at, variation))
                .collect();
            results.record_match(&variations, &hit);
        }
    }
    results.finish(explained, !brief)
}

impl Results<'_, '_> {
    /// Returns whether the signature is valid as received.
    fn is_valid(&self) -> bool {
        let status = self.case.verification.status;
        matches!(status, Status::Valid | Status::Stale)
    }

    /// Checks whether the delivery verifies under another provider's scheme.
    fn check_other_provider(&mut self) {
        if let Some(finding) = header::signed_as_other_provider(self.case) {
            let at = HYPOTHESES.iter().position(|h| h.code == finding.code);
            self.computed.extend(at);
            if let Some(at) = at {
                self.outcomes[at] = TrialResult::Matched(finding);
            }
        }
    }

    /// Checks whether a second configured key yields a received signature, as
    /// happens during a rotation.
    fn check_second_key(&self, base: Option<&DigestMatch>) -> Option<TrialResult> {
        let case = self.case;
        let first = &case.keys.get(base?.key?)?.1;
        let hit = case.keys.iter().enumerate().find_map(|(at, (_, key))| {
            let inputs = DigestInputs {
                key: Some(key),
                ..case.inputs()
            };
            let hit = (key != first).then(|| case.find_match(&inputs))??;
            Some(DigestMatch {
                key: Some(at),
                ..hit
            })
        })?;
        Some(TrialResult::AlsoMatched(proof(case, &[], &hit)))
    }

    /// Computes the variations of a hypothesis: at least one, and more within
    /// its share of the budget. Returns whether one matches.
    fn compute(
        &mut self,
        at: usize,
        variations: for<'b> fn(&Case<'b>) -> Variations<'b>,
        share: usize,
        budget: &mut Budget,
    ) -> bool {
        let case = self.case;
        if Hash::of(case.scheme.algorithm).is_none() {
            self.outcomes[at] =
                TrialResult::NotApplicable(Cow::Borrowed("only an HMAC can be recomputed"));
            return false;
        }
        if case.candidates.is_empty() {
            self.outcomes[at] = TrialResult::NotApplicable(Cow::Borrowed(
                "the request contains no digest to compare with",
            ));
            return false;
        }
        if case.keys.is_empty() && HYPOTHESES[at].group != Group::Secret {
            self.outcomes[at] = TrialResult::NotApplicable(Cow::Borrowed(
                "no secret is configured to compute with",
            ));
            return false;
        }
        if !HYPOTHESES[at].applies_to(case) {
            self.outcomes[at] = TrialResult::NotApplicable(Cow::Borrowed(
                "the signed text has parts that cannot be varied",
            ));
            return false;
        }
        if case.is_late() {
            self.outcomes[at] = TrialResult::NotApplicable(Cow::Borrowed(OUT_OF_TIME));
            return false;
        }
        if budget.0 < case.body().len() {
            self.outcomes[at] =
                TrialResult::Skipped(TrialOutcome::NotApplicable, Cow::Borrowed(TOO_LARGE));
            return false;
        }
        let variations = match variations(case) {
            Ok(variations) => variations,
            Err(why) => {
                self.outcomes[at] = TrialResult::NotApplicable(Cow::Borrowed(why));
                return false;
            }
        };
        let (mut tried, mut skipped, mut spent) = (0, 0, 0);
        for variation in variations
            .iter()
            .filter(|variation| variation.changes(case))
        {
            let inputs = variation.applied(case.inputs());
            let cost = case.cost(&inputs);
            let fits = spent == 0 || spent + cost <= share;
            if !fits || case.is_late() || !budget.try_spend(cost) {
                skipped += 1;
                continue;
            }
            tried += 1;
            spent += cost;
            if let Some(hit) = case.find_match(&inputs) {
                // Two different inputs do not yield the same digest, so this is
                // the same cause again.
                match self.computed.first() {
                    _ if self.is_valid() => {
                        self.outcomes[at] =
                            TrialResult::AlsoMatched(proof(case, &[(at, variation)], &hit));
                    }
                    Some(first) => {
                        let same = format!("same as {} in this case", HYPOTHESES[*first].code);
                        self.outcomes[at] = TrialResult::SameAs(same.into());
                    }
                    None => self.record_match(&[(at, variation)], &hit),
                }
                return true;
            }
        }
        self.outcomes[at] = match (tried, skipped) {
            (0, 0) => {
                TrialResult::NotApplicable(Cow::Borrowed("it would change nothing in this case"))
            }
            (0, _) => TrialResult::Skipped(TrialOutcome::NotApplicable, Cow::Borrowed(TOO_LARGE)),
            (1, 0) => TrialResult::NotMatched(Cow::Borrowed("computed: no match")),
            (n, 0) => TrialResult::NotMatched(format!("{n} computed: no match").into()),
            (n, more) => TrialResult::Skipped(
                TrialOutcome::NotMatched,
                format!("{n} computed: no match; {more} skipped because the body is large").into(),
            ),
        };
        false
    }

    fn check_deviation(&mut self, at: usize, compared: bool) {
        if matches!(self.outcomes[at], TrialResult::Matched(_)) {
            return;
        }
        self.outcomes[at] = if self.case.candidates.is_empty() {
            TrialResult::NotApplicable(Cow::Borrowed("the request contains no digest"))
        } else if compared {
            TrialResult::NotMatched(Cow::Borrowed(
                "the digest is written as the scheme requires",
            ))
        } else {
            TrialResult::NotMatched(Cow::Borrowed("decoded this way, it is another digest"))
        };
    }

    fn inspect(&mut self, at: usize, inspect: fn(&Case<'_>) -> Observation) {
        if matches!(self.outcomes[at], TrialResult::Matched(_)) {
            return;
        }
        self.outcomes[at] = match inspect(self.case) {
            Observation::Present(finding) => TrialResult::Matched(finding),
            Observation::Absent(why) => TrialResult::NotMatched(Cow::Borrowed(why)),
            Observation::NotApplicable(why) => TrialResult::NotApplicable(Cow::Borrowed(why)),
        };
    }

    /// Records variations that together yield a received signature.
    fn record_match(&mut self, variations: &[(usize, &Variation<'_>)], hit: &DigestMatch) {
        let case = self.case;
        let received = &case.candidates[hit.candidate];
        let proof = proof(case, variations, hit);
        let mut all: Vec<(usize, Finding)> = variations
            .iter()
            .map(|(at, variation)| {
                (
                    *at,
                    finding(
                        HYPOTHESES[*at].code,
                        true,
                        variation.what.clone(),
                        variation.advice.clone(),
                    ),
                )
            })
            .collect();
        let cut = hit.cut.then_some(Deviation::Cut);
        for deviation in received.deviations.iter().copied().chain(cut) {
            let finding = deviation_finding::explain(case, deviation, hit);
            let at = HYPOTHESES.iter().position(|h| h.code == finding.code);
            all.extend(at.map(|at| (at, finding)));
        }
        if all.len() > 1 {
            let count = if all.len() == 2 { "Two" } else { "Several" };
            all[0]
                .1
                .message
                .insert_str(0, &format!("{count} causes together. "));
        }
        for (at, mut finding) in all {
            finding.proof.clone_from(&proof);
            self.outcomes[at] = TrialResult::Matched(finding);
            if !self.computed.contains(&at) {
                self.computed.push(at);
            }
        }
    }

    /// Returns the outcome; lists the tested hypotheses if `tried` is set.
    fn finish(self, explained: bool, tried: bool) -> SearchOutcome {
        let what = |outcome: &TrialResult| match outcome {
            TrialResult::Matched(f) if f.proof.is_empty() => {
                (TrialOutcome::Matched, f.message.clone())
            }
            TrialResult::Matched(f) => (TrialOutcome::Matched, f.proof.clone()),
            TrialResult::SameAs(why) => (TrialOutcome::Matched, why.to_string()),
            TrialResult::AlsoMatched(proof) => (TrialOutcome::Matched, proof.clone()),
            TrialResult::NotMatched(why) => (TrialOutcome::NotMatched, why.to_string()),
            TrialResult::NotApplicable(why) => (TrialOutcome::NotApplicable, why.to_string()),
            TrialResult::Skipped(trial, why) => (*trial, why.to_string()),
        };
        let skipped = HYPOTHESES
            .iter()
            .zip(&self.outcomes)
            .filter(|(_, outcome)| matches!(outcome, TrialResult::Skipped(..)))
            .map(|(hypothesis, _)| hypothesis.what)
            .collect();
        let tried = HYPOTHESES
            .iter()
            .zip(&self.outcomes)
            .take_while(|_| tried)
            .map(|(hypothesis, outcome)| {
                let (outcome, reason) = what(outcome);
                HypothesisTrial {
                    code: hypothesis.code.to_owned(),
                    group: hypothesis.group,
                    what: hypothesis.what.to_owned(),
                    outcome,
                    reason,
                }
            })
            .collect();
        let rest = (0..HYPOTHESES.len()).filter(|at| !self.computed.contains(at));
        let order: Vec<usize> = self.computed.iter().copied().chain(rest).collect();
        let findings = order
            .into_iter()
            .filter_map(|at| match &self.outcomes[at] {
                TrialResult::Matched(finding) => Some((HYPOTHESES[at].group, finding.clone())),
                TrialResult::SameAs(_)
                | TrialResult::AlsoMatched(_)
                | TrialResult::NotMatched(_)
                | TrialResult::NotApplicable(_)
                | TrialResult::Skipped(..) => None,
            })
            .collect();
        SearchOutcome {
            findings,
            tried,
            explained,
            skipped,
        }
    }
}

/// Describes how findings are proved.
fn proof(case: &Case<'_>, variations: &[(usize, &Variation<'_>)], hit: &DigestMatch) -> String {
    let mut inputs = case.inputs();
    for (_, variation) in variations {
        inputs = variation.applied(inputs);
    }
    let size: usize = inputs
        .text
        .iter()
        .map(|piece| match piece {
            SignedPart::Bytes(bytes) => bytes.len(),
            SignedPart::Body => inputs.body.len(),
        })
        .sum();
    let secret = variations
        .iter()
        .find_map(|(_, variation)| variation.secret)
        .or_else(|| {
            hit.key
                .and_then(|at| case.keys.get(at))
                .map(|(secret, _)| *secret)
        });
    let with = match secret {
        Some(secret) if inputs.method.uses_key() => format!(" with {secret}"),
        _ => String::new(),
    };
    let text = &case.candidates[hit.candidate].text;
    let start: String = text.chars().take(12).collect();
    let gives = if hit.cut {
        "begins with the received signature"
    } else {
        "equals the received signature"
    };
    format!(
        "Recomputed: {} over {} bytes{with} {gives} {start}{}",
        inputs.method.describe().trim_end_matches(','),
        thousands(size as u64),
        if start.len() < text.len() { "…" } else { "" },
    )
}
