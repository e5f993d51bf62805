//! `creel list`: lists deliveries, newest first.

use std::collections::HashSet;

use super::CommandOutcome;
use super::args::{Global, List};
use super::output::{Output, Style, is_ascii, shown};
use super::session;
use crate::domain::failure::Failure;
use crate::domain::summary::Summary;
use crate::domain::text;
use crate::engine::Engine;
use crate::engine::command::{Command, ListQuery, Page, Reply};

/// Number of rows per request.
const PAGE_ROWS: usize = 500;

/// Runs `creel list`.
pub(super) async fn run(
    global: &Global,
    args: &List,
    output: &Output,
) -> Result<CommandOutcome, Failure> {
    let session = session::open(global).await?;
    let ended = list(&session.engine, args, output).await;
    session.close().await;
    ended
}

async fn list(engine: &Engine, args: &List, output: &Output) -> Result<CommandOutcome, Failure> {
    let mut left = args.limit.unwrap_or(usize::MAX);
    let mut query = ListQuery {
        filter: args.filter.join(" "),
        before: Some(u64::MAX),
        ..ListQuery::default()
    };
    let columns = Columns::of(Output::width());
    let (mut first, mut listed) = (true, HashSet::new());
    while left > 0 && !output.gone() {
        query.limit = left.min(PAGE_ROWS);
        let page = page(engine, &query).await?;
        if first {
            for note in &page.notes {
                output.note(note);
            }
            if page.rows.is_empty() {
                output.note(&empty_list_note(page.total, &query.filter));
            } else if !output.json {
                output.line(&columns.head())?;
            }
            first = false;
        }
        listed.extend(page.rows.iter().map(|row| row.seq));
        let Some(last) = page.rows.last() else { break };
        let before = Some(last.seq);
        if output.json {
            for line in listing(engine, &query).await? {
                output.raw(format!("{line}\n").as_bytes())?;
            }
        } else {
            for summary in &page.rows {
                output.styled(&columns.row(summary))?;
            }
        }
        left -= page.rows.len();
        if page.rows.len() < query.limit {
            break;
        }
        query.before = before;
    }
    report_damage(engine, &listed).await?;
    Ok(CommandOutcome::Success)
}

/// Returns a [`Failure`] if some of the listed deliveries are damaged.
async fn report_damage(engine: &Engine, listed: &HashSet<u64>) -> Result<(), Failure> {
    let mut damaged = match engine.call(Command::Info).await? {
        Reply::Info(info) => info.damaged,
        other => return Err(super::session::unexpected(&other)),
    };
    damaged.deliveries.retain(|one| listed.contains(&one.seq));
    if damaged.is_none() {
        return Ok(());
    }
    Err(Failure::cannot(
        format!("{damaged}."),
        "Their journal records have a wrong checksum; all others are intact.",
        "End creel, and copy the readable data to a new directory:  creel repair --to DIR",
    ))
}

/// Requests one window of the list.
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

/// Explains why there is nothing to list.
fn empty_list_note(total: usize, filter: &str) -> String {
    match total {
        0 => "Nothing has been received yet. Start receiving:  creel".to_owned(),
        _ => format!(
            "No delivery matches {filter}. List all {}:  creel list",
            text::thousands(total as u64)
        ),
    }
}

/// The columns of the list, fitted to the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Columns {
    /// Whether ids and times are shown completely. Otherwise an id is cut to
    /// its last characters, which also find the delivery.
    whole: bool,
    provider: usize,
    event: usize,
}

/// Number of characters of a cut id.
const ID_SUFFIX_CHARS: usize = 8;

/// Minimum width for complete ids and times, in columns.
const MIN_WIDE_COLUMNS: usize = 112;

impl Columns {
    /// Creates the columns for a terminal of the given width; `None` without a
    /// terminal.
    fn of(width: Option<usize>) -> Self {
        let width = width.unwrap_or(121);
        let whole = width >= MIN_WIDE_COLUMNS;
        let provider = if whole { 16 } else { 12 };
        let (id, time) = if whole {
            (26, 20)
        } else {
            (ID_SUFFIX_CHARS, 15)
        };
        // Signature, app and arrival, and two spaces between the columns.
        let rest = id + time + provider + 7 + 4 + 4 + 6 * 2;
        Self {
            whole,
            provider,
            event: width.saturating_sub(rest).clamp(8, 64),
        }
    }

    /// Returns the heading.
    fn head(self) -> String {
        let (id, time) = if self.whole {
            (26, 20)
        } else {
            (ID_SUFFIX_CHARS, 15)
        };
        format!(
            "{:id$}  {:time$}  SIG      {:provider$}  {:event$}   APP     #",
            "ID",
            "RECEIVED",
            "PROVIDER",
            "EVENT",
            provider = self.provider,
            event = self.event,
        )
    }

    /// Returns one row.
    fn row(self, summary: &Summary) -> Vec<(String, Style)> {
        let id = summary.id.to_string();
        let (id, time) = if self.whole {
            (id.as_str(), "%Y-%m-%dT%H:%M:%SZ")
        } else {
            (&id[id.len() - ID_SUFFIX_CHARS..], "%m-%d %H:%M:%SZ")
        };
        let event = match &summary.event {
            Some(event) => event.clone(),
            None => format!("{} {}", summary.method, summary.path),
        };
        let ellipsis = if is_ascii() { "..." } else { "…" };
        let cell =
            |text: &str, width| text::pad(&text::cut_with(&shown(text), width, ellipsis), width);
        let provider = summary.provider.as_deref().unwrap_or("?");
        let start = format!("{id}  {}  ", summary.received_at.utc().format(time));
        let end = format!(
            "  {}  {}  {:>4}  {:>4}",
            cell(provider, self.provider),
            cell(&event, self.event),
            summary.app_word(),
            summary.arrival
        );
        vec![
            (start, Style::Plain),
            (
                text::pad(&shown(summary.status_word()), 7),
                Style::of(summary.status),
            ),
            (end, Style::Plain),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_fits_every_terminal_from_70_columns_on() {
        for width in 70..300 {
            let head = Columns::of(Some(width)).head();
            assert!(head.len() <= width, "{width}: {head}");
        }
    }
}
