//! Reads the filter language.
//!
//! ```text
//! any   = all ("or" all)*
//! all   = one+
//! one   = ("not" | "-") one | "(" any ")" | term
//! ```

use chrono::{DateTime, NaiveDate};

use super::{App, Field, Pattern, Since, Term};
use crate::domain::summary::Summary;
use crate::domain::timestamp::Timestamp;
use crate::domain::verification::Status;

/// The keys that there are.
const KEYS: &str = "sig: provider: event: endpoint: method: path: app: since: id: and marked";

/// How deep brackets may be nested.
const DEEPEST: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Term(Term),
}

impl Node {
    pub(super) fn matches(&self, summary: &Summary, now: Timestamp) -> bool {
        match self {
            Self::All(nodes) => nodes.iter().all(|node| node.matches(summary, now)),
            Self::Any(nodes) => nodes.iter().any(|node| node.matches(summary, now)),
            Self::Not(node) => !node.matches(summary, now),
            Self::Term(term) => term.matches(summary, now),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Not,
    Or,
    /// A word, and whether it stood in quotes.
    Word(String, bool),
}

/// Reads a filter; `None` where it is empty.
pub(super) fn parse(text: &str, notes: &mut Vec<String>) -> Option<Node> {
    let tokens = tokens(text);
    let mut at = 0;
    let mut nodes = Vec::new();
    while at < tokens.len() {
        nodes.extend(any(&tokens, &mut at, 0, notes));
        if tokens.get(at) == Some(&Token::Close) {
            notes.push("A ) closes nothing.".to_owned());
            at += 1;
        }
    }
    several(nodes, Node::All)
}

fn any(tokens: &[Token], at: &mut usize, depth: usize, notes: &mut Vec<String>) -> Option<Node> {
    let mut options = Vec::new();
    loop {
        options.extend(all(tokens, at, depth, notes));
        if tokens.get(*at) != Some(&Token::Or) {
            return several(options, Node::Any);
        }
        *at += 1;
    }
}

fn all(tokens: &[Token], at: &mut usize, depth: usize, notes: &mut Vec<String>) -> Option<Node> {
    let mut nodes = Vec::new();
    while !matches!(tokens.get(*at), None | Some(Token::Or | Token::Close)) {
        nodes.extend(one(tokens, at, depth, notes));
    }
    several(nodes, Node::All)
}

fn one(tokens: &[Token], at: &mut usize, depth: usize, notes: &mut Vec<String>) -> Option<Node> {
    let mut negated = false;
    while tokens.get(*at) == Some(&Token::Not) {
        negated = !negated;
        *at += 1;
    }
    let node = match tokens.get(*at)? {
        Token::Open if depth >= DEEPEST => {
            notes.push("Brackets are nested too deep.".to_owned());
            *at += 1;
            None
        }
        Token::Open => {
            *at += 1;
            let inner = any(tokens, at, depth + 1, notes);
            if tokens.get(*at) == Some(&Token::Close) {
                *at += 1;
            } else {
                notes.push("A ( is not closed.".to_owned());
            }
            inner
        }
        Token::Word(word, quoted) => {
            *at += 1;
            Some(Node::Term(term(word, *quoted, notes)))
        }
        Token::Close | Token::Or | Token::Not => None,
    }?;
    Some(if negated { Node::Not(Box::new(node)) } else { node })
}

fn several(mut nodes: Vec<Node>, join: fn(Vec<Node>) -> Node) -> Option<Node> {
    if nodes.len() > 1 { Some(join(nodes)) } else { nodes.pop() }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&c) = chars.peek() {
        match c {
            '(' | ')' => {
                chars.next();
                tokens.push(if c == '(' { Token::Open } else { Token::Close });
            }
            c if c.is_whitespace() => {
                chars.next();
            }
            _ => tokens.push(word(&mut chars)),
        }
    }
    // A dash before a term negates it; alone or inside a word it is text.
    tokens
        .into_iter()
        .flat_map(|token| match token {
            Token::Word(word, false) if word.len() > 1 && word.starts_with('-') => {
                vec![Token::Not, Token::Word(word[1..].to_owned(), false)]
            }
            other => vec![other],
        })
        .collect()
}

fn word(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Token {
    let mut word = String::new();
    let mut quoted = false;
    let mut inside = false;
    while let Some(&c) = chars.peek() {
        if c == '"' {
            quoted |= word.is_empty();
            inside = !inside;
        } else if !inside && (c.is_whitespace() || c == '(' || c == ')') {
            break;
        } else {
            word.push(c);
        }
        chars.next();
    }
    match word.to_ascii_lowercase().as_str() {
        "or" if !quoted => Token::Or,
        "not" if !quoted => Token::Not,
        _ => Token::Word(word, quoted),
    }
}

fn term(word: &str, quoted: bool, notes: &mut Vec<String>) -> Term {
    let anywhere = || Term::Anywhere(word.to_lowercase());
    if quoted {
        return anywhere();
    }
    if word.eq_ignore_ascii_case("marked") {
        return Term::Marked;
    }
    let Some((key, value)) = word.split_once(':') else { return anywhere() };
    // A key without its value is one that is still being typed.
    if value.is_empty() {
        return Term::Anywhere(String::new());
    }
    let field = |field| Some(Term::Field(field, Pattern::of(value)));
    let found = match key.to_ascii_lowercase().as_str() {
        "sig" => signature(value),
        "provider" => field(Field::Provider),
        "event" => field(Field::Event),
        "endpoint" => field(Field::Endpoint),
        "method" => field(Field::Method),
        "path" => field(Field::Path),
        "app" => app(value),
        "since" => since(value),
        "id" => Some(Term::Id(value.to_lowercase())),
        _ => {
            notes.push(format!("There is no key {key}: and so it is looked for as text. The keys are {KEYS}."));
            return anywhere();
        }
    };
    found.unwrap_or_else(|| {
        let help = match key.to_ascii_lowercase().as_str() {
            "sig" => "ok, old, BAD, none, problem, or a status such as missing_signature",
            "app" => "a status such as 503, a class such as 5xx, ok, failed or none",
            _ => "a span such as 10m, 2h, 3d, or a date such as 2026-11-21",
        };
        notes.push(format!("{word} makes no sense: write {help}."));
        anywhere()
    })
}

fn signature(value: &str) -> Option<Term> {
    let mut statuses = Vec::new();
    for word in value.split(',') {
        let word = word.to_ascii_lowercase().replace('-', "_");
        let spaced = word.replace('_', " ");
        let known = |s: &&Status| s.code() == word || s.word().eq_ignore_ascii_case(&spaced) || s.word().replace(' ', "") == word;
        match word.as_str() {
            "problem" => statuses.extend(Status::ALL.into_iter().filter(|s| *s != Status::Valid)),
            _ => statuses.push(*Status::ALL.iter().find(known)?),
        }
    }
    Some(Term::Signature(statuses))
}

fn app(value: &str) -> Option<Term> {
    let app = match value.to_ascii_lowercase().as_str() {
        "none" => App::None,
        "failed" | "bad" => App::Failed,
        "ok" => App::Ok,
        text => match text.strip_suffix("xx") {
            Some(class) => App::Class(class.parse().ok().filter(|class| (1..=5).contains(class))?),
            None => App::Status(text.parse().ok().filter(|status| (100..=999).contains(status))?),
        },
    };
    Some(Term::App(app))
}

fn since(value: &str) -> Option<Term> {
    if let Ok(at) = DateTime::parse_from_rfc3339(value) {
        return Some(Term::Since(Since::At(Timestamp(at.timestamp_micros()))));
    }
    if let Ok(day) = NaiveDate::parse_from_str(value, "%Y-%m-%d") {
        let at = day.and_hms_opt(0, 0, 0)?.and_utc();
        return Some(Term::Since(Since::At(Timestamp(at.timestamp_micros()))));
    }
    let digits = value.find(|c: char| !c.is_ascii_digit())?;
    let number: i64 = value[..digits].parse().ok()?;
    let unit = match &value[digits..] {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    Some(Term::Since(Since::Ago(number.checked_mul(unit)?)))
}
