//! Passing through: the sender gets the app's own answer, and the delivery
//! is kept first, whatever becomes of the app or the sender.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::channel;

use serde_json::{Value, json};

use crate::support::app::{App, ok, until};
use crate::support::creel::Creel;

fn passing(app: &App) -> Creel {
    Creel::serve(&["--target", &app.url(), "--mode", "pass-through"])
}

fn newest(creel: &Creel) -> Value {
    creel.run(&["show", "--json", "@latest"]).lines().remove(0)
}

/// Posts a body and returns head and body of the answer.
fn ask(creel: &Creel, path: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(creel.address).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    let body = answer.split_off(end);
    (String::from_utf8(answer).unwrap().to_lowercase(), body)
}

#[test]
fn the_sender_gets_status_headers_and_body_of_the_app() {
    let app = App::saying(|_| {
        b"HTTP/1.1 418 I'm a teapot\r\nSet-Cookie: a\r\nX-App: yes\r\nSet-Cookie: b\r\n\
          Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nContent-Length: 5\r\n\r\n\x00\xff{}\n"
            .to_vec()
    });
    let creel = passing(&app);
    let (head, body) = ask(&creel, "/hooks?x=1", b"sent");
    assert!(head.starts_with("http/1.1 418 "), "{head}");
    assert!(head.contains("x-app: yes\r\n"), "{head}");
    let cookies: Vec<&str> = head
        .lines()
        .filter(|l| l.starts_with("set-cookie"))
        .collect();
    assert_eq!(cookies, ["set-cookie: a", "set-cookie: b"]);
    assert!(
        !head.contains("x-hop") && !head.contains("keep-alive"),
        "{head}"
    );
    assert_eq!(body, b"\x00\xff{}\n");
    assert_eq!(app.targets(1), ["/hooks?x=1"]);
    assert_eq!(app.seen()[0].body, b"sent");
    let shown = newest(&creel);
    assert_eq!(shown["answer"]["by"], json!("target"));
    assert_eq!(shown["answer"]["status"], json!(418));
    assert!(shown["answer"]["duration_ms"].is_u64());
    assert_eq!(shown["attempts"][0]["kind"], json!("forward"));
    assert_eq!(shown["attempts"].as_array().unwrap().len(), 1);
}

#[test]
fn a_large_answer_comes_whole_in_chunks_or_not() {
    let large: Vec<u8> = (0..5_000_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let answer = large.clone();
    let app = App::saying(move |seen| {
        if seen.target() == "/plain" {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                answer.len()
            );
            return [head.as_bytes(), &answer].concat();
        }
        let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in answer.chunks(70_000) {
            chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            chunked.extend_from_slice(chunk);
            chunked.extend_from_slice(b"\r\n");
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        chunked
    });
    let creel = passing(&app);
    for path in ["/plain", "/chunked"] {
        let (head, body) = ask(&creel, path, b"");
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        assert!(body == large, "{path}: {} bytes came", body.len());
        let attempt = &newest(&creel)["attempts"][0];
        assert_eq!(attempt["body"]["size"], json!(5_000_000));
        assert_eq!(attempt["outcome"], json!("delivered"));
    }
}

#[test]
fn an_app_that_is_down_or_rude_is_a_502_with_a_reason_and_the_delivery_is_kept() {
    let down = App::down(|_| ok());
    let creel = passing(&down);
    let (head, body) = ask(&creel, "/down", b"kept");
    assert!(head.starts_with("http/1.1 502 "), "{head}");
    assert!(head.contains("content-type: text/plain"), "{head}");
    let body = String::from_utf8(body).unwrap();
    assert!(
        body.contains("is kept") && body.contains("refused the connection"),
        "{body}"
    );
    let shown = newest(&creel);
    assert_eq!(shown["answer"]["by"], json!("creel-target-down"));
    assert_eq!(shown["answer"]["status"], json!(502));
    assert_eq!(shown["body"]["text"], json!("kept"));
    assert_eq!(shown["attempts"][0]["status"], Value::Null);
    // Its sender was told, and sends it again; creel does not.
    assert_eq!(
        creel.run(&["list", "--json", "app:waiting"]).lines().len(),
        0
    );
    assert_eq!(creel.run(&["list", "--json", "app:down"]).lines().len(), 1);

    for answer in [
        "nonsense\r\n\r\n",
        "",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut",
        "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ] {
        let rude = App::saying(move |_| answer.as_bytes().to_vec());
        let creel = passing(&rude);
        let (head, body) = ask(&creel, "/", b"");
        assert!(head.starts_with("http/1.1 502 "), "{answer:?}: {head}");
        assert!(!body.is_empty());
        assert_eq!(newest(&creel)["answer"]["status"], json!(502), "{answer:?}");
    }
}

#[test]
fn a_sender_that_leaves_does_not_stop_it() {
    let (go, gone) = channel::<()>();
    let gone = Mutex::new(gone);
    let app = App::saying(move |_| {
        let _ = gone.lock().unwrap().recv();
        ok()
    });
    let creel = passing(&app);
    let mut stream = TcpStream::connect(creel.address).unwrap();
    stream
        .write_all(b"POST /left HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
        .unwrap();
    until("the delivery to be kept", || {
        (creel.list().len() == 1).then_some(())
    });
    let waiting = newest(&creel);
    assert_eq!(waiting["answer"]["status"], json!(0));
    assert_eq!(waiting["attempts"], json!([]));
    stream.shutdown(Shutdown::Both).unwrap();
    drop(stream);
    go.send(()).unwrap();
    let shown = until("the attempt", || {
        let shown = newest(&creel);
        (shown["attempts"].as_array().unwrap().len() == 1).then_some(shown)
    });
    assert_eq!(shown["attempts"][0]["status"], json!(200));
    assert_eq!(shown["answer"]["by"], json!("target"));
}

#[test]
fn killed_while_the_app_is_asked_the_delivery_is_kept_and_its_sender_was_told_nothing() {
    let (go, gone) = channel::<()>();
    let gone = Mutex::new(gone);
    let app = App::saying(move |_| {
        let _ = gone.lock().unwrap().recv();
        ok()
    });
    let creel = passing(&app);
    let address = creel.address;
    let sender = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let request = b"POST /cut HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    });
    until("the delivery to be kept", || {
        (creel.list().len() == 1).then_some(())
    });
    let home = creel.kill();
    assert_eq!(sender.join().unwrap(), b"");
    drop(go);
    let creel = Creel::serve_in(home, &["--target", &app.url(), "--mode", "pass-through"]);
    let shown = newest(&creel);
    assert_eq!(shown["answer"]["status"], json!(0));
    assert_eq!(shown["answer"]["by"], json!("creel-target-down"));
}

#[test]
fn ending_while_the_app_is_asked_does_not_take_for_ever() {
    let (go, gone) = channel::<()>();
    let gone = Mutex::new(gone);
    let app = App::saying(move |_| {
        let _ = gone.lock().unwrap().recv();
        ok()
    });
    let mut creel = passing(&app);
    let mut stream = TcpStream::connect(creel.address).unwrap();
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        .unwrap();
    until("the delivery to be kept", || {
        (creel.list().len() == 1).then_some(())
    });
    assert_eq!(creel.signal("-TERM"), Some(0));
    let mut told = String::new();
    stream.read_to_string(&mut told).unwrap();
    assert!(told.starts_with("HTTP/1.1 502 "), "{told}");
    assert!(
        told.contains("creel ended before the app answered."),
        "{told}"
    );
    drop(go);
    let home = creel.home();
    let creel = Creel::serve_in(home, &[]);
    let attempt = &newest(&creel)["attempts"][0];
    assert_eq!(
        attempt["error"],
        json!("creel ended before the app answered.")
    );
}
