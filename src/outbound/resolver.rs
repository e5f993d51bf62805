//! From a host's name to its addresses, looked up once.
//!
//! The addresses that were found when somebody was asked about a target are
//! those that are connected to: a name that leads elsewhere a moment later
//! (DNS rebinding) gets nothing.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use url::{Host, Url};

use super::error::SendError;
use crate::domain::address::{AddressKind, kind};

/// How long the addresses of a name hold.
const CACHE_TTL: Duration = Duration::from_mins(5);

/// How many names are held at once; beyond it all are forgotten.
const MAX_CACHED_NAMES: usize = 1024;

/// Finds the addresses of a name.
pub type Lookup = Box<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// Looks names up and holds what was found.
pub(super) struct Resolver {
    lookup: Lookup,
    cache: Mutex<HashMap<String, CachedName>>,
}

struct CachedName {
    addresses: Vec<IpAddr>,
    since: Instant,
    /// Whether none of the addresses took a connection.
    failed: bool,
}

/// Whether a name may lead elsewhere than it did.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rebinding {
    /// Yes: somebody is asked about the place before anything is sent.
    Allowed,
    /// Not from this machine to another, of which nobody was asked.
    NotFromLoopback,
}

impl Default for Resolver {
    fn default() -> Self {
        Self::new(Box::new(|name| Box::pin(system_lookup(name))))
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl Resolver {
    pub(super) fn new(lookup: Lookup) -> Self {
        Self {
            lookup,
            cache: Mutex::default(),
        }
    }

    /// Looks the addresses of a URL's host up for somebody who asks about the
    /// place, and holds them.
    pub(super) async fn refresh(&self, url: &Url) -> Result<Vec<SocketAddr>, SendError> {
        if let Some(Host::Domain(name)) = url.host() {
            self.query(name, Rebinding::Allowed).await?;
        }
        self.addresses(url).await
    }

    /// Returns the addresses of a URL's host, at its port: those that are held,
    /// where there are any.
    pub(super) async fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, SendError> {
        let port = url.port_or_known_default().unwrap_or(80);
        let found = match url.host() {
            Some(Host::Ipv4(address)) => vec![address.into()],
            Some(Host::Ipv6(address)) => vec![address.into()],
            Some(Host::Domain(name)) => match self.cached(name) {
                Some(cache) => cache,
                None => self.query(name, Rebinding::NotFromLoopback).await?,
            },
            None => Vec::new(),
        };
        if found.is_empty() {
            let host = url.host_str().unwrap_or_default().to_owned();
            return Err(SendError::NoAddress(host, "no address".to_owned()));
        }
        Ok(found.into_iter().map(|ip| (ip, port).into()).collect())
    }

    /// Says that none of the addresses of a URL's host took a connection: they
    /// are looked up again for the next one, as the host may have moved.
    pub(super) fn failed(&self, url: &Url) {
        if let Some(Host::Domain(name)) = url.host()
            && let Some(cache) = self.cache().get_mut(name)
        {
            cache.failed = true;
        }
    }

    fn cached(&self, name: &str) -> Option<Vec<IpAddr>> {
        let cache = self.cache();
        let cache = cache.get(name)?;
        let holds = !cache.failed && cache.since.elapsed() < CACHE_TTL;
        holds.then(|| cache.addresses.clone())
    }

    async fn query(&self, name: &str, rebinding: Rebinding) -> Result<Vec<IpAddr>, SendError> {
        let mut found = (self.lookup)(name.to_owned())
            .await
            .map_err(|error| SendError::lookup(name, &error))?;
        let Some(first) = found.first().copied() else {
            return Ok(found);
        };
        let is_here = |address: &IpAddr| kind(*address) == AddressKind::Loopback;
        let mut cache = self.cache();
        let was_here = cache
            .get(name)
            .is_some_and(|cache| cache.addresses.iter().all(is_here));
        if was_here && rebinding == Rebinding::NotFromLoopback {
            found.retain(is_here);
            if found.is_empty() {
                return Err(SendError::LeftLoopback(name.to_owned(), first));
            }
        }
        if cache.len() >= MAX_CACHED_NAMES {
            cache.clear();
        }
        let fresh = CachedName {
            addresses: found.clone(),
            since: Instant::now(),
            failed: false,
        };
        cache.insert(name.to_owned(), fresh);
        Ok(found)
    }

    fn cache(&self) -> MutexGuard<'_, HashMap<String, CachedName>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn system_lookup(name: String) -> io::Result<Vec<IpAddr>> {
    let found = tokio::net::lookup_host((name, 0)).await?;
    Ok(found.map(|address| address.ip()).collect())
}
