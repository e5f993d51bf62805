//! Recognises the kind of a body and formats it for display.
//!
//! [`fn@kind`] determines the kind from the media type and the bytes.
//! [`fn@view`] formats a body as lines of coloured spans; lines are made on
//! demand, so that the cost depends on the visible part only. The bytes are
//! never changed: JSON is formatted from its tokens, with every number and
//! escape as received.
//!
//! All produced text has been sanitized by [`super::text`].

mod find;
mod form;
mod hex;
pub(in crate::domain) mod json;
mod kind;
mod line;
mod multipart;
pub(in crate::domain) mod rows;
mod view;

pub use find::{Found, Matches};
pub use kind::{BodyKind, kind};
pub use line::{Line, Role, Span};
pub use view::{BodyView, MAX_FORMATTED_BYTES, Problem, ViewMode, view};
