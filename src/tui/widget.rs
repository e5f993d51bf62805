//! Parts of a screen that know nothing of webhooks.

pub mod field;
pub mod hex;
pub mod scroll;
pub mod tabs;
pub mod wrap;
