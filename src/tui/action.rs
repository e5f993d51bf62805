//! Everything a key or the palette can do, one line each.
//!
//! Which keys do it is left to `assets/keys.toml` and [`super::keymap`], what
//! it does to [`super::app`].

/// Where an action's keys work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// On every screen, over an overlay too.
    Everywhere,
    /// In the list and in the delivery.
    Panes,
    /// In the list.
    List,
    /// In the delivery.
    Delivery,
    /// After the key for copying.
    Copy,
}

impl Place {
    /// Every place, in the order of the help.
    pub const ALL: [Self; 5] = [
        Self::Everywhere,
        Self::Panes,
        Self::List,
        Self::Delivery,
        Self::Copy,
    ];

    /// Returns the heading in the help.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Everywhere => "EVERYWHERE",
            Self::Panes => "LIST AND DELIVERY",
            Self::List => "LIST",
            Self::Delivery => "DELIVERY",
            Self::Copy => "COPY, AFTER THE KEY FOR IT",
        }
    }

    /// Says whether a key could mean both an action here and one there.
    pub fn overlaps(self, other: Self) -> bool {
        let alone = |place| place == Self::Copy;
        let halves = [Self::List, Self::Delivery];
        match (self, other) {
            _ if self == other => true,
            (Self::Everywhere, _) | (_, Self::Everywhere) => true,
            _ if alone(self) || alone(other) => false,
            _ => !(halves.contains(&self) && halves.contains(&other)),
        }
    }
}

/// What is known of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The action.
    pub action: Action,
    /// Its name in `keys.toml`.
    pub name: &'static str,
    /// Where its keys work.
    pub place: Place,
    /// A word or two for the status line, under 14 columns.
    pub label: &'static str,
    /// A sentence for the help and the palette.
    pub sentence: &'static str,
}

macro_rules! actions {
    ($($variant:ident $name:literal $place:ident $label:literal $sentence:literal;)*) => {
        /// Something a key or the palette can do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action {
            $(#[doc = $sentence] $variant,)*
        }

        /// Every action, in the order of the help.
        pub const ACTIONS: &[Spec] = &[
            $(Spec {
                action: Action::$variant,
                name: $name,
                place: Place::$place,
                label: $label,
                sentence: $sentence,
            },)*
        ];
    };
}

actions! {
    Help "help" Everywhere "help" "Show the keys";
    Palette "palette" Everywhere "commands" "Find any action by words";
    Back "back" Everywhere "back" "Go back one step: close, cancel, clear the filter";
    Close "close" Everywhere "quit" "Close what is open; at the top, quit";
    Quit "quit" Everywhere "quit now" "Quit now";
    Suspend "suspend" Everywhere "suspend" "Suspend to the shell; meanwhile nothing is received";
    Repaint "repaint" Everywhere "repaint" "Repaint the screen";
    Mouse "mouse" Everywhere "mouse" "Turn the mouse on or off";

    Down "down" Panes "down" "Move down";
    Up "up" Panes "up" "Move up";
    HalfDown "half-page-down" Panes "half down" "Move half a page down";
    HalfUp "half-page-up" Panes "half up" "Move half a page up";
    PageDown "page-down" Panes "page down" "Move a page down";
    PageUp "page-up" Panes "page up" "Move a page up";
    First "first" Panes "first" "Go to the first";
    Last "last" Panes "last" "Go to the last";
    Open "open" Panes "open" "Open the delivery; once more, show it alone";
    FocusNext "focus-next" Panes "next pane" "Go to the next pane";
    FocusPrevious "focus-previous" Panes "other pane" "Go to the previous pane";
    Zoom "zoom" Panes "zoom" "Show this pane alone, or both again";
    Find "find" Panes "filter" "Filter the list, or search in the body";
    Next "next" Panes "next" "Go to the next problem in the list, or to the next match";
    Previous "previous" Panes "previous" "Go to the previous problem in the list, or match";
    TabOverview "tab-1" Panes "overview" "Show the overview";
    TabHeaders "tab-2" Panes "headers" "Show the headers";
    TabBody "tab-3" Panes "body" "Show the body";
    TabSignature "tab-4" Panes "signature" "Show the proof of the signature";
    TabTries "tab-5" Panes "tries" "Show the tries";
    Resend "resend" Panes "resend" "Send the selected ones again, else this one, as captured";
    ResendWith "resend-with" Panes "resend with…" "Send again: another target, new signature, new event, retries";
    Edit "edit" Panes "edit, resend" "Edit the request in your editor, then send it";
    Stop "stop" Panes "stop" "Stop what is being sent";
    GiveUp "give-up" Panes "give up" "Give up on deliveries that wait for their app: the selected, else all";
    TrustClock "trust-clock" Panes "trust clock" "Trust a doubted clock, so that old deliveries are removed by age again";
    Copy "copy" Panes "copy" "Copy something of this delivery: a letter follows";
    Verify "verify" Panes "verify again" "Check the signature again and show all that was tried";
    Secret "secret" Panes "secret" "Pick or add this endpoint's secret, and verify all of it again";
    Mark "mark" Panes "mark" "Mark the delivery to be kept, or take the mark away";
    Follow "follow" Panes "follow" "Stay on the newest delivery, or stop";
    Sample "sample" Panes "send a sample" "Send a signed sample delivery to creel";

    Select "select" List "select" "Select the delivery for sending several at once";
    SelectNone "select-none" List "select none" "Select none";
    Answer "answer" List "answer" "Say what senders are answered from now on";

    TabLeft "tab-left" Delivery "tab left" "Go to the tab on the left";
    TabRight "tab-right" Delivery "tab right" "Go to the tab on the right";
    Pretty "pretty" Delivery "as received" "Show the body laid out, or as it was received";
    Hex "hex" Delivery "hex" "Show the body as bytes, or as text";
    Wrap "wrap" Delivery "wrap" "Wrap long lines, or cut them";

    CopyBody "copy-body" Copy "body" "Copy the body";
    CopyHeaders "copy-headers" Copy "headers" "Copy the headers";
    CopyCurl "copy-curl" Copy "curl" "Copy a curl command that sends the same request";
    CopyId "copy-id" Copy "id" "Copy the delivery's id";
    CopySignature "copy-signature" Copy "signature" "Copy the signature headers";
    CopyProof "copy-proof" Copy "proof" "Copy the proof of the signature, the expected one masked";
    CopyAddress "copy-address" Copy "address" "Copy the address creel receives at";
}

impl Action {
    /// Says whether the action sends something as soon as it is performed.
    pub const fn sends(self) -> bool {
        matches!(self, Self::Resend | Self::Sample)
    }

    /// Returns what is known of the action.
    pub const fn spec(self) -> &'static Spec {
        &ACTIONS[self as usize]
    }

    /// Finds the action with this name in `keys.toml`.
    pub fn named(name: &str) -> Option<Self> {
        let spec = ACTIONS.iter().find(|s| s.name == name);
        spec.map(|s| s.action)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_action_finds_its_own_line() {
        for spec in ACTIONS {
            assert_eq!(spec.action.spec(), spec);
            assert_eq!(Action::named(spec.name), Some(spec.action));
            assert!(spec.label.chars().count() < 14, "{}", spec.label);
            assert!(!spec.sentence.ends_with('.'), "{}", spec.sentence);
        }
        let names: BTreeSet<_> = ACTIONS.iter().map(|s| s.name).collect();
        assert_eq!(names.len(), ACTIONS.len());
    }

    #[test]
    fn overlap_is_mutual() {
        for a in Place::ALL {
            for b in Place::ALL {
                assert_eq!(a.overlaps(b), b.overlaps(a), "{a:?} {b:?}");
            }
        }
        assert!(!Place::List.overlaps(Place::Delivery));
        assert!(!Place::Copy.overlaps(Place::Panes));
        assert!(Place::Panes.overlaps(Place::List));
    }
}
