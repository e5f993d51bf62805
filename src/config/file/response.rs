//! Reads the tables that define responses.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::{OneOrMany, SourceFile};
use crate::domain::failure::Failure;
use crate::domain::headers::Headers;
use crate::domain::response_plan::{ResponsePlan, ResponseStep, parse_delay};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerTable {
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, OneOrMany>,
    body: Option<String>,
    delay: Option<Spanned<String>>,
    sequence: Option<Vec<SequenceEntry>>,
    drop: Option<bool>,
    slow: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a status, or \"drop\"")]
enum SequenceEntry {
    Status(u16),
    Word(String),
}

impl SourceFile<'_> {
    /// Reads what is answered.
    pub(super) fn answer(&self, answer: Spanned<AnswerTable>) -> Result<ResponsePlan, Failure> {
        let span = answer.span();
        let answer = answer.into_inner();
        let wait = |text: Option<Spanned<String>>| match text {
            None => Ok(Duration::ZERO),
            Some(text) => parse_delay(text.get_ref()).map_err(|why| {
                self.at(
                    &text.span(),
                    "this is not a valid duration.",
                    why,
                    "Write, for example, \"250ms\" or \"10s\".",
                )
            }),
        };
        let dropped = answer.drop == Some(true);
        let steps = match answer.sequence {
            Some(_) if dropped => {
                return Err(self.at(
                    &span,
                    "sequence and drop contradict each other.",
                    "drop closes every connection without a response.",
                    "Put it into the sequence:  sequence = [\"drop\", 200]",
                ));
            }
            Some(entry) => entry
                .into_iter()
                .map(|entry| match entry {
                    SequenceEntry::Status(status) => Ok(ResponseStep::Status(status)),
                    SequenceEntry::Word(word) => word.parse().map_err(|why| {
                        self.at(
                            &span,
                            "this is not a valid sequence of responses.",
                            format!("{why}."),
                            "Write, for example, sequence = [500, \"drop\", 200]",
                        )
                    }),
                })
                .collect::<Result<_, _>>()?,
            None if dropped => vec![ResponseStep::Drop],
            None => vec![ResponseStep::Status(answer.status.unwrap_or(200))],
        };
        let mut headers = Headers::new();
        for (name, values) in answer.headers {
            for value in values.into_vec() {
                headers.push(&name, value);
            }
        }
        let plan = ResponsePlan {
            steps,
            headers,
            body: answer.body.unwrap_or_default(),
            delay: wait(answer.delay)?,
            slow: wait(answer.slow)?,
        };
        match plan.problem() {
            Some((what, next)) => Err(self.at(&span, &format!("{what}."), "", next)),
            None => Ok(plan),
        }
    }
}
