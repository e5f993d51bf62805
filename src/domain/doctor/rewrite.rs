//! Serializes JSON as other programs would: the tokens in another layout, with
//! all digits unchanged.

use std::ops::Range;

use super::tokens::{Token, TokenKind};
use super::value_style::ValueStyle;

/// The layout of a JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Spaces per level of indentation, or [`TAB`]; `None` puts everything on
    /// one line.
    pub(super) indent: Option<usize>,
    /// The separator between values on one line.
    pub(super) comma: &'static str,
    /// The separator between a name and its value.
    pub(super) colon: &'static str,
}

/// Marks one tab per level of indentation.
pub(super) const TAB: usize = usize::MAX;

impl Layout {
    /// No whitespace, as most libraries write.
    pub(super) const COMPACT: Self = Self {
        indent: None,
        comma: ",",
        colon: ":",
    };
    /// A space after comma and colon, as Python's `json.dumps` writes.
    pub(super) const SPACED: Self = Self {
        indent: None,
        comma: ", ",
        colon: ": ",
    };

    /// Each value on its own line.
    pub(super) const fn indented(blanks: usize) -> Self {
        Self {
            indent: Some(blanks),
            comma: ",",
            colon: ": ",
        }
    }
}

/// Returns the nesting depth of objects and arrays.
pub(super) fn depth(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0usize;
    let mut deepest = 0;
    for token in tokens {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth = depth.saturating_sub(1),
            TokenKind::Comma
            | TokenKind::Colon
            | TokenKind::Text
            | TokenKind::Number
            | TokenKind::Word => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Serializes tokens in the given order, with another layout and value style.
pub(super) fn write_as(order: &[Token<'_>], layout: Layout, values: ValueStyle) -> String {
    let mut text = String::with_capacity(order.iter().map(|t| t.text.len() + 1).sum());
    let mut depth = 0usize;
    for (at, token) in order.iter().enumerate() {
        let empty = |next: usize| order.get(next).is_some_and(|t| t.kind == TokenKind::Close);
        match token.kind {
            TokenKind::Open => {
                text.push_str(token.text);
                depth += 1;
                if !empty(at + 1) {
                    break_line(&mut text, layout, depth);
                }
            }
            TokenKind::Close => {
                depth = depth.saturating_sub(1);
                if at > 0 && order[at - 1].kind != TokenKind::Open {
                    break_line(&mut text, layout, depth);
                }
                text.push_str(token.text);
            }
            TokenKind::Comma => {
                text.push_str(layout.comma);
                break_line(&mut text, layout, depth);
            }
            TokenKind::Colon => text.push_str(layout.colon),
            TokenKind::Text | TokenKind::Number | TokenKind::Word => values.write(token, &mut text),
        }
    }
    text
}

/// Serializes the source with its whitespace unchanged and another value style.
pub(super) fn write_kept(source: &str, tokens: &[Token<'_>], values: ValueStyle) -> String {
    let mut text = String::with_capacity(source.len() + source.len() / 8);
    let mut end = 0;
    for token in tokens {
        text.push_str(&source[end..token.at]);
        values.write(token, &mut text);
        end = token.at + token.text.len();
    }
    text.push_str(&source[end..]);
    text
}

fn break_line(text: &mut String, layout: Layout, depth: usize) {
    const BLANKS: &str = "                                ";
    const TABS: &str = "\t\t\t\t\t\t\t\t";
    let Some(blanks) = layout.indent else { return };
    let (filler, mut left) = if blanks == TAB {
        (TABS, depth)
    } else {
        (BLANKS, blanks * depth)
    };
    text.push('\n');
    while left > 0 {
        let part = left.min(filler.len());
        text.push_str(&filler[..part]);
        left -= part;
    }
}

/// An object or array: the token ranges of its members.
struct Container {
    members: Vec<Range<usize>>,
    close: usize,
}

/// Returns the tokens with the members of each object sorted by name.
///
/// The sender chooses the nesting depth, so this function neither recurses nor
/// copies nested tokens more than once.
pub(super) fn sorted<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    enum Step {
        Run(Range<usize>),
        Members(usize, usize),
    }
    let (containers, container_of) = containers(tokens);
    let comma = Token {
        kind: TokenKind::Comma,
        text: ",",
        at: 0,
    };
    let mut order = Vec::with_capacity(tokens.len());
    let mut steps = vec![Step::Run(0..tokens.len())];
    while let Some(step) = steps.pop() {
        match step {
            Step::Run(mut run) => {
                let Some(at) = run.next() else { continue };
                order.push(tokens[at]);
                if tokens[at].kind == TokenKind::Open {
                    let container = container_of[at];
                    steps.push(Step::Run(containers[container].close + 1..run.end));
                    steps.push(Step::Members(container, 0));
                } else {
                    steps.push(Step::Run(run));
                }
            }
            Step::Members(container, index) => match containers[container].members.get(index) {
                Some(member) => {
                    if index > 0 {
                        order.push(comma);
                    }
                    steps.push(Step::Members(container, index + 1));
                    steps.push(Step::Run(member.clone()));
                }
                None => order.push(tokens[containers[container].close]),
            },
        }
    }
    order
}

/// Finds every object and array with its members sorted, and which token opens
/// which.
fn containers(tokens: &[Token<'_>]) -> (Vec<Container>, Vec<usize>) {
    let mut containers: Vec<Container> = Vec::new();
    let mut container_of = vec![0; tokens.len()];
    // For each open container: its index and the start of its current member.
    let mut open: Vec<(usize, usize)> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::Open => {
                container_of[at] = containers.len();
                open.push((containers.len(), at + 1));
                containers.push(Container {
                    members: Vec::new(),
                    close: at,
                });
            }
            TokenKind::Comma => {
                if let Some((container, begin)) = open.last_mut() {
                    containers[*container].members.push(*begin..at);
                    *begin = at + 1;
                }
            }
            TokenKind::Close => {
                let Some((container, begin)) = open.pop() else {
                    continue;
                };
                let container = &mut containers[container];
                container.close = at;
                if begin < at {
                    container.members.push(begin..at);
                }
                if token.text == "}" {
                    container
                        .members
                        .sort_by_key(|member| tokens[member.start].text);
                }
            }
            TokenKind::Colon | TokenKind::Text | TokenKind::Number | TokenKind::Word => {}
        }
    }
    (containers, container_of)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::doctor::tokens::tokens;

    #[test]
    fn numbers_and_escapes_stay_as_they_were() {
        let source = r#" {"b" : 1.0e+10, "a":[12345678901234567890, -0.0 ,"\u00e9\/"],"a":{}} "#;
        let read = tokens(source).unwrap();
        assert_eq!(
            write_as(&read, Layout::COMPACT, ValueStyle::KEPT),
            r#"{"b":1.0e+10,"a":[12345678901234567890,-0.0,"\u00e9\/"],"a":{}}"#
        );
        assert_eq!(
            write_as(&sorted(&read), Layout::SPACED, ValueStyle::KEPT),
            r#"{"a": [12345678901234567890, -0.0, "\u00e9\/"], "a": {}, "b": 1.0e+10}"#
        );
        assert_eq!(
            write_as(
                &tokens("[1,{\"a\":[]}]").unwrap(),
                Layout::indented(2),
                ValueStyle::KEPT
            ),
            "[\n  1,\n  {\n    \"a\": []\n  }\n]"
        );
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        let read = tokens(&deep).unwrap();
        assert_eq!(
            write_as(&sorted(&read), Layout::COMPACT, ValueStyle::KEPT).len(),
            deep.len()
        );
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            ".*".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                proptest::collection::btree_map(".{0,8}", inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn agrees_with_another_parser(value in any_json()) {
            let compact = serde_json::to_string(&value).unwrap();
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let read = tokens(&pretty).unwrap();
            prop_assert_eq!(write_as(&read, Layout::COMPACT, ValueStyle::KEPT), compact);
            prop_assert_eq!(write_as(&read, Layout::indented(2), ValueStyle::KEPT), pretty);
        }
    }
}
