//! The two panes: the list, and the delivery with its tabs.
//!
//! Each tab is a file that writes a delivery down as lines; the body and the
//! tries have a state of their own besides.

pub mod body;
pub mod detail;
pub mod headers;
pub mod list;
pub mod overview;
pub mod signature;
pub mod tries;

use crate::domain::timestamp::Timestamp;
use crate::engine::command::Info;

use super::keymap::Keymap;
use super::look::Look;

/// What the panes may look at besides their own state.
#[derive(Clone, Copy, Debug)]
pub struct Ctx<'a> {
    /// How things are written.
    pub look: &'a Look,
    /// The time of the last tick.
    pub now: Timestamp,
    /// What the creel is that is looked at.
    pub info: &'a Info,
    /// Which key does what.
    pub keys: &'a Keymap,
}
