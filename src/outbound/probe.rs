//! Checks whether a local target accepts connections.

use std::time::Duration;

use tokio::net::TcpStream;

use crate::domain::route::{authority, is_loopback};

/// Timeout for the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Returns whether a target on this machine accepts connections; `None` for
/// other hosts, which are never probed.
pub async fn probe_loopback(target: &str) -> Option<bool> {
    if !is_loopback(target) {
        return None;
    }
    let (host, port) = authority(target)?;
    let connecting = async {
        let found = tokio::net::lookup_host((host, port)).await?;
        // Ignores addresses of other machines.
        let here: Vec<_> = found.filter(|at| at.ip().is_loopback()).collect();
        TcpStream::connect(&here[..]).await
    };
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
    Some(matches!(connected, Ok(Ok(_))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tries_this_machine_and_no_other() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target = format!("http://{}/x", listener.local_addr().unwrap());
        assert_eq!(probe_loopback(&target).await, Some(true));
        drop(listener);
        assert_eq!(probe_loopback(&target).await, Some(false));
        assert_eq!(probe_loopback("http://192.0.2.1/").await, None);
        assert_eq!(probe_loopback("nonsense").await, None);
    }
}
