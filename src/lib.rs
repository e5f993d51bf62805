//! creel receives webhooks, keeps every one, shows whether each is truly
//! signed, proves why not, and sends them again.
//!
//! This page is the map. Data flows one way:
//! socket → [`server`] → [`store`] → [`engine`] → [`tui`] or [`cli`].
//!
//! - [`domain`]: what a delivery is and what is wrong with it; plain values, no IO.
//! - [`clock`]: the only place that asks the time.
//! - [`config`]: defaults, file, environment and flags, each value knowing its origin.
//! - [`store`]: the journal that is true and the sled database made from it.
//! - [`server`]: takes requests off the socket, byte for byte.
//! - [`outbound`]: sends requests to the app under development.
//! - [`engine`]: joins them; commands in, events out.
//! - [`control`]: the same commands over a socket, for a second process.
//! - [`cli`]: one file a command; the only printer on the command line.
//! - [`tui`]: the inspector on the screen.
//!
//! An arrow points at what is depended on:
//!
//! ```text
//! domain  <-  store, outbound, server, config  <-  engine, control  <-  tui, cli  <-  main
//! ```
//!
//! What always holds:
//!
//! 1. The bytes are sacred: a body is stored and sent on exactly as received;
//!    readable forms are views made from tokens, never from parsed numbers.
//! 2. Acknowledged means stored: the sender hears "ok" after the journal is on disk.
//! 3. Reading what others sent never fails: it gives a value and findings.
//! 4. `domain` has no clock and no randomness; `now` is an argument.
//! 5. In [`tui`], `update` does no IO and `view` changes nothing.
//! 6. One process owns the store; everybody else talks to it.
//! 7. Text from outside passes [`domain::text`] before a screen or a terminal.
//! 8. A secret prints as its fingerprint.
//! 9. Only `tui::terminal` and `cli::output` write to standard output.
//! 10. A task may die, the screen and the receiver go on.

pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod domain;
pub mod engine;
pub mod outbound;
pub mod server;
pub mod store;
pub mod tui;
