//! Everything that can happen to the inspector.

use std::collections::BTreeSet;

use crossterm::event::{KeyEvent, MouseEvent};

use crate::domain::address::ResolvedHost;
use crate::domain::failure::Failure;
use crate::domain::timestamp::Timestamp;
use crate::engine::command::Preview;
use crate::engine::command::{
    Adopted, Detail, Event, Info, Job, ListQuery, MarkRequest, Page, ResendRequest,
    ResponseOverrideRequest, SendResult,
};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Msg {
    /// This is the time now. It comes before everything else that happens,
    /// and by itself when [`super::app::App::next_tick`] has run out.
    Tick(Timestamp),
    /// A key was pressed, or is held.
    Key(KeyEvent),
    /// The mouse did something.
    Mouse(MouseEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal is so many columns and lines large.
    Resize(u16, u16),
    /// Something happened in the creel that is looked at.
    Engine(Event),
    /// What it is, or why it did not say.
    Info(Result<Info, Failure>),
    /// A window of the list.
    Loaded(ListQuery, Result<Page, Failure>),
    /// A window of the list that was asked for in search of a problem.
    Sought(ListQuery, Result<Page, Failure>),
    /// Where an order would go to these targets, this machine left out.
    Located(
        ResendRequest,
        BTreeSet<String>,
        Result<Vec<ResolvedHost>, Failure>,
    ),
    /// A delivery, whole, by sequence number.
    Shown(u64, Result<Box<Detail>, Failure>),
    /// A job was begun for an order, or why it was not.
    Begun(ResendRequest, Result<Job, Failure>),
    /// What came of sending one delivery.
    Sent(Box<SendResult>),
    /// A job was told to stop.
    Stopped(Result<(), Failure>),
    /// What sending again would send.
    Previewed(ResendRequest, Result<Box<Preview>, Failure>),
    /// The user's editor ended: what it left, or why there is nothing.
    Edited(Result<Vec<u8>, Failure>),
    /// So many deliveries wait for their app.
    Waiting(Result<u64, Failure>),
    /// So many deliveries were given up.
    GivenUp(Result<u64, Failure>),
    /// The clock is believed.
    Trusted(Result<(), Failure>),
    /// Deliveries were marked.
    Marked(MarkRequest, Result<(), Failure>),
    /// A secret counts from now on.
    Adopted(Result<Adopted, Failure>),
    /// A sample was sent.
    Sampled(Result<(), Failure>),
    /// Something else is answered from now on.
    Answered(ResponseOverrideRequest, Result<(), Failure>),
    /// The process was stopped and goes on.
    Resumed,
    /// A task panicked; the screen goes on.
    Panicked(String),
}
