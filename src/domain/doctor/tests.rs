//! Test cases of the doctor: a change to a delivery and the expected findings.

use super::rewrite::{self as json, Layout};
use super::value_style::ValueStyle;
use super::*;
use crate::domain::provider::Catalog;
use crate::domain::signature::{Keys, SigningInput, sign, verify};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_790_000_000);
const BODY: &str = "{\"id\": 7, \"amount\": 10.50, \"tags\": [\"a\", \"b\"]}";

/// Signs a body, applies `change` to it and returns the finding codes.
fn codes(
    provider: &str,
    signed: &str,
    secrets: &[Secret],
    others: &[Secret],
    change: impl FnOnce(&mut Request),
) -> (Status, Vec<String>) {
    let catalog = Catalog::builtin();
    let provider = catalog.get(provider).unwrap();
    let true_secret = Secret::new("true", "test", TRUE);
    let what = SigningInput {
        body: signed.as_bytes(),
        now: NOW,
        id: "msg_1",
        event: Some("x"),
        method: "POST",
        url: None,
    };
    let headers = sign(provider, &true_secret, &what).unwrap();
    let mut request = Request {
        method: "POST".into(),
        headers,
        body: signed.to_owned().into(),
        ..Request::default()
    };
    change(&mut request);
    let secrets: Vec<&Secret> = secrets.iter().collect();
    let others: Vec<&Secret> = others.iter().collect();
    let mut verification = verify(
        &request,
        provider,
        Keys {
            secrets: &secrets,
            url: None,
        },
        NOW,
    );
    let subject = Subject {
        request: &request,
        provider,
        secrets: &secrets,
        others: &others,
        old: &[],
        url: None,
        now: NOW,
        known: catalog.iter().as_slice(),
        history: History::default(),
    };
    let found = diagnose(&subject, &verification, Effort::Full);
    // Caveats of a valid signature are tested with the signatures.
    let is_open = |finding: &Finding| coverage::is_caveat(&finding.code);
    verification.findings.retain(|finding| !is_open(finding));
    verification.findings.extend(found.findings);
    for finding in &verification.findings {
        assert!(
            !finding.message.is_empty() && !finding.advice.is_empty(),
            "{finding:?}"
        );
        assert!(!finding.message.contains(TRUE), "a finding shows a secret");
    }
    (
        verification.status,
        verification.findings.into_iter().map(|f| f.code).collect(),
    )
}

/// Base64 of 24 bytes, so that it is valid in every scheme.
const TRUE: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn secret(text: &str) -> Secret {
    Secret::new("here", "test", text)
}

fn found(provider: &str, configured: &str, change: impl FnOnce(&mut Request)) -> Vec<String> {
    codes(provider, BODY, &[secret(configured)], &[], change).1
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    for provider in [
        "stackryze",
        "porkbun",
        "zyra",
        "tenant-platform",
        "stack-auth",
        "standard-webhooks",
    ] {
        let (status, codes) = codes(provider, BODY, &[secret(TRUE)], &[secret("other")], |_| {});
        assert_eq!((status, codes), (Status::Valid, Vec::new()), "{provider}");
    }
}

#[test]
fn another_configured_secret_is_named() {
    let (status, codes) = codes(
        "porkbun",
        BODY,
        &[secret("wrong")],
        &[secret("x"), secret(TRUE)],
        |_| {},
    );
    assert_eq!(
        (status, codes),
        (Status::Invalid, vec!["other_secret".to_owned()])
    );
}

#[test]
fn a_late_delivery_with_another_secret_shows_both_facts() {
    let catalog = Catalog::builtin();
    let provider = catalog.get("porkbun").unwrap();
    let true_secret = Secret::new("b", "test", TRUE);
    let early = Timestamp::from_unix_seconds(NOW.unix_seconds() - 4000);
    let what = SigningInput {
        body: b"{}",
        now: early,
        id: "1",
        event: None,
        method: "POST",
        url: None,
    };
    let headers = sign(provider, &true_secret, &what).unwrap();
    let request = Request {
        method: "POST".into(),
        headers,
        body: "{}".into(),
        ..Request::default()
    };
    let wrong = secret("wrong");
    let verification = verify(
        &request,
        provider,
        Keys {
            secrets: &[&wrong],
            url: None,
        },
        NOW,
    );
    let subject = Subject {
        request: &request,
        provider,
        secrets: &[&wrong],
        others: &[&true_secret],
        old: &[],
        url: None,
        now: NOW,
        known: catalog.iter().as_slice(),
        history: History::default(),
    };
    let codes: Vec<String> = diagnose(&subject, &verification, Effort::Full)
        .findings
        .into_iter()
        .map(|f| f.code)
        .collect();
    assert_eq!(verification.status, Status::Invalid);
    assert_eq!(codes, ["other_secret", "stale"]);
}

#[test]
fn a_mistyped_secret_is_recognised() {
    for (configured, code) in [
        (format!(" {TRUE}"), "secret_space"),
        (format!("{TRUE}\n"), "secret_space"),
        (format!("\"{TRUE}\""), "secret_quotes"),
        (format!("'{TRUE}' "), "secret_quotes"),
        (format!("whsec_{TRUE}"), "secret_prefix"),
    ] {
        assert_eq!(
            found("porkbun", &configured, |_| {}),
            [code],
            "{configured:?}"
        );
    }
    assert_eq!(
        found("stack-auth", &format!("v1,whsec_{TRUE}"), |_| {}),
        ["secret_prefix"]
    );
    assert_eq!(
        found("stack-auth", &format!("{TRUE}\n"), |_| {}),
        ["secret_space"]
    );
}

#[test]
fn a_secret_meant_in_another_form_is_recognised() {
    // The sender signs with the decoded bytes; creel is configured with their
    // text.
    let decoded = decode(TRUE);
    let catalog = Catalog::builtin();
    let provider = catalog.get("zyra").unwrap();
    let sender = Secret::new("s", "t", decoded);
    let what = SigningInput {
        body: b"{}",
        now: NOW,
        id: "1",
        event: None,
        method: "POST",
        url: None,
    };
    let headers = sign(provider, &sender, &what).unwrap();
    let request = Request {
        method: "POST".into(),
        headers,
        body: "{}".into(),
        ..Request::default()
    };
    let ours = secret(TRUE);
    let verification = verify(
        &request,
        provider,
        Keys {
            secrets: &[&ours],
            url: None,
        },
        NOW,
    );
    let subject = Subject {
        request: &request,
        provider,
        secrets: &[&ours],
        others: &[],
        old: &[],
        url: None,
        now: NOW,
        known: catalog.iter().as_slice(),
        history: History::default(),
    };
    let found = diagnose(&subject, &verification, Effort::Full).findings;
    assert_eq!(found[0].code, "secret_decoded");
}

fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}

#[test]
fn a_body_changed_on_the_way_is_recognised() {
    let changed = |signed: &str, received: Vec<u8>| {
        codes("porkbun", signed, &[secret(TRUE)], &[], |request| {
            request.body = received.into();
        })
        .1
    };
    assert_eq!(changed("{}", b"{}\n".to_vec()), ["body_newline"]);
    assert_eq!(changed("{}\n", b"{}".to_vec()), ["body_newline"]);
    assert_eq!(
        changed("a\r\nb\r\n", b"a\nb\n".to_vec()),
        ["body_line_ends"]
    );
    assert_eq!(
        changed("a\nb\n", b"a\r\nb\r\n".to_vec()),
        ["body_line_ends"]
    );
    assert_eq!(changed("{}", b"\xef\xbb\xbf{}".to_vec()), ["body_bom"]);
    let tokens = tokens::tokens(BODY).unwrap();
    for layout in [Layout::COMPACT, Layout::indented(2), Layout::indented(4)] {
        let received = json::write_as(&tokens, layout, ValueStyle::KEPT);
        assert_eq!(
            changed(BODY, received.into_bytes()),
            ["body_spaced"],
            "{layout:?}"
        );
    }
    let sorted = json::write_as(&json::sorted(&tokens), Layout::SPACED, ValueStyle::KEPT);
    assert_eq!(changed(&sorted, BODY.as_bytes().to_vec()), ["body_sorted"]);
    assert_eq!(
        changed(BODY, BODY.replace("10.50", "10.5").into_bytes()),
        ["body_numbers"]
    );
}

#[test]
fn a_body_nested_very_deep_costs_nothing() {
    let deep = "[".repeat(500_000) + &"]".repeat(500_000);
    assert_eq!(
        found("zyra", TRUE, |request| request.body = deep.into()),
        ["unexplained"]
    );
}

#[test]
fn a_digest_written_otherwise_is_recognised() {
    let rewrite = |provider: &str, change: fn(&str) -> String| {
        found(provider, TRUE, |request| {
            let header = Catalog::builtin()
                .get(provider)
                .unwrap()
                .signature
                .as_ref()
                .unwrap()
                .header
                .clone();
            let value = change(request.headers.text(&header).unwrap());
            request.headers.set(&header, value);
        })
    };
    assert_eq!(rewrite("zyra", str::to_uppercase), ["signature_case"]);
    assert_eq!(
        rewrite("porkbun", |v| v.trim_start_matches("sha256=").to_owned()),
        ["signature_form", "signature_prefix"]
    );
    assert_eq!(
        rewrite("stack-auth", |v| format!(
            "v1,{}",
            hex::encode(decode(v.trim_start_matches("v1,")))
        )),
        ["signature_not_a_digest", "signature_encoding"]
    );
}

#[test]
fn headers_that_disagree_are_recognised() {
    assert_eq!(
        found("zyra", TRUE, |r| r.headers.push("content-length", "3")),
        ["content_length"]
    );
    let absent = |r: &mut Request| r.headers.retain(|h| h.name != "x-zyra-signature");
    assert_eq!(found("zyra", TRUE, absent), ["signature_missing"]);
    let renamed = |r: &mut Request| {
        absent(r);
        r.headers.push("x_zyra_signature", "abc");
    };
    assert_eq!(found("zyra", TRUE, renamed), ["header_renamed"]);
    let first = |r: &mut Request| r.headers.retain(|h| h.name != "x-stackryze-signature");
    assert_eq!(found("stackryze", TRUE, first), ["probable_verification"]);
}

#[test]
fn without_a_secret_it_says_how_to_add_one() {
    let (status, codes) = codes("zyra", BODY, &[], &[], |_| {});
    assert_eq!(
        (status, codes),
        (Status::NoSecret, vec!["no_secret".to_owned()])
    );
}

/// Replaces the value of one header with the result of `change`.
fn rewritten(request: &mut Request, name: &str, change: impl FnOnce(&str) -> String) {
    let value = change(request.headers.text(name).unwrap());
    request.headers.set(name, value);
}

#[test]
fn what_a_secret_is_kept_with_is_found_on_both_sides() {
    for stored_key in [
        format!(" {TRUE}"),
        format!("{TRUE}\t"),
        format!(" {TRUE} "),
        format!("{TRUE}\n"),
    ] {
        let (_, codes) = codes_of_key(&stored_key, TRUE);
        assert_eq!(codes, ["secret_space"], "{stored_key:?}");
    }
    for (key, configured, code) in [
        ("e83a5d2c71", "pk_test_e83a5d2c71", "secret_prefix"),
        ("test_e83a5d2c71", "pk_test_e83a5d2c71", "secret_prefix"),
        (
            "PORKBUN_WEBHOOK_SECRET",
            "pk_test_e83a5d2c71",
            "secret_variable",
        ),
        (
            "process.env.WEBHOOK_SECRET",
            "pk_test_e83a5d2c71",
            "secret_variable",
        ),
    ] {
        assert_eq!(codes_of_key(key, configured).1, [code], "{key}");
    }
}

/// Diagnoses a delivery that was signed with `key`.
fn codes_of_key(key: &str, configured: &str) -> (Status, Vec<String>) {
    codes("porkbun", BODY, &[secret(configured)], &[], |request| {
        let catalog = Catalog::builtin();
        let what = SigningInput {
            body: BODY.as_bytes(),
            now: NOW,
            id: "msg_1",
            event: Some("x"),
            method: "POST",
            url: None,
        };
        let signer = Secret::new("signer", "test", key);
        request.headers = sign(catalog.get("porkbun").unwrap(), &signer, &what).unwrap();
    })
}

#[test]
fn a_doubled_header_is_called_doubled_and_not_misspelled() {
    for wrong_first in [false, true] {
        let codes = found("porkbun", TRUE, |request| {
            let right = request
                .headers
                .text("x-porkbun-signature")
                .unwrap()
                .to_owned();
            let wrong = format!("sha256={}", "0".repeat(64));
            request.headers.set(
                "x-porkbun-signature",
                if wrong_first { &wrong } else { &right },
            );
            request.headers.push("x-porkbun-signature", &right);
        });
        assert!(codes.contains(&"header_doubled".to_owned()), "{codes:?}");
        assert!(!codes.contains(&"signature_prefix".to_owned()), "{codes:?}");
    }
}

#[test]
fn a_header_that_is_encoded_or_prefixed_twice_is_read() {
    let of = |change: fn(&str) -> String| {
        found("porkbun", TRUE, |request| {
            rewritten(request, "x-porkbun-signature", change);
        })
    };
    let codes = of(|v| v.replace('=', "%3D"));
    assert!(codes.contains(&"signature_percent".to_owned()), "{codes:?}");
    assert!(!codes.contains(&"signature_prefix".to_owned()), "{codes:?}");
    let codes = of(|v| format!("sha256={v}"));
    assert!(codes.contains(&"signature_prefix".to_owned()), "{codes:?}");
    let codes = found("stackryze", TRUE, |request| {
        rewritten(request, "x-stackryze-signature", |v| {
            v.replace('=', "%3D").replace(',', "%2C")
        });
    });
    assert!(codes.contains(&"signature_percent".to_owned()), "{codes:?}");
}

#[test]
fn another_provider_s_delivery_is_known_by_its_own_scheme() {
    let catalog = Catalog::builtin();
    let codes = found("porkbun", TRUE, |request| {
        let what = SigningInput {
            body: BODY.as_bytes(),
            now: NOW,
            id: "1",
            event: Some("push"),
            method: "POST",
            url: None,
        };
        let signer = Secret::new("signer", "test", TRUE);
        request.headers = sign(catalog.get("github").unwrap(), &signer, &what).unwrap();
    });
    assert_eq!(codes, ["other_provider_header"]);
    let mut request = Request::default();
    request.headers.push("X_Porkbun_Signature", "sha256=00");
    let known = catalog.iter().as_slice();
    assert_eq!(unknown_provider(&request, known)[0].code, "header_renamed");
    let mut request = Request::default();
    request.headers.push("signature", "00");
    assert_eq!(
        unknown_provider(&request, known)[0].code,
        "unknown_provider"
    );
}

#[test]
fn json_as_programs_print_it_is_found() {
    let compact = "{\"name\":\"Zo\u{eb}\",\"n\":1}";
    for printed in [
        "{\n  \"name\": \"Zo\u{eb}\",\n  \"n\": 1\n}\n",
        "{\n    \"name\": \"Zo\\u00eb\",\n    \"n\": 1\n}",
        "{\"name\": \"Zo\\u00eb\", \"n\": 1}\n",
    ] {
        let (status, codes) = codes("zyra", printed, &[secret(TRUE)], &[], |request| {
            request.body = compact.into();
        });
        assert_eq!(status, Status::Invalid);
        assert_eq!(codes, ["body_language"], "{printed:?}");
    }
}

#[test]
fn the_address_is_varied_where_sorted_form_fields_are_signed_with_it() {
    let catalog = Catalog::builtin();
    let provider = catalog.get("twilio").unwrap();
    let signer = secret(TRUE);
    let body = "Body=hi+there&From=%2B1415";
    for (signed, code) in [
        ("http://example.test/in?b=1&a=2", "url_scheme"),
        ("https://example.test/in/?b=1&a=2", "url_slash"),
        ("https://example.test/in", "url_query"),
        ("https://other.test/in?b=1&a=2", "url_host"),
    ] {
        let what = SigningInput {
            body: body.as_bytes(),
            now: NOW,
            id: "1",
            event: None,
            method: "POST",
            url: Some(signed),
        };
        let mut headers = sign(provider, &signer, &what).unwrap();
        headers.push("x-forwarded-host", "other.test");
        let request = Request {
            method: "POST".into(),
            path: "/in".into(),
            query: Some("b=1&a=2".into()),
            headers,
            body: body.into(),
            ..Request::default()
        };
        let url = Some("https://example.test/in?b=1&a=2");
        let keys = Keys {
            secrets: &[&signer],
            url,
        };
        let verification = verify(&request, provider, keys, NOW);
        assert_eq!(verification.status, Status::Invalid);
        let subject = Subject {
            request: &request,
            provider,
            known: catalog.iter().as_slice(),
            secrets: &[&signer],
            others: &[],
            old: &[],
            url,
            now: NOW,
            history: History::default(),
        };
        let found = diagnose(&subject, &verification, Effort::Full);
        assert_eq!(found.findings[0].code, code, "{signed}");
    }
}

#[test]
fn a_time_in_any_unit_is_named() {
    for zeros in ["000", "000000", "000000000"] {
        let time = format!("{}{zeros}", NOW.unix_seconds());
        let text = [time.as_bytes(), b".", BODY.as_bytes()].concat();
        let digest = mac::Method::Hmac(mac::Hash::Sha256)
            .digest(TRUE.as_bytes(), [text.as_slice()].into_iter());
        let (_, codes) = self::codes("porkbun", BODY, &[secret(TRUE)], &[], |request| {
            request.headers.set("x-porkbun-webhook-timestamp", &time);
            request.headers.set(
                "x-porkbun-signature",
                format!("sha256={}", hex::encode(digest)),
            );
        });
        assert_eq!(codes, ["timestamp_unit"], "{zeros}");
    }
}
