//! `creel`: receives and opens the inspector, or opens it on the creel that
//! already runs on the data directory.

use std::io::{IsTerminal as _, Write as _};

use super::args::{Global, Receiving};
use super::output::{Output, colored, is_ascii};
use super::{CommandOutcome, InspectorOptions, OpenInspector, session};
use crate::config;
use crate::control::client;
use crate::domain::failure::Failure;

/// The name of the log in the data directory.
const LOG_FILE: &str = "creel.log";

/// Runs `creel` without a command.
pub(super) async fn run(
    global: &Global,
    receiving: &Receiving,
    output: &Output,
    open_inspector: OpenInspector,
) -> Result<CommandOutcome, Failure> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::usage(
            "The inspector needs a terminal.",
            "Standard input or output is not one.",
            "Receive without a screen:  creel serve",
        ));
    }
    let config = config::load(&session::overrides(global, receiving))?;
    let mut screen = InspectorOptions {
        notes: Vec::new(),
        color: colored(global.color, true),
        ascii: receiving.ascii || is_ascii(),
        keys: own_keys(),
    };
    if !receiving.demo
        && let Some(engine) = client::connect(&config.data_dir).await?
    {
        if let Some(flag) = receiving.first_given().filter(|flag| *flag != "--ascii") {
            return Err(Failure::usage(
                format!("{flag} cannot be changed now."),
                format!(
                    "A creel already receives on the data directory {}.",
                    config.data_dir.display()
                ),
                "Open the inspector on it:  creel   (or end it first, or use another directory:  --data-dir DIR)",
            ));
        }
        return open_inspector(engine, screen)
            .await
            .map(|()| CommandOutcome::Success);
    }
    // Visible before the inspector opens and after it closes.
    let mut note = |note: String| {
        output.note(&note);
        screen.notes.push(note);
    };
    let receiver = session::receive(config, receiving.demo, &mut note).await?;
    session::log(global, Some(&receiver.data_dir().join(LOG_FILE)));
    let shown = open_inspector(receiver.local.engine(), screen).await;
    // Ctrl-C during the shutdown ends creel immediately.
    tokio::select! {
        () = receiver.stop() => {}
        _ = tokio::signal::ctrl_c() => {
            let _ = writeln!(std::io::stderr(), "Ended immediately.");
        }
    }
    shown.map(|()| CommandOutcome::Success)
}

/// Reads the user's key bindings from `keys.toml` in the configuration
/// directory.
fn own_keys() -> Option<(String, String)> {
    let path = config::folder()?.join("keys.toml");
    let text = std::fs::read_to_string(&path).ok()?;
    Some((path.display().to_string(), text))
}
