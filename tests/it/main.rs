//! The tests that look at creel from outside.

mod commands;
mod conformance;
mod outbound;
mod resending;
mod signing;
mod support;
mod wire;
