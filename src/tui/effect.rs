//! Everything the inspector may ask for; [`super::run::run`] carries it out.

use std::collections::BTreeSet;

use crate::engine::command::{
    AdoptSecretRequest, ListQuery, MarkRequest, ResendRequest, ResponseOverrideRequest, Selection,
};

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
    /// Ask for a delivery with everything tried: [`super::msg::Msg::Shown`].
    Examine(u64, String),
    /// Let a secret count: [`super::msg::Msg::Adopted`].
    Secret(AdoptSecretRequest),
    /// Send deliveries again: [`super::msg::Msg::Begun`], and
    /// [`super::msg::Msg::Sent`] where it is one delivery.
    Resend(ResendRequest),
    /// Look up where an order would go, which is to these targets:
    /// [`super::msg::Msg::Located`].
    Locate(ResendRequest, BTreeSet<String>),
    /// Stop a job; [`super::msg::Msg::Engine`] tells of its end.
    Stop(u64),
    /// Count the deliveries that wait for their app: [`super::msg::Msg::Waiting`].
    CountWaiting,
    /// Give up on those of these deliveries that wait:
    /// [`super::msg::Msg::GivenUp`].
    GiveUp(Selection),
    /// Believe the clock: [`super::msg::Msg::Trusted`].
    TrustClock,
    /// Mark deliveries: [`super::msg::Msg::Marked`].
    Mark(MarkRequest),
    /// Send a sample: [`super::msg::Msg::Sampled`].
    Sample,
    /// Answer otherwise from now on: [`super::msg::Msg::Answered`].
    Answer(ResponseOverrideRequest),
    /// Say what sending again would send: [`super::msg::Msg::Previewed`].
    Preview(ResendRequest),
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
