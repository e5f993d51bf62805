//! Tries the hypotheses: each alone, then two at once, within a budget.
//!

use std::borrow::Cow;

use super::budget::Budget;
use super::case::{Case, Hit, Setting};
use super::hypothesis::{Hypothesis, Idea, Ideas, Seen, Test};
use super::list::{HYPOTHESES, OTHER_SECRET};
use super::mac::Hash;
use super::piece::Piece;
use super::spelled;
use super::spelling::Spelling;
use super::{Effort, finding, header, pairs};
use crate::domain::text::thousands;
use crate::domain::verification::{Finding, Group, Status, Trial, Tried};

/// What a delivery may cost while it is received: this, and four times its body.
const BRIEF: usize = 1 << 20;

/// What a delivery may cost when somebody looks at it.
const FULL: usize = 36 << 20;

/// What of that the pairs may cost.
const PAIRS: usize = 16 << 20;

const TOO_LARGE: &str = "not tried: so large a body would take too long";

const TOO_LATE: &str = "not tried: the time was over";

/// What was found, and what was tried.
pub(super) struct Found {
    /// The most telling first, with their groups.
    pub(super) findings: Vec<(Group, Finding)>,
    /// In the order of the list.
    pub(super) tried: Vec<Tried>,
    /// Whether a computation gave the signature that came.
    pub(super) explained: bool,
    /// What was not tried, or not in every way, because the body is large.
    pub(super) left_out: Vec<&'static str>,
}

/// What came of one hypothesis.
enum Outcome {
    Yes(Finding),
    /// It is so, and says the same as one that was tried before.
    Same(Cow<'static, str>),
    /// It gives a signature that came as well, and that one holds without it.
    Also(String),
    No(Cow<'static, str>),
    Nothing(Cow<'static, str>),
    /// It was tried in some ways or in none, for the body is large.
    LeftOut(Trial, Cow<'static, str>),
}

/// What came of each hypothesis so far.
struct Sheet<'c, 'a> {
    case: &'c Case<'a>,
    outcomes: Vec<Outcome>,
    /// Those that a computation proved, the most telling first.
    computed: Vec<usize>,
}

/// Tries every hypothesis.
pub(super) fn search(case: &Case<'_>, effort: Effort) -> Found {
    let brief = effort != Effort::Full;
    let least = effort == Effort::Least;
    let right = matches!(case.verification.status, Status::Valid | Status::Stale);
    let mut budget = Budget(if brief {
        BRIEF + 4 * case.body().len()
    } else {
        FULL
    });
    // Where the body is large, one thing at a time would use it all up.
    let kept_back = if case.large() && !right {
        budget.0 / 4
    } else {
        0
    };
    budget.0 -= kept_back;
    let mut sheet = Sheet {
        case,
        outcomes: HYPOTHESES
            .iter()
            .map(|_| Outcome::Nothing(Cow::Borrowed("it was not tried")))
            .collect(),
        computed: Vec::new(),
    };
    let base = if least { None } else { case.base() };
    if let Some(hit) = &base {
        sheet.found(&[], hit);
    }
    if base.is_none() && !least && !case.is_late() {
        sheet.theirs();
    }
    let second = if right && !brief {
        sheet.second(base.as_ref())
    } else {
        None
    };
    let mut explained = !sheet.computed.is_empty();
    let computing = |h: &&Hypothesis| matches!(h.test, Test::Compute(_));
    let mut waiting = HYPOTHESES.iter().filter(computing).count();
    for (at, hypothesis) in HYPOTHESES.iter().enumerate() {
        match &hypothesis.test {
            Test::Compute(_) if least || brief && (right || explained) => {}
            Test::Compute(ideas) => {
                // Another secret is the likeliest cause. What one hypothesis
                // leaves over is the next ones'.
                let share = if at == OTHER_SECRET {
                    budget.0 / 3
                } else {
                    budget.0 / waiting.max(1)
                };
                waiting -= 1;
                explained |= sheet.compute(at, *ideas, share, &mut budget);
            }
            Test::Spelled => sheet.spelled(at, base.is_some()),
            Test::Look(look) => sheet.look(at, *look),
        }
    }
    if let Some(second) = second {
        sheet.outcomes[OTHER_SECRET] = second;
    }
    // Two things at once are a secret and something else.
    let any_secret = !case.keys.is_empty() || !case.patient.others.is_empty();
    if !explained && !right && !case.came.is_empty() && any_secret && !case.is_late() {
        budget.0 = (budget.0 + kept_back).min(PAIRS);
        let pair = pairs::search(case, &mut budget);
        explained = pair.is_some();
        if let Some((ideas, hit)) = pair {
            let ideas: Vec<_> = ideas.iter().map(|(at, idea)| (*at, idea)).collect();
            sheet.found(&ideas, &hit);
        }
    }
    sheet.done(explained, !brief)
}

impl Sheet<'_, '_> {
    /// Says whether the signature holds as it is.
    fn right(&self) -> bool {
        let status = self.case.verification.status;
        matches!(status, Status::Valid | Status::Stale)
    }

    /// Looks whether it is another provider's delivery, rightly signed as that
    /// one signs.
    fn theirs(&mut self) {
        if let Some(finding) = header::rightly_signed(self.case) {
            let at = HYPOTHESES.iter().position(|h| h.code == finding.code);
            self.computed.extend(at);
            if let Some(at) = at {
                self.outcomes[at] = Outcome::Yes(finding);
            }
        }
    }

    /// Looks whether another of the configured keys gives a signature that
    /// came, too, as it is during a rotation.
    fn second(&self, base: Option<&Hit>) -> Option<Outcome> {
        let case = self.case;
        let first = &case.keys.get(base?.key?)?.1;
        let hit = case.keys.iter().enumerate().find_map(|(at, (_, key))| {
            let setting = Setting {
                key: Some(key),
                ..case.setting()
            };
            let hit = (key != first).then(|| case.hit(&setting))??;
            Some(Hit {
                key: Some(at),
                ..hit
            })
        })?;
        Some(Outcome::Also(proof(case, &[], &hit)))
    }

    /// Computes a hypothesis's ideas: one in any case, and more within its
    /// share of the budget. Says whether one holds.
    fn compute(
        &mut self,
        at: usize,
        ideas: for<'b> fn(&Case<'b>) -> Ideas<'b>,
        share: usize,
        budget: &mut Budget,
    ) -> bool {
        let case = self.case;
        if Hash::of(case.scheme.algorithm).is_none() {
            self.outcomes[at] =
                Outcome::Nothing(Cow::Borrowed("only an HMAC can be computed anew"));
            return false;
        }
        if case.came.is_empty() {
            self.outcomes[at] = Outcome::Nothing(Cow::Borrowed("no digest came to compare with"));
            return false;
        }
        if case.keys.is_empty() && HYPOTHESES[at].group != Group::Secret {
            self.outcomes[at] =
                Outcome::Nothing(Cow::Borrowed("there is no secret to compute with"));
            return false;
        }
        if !HYPOTHESES[at].fits(case) {
            self.outcomes[at] =
                Outcome::Nothing(Cow::Borrowed("the signed text is of a kind of its own"));
            return false;
        }
        if case.is_late() {
            self.outcomes[at] = Outcome::Nothing(Cow::Borrowed(TOO_LATE));
            return false;
        }
        if budget.0 < case.body().len() {
            self.outcomes[at] = Outcome::LeftOut(Trial::NotApplicable, Cow::Borrowed(TOO_LARGE));
            return false;
        }
        let ideas = match ideas(case) {
            Ok(ideas) => ideas,
            Err(why) => {
                self.outcomes[at] = Outcome::Nothing(Cow::Borrowed(why));
                return false;
            }
        };
        let (mut tried, mut left_out, mut spent) = (0, 0, 0);
        for idea in ideas.iter().filter(|idea| idea.changes(case)) {
            let setting = idea.applied(case.setting());
            let cost = case.cost(&setting);
            let fits = spent == 0 || spent + cost <= share;
            if !fits || case.is_late() || !budget.spend(cost) {
                left_out += 1;
                continue;
            }
            tried += 1;
            spent += cost;
            if let Some(hit) = case.hit(&setting) {
                // No two texts or keys give one digest, so it is the same once more.
                match self.computed.first() {
                    _ if self.right() => {
                        self.outcomes[at] = Outcome::Also(proof(case, &[(at, idea)], &hit));
                    }
                    Some(first) => {
                        let same = format!("here the same as {}", HYPOTHESES[*first].code);
                        self.outcomes[at] = Outcome::Same(same.into());
                    }
                    None => self.found(&[(at, idea)], &hit),
                }
                return true;
            }
        }
        self.outcomes[at] = match (tried, left_out) {
            (0, 0) => Outcome::Nothing(Cow::Borrowed("it would change nothing here")),
            (0, _) => Outcome::LeftOut(Trial::NotApplicable, Cow::Borrowed(TOO_LARGE)),
            (1, 0) => Outcome::No(Cow::Borrowed("computed: another signature")),
            (n, 0) => Outcome::No(format!("{n} computed: none gives it").into()),
            (n, more) => Outcome::LeftOut(
                Trial::NotMatched,
                format!("{n} computed: none gives it; {more} left out, the body is large").into(),
            ),
        };
        false
    }

    fn spelled(&mut self, at: usize, compared: bool) {
        if matches!(self.outcomes[at], Outcome::Yes(_)) {
            return;
        }
        self.outcomes[at] = if self.case.came.is_empty() {
            Outcome::Nothing(Cow::Borrowed("no digest came"))
        } else if compared {
            Outcome::No(Cow::Borrowed("the digest is written as the scheme says"))
        } else {
            Outcome::No(Cow::Borrowed("read so, it is another digest"))
        };
    }

    fn look(&mut self, at: usize, look: fn(&Case<'_>) -> Seen) {
        if matches!(self.outcomes[at], Outcome::Yes(_)) {
            return;
        }
        self.outcomes[at] = match look(self.case) {
            Seen::Yes(finding) => Outcome::Yes(finding),
            Seen::No(why) => Outcome::No(Cow::Borrowed(why)),
            Seen::Nothing(why) => Outcome::Nothing(Cow::Borrowed(why)),
        };
    }

    /// Notes ideas that together give a signature that came.
    fn found(&mut self, ideas: &[(usize, &Idea<'_>)], hit: &Hit) {
        let case = self.case;
        let received = &case.came[hit.came];
        let proof = proof(case, ideas, hit);
        let mut all: Vec<(usize, Finding)> = ideas
            .iter()
            .map(|(at, idea)| {
                (
                    *at,
                    finding(
                        HYPOTHESES[*at].code,
                        true,
                        idea.what.clone(),
                        idea.advice.clone(),
                    ),
                )
            })
            .collect();
        let cut = hit.cut.then_some(Spelling::Cut);
        for spelling in received.spelled.iter().copied().chain(cut) {
            let finding = spelled::explain(case, spelling, hit);
            let at = HYPOTHESES.iter().position(|h| h.code == finding.code);
            all.extend(at.map(|at| (at, finding)));
        }
        if all.len() > 1 {
            let count = if all.len() == 2 { "Two" } else { "Several" };
            all[0]
                .1
                .message
                .insert_str(0, &format!("{count} things at once. "));
        }
        for (at, mut finding) in all {
            finding.proof.clone_from(&proof);
            self.outcomes[at] = Outcome::Yes(finding);
            if !self.computed.contains(&at) {
                self.computed.push(at);
            }
        }
    }

    /// Sums up; with what was `tried`, where that is wanted.
    fn done(self, explained: bool, tried: bool) -> Found {
        let what = |outcome: &Outcome| match outcome {
            Outcome::Yes(f) if f.proof.is_empty() => (Trial::Matched, f.message.clone()),
            Outcome::Yes(f) => (Trial::Matched, f.proof.clone()),
            Outcome::Same(why) => (Trial::Matched, why.to_string()),
            Outcome::Also(proof) => (Trial::Matched, proof.clone()),
            Outcome::No(why) => (Trial::NotMatched, why.to_string()),
            Outcome::Nothing(why) => (Trial::NotApplicable, why.to_string()),
            Outcome::LeftOut(trial, why) => (*trial, why.to_string()),
        };
        let left_out = HYPOTHESES
            .iter()
            .zip(&self.outcomes)
            .filter(|(_, outcome)| matches!(outcome, Outcome::LeftOut(..)))
            .map(|(hypothesis, _)| hypothesis.what)
            .collect();
        let tried = HYPOTHESES
            .iter()
            .zip(&self.outcomes)
            .take_while(|_| tried)
            .map(|(hypothesis, outcome)| {
                let (outcome, reason) = what(outcome);
                Tried {
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
                Outcome::Yes(finding) => Some((HYPOTHESES[at].group, finding.clone())),
                Outcome::Same(_)
                | Outcome::Also(_)
                | Outcome::No(_)
                | Outcome::Nothing(_)
                | Outcome::LeftOut(..) => None,
            })
            .collect();
        Found {
            findings,
            tried,
            explained,
            left_out,
        }
    }
}

/// Says how findings are proved.
fn proof(case: &Case<'_>, ideas: &[(usize, &Idea<'_>)], hit: &Hit) -> String {
    let mut setting = case.setting();
    for (_, idea) in ideas {
        setting = idea.applied(setting);
    }
    let size: usize = setting
        .text
        .iter()
        .map(|piece| match piece {
            Piece::Bytes(bytes) => bytes.len(),
            Piece::Body => setting.body.len(),
        })
        .sum();
    let secret = ideas.iter().find_map(|(_, idea)| idea.secret).or_else(|| {
        hit.key
            .and_then(|at| case.keys.get(at))
            .map(|(secret, _)| *secret)
    });
    let with = match secret {
        Some(secret) if setting.method.keyed() => format!(" with {secret}"),
        _ => String::new(),
    };
    let text = &case.came[hit.came].text;
    let start: String = text.chars().take(12).collect();
    let gives = if hit.cut {
        "begins with exactly what came"
    } else {
        "gives exactly what came"
    };
    format!(
        "Recomputed: {} over {} bytes{with} {gives}, {start}{}",
        setting.method.describe().trim_end_matches(','),
        thousands(size as u64),
        if start.len() < text.len() { "…" } else { "" },
    )
}
