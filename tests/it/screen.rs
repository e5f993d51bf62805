//! The inspector without a terminal: keys in, state, effects and pictures out.

mod answering;
mod detail;
mod edits;
mod feedback;
mod keys;
mod pictures;
mod secret;
mod world;
