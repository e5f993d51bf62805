//! What to do about a failure, in the inspector's words: keys instead of
//! commands and flags.

use crate::domain::failure::{Failure, Remedy};

use super::action::Action;
use super::keymap::Keymap;

/// Returns what happened, why, and what to do next; parts without text are
/// left out.
pub fn parts(failure: &Failure, keys: &Keymap) -> Vec<String> {
    let next = match failure.remedy {
        Some(remedy) => words(remedy, keys),
        None => failure.next.clone(),
    };
    let parts = [failure.what.clone(), failure.why.clone(), next];
    parts.into_iter().filter(|part| !part.is_empty()).collect()
}

fn words(remedy: Remedy, keys: &Keymap) -> String {
    let key = |action| keys.key(action);
    match remedy {
        Remedy::ChooseDelivery => "Choose another delivery.".to_owned(),
        Remedy::NameTarget => format!(
            "Send it to the address of your app: {} asks for it.",
            key(Action::ResendWith)
        ),
        Remedy::AddSecret => format!("Add the secret: press {}.", key(Action::Secret)),
        Remedy::AddSecretOrKeepSignature => format!(
            "Add the secret ({}), or send it with the signature as received.",
            key(Action::Secret)
        ),
        Remedy::KeepSignature => "Send it with the signature as received.".to_owned(),
        Remedy::EditRequest => format!(
            "Send it as received, or edit what should differ: press {}.",
            key(Action::Edit)
        ),
        Remedy::SendOnce => "Send it once, without retries.".to_owned(),
        Remedy::CorrectFilter => format!("Correct the filter: press {}.", key(Action::Find)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_command_and_no_flag_is_advised() {
        let keys = Keymap::load(None).unwrap();
        let remedies = [
            Remedy::ChooseDelivery,
            Remedy::NameTarget,
            Remedy::AddSecret,
            Remedy::AddSecretOrKeepSignature,
            Remedy::KeepSignature,
            Remedy::EditRequest,
            Remedy::SendOnce,
            Remedy::CorrectFilter,
        ];
        for remedy in remedies {
            let failure = Failure::no("It failed.", "", "Try:  creel list --json");
            let parts = parts(&failure.with_remedy(remedy), &keys);
            assert_eq!(parts.len(), 2, "{parts:?}");
            assert!(!parts[1].contains("creel ") && !parts[1].contains("--"));
        }
    }
}
