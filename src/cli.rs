//! The command line: one file per command, and the only code that prints.

// Defines the command-line arguments.
pub mod args;
// Asks for confirmation before deliveries are sent to other machines.
mod confirm;
// Defines the flags that edit a resent request, and prints previews.
pub mod edit;
// Runs `creel help`.
mod help;
// Runs `creel` without a command.
mod inspect;

// Runs `creel list`.
mod list;
// Prints to standard output and standard error.
mod output;
// Runs `creel providers`.
mod providers;
// Runs `creel repair`.
mod repair;
// Runs `creel resend`.
mod resend;
// Runs `creel send`.
mod send;
// Runs `creel serve`.
mod serve;
// Opens an engine and starts the receiver.
mod session;
// Runs `creel show`.
mod show;
// Runs `creel sign`.
mod sign;
// Runs `creel resend --stop`.
mod stop;
// Runs `creel verify`.
mod verify;

use std::process::ExitCode;

use clap::CommandFactory as _;
use futures_util::future::BoxFuture;

use self::args::{Args, Subcommand};
use self::output::Output;
use crate::domain::failure::{Failure, FailureKind};
use crate::engine::Engine;
use crate::store::Store;

/// The outcome of a command, which determines the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandOutcome {
    /// Success: 0.
    Success,
    /// A negative result: 1.
    No,
    /// Interrupted: 130.
    Interrupted,
}

/// Opens the inspector on an engine; returns when it is closed.
pub type OpenInspector = fn(Engine, InspectorOptions) -> BoxFuture<'static, Result<(), Failure>>;

/// The display options of the inspector.
#[derive(Clone, Debug)]
pub struct InspectorOptions {
    /// Whether to use colour.
    pub color: bool,
    /// Whether to draw with ASCII characters only.
    pub ascii: bool,
    /// The user's key bindings: the path of the file and its text.
    pub keys: Option<(String, String)>,
    /// Notes to show at the start, as sentences.
    pub notes: Vec<String>,
}

/// Runs the command line and returns its exit code. Without a command,
/// `open_inspector` opens the inspector.
pub fn main(open_inspector: OpenInspector) -> ExitCode {
    // All files of creel and its database are readable by their owner only.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !Store::expects_panic() {
            usual(info);
        }
    }));
    let args = match Args::read(std::env::args_os()) {
        Ok(args) => args,
        Err(error) => {
            // Requested help and version go to standard output.
            return match output::print_usage(&error) {
                Ok(_) if error.use_stderr() => ExitCode::from(2),
                printed => exit_code(printed),
            };
        }
    };
    let output = Output::new(&args.global);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            Output::failure(&Failure::cannot(
                "creel could not start.",
                format!("{error}."),
                "",
            ));
            return ExitCode::from(3);
        }
    };
    let ended = runtime.block_on(run(args, &output, open_inspector));
    // A blocking read of standard input must not delay the exit.
    runtime.shutdown_background();
    exit_code(ended)
}

/// Prints a failure and returns the exit code.
fn exit_code(ended: Result<CommandOutcome, Failure>) -> ExitCode {
    match ended {
        Ok(CommandOutcome::Success) => ExitCode::SUCCESS,
        Ok(CommandOutcome::No) => ExitCode::from(1),
        Ok(CommandOutcome::Interrupted) => ExitCode::from(130),
        Err(failure) => {
            Output::failure(&failure);
            ExitCode::from(match failure.kind {
                FailureKind::No => 1,
                FailureKind::Usage => 2,
                FailureKind::Cannot => 3,
            })
        }
    }
}

async fn run(
    args: Args,
    output: &Output,
    open_inspector: OpenInspector,
) -> Result<CommandOutcome, Failure> {
    let Args {
        global,
        receiving,
        command,
    } = args;
    if command
        .as_ref()
        .is_some_and(|command| !matches!(command, Subcommand::Serve(_)))
        && let Some(flag) = receiving.first_given()
    {
        return Err(Failure::usage(
            format!("{flag} has no meaning here."),
            "It configures receiving, and this command does not receive.",
            "Use it with creel or creel serve.",
        ));
    }
    match command {
        None => inspect::run(&global, &receiving, output, open_inspector).await,
        Some(Subcommand::Serve(more)) => serve::run(&global, &receiving.or(more), output).await,
        Some(Subcommand::List(args)) => list::run(&global, &args, output).await,
        Some(Subcommand::Show(args)) => show::run(&global, &args, output).await,
        Some(Subcommand::Resend(args)) => resend::run(&global, &args, output).await,
        Some(Subcommand::Verify(args)) => verify::run(&global, &args, output),
        Some(Subcommand::Sign(args)) => sign::run(&global, &args, output),
        Some(Subcommand::Send(args)) => send::run(&global, &args, output).await,
        Some(Subcommand::Providers(args)) => providers::run(&global, &args, output),
        Some(Subcommand::Repair(args)) => repair::run(&global, &args, output),
        Some(Subcommand::Help { subject }) => help::run(subject.as_deref(), output),
        Some(Subcommand::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "creel", &mut script);
            output.raw(&script)
        }
        Some(Subcommand::Man) => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Args::command())
                .render(&mut page)
                .map_err(|error| {
                    Failure::cannot(
                        "The manual page could not be created.",
                        format!("{error}."),
                        "",
                    )
                })?;
            output.raw(&page)
        }
    }
}
