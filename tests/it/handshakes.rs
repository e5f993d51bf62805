//! Requests that try an address: the real binary answers as each provider expects.

use serde_json::{Value, json};

use crate::support::creel::{Creel, run};

/// The same for every provider here; Asana's is what it hands over.
const SECRET: &str = "a-secret-of-the-app";

fn creel(provider: &str) -> Creel {
    Creel::serve(&["--provider", provider, "--secret", SECRET])
}

fn signed(creel: &Creel, provider: &str, secret: &str, body: &str) -> String {
    let args = ["sign", "--provider", provider, "--secret", secret];
    let ran = run(creel.home.path(), &args, body.as_bytes());
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.out.replace('\n', "\r\n")
}

/// Sends a request and returns the answer's status, head and body.
fn ask(creel: &Creel, line: &str, headers: &str, body: &str) -> (u16, String, String) {
    let answer = creel.raw(
        format!(
            "{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            body.len()
        )
        .as_bytes(),
    );
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

#[test]
fn slack_s_challenge_is_answered_where_it_is_signed() {
    let creel = creel("slack");
    let body = r#"{"token":"x","challenge":"3eZbrw1a","type":"url_verification"}"#;
    let headers = signed(&creel, "slack", SECRET, body);
    let (status, head, answer) = ask(&creel, "POST /", &headers, body);
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/json"), "{head}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer, json!({"challenge": "3eZbrw1a"}));
    let headers = signed(&creel, "slack", "somebody-else-s", body);
    let (status, _, answer) = ask(&creel, "POST /", &headers, body);
    assert_eq!((status, answer.as_str()), (401, ""));
    let listed = creel.list();
    assert_eq!(listed[1]["event"], json!("url_verification"));
    assert_eq!(listed[1]["signature"]["status"], json!("valid"));
    assert_eq!(listed[0]["answer"]["status"], json!(401));
}

#[test]
fn zoom_s_token_is_sealed_only_for_zoom() {
    let creel = creel("zoom");
    let body =
        r#"{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}"#;
    let headers = signed(&creel, "zoom", SECRET, body);
    let (status, _, answer) = ask(&creel, "POST /", &headers, body);
    assert_eq!(status, 200);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["plainToken"], json!("qgg8vlvZRS6UYooatFL8Aw"));
    assert_eq!(answer["encryptedToken"].as_str().unwrap().len(), 64);
    let (_, _, unsigned) = ask(&creel, "POST /", "", body);
    assert!(!unsigned.contains("encryptedToken"), "{unsigned}");
}

#[test]
fn plain_challenges_are_sent_back_as_text() {
    for (provider, line, answer) in [
        (
            "meta",
            "GET /?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=x",
            "1158201444",
        ),
        (
            "microsoft-graph",
            "POST /?validationToken=Validation%3A%20a%2Bb",
            "Validation: a+b",
        ),
        ("dropbox", "GET /?challenge=abc123", "abc123"),
    ] {
        let creel = creel(provider);
        let (status, head, body) = ask(&creel, line, "", "");
        assert_eq!((status, body.as_str()), (200, answer), "{provider}");
        assert!(head.contains("content-type: text/plain"), "{head}");
        assert!(head.contains("x-content-type-options: nosniff"), "{head}");
        let listed = creel.list();
        assert_eq!(listed.len(), 1, "{provider}");
        let signature = &listed[0]["signature"];
        assert_eq!(
            signature["status"],
            json!("missing_signature"),
            "{provider}"
        );
        let findings = signature["findings"].as_array().unwrap();
        let codes: Vec<_> = findings.iter().map(|f| &f["code"]).collect();
        assert_eq!(codes, ["probable_verification"], "{provider}");
    }
}

#[test]
fn a_handed_over_secret_is_given_back_and_never_ours() {
    let creel = creel("asana");
    let (status, head, _) = ask(&creel, "POST /", "X-Hook-Secret: b537207f20cbfa02\r\n", "");
    assert_eq!(status, 200);
    assert!(head.contains("x-hook-secret: b537207f20cbfa02"), "{head}");
    assert!(!head.contains(SECRET));
}
