//! Which key does what: `assets/keys.toml`, and what a user's own file changes.

mod chord;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use toml::Spanned;

pub use chord::Chord;

use crate::domain::failure::Failure;

use super::action::{ACTIONS, Action, Place};

/// The keys creel starts with.
pub const DEFAULT: &str = include_str!("../../assets/keys.toml");

/// Which key does what, where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keymap {
    keys: BTreeMap<Action, Vec<Chord>>,
}

/// Where a key is pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// In the list.
    List,
    /// In the delivery.
    Delivery,
    /// After the key for copying.
    Copy,
    /// In an overlay without a text field.
    Overlay,
    /// In a text field, where characters are typed.
    Field,
}

/// A user's own keys: the file's name and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnKeys {
    /// The file's name, for messages.
    pub name: String,
    /// The file's text.
    pub text: String,
}

/// An action's keys as a file has them.
struct Line {
    chords: Vec<Chord>,
    place: String,
    text: String,
}

impl Keymap {
    /// Reads the keys creel starts with and puts the user's own over them.
    ///
    /// # Errors
    /// A usage failure names the line: an action or a key that is not known,
    /// or both lines where two actions want the same key in the same place.
    pub fn load(own: Option<&OwnKeys>) -> Result<Self, Failure> {
        let mut lines = read("keys.toml", DEFAULT)?;
        if let Some(own) = own {
            lines.extend(read(&own.name, &own.text)?);
        }
        reject_clashes(&lines)?;
        let keys = lines
            .into_iter()
            .map(|(action, line)| (action, line.chords));
        Ok(Self {
            keys: keys.collect(),
        })
    }

    /// Finds what a key does in this context.
    pub fn action(&self, context: Context, chord: Chord) -> Option<Action> {
        let places: &[Place] = match context {
            Context::List => &[Place::List, Place::Panes, Place::Everywhere],
            Context::Delivery => &[Place::Delivery, Place::Panes, Place::Everywhere],
            Context::Copy => &[Place::Copy, Place::Everywhere],
            Context::Field if chord.is_typed() => &[],
            Context::Field | Context::Overlay => &[Place::Everywhere],
        };
        let with_key = |place: Place| {
            self.keys
                .iter()
                .filter(move |(action, _)| action.spec().place == place)
                .find(|(_, chords)| chords.contains(&chord))
        };
        places
            .iter()
            .find_map(|place| with_key(*place))
            .map(|(action, _)| *action)
    }

    /// Returns the keys of an action, the usual one first.
    pub fn chords(&self, action: Action) -> &[Chord] {
        self.keys.get(&action).map_or(&[], Vec::as_slice)
    }

    /// Returns the usual key of an action as text; empty where it has none.
    pub fn key(&self, action: Action) -> String {
        let first = self.chords(action).first();
        first.map(ToString::to_string).unwrap_or_default()
    }
}

/// Reads one file.
fn read(file: &str, text: &str) -> Result<BTreeMap<Action, Line>, Failure> {
    type Table = BTreeMap<Spanned<String>, Spanned<Vec<String>>>;
    let table: Table = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(1, |span| line_number(text, &span));
        wrong(
            format!("{file}:{at} cannot be read."),
            error.message().to_owned(),
            "A line looks like this: down = [\"j\", \"Down\"]",
        )
    })?;
    let mut lines = BTreeMap::new();
    for (name, keys) in table {
        let number = line_number(text, &name.span());
        let place = format!("{file}:{number}");
        let Some(action) = Action::named(name.get_ref()) else {
            let names: Vec<_> = ACTIONS.iter().map(|s| s.name).collect();
            return Err(wrong(
                format!("{place} names an action that does not exist."),
                format!("\"{}\" is none.", name.get_ref()),
                format!("The actions are: {}.", names.join(", ")),
            ));
        };
        let chords: Result<Vec<Chord>, _> = keys.get_ref().iter().map(|k| k.parse()).collect();
        let chords = chords.map_err(|key: String| {
            wrong(
                format!("{place} names a key that creel does not know."),
                format!("\"{key}\" is none."),
                "A key is a character, a name as Enter or F1, or a letter after \"Ctrl-\".",
            )
        })?;
        let line = Line {
            chords,
            place,
            text: text.lines().nth(number - 1).unwrap_or_default().to_owned(),
        };
        lines.insert(action, line);
    }
    Ok(lines)
}

/// Finds two actions that want the same key in places that overlap.
fn reject_clashes(lines: &BTreeMap<Action, Line>) -> Result<(), Failure> {
    let mut taken: HashMap<Chord, Vec<Action>> = HashMap::new();
    for (&action, line) in lines {
        for &chord in &line.chords {
            let others = match taken.entry(chord) {
                Entry::Vacant(entry) => {
                    entry.insert(vec![action]);
                    continue;
                }
                Entry::Occupied(entry) => entry.into_mut(),
            };
            let place = action.spec().place;
            let clash = others.iter().find(|o| o.spec().place.overlaps(place));
            if let Some(other) = clash {
                let other = &lines[other];
                return Err(wrong(
                    format!("The key {chord} has two meanings."),
                    format!(
                        "{}: {}\n{}: {}",
                        other.place, other.text, line.place, line.text
                    ),
                    "Take it out of one of the two lines.",
                ));
            }
            others.push(action);
        }
    }
    Ok(())
}

fn wrong(what: String, why: String, next: impl Into<String>) -> Failure {
    Failure::usage(what, why, next)
}

/// Returns the line, from 1, where a span begins.
fn line_number(text: &str, span: &Range<usize>) -> usize {
    let before = text.get(..span.start).unwrap_or(text);
    before.bytes().filter(|b| *b == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(text: &str) -> Result<Keymap, Failure> {
        Keymap::load(Some(&OwnKeys {
            name: "mine.toml".into(),
            text: text.into(),
        }))
    }

    fn chord(text: &str) -> Chord {
        text.parse().unwrap()
    }

    #[test]
    fn every_action_has_a_key() {
        let keys = Keymap::load(None).unwrap();
        for spec in ACTIONS {
            assert!(!keys.chords(spec.action).is_empty(), "{}", spec.name);
        }
    }

    #[test]
    fn keys_mean_what_their_place_says() {
        let keys = Keymap::load(None).unwrap();
        let cases = [
            (Context::List, "j", Some(Action::Down)),
            (Context::Delivery, "h", Some(Action::TabLeft)),
            (Context::List, "h", None),
            (Context::Copy, "h", Some(Action::CopyHeaders)),
            (Context::Copy, "j", None),
            (Context::Copy, "q", Some(Action::Close)),
            (Context::Overlay, "?", Some(Action::Help)),
            (Context::Overlay, "r", None),
            (Context::Field, "q", None),
            (Context::Field, "?", None),
            (Context::Field, "Ctrl-C", Some(Action::Quit)),
            (Context::Field, "F1", Some(Action::Help)),
        ];
        for (context, key, action) in cases {
            assert_eq!(
                keys.action(context, chord(key)),
                action,
                "{context:?} {key}"
            );
        }
    }

    #[test]
    fn own_keys_replace_an_actions_keys() {
        let keys = own("down = [\"F9\"]\n").unwrap();
        let action = |key| keys.action(Context::List, chord(key));
        assert_eq!(action("F9"), Some(Action::Down));
        assert_eq!(action("j"), None);
        assert_eq!(action("k"), Some(Action::Up));
    }

    #[test]
    fn a_clash_names_both_lines() {
        let failure = own("# mine\n\nresend = [\"j\"]").unwrap_err();
        assert_eq!(failure.what, "The key j has two meanings.");
        assert!(failure.why.contains("keys.toml:"), "{failure}");
        assert!(
            failure.why.contains("down = [\"j\", \"Down\"]"),
            "{failure}"
        );
        assert!(failure.why.contains("mine.toml:3: resend"), "{failure}");
    }

    #[test]
    fn names_the_line_of_what_is_unknown() {
        let cases = [
            ("\nfly = [\"f\"]", "mine.toml:2 names an action"),
            ("up = [\"Hyper-x\"]", "mine.toml:1 names a key"),
            ("up = 3", "mine.toml:1 cannot be read."),
            ("up = [", "mine.toml:1 cannot be read."),
        ];
        for (text, what) in cases {
            let failure = own(text).unwrap_err();
            assert!(failure.what.starts_with(what), "{failure}");
        }
    }
}
