//! The inspector on the screen: state, update and view, and the terminal.
//!
//! Everything that happens is a [`msg::Msg`]. [`app::update`] changes the
//! plain state in [`app::App`] and returns [`effect::Effect`]s; it asks no
//! clock and does no IO. [`view::view`] draws from the state and changes
//! nothing. [`run::run`] joins the three with a terminal and with whatever is
//! [inspected](run::Inspected), of which this module knows only the words in
//! [`crate::engine::command`].

pub mod action;
pub mod advice;
pub mod app;
pub mod changes;
pub mod column;
pub mod copy;
mod editor;
pub mod effect;
pub mod keymap;
pub mod layout;
pub mod look;
pub mod msg;
pub mod overlay;
pub mod pane;
pub mod rows;
pub mod run;
mod terminal;
pub mod theme;
pub mod view;
pub mod widget;

pub use run::{Inspected, Settings, run};
