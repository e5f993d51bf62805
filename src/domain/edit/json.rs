//! Sets one value in a JSON text; every other byte stays unchanged.
//!
//! The text is not re-serialized: the position of the value is found by the
//! tokens, and the new value is inserted there.

use std::ops::Range;

use crate::domain::body::json::{Kind, SyntaxError, Token, check, lex};

use super::path::{Path, Step};

/// The byte order mark that some editors write.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a value could not be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum JsonEditError {
    /// The text is not JSON.
    NotJson(SyntaxError),
    /// A step leads into a value that is not a container.
    NoInside(&'static str),
    /// An index is applied to an object.
    NotAList,
    /// A name is applied to a list.
    NotAnObject,
    /// A list has only this number of items.
    TooShort(usize),
}

/// A replacement of a range of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Splice {
    pub(super) place: Range<usize>,
    pub(super) put: Vec<u8>,
}

impl Splice {
    /// Applies the replacement.
    pub(super) fn apply(&self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() + self.put.len());
        out.extend_from_slice(&text[..self.place.start]);
        out.extend_from_slice(&self.put);
        out.extend_from_slice(&text[self.place.end..]);
        out
    }
}

/// Parses an entered value: as JSON if it is valid JSON, else as text.
pub(super) fn value(typed: &str) -> Vec<u8> {
    let trimmed = typed.trim();
    if check(trimmed.as_bytes()).is_ok() {
        return trimmed.as_bytes().to_vec();
    }
    string(typed)
}

/// Encodes text as a JSON string.
pub(super) fn string(text: &str) -> Vec<u8> {
    serde_json::Value::from(text).to_string().into_bytes()
}

/// Finds the replacement that makes `path` refer to `value`, a JSON text.
/// Missing objects and lists on the path are created. If members have the same
/// name, the last one counts, as in most parsers.
pub(super) fn set(text: &[u8], path: &Path, value: &[u8]) -> Result<Splice, JsonEditError> {
    let start = if text.starts_with(BYTE_ORDER_MARK) {
        BYTE_ORDER_MARK.len()
    } else {
        0
    };
    let json = &text[start..];
    check(json).map_err(|mut fault| {
        fault.offset += start;
        JsonEditError::NotJson(fault)
    })?;
    let mut place = whole(json, 0);
    for (at, step) in path.0.iter().enumerate() {
        let rest = &path.0[at + 1..];
        let first = token(json, place.start);
        match (json[first.start], step) {
            (b'{', Step::Name(name)) => match member(json, first, name) {
                MemberLookup::There(found) => place = found,
                MemberLookup::Missing(hole) => {
                    let mut put = hole.before;
                    put.extend_from_slice(&string(name));
                    put.extend_from_slice(&hole.colon);
                    put.extend_from_slice(&made(rest, value)?);
                    return Ok(splice(start, hole.at..hole.at, put));
                }
            },
            (b'{', Step::Item(_) | Step::Append) => return Err(JsonEditError::NotAList),
            (b'[', step) => {
                let (items, hole) = items(json, first);
                let number = match step {
                    Step::Item(number) => *number,
                    Step::Append => items.len(),
                    Step::Name(name) => name.parse().map_err(|_| JsonEditError::NotAnObject)?,
                };
                match items.get(number) {
                    Some(found) => place = found.clone(),
                    None if number == items.len() => {
                        let mut put = hole.before;
                        put.extend_from_slice(&made(rest, value)?);
                        return Ok(splice(start, hole.at..hole.at, put));
                    }
                    None => return Err(JsonEditError::TooShort(items.len())),
                }
            }
            // `null` may be replaced by a container.
            (b'n', _) => return Ok(splice(start, place, made(&path.0[at..], value)?)),
            (b'"', _) => return Err(JsonEditError::NoInside("a text")),
            (b't' | b'f', _) => return Err(JsonEditError::NoInside("true or false")),
            _ => return Err(JsonEditError::NoInside("a number")),
        }
    }
    Ok(splice(start, place, value.to_vec()))
}

fn splice(start: usize, place: Range<usize>, put: Vec<u8>) -> Splice {
    Splice {
        place: place.start + start..place.end + start,
        put,
    }
}

/// Serializes a value inside the containers that lead to it.
fn made(steps: &[Step], value: &[u8]) -> Result<Vec<u8>, JsonEditError> {
    let mut out = Vec::new();
    for step in steps {
        match step {
            Step::Name(name) => {
                out.push(b'{');
                out.extend_from_slice(&string(name));
                out.push(b':');
            }
            Step::Item(0) | Step::Append => out.push(b'['),
            Step::Item(_) => return Err(JsonEditError::TooShort(0)),
        }
    }
    out.extend_from_slice(value);
    out.extend(steps.iter().rev().map(|step| match step {
        Step::Name(_) => b'}',
        Step::Item(_) | Step::Append => b']',
    }));
    Ok(out)
}

/// A position at which a member or item can be inserted, and the text to insert
/// before it.
struct InsertionPoint {
    at: usize,
    before: Vec<u8>,
    /// The text between a name and its value, as in the rest of the object.
    colon: Vec<u8>,
}

enum MemberLookup {
    There(Range<usize>),
    Missing(InsertionPoint),
}

/// Finds the value of a member of the object that starts with this token.
fn member(json: &[u8], open: Token, name: &str) -> MemberLookup {
    let mut found = None;
    let mut hole = InsertionPoint {
        at: open.end,
        before: Vec::new(),
        colon: b":".to_vec(),
    };
    let mut behind = open.end;
    loop {
        let key = token(json, behind);
        if key.kind == Kind::Close {
            break;
        }
        let colon = token(json, key.end);
        let value = whole(json, colon.end);
        if is_name(&json[key.start..key.end], name) {
            found = Some(value.clone());
        }
        hole = InsertionPoint {
            at: value.end,
            before: [b",", &json[behind..key.start]].concat(),
            colon: json[key.end..value.start].to_vec(),
        };
        let next = token(json, value.end);
        if next.kind == Kind::Close {
            break;
        }
        behind = next.end;
    }
    found.map_or(MemberLookup::Missing(hole), MemberLookup::There)
}

/// Finds the items of the list that starts with this token, and the position
/// after the last one.
fn items(json: &[u8], open: Token) -> (Vec<Range<usize>>, InsertionPoint) {
    let mut items = Vec::new();
    let mut hole = InsertionPoint {
        at: open.end,
        before: Vec::new(),
        colon: Vec::new(),
    };
    let mut behind = open.end;
    while token(json, behind).kind != Kind::Close {
        let item = whole(json, behind);
        hole.at = item.end;
        hole.before = [b",", &json[behind..item.start]].concat();
        let next = token(json, item.end);
        items.push(item);
        if next.kind == Kind::Close {
            break;
        }
        behind = next.end;
    }
    (items, hole)
}

/// Returns whether a token is the name, in any escaped form.
fn is_name(token: &[u8], name: &str) -> bool {
    if !token.contains(&b'\\') {
        return &token[1..token.len() - 1] == name.as_bytes();
    }
    serde_json::from_slice::<String>(token).is_ok_and(|read| read == name)
}

/// Returns the range of the value at or after an offset.
fn whole(json: &[u8], at: usize) -> Range<usize> {
    let first = token(json, at);
    let mut depth = 0_usize;
    let mut last = first;
    loop {
        match last.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth -= 1,
            Kind::String | Kind::Number | Kind::Literal | Kind::Colon | Kind::Comma => {}
        }
        if depth == 0 {
            return first.start..last.end;
        }
        last = token(json, last.end);
    }
}

/// Returns the token at or after an offset of a valid text.
fn token(json: &[u8], at: usize) -> Token {
    lex(json, at)
        .ok()
        .flatten()
        .expect("the text is whole JSON, and a value is not left before its end")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn edited(text: &str, assignment: &str) -> Result<String, JsonEditError> {
        let (path, typed) = Path::parse_assignment(assignment).unwrap();
        let splice = set(text.as_bytes(), &path, &value(typed))?;
        Ok(String::from_utf8(splice.apply(text.as_bytes())).unwrap())
    }

    #[test]
    fn only_the_value_changes() {
        let text =
            "{ \"n\" : 1.10e+05,\r\n  \"d\":{\"id\":  7 ,\"x\":[1, {\"y\":null} ]},\"n\":2}\n";
        let cases = [
            (".d.id=42", "7 ", "42 "),
            (".d.id=1.50", "7 ", "1.50 "),
            (".d.id=it's", "7 ", "\"it's\" "),
            (".d.id=\"42\"", "7 ", "\"42\" "),
            (".d.id=", "7 ", "\"\" "),
            (".d.id= {\"a\": 1} ", "7 ", "{\"a\": 1} "),
            // Of two members with one name, the last one counts.
            (".n=3", "\"n\":2", "\"n\":3"),
            (".d.x[0]=true", "[1,", "[true,"),
            ("/d/x/0=true", "[1,", "[true,"),
            (".d.x[1].y.z=1", "null}", "{\"z\":1}}"),
            (".d.x[]=9", "} ]", "}, 9 ]"),
            (".d.x[2]=9", "} ]", "}, 9 ]"),
            (".d.new=1", "]},", "],\"new\":1},"),
            (".d={}", "{\"id\":  7 ,\"x\":[1, {\"y\":null} ]}", "{}"),
            (
                ".new.list[0].a=1",
                "2}",
                "2,\"new\":{\"list\":[{\"a\":1}]}}",
            ),
        ];
        for (assignment, old, new) in cases {
            assert_eq!(text.matches(old).count(), 1, "{old}");
            assert_eq!(
                edited(text, assignment).unwrap(),
                text.replace(old, new),
                "{assignment}"
            );
        }
        assert_eq!(edited(text, ".=0").unwrap(), "0\n");
    }

    #[test]
    fn what_is_new_is_laid_out_as_what_is_there() {
        let text = "{\n  \"a\": 1,\n  \"b\": [\n    1\n  ]\n}";
        assert_eq!(
            edited(text, ".c=2").unwrap(),
            "{\n  \"a\": 1,\n  \"b\": [\n    1\n  ],\n  \"c\": 2\n}"
        );
        assert_eq!(
            edited(text, ".b[]=2").unwrap(),
            "{\n  \"a\": 1,\n  \"b\": [\n    1,\n    2\n  ]\n}"
        );
        assert_eq!(edited("{}", ".a=1").unwrap(), "{\"a\":1}");
        assert_eq!(edited("[ ]", ".[]=1").unwrap(), "[1 ]");
        assert_eq!(
            edited("\u{feff}{\"a\":1}", ".a=2").unwrap(),
            "\u{feff}{\"a\":2}"
        );
        assert_eq!(
            edited("{\"\\u0061\":1}", ".a=2").unwrap(),
            "{\"\\u0061\":2}"
        );
    }

    #[test]
    fn says_why_not() {
        for (text, assignment, wrong) in [
            ("{\"a\":\"b\"}", ".a.b=1", JsonEditError::NoInside("a text")),
            ("{\"a\":1}", ".a.b=1", JsonEditError::NoInside("a number")),
            (
                "{\"a\":true}",
                ".a[0]=1",
                JsonEditError::NoInside("true or false"),
            ),
            ("{\"a\":{}}", ".a[0]=1", JsonEditError::NotAList),
            ("{\"a\":[]}", ".a.b=1", JsonEditError::NotAnObject),
            ("{\"a\":[1]}", ".a[2]=1", JsonEditError::TooShort(1)),
            ("{}", ".a[1]=1", JsonEditError::TooShort(0)),
        ] {
            assert_eq!(edited(text, assignment), Err(wrong), "{text} {assignment}");
        }
        let Err(JsonEditError::NotJson(fault)) = edited("\u{feff}{\"a\":}", ".a=1") else {
            panic!("it is no JSON");
        };
        assert_eq!(fault.offset, 8);
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(edited(&deep, ".a=1").unwrap(), "{\"a\":1}");
        let path = format!("{}=1", ".a".repeat(100_000));
        assert!(edited("{}", &path).unwrap().ends_with(&"}".repeat(100_000)));
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-c\"\\\\é]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c\"é]{0,2}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => "[a-c\"é]{0,2}".prop_map(Step::Name),
            1 => (0..4_usize).prop_map(Step::Item),
            1 => Just(Step::Append),
        ]
    }

    /// Sets a value in a parsed JSON document, as the expected result of
    /// [`set`].
    fn model(root: &mut Value, steps: &[Step], value: Value) -> Option<()> {
        let Some((step, rest)) = steps.split_first() else {
            *root = value;
            return Some(());
        };
        if root.is_null() {
            *root = match step {
                Step::Name(_) => Value::Object(serde_json::Map::new()),
                Step::Item(_) | Step::Append => Value::Array(Vec::new()),
            };
        }
        match (root, step) {
            (Value::Object(map), Step::Name(name)) => {
                model(map.entry(name.clone()).or_insert(Value::Null), rest, value)
            }
            (Value::Array(list), step) => {
                let at = match step {
                    Step::Name(name) => name.parse().ok()?,
                    Step::Item(at) => *at,
                    Step::Append => list.len(),
                };
                if at == list.len() {
                    list.push(Value::Null);
                }
                model(list.get_mut(at)?, rest, value)
            }
            _ => None,
        }
    }

    proptest! {
        #[test]
        fn set_then_read_gives_the_value_and_the_rest_is_as_it_was(
            document in json(),
            spaced in any::<bool>(),
            steps in prop::collection::vec(step(), 0..4),
            new in json(),
        ) {
            let text = if spaced {
                serde_json::to_string_pretty(&document).unwrap()
            } else {
                document.to_string()
            };
            let path = Path(steps);
            let mut expected = document;
            let possible = model(&mut expected, &path.0, new.clone()).is_some();
            let splice = set(text.as_bytes(), &path, new.to_string().as_bytes());
            prop_assert_eq!(splice.is_ok(), possible, "{} {}", text, path);
            if let Ok(splice) = splice {
                let after = splice.apply(text.as_bytes());
                let read: Value = serde_json::from_slice(&after).unwrap();
                prop_assert_eq!(read, expected);
                prop_assert!(after.starts_with(&text.as_bytes()[..splice.place.start]));
                prop_assert!(after.ends_with(&text.as_bytes()[splice.place.end..]));
            }
        }

        #[test]
        fn any_path_on_any_bytes_is_survived(
            text in prop::collection::vec(any::<u8>(), 0..40),
            json in "[\\[\\]{},:\"0-9a ]{0,30}",
            steps in prop::collection::vec(step(), 0..4),
        ) {
            let path = Path(steps);
            let _ = set(&text, &path, b"1");
            let _ = set(json.as_bytes(), &path, b"1");
        }
    }
}
