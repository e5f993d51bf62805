//! What is put on the clipboard, and what is said of it.

use crate::domain::export;
use crate::domain::text::bytes;

use super::action::Action;
use super::pane::detail::Shown;
use super::pane::{Ctx, signature};

/// Some terminals refuse more than this, in bytes.
const LARGE: usize = 74_000;

/// Fields that carry somebody's credentials.
const CREDENTIALS: [&str; 4] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
];

/// Something for the clipboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What is said: what, how large, which way.
    pub toast: String,
}

/// Makes what an action copies; the error says why there is nothing.
pub fn copied(action: Action, shown: Option<&Shown>, ctx: Ctx<'_>) -> Result<Copied, String> {
    if action == Action::CopyAddress {
        let address = ctx.info.listening.clone();
        let address = address.ok_or("There is no address: this creel does not receive")?;
        return Ok(said("the address", address.into_bytes(), None));
    }
    let shown = shown.ok_or("Nothing to copy: no delivery is shown yet")?;
    let delivery = &shown.detail.delivery;
    let request = &delivery.request;
    let credentials = CREDENTIALS.iter().find(|n| request.headers.contains(n));
    let credentials = credentials.map(|n| format!("with {n} in it"));
    Ok(match action {
        Action::CopyHeaders => said("the headers", export::fields(&request.headers), credentials),
        Action::CopyCurl => {
            let command = export::curl(request, &url(shown, ctx));
            said("a curl command", command.into_bytes(), credentials)
        }
        Action::CopyId => said("the id", delivery.id.to_string().into_bytes(), None),
        Action::CopySignature => {
            let text = signature_fields(shown);
            if text.is_empty() {
                return Err("No signature came with this delivery".to_owned());
            }
            said("the signature", text, None)
        }
        Action::CopyProof => {
            let text = signature::proof(shown, ctx);
            said(
                "the proof, the expected signature masked",
                text.into_bytes(),
                None,
            )
        }
        _ => {
            if let Some(refused) = &delivery.refused {
                return Err(format!("The body was not kept: {refused}"));
            }
            said("the body", request.body.to_vec(), None)
        }
    })
}

/// Returns the URL a curl command is for: the app's, else creel's own.
fn url(shown: &Shown, ctx: Ctx<'_>) -> String {
    let path = shown.detail.delivery.request.target();
    match (&shown.detail.target, &ctx.info.listening) {
        (Some(target), _) => target.clone(),
        (None, Some(listening)) => format!("{}{path}", listening.trim_end_matches('/')),
        (None, None) => format!("http://localhost:3000{path}"),
    }
}

/// Returns the header fields that carry a signature which came.
fn signature_fields(shown: &Shown) -> Vec<u8> {
    let received = &shown.detail.verification.received;
    let mut headers = shown.detail.delivery.request.headers.clone();
    headers.retain(|h| {
        let value = String::from_utf8_lossy(h.value);
        received
            .iter()
            .any(|s| !s.is_empty() && value.contains(s.as_str()))
    });
    if headers.is_empty() {
        return received.join("\n").into_bytes();
    }
    export::fields(&headers)
}

fn said(what: &str, content: Vec<u8>, note: Option<String>) -> Copied {
    let size = bytes(content.len() as u64);
    let mut toast = format!("Sent {what} to the terminal's clipboard ({size})");
    if let Some(note) = note {
        toast = format!("{toast}, {note}");
    }
    if content.len() > LARGE {
        toast = format!("{toast}; some terminals refuse that much");
    }
    Copied {
        bytes: content,
        toast,
    }
}
