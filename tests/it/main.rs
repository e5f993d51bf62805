//! The tests that look at creel from outside.

mod conformance;
mod outbound;
mod signing;
mod support;
mod wire;
