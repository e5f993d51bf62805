//! Defines the flags that edit a resent request, and prints previews.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde::Serialize;

use super::output::Output;
use super::{CommandOutcome, session, verify};
use crate::domain::contract_json::{self, RequestJson};
use crate::domain::edit::path::Path;
use crate::domain::edit::{BodyBytes, Edit};
use crate::domain::failure::Failure;
use crate::domain::id::Id;
use crate::domain::text::visible_bytes;
use crate::engine::Engine;
use crate::engine::command::{Command, Preview, Reply, ResendRequest, Selection};

/// Maximum number of deliveries whose warnings are printed before sending.
const MAX_WARNED_DELIVERIES: usize = 50;

/// Changes to a request before it is sent.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Changes (signed again unless --sign says otherwise)")]
pub struct Changes {
    /// Send this body; - is standard input.
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
    /// Values to set in the body.
    #[arg(
        long,
        value_name = "PATH=VALUE",
        help = "Set a value in the body: .data.id=42, .items[0].name=x, /data/id=42; all other bytes stay"
    )]
    pub set: Vec<String>,
    /// Set a header; the first of a name replaces all existing ones, further ones are added.
    #[arg(long, value_name = "NAME: VALUE")]
    pub header: Vec<String>,
    /// Remove a header.
    #[arg(long, value_name = "NAME")]
    pub remove_header: Vec<String>,
    /// Change the method.
    #[arg(long, value_name = "METHOD")]
    pub method: Option<String>,
    /// Change the path; overrides the path of the target.
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
    /// Send it as a new event: with a new id and time, signed again.
    #[arg(long)]
    pub new_event: bool,
}

impl Changes {
    /// Returns the edit, if anything is changed.
    pub(super) fn edit(&self) -> Result<Option<Box<Edit>>, Failure> {
        let mut edit = Edit {
            method: self.method.clone(),
            path: self.path.clone(),
            remove_headers: self.remove_header.clone(),
            ..Edit::default()
        };
        for text in &self.set {
            let (path, value) = Path::parse_assignment(text)?;
            edit.set.push((path, value.to_owned()));
        }
        for text in &self.header {
            edit.header(text)?;
        }
        if let Some(file) = &self.body {
            edit.body = Some(BodyBytes(verify::read(file)?.into()));
        }
        Ok((!edit.is_empty()).then(|| Box::new(edit)))
    }
}

/// Prints the warnings about changed deliveries before they are sent.
pub(super) async fn warn(
    engine: &Engine,
    order: &ResendRequest,
    output: &Output,
) -> Result<(), Failure> {
    if order.edit.is_none() && !order.new_event {
        return Ok(());
    }
    let ids = ids(engine, order).await?;
    for id in ids.iter().take(MAX_WARNED_DELIVERIES) {
        let preview = preview(engine, order, *id).await?;
        notes(&preview, ids.len(), output);
    }
    Ok(())
}

/// Prints what would be sent, and sends nothing.
pub(super) async fn dry_run(
    engine: &Engine,
    order: &ResendRequest,
    output: &Output,
) -> Result<CommandOutcome, Failure> {
    let ids = ids(engine, order).await?;
    for id in &ids {
        let preview = preview(engine, order, *id).await?;
        notes(&preview, ids.len(), output);
        if output.json {
            output.json(&preview_json(&preview))?;
        } else {
            output.note(&format!(
                "{} would go to {}:",
                preview.delivery, preview.address
            ));
            print(&preview, output)?;
        }
        if output.gone() {
            break;
        }
    }
    Ok(CommandOutcome::Success)
}

async fn ids(engine: &Engine, order: &ResendRequest) -> Result<Vec<Id>, Failure> {
    match engine.call(Command::Which(order.which.clone())).await? {
        Reply::Ids(ids) => Ok(ids),
        other => Err(session::unexpected(&other)),
    }
}

async fn preview(engine: &Engine, order: &ResendRequest, id: Id) -> Result<Box<Preview>, Failure> {
    let one = ResendRequest {
        which: Selection::Ids(vec![id.to_string()]),
        ..order.clone()
    };
    match engine.call(Command::Preview(one)).await? {
        Reply::Preview(preview) => Ok(preview),
        other => Err(session::unexpected(&other)),
    }
}

/// Prints the warnings about one request of several.
fn notes(preview: &Preview, of: usize, output: &Output) {
    for note in &preview.notes {
        if of > 1 {
            output.note(&format!("{}: {note}", preview.delivery));
        } else {
            output.note(note);
        }
    }
}

/// Prints the request: unaltered, but escaped on a terminal.
fn print(preview: &Preview, output: &Output) -> Result<(), Failure> {
    let raw = preview.new.to_raw();
    if !std::io::stdout().is_terminal() {
        output.raw(&raw)?;
        return Ok(());
    }
    for line in raw.split(|b| *b == b'\n') {
        output.line(&visible_bytes(line.strip_suffix(b"\r").unwrap_or(line)))?;
    }
    Ok(())
}

#[derive(Serialize)]
struct PreviewJson<'a> {
    delivery: String,
    target: &'a str,
    #[serde(flatten)]
    request: RequestJson<'a>,
    signing: &'static str,
    edited: bool,
    notes: &'a [String],
}

fn preview_json(preview: &Preview) -> PreviewJson<'_> {
    PreviewJson {
        delivery: preview.delivery.to_string(),
        target: &preview.address,
        request: contract_json::request(&preview.new),
        signing: preview.signing.word(),
        edited: preview.edited,
        notes: &preview.notes,
    }
}
