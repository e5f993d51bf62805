//! `creel resend`: resends deliveries.

use std::io::IsTerminal as _;
use std::time::Instant;

use tokio::signal::unix::{SignalKind, signal};

use super::CommandOutcome;
use super::args::{Global, Resend, RetryAs, SignHow};
use super::output::Output;
use super::{confirm, edit, session, stop};
use crate::domain::attempt::{Attempt, Outcome, Signing};
use crate::domain::attempt_verdict::AttemptVerdict;
use crate::domain::contract_json::{self, Bodies};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::text;
use crate::engine::Engine;
use crate::engine::command::{Command, Job, Reply, ResendRequest, RetryOptions, Selection};

/// Runs `creel resend`.
pub(super) async fn run(
    global: &Global,
    args: &Resend,
    output: &Output,
) -> Result<CommandOutcome, Failure> {
    let order = order(args)?;
    let session = session::open(global).await?;
    let ended = if args.stop {
        stop::run(&session.engine, args, order.which, output).await
    } else if args.dry_run {
        edit::dry_run(&session.engine, &order, output).await
    } else {
        confirm_and_resend(&session.engine, order, args.yes, global.quiet, output).await
    };
    session.close().await;
    ended
}

/// Asks for confirmation if necessary, and sends.
async fn confirm_and_resend(
    engine: &Engine,
    order: ResendRequest,
    yes: bool,
    quiet: bool,
    output: &Output,
) -> Result<CommandOutcome, Failure> {
    if !yes {
        confirm::confirm_request(engine, &order).await?;
    }
    resend(engine, order, quiet, output).await
}

fn order(args: &Resend) -> Result<ResendRequest, Failure> {
    let which = match &args.filter {
        Some(filter) => Selection::Matching(filter.clone()),
        None => Selection::Ids(args.ids.clone()),
    };
    let spacing = args.rate.or(args.spacing).unwrap_or_default();
    Ok(ResendRequest {
        which,
        target: args.to.clone(),
        signing: args.sign.map(|how| match how {
            SignHow::Kept => Signing::Kept,
            SignHow::Fresh => Signing::Fresh,
        }),
        new_event: args.changes.new_event,
        edit: args.changes.edit()?,
        spacing_us: u64::try_from(spacing.as_micros()).unwrap_or(u64::MAX),
        parallel: args.parallel,
        options: confirm::options(args.sending),
        retry: args.retry.map(|RetryAs::Provider| RetryOptions {
            compress: args.compress,
        }),
        followed: true,
        stop_unreached: true,
        ..ResendRequest::default()
    })
}

async fn resend(
    engine: &Engine,
    order: ResendRequest,
    quiet: bool,
    output: &Output,
) -> Result<CommandOutcome, Failure> {
    edit::warn(engine, &order, output).await?;
    let schedule = order.retry.is_some();
    // Installed before the job starts, so that no signal is lost.
    let mut interrupted = signal(SignalKind::interrupt()).map_err(|error| {
        Failure::cannot("creel cannot listen for Ctrl-C.", format!("{error}."), "")
    })?;
    let Job { id, total, .. } = match engine.call(Command::Resend(order)).await? {
        Reply::Job(job) => job,
        other => return Err(session::unexpected(&other)),
    };
    let mut progress = Progress::new(total, quiet || output.json);
    let mut delivered = true;
    // Deliveries that could not be sent because of an error.
    let (mut broken, mut why) = (0_u64, None);
    // The first attempt without a connection, as long as all had none.
    let (mut unreached, mut reached) = (None, schedule);
    let over = loop {
        let asked = tokio::select! {
            asked = engine.call(Command::Results(id)) => asked?,
            _ = interrupted.recv() => {
                progress.clear();
                if schedule {
                    output.note("The schedule continues while a creel receives on this data directory, \
                        or with the next one. To end it:  creel resend ID --stop");
                } else {
                    engine.call(Command::Stop(id)).await?;
                }
                return Ok(CommandOutcome::Interrupted);
            }
        };
        let results = match asked {
            Reply::Results(results) => results,
            other => return Err(session::unexpected(&other)),
        };
        progress.clear();
        for one in &results.sent {
            match &one.attempt {
                Ok((attempt, verdict)) => {
                    if attempt
                        .retry
                        .as_ref()
                        .is_none_or(|retry| retry.next.is_none())
                    {
                        delivered &= attempt.outcome == Outcome::Delivered;
                    }
                    if output.json {
                        output.json(&contract_json::attempt(attempt, Bodies::Whole))?;
                    } else {
                        output.line(&line(&one.delivery.to_string(), attempt, *verdict))?;
                    }
                    if let Some(note) = &one.note {
                        output.note(note);
                    }
                    if one.is_unreached() {
                        unreached.get_or_insert_with(|| attempt.clone());
                    } else {
                        reached = true;
                    }
                }
                Err(failure) if total == 1 => return Err(failure.clone()),
                Err(failure) if failure.kind == FailureKind::Cannot => {
                    broken += 1;
                    why.get_or_insert_with(|| failure.clone());
                    output.note(&format!("{}: {}", one.delivery, failure.why));
                }
                Err(failure) => {
                    delivered = false;
                    // With many deliveries each has one line.
                    let failure = failure.to_string().replace('\n', " ");
                    output.note(&format!("{}: {failure}", one.delivery));
                }
            }
        }
        if results.last {
            break results.job;
        }
        progress.show(&results.job);
    };
    if let Some(attempt) = unreached.filter(|_| !reached) {
        return Err(unreached_failure(&attempt));
    }
    if let Some(failure) = why {
        return Err(Failure::cannot(
            format!("{broken} of {total} deliveries could not be sent."),
            failure.why,
            failure.next,
        ));
    }
    if over.stopped {
        delivered = false;
        output.note(&format!(
            "Stopped: {} of {} were sent.",
            text::thousands(over.done),
            text::thousands(total),
        ));
    }
    Ok(if delivered {
        CommandOutcome::Success
    } else {
        CommandOutcome::No
    })
}

/// The progress line of a long job on a terminal.
struct Progress {
    total: u64,
    began: Instant,
    on: bool,
    shown: bool,
}

impl Progress {
    fn new(total: u64, silent: bool) -> Self {
        Self {
            total,
            began: Instant::now(),
            on: !silent && total > 1 && std::io::stderr().is_terminal(),
            shown: false,
        }
    }

    fn show(&mut self, job: &Job) {
        if !self.on || job.ended {
            return;
        }
        let elapsed = self.began.elapsed().as_secs_f64().max(0.001);
        let left = job.left_ms.map_or_else(String::new, |ms| {
            format!(", about {} left", text::duration_us(ms * 1_000))
        });
        Output::transient(&format!(
            "{} of {} sent, {} well, {:.0}/s{left}. Ctrl-C stops.",
            text::thousands(job.done),
            text::thousands(self.total),
            text::thousands(job.well),
            job.done as f64 / elapsed,
        ));
        self.shown = true;
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            Output::transient("");
        }
    }
}

fn unreached_failure(attempt: &Attempt) -> Failure {
    Failure::cannot(
        format!("{} gave no answer.", attempt.target),
        attempt.error.clone().unwrap_or_default(),
        advice(attempt.error.as_deref().unwrap_or_default()),
    )
}

/// Returns advice for an unreachable target.
fn advice(error: &str) -> &'static str {
    if error.contains("link-local") {
        "Name another target:  --to URL   or allow it:  --allow-link-local"
    } else if error.starts_with("TLS: the certificate") {
        "Renew it, name another target:  --to URL   or accept it:  --insecure"
    } else {
        "Start the app, or name another target:  --to URL"
    }
}

/// Says in a line how one attempt went.
pub(super) fn line(name: &str, attempt: &Attempt, verdict: AttemptVerdict) -> String {
    let answer = match (&attempt.response, &attempt.error) {
        (Some(response), None) => format!(
            "{} in {}{}",
            response.status,
            text::duration_us(attempt.duration_us),
            attempt.redirect().map_or_else(String::new, |to| format!(
                ", a redirect to {to}, which is not followed"
            )),
        ),
        (Some(response), Some(error)) => format!("{}, then {error}", response.status),
        (None, error) => error.clone().unwrap_or_else(|| "no answer".to_owned()),
    };
    let answer = match (&attempt.retry, attempt.outcome) {
        (Some(retry), Outcome::Pending) => format!(
            "try {} of {}, due {}",
            retry.number,
            retry.of,
            retry.due.to_rfc3339()
        ),
        (Some(retry), _) => {
            let answer = answer.strip_suffix('.').unwrap_or(&answer);
            format!("{answer}, try {} of {}", retry.number, retry.of)
        }
        (None, _) => answer,
    };
    let late = if attempt.within_ack_timeout == Some(false) {
        ", too late for its provider"
    } else {
        ""
    };
    format!(
        "{name}  {}  {}  {answer}{late}",
        verdict.words(),
        attempt.target
    )
}
