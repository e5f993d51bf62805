//! What the inspector offers for a delivery is what the creel accepts, and
//! what it refuses is explained without commands and flags.

use creel::control::client;
use creel::domain::attempt::Signing;
use creel::domain::failure::Failure;
use creel::engine::Engine;
use creel::engine::command::{Command, Detail, Reply, ResendRequest, RetryOptions, Selection};
use creel::tui::advice;
use creel::tui::keymap::Keymap;

use crate::support::creel::Creel;

/// Headers of deliveries that differ in how they can be resent.
const HEADERS: [&str; 5] = [
    "",
    "X-Porkbun-Event: a\r\nX-Porkbun-Signature: sha256=00\r\n",
    "X-Zyra-Event: a\r\nX-Zyra-Signature: sha256=00\r\n",
    "X-GitHub-Event: push\r\nX-Hub-Signature-256: sha256=00\r\n",
    "X-Signature-Ed25519: 00\r\nX-Signature-Timestamp: 1\r\n",
];

async fn engine(creel: &Creel) -> Engine {
    let data = creel.home.path().join("data");
    client::connect(&data).await.unwrap().unwrap()
}

async fn detail(engine: &Engine, id: &str) -> Box<Detail> {
    match engine.call(Command::Show(id.to_owned())).await.unwrap() {
        Reply::Detail(detail) => detail,
        other => panic!("{other:?}"),
    }
}

fn order(id: &str) -> ResendRequest {
    ResendRequest {
        which: Selection::Ids(vec![id.to_owned()]),
        target: Some("http://127.0.0.1:9".to_owned()),
        ..ResendRequest::default()
    }
}

/// Checks that the advice can be followed inside the inspector.
fn is_followed_here(failure: &Failure) {
    let keys = Keymap::load(None).unwrap();
    let text = advice::parts(failure, &keys).join("\n");
    assert!(!text.contains("--") && !text.contains("creel "), "{text}");
}

#[tokio::test]
async fn what_is_offered_is_accepted_and_nothing_else() {
    let creel = Creel::serve(&["--secret", "porkbun=a-secret", "--secret", "github=another"]);
    for headers in HEADERS {
        creel.post("/", headers, b"{}");
    }
    let engine = engine(&creel).await;
    let mut offered = Vec::new();
    for row in creel.list() {
        let id = row["id"].as_str().unwrap();
        let offers = detail(&engine, id).await.offers;
        for new_event in [false, true] {
            let order = ResendRequest {
                signing: Some(Signing::Fresh),
                new_event,
                ..order(id)
            };
            let answer = engine.call(Command::Preview(order)).await;
            assert_eq!(answer.is_err(), offers.no_signature.is_some(), "{offers:?}");
            answer.err().iter().for_each(is_followed_here);
        }
        let order = ResendRequest {
            retry: Some(RetryOptions { compress: 60 }),
            signing: Some(Signing::Kept),
            ..order(id)
        };
        let ended = match engine.call(Command::Resend(order)).await {
            Ok(Reply::Job(job)) => {
                let _ = engine.call(Command::Stop(job.id)).await;
                job.failure
            }
            Ok(other) => panic!("{other:?}"),
            Err(failure) => Some(failure),
        };
        ended.iter().for_each(is_followed_here);
        offered.push((offers.no_signature.is_none(), offers.no_retries.is_none()));
    }
    // Newest first: Discord, GitHub, Zyra, Porkbun, unknown.
    assert_eq!(
        offered.iter().map(|offer| offer.0).collect::<Vec<_>>(),
        [false, true, false, true, false]
    );
    assert!(!offered[1].1 && !offered[4].1, "{offered:?}");
    assert!(offered[3].1, "{offered:?}");
}

#[tokio::test]
async fn what_is_refused_is_explained_in_the_inspector_s_words() {
    let creel = Creel::serve(&[]);
    creel.post("/", "", b"{}");
    let id = creel.list()[0]["id"].as_str().unwrap().to_owned();
    let engine = engine(&creel).await;
    let matching = |filter: &str| ResendRequest {
        which: Selection::Matching(filter.to_owned()),
        ..order(&id)
    };
    let nowhere = ResendRequest {
        target: None,
        ..order(&id)
    };
    let commands = [
        Command::Resend(matching("nothing matches this")),
        Command::Resend(matching("size:>x")),
        Command::Resend(order("ffffffff")),
        Command::Resend(nowhere),
        Command::Show("ffffffff".to_owned()),
        Command::Examine("ffffffff".to_owned()),
        Command::Results(999),
    ];
    for command in commands {
        let failure = match engine.call(command.clone()).await {
            Err(failure) => failure,
            Ok(reply) => panic!("{command:?}: {reply:?}"),
        };
        is_followed_here(&failure);
    }
}
