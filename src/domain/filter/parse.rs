//! Parses a filter: first into words, then into groups. The parser does not
//! recurse and limits the nesting depth, so that any text is safe.

use super::Node;
use super::test::{self, Term};

/// Parentheses nested deeper than this are ignored.
const MAX_NESTING_DEPTH: usize = 32;

/// A token of the filter language.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Or,
    And,
    Not,
    Term(Term),
}

/// A pair of parentheses, or the whole filter, while it is parsed.
#[derive(Default)]
struct Group {
    alternatives: Vec<Node>,
    all: Vec<Node>,
    /// Whether the group is negated.
    turned: bool,
    /// Whether the next term is negated.
    not: Option<bool>,
}

/// Parses a filter into its tree and notes.
pub(super) fn parse(text: &str) -> (Option<Node>, Vec<String>) {
    let mut notes = Vec::new();
    let tokens = tokens(text, &mut notes);
    let mut groups = vec![Group::default()];
    // The number of open parentheses beyond the limit.
    let mut ignored = 0_usize;
    for token in tokens {
        let deep = groups.len() > MAX_NESTING_DEPTH;
        let group = groups.last_mut().expect("the whole is never closed");
        match token {
            Token::Open if deep => {
                ignored += 1;
                note(&mut notes, "Parentheses nested this deeply are ignored.");
            }
            Token::Close if ignored > 0 => ignored -= 1,
            Token::Open => {
                let turned = group.not.take().unwrap_or(false);
                groups.push(Group {
                    turned,
                    ..Group::default()
                });
            }
            Token::Close => {
                if groups.len() == 1 {
                    note(&mut notes, ") has no matching ( and is ignored.");
                } else {
                    close(&mut groups, &mut notes);
                }
            }
            Token::Or => {
                group.settle_not(&mut notes);
                if group.all.is_empty() {
                    note(&mut notes, "or has no left operand and is ignored.");
                } else {
                    let all = std::mem::take(&mut group.all);
                    group.alternatives.push(joined(all, Node::All));
                }
            }
            Token::And => group.settle_not(&mut notes),
            Token::Not => group.not = Some(!group.not.unwrap_or(false)),
            Token::Term(term) => {
                let turned = group.not.take().unwrap_or(false);
                if let Some(test) = test::test(&term, &mut notes) {
                    group.all.push(turn(Node::Test(test), turned));
                }
            }
        }
    }
    if groups.len() > 1 || ignored > 0 {
        note(&mut notes, "A ( is not closed; it extends to the end.");
    }
    while groups.len() > 1 {
        close(&mut groups, &mut notes);
    }
    let whole = groups.pop().unwrap_or_default();
    (whole.finish(&mut notes), notes)
}

/// Closes the innermost group and adds it to its parent.
fn close(groups: &mut Vec<Group>, notes: &mut Vec<String>) {
    let inner = groups.pop().and_then(|group| group.finish(notes));
    if let (Some(node), Some(outer)) = (inner, groups.last_mut()) {
        outer.all.push(node);
    }
}

impl Group {
    fn finish(mut self, notes: &mut Vec<String>) -> Option<Node> {
        self.settle_not(notes);
        if self.all.is_empty() {
            if !self.alternatives.is_empty() {
                note(notes, "or has no right operand and is ignored.");
            }
        } else {
            self.alternatives.push(joined(self.all, Node::All));
        }
        (!self.alternatives.is_empty())
            .then(|| turn(joined(self.alternatives, Node::Any), self.turned))
    }

    /// Drops a `not` without an operand.
    fn settle_not(&mut self, notes: &mut Vec<String>) {
        if self.not.take().is_some() {
            note(notes, "not has no operand and is ignored.");
        }
    }
}

fn turn(node: Node, turned: bool) -> Node {
    if turned {
        Node::Not(Box::new(node))
    } else {
        node
    }
}

/// Combines nodes; a single node is returned as is.
fn joined(mut nodes: Vec<Node>, join: fn(Vec<Node>) -> Node) -> Node {
    match nodes.pop() {
        Some(only) if nodes.is_empty() => only,
        last => {
            nodes.extend(last);
            join(nodes)
        }
    }
}

/// Adds a note once.
fn note(notes: &mut Vec<String>, text: &str) {
    if !notes.iter().any(|n| n == text) {
        notes.push(text.to_owned());
    }
}

fn tokens(text: &str, notes: &mut Vec<String>) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        let dash = first == '-' && after.starts_with(|c: char| !c.is_whitespace() && c != ')');
        let (token, used) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            _ if dash => (Token::Not, 1),
            _ => word(rest, notes),
        };
        tokens.push(token);
        rest = rest[used..].trim_start();
    }
    tokens
}

/// Reads a word up to whitespace or an unbalanced parenthesis; returns how many
/// bytes it has.
fn word(text: &str, notes: &mut Vec<String>) -> (Token, usize) {
    let mut quoted = false;
    let mut in_quotes = false;
    let mut own_parentheses = 0_usize;
    let mut key = None;
    let mut value = String::new();
    let mut end = text.len();
    for (at, c) in text.char_indices() {
        match c {
            '"' => {
                in_quotes = !in_quotes;
                quoted = true;
                continue;
            }
            _ if in_quotes => {}
            ':' if key.is_none() && !quoted && is_key(&value) => {
                key = Some(std::mem::take(&mut value));
                continue;
            }
            '(' => own_parentheses += 1,
            ')' if own_parentheses > 0 => own_parentheses -= 1,
            _ if c == ')' || c.is_whitespace() => {
                end = at;
                break;
            }
            _ => {}
        }
        value.push(c);
    }
    if in_quotes {
        note(notes, "A quote is not closed; it extends to the end.");
    }
    let joins = key.is_none() && !quoted;
    let token = match value.to_ascii_lowercase().as_str() {
        "or" if joins => Token::Or,
        "and" if joins => Token::And,
        "not" if joins => Token::Not,
        _ => Token::Term(Term { key, value, quoted }),
    };
    (token, end)
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphabetic())
}
