//! Records the addresses of a client's open connections, to detect requests
//! that creel sent to itself. The local address alone is not enough: another
//! process may connect to creel from the same port if the remote addresses
//! differ.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpStream;

/// The open connections of a client.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnConnections(Arc<Mutex<BTreeSet<AddrPair>>>);

/// The local and the remote address of a connection.
type AddrPair = (SocketAddr, SocketAddr);

/// Keeps a connection registered until dropped.
#[derive(Debug)]
pub(super) struct OwnConnectionGuard {
    pair: Option<AddrPair>,
    own_connections: OwnConnections,
}

impl OwnConnections {
    /// Registers a connection.
    pub(super) fn register(&self, stream: &TcpStream) -> OwnConnectionGuard {
        let pair = || {
            let local = canonical(stream.local_addr().ok()?);
            Some((local, canonical(stream.peer_addr().ok()?)))
        };
        let pair = pair();
        if let Some(pair) = pair {
            self.lock().insert(pair);
        }
        OwnConnectionGuard {
            pair,
            own_connections: self.clone(),
        }
    }

    /// Returns `true` if `near` is the local address of a connection to `port`,
    /// or of any connection if `port` is `None`.
    pub(super) fn contains(&self, local: SocketAddr, port: Option<u16>) -> bool {
        let local = canonical(local);
        let first = (local, SocketAddr::from(([0, 0, 0, 0], 0)));
        self.lock()
            .range(first..)
            .take_while(|(other, _)| *other == local)
            .any(|(_, far)| port.is_none_or(|port| far.port() == port))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<AddrPair>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Maps an IPv4 address in IPv6 notation, as dual-stack sockets report it, to
/// IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl Drop for OwnConnectionGuard {
    fn drop(&mut self) {
        if let Some(pair) = self.pair {
            self.own_connections.lock().remove(&pair);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_registered_by_both_addresses_until_dropped() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let far = listener.local_addr().unwrap();
        let stream = TcpStream::connect(far).await.unwrap();
        let local = stream.local_addr().unwrap();
        let own_connections = OwnConnections::default();
        let known = own_connections.register(&stream);
        assert!(
            own_connections.contains(local, Some(far.port()))
                && own_connections.contains(local, None)
        );
        // Another process's connection from the same port to another.
        assert!(!own_connections.contains(local, Some(far.port() ^ 1)));
        assert!(!own_connections.contains(far, None));
        drop(known);
        assert!(!own_connections.contains(local, None));
    }
}
