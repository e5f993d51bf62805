//! Resolves host names and caches the addresses.
//!
//! Connections use the addresses that the user confirmed. A name that resolves
//! to another address a moment later (DNS rebinding) is not contacted.

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

/// How long addresses stay cached.
const CACHE_TTL: Duration = Duration::from_mins(5);

/// Maximum number of cached names; the cache is cleared beyond it.
const MAX_CACHED_NAMES: usize = 1024;

/// Resolves a name to its addresses.
pub type Lookup = Box<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// Resolves names and caches the results.
pub(super) struct Resolver {
    lookup: Lookup,
    cache: Mutex<HashMap<String, CachedName>>,
}

struct CachedName {
    addresses: Vec<IpAddr>,
    since: Instant,
    /// Whether connecting to all addresses failed.
    failed: bool,
}

/// Whether a name may resolve to other addresses than before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rebinding {
    /// Yes: the user confirms the host before anything is sent.
    Allowed,
    /// Not from this machine to another one, which the user has not confirmed.
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

    /// Resolves the host of a URL for a confirmation and caches the addresses.
    pub(super) async fn refresh(&self, url: &Url) -> Result<Vec<SocketAddr>, SendError> {
        if let Some(Host::Domain(name)) = url.host() {
            self.query(name, Rebinding::Allowed).await?;
        }
        self.addresses(url).await
    }

    /// Returns the addresses of a URL's host with its port, from the cache if
    /// possible.
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

    /// Marks the cached addresses of a URL's host as failed: the next
    /// connection resolves the name again, as the host may have moved.
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
