//! The flags that change a request before it is sent again, and what shows
//! the result without sending it.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde::Serialize;

use super::output::Output;
use super::{Ended, session, verify};
use crate::domain::edit::path::Path;
use crate::domain::edit::{Body, Edit};
use crate::domain::failure::Failure;
use crate::domain::json::{self, RequestJson};
use crate::domain::text::visible_bytes;
use crate::engine::Engine;
use crate::engine::command::Preview;
use crate::engine::command::{Command, Reply, ResendOrder};

/// Of how many deliveries the warnings are told before they are sent.
const WARNED: u64 = 50;

/// What to change before sending.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Changes (signed afresh unless --sign says otherwise)")]
pub struct Changes {
    /// Send this body instead; - is standard input.
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
    /// Values to set in the body.
    #[arg(
        long,
        value_name = "PATH=VALUE",
        help = "Set a value in the body: .data.id=42, .items[0].name=x, /data/id=42; all else stays byte for byte"
    )]
    pub set: Vec<String>,
    /// Set a header; the first of a name replaces all there were, further ones are added.
    #[arg(long, value_name = "NAME: VALUE")]
    pub header: Vec<String>,
    /// Take a header away.
    #[arg(long, value_name = "NAME")]
    pub remove_header: Vec<String>,
    /// Send with another method.
    #[arg(long, value_name = "METHOD")]
    pub method: Option<String>,
    /// Send to another path, which counts more than the target's own.
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
    /// Send it as a new event: with a new id and time, signed afresh.
    #[arg(long)]
    pub new_event: bool,
}

impl Changes {
    /// Returns what is to be changed of a request, where anything is.
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
            edit.body = Some(Body(verify::read(file)?.into()));
        }
        Ok((!edit.is_empty()).then(|| Box::new(edit)))
    }
}

/// Says what should be known before changed deliveries are sent.
pub(super) async fn warn(
    engine: &Engine,
    order: &ResendOrder,
    output: &Output,
) -> Result<(), Failure> {
    if order.edit.is_none() && !order.new_event {
        return Ok(());
    }
    let mut index = 0;
    loop {
        let preview = preview(engine, order, index).await?;
        notes(&preview, output);
        index += 1;
        if index >= preview.total.min(WARNED) {
            return Ok(());
        }
    }
}

/// Prints what would be sent, and sends nothing.
pub(super) async fn dry_run(
    engine: &Engine,
    order: &ResendOrder,
    output: &Output,
) -> Result<Ended, Failure> {
    let mut index = 0;
    loop {
        let preview = preview(engine, order, index).await?;
        notes(&preview, output);
        if output.json {
            output.json(&written(&preview))?;
        } else {
            output.note(&format!(
                "{} would go to {}:",
                preview.delivery, preview.address
            ));
            print(&preview, output)?;
        }
        index += 1;
        if index >= preview.total || output.gone() {
            return Ok(Ended::Well);
        }
    }
}

async fn preview(
    engine: &Engine,
    order: &ResendOrder,
    index: u64,
) -> Result<Box<Preview>, Failure> {
    match engine.call(Command::Preview(order.clone(), index)).await? {
        Reply::Preview(preview) => Ok(preview),
        other => Err(session::unexpected(&other)),
    }
}

fn notes(preview: &Preview, output: &Output) {
    for note in &preview.notes {
        if preview.total > 1 {
            output.note(&format!("{}: {note}", preview.delivery));
        } else {
            output.note(note);
        }
    }
}

/// Prints the request: its very bytes, but to a terminal what is safe there.
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
struct Written<'a> {
    delivery: String,
    target: &'a str,
    #[serde(flatten)]
    request: RequestJson<'a>,
    signing: &'static str,
    edited: bool,
    notes: &'a [String],
}

fn written(preview: &Preview) -> Written<'_> {
    Written {
        delivery: preview.delivery.to_string(),
        target: &preview.address,
        request: json::request(&preview.new),
        signing: preview.signing.word(),
        edited: preview.edited,
        notes: &preview.notes,
    }
}
