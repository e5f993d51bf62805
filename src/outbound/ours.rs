//! The near ends of a client's open connections: what arrives from one of
//! them, creel has sent to itself.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpStream;

/// The near ends of open connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Ours(Arc<Mutex<BTreeSet<SocketAddr>>>);

/// The near end of a connection; known until this is dropped.
#[derive(Debug)]
pub(super) struct NearEnd {
    address: Option<SocketAddr>,
    ours: Ours,
}

impl Ours {
    /// Knows a connection from now on.
    pub(super) fn watch(&self, stream: &TcpStream) -> NearEnd {
        let address = stream.local_addr().ok().map(canonical);
        if let Some(address) = address {
            self.lock().insert(address);
        }
        NearEnd {
            address,
            ours: self.clone(),
        }
    }

    /// Says whether an address is the near end of one.
    pub(super) fn has(&self, address: SocketAddr) -> bool {
        self.lock().contains(&canonical(address))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<SocketAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket of both families writes IPv4 addresses in IPv6.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl Drop for NearEnd {
    fn drop(&mut self) {
        if let Some(address) = self.address {
            self.ours.lock().remove(&address);
        }
    }
}
