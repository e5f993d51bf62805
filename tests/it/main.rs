//! The tests that look at creel from outside.

#![expect(clippy::unwrap_used, reason = "a test may fail wherever it stands")]

mod commands;
mod conformance;
mod crash;
mod damage;
mod doctor;
mod editing;
mod handshakes;
mod outbound;
mod power;
mod readme;
mod resending;
mod retention;
mod retrying;
mod screen;
mod signing;
mod store;
mod support;
mod terminal;
mod tidy;
mod wire;
