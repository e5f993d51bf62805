//! From a URL to a connection: one look-up, then the addresses it gave.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use hyper_rustls::ConfigBuilderExt;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Host;

use super::fault::Fault;
use super::ours::Ours;
use super::{Options, Outgoing, address};

/// What bytes go through in both directions.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection to a target.
pub(super) struct Connected {
    pub(super) stream: Box<dyn Duplex>,
    pub(super) peer: SocketAddr,
    /// Whether HTTP/2 was agreed on.
    pub(super) h2: bool,
}

/// Connects to a request's target.
pub(super) async fn connect(
    outgoing: &Outgoing,
    options: Options,
    deadline: Instant,
    ours: &Ours,
    tls: impl FnOnce() -> Result<Arc<ClientConfig>, Fault>,
) -> Result<Connected, Fault> {
    let addresses = look_up(outgoing, options).await?;
    let stream = reach(outgoing, &addresses, deadline).await?;
    let _ = stream.set_nodelay(true);
    let peer = stream.peer_addr().unwrap_or(addresses[0]);
    let stream = ours.watch(stream);
    if outgoing.url.scheme() != "https" {
        let stream = Box::new(stream);
        return Ok(Connected {
            stream,
            peer,
            h2: false,
        });
    }
    let name = outgoing.host();
    let server_name = ServerName::try_from(name.trim_matches(['[', ']']).to_owned())
        .map_err(|_| Fault::NoTlsName(name.clone()))?;
    let stream = TlsConnector::from(tls()?)
        .connect(server_name, stream)
        .await
        .map_err(|error| Fault::of_tls(peer, &name, &error))?;
    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok(Connected {
        stream: Box::new(stream),
        peer,
        h2,
    })
}

/// Makes the TLS settings: the system's roots, HTTP/1.1 before HTTP/2 because
/// only there the order of fields is kept.
pub(super) fn tls_config(options: Options) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = if options.insecure {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth()
    } else {
        builder
            .with_native_roots()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
    Ok(Arc::new(config))
}

async fn look_up(outgoing: &Outgoing, options: Options) -> Result<Vec<SocketAddr>, Fault> {
    let port = outgoing.port();
    let found: Vec<SocketAddr> = match outgoing.url.host() {
        Some(Host::Ipv4(address)) => vec![(address, port).into()],
        Some(Host::Ipv6(address)) => vec![(address, port).into()],
        Some(Host::Domain(name)) => tokio::net::lookup_host((name, port))
            .await
            .map_err(|error| Fault::of_look_up(name, &error))?
            .collect(),
        None => Vec::new(),
    };
    let Some(first) = found.first().copied() else {
        return Err(Fault::NoAddress(outgoing.host(), "no address".to_owned()));
    };
    let allowed: Vec<_> = found
        .into_iter()
        .filter(|found| options.link_local || !address::is_link_local(found.ip()))
        .collect();
    if allowed.is_empty() {
        return Err(Fault::LinkLocal(outgoing.host(), first.ip()));
    }
    Ok(allowed)
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

/// Takes any certificate, but still sees that the server holds its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
