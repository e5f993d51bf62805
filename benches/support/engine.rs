//! An engine that a benchmark opens, and deliveries for it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use creel::clock::{Clock as _, System};
use creel::config::{self, Overrides};
use creel::domain::headers::Headers;
use creel::domain::request::Request;
use creel::engine::local::Local;
use creel::server::ReceivedRequest;

/// Opens an engine with the settings of a `creel.toml`.
pub(crate) fn open(home: &Path, settings: &str) -> Arc<Local> {
    let file = home.join("creel.toml");
    std::fs::write(&file, settings).expect("a file");
    let config = config::load(&Overrides {
        config: Some(file),
        data_dir: Some(home.join("data")),
        ..Overrides::default()
    })
    .expect("a configuration");
    let (local, _) = Local::open(&config, Arc::new(System), false).expect("a store");
    local
}

/// Makes a delivery that arrives now.
pub(crate) fn arrival(path: &str, headers: Headers, body: Bytes) -> ReceivedRequest {
    ReceivedRequest {
        received_at: System.now(),
        started: Instant::now(),
        remote_addr: SocketAddr::from(([127, 0, 0, 1], 4000)),
        request: Request {
            method: "POST".to_owned(),
            path: path.to_owned(),
            query: None,
            http_version: "1.1".to_owned(),
            headers,
            body,
        },
        refused: None,
    }
}
