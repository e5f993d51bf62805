//! Editing before sending: to the editor, into the form, and out again.

use creel::domain::attempt::Signing;
use creel::domain::edit::text;
use creel::domain::failure::Failure;
use creel::engine::command::{ResendRequest, ResendSupport};
use creel::tui::effect::Effect;
use creel::tui::msg::Msg;
use creel::tui::overlay::Overlay;
use creel::tui::overlay::resend::Choice;

use super::world::{World, many, unknown, valid};

const SIZE: (u16, u16) = (120, 40);

fn world() -> World {
    World::open(SIZE, vec![valid(1)]).with_target("http://localhost:3000/hooks")
}

/// Returns the text that went to the editor.
fn opened(world: &mut World) -> String {
    let effects = world.took();
    let [Effect::Edit(text)] = &effects[..] else {
        panic!("no editor: {effects:?}");
    };
    String::from_utf8(text.clone()).unwrap()
}

/// Comes back from the editor with a text.
fn left(world: &mut World, text: impl Into<Vec<u8>>) {
    world.tell(Msg::Edited(Ok(text.into())));
}

fn ordered(world: &mut World) -> ResendRequest {
    let effects = world.took();
    let [Effect::Resend(order)] = &effects[..] else {
        panic!("nothing is sent: {effects:?}");
    };
    order.clone()
}

fn choice(world: &World) -> Choice {
    match &world.app.overlay {
        Some(Overlay::Resend(form)) => form.choice,
        other => panic!("no form: {other:?}"),
    }
}

#[test]
fn e_edits_and_the_form_sends_it_signed_anew() {
    let mut world = world();
    world.keys("e");
    let file = opened(&mut world);
    assert!(file.contains("\nPOST /hooks/billing"), "{file}");
    left(&mut world, file.replace("4200.00", "4300.00"));
    assert_eq!(choice(&world), Choice::Fresh);
    let screen = world.picture();
    for line in [
        "Send edited",
        "4200.00",
        "4300.00",
        "x-porkbun-signature: (made",
    ] {
        assert!(screen.contains(line), "{line}\n{screen}");
    }
    world.keys("<enter>");
    let order = ordered(&mut world);
    assert_eq!(order.signing, Some(Signing::Fresh));
    let whole = order.edit.unwrap().whole.unwrap();
    let before = &world.deliveries[0].delivery.request;
    let expected = String::from_utf8_lossy(&before.body).replace("4200.00", "4300.00");
    assert_eq!(whole.body, expected.as_bytes());
    assert!(world.toast().contains("edited"), "{}", world.toast());
}

#[test]
fn an_unchanged_text_sends_nothing_and_says_so() {
    let mut world = world();
    world.keys("e");
    let file = opened(&mut world);
    left(&mut world, file.clone());
    assert!(world.app.overlay.is_none());
    assert!(
        world.toast().contains("Nothing was changed"),
        "{}",
        world.toast()
    );
    // A newline that the editor added is no change either.
    world.keys("e");
    opened(&mut world);
    left(&mut world, file + "\n");
    assert!(world.app.overlay.is_none());
    assert!(world.toast().contains("newline"), "{}", world.toast());
    assert!(world.took().is_empty());
}

#[test]
fn a_mistake_is_told_with_its_line_and_edited_again() {
    let mut world = world();
    world.keys("e");
    let wrong = opened(&mut world).replace("host: ", "host ");
    left(&mut world, wrong.clone());
    let Some(Overlay::Confirm(confirm)) = &world.app.overlay else {
        panic!("it does not ask");
    };
    assert!(confirm.what.starts_with("Line 5 "), "{confirm:?}");
    world.keys("<enter>");
    assert_eq!(opened(&mut world), wrong);
    left(&mut world, wrong.replace("host ", "host: x"));
    assert_eq!(choice(&world), Choice::Fresh);
    world.keys("<esc>");
    assert!(world.app.overlay.is_none() && world.took().is_empty());
}

#[test]
fn an_editor_that_fails_is_told() {
    let mut world = world();
    world.keys("e");
    opened(&mut world);
    let failure = Failure::cannot("The editor ed failed.", "Its exit status: 1.", "");
    world.tell(Msg::Edited(Err(failure)));
    assert!(world.toast().contains("ed failed"), "{}", world.toast());
    assert!(world.app.overlay.is_none());
}

#[test]
fn json_that_breaks_is_warned_about_and_can_be_sent() {
    let mut world = world();
    world.keys("e");
    let broken = opened(&mut world).replace("\"ok\":true", "\"ok\":tru");
    left(&mut world, broken);
    let screen = world.picture();
    assert!(
        screen.contains("The body is not valid JSON any more: line 1"),
        "{screen}"
    );
    world.keys("<enter>");
    assert!(ordered(&mut world).edit.is_some());
}

#[test]
fn the_form_edits_again_from_where_it_was() {
    let mut world = world();
    world.keys("R<tab>e");
    let first = opened(&mut world);
    left(&mut world, first.replace("\"ok\":true", "\"ok\":false"));
    world.keys("<tab><enter>");
    let second = opened(&mut world);
    assert!(second.contains("\"ok\":false"), "{second}");
    // Unchanged the second time: the form stays as it was.
    left(&mut world, second.clone());
    assert_eq!(choice(&world), Choice::Fresh);
    world.keys("e");
    opened(&mut world);
    // Back to what was received: it is no edit any more.
    left(&mut world, second.replace("\"ok\":false", "\"ok\":true"));
    world.keys("<enter>");
    assert_eq!(ordered(&mut world).edit, None);
}

#[test]
fn what_nobody_signed_goes_as_it_came() {
    let mut world = World::open(SIZE, vec![unknown(1)]).with_target("http://localhost:3000");
    world.keys("e");
    let file = opened(&mut world);
    left(&mut world, file.replace("\nPOST ", "\nPUT "));
    assert_eq!(choice(&world), Choice::Kept);
    world.keys("<tab><tab><tab><tab> ");
    assert_eq!(choice(&world), Choice::Kept, "nothing else is offered");
    world.keys("<enter>");
    assert_eq!(ordered(&mut world).signing, Some(Signing::Kept));
    // Where that is known only when it is tried: what is refused can be seen,
    // and is not sent.
    let mut detail = unknown(1);
    detail.offers = ResendSupport::default();
    let mut world = World::open(SIZE, vec![detail]).with_target("http://localhost:3000");
    world.keys("e");
    let file = opened(&mut world);
    left(&mut world, file.replace("\nPOST ", "\nPUT "));
    let screen = world.picture();
    assert!(
        screen.contains("Nothing says which provider sent it.") && screen.contains("+ PUT /hooks"),
        "{screen}"
    );
    world.keys("<enter>");
    assert!(world.took().is_empty());
    world.keys("<tab><tab><tab><tab>  <enter>");
    assert_eq!(ordered(&mut world).signing, Some(Signing::Kept));
}

#[test]
fn as_a_new_event_it_goes_as_it_was_shown() {
    let mut world = world();
    world.keys("R<tab>  ");
    assert_eq!(choice(&world), Choice::NewEvent);
    let screen = world.picture();
    for line in [
        "+ host: localhost:3000",
        "- x-porkbun-webhook-timestamp: 1795266146",
        "+ x-porkbun-webhook-timestamp: 1795266151 (now)",
        "+ x-porkbun-signature: (made when it is sent)",
        "+ x-porkbun-webhook-id: evt-new",
    ] {
        assert!(screen.contains(line), "{line}\n{screen}");
    }
    world.keys("<enter>");
    let order = ordered(&mut world);
    assert_eq!((order.new_event, order.seed), (true, Some(7)));
}

#[test]
fn one_is_edited_at_a_time() {
    let mut world = World::open(SIZE, many(5)).with_target("http://localhost:3000");
    world.keys("  e");
    assert!(world.took().is_empty());
    assert!(
        world.toast().contains("One delivery is edited"),
        "{}",
        world.toast()
    );
    let mut world = World::open(SIZE, Vec::new());
    world.keys("e");
    assert!(world.took().is_empty());
}

#[test]
fn long_changes_scroll() {
    let mut world =
        World::open((80, 24), vec![valid(1)]).with_target("http://localhost:3000/hooks");
    world.keys("e");
    let file = opened(&mut world);
    let before = &world.deliveries[0].delivery.request;
    let mut long = before.clone();
    long.body = format!("[{}\n]", "1,\n".repeat(60).trim_end_matches(",\n")).into();
    assert_ne!(file.as_bytes(), text::write(&long));
    left(&mut world, text::write(&long));
    let first = world.picture();
    assert!(first.contains("PgDn"), "{first}");
    world.keys("<PgDn>");
    assert_ne!(world.picture(), first);
    world.keys("<PgUp>");
    assert_eq!(world.picture(), first);
}
