//! What a delivery is and what is wrong with it.
//!
//! Plain values and functions over them: no files, sockets, clock, randomness,
//! async or terminal. It depends on nothing else of creel.

pub mod address;
pub mod ahead;
pub mod answer;
pub mod assess;
pub mod attempt;
pub mod believed;
pub mod body;
pub mod damage;
pub mod delivery;
pub mod diff;
pub mod doctor;
pub mod edit;
mod encoding_base64;
pub mod endpoint;
pub mod event;
pub mod event_id;
pub mod export;
pub mod failure;
pub mod filter;
pub mod handshake;
pub mod headers;
pub mod hop;
pub mod id;
pub mod json;
pub mod keep;
pub mod keyring;
pub mod mend;
pub mod mode;
pub mod new_event;
pub mod pace;
pub mod pins;
pub mod provider;
pub mod request;
pub mod retry;
pub mod route;
pub mod sample;
pub mod secret;
pub mod signature;
pub mod span;
pub mod summary;
pub mod text;
pub mod timestamp;
pub mod verdict;
pub mod verification;
