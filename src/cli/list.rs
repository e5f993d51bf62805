//! `creel list`: deliveries, newest first.

use super::Ended;
use super::args::{Global, List};
use super::output::Output;
use super::session;
use crate::domain::failure::Failure;
use crate::domain::summary::Summary;
use crate::domain::text;
use crate::engine::Engine;
use crate::engine::command::{Command, ListQuery, Page, Reply};

/// How many rows are asked for at once.
const PAGE: usize = 500;

/// Runs `creel list`.
pub(super) async fn run(global: &Global, args: &List, output: &Output) -> Result<Ended, Failure> {
    let session = session::open(global).await?;
    let ended = list(&session.engine, args, output).await;
    session.close().await;
    ended
}

async fn list(engine: &Engine, args: &List, output: &Output) -> Result<Ended, Failure> {
    let mut left = args.limit.unwrap_or(usize::MAX);
    let mut query = ListQuery {
        filter: args.filter.join(" "),
        before: Some(u64::MAX),
        ..ListQuery::default()
    };
    let mut first = true;
    while left > 0 && !output.gone() {
        query.limit = left.min(PAGE);
        let page = page(engine, &query).await?;
        if first {
            for note in &page.notes {
                output.note(note);
            }
            if !output.json && !page.rows.is_empty() {
                output.line(HEAD)?;
            }
            first = false;
        }
        let Some(last) = page.rows.last() else { break };
        let before = Some(last.seq);
        if output.json {
            for line in listing(engine, &query).await? {
                output.raw(format!("{line}\n").as_bytes())?;
            }
        } else {
            for summary in &page.rows {
                output.line(&row(summary))?;
            }
        }
        left -= page.rows.len();
        if page.rows.len() < query.limit {
            break;
        }
        query.before = before;
    }
    Ok(Ended::Well)
}

/// Asks for one window of the list.
pub(super) async fn page(engine: &Engine, query: &ListQuery) -> Result<Page, Failure> {
    match engine.call(Command::List(query.clone())).await? {
        Reply::Page(page) => Ok(page),
        other => Err(super::session::unexpected(&other)),
    }
}

async fn listing(engine: &Engine, query: &ListQuery) -> Result<Vec<String>, Failure> {
    match engine.call(Command::Listing(query.clone())).await? {
        Reply::Listing(lines) => Ok(lines),
        other => Err(super::session::unexpected(&other)),
    }
}

const HEAD: &str = "ID                          RECEIVED             SIG      PROVIDER          EVENT                             APP     #";

fn row(summary: &Summary) -> String {
    let event = match &summary.event {
        Some(event) => event.clone(),
        None => format!("{} {}", summary.method, summary.path),
    };
    let app = summary.app_word();
    let columns = [
        summary.id.to_string(),
        summary
            .received_at
            .utc()
            .format("%Y-%m-%dT%H:%M:%SZ")
            .to_string(),
        text::pad(summary.status.word(), 7),
        text::pad(
            &text::cut(
                &text::visible(summary.provider.as_deref().unwrap_or("?")),
                16,
            ),
            16,
        ),
        text::pad(&text::cut(&text::visible(&event), 32), 32),
        format!("{app:>4}"),
        format!("{:>4}", summary.arrival),
    ];
    columns.join("  ").trim_end().to_owned()
}
