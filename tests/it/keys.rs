//! Public keys are never shared secrets: nobody can sign with what everybody
//! may know.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use creel::domain::assess::Assessor;
use creel::domain::endpoint::Endpoint;
use creel::domain::keyring::Keyring;
use creel::domain::provider::{Catalog, KeyForm, Provider};
use creel::domain::request::Request;
use creel::domain::secret::Secret;
use creel::domain::signature::{self, SigningInput};
use creel::domain::timestamp::Timestamp;
use creel::domain::verification::{Status, Verification};
use serde_json::Value;

use crate::conformance::{FILES, cases, request, secrets};

pub(crate) const NOW: Timestamp = Timestamp(1_795_266_149_000_000);
const URL: &str = "https://hooks.example.test/hooks";

/// The first bytes of an Ed25519 key in DER (RFC 8410).
const ED25519_DER: &str = "302a300506032b6570032100";

pub(crate) fn valid_case(file: &str) -> Option<Value> {
    let known = FILES.iter().any(|(known, _)| *known == file);
    let mut all = if known { cases(file) } else { Vec::new() };
    let at = all.iter().position(|case| case["expect"] == "valid")?;
    Some(all.swap_remove(at))
}

/// Returns a body that a provider's own deliveries have.
pub(crate) fn body_of(provider: &Provider) -> Vec<u8> {
    match (provider.name.as_str(), valid_case(&provider.name)) {
        ("microsoft-graph", _) => {
            br#"{"value":[{"subscriptionId":"s","clientState":"x"}]}"#.to_vec()
        }
        (_, Some(case)) => request(&case).body.to_vec(),
        (_, None) => b"{}".to_vec(),
    }
}

/// Every provider, taking any bytes for its key, with a body of its own.
pub(crate) fn attackers() -> Vec<(Provider, Vec<u8>)> {
    let catalog = Catalog::builtin();
    let attacker = |provider: &Provider| {
        let mut attacker = provider.clone();
        attacker.signature.as_mut()?.secret = KeyForm::Hex;
        Some((attacker, body_of(provider)))
    };
    catalog.iter().filter_map(attacker).collect()
}

/// Signs as a provider does. `None` where nobody but the provider can.
pub(crate) fn forged((attacker, body): &(Provider, Vec<u8>), key: &[u8]) -> Option<Request> {
    signed_at(attacker, body, key, NOW)
}

/// Signs a body as a provider does at a time.
pub(crate) fn signed_at(
    attacker: &Provider,
    body: &[u8],
    key: &[u8],
    now: Timestamp,
) -> Option<Request> {
    let what = SigningInput {
        body,
        now,
        id: "evt_1",
        event: attacker.events.first().map(String::as_str),
        method: "POST",
        url: Some(URL),
    };
    let secret = Secret::new("", "attack", hex::encode(key));
    let made = signature::prepare(attacker, &secret, &what).ok()?;
    Some(Request {
        method: "POST".into(),
        path: "/hooks".into(),
        headers: made.headers,
        body: made.body.unwrap_or_else(|| body.to_vec()).into(),
        ..Request::default()
    })
}

pub(crate) fn endpoint(provider: Option<&str>) -> Endpoint {
    Endpoint {
        name: "hooks".into(),
        path: "/".into(),
        provider: provider.map(str::to_owned),
        public_url: Some(URL.into()),
        ..Endpoint::default()
    }
}

/// Returns an assessor for deliveries to one endpoint.
pub(crate) fn assessor(provider: Option<&str>) -> Assessor {
    let endpoints = vec![endpoint(provider)];
    Assessor::new(Catalog::builtin(), endpoints, Vec::new(), None)
}

fn verified(assessor: &mut Assessor, secret: &Secret, request: &Request) -> Verification {
    assessor.keyring = Keyring::new(secret.clone().split());
    let found = assessor.assess_minimal(Some("hooks"), request, NOW);
    found.verification
}

/// A public key as it may be configured, and every sequence of bytes that
/// somebody could take for its key.
fn spellings(bytes: &[u8], der: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = vec![bytes.to_vec(), der.to_vec()];
    for key in [bytes, der] {
        let hex = hex::encode(key);
        all.push(hex.to_uppercase().into());
        all.push(hex.into());
        for alphabet in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
            all.push(alphabet.encode(key).into());
        }
    }
    all.extend(pems("PUBLIC KEY", der));
    all
}

fn pems(title: &str, der: &[u8]) -> Vec<Vec<u8>> {
    let lines: Vec<String> = STANDARD
        .encode(der)
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let lines = lines.join("\n");
    let pem = format!("-----BEGIN {title}-----\n{lines}\n-----END {title}-----\n");
    vec![
        lines.into(),
        format!("\u{feff}{pem}").into(),
        format!("\n\n{pem}").into(),
        format!("subject=CN = sender\nissuer=CN = somebody\n{pem}").into(),
        pem.replace('\n', "\r\n").into(),
        pem.trim_end().into(),
        pem.into(),
    ]
}

/// Returns the public keys that the vectors of asymmetric providers have, in
/// every spelling.
fn public_keys() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for provider in Catalog::builtin().iter() {
        let Some(scheme) = provider.signature.as_ref().filter(|s| !s.shared_secret()) else {
            continue;
        };
        let case = valid_case(&provider.name).unwrap();
        let secret = secrets(&case).swap_remove(0);
        let key = signature::decode_key(secret.reveal(), scheme.secret).unwrap();
        let title = match scheme.secret {
            KeyForm::Pem => "CERTIFICATE",
            _ => "PUBLIC KEY",
        };
        all.push(secret.reveal().to_vec());
        all.extend(pems(title, &key));
        let der = match key.len() {
            32 => [hex::decode(ED25519_DER).unwrap(), key.to_vec()].concat(),
            _ => key.to_vec(),
        };
        all.extend(spellings(&key, &der));
    }
    let whpk = format!("whpk_{}", STANDARD.encode([131; 32]));
    all.extend([whpk.clone().into(), format!(" {whpk}\n").into()]);
    // Several in one file.
    let several = all[..].iter().take(2).map(|key| key.trim_ascii().to_vec());
    all.push(several.collect::<Vec<_>>().join(&b'\n'));
    all
}

/// Returns every sequence of bytes that a text may be taken for.
fn byte_forms(text: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![text.to_vec(), text.trim_ascii().to_vec()];
    let trimmed = text.trim_ascii();
    forms.extend(trimmed.split(|b| *b == b'\n').map(<[u8]>::to_vec));
    forms.extend(hex::decode(trimmed).ok());
    for alphabet in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
        forms.extend(alphabet.decode(trimmed).ok());
    }
    if let Some(pem) = signature::decode_key(text, KeyForm::Pem) {
        forms.push(pem.to_vec());
    }
    forms.retain(|form| !form.is_empty());
    forms.sort();
    forms.dedup();
    forms
}

#[test]
fn a_signature_made_with_a_public_key_is_never_ok() {
    let attackers = attackers();
    let mut assessor = assessor(None);
    let mut tried = 0;
    for text in public_keys() {
        let nameless = Secret::new("", "test", text.clone());
        let of_endpoint = nameless.named("hooks");
        let forms = byte_forms(&text);
        let pairs = |attacker| forms.iter().filter_map(move |form| forged(attacker, form));
        for request in attackers.iter().flat_map(pairs) {
            for secret in [&nameless, &of_endpoint] {
                let found = verified(&mut assessor, secret, &request);
                tried += 1;
                assert!(
                    !matches!(found.status, Status::Valid | Status::Stale),
                    "{}: signs as {:?}",
                    String::from_utf8_lossy(&text),
                    found.provider
                );
            }
        }
    }
    assert!(tried > 10_000, "{tried}");
}

#[test]
fn pem_is_no_shared_secret_of_a_named_provider_either() {
    let case = valid_case("amazon-sns").unwrap();
    let certificate = signature::decode_key(secrets(&case)[0].reveal(), KeyForm::Pem).unwrap();
    let [certificates, keys] =
        ["CERTIFICATE", "PUBLIC KEY"].map(|title| pems(title, &certificate).into_iter().skip(1));
    let texts: Vec<Vec<u8>> = certificates.chain(keys).collect();
    for attacker in attackers() {
        let name = &attacker.0.name;
        let mut named = [assessor(None), assessor(Some(name))];
        for text in &texts {
            let forms = byte_forms(text);
            for request in forms.iter().filter_map(|form| forged(&attacker, form)) {
                let secret = Secret::new(name, "test", text.clone());
                for assessor in &mut named {
                    let found = verified(assessor, &secret, &request);
                    assert_ne!(found.status, Status::Valid, "{name}");
                }
            }
        }
    }
}

/// Returns a secret for each form of key that is certainly shared, and one
/// that could be a public key.
fn shared_and_unclear(form: KeyForm) -> Option<[String; 2]> {
    let key = [131; 32];
    let texts = match form {
        KeyForm::Text | KeyForm::WhsecOrText => ["an-ordinary-secret".into(), hex::encode(key)],
        KeyForm::Whsec => [
            format!("whsec_{}", STANDARD.encode(key)),
            STANDARD.encode(key),
        ],
        KeyForm::Hex => [hex::encode([131; 20]), hex::encode(key)],
        KeyForm::Base64 | KeyForm::Whpk | KeyForm::Pem => return None,
    };
    Some(texts)
}

#[test]
fn a_secret_that_could_be_a_public_key_counts_once_its_provider_is_named() {
    let catalog = Catalog::builtin();
    let mut count = 0;
    for attacker in attackers() {
        let name = attacker.0.name.as_str();
        let form = catalog.get(name).unwrap().signature.as_ref().unwrap();
        let form = form.secret;
        let Some([shared, unclear]) = shared_and_unclear(form) else {
            continue;
        };
        let forged = |text: &str| {
            let key = signature::decode_key(text.as_bytes(), form).unwrap();
            forged(&attacker, &key)
        };
        let (Some(plain), Some(request)) = (forged(&shared), forged(&unclear)) else {
            continue;
        };
        count += 1;
        let shared = Secret::new("", "test", shared);
        let found = verified(&mut assessor(None), &shared, &plain);
        assert_eq!(found.status, Status::Valid, "{name}");
        let secret = Secret::new("hooks", "test", unclear);
        let found = verified(&mut assessor(None), &secret, &request);
        assert_eq!(found.status, Status::NoSecret, "{name}");
        let finding = &found.findings[0];
        assert!(finding.code == "secret_unnamed" && finding.proved);
        let flag = format!("--secret {name}=");
        assert!(finding.advice.contains(&flag), "{}", finding.advice);
        for (endpoint, owner) in [(Some(name), "hooks"), (None, name)] {
            let secret = secret.named(owner);
            let found = verified(&mut assessor(endpoint), &secret, &request);
            assert_eq!(found.status, Status::Valid, "{name}");
        }
    }
    assert!(count > 30, "{count}");
}
