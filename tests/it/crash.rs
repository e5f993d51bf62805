//! What was answered is kept, whatever happens to the process.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use creel::store::{Assess, Options, Store};

use crate::support::creel::Creel;
use crate::support::deliveries::Unknown;
use crate::support::random::Random;

/// How often creel is killed.
const ROUNDS: u64 = 200;

/// How many senders there are at once.
const SENDERS: u64 = 32;

/// After how many rounds everything is looked at.
const LOOK_EVERY: u64 = 8;

/// How large what each sender was answered for is, by path: the sender's own log.
type Ledger = BTreeMap<String, usize>;

#[test]
fn every_answered_delivery_survives_kill_9() {
    let mut home = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::new();
    let mut random = Random::new(1);
    for round in 0..ROUNDS {
        let creel = Arc::new(Creel::serve_in(home, &[]));
        let answered = Arc::new(AtomicUsize::new(0));
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (creel, answered) = (Arc::clone(&creel), Arc::clone(&answered));
                std::thread::spawn(move || send(&creel, round, sender, &answered))
            })
            .collect();
        // Killed in the middle of it, at another point each round.
        let until = random.below(90);
        while answered.load(Ordering::SeqCst) < until {
            std::thread::yield_now();
        }
        creel.kill_now();
        for sender in senders {
            ledger.extend(sender.join().unwrap());
        }
        home = Arc::into_inner(creel).unwrap().kill();
        if (round + 1) % LOOK_EVERY == 0 {
            look(&home.path().join("data"), &ledger);
        }
    }
    assert!(
        ledger.len() as u64 > 40 * ROUNDS,
        "only {} were answered",
        ledger.len()
    );
    // The command line sees the same.
    let creel = Creel::serve_in(home, &[]);
    let listed = creel.list().len();
    assert!(listed >= ledger.len(), "{listed} are listed");
}

/// Sends until nobody answers any more.
fn send(creel: &Creel, round: u64, sender: u64, answered: &AtomicUsize) -> Ledger {
    let mut ledger = Ledger::new();
    for n in 0.. {
        let path = format!("/{round}/{sender}/{n}");
        let body = body(&path);
        if creel.try_post(&path, &body) != Some(200) {
            break;
        }
        ledger.insert(path, body.len());
        answered.fetch_add(1, Ordering::SeqCst);
    }
    ledger
}

fn body(path: &str) -> Vec<u8> {
    let seed = path.bytes().fold(7, |seed: u64, byte| {
        seed.wrapping_mul(31).wrapping_add(byte.into())
    });
    let mut random = Random::new(seed);
    let size = random.below(4000);
    (0..size).map(|_| random.below(256) as u8).collect()
}

/// Compares what is kept with what was answered.
fn look(data: &Path, ledger: &Ledger) {
    let assess: Arc<dyn Assess> = Arc::new(Unknown);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (store, _) = match Store::open(data, &Options::default(), &assess) {
            Ok(opened) => opened,
            Err(error) => panic!("{error}"),
        };
        store.settle().await;
        let mut kept = BTreeMap::new();
        for row in store.page(0, usize::MAX).unwrap() {
            let twice = kept.insert(row.path.clone(), row.seq);
            assert_eq!(twice, None, "{} is listed twice", row.path);
        }
        for path in ledger.keys() {
            let seq = kept.get(path);
            let seq = seq.unwrap_or_else(|| panic!("{path} was answered and is gone"));
            let delivery = store.delivery(*seq).unwrap().unwrap();
            assert!(delivery.request.body == body(path), "{path} is altered");
        }
        store.close().await;
    });
}

/// Reads what strace saw of one delivery: the answer comes after a sync that
/// began after the delivery's bytes were written, and has returned.
fn synced_before_answered(trace: &str, size: usize) -> Result<(), String> {
    let (mut written, mut covered) = (0, false);
    // What each thread is in the middle of: a call, and whether what was
    // written before it was all.
    let mut unfinished: BTreeMap<&str, (&str, bool)> = BTreeMap::new();
    for line in trace.lines() {
        let (thread, line) = line.split_once(' ').unwrap_or_default();
        let line = line.trim();
        if line.contains("HTTP/1.1 200") {
            return match (written >= size, covered) {
                (true, true) => Ok(()),
                (false, _) => Err(format!("{written} bytes were written before the answer")),
                (true, false) => Err("no sync returned before the answer".to_owned()),
            };
        }
        let begins = if line.starts_with("pwrite64(") && line.contains(", \"crl1") {
            Some("record")
        } else if line.starts_with("fdatasync(") && line.contains(".log>") {
            Some("sync")
        } else {
            None
        };
        let (call, all) = match begins {
            Some(call) => (call, written >= size),
            None if line.starts_with("<...") => match unfinished.remove(thread) {
                Some(begun) => begun,
                None => continue,
            },
            None => continue,
        };
        if line.ends_with("<unfinished ...>") {
            unfinished.insert(thread, (call, all));
            continue;
        }
        let result = line.rsplit_once("= ").map_or("", |(_, result)| result);
        match call {
            "record" => written += result.trim().parse::<usize>().unwrap_or(0),
            _ => covered |= all && result == "0",
        }
    }
    Err("no answer was seen".to_owned())
}

#[test]
fn a_sync_returns_before_the_answer() {
    for size in [1, 96 << 10, 1 << 20, 10 << 20] {
        let creel = Creel::serve(&[]);
        let trace = creel.home.path().join("trace");
        let watching = Command::new("strace")
            .args([
                "-f",
                "-y",
                "-s",
                "32",
                "-e",
                "trace=pwrite64,fdatasync,write,writev,sendto",
            ])
            .arg("-o")
            .arg(&trace)
            .args(["-p", &creel.process().to_string()])
            .stderr(Stdio::piped())
            .spawn();
        // Where strace is not there or not allowed, the simulated power cuts
        // tell as much; this is the system's own word.
        let Ok(mut strace) = watching else {
            return;
        };
        let mut said = String::new();
        let mut errors = BufReader::new(strace.stderr.take().unwrap());
        errors.read_line(&mut said).unwrap();
        if !said.contains("attached") {
            let _ = strace.wait();
            return;
        }
        assert_eq!(creel.try_post("/", &vec![b'x'; size]), Some(200));
        creel.kill_now();
        strace.wait().unwrap();
        let trace = std::fs::read_to_string(trace).unwrap();
        if let Err(why) = synced_before_answered(&trace, size) {
            panic!("{size} bytes: {why}\n{trace}");
        }
    }
}
