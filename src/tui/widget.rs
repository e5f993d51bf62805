//! Parts of a screen that know nothing of webhooks.

pub mod field;
pub mod hex;
pub mod pick;
pub mod scroll;
pub mod tabs;
pub mod wrap;
