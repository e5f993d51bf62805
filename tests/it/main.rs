//! The tests that look at creel from outside.

#![expect(clippy::unwrap_used, reason = "a test may fail wherever it stands")]

mod answers;
mod asking;
mod commands;
mod conformance;
mod coverage;
mod crash;
mod damage;
mod doctor;
mod echoes;
mod editing;
mod forwarding;
mod giving_up;
mod handshakes;
mod history;
mod keys;
mod libraries;
mod locale;
mod offers;
mod outbound;
mod owed;
mod parallel;
mod passing;
mod pending;
mod pins;
mod power;
mod readme;
mod reassess;
mod refusals;
mod resending;
mod retention;
mod retrying;
mod reuse;
mod room;
mod rude;
mod screen;
mod secrets;
mod sent;
mod signing;
mod slow;
mod store;
mod support;
mod terminal;
mod tidy;
mod wire;
