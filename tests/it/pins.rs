//! The sender does not choose the scheme: a secret without a name is pinned to
//! the provider that it was right for first.

use std::collections::BTreeSet;
use std::fs;

use creel::domain::assess::Assessor;
use creel::domain::keyring::Keyring;
use creel::domain::pins::Pin;
use creel::domain::provider::Provider;
use creel::domain::request::Request;
use creel::domain::secret::Secret;
use creel::domain::timestamp::Timestamp;
use creel::domain::verification::{Status, Verification};
use serde_json::Value;
use tempfile::TempDir;

use crate::conformance::{FILES, request, secrets};
use crate::keys::{NOW, assessor, attackers, forged, signed_at, valid_case};
use crate::support::app::until;
use crate::support::creel::{Creel, command, run};
use crate::support::index::remove_index;

const SECRET: &str = "a-secret-of-somebody-0123456789";
const DAY: i64 = 86_400_000_000;

fn verified(assessor: &Assessor, request: &Request) -> Verification {
    let found = assessor.assess_minimal(Some("hooks"), request, NOW);
    found.verification
}

/// Returns an assessor with one secret that has no name.
fn nameless(text: &str) -> (Assessor, Secret) {
    let secret = Secret::new("", "test", text);
    let mut assessor = assessor(None);
    assessor.keyring = Keyring::new(vec![secret.clone()]);
    (assessor, secret)
}

fn key_of(assessor: &Assessor, name: &str, secret: &Secret) -> Option<Vec<u8>> {
    let scheme = assessor.catalog.get(name)?.signature.as_ref()?;
    let key = creel::domain::signature::decode_key(secret.reveal(), scheme.secret)?;
    Some(key.to_vec())
}

#[test]
fn a_pinned_secret_is_right_for_its_provider_and_no_other() {
    let (mut assessor, secret) = nameless(SECRET);
    let attackers = attackers();
    let signed: Vec<(&Provider, Request)> = attackers
        .iter()
        .filter_map(|attacker| {
            let key = key_of(&assessor, &attacker.0.name, &secret)?;
            Some((&attacker.0, forged(attacker, &key)?))
        })
        .collect();
    assert!(signed.len() > 30, "{}", signed.len());
    for (pinned, _) in &signed {
        assessor.pins = std::iter::once(Pin::new(Some("hooks"), &secret, &pinned.name)).collect();
        for (sender, request) in &signed {
            let found = verified(&assessor, request);
            if sender.name == pinned.name || sender.shares_scheme(pinned) {
                assert_eq!(found.status, Status::Valid, "{}", sender.name);
                continue;
            }
            let both = format!("{} pinned to {}", sender.name, pinned.name);
            assert_eq!(found.status, Status::NoSecret, "{both}");
            let finding = &found.findings[0];
            assert_eq!(
                (finding.code.as_str(), finding.proved),
                ("secret_pinned", true)
            );
            let flag = format!("--secret {}=", sender.name);
            assert!(finding.advice.contains(&flag), "{both}: {}", finding.advice);
        }
    }
}

/// An old delivery that its provider's rules refuse is right for no other
/// whose rules are weaker, whoever comes first.
#[test]
fn an_old_delivery_is_not_made_right_by_another_name() {
    let (assessor, secret) = nameless(SECRET);
    let attackers = attackers();
    let then = Timestamp(NOW.0 - DAY);
    let mut tried = 0;
    for (victim, _) in &attackers {
        let scheme = victim.signature.as_ref().unwrap();
        let template = scheme.signed.text();
        let is_timed = template.contains("{timestamp}") && template.ends_with("{body}");
        let Some(key) = key_of(&assessor, &victim.name, &secret) else {
            continue;
        };
        if !is_timed || scheme.tolerance.is_none() || template.contains("{id}") {
            continue;
        }
        let body = br#"{"amount":1}"#;
        let text = template
            .replace("{timestamp}", &then.unix_seconds().to_string())
            .replace("{body}", r#"{"amount":1}"#);
        for (other, _) in &attackers {
            let theirs = other.signature.as_ref().unwrap();
            if other.name == victim.name || theirs.algorithm != scheme.algorithm {
                continue;
            }
            let relabelled = match theirs.signed.text() {
                "{body}" => signed_at(other, text.as_bytes(), &key, then),
                same if same == template => signed_at(other, body, &key, then),
                _ => None,
            };
            let Some(relabelled) = relabelled else {
                continue;
            };
            tried += 1;
            let found = verified(&assessor, &relabelled);
            assert_ne!(
                found.status,
                Status::Valid,
                "{} as {}",
                victim.name,
                other.name
            );
        }
    }
    assert!(tried > 50, "{tried}");
}

#[test]
fn headers_of_two_providers_are_a_conflict_unless_one_is_configured() {
    let mut assessors = [assessor(None), assessor(None)];
    let mut conflicts = 0;
    for (file, _) in FILES {
        let case = valid_case(file).unwrap();
        let original = request(&case);
        let now = Timestamp::from_unix_seconds(case["now_unix"].as_i64().unwrap());
        assessors[1] = crate::keys::assessor(Some(file));
        for assessor in &mut assessors {
            assessor.keyring =
                Keyring::new(secrets(&case).into_iter().map(|s| s.named(file)).collect());
            assessor.endpoints[0].public_url = case["url"].as_str().map(str::to_owned);
        }
        let [detecting, configured] = &assessors;
        let status = |assessor: &Assessor, request: &Request| {
            let found = assessor.assess_minimal(Some("hooks"), request, now);
            found.verification
        };
        assert_eq!(status(detecting, &original).status, Status::Valid, "{file}");
        let provider = detecting.catalog.get(file).unwrap();
        for other in detecting.catalog.iter() {
            let Some(scheme) = other.signature.as_ref().filter(|s| s.pointer.is_none()) else {
                continue;
            };
            if original.headers.contains(&scheme.header) || other.detect.known_event {
                continue;
            }
            let mut both = original.clone();
            both.headers.push(&scheme.header, "t=1,v1=00");
            let found = status(detecting, &both);
            if other.shares_scheme(provider) || found.provider.as_deref() != Some(*file) {
                continue;
            }
            let knows = provider
                .signature
                .as_ref()
                .unwrap()
                .additional_headers()
                .any(|name| name.eq_ignore_ascii_case(&scheme.header));
            if !knows && !is_alias(provider, &scheme.header) {
                assert_eq!(
                    found.status,
                    Status::Malformed,
                    "{file} with {}",
                    other.name
                );
                assert_eq!(found.findings[0].code, "two_senders");
                conflicts += 1;
                let found = status(configured, &both);
                assert_eq!(found.status, Status::Valid, "{file} with {}", other.name);
            }
        }
    }
    assert!(conflicts > 500, "{conflicts}");
}

fn is_alias(provider: &Provider, header: &str) -> bool {
    let alias = provider.signature.as_ref().unwrap().alias.as_ref();
    alias.is_some_and(|alias| alias.signature == header)
}

/// Signs a body as `creel sign` does, and sends it with more headers.
fn send(creel: &Creel, provider: &str, body: &str) {
    let args = ["sign", "--provider", provider, "--secret", SECRET];
    let headers = run(creel.home.path(), &args, body.as_bytes()).out;
    let headers = headers.replace('\n', "\r\n");
    assert_eq!(creel.post("/hooks", &headers, body.as_bytes()), 200);
}

/// Waits until so many deliveries are verified, and returns them oldest first.
fn listed(creel: &Creel, count: usize) -> Vec<Value> {
    until("the verdicts", || {
        let mut rows = creel.list();
        rows.reverse();
        let done = |row: &Value| row["signature"]["status"] != "pending";
        (rows.len() == count && rows.iter().all(done)).then_some(rows)
    })
}

fn statuses(creel: &Creel, count: usize) -> Vec<String> {
    let rows = listed(creel, count);
    let status = |row: &Value| row["signature"]["status"].as_str().unwrap().to_owned();
    rows.iter().map(status).collect()
}

fn pins(home: &TempDir) -> Value {
    let text = fs::read(home.path().join("data/pins.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn a_pin_outlives_a_restart_and_a_new_index_until_the_provider_is_named() {
    let creel = Creel::serve(&["--secret", SECRET]);
    send(&creel, "porkbun", "{}");
    listed(&creel, 1);
    send(&creel, "zyra", "{}");
    send(&creel, "porkbun", "{\"a\":1}");
    assert_eq!(statuses(&creel, 3), ["valid", "no_secret", "valid"]);
    let home = creel.kill();
    let before = pins(&home);
    assert_eq!(before["pins"][0]["provider"], "porkbun");
    assert!(!before.to_string().contains(SECRET));
    remove_index(&home.path().join("data"));

    let mut creel = Creel::serve_in(home, &["--secret", SECRET]);
    send(&creel, "stackryze", "{}");
    let expected = ["valid", "no_secret", "valid", "no_secret"];
    assert_eq!(statuses(&creel, 4), expected);
    let shown = creel.run(&["show", "@latest"]).out;
    assert!(shown.contains("--secret stackryze="), "{shown}");
    assert_eq!(creel.signal("-TERM"), Some(0));
    let home = creel.home();
    assert_eq!(pins(&home), before);

    // A damaged file costs the pins, and nothing else: one provider's
    // deliveries are right, and no other's.
    fs::write(home.path().join("data/pins.json"), "{\"version\":1,\"pi").unwrap();
    let creel = Creel::serve_in(home, &["--secret", SECRET]);
    send(&creel, "porkbun", "{\"b\":1}");
    send(&creel, "zyra", "{\"b\":1}");
    let rows = listed(&creel, 6);
    let right = rows
        .iter()
        .filter(|row| row["signature"]["status"] == "valid");
    let senders: BTreeSet<&str> = right.map(|row| row["provider"].as_str().unwrap()).collect();
    assert_eq!(senders.len(), 1, "{senders:?}");

    // The configuration names it: there is nothing left to pin.
    let home = creel.kill();
    let named = format!("zyra={SECRET}");
    let creel = Creel::serve_in(home, &["--secret", &named]);
    let all = statuses(&creel, 6);
    assert_eq!((all[1].as_str(), all[0].as_str()), ("valid", "no_secret"));
    let home = creel.kill();
    assert_eq!(pins(&home)["pins"], serde_json::json!([]));
}

/// A secret that is configured after deliveries came is pinned by the first of
/// them, not by the one that is verified first for the screen.
#[test]
fn stored_deliveries_pin_a_secret_in_the_order_of_their_arrival() {
    let mut creel = Creel::serve(&[]);
    for number in 0..300 {
        send(&creel, "zyra", &format!("{{\"a\":{number}}}"));
    }
    for number in 0..3 {
        send(&creel, "github", &format!("{{\"a\":{number}}}"));
    }
    assert!(statuses(&creel, 303).iter().all(|one| one == "no_secret"));
    for secrets in [
        &["--secret", SECRET][..],
        &["--secret", SECRET, "--secret", "other"],
    ] {
        assert_eq!(creel.signal("-TERM"), Some(0));
        let home = creel.home();
        let _ = fs::remove_file(home.path().join("data/pins.json"));
        creel = Creel::serve_in(home, secrets);
        let right = |rows: &[Value], provider: &str| {
            let of = |row: &&Value| row["provider"] == provider;
            let is_valid = |row: &&Value| row["signature"]["status"] == "valid";
            rows.iter().filter(of).filter(is_valid).count()
        };
        until("the genuine ones", || {
            let rows = creel.list();
            (right(&rows, "zyra") == 300 && right(&rows, "github") == 0).then_some(())
        });
    }
}

#[test]
fn what_is_pinned_is_said_at_the_start() {
    let creel = Creel::serve(&["--secret", SECRET]);
    send(&creel, "porkbun", "{}");
    listed(&creel, 1);
    let home = creel.kill();
    let mut child = command(home.path())
        .args(["serve", "--listen", "127.0.0.1:0", "--secret", SECRET])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = child.stderr.take().unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(stderr));
    let said = lines
        .map_while(Result::ok)
        .find(|line| line.contains("is pinned to porkbun"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(said.is_some());
}
