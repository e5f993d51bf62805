//! A client's open connections, by both ends: what arrives over one of them,
//! creel has sent to itself. The near end alone does not tell: another process
//! may connect to creel from the same port, as long as the far ends differ.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpStream;

/// Open connections: near end and far end.
#[derive(Clone, Debug, Default)]
pub(super) struct Ours(Arc<Mutex<BTreeSet<Ends>>>);

/// The near and the far end of a connection.
type Ends = (SocketAddr, SocketAddr);

/// A connection's ends; known until this is dropped.
#[derive(Debug)]
pub(super) struct NearEnd {
    ends: Option<Ends>,
    ours: Ours,
}

impl Ours {
    /// Knows a connection from now on.
    pub(super) fn watch(&self, stream: &TcpStream) -> NearEnd {
        let ends = || {
            let near = canonical(stream.local_addr().ok()?);
            Some((near, canonical(stream.peer_addr().ok()?)))
        };
        let ends = ends();
        if let Some(ends) = ends {
            self.lock().insert(ends);
        }
        NearEnd {
            ends,
            ours: self.clone(),
        }
    }

    /// Says whether an address is the near end of one that goes to `port`;
    /// without a port, of any.
    pub(super) fn has(&self, near: SocketAddr, port: Option<u16>) -> bool {
        let near = canonical(near);
        let first = (near, SocketAddr::from(([0, 0, 0, 0], 0)));
        self.lock()
            .range(first..)
            .take_while(|(other, _)| *other == near)
            .any(|(_, far)| port.is_none_or(|port| far.port() == port))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Ends>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket of both families writes IPv4 addresses in IPv6.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl Drop for NearEnd {
    fn drop(&mut self) {
        if let Some(ends) = self.ends {
            self.ours.lock().remove(&ends);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_known_by_both_ends_while_it_lives() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let far = listener.local_addr().unwrap();
        let stream = TcpStream::connect(far).await.unwrap();
        let near = stream.local_addr().unwrap();
        let ours = Ours::default();
        let known = ours.watch(&stream);
        assert!(ours.has(near, Some(far.port())) && ours.has(near, None));
        // Somebody else's, from the same port to another.
        assert!(!ours.has(near, Some(far.port() ^ 1)));
        assert!(!ours.has(far, None));
        drop(known);
        assert!(!ours.has(near, None));
    }
}
