//! What was answered is kept, whatever happens to the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::Value;

use crate::support::creel::Creel;

/// How many senders there are at once.
const SENDERS: u64 = 8;

#[test]
fn every_answered_delivery_survives_kill_9() {
    let mut home = tempfile::tempdir().unwrap();
    let mut answered: Vec<String> = Vec::new();
    for round in 0..6 {
        let creel = Arc::new(Creel::serve_in(home, &[]));
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicU64::new(0));
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (creel, stop, count) =
                    (Arc::clone(&creel), Arc::clone(&stop), Arc::clone(&count));
                std::thread::spawn(move || {
                    let mut sent = Vec::new();
                    for n in 0.. {
                        if stop.load(Ordering::SeqCst) {
                            break;
                        }
                        let path = format!("/r{round}/s{sender}/n{n}");
                        let body = format!("{path} {}", "x".repeat((n * 997) % 5000));
                        if creel.try_post(&path, body.as_bytes()) == Some(200) {
                            sent.push(path);
                            count.fetch_add(1, Ordering::SeqCst);
                        } else {
                            break;
                        }
                    }
                    sent
                })
            })
            .collect();
        // Killed in the middle of it, at another point each round.
        while count.load(Ordering::SeqCst) < 40 + round * 17 {
            std::thread::yield_now();
        }
        creel.kill_now();
        stop.store(true, Ordering::SeqCst);
        for sender in senders {
            answered.extend(sender.join().unwrap());
        }
        let creel = Arc::into_inner(creel).unwrap();
        home = creel.kill();
    }
    let creel = Creel::serve_in(home, &[]);
    let kept = creel.list();
    let mut paths: Vec<&str> = kept.iter().map(|d| d["path"].as_str().unwrap()).collect();
    paths.sort_unstable();
    assert!(
        paths.windows(2).all(|pair| pair[0] != pair[1]),
        "a delivery is listed twice"
    );
    for path in &answered {
        assert!(
            paths.binary_search(&path.as_str()).is_ok(),
            "{path} was answered and is gone"
        );
    }
    assert!(
        answered.len() > 240,
        "only {} were answered",
        answered.len()
    );
    for path in answered.iter().step_by(37) {
        let found = kept.iter().find(|d| d["path"] == path.as_str()).unwrap();
        let id = found["id"].as_str().unwrap();
        let shown: Value = creel.run(&["show", "--json", id]).lines().remove(0);
        assert!(
            shown["body"]["text"]
                .as_str()
                .unwrap()
                .starts_with(&format!("{path} ")),
            "{path} is altered"
        );
    }
}
