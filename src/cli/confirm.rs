//! Asks for confirmation before deliveries are sent to other machines.

use std::io::{IsTerminal as _, Write as _};

use super::args::Sending;
use super::output::shown;
use super::session;
use crate::domain::address::ResolvedHost;
use crate::domain::failure::Failure;
use crate::engine::Engine;
use crate::engine::command::{Command, Reply, ResendRequest, SendOptions};

/// Returns the permissions that the flags grant.
pub(super) fn options(sending: Sending) -> SendOptions {
    SendOptions {
        insecure: sending.insecure,
        link_local: sending.allow_link_local,
    }
}

/// Asks for confirmation if a request sends to other machines.
///
/// # Errors
/// Returns a [`Failure`] if the user declines or there is no terminal.
pub(super) async fn confirm_request(engine: &Engine, order: &ResendRequest) -> Result<(), Failure> {
    match engine.call(Command::Locate(order.clone())).await? {
        Reply::Places(places) => confirm_hosts(places).await,
        other => Err(session::unexpected(&other)),
    }
}

/// Asks once for each host, on a terminal.
///
/// # Errors
/// A [`Failure`] where the answer is no, or where there is nobody to ask.
pub(super) async fn confirm_hosts(places: Vec<ResolvedHost>) -> Result<(), Failure> {
    if !has_terminal() {
        let Some(place) = places.first() else {
            return Ok(());
        };
        return Err(Failure::usage(
            format!("{} is not this machine.", place.words()),
            "creel asks before it sends to another machine, but there is no terminal.",
            "Say that it may:  --yes",
        ));
    }
    for place in places {
        let host = place.host.clone();
        // Reading may block indefinitely, which a task of the runtime must not.
        let answer = tokio::task::spawn_blocking(move || ask_host(&place)).await;
        if !answer.unwrap_or(false) {
            return Err(Failure::no(
                "Nothing was sent.",
                format!("It was not agreed to send to {host}."),
                "Name another target:  --to http://127.0.0.1:3000",
            ));
        }
    }
    Ok(())
}

/// Asks a question on a terminal; `why` explains that it is necessary.
///
/// # Errors
/// Returns a [`Failure`] if the user declines or there is no terminal.
pub(super) async fn confirm_question(question: &str, why: &str) -> Result<(), Failure> {
    if !has_terminal() {
        return Err(Failure::usage(
            "Nothing was done.",
            format!("{why}, and there is no terminal to ask on."),
            "Say that it may:  --yes",
        ));
    }
    let question = question.to_owned();
    let answer = tokio::task::spawn_blocking(move || ask_yes_or_no(&question)).await;
    if answer.unwrap_or(false) {
        Ok(())
    } else {
        Err(Failure::no(
            "Nothing was done.",
            "It was not agreed to.",
            "",
        ))
    }
}

/// Returns whether a question can be asked and answered.
fn has_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

fn ask_host(place: &ResolvedHost) -> bool {
    let kind = place.kind().map_or("", |kind| kind.words());
    ask_yes_or_no(&format!("Send to {}, {kind}? [y/N] ", place.words()))
}

fn ask_yes_or_no(question: &str) -> bool {
    let mut err = std::io::stderr();
    let _ = write!(err, "{}", shown(question));
    let _ = err.flush();
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    read.is_ok() && matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}
