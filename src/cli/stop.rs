//! `creel resend --stop`: give up on deliveries that wait.

use super::Ended;
use super::args::Resend;
use super::output::Output;
use super::{ask, list, session};
use crate::domain::failure::Failure;
use crate::domain::text::thousands;
use crate::engine::Engine;
use crate::engine::command::{Command, ListQuery, Reply, Which};

/// Gives up on the deliveries that are meant.
pub(super) async fn run(
    engine: &Engine,
    args: &Resend,
    which: Which,
    output: &Output,
) -> Result<Ended, Failure> {
    match &which {
        Which::Ids(ids) => tell_idle(engine, ids, output).await?,
        Which::Matching(filter) if !args.yes => agree(engine, filter).await?,
        Which::Matching(_) => {}
    }
    match engine.call(Command::GiveUp(which)).await? {
        Reply::GivenUp(count) => output.note(&match count {
            0 => "None of them waits for anything.".to_owned(),
            1 => "Gave up on 1 delivery.".to_owned(),
            many => format!("Gave up on {} deliveries.", thousands(many)),
        }),
        other => return Err(session::unexpected(&other)),
    }
    Ok(Ended::Well)
}

/// Says which of the deliveries wait for nothing.
async fn tell_idle(engine: &Engine, ids: &[String], output: &Output) -> Result<(), Failure> {
    for id in ids {
        match engine.call(Command::Show(id.clone())).await? {
            Reply::Detail(detail) if detail.summary.waits() => {}
            Reply::Detail(detail) => output.note(&format!(
                "{} has no retry schedule and does not wait for its app.",
                detail.summary.id
            )),
            other => return Err(session::unexpected(&other)),
        }
    }
    Ok(())
}

/// Asks before all that match are given up.
async fn agree(engine: &Engine, filter: &str) -> Result<(), Failure> {
    let query = ListQuery {
        filter: filter.to_owned(),
        ..ListQuery::default()
    };
    let matching = list::page(engine, &query).await?.matching;
    let question = format!(
        "Give up on those that wait of {} deliveries? [y/N] ",
        thousands(matching as u64)
    );
    ask::yes(&question, "creel asks before it gives up on all that match").await
}
