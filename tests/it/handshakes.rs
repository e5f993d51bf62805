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

fn configured(config: &str) -> Creel {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("creel.toml"), config).unwrap();
    Creel::serve_in(home, &[])
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

/// Requests that try an address, each with the start of its answer: status,
/// a header where one matters, the body, and the event that the list names.
const CHALLENGES: &[(&str, &str, &str, &str, &str, &str)] = &[
    (
        "GET /hook?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=x",
        "",
        "",
        "content-type: text/plain",
        "1158201444",
        "hub.challenge",
    ),
    (
        "GET /hook?hub.mode=subscribe&hub.topic=https%3A%2F%2Fa.test%2Ffeed&hub.challenge=w-7&hub.lease_seconds=864000",
        "",
        "",
        "content-type: text/plain",
        "w-7",
        "hub.challenge",
    ),
    (
        "POST /hook?tenant=7&validationToken=Validation%3A+a%2Bb",
        "Content-Type: text/plain; charset=utf-8\r\n",
        "",
        "content-type: text/plain",
        "Validation: a+b",
        "validationToken",
    ),
    (
        "GET /hook?challenge=abc123",
        "",
        "",
        "content-type: text/plain",
        "abc123",
        "challenge",
    ),
    (
        "POST /hook",
        "Content-Type: application/json\r\n",
        r#"{"token":"t","challenge":"3eZbrw1a","type":"url_verification"}"#,
        "content-type: application/json",
        r#"{"challenge":"3eZbrw1a"}"#,
        "url_verification",
    ),
    (
        "POST /hook",
        "Content-Type: application/json\r\n",
        r#"{"challenge":"m-1"}"#,
        "content-type: application/json",
        r#"{"challenge":"m-1"}"#,
        "challenge",
    ),
    (
        "OPTIONS /hook",
        "WebHook-Request-Origin: eventemitter.example.test\r\nWebHook-Request-Rate: 120\r\n",
        "",
        "webhook-allowed-origin: eventemitter.example.test",
        "",
        "webhook-request-origin",
    ),
    (
        "POST /hook",
        "aeg-event-type: SubscriptionValidation\r\nContent-Type: application/json\r\n",
        r#"[{"id":"1","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"512d38b6","validationUrl":"https://a.test"}}]"#,
        "content-type: application/json",
        r#"{"validationResponse":"512d38b6"}"#,
        "SubscriptionValidation",
    ),
    (
        "GET /hook",
        "X-Okta-Verification-Challenge: okta-9\r\n",
        "",
        "content-type: application/json",
        r#"{"verification":"okta-9"}"#,
        "x-okta-verification-challenge",
    ),
    (
        "POST /hook",
        "Validation-Token: rc-5\r\n",
        "",
        "validation-token: rc-5",
        "",
        "validation-token",
    ),
    (
        "POST /hook",
        "X-Hook-Secret: b537207f20cbfa02\r\n",
        "",
        "x-hook-secret: b537207f20cbfa02",
        "",
        "x-hook-secret",
    ),
    (
        "POST /hook",
        "Twitch-Eventsub-Message-Type: webhook_callback_verification\r\nTwitch-Eventsub-Message-Signature: sha256=00\r\n",
        r#"{"challenge":"pogchamp","subscription":{"id":"s"}}"#,
        "content-type: text/plain",
        "pogchamp",
        "webhook_callback_verification",
    ),
];

#[test]
fn challenges_without_a_named_provider_are_answered_by_their_shape() {
    let creel = Creel::serve(&[]);
    for (line, headers, body, header, answer, event) in CHALLENGES {
        let (status, head, got) = ask(&creel, line, headers, body);
        assert_eq!((status, got.as_str()), (200, *answer), "{line}");
        assert!(head.contains(header), "{line}: {head}");
        if !got.is_empty() {
            assert!(head.contains("x-content-type-options: nosniff"), "{head}");
        }
        let listed = creel.list();
        assert_eq!(listed[0]["event"], json!(event), "{line}");
    }
    let (_, head, _) = ask(
        &creel,
        "OPTIONS /hook",
        "WebHook-Request-Origin: a.test\r\n",
        "",
    );
    assert!(head.contains("allow: post"), "{head}");
    assert!(!head.contains("webhook-allowed-rate"), "{head}");
}

#[test]
fn challenges_are_not_answered_where_that_is_turned_off() {
    let creel = configured(
        "handshakes = false\n[endpoints.open]\npath = \"/open\"\nhandshakes = true\n\
         [endpoints.meta]\npath = \"/meta\"\nprovider = \"meta\"\n",
    );
    for (line, headers, body, ..) in CHALLENGES {
        for path in ["/hook", "/meta"] {
            let line = line.replace("/hook", path);
            let (status, head, got) = ask(&creel, &line, headers, body);
            assert_eq!((status, got.as_str()), (200, ""), "{line}");
            assert!(!head.contains("webhook-allowed"), "{line}: {head}");
        }
    }
    let (_, _, got) = ask(&creel, "GET /open?challenge=abc", "", "");
    assert_eq!(got, "abc");
}

#[test]
fn what_has_not_the_exact_shape_is_an_ordinary_delivery() {
    let creel = Creel::serve(&[]);
    let long = format!("GET /?challenge={}", "a".repeat(1025));
    let slack = r#"{"type":"url_verification","challenge":"x"}"#;
    for (line, headers, body) in [
        ("GET /", "", ""),
        ("GET /?challenge=", "", ""),
        ("GET /?challenge=a&challenge=b", "", ""),
        ("GET /?challenge=a&state=b", "", ""),
        ("GET /?challenge=%3Cscript%3E", "", ""),
        ("GET /?challenge=a%0D%0AX-A%3A+1", "", ""),
        ("GET /?challenge=%C3%A9", "", ""),
        (long.as_str(), "", ""),
        ("POST /?challenge=a", "", ""),
        (
            "GET /?challenge=a",
            "X-Hub-Signature-256: sha256=00\r\n",
            "",
        ),
        ("GET /?challenge=a", "X-Any-Signature: 00\r\n", ""),
        ("GET /?hub.mode=unsubscribe&hub.challenge=a", "", ""),
        (
            "GET /?hub.mode=subscribe&hub.topic=t&hub.challenge=a",
            "",
            "",
        ),
        ("GET /?hub.challenge=a", "", ""),
        ("POST /?validationToken=a", "", "{}"),
        ("GET /?validationToken=a", "", ""),
        ("POST /", "", r#"{"challenge":"a","event":1}"#),
        ("POST /", "", r#"{"type":"url_verification"}"#),
        ("PUT /", "", slack),
        ("OPTIONS /", "Origin: https://a.test\r\n", ""),
        (
            "OPTIONS /",
            "WebHook-Request-Origin: a\r\nWebHook-Request-Rate: many\r\n",
            "",
        ),
        (
            "POST /",
            "aeg-event-type: Notification\r\n",
            r#"[{"data":{"validationCode":"a"}}]"#,
        ),
        ("POST /", "X-Okta-Verification-Challenge: a\r\n", ""),
        ("GET /", "X-Okta-Verification-Challenge: <b>\r\n", ""),
        ("POST /", "Validation-Token: a\r\n", "{}"),
        // Two shapes at once are neither.
        (
            "GET /?challenge=a",
            "X-Okta-Verification-Challenge: a\r\n",
            "",
        ),
        (
            "POST /",
            "Twitch-Eventsub-Message-Type: webhook_callback_verification\r\n",
            slack,
        ),
    ] {
        let (status, head, got) = ask(&creel, line, headers, body);
        assert_eq!((status, got.as_str()), (200, ""), "{line} {headers}");
        for name in ["webhook-allowed-origin", "validation-token"] {
            assert!(!head.contains(name), "{line}: {head}");
        }
    }
    assert!(creel.list().iter().all(|row| row["event"] == Value::Null));
}

#[test]
fn an_unsigned_slack_challenge_is_not_answered_where_a_secret_is_configured() {
    let creel = Creel::serve(&["--secret", &format!("slack={SECRET}")]);
    let body = r#"{"type":"url_verification","challenge":"x"}"#;
    let (status, _, got) = ask(&creel, "POST /", "", body);
    assert_eq!((status, got.as_str()), (200, ""));
}

/// A secret that no provider is named for may be another's: it does not keep a
/// challenge from being answered that is made without a secret.
#[test]
fn a_foreign_secret_without_a_name_refuses_no_challenge() {
    let body = r#"{"token":"x","challenge":"3eZbrw1a","type":"url_verification"}"#;
    let hex = "ab".repeat(32);
    for secret in [
        "somebody-else-s",
        &hex,
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ] {
        let creel = Creel::serve(&["--secret", secret]);
        for headers in [String::new(), signed(&creel, "slack", SECRET, body)] {
            let (status, _, answer) = ask(&creel, "POST /", &headers, body);
            assert_eq!(status, 200, "{secret} {headers}");
            assert!(answer.contains("3eZbrw1a"), "{secret} {headers}: {answer}");
        }
        // What is made with the secret is refused as before.
        let body = r#"{"event":"endpoint.url_validation","payload":{"plainToken":"q"}}"#;
        let headers = signed(&creel, "zoom", SECRET, body);
        let (_, _, answer) = ask(&creel, "POST /", &headers, body);
        assert!(!answer.contains("encryptedToken"), "{answer}");
    }
}
