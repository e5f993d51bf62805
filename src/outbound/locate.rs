//! Resolves the hosts of targets before anything is sent.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Client, SendOptions, outgoing};
use crate::domain::address::ResolvedHost;
use crate::domain::failure::Failure;

/// Timeout for resolving one host.
const DNS_TIMEOUT: Duration = Duration::from_secs(5);

impl Client {
    /// Resolves the hosts of targets, each host once. A host that cannot be
    /// resolved has no addresses. The next connection to a host uses the
    /// addresses found here.
    ///
    /// # Errors
    /// Returns a [`Failure`] if a target is not a valid URL.
    pub async fn locate<'a>(
        &self,
        targets: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<ResolvedHost>, Failure> {
        let mut hosts = BTreeMap::new();
        for target in targets {
            let url = outgoing::parse(target)?;
            hosts.insert(url.host_str().unwrap_or_default().to_owned(), url);
        }
        let mut places = Vec::with_capacity(hosts.len());
        for (host, url) in hosts {
            let found = tokio::time::timeout(DNS_TIMEOUT, self.resolver.refresh(&url)).await;
            let mut addresses: Vec<_> = found
                .ok()
                .and_then(Result::ok)
                .unwrap_or_default()
                .iter()
                .map(std::net::SocketAddr::ip)
                .collect();
            addresses.sort_unstable();
            addresses.dedup();
            places.push(ResolvedHost { host, addresses });
        }
        Ok(places)
    }
}

/// Returns the places that are asked for before anything is sent to them: all
/// that are not this machine. What would be refused or is not found is not
/// asked for; sending to it tells why.
pub fn remote_hosts(places: Vec<ResolvedHost>, options: SendOptions) -> Vec<ResolvedHost> {
    places
        .into_iter()
        .filter(|place| place.needs_confirmation(options.link_local))
        .collect()
}
