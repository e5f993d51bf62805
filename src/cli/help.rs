//! `creel help`: the help of a command, or a page of the documentation.

use clap::CommandFactory as _;

use super::CommandOutcome;
use super::args::Args;
use super::output::Output;
use crate::domain::failure::Failure;
use crate::domain::toml_error::nearest;

/// The pages, by the topic that prints them.
const TOPICS: [(&str, &str); 6] = [
    (
        "signatures",
        include_str!("../../assets/docs/signatures.md"),
    ),
    ("filters", include_str!("../../assets/docs/filters.md")),
    ("keys", include_str!("../../assets/docs/keys.md")),
    ("config", include_str!("../../assets/docs/config.md")),
    ("providers", include_str!("../../assets/docs/providers.md")),
    ("limits", include_str!("../../assets/docs/limits.md")),
];

/// Runs `creel help`.
///
/// # Errors
/// A [`Failure`] of wrong usage for a subject that is neither a command nor a
/// topic, or one of writing.
pub(super) fn run(subject: Option<&str>, output: &Output) -> Result<CommandOutcome, Failure> {
    let mut command = Args::command();
    let Some(subject) = subject else {
        return output.raw(format!("{}\n", command.render_long_help()).as_bytes());
    };
    if let Some((_, page)) = TOPICS.iter().find(|(topic, _)| *topic == subject) {
        return output.raw(readable(page).as_bytes());
    }
    // Builds the usage lines of the commands too.
    command.build();
    if let Some(found) = command.find_subcommand_mut(subject) {
        return output.raw(format!("{}\n", found.render_long_help()).as_bytes());
    }
    let topics = TOPICS.map(|(topic, _)| topic);
    let mut subjects: Vec<&str> = topics.to_vec();
    subjects.extend(command.get_subcommands().map(clap::Command::get_name));
    let next = match nearest(subject, &subjects) {
        Some(near) => format!("Did you mean  creel help {near}?"),
        None => format!(
            "Topics: {}. The commands are in  creel --help",
            topics.join(", ")
        ),
    };
    Err(Failure::usage(
        "There is no help on that subject.",
        "It is neither a command nor a topic.",
        next,
    ))
}

/// Returns a page without the marks that only its tests need.
fn readable(page: &str) -> String {
    let lines = page.lines().filter(|line| !line.starts_with("<!--"));
    lines.flat_map(|line| [line, "\n"]).collect()
}
