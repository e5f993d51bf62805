//! The inspector without a terminal: keys in, state, effects and pictures out.

mod edits;
mod keys;
mod pictures;
mod world;
