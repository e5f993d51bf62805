//! Paths to a value in a body: `.data.items[0].id`, or a JSON pointer such as
//! `/data/items/0/id` (RFC 6901).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::failure::Failure;
use crate::domain::text::visible;

/// The example shown with errors.
const EXAMPLE: &str = "Write, for example,  --set .data.items[0].id=42   or  --set /data/id=42";

/// A path to a value in a body, from its root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Path(pub Vec<Step>);

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// A member of an object, or an item of a list by its index.
    Name(String),
    /// An item of a list, counted from 0.
    Item(usize),
    /// The position after the last item of a list: `[]`, or `-` in a pointer.
    Append,
}

impl Path {
    /// Parses `PATH=VALUE`; the value is returned unchanged.
    ///
    /// # Errors
    /// Returns a usage [`Failure`] that explains what is wrong with the path.
    pub fn parse_assignment(text: &str) -> Result<(Self, &str), Failure> {
        let wrong = |why: &str| {
            Failure::usage(
                format!("{} is not an assignment.", visible(text)),
                why.to_owned(),
                EXAMPLE,
            )
        };
        let (steps, rest) = if text.starts_with('/') {
            pointer(text)
        } else if text.starts_with('.') {
            dotted(text).map_err(wrong)?
        } else {
            return Err(wrong("A path begins with a dot or a slash."));
        };
        let value = rest
            .strip_prefix('=')
            .ok_or_else(|| wrong("The path must be followed by = and the value."))?;
        Ok((Self(steps), value))
    }

    /// Returns the path of a JSON pointer.
    pub fn of_pointer(text: &str) -> Self {
        let steps = text.split('/').skip(1).map(pointer_step);
        Self(steps.collect())
    }
}

/// Parses the pointer before the first `=`; returns it and the rest.
fn pointer(text: &str) -> (Vec<Step>, &str) {
    let end = text.find('=').unwrap_or(text.len());
    let (path, rest) = text.split_at(end);
    (Path::of_pointer(path).0, rest)
}

fn pointer_step(token: &str) -> Step {
    match token {
        "-" => Step::Append,
        _ => Step::Name(token.replace("~1", "/").replace("~0", "~")),
    }
}

/// Parses the longest prefix like `.a."b c"[0][]`; returns the steps and the
/// rest.
fn dotted(text: &str) -> Result<(Vec<Step>, &str), &'static str> {
    let mut steps = Vec::new();
    let mut rest = text;
    // A single dot refers to the whole body.
    if let Some(after) = rest.strip_prefix('.')
        && (after.starts_with('=') || after.starts_with('['))
    {
        rest = after;
    }
    loop {
        if let Some(after) = rest.strip_prefix('.') {
            let (name, after) = name(after)?;
            steps.push(Step::Name(name));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('[') {
            let (step, after) = bracket(after)?;
            steps.push(step);
            rest = after;
        } else {
            return Ok((steps, rest));
        }
    }
}

/// Parses a name, quoted or up to the next delimiter.
fn name(text: &str) -> Result<(String, &str), &'static str> {
    if text.starts_with('"') {
        return quoted(text);
    }
    let end = text.find(['.', '[', '=']).unwrap_or(text.len());
    match text.split_at(end) {
        ("", _) => Err("A name is missing after a dot; an empty name is written \"\"."),
        (name, rest) => Ok((name.to_owned(), rest)),
    }
}

/// Parses the content of brackets, and the closing bracket.
fn bracket(text: &str) -> Result<(Step, &str), &'static str> {
    let unclosed = "A bracket is not closed.";
    if text.starts_with('"') {
        let (name, rest) = quoted(text)?;
        let rest = rest.strip_prefix(']').ok_or(unclosed)?;
        return Ok((Step::Name(name), rest));
    }
    let (inside, rest) = text.split_once(']').ok_or(unclosed)?;
    if inside.is_empty() {
        return Ok((Step::Append, rest));
    }
    let number = inside
        .parse()
        .map_err(|_| "Brackets contain an index from 0, a name in quotes, or nothing.")?;
    Ok((Step::Item(number), rest))
}

/// Parses a name in quotes, written as a JSON string.
fn quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => {
                let name = serde_json::from_str(&text[..=at])
                    .map_err(|_| "A name in quotes is written as in JSON.")?;
                return Ok((name, &text[at + 1..]));
            }
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    Err("A quote is not closed.")
}

impl fmt::Display for Path {
    /// Formats the path with dots, as it can be entered.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !matches!(self.0.first(), Some(Step::Name(_))) {
            f.write_str(".")?;
        }
        for step in &self.0 {
            match step {
                Step::Name(name) => {
                    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
                    if !name.is_empty() && name.chars().all(plain) {
                        write!(f, ".{name}")?;
                    } else {
                        write!(f, ".{}", serde_json::Value::from(name.as_str()))?;
                    }
                }
                Step::Item(number) => write!(f, "[{number}]")?,
                Step::Append => f.write_str("[]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> (Vec<Step>, &str) {
        let (path, value) = Path::parse_assignment(text).unwrap();
        (path.0, value)
    }

    fn name(text: &str) -> Step {
        Step::Name(text.into())
    }

    #[test]
    fn reads_both_spellings() {
        let cases = [
            (".data.id=42", vec![name("data"), name("id")], "42"),
            (
                ".a[0][]=x",
                vec![name("a"), Step::Item(0), Step::Append],
                "x",
            ),
            (".[1].b=", vec![Step::Item(1), name("b")], ""),
            (".=[1]", vec![], "[1]"),
            (
                r#"."a.b=c"["d\"e"].f=g=h"#,
                vec![name("a.b=c"), name("d\"e"), name("f")],
                "g=h",
            ),
            (".a-b_c.é=1", vec![name("a-b_c"), name("é")], "1"),
            (
                "/a~1b/m~0n/0/-=1",
                vec![name("a/b"), name("m~n"), name("0"), Step::Append],
                "1",
            ),
            ("/=1", vec![name("")], "1"),
        ];
        for (text, steps, value) in cases {
            assert_eq!(read(text), (steps, value), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, why) in [
            ("data.id=1", "begins with a dot"),
            ("", "begins with a dot"),
            (".data.id", "followed by = and the value"),
            (".a b", "followed by = and the value"),
            ("..a=1", "A name is missing"),
            (".a[=1", "not closed"),
            (".a[x]=1", "an index from 0"),
            (".a[-1]=1", "an index from 0"),
            (r#"."a=1"#, "not closed"),
            (r#"."\x"=1"#, "as in JSON"),
            (r#".["a"=1"#, "not closed"),
            (".a[0]b=1", "followed by = and the value"),
        ] {
            let failure = Path::parse_assignment(text).unwrap_err();
            assert!(failure.why.contains(why), "{text}: {failure}");
        }
    }

    proptest! {
        #[test]
        fn reads_what_it_writes(names in prop::collection::vec(prop_oneof![
            ".{0,6}".prop_map(Step::Name),
            (0..99_usize).prop_map(Step::Item),
            Just(Step::Append),
        ], 0..5)) {
            let path = Path(names);
            let text = format!("{path}=v");
            let (read, value) = Path::parse_assignment(&text).unwrap();
            prop_assert_eq!((read, value), (path, "v"));
        }

        #[test]
        fn never_panics(text in ".{0,30}|[./=\\[\\]\"\\\\a0-]{0,12}") {
            let _ = Path::parse_assignment(&text);
        }
    }
}
