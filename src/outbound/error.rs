//! Defines the errors of an exchange with a target, and their messages.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustls::CertificateError;

use super::MAX_BUFFERED_BYTES;
use super::{MAX_FIELDS, MAX_HEAD_BYTES};

/// An error of an exchange. The messages name the timeouts of
/// [`super::Timeouts`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SendError {
    #[error("The name {0} was not found: {1}.")]
    NoAddress(String, String),
    #[error(
        "{name} a link-local or cloud metadata address; creel does not send there without --allow-link-local.",
        name = name_with_address(.0, *.1)
    )]
    LinkLocal(String, IpAddr),
    #[error(
        "{0} is the name of a cloud's metadata service; creel does not send there without --allow-link-local."
    )]
    Metadata(String),
    #[error(
        "{0} resolved to this machine before and resolves to {1} now; creel does not forward there without confirmation. Resend to it by hand, or restart creel."
    )]
    LeftLoopback(String, IpAddr),
    #[error("{0} refused the connection: nothing listens there.")]
    Refused(String),
    #[error("{0} cannot be reached: {1}.")]
    Unreachable(String, String),
    #[error("No connection to {0} within {time} (connect time-out).", time = seconds_or_millis(*.1))]
    Connect(String, Duration),
    #[error("No answer within {time} (first-byte time-out).", time = seconds_or_millis(*.0))]
    FirstByte(Duration),
    #[error("The answer was not complete within {time} (total time-out).", time = seconds_or_millis(*.0))]
    Total(Duration),
    #[error("TLS: the system's trusted certificates cannot be read: {0}.")]
    NoRoots(String),
    #[error("TLS: {0} is not a valid server name.")]
    NoTlsName(String),
    #[error("TLS: {0} does not speak TLS; an http:// target may be meant.")]
    NotTls(SocketAddr),
    #[error("TLS: the certificate of {0} {1}.")]
    Certificate(String, String),
    #[error("TLS: the handshake with {0} failed: {1}.")]
    Handshake(SocketAddr, String),
    #[error("{0} closed the connection without an answer.")]
    NoAnswer(SocketAddr),
    #[error("{0} closed the connection in the middle of the answer's head.")]
    TruncatedHead(SocketAddr),
    #[error("{0} reset the connection before it answered.")]
    Reset(SocketAddr),
    #[error("{0} speaks TLS; an https:// target may be meant.")]
    SpeaksTls(SocketAddr),
    #[error("{0} speaks HTTP/2 only, which creel supports over https only.")]
    SpeaksHttp2(SocketAddr),
    #[error("{0} sends interim responses (1xx) without a final one.")]
    OnlyInterimResponses(SocketAddr),
    #[error("{0} does not answer in HTTP: {1}. Its answer begins with \"{2}\".")]
    Malformed(SocketAddr, String, String),
    #[error(
        "The answer's head is larger than {MAX_HEAD_BYTES} B or has more than {MAX_FIELDS} fields."
    )]
    LargeHead,
    #[error("The exchange with {0} failed: {1}.")]
    Other(SocketAddr, String),
    #[error("The connection was reset after {0} B of the answer's body.")]
    ResetInBody(u64),
    #[error("The connection was closed after {0} B of the answer's body, before its end.")]
    TruncatedBody(u64),
    #[error("The answer's body is malformed after {0} B: {1}.")]
    MalformedBody(u64, String),
    #[error("Reading stopped after {0} B of the answer's body; there is more.")]
    BodyTooLarge(u64),
    #[error(
        "{held} MiB of responses are buffered for slow senders; this one exceeds the limit after {0} B.",
        held = MAX_BUFFERED_BYTES >> 20
    )]
    NoMemory(u64),
    #[error("HTTP/2 cannot carry this request: {0}.")]
    NotHttp2(String),
}

impl SendError {
    /// Creates the error for a failed name lookup.
    pub(super) fn lookup(name: &str, error: &io::Error) -> Self {
        let why = error.to_string();
        let why = why.rsplit(": ").next().unwrap_or(&why);
        Self::NoAddress(name.to_owned(), lower_first(why))
    }

    /// Creates the error for a failed connection attempt.
    pub(super) fn connect(authority: String, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused(authority),
            _ => Self::Unreachable(authority, without_os_code(error)),
        }
    }

    /// Creates the error for a failed TLS handshake.
    pub(super) fn tls(peer: SocketAddr, host: &str, error: &io::Error) -> Self {
        let Some(tls) = error
            .get_ref()
            .and_then(|e| e.downcast_ref::<rustls::Error>())
        else {
            let why = match error.kind() {
                io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
                io::ErrorKind::ConnectionReset => "it reset the connection".to_owned(),
                _ => without_os_code(error),
            };
            return Self::Handshake(peer, why);
        };
        match tls {
            rustls::Error::InvalidMessage(_) => Self::NotTls(peer),
            rustls::Error::InvalidCertificate(why) => {
                Self::Certificate(host.to_owned(), certificate_problem(why))
            }
            rustls::Error::AlertReceived(alert) => {
                Self::Handshake(peer, format!("it answered with the alert {alert:?}"))
            }
            other => Self::Handshake(peer, lower_first(&other.to_string())),
        }
    }

    /// Creates the error for a failed read before the head of a response was
    /// complete.
    pub(super) fn read(peer: SocketAddr, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Self::Reset(peer),
            // The peer closed the TLS connection without a `close_notify`.
            io::ErrorKind::UnexpectedEof => Self::NoAnswer(peer),
            _ => Self::Other(peer, without_os_code(error)),
        }
    }

    /// Creates the error for an HTTP/2 exchange without a response head.
    pub(super) fn http2(peer: SocketAddr, error: &hyper::Error) -> Self {
        if let Some(io) = cause::<io::Error>(error) {
            return Self::read(peer, io);
        }
        if error.is_canceled() || error.is_closed() || error.is_incomplete_message() {
            return Self::NoAnswer(peer);
        }
        Self::Other(peer, lower_first(&chain(error)))
    }

    /// Returns `true` if the connection ended before any byte of a response.
    pub(super) const fn is_silence(&self) -> bool {
        matches!(self, Self::NoAnswer(_) | Self::Reset(_))
    }

    /// Creates the error for an HTTP/2 body that ended after `size` bytes.
    pub(super) fn body(error: &hyper::Error, size: u64) -> Self {
        match cause::<io::Error>(error).map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionReset) => Self::ResetInBody(size),
            None if !error.is_incomplete_message() => {
                Self::MalformedBody(size, lower_first(&chain(error)))
            }
            _ => Self::TruncatedBody(size),
        }
    }
}

/// Describes the problem of a certificate, as the predicate of a sentence.
fn certificate_problem(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "comes from an issuer that this system does not trust (unknown issuer)".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for another name".to_owned()
        }
        CertificateError::Revoked => "was revoked".to_owned(),
        CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "has a signature that does not match its issuer's key".to_owned()
        }
        CertificateError::BadEncoding => "cannot be read".to_owned(),
        // A certificate made by `openssl req -x509`, which webpki treats as one
        // of a certificate authority.
        CertificateError::Other(why) if format!("{why:?}").contains("CaUsedAsEndEntity") => {
            "is self-signed".to_owned()
        }
        other => format!("is not acceptable: {other}"),
    }
}

/// Returns an error and its causes, outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let here = next?;
        next = here.source();
        Some(here)
    })
}

/// Returns the first error of type `T` among an error and its causes.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// Formats an error and its causes, separated by colons.
fn chain(error: &(dyn Error + 'static)) -> String {
    let all: Vec<_> = causes(error).map(ToString::to_string).collect();
    all.join(": ")
}

/// Formats a system error without its error number.
fn without_os_code(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    lower_first(text)
}

fn lower_first(text: &str) -> String {
    let mut chars = text.trim_end_matches('.').chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// Formats a name with its address, or the address alone if they are equal.
fn name_with_address(name: &str, address: IpAddr) -> String {
    if name.trim_matches(['[', ']']).parse() == Ok(address) {
        format!("{address} is")
    } else {
        format!("{name} is {address},")
    }
}

/// Formats a timeout with its unit.
fn seconds_or_millis(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_errors_name_the_problem() {
        let peer = "127.0.0.1:443".parse().unwrap();
        for (why, expected) in [
            (CertificateError::Expired, "has expired"),
            (CertificateError::NotValidYet, "is not valid yet"),
            (CertificateError::NotValidForName, "is for another name"),
            (CertificateError::Revoked, "was revoked"),
        ] {
            let error = io::Error::other(rustls::Error::InvalidCertificate(why));
            assert_eq!(
                SendError::tls(peer, "h.test", &error).to_string(),
                format!("TLS: the certificate of h.test {expected}.")
            );
        }
    }

    #[test]
    fn a_self_signed_certificate_is_named_as_such() {
        let why = rustls::OtherError(std::sync::Arc::new(io::Error::other("CaUsedAsEndEntity")));
        assert_eq!(
            certificate_problem(&CertificateError::Other(why)),
            "is self-signed"
        );
    }

    #[test]
    fn each_timeout_has_its_own_message() {
        use crate::domain::attempt::TIMEOUT_MARK;
        let time = Duration::from_secs(1);
        for fault in [
            SendError::Connect("h:1".into(), time),
            SendError::FirstByte(time),
            SendError::Total(time),
        ] {
            assert!(fault.to_string().contains(TIMEOUT_MARK), "{fault}");
        }
        assert!(
            !SendError::Refused("h:1".into())
                .to_string()
                .contains(TIMEOUT_MARK)
        );
    }

    #[test]
    fn time_outs_have_units() {
        assert_eq!(
            SendError::FirstByte(Duration::from_secs(30)).to_string(),
            "No answer within 30 s (first-byte time-out)."
        );
        assert_eq!(seconds_or_millis(Duration::from_millis(1500)), "1500 ms");
    }
}
