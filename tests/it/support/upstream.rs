//! A scripted target: takes requests as they come and acts on each as told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A certificate for localhost that nobody trusts, and its key.
const SELF_SIGNED: &[u8] = include_bytes!("localhost.pem");

/// One thing a target does after it has read a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Writes bytes.
    Say(Vec<u8>),
    /// Writes bytes again and again.
    SayForever(Vec<u8>),
    /// Writes bytes so many times.
    SayTimes(Vec<u8>, usize),
    /// Writes a byte now and then, for ever.
    Drip(u8),
    /// Takes another request on the same connection and does it all again.
    Again,
    /// Does nothing for a while, as a slow app.
    Pause(Duration),
    /// Does nothing more, and keeps the connection open.
    Hang,
    /// Resets the connection.
    Reset,
}

impl Act {
    /// Writes text.
    pub(crate) fn say(text: impl AsRef<[u8]>) -> Self {
        Self::Say(text.as_ref().to_vec())
    }
}

/// How a target speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    /// HTTP/1 without TLS.
    Plain,
    /// HTTP/1 over TLS.
    Tls,
    /// HTTP/1 over TLS, with a certificate of the authority `authority.pem`.
    TlsAs(&'static [u8]),
    /// HTTP/2 over TLS or HTTP/1, whichever the client asks for first.
    Either,
    /// HTTP/2 over TLS where the client can, else HTTP/1.
    RatherHttp2,
    /// HTTP/2 over TLS, and nothing else: answers 200 and keeps what it read
    /// as lines, acts on nothing.
    Http2,
}

/// What a target does with every connection.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What to do with each request; afterwards the connection is closed.
    pub(crate) acts: Vec<Act>,
    /// Whether to act without having read the request.
    pub(crate) rude: bool,
    /// How to speak.
    pub(crate) speech: Speech,
}

/// A running target.
pub(crate) struct Upstream {
    pub(crate) addr: SocketAddr,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
    connections: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Upstream {
    /// Starts one that answers every request with `text`.
    pub(crate) async fn saying(text: impl AsRef<[u8]>) -> Self {
        Self::acting(vec![Act::say(text)]).await
    }

    /// Starts one that does `acts` with every request.
    pub(crate) async fn acting(acts: Vec<Act>) -> Self {
        Self::start(Plan {
            acts,
            rude: false,
            speech: Speech::Plain,
        })
        .await
    }

    /// Starts one.
    pub(crate) async fn start(plan: Plan) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, plan.clone(), Arc::clone(&seen)));
            }
        });
        Self {
            addr,
            requests,
            connections,
            serving,
        }
    }

    /// Returns its address as a target.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Returns how many connections were made to it so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Returns the requests so far, byte for byte.
    pub(crate) fn requests(&self) -> Vec<Vec<u8>> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(stream: TcpStream, plan: Plan, seen: Arc<Mutex<Vec<Vec<u8>>>>) {
    let tls = match plan.speech {
        Speech::Plain => None,
        Speech::Tls => Some(acceptor(SELF_SIGNED, &[b"http/1.1"])),
        Speech::TlsAs(certificate) => Some(acceptor(certificate, &[b"http/1.1"])),
        Speech::Http2 => Some(acceptor(SELF_SIGNED, &[b"h2"])),
        Speech::Either => Some(acceptor(SELF_SIGNED, &[b"http/1.1", b"h2"])),
        Speech::RatherHttp2 => Some(acceptor(SELF_SIGNED, &[b"h2", b"http/1.1"])),
    };
    if let Some(tls) = tls {
        if let Ok(mut stream) = tls.accept(stream).await {
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                serve_h2(stream, seen).await;
            } else {
                act(&mut stream, &plan, &seen).await;
                let _ = stream.shutdown().await;
            }
        }
        return;
    }
    let mut stream = stream;
    if act(&mut stream, &plan, &seen).await {
        // Closing with no time to linger resets the connection.
        let _ = stream.set_zero_linger();
    }
}

/// Answers requests over HTTP/2, and keeps each as lines.
async fn serve_h2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let seen = Arc::clone(&seen);
        async move {
            let (head, body) = request.into_parts();
            let mut text = format!("{} {}\n", head.method, head.uri).into_bytes();
            for (name, value) in &head.headers {
                text.extend_from_slice(format!("{name}: ").as_bytes());
                text.extend_from_slice(value.as_bytes());
                text.push(b'\n');
            }
            text.extend_from_slice(&body.collect().await?.to_bytes());
            seen.lock().unwrap().push(text);
            Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from_static(b"two"))))
        }
    });
    let _ = http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Acts on requests; says whether the connection is to be reset.
async fn act(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    plan: &Plan,
    seen: &Mutex<Vec<Vec<u8>>>,
) -> bool {
    loop {
        if !plan.rude {
            let Some(request) = read_request(stream).await else {
                return false;
            };
            seen.lock().unwrap().push(request);
        }
        for act in &plan.acts {
            match act {
                Act::Say(bytes) => {
                    if stream.write_all(bytes).await.is_err() {
                        return false;
                    }
                    let _ = stream.flush().await;
                }
                Act::SayForever(bytes) => {
                    while stream.write_all(bytes).await.is_ok() {}
                    return false;
                }
                Act::SayTimes(bytes, times) => {
                    for _ in 0..*times {
                        if stream.write_all(bytes).await.is_err() {
                            return false;
                        }
                    }
                    let _ = stream.flush().await;
                }
                Act::Drip(byte) => {
                    while stream.write_all(&[*byte]).await.is_ok() {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    return false;
                }
                Act::Pause(time) => tokio::time::sleep(*time).await,
                Act::Hang => std::future::pending().await,
                Act::Reset => return true,
                Act::Again => {}
            }
        }
        if !matches!(plan.acts.last(), Some(Act::Again)) {
            return false;
        }
    }
}

/// Reads one request with a `content-length` or without a body.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    loop {
        let end = request.windows(4).position(|w| w == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
            let length: usize = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if request.len() >= end + 4 + length {
                return Some(request);
            }
        }
        if stream.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
    }
}

fn acceptor(certificate: &[u8], protocols: &[&[u8]]) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::from_pem_slice(certificate).unwrap();
    let certificate = CertificateDer::from_pem_slice(certificate).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
    Arc::new(config).into()
}
