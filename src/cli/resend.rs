//! `creel resend`: send deliveries again.

use super::Ended;
use super::args::{Global, Resend, SignHow};
use super::output::Output;
use super::{list, session};
use crate::domain::attempt::{Attempt, Outcome, Signing};
use crate::domain::failure::Failure;
use crate::domain::json::{self, Bodies};
use crate::domain::text;
use crate::engine::Engine;
use crate::engine::command::{Command, ListQuery, Reply, ResendOrder};

/// How many rows are asked for at once.
const PAGE: usize = 500;

/// Runs `creel resend`.
pub(super) async fn run(global: &Global, args: &Resend, output: &Output) -> Result<Ended, Failure> {
    let session = session::open(global).await?;
    let ended = resend(&session.engine, args, output).await;
    session.close().await;
    ended
}

async fn resend(engine: &Engine, args: &Resend, output: &Output) -> Result<Ended, Failure> {
    let ids = match &args.filter {
        Some(filter) => matching(engine, filter).await?,
        None => args.ids.clone(),
    };
    if ids.is_empty() {
        return Err(Failure::no(
            "No delivery matches.",
            "",
            "See what a filter matches:  creel list FILTER",
        ));
    }
    let signing = match args.sign {
        SignHow::Kept => Signing::Kept,
        SignHow::Fresh => Signing::Fresh,
    };
    let mut delivered = true;
    let mut answered = false;
    for (index, id) in ids.iter().enumerate() {
        let order = ResendOrder {
            ids: vec![id.clone()],
            target: args.to.clone(),
            signing,
        };
        let attempts = match engine.call(Command::Resend(order)).await? {
            Reply::Attempts(attempts) => attempts,
            other => return Err(session::unexpected(&other)),
        };
        for attempt in &attempts {
            delivered &= attempt.outcome == Outcome::Delivered;
            answered |= attempt.response.is_some();
            if output.json {
                output.json(&json::attempt(attempt, Bodies::Whole))?;
            } else {
                output.line(&line(id, attempt))?;
            }
            if index == 0 && !answered && ids.len() > 1 {
                // Nothing listens there: the rest would fare the same.
                return Err(unreachable(attempt));
            }
        }
        if ids.len() == 1 && !answered {
            return Err(unreachable(&attempts[0]));
        }
    }
    Ok(if delivered { Ended::Well } else { Ended::No })
}

fn unreachable(attempt: &Attempt) -> Failure {
    Failure::cannot(
        format!("{} gave no answer.", attempt.target),
        attempt.error.clone().unwrap_or_default(),
        "Start the app, or name another target:  --to URL",
    )
}

/// Returns the ids of all that match, oldest first.
async fn matching(engine: &Engine, filter: &str) -> Result<Vec<String>, Failure> {
    let mut query = ListQuery {
        filter: filter.to_owned(),
        before: Some(u64::MAX),
        offset: 0,
        limit: PAGE,
    };
    let mut ids = Vec::new();
    loop {
        let page = list::page(engine, &query).await?;
        if let Some(note) = page.notes.first() {
            return Err(Failure::usage(
                format!("The filter {filter} is not clear."),
                note.clone(),
                "See what it matches:  creel list FILTER",
            ));
        }
        let Some(last) = page.rows.last() else { break };
        query.before = Some(last.seq);
        ids.extend(page.rows.iter().map(|row| row.id.to_string()));
        if page.rows.len() < PAGE {
            break;
        }
    }
    ids.reverse();
    Ok(ids)
}

/// Says in a line how one attempt went.
pub(super) fn line(id: &str, attempt: &Attempt) -> String {
    let answer = match (&attempt.response, &attempt.error) {
        (Some(response), None) => format!(
            "{} in {}",
            response.status,
            text::duration_us(attempt.duration_us)
        ),
        (Some(response), Some(error)) => format!("{}, then {error}", response.status),
        (None, error) => error.clone().unwrap_or_else(|| "no answer".to_owned()),
    };
    let late = if attempt.within_ack_timeout == Some(false) {
        ", too late for its provider"
    } else {
        ""
    };
    format!(
        "{id}  {}  {}  {answer}{late}",
        attempt.outcome.word(),
        attempt.target
    )
}
