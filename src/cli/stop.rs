//! `creel resend --stop`: gives up on deliveries that wait.

use super::CommandOutcome;
use super::args::Resend;
use super::output::Output;
use super::{confirm, list, session};
use crate::domain::failure::Failure;
use crate::domain::text::thousands;
use crate::engine::Engine;
use crate::engine::command::{Command, ListQuery, Reply, Selection};

/// Gives up on the selected deliveries.
pub(super) async fn run(
    engine: &Engine,
    args: &Resend,
    which: Selection,
    output: &Output,
) -> Result<CommandOutcome, Failure> {
    match &which {
        Selection::Ids(ids) => report_idle(engine, ids, output).await?,
        Selection::Matching(filter) if !args.yes => confirm_filter(engine, filter).await?,
        Selection::Matching(_) => {}
    }
    match engine.call(Command::GiveUp(which)).await? {
        Reply::GivenUp(count) => output.note(&match count {
            0 => "None of them is waiting.".to_owned(),
            1 => "Gave up on 1 delivery.".to_owned(),
            many => format!("Gave up on {} deliveries.", thousands(many)),
        }),
        other => return Err(session::unexpected(&other)),
    }
    Ok(CommandOutcome::Success)
}

/// Prints which of the deliveries do not wait.
async fn report_idle(engine: &Engine, ids: &[String], output: &Output) -> Result<(), Failure> {
    for id in ids {
        match engine.call(Command::Show(id.clone())).await? {
            Reply::Detail(detail) if detail.summary.is_waiting() => {}
            Reply::Detail(detail) => output.note(&format!(
                "{} has no retry schedule and does not wait for its app.",
                detail.summary.id
            )),
            other => return Err(session::unexpected(&other)),
        }
    }
    Ok(())
}

/// Asks for confirmation before giving up on all that match.
async fn confirm_filter(engine: &Engine, filter: &str) -> Result<(), Failure> {
    let query = ListQuery {
        filter: filter.to_owned(),
        ..ListQuery::default()
    };
    let matching = list::page(engine, &query).await?.matching;
    let question = format!(
        "Give up on those that wait of {} deliveries? [y/N] ",
        thousands(matching as u64)
    );
    confirm::confirm_question(&question, "creel asks before it gives up on all that match").await
}
