pub mod clock;
pub mod config;
pub mod domain;
pub mod outbound;
pub mod server;
pub mod store;
