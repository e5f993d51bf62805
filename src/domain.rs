//! What a delivery is and what is wrong with it.
//!
//! Plain values and functions over them: no files, sockets, clock, randomness,
//! async or terminal. It depends on nothing else of creel.

pub mod address;
pub mod assess;
pub mod attempt;
pub mod attempt_verdict;
pub mod body;
pub mod contract_json;
pub mod damage;
pub mod delivery;
pub mod diff;
pub mod doctor;
pub mod duration_spec;
pub mod edit;
pub mod endpoint;
pub mod event_id;
pub mod event_key;
pub mod export;
pub mod failure;
pub mod filter;
pub mod forward_mode;
pub mod future_tolerance;
pub mod handshake;
pub mod headers;
pub mod hop_by_hop;
pub mod id;
pub mod keyring;
pub mod new_event;
mod percent;
pub mod pins;
pub mod provider;
pub mod rate;
pub mod request;
pub mod response_plan;
pub mod retention;
pub mod retry;
pub mod route;
pub mod sample;
pub mod secret;
mod serde_base64;
pub mod signature;
pub mod summary;
pub mod text;
pub mod timestamp;
pub mod toml_error;
pub mod trusted_time;
pub mod verification;
