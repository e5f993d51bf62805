//! Joins store, server and outbound: commands in, events out.
//!
//! The interface and the command line speak to an [`Engine`] and never to
//! what is behind it: the store of this process, or another creel that
//! already owns it.

pub mod command;
