//! What a provider really sent is right with every usual way to configure its
//! secret, or a finding says what to write.

use creel::domain::assess::{Assessment, Assessor};
use creel::domain::endpoint::Endpoint;
use creel::domain::provider::Catalog;
use creel::domain::request::Request;
use creel::domain::secret::Secret;
use creel::domain::timestamp::Timestamp;
use creel::domain::verification::Status;
use serde_json::Value;

use crate::conformance::{FILES, cases, request, secrets};

/// The largest body by which providers are told apart.
const MAX_TOLD_APART: usize = 16 << 10;

/// A recorded delivery that its provider's library accepts.
struct Genuine {
    file: &'static str,
    request: Request,
    secrets: Vec<Secret>,
    url: String,
    now: Timestamp,
}

/// Returns the recorded deliveries of every provider that are valid.
fn genuine() -> Vec<Genuine> {
    let binds = |case: &Value| case["expect"] == "valid" && case["normative"] != false;
    let of_file = |file: &'static str| {
        let valid = cases(file).into_iter().filter(binds);
        valid.map(move |case| Genuine {
            file,
            request: request(&case),
            secrets: secrets(&case),
            url: case["url"].as_str().unwrap().to_owned(),
            now: Timestamp::from_unix_seconds(case["now_unix"].as_i64().unwrap()),
        })
    };
    let all = FILES.iter().flat_map(|(file, _)| of_file(file));
    all.filter(|genuine| genuine.request.body.len() <= MAX_TOLD_APART)
        .collect()
}

impl Genuine {
    fn named(&self, name: &str) -> Vec<Secret> {
        self.secrets.iter().map(|s| s.named(name)).collect()
    }

    /// Verifies it at an endpoint with these secrets.
    fn with(&self, provider: Option<&str>, secrets: Vec<Secret>) -> Assessment {
        let endpoint = Endpoint {
            name: "hooks".into(),
            path: "/".into(),
            provider: provider.map(str::to_owned),
            public_url: Some(self.url.clone()),
            ..Endpoint::default()
        };
        let assessor = Assessor::new(Catalog::builtin(), vec![endpoint], secrets, None);
        assessor.assess(Some("hooks"), &self.request, self.now)
    }

    /// Asserts that it is right, or that the first finding names the flag to write.
    fn is_right_or_explained(&self, found: &Assessment, how: &str) {
        let name = found.provider.as_deref().unwrap_or_default();
        let verification = &found.verification;
        let status = verification.status;
        if status == Status::Valid {
            return;
        }
        let label = format!("{} {how}: {verification:?}", self.file);
        assert_eq!(status, Status::NoSecret, "{label}");
        let finding = &verification.findings[0];
        assert!(finding.proved, "{label}");
        assert!(
            finding.advice.contains(&format!("--secret {name}=")),
            "{label}"
        );
        assert!(verification.findings.len() <= 4, "{label}");
    }
}

/// Secrets of somebody else: a text, one that may be a public key, one in the
/// form of Standard Webhooks.
fn foreign() -> Vec<Secret> {
    [
        "another-text-of-no-provider".to_owned(),
        "ab".repeat(32),
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(),
    ]
    .map(|text| Secret::new("", "test", text))
    .into()
}

#[test]
fn a_genuine_delivery_is_right_with_a_secret_that_is_named() {
    let all = genuine();
    let every = || all.iter().flat_map(|other| other.named(other.file));
    for genuine in &all {
        for (how, provider, secrets) in [
            ("by provider", None, genuine.named(genuine.file)),
            (
                "beside every other",
                None,
                genuine
                    .named(genuine.file)
                    .into_iter()
                    .chain(every())
                    .collect(),
            ),
            ("by endpoint", Some(genuine.file), genuine.named("hooks")),
            ("by --provider", Some(genuine.file), genuine.named("")),
        ] {
            // Several of one provider's files have one secret for each header.
            if how == "beside every other" && genuine.secrets.len() > 1 {
                continue;
            }
            let found = genuine.with(provider, secrets);
            let status = found.verification.status;
            let (file, findings) = (genuine.file, &found.verification.findings);
            assert_eq!(status, Status::Valid, "{file} {how}: {findings:?}");
        }
    }
    assert!(all.len() > 400, "{}", all.len());
}

#[test]
fn a_genuine_delivery_is_never_bad_for_want_of_a_name() {
    let all = genuine();
    let mut every: Vec<Secret> = Vec::new();
    for other in &all {
        for secret in other.named("") {
            if !every.iter().any(|known| known.same_value(&secret)) {
                every.push(secret);
            }
        }
    }
    for genuine in &all {
        let own = || genuine.named("").into_iter();
        for (how, secrets) in [
            ("alone", own().collect()),
            ("of an endpoint", genuine.named("hooks")),
            ("before others", own().chain(foreign()).collect()),
            (
                "behind others",
                foreign().into_iter().chain(own()).collect(),
            ),
            ("among all", own().chain(every.clone()).collect()),
        ] {
            if how != "alone" && how != "of an endpoint" && genuine.secrets.len() > 1 {
                continue;
            }
            let found = genuine.with(None, secrets);
            genuine.is_right_or_explained(&found, how);
        }
    }
}

/// Whatever the scheme: the finding of an absent signature names where it should be.
#[test]
fn an_absent_signature_is_named_by_its_place() {
    for provider in Catalog::builtin().iter() {
        let scheme = provider.signature.as_ref().unwrap();
        let endpoint = Endpoint {
            name: "hooks".into(),
            path: "/".into(),
            provider: Some(provider.name.clone()),
            ..Endpoint::default()
        };
        let secrets = vec![Secret::new("hooks", "test", "secret")];
        let assessor = Assessor::new(Catalog::builtin(), vec![endpoint], secrets, None);
        let request = Request {
            method: "PUT".into(),
            path: "/".into(),
            body: "{\"a\":1}".into(),
            ..Request::default()
        };
        let found = assessor
            .assess(Some("hooks"), &request, Timestamp(0))
            .verification;
        assert_eq!(found.status, Status::MissingSignature, "{}", provider.name);
        let message = &found.findings[0].message;
        let place = scheme.pointer.as_ref().unwrap_or(&scheme.header);
        assert!(
            !place.is_empty() && message.contains(place),
            "{}: {message}",
            provider.name
        );
    }
}
