//! `creel repair`: copies the readable data of a damaged data directory.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use serde_json::json;

use super::CommandOutcome;
use super::args::{Global, Receiving, Repair};
use super::output::Output;
use super::session;
use crate::config;
use crate::domain::failure::{Failure, sentence};
use crate::domain::text::thousands;
use crate::store::{self, OpenError};

/// Runs `creel repair`.
pub(super) fn run(
    global: &Global,
    args: &Repair,
    output: &Output,
) -> Result<CommandOutcome, Failure> {
    let config = config::load(&session::overrides(global, &Receiving::default()))?;
    let from = config.data_dir;
    let to = args.to.clone().unwrap_or_else(|| default_copy_path(&from));
    if !from.join("journal").is_dir() {
        return Err(Failure::cannot(
            format!("There is nothing to repair in {}.", from.display()),
            "It contains no deliveries of creel.",
            "Name the data directory:  creel --data-dir DIR repair",
        ));
    }
    // Progress is shown on a terminal only.
    let watched = !global.quiet && io::stderr().is_terminal();
    let mut shown = None;
    let mut progress = |done: u64, total: u64| {
        let percent = (done * 100).checked_div(total).unwrap_or(100);
        if watched && shown != Some(percent) {
            shown = Some(percent);
            let _ = write!(io::stderr(), "\rCopying: {percent} %");
        }
    };
    let repaired = store::repair(&from, &to, &mut progress);
    if shown.is_some() {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    let repaired = repaired.map_err(|error| match &error {
        OpenError::Locked | OpenError::Newer(_) => error.failure(&from),
        _ => Failure::cannot(
            format!("{} could not be repaired.", from.display()),
            sentence(&error),
            format!(
                "Name an empty directory to copy to:  creel repair --to DIR   (this was {})",
                to.display()
            ),
        ),
    })?;
    let damage = &repaired.damage;
    if output.json {
        output.json(&json!({
            "from": from.display().to_string(),
            "to": to.display().to_string(),
            "copied": { "deliveries": damage.readable, "attempts": repaired.attempts },
            "lost": {
                "deliveries": damage.count(),
                "sequence_numbers": damage.deliveries,
                "other_records": damage.others,
                "unreadable_bytes": damage.bytes,
            },
        }))?;
    } else {
        output.line(&format!(
            "Copied {} deliveries and {} attempts to {}.",
            thousands(damage.readable),
            thousands(repaired.attempts),
            to.display()
        ))?;
        output.line(&if damage.is_none() {
            "Nothing is lost.".to_owned()
        } else {
            damage.to_string()
        })?;
        if damage.bytes > 0 {
            let bytes = thousands(damage.bytes);
            output.line(&format!("{bytes} bytes of the journal could not be read."))?;
        }
        output.line(&format!(
            "{} is unchanged. Use the copy:  creel --data-dir {}",
            from.display(),
            to.display()
        ))?;
    }
    Ok(if damage.is_none() {
        CommandOutcome::Success
    } else {
        CommandOutcome::No
    })
}

/// Returns the first unused directory name next to `from`.
fn default_copy_path(from: &std::path::Path) -> PathBuf {
    let name = from.file_name().unwrap_or_default().to_string_lossy();
    (1..1000)
        .map(|n| match n {
            1 => format!("{name}-repaired"),
            n => format!("{name}-repaired-{n}"),
        })
        .map(|name| from.with_file_name(name))
        .find(|path| !path.exists())
        .unwrap_or_else(|| from.join("repaired"))
}
