//! Opens a connection to one of the addresses of a target.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::error::SendError;
use super::http1_connection::{Http1Connection, Stream};
use super::http2::Http2Connection;
use super::own_connections::OwnConnections;
use super::resolver::Resolver;
use super::tls::Tls;
use super::{Outgoing, SendOptions};
use crate::domain::address::{AddressKind, is_metadata_name, kind};

/// A connection to a target, by the negotiated protocol.
pub(super) enum NewConnection {
    Http1(Http1Connection),
    Http2(Http2Connection),
}

/// Returns `true` if a request is sent over TLS.
pub(super) fn is_tls(outgoing: &Outgoing) -> bool {
    outgoing.url.scheme() == "https"
}

/// Connects to a request's target.
pub(super) async fn connect(
    outgoing: &Outgoing,
    options: SendOptions,
    deadline: Instant,
    resolver: &Resolver,
    tls: &Tls,
    own_connections: &OwnConnections,
) -> Result<NewConnection, SendError> {
    let addresses = allowed(outgoing, options, resolver).await?;
    let reached = reach(outgoing, &addresses, deadline).await;
    let stream = reached.inspect_err(|_| resolver.failed(&outgoing.url))?;
    let _ = stream.set_nodelay(true);
    let peer = stream.peer_addr().unwrap_or(addresses[0]);
    let guard = own_connections.register(&stream);
    if !is_tls(outgoing) {
        return Ok(NewConnection::Http1(Http1Connection::new(
            Stream::Plain(stream),
            peer,
            guard,
        )));
    }
    let name = outgoing.host();
    let server_name = ServerName::try_from(name.trim_matches(['[', ']']).to_owned())
        .map_err(|_| SendError::NoTlsName(name.clone()))?;
    let stream = TlsConnector::from(tls.config(options.insecure)?)
        .connect(server_name, stream)
        .await
        .map_err(|error| SendError::tls(peer, &name, &error))?;
    let stream = Box::new(stream);
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        return Ok(NewConnection::Http2(
            Http2Connection::open(stream, peer, guard).await?,
        ));
    }
    Ok(NewConnection::Http1(Http1Connection::new(
        Stream::Tls(stream),
        peer,
        guard,
    )))
}

/// Resolves the addresses that the options allow.
async fn allowed(
    outgoing: &Outgoing,
    options: SendOptions,
    resolver: &Resolver,
) -> Result<Vec<SocketAddr>, SendError> {
    if !options.link_local && is_metadata_name(&outgoing.host()) {
        return Err(SendError::Metadata(outgoing.host()));
    }
    let mut found = resolver.addresses(&outgoing.url).await?;
    let first = found[0].ip();
    found.retain(|found| options.link_local || kind(found.ip()) != AddressKind::LinkLocal);
    if found.is_empty() {
        return Err(SendError::LinkLocal(outgoing.host(), first));
    }
    Ok(found)
}

/// Tries the addresses in order, each for its share of the remaining time.
async fn reach(
    outgoing: &Outgoing,
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<TcpStream, SendError> {
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for (index, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            // The last address gets the remaining time: the caller's timeout
            // has the better message.
            Err(_) if index + 1 == addresses.len() => std::future::pending().await,
            Err(_) => {}
        }
    }
    Err(SendError::connect(outgoing.authority(), &last))
}
