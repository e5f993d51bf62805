//! Builds the TLS client configurations.

use std::sync::{Arc, OnceLock};

use hyper_rustls::ConfigBuilderExt as _;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};

use super::error::SendError;

/// TLS configurations, each built on first use, as reading the system's root
/// certificates takes time.
#[derive(Debug, Default)]
pub(super) struct Tls {
    trusting_roots: LazyConfig,
    trusting_any: LazyConfig,
}

type LazyConfig = OnceLock<Result<Arc<ClientConfig>, String>>;

impl Tls {
    /// Returns the configuration that trusts the system's roots, or any
    /// certificate.
    pub(super) fn config(&self, insecure: bool) -> Result<Arc<ClientConfig>, SendError> {
        let made = if insecure {
            &self.trusting_any
        } else {
            &self.trusting_roots
        };
        made.get_or_init(|| config(insecure))
            .clone()
            .map_err(SendError::NoRoots)
    }
}

/// Builds a TLS configuration. Offers HTTP/1.1 before HTTP/2, because only
/// HTTP/1.1 keeps the order of headers.
fn config(insecure: bool) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = if insecure {
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

/// Accepts any certificate, but still verifies that the server holds its
/// private key.
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
