//! What goes out, byte for byte, of what came in over a raw socket.

use creel::outbound::{Client, SendOptions, prepare};
use creel::server::Limits;

use crate::support::receiver::{Receiver, within};
use crate::support::upstream::Upstream;

/// Receives a request and sends it on; returns what the target read, with its
/// own address taken out, and checks that this is what is listed.
async fn sent(request: &[u8]) -> String {
    let receiver = Receiver::start(Limits::default()).await;
    let upstream = Upstream::saying("HTTP/1.1 204 No Content\r\n\r\n").await;
    receiver.send(request).await;
    let request = receiver.only().request;
    let outgoing = prepare(&request, &upstream.url(), request.headers.clone()).unwrap();
    let exchange = within(Client::default().send(&outgoing, SendOptions::default())).await;
    assert_eq!(exchange.error, None);
    let seen = upstream.requests().remove(0).escape_ascii().to_string();
    let (_, fields) = seen.split_once(r"\r\n").unwrap();
    let listed: Vec<String> = exchange
        .sent_headers
        .iter()
        .map(|h| format!(r"{}: {}\r\n", h.name, h.value.escape_ascii()))
        .collect();
    let listed = listed.concat();
    assert!(
        fields.starts_with(&format!(r"{listed}\r\n")),
        "{listed} is not {fields}"
    );
    seen.replace(&upstream.addr.to_string(), "APP")
}

#[tokio::test]
async fn only_what_concerns_one_connection_is_left_out() {
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    let with_gzip = [
        b"PUT /z HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\n",
        &gzip[..],
    ]
    .concat();
    let gzip = gzip.escape_ascii();
    for (request, expected) in [
        (
            &b"GET /plain HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            r"GET /plain HTTP/1.1\r\nhost: APP\r\n\r\n".to_owned(),
        ),
        (
            b"GET /full HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n\x00\xff",
            r"GET /full HTTP/1.1\r\nhost: APP\r\ncontent-length: 2\r\n\r\n\x00\xff".to_owned(),
        ),
        (
            b"HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n",
            r"HEAD /h HTTP/1.1\r\nhost: APP\r\n\r\n".to_owned(),
        ),
        (
            b"DELETE /d HTTP/1.1\r\nX-1: a\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            r"DELETE /d HTTP/1.1\r\nx-1: a\r\nhost: APP\r\ncontent-length: 0\r\n\r\n".to_owned(),
        ),
        (
            b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\
              X-After: 1\r\n\r\n3;e=1\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n",
            r"POST /c HTTP/1.1\r\nhost: APP\r\nx-after: 1\r\ncontent-length: 5\r\n\r\nabcde".to_owned(),
        ),
        (
            b"POST / HTTP/1.1\r\nX-A: \xe9\xff\r\nConnection: close, X-Hop , keep-alive\r\nX-Hop: 1\r\n\
              Keep-Alive: timeout=5\r\nTE: trailers\r\nProxy-Connection: keep-alive\r\nX-Empty:\r\n\
              X-A: again\r\nHost: a\r\nProxy-Status: stays\r\nUpgrade-Insecure-Requests: 1\r\n\
              Via: 1.1 stays\r\nContent-Length: 0\r\n\r\n",
            r"POST / HTTP/1.1\r\nx-a: \xe9\xff\r\nx-empty: \r\nx-a: again\r\nhost: APP\r\n".to_owned()
                + r"proxy-status: stays\r\nupgrade-insecure-requests: 1\r\nvia: 1.1 stays\r\n"
                + r"content-length: 0\r\n\r\n",
        ),
        (
            &with_gzip,
            format!(
                r"PUT /z HTTP/1.1\r\nhost: APP\r\ncontent-encoding: gzip\r\ncontent-length: 20\r\n\r\n{gzip}"
            ),
        ),
    ] {
        assert_eq!(sent(request).await, expected);
    }
}
