//! Picking or adding a secret: what keys do, and how the form looks.

use creel::domain::failure::Failure;
use creel::domain::keyring::{Adoption, Scope};
use creel::domain::verification::{Status, TrialOutcome};
use creel::engine::command::{AdoptSecretRequest, Adopted, Detail, SecretChoice};
use creel::tui::app::ToastKind;
use creel::tui::effect::Effect;
use creel::tui::msg::Msg;
use creel::tui::overlay::Overlay;
use creel::tui::pane::detail::Tab;
use proptest::prelude::*;

use super::pictures::{check, name_of, picture};
use super::world::{World, forged, known, unknown, valid};

const SIZES: [(u16, u16); 3] = [(120, 40), (80, 24), (44, 10)];

/// A delivery to the endpoint "billing", signed with that of "billing-live".
fn to_billing() -> Detail {
    let mut detail = forged(1);
    detail.summary.endpoint = Some("billing".into());
    detail.delivery.endpoint = Some("billing".into());
    detail.suggested = Some(1);
    detail
}

fn world(size: (u16, u16), detail: Detail) -> World {
    let mut world = World::open(size, vec![detail]);
    world.app.info.secrets = vec![
        known("billing", "whse…9aBc", "env:BILLING_TEST"),
        known("billing-live", "sk9_…x2Qa", "creel.toml line 12"),
        known("zyra", "f0…e1", "file:~/.secrets/zyra"),
    ];
    world
}

fn order(world: &mut World) -> AdoptSecretRequest {
    match &world.took()[..] {
        [Effect::Secret(order)] => order.clone(),
        other => panic!("{other:?}"),
    }
}

fn typed(order: &AdoptSecretRequest) -> &str {
    match &order.secret {
        SecretChoice::Typed(text) => text.reveal(),
        SecretChoice::Known(..) => panic!("{order:?}"),
    }
}

fn adopted(verified: &[(Status, u64)]) -> Adopted {
    Adopted {
        fingerprint: "whse…4fTq".into(),
        scope: Scope::Endpoint("billing".into()),
        before: false,
        verified: verified.to_vec(),
    }
}

#[test]
fn the_secret_that_was_proved_is_chosen_already() {
    let mut world = world((120, 40), to_billing());
    world.keys("s<enter>");
    let order = order(&mut world);
    let wanted = known("billing-live", "sk9_…x2Qa", "creel.toml line 12");
    assert_eq!(order.secret, SecretChoice::Known(1, wanted));
    assert_eq!(order.how, Adoption::Add);
    assert_eq!(order.id, world.deliveries[0].delivery.id.to_string());
}

#[test]
fn what_is_typed_or_pasted_is_the_new_secret_whatever_it_is() {
    for text in [
        "q?:jM s",
        "env:NAME",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ] {
        let mut world = world((120, 40), to_billing());
        world.keys("s").keys(text).keys("<tab><space><enter>");
        let order = order(&mut world);
        assert_eq!((typed(&order), order.how), (text, Adoption::Replace));
    }
    let mut world = world((120, 40), to_billing());
    world.keys("s");
    world.tell(Msg::Paste("pasted-secret\r\n".into()));
    world.keys("<enter>");
    assert_eq!(typed(&order(&mut world)), "pasted-secret");
}

#[test]
fn what_can_be_no_secret_is_not_sent() {
    let mut world = world((120, 40), valid(1));
    world.keys("s<enter>");
    assert!(world.took().is_empty());
    assert!(picture(&world).contains("The secret is empty."));
    world.keys("\"quoted\"");
    assert!(picture(&world).contains("The secret has quotes around it"));
    world.keys("<enter>");
    assert_eq!(typed(&order(&mut world)), "\"quoted\"");
}

#[test]
fn the_end_is_told_in_numbers_and_everything_is_asked_for_anew() {
    let mut world = world((120, 40), to_billing());
    world.keys("s<enter>");
    assert!(picture(&world).contains("Verifying again"));
    world.keys("<enter>x");
    assert_eq!(world.took().len(), 1, "sent twice");
    let counts = [(Status::Valid, 9), (Status::Invalid, 3)];
    world.tell(Msg::Adopted(Ok(adopted(&counts))));
    assert!(world.app.overlay.is_none());
    assert_eq!(
        world.toast(),
        "Secret whse…4fTq now counts for billing: 12 verified again, 9 ok, 3 still BAD"
    );
    // Closed before, it is told all the same.
    world.keys("s<enter><esc>?");
    world.tell(Msg::Adopted(Ok(adopted(&[(Status::Valid, 1)]))));
    assert!(matches!(world.app.overlay, Some(Overlay::Help(_))));
    assert!(world.toast().contains("1 verified again, 1 ok"));
}

#[test]
fn a_failure_is_told_in_the_form_which_stays_as_it_was() {
    let failure = || {
        let what = "The environment variable NAME is not set.";
        Failure::usage(what, "", "Set it first.")
    };
    let mut world = world((120, 40), to_billing());
    world.keys("senv:NAME<enter>");
    world.tell(Msg::Adopted(Err(failure())));
    assert!(picture(&world).contains("The environment variable NAME is not set."));
    world.took();
    world.keys("2<enter>");
    assert_eq!(typed(&order(&mut world)), "env:NAME2");
    world.keys("<esc>");
    world.tell(Msg::Adopted(Err(failure())));
    assert_eq!(world.app.toast.as_ref().unwrap().kind, ToastKind::Failed);
}

#[test]
fn replacing_is_offered_only_where_there_is_something_to_replace() {
    let mut world = World::open((120, 40), vec![valid(1)]);
    world.app.info.secrets.clear();
    world.keys("s");
    assert!(!picture(&world).contains("the current secrets"));
    world.keys("a-secret<tab><space><enter>");
    assert_eq!(order(&mut world).how, Adoption::Add);
    let mut world = self::world((120, 40), valid(1));
    world.keys("s");
    assert!(picture(&world).contains("Replace the current secrets"));
}

#[test]
fn without_a_delivery_there_is_no_form() {
    let mut world = World::open((120, 40), Vec::new());
    world.keys("s");
    assert!(world.app.overlay.is_none());
    assert!(world.toast().contains("no delivery is selected"));
}

#[test]
fn what_to_write_to_keep_it_follows_what_is_chosen() {
    let mut world = world((120, 40), to_billing());
    let keeps = |world: &World, lines: &[&str]| {
        let picture = picture(world);
        for line in lines {
            assert!(picture.contains(line), "{line} is not in\n{picture}");
        }
    };
    world.keys("s");
    keeps(
        &world,
        &[
            "[endpoints.billing]",
            r#"secrets = ["env:BILLING_SECRET", "env:BILLING_TEST"]"#,
        ],
    );
    world.keys("<down>");
    keeps(&world, &[r#"secrets = ["file:~/.secrets/zyra", "#]);
    world.keys("<tab><right>");
    keeps(
        &world,
        &[
            r#"secrets = ["file:~/.secrets/zyra"]"#,
            r#"old_secrets = ["env:BILLING_TEST"]"#,
        ],
    );
    world.keys("env:OTHER");
    keeps(&world, &[r#"secrets = ["env:OTHER"]"#]);
    let mut world = World::open((120, 40), vec![valid(1)]);
    world.keys("sx");
    keeps(
        &world,
        &["[secrets]", r#"porkbun = ["env:PORKBUN_SECRET"]"#],
    );
    let mut world = World::open((120, 40), vec![unknown(1)]);
    world.keys("s");
    keeps(&world, &["creel --secret env:WEBHOOK_SECRET"]);
}

#[test]
fn news_of_the_secrets_leave_what_is_chosen_and_typed() {
    let mut world = world((120, 40), to_billing());
    world.keys("s");
    let wanted = world.app.info.secrets[1].clone();
    let mut info = world.app.info.clone();
    info.secrets
        .insert(0, known("billing", "n…w", "typed into creel"));
    world.tell(Msg::Info(Ok(info.clone())));
    world.keys("<enter>");
    assert_eq!(order(&mut world).secret, SecretChoice::Known(2, wanted));
    world.keys("<esc>sabc");
    info.secrets.remove(2);
    world.tell(Msg::Info(Ok(info)));
    world.keys("<enter>");
    assert_eq!(typed(&order(&mut world)), "abc");
}

#[test]
fn the_form() {
    for size in SIZES {
        let mut world = world(size, to_billing());
        world.keys("s");
        check(&name_of("secret", size), &world);
        world.keys("MY_SECRET<tab><right>");
        check(&name_of("secret_typed", size), &world);
    }
    let mut world = world((80, 24), to_billing());
    world.app.info.secrets = (0..30)
        .map(|n| known(&format!("endpoint-{n}"), "a…b", "creel.toml line 3"))
        .collect();
    world.keys("s<up><up><up>");
    check("secret_many", &world);
}

#[test]
fn everything_is_tried_of_a_right_one_where_that_is_asked_for() {
    let mut detail = valid(1);
    detail.verification.tried = forged(1).verification.tried;
    detail.verification.tried[0].outcome = TrialOutcome::NotMatched;
    let mut world = World::open((120, 40), vec![detail]);
    world.keys("4v");
    assert_eq!(world.toast(), "Checked again: ok, 4 causes tried");
    assert_eq!(world.app.detail.tab, Tab::Signature);
    check("signature_examined", &world);
    world.keys("1v");
    assert!(world.toast().ends_with("4 causes tried; 4 shows them"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is typed, no screen shows it and no message prints it.
    #[test]
    fn a_secret_is_on_no_screen_and_in_no_message(secret in "[!-~]{12,40}") {
        prop_assume!(!secret.starts_with("env:") && !secret.starts_with("file:"));
        prop_assume!(!secret.contains('<'));
        let part = &secret[2..10];
        for size in SIZES {
            let mut world = world(size, to_billing());
            world.keys("s").keys(&secret);
            prop_assert!(!picture(&world).contains(part));
            let state = format!("{:?}", world.app);
            prop_assert!(!state.contains(part));
            world.keys("<enter>");
            prop_assert!(!picture(&world).contains(part));
            let effects = format!("{:?}", world.took());
            prop_assert!(!effects.contains(part));
            // Only the key for it shows it.
            world.tell(Msg::Adopted(Err(Failure::no("No.", "", ""))));
            world.keys("<F2>");
            if size.0 == 120 {
                prop_assert!(picture(&world).contains(&secret));
            }
        }
    }
}
