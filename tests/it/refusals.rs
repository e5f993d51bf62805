//! Secrets and parameters that could have no effect are refused at the start.

use std::fs;

use tempfile::TempDir;

use crate::support::creel::{Ran, command, run};

/// Starts `creel serve`, which goes no further than the address.
fn serve(home: &TempDir, args: &[&str]) -> Ran {
    let args = [&["serve", "--listen", "nowhere"], args].concat();
    run(home.path(), &args, b"")
}

#[test]
fn empty_blank_and_undecodable_secrets_are_refused_wherever_they_stand() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("secret");
    for (owner, provider, value, word) in [
        ("zyra", "zyra", "", "is empty"),
        ("zyra", "zyra", " \t ", "is blank"),
        ("zyra", "zyra", "\u{feff}", "is blank"),
        ("zyra", "zyra", "\u{a0}\u{200b}", "is blank"),
        ("zyra", "zyra", "\"\"", "is blank"),
        ("zyra", "zyra", " '' ", "is blank"),
        ("svix", "svix", "v1,whsec_", "cut or misspelt"),
        ("svix", "svix", "whsec_!!!", "cut or misspelt"),
        (
            "standard-webhooks",
            "standard-webhooks",
            "n0t b64 at all",
            "base64",
        ),
        ("adyen-platform", "adyen-platform", "no hex", "hexadecimal"),
        ("amazon-sns", "amazon-sns", "no certificate", "PEM"),
        (
            "github",
            "github",
            "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----",
            "public key",
        ),
    ] {
        fs::write(&file, value).unwrap();
        let flag = format!("{owner}={value}");
        let reference = format!("{owner}=file:{}", file.display());
        for flag in [&flag, &reference] {
            let ran = serve(&home, &["--secret", flag]);
            assert_eq!(ran.code, 2, "{flag}: {ran:?}");
            assert!(ran.err.contains(word), "{flag}: {}", ran.err);
            assert!(
                value.trim().is_empty() || !ran.err.contains(value),
                "{}",
                ran.err
            );
        }
        let mut with_variable = command(home.path());
        with_variable.env("HOOK", value);
        let flag = format!("{owner}=env:HOOK");
        with_variable.args(["serve", "--listen", "nowhere", "--secret", &flag]);
        let said = with_variable.output().unwrap().stderr;
        assert!(String::from_utf8_lossy(&said).contains(word), "{flag}");
        let value = toml::Value::String(value.to_owned());
        for text in [
            format!("[secrets]\n{owner} = {value}\n"),
            format!("[endpoints.a]\nprovider = \"{provider}\"\nsecrets = [{value}]\n"),
        ] {
            fs::write(home.path().join("creel.toml"), &text).unwrap();
            let ran = serve(&home, &[]);
            assert!(
                ran.code == 2 && ran.err.contains(word),
                "{text}: {}",
                ran.err
            );
            assert!(ran.err.contains("creel.toml line "), "{}", ran.err);
        }
        fs::remove_file(home.path().join("creel.toml")).unwrap();
    }
}

#[test]
fn a_provider_s_name_as_the_secret_is_asked_about() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("request"), "GET / HTTP/1.1\n\n").unwrap();
    let asked = |ran: Ran| {
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains("--secret stripe=SECRET"), "{}", ran.err);
    };
    asked(serve(&home, &["--secret", "stripe"]));
    asked(serve(&home, &["--secret", "zyra=stripe"]));
    asked(serve(&home, &["--secret", "Stripe"]));
    asked(serve(&home, &["--secret", " STRIPE "]));
    for title in ["Stack Auth", "stack_auth", "stackauth"] {
        let ran = serve(&home, &["--secret", title]);
        assert!(
            ran.err.contains("--secret stack-auth=SECRET"),
            "{}",
            ran.err
        );
    }
    asked(run(
        home.path(),
        &["verify", "request", "--secret", "stripe"],
        b"",
    ));
    let text = "[endpoints.a]\nsecrets = [\"stripe\"]\n";
    fs::write(home.path().join("creel.toml"), text).unwrap();
    asked(serve(&home, &[]));
    fs::remove_file(home.path().join("creel.toml")).unwrap();
    // Whoever means it can say so.
    fs::write(home.path().join("secret"), "stripe").unwrap();
    for flag in ["file:secret", "stripe=stripe"] {
        let ran = serve(&home, &["--secret", flag]);
        assert!(
            ran.err.contains("not an address to listen on"),
            "{}",
            ran.err
        );
    }
}

#[test]
fn a_secret_may_begin_with_a_dash_and_a_flag_is_none() {
    let home = tempfile::tempdir().unwrap();
    let request = signed(&home, "zyra", "-a-secret_of-base64url");
    let request = request.as_bytes();
    let verify = |secret: &str| {
        let args = ["verify", "-", "--provider", "zyra", "--secret", secret];
        run(home.path(), &args, request)
    };
    let ran = verify("-a-secret_of-base64url");
    assert_eq!(ran.code, 0, "{ran:?}");
    // PEM is read, and refused for what it is.
    let ran = verify("-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----");
    assert!(!ran.err.contains("unexpected argument"), "{}", ran.err);
    for flag in ["--json", "--url=https://a.test", "-q", "-v"] {
        let ran = verify(flag);
        assert_eq!(ran.code, 2, "{flag}: {ran:?}");
        assert!(ran.err.contains("reads like a flag"), "{flag}: {}", ran.err);
    }
    for flag in ["--json", "--verbose", "-v"] {
        let ran = serve(&home, &["--secret", flag]);
        assert!(ran.err.contains("reads like a flag"), "{flag}: {}", ran.err);
    }
}

/// Returns a signed request as a file holds it.
fn signed(home: &TempDir, provider: &str, secret: &str) -> String {
    let args = ["sign", "--provider", provider, "--secret", secret];
    let body = r#"{"event":"room_started","id":"1"}"#;
    let headers = run(home.path(), &args, body.as_bytes()).out;
    format!("POST / HTTP/1.1\n{headers}\n{body}")
}

#[test]
fn a_parameter_restricts_verification_to_its_key() {
    let home = tempfile::tempdir().unwrap();
    for (provider, name) in [("pusher", "key"), ("livekit", "api_key")] {
        let raw = signed(&home, provider, "right:the-secret");
        let verify = |more: &[&str]| {
            let args = ["verify", "-", "--secret", "the-secret", "--json"];
            run(home.path(), &[&args[..], more].concat(), raw.as_bytes())
        };
        for detected in [&[][..], &["--provider", provider]] {
            let with = |param: &str| {
                let ran = verify(&[detected, &["--param", param]].concat());
                let found: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
                (ran.code, found["signature"]["findings"][0]["code"].clone())
            };
            assert_eq!(verify(detected).code, 0, "{provider}");
            assert_eq!(with(&format!("{name}=right")).0, 0, "{provider}");
            let other = with(&format!("{name}=other"));
            assert_eq!(other, (1, "other_key".into()), "{provider}");
        }
        for (param, word) in [("kye=a", name), ("secret=a", name)] {
            let ran = verify(&["--param", param]);
            assert!(ran.code == 2 && ran.err.contains(word), "{ran:?}");
        }
        let empty = format!("{name}=");
        assert_eq!(verify(&["--param", &empty]).code, 2);
    }
    let raw = signed(&home, "zyra", "the-secret");
    let args = ["verify", "-", "--secret", "the-secret", "--param", "key=a"];
    let ran = run(home.path(), &args, raw.as_bytes());
    assert!(
        ran.code == 2 && ran.err.contains("knows no parameters"),
        "{ran:?}"
    );
    for (text, word) in [
        (
            "provider = \"zyra\"\nparams = { key = \"a\" }",
            "knows no parameters",
        ),
        (
            "provider = \"pusher\"\nparams = { kye = \"a\" }",
            "Did you mean key?",
        ),
        ("params = { key = \"a\" }", "no provider is named"),
    ] {
        fs::write(
            home.path().join("creel.toml"),
            format!("[endpoints.a]\n{text}\n"),
        )
        .unwrap();
        let ran = serve(&home, &[]);
        assert!(
            ran.code == 2 && ran.err.contains(word),
            "{text}: {}",
            ran.err
        );
    }
}

#[test]
fn what_is_open_under_ok_does_not_look_like_a_failure() {
    let home = tempfile::tempdir().unwrap();
    let raw = signed(&home, "zyra", "the-secret");
    let args = ["verify", "-", "--secret", "the-secret"];
    let ran = run(home.path(), &args, raw.as_bytes());
    assert_eq!(ran.code, 0);
    assert!(
        ran.out.contains("\n· ") && !ran.out.contains('✗'),
        "{}",
        ran.out
    );
}
