//! From a URL to a connection, at one of the addresses that the resolver gave.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::fault::Fault;
use super::http2::Lane;
use super::ours::Ours;
use super::resolver::Resolver;
use super::tls::Tls;
use super::wire::{Stream, Wire};
use super::{Options, Outgoing};
use crate::domain::address::{Kind, is_metadata_name, kind};

/// A connection to a target, by what was agreed on to speak.
pub(super) enum Connected {
    Http1(Wire),
    Http2(Lane),
}

/// Says whether a request goes over TLS.
pub(super) fn is_tls(outgoing: &Outgoing) -> bool {
    outgoing.url.scheme() == "https"
}

/// Connects to a request's target.
pub(super) async fn connect(
    outgoing: &Outgoing,
    options: Options,
    deadline: Instant,
    resolver: &Resolver,
    tls: &Tls,
    ours: &Ours,
) -> Result<Connected, Fault> {
    let addresses = allowed(outgoing, options, resolver).await?;
    let reached = reach(outgoing, &addresses, deadline).await;
    let stream = reached.inspect_err(|_| resolver.failed(&outgoing.url))?;
    let _ = stream.set_nodelay(true);
    let peer = stream.peer_addr().unwrap_or(addresses[0]);
    let near = ours.watch(&stream);
    if !is_tls(outgoing) {
        return Ok(Connected::Http1(Wire::new(
            Stream::Plain(stream),
            peer,
            near,
        )));
    }
    let name = outgoing.host();
    let server_name = ServerName::try_from(name.trim_matches(['[', ']']).to_owned())
        .map_err(|_| Fault::NoTlsName(name.clone()))?;
    let stream = TlsConnector::from(tls.config(options.insecure)?)
        .connect(server_name, stream)
        .await
        .map_err(|error| Fault::of_tls(peer, &name, &error))?;
    let stream = Box::new(stream);
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        return Ok(Connected::Http2(Lane::open(stream, peer, near).await?));
    }
    Ok(Connected::Http1(Wire::new(Stream::Tls(stream), peer, near)))
}

/// Finds the addresses that may be sent to.
async fn allowed(
    outgoing: &Outgoing,
    options: Options,
    resolver: &Resolver,
) -> Result<Vec<SocketAddr>, Fault> {
    if !options.link_local && is_metadata_name(&outgoing.host()) {
        return Err(Fault::Metadata(outgoing.host()));
    }
    let mut found = resolver.addresses(&outgoing.url).await?;
    let first = found[0].ip();
    found.retain(|found| options.link_local || kind(found.ip()) != Kind::LinkLocal);
    if found.is_empty() {
        return Err(Fault::LinkLocal(outgoing.host(), first));
    }
    Ok(found)
}

/// Tries the addresses in turn, each for its share of the time that is left.
async fn reach(
    outgoing: &Outgoing,
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<TcpStream, Fault> {
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for (index, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            // The last address has the whole rest: the caller's own time-out
            // tells it better.
            Err(_) if index + 1 == addresses.len() => std::future::pending().await,
            Err(_) => {}
        }
    }
    Err(Fault::of_connect(outgoing.authority(), &last))
}
