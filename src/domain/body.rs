//! What a body is, and its readable form.
//!
//! [`fn@kind`] says what a body is by its media type and by its bytes. [`fn@view`]
//! lays it out as lines of coloured words, one line at a time, so that only
//! what is on the screen costs anything. The bytes themselves never change:
//! JSON is laid out from its tokens, each number and escape as it came.
//!
//! Every text that comes out has passed [`super::text`].

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
