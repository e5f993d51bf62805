//! What the tests have in common.

#![expect(clippy::unwrap_used, reason = "a test may fail wherever it stands")]

pub(crate) mod app;
pub(crate) mod creel;
pub(crate) mod deliveries;
pub(crate) mod index;
pub(crate) mod pty;
pub(crate) mod random;
pub(crate) mod receiver;
pub(crate) mod upstream;
