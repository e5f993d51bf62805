//! `creel show`: shows one delivery.

use super::args::{Global, Show};
use super::output::Output;
use super::{CommandOutcome, resend, session, verify};
use crate::domain::body::{self, Line, ViewMode};
use crate::domain::contract_json::{self, Bodies};
use crate::domain::delivery::Delivery;
use crate::domain::failure::Failure;
use crate::domain::text;
use crate::engine::command::{Command, Detail, Reply};

/// Runs `creel show`.
pub(super) async fn run(
    global: &Global,
    args: &Show,
    output: &Output,
) -> Result<CommandOutcome, Failure> {
    let session = session::open(global).await?;
    let reply = session.engine.call(Command::Show(args.id.clone())).await;
    session.close().await;
    let detail = match reply? {
        Reply::Detail(detail) => detail,
        other => return Err(session::unexpected(&other)),
    };
    if output.json {
        let Detail {
            delivery,
            summary,
            verification,
            attempts,
            ..
        } = *detail;
        return output.json(&contract_json::delivery(
            &delivery,
            &summary,
            &verification,
            &attempts,
            Bodies::Whole,
        ));
    }
    for line in overview(&detail) {
        output.line(&line)?;
    }
    verify::print(output, &detail.verification)?;
    for line in request(&detail) {
        output.line(&line)?;
    }
    Ok(CommandOutcome::Success)
}

/// Describes the response to the sender.
fn answered(delivery: &Delivery) -> String {
    let answer = delivery.answer;
    match answer.status {
        0 => "not at all: the connection was dropped".to_owned(),
        status if answer.is_unanswered() => {
            format!("{status} by creel; acknowledged, not handled: the app has not answered yet")
        }
        status => format!("{status} by {}", answer.by.word()),
    }
}

/// Formats the details of a delivery without its request.
fn overview(detail: &Detail) -> Vec<String> {
    let Detail {
        delivery, summary, ..
    } = detail;
    let mut lines = vec![
        format!("delivery   {}", delivery.id),
        format!(
            "received   {}  from {}",
            delivery.received_at.to_rfc3339(),
            delivery.remote_addr
        ),
    ];
    let mut fact = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            lines.push(format!("{name:<10} {value}"));
        }
    };
    fact("endpoint", delivery.endpoint.as_deref());
    fact("event", summary.event.as_deref());
    fact("event id", summary.delivery_id.as_deref());
    fact("refused", delivery.refused.as_deref());
    if detail.arrivals.len() > 1 {
        lines.push(format!(
            "arrival    {} of {} of this event",
            summary.arrival,
            detail.arrivals.len()
        ));
    }
    lines.push(format!("answered   {}", answered(delivery)));
    lines.push(String::new());
    lines
}

/// Formats the request and the attempts of a delivery.
fn request(detail: &Detail) -> Vec<String> {
    let request = &detail.delivery.request;
    let mut lines = vec![String::new()];
    lines.push(format!(
        "{} {} HTTP/{}",
        request.method,
        request.target(),
        request.http_version
    ));
    for header in &request.headers {
        lines.push(format!(
            "{}: {}",
            header.name,
            text::visible_bytes(header.value)
        ));
    }
    lines.push(String::new());
    let view = body::view(&request.body, request.content_type(), ViewMode::Pretty);
    if let Some(note) = view.note() {
        lines.push(format!("({note})"));
    }
    lines.extend(view.window(0, view.lines_total()).iter().map(Line::text));
    if !detail.attempts.is_empty() {
        lines.push(String::new());
        for (attempt, verdict) in detail.attempts.iter().zip(&detail.verdicts) {
            let name = format!("attempt {}", attempt.number);
            lines.push(resend::line(&name, attempt, *verdict));
        }
    }
    lines
}
