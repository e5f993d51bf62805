//! Everything the inspector may ask for; [`super::run::run`] carries it out.

use crate::engine::command::{ListQuery, MarkOrder, ResendOrder};

/// Something that is to be done outside of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask what the creel is: [`super::msg::Msg::Info`].
    Info,
    /// Ask for a window of the list: [`super::msg::Msg::Loaded`].
    Load(ListQuery),
    /// Ask for a window in search of a problem: [`super::msg::Msg::Sought`].
    Seek(ListQuery),
    /// Ask for a delivery by sequence number and id: [`super::msg::Msg::Shown`].
    Show(u64, String),
    /// Send deliveries again: [`super::msg::Msg::Begun`], and
    /// [`super::msg::Msg::Sent`] where it is one delivery.
    Resend(ResendOrder),
    /// Stop a job; [`super::msg::Msg::Engine`] tells of its end.
    Stop(u64),
    /// Mark deliveries: [`super::msg::Msg::Marked`].
    Mark(MarkOrder),
    /// Send a sample: [`super::msg::Msg::Sampled`].
    Sample,
    /// Say what sending again would send: [`super::msg::Msg::Previewed`].
    Preview(ResendOrder),
    /// Lend the terminal to the user's editor, on a text:
    /// [`super::msg::Msg::Edited`].
    Edit(Vec<u8>),
    /// Put bytes on the clipboard, through the terminal.
    Copy(Vec<u8>),
    /// Take the mouse from the terminal, or give it back.
    Mouse(bool),
    /// Draw every cell anew.
    Repaint,
    /// Give the terminal back and stop, until the shell says go on.
    Suspend,
    /// Give the terminal back for good.
    Quit,
}
