//! Senders that take their time cost little memory.

use std::io::Write as _;
use std::net::TcpStream;

use crate::support::creel::Creel;

/// How many senders connect.
const SENDERS: usize = 1500;

/// How much one of them may cost, in bytes: less than one of the buffers that
/// an HTTP library takes for a connection.
const MAX_BYTES_EACH: usize = 8 << 10;

/// Returns the resident memory of a process in bytes; `None` where the system
/// has no `/proc`.
fn resident(process: u32) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}

/// Connects senders that each stop after `begun`, and checks that they cost
/// little and that another is answered meanwhile.
fn stop_after(begun: &str) {
    let creel = Creel::serve(&[]);
    assert_eq!(creel.try_post("/", b"{}"), Some(200));
    let Some(before) = resident(creel.process()) else {
        // This system says nothing of a process's memory in /proc.
        return;
    };
    let connect = |_| {
        let mut stream = TcpStream::connect(creel.address).ok()?;
        stream.write_all(begun.as_bytes()).ok()?;
        Some(stream)
    };
    let senders: Vec<_> = (0..SENDERS).map_while(connect).collect();
    // Connections are accepted in order: once this one is answered all are.
    assert_eq!(creel.try_post("/", b"{}"), Some(200));
    let after = resident(creel.process()).expect("it was there before");
    let each = after.saturating_sub(before) / senders.len().max(1);
    assert!(
        each < MAX_BYTES_EACH,
        "{each} B for each of {}",
        senders.len()
    );
}

#[test]
fn a_sender_that_sends_nothing_costs_little() {
    stop_after("");
}

#[test]
fn a_sender_that_stops_in_its_head_costs_little() {
    stop_after("POST /hooks/stripe HTTP/1.1\r\nHost: a\r\nUser-Agent: slow\r\nX-Half: ");
}

#[test]
fn a_sender_that_stops_in_its_body_costs_little() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n";
    stop_after(&format!("{head}{}", "x".repeat(1000)));
}

#[test]
fn a_sender_that_stops_in_a_chunked_body_costs_little() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    stop_after(&format!("{head}3e8\r\n{}", "x".repeat(999)));
}
