//! A JSON body, tokenized once.

use std::cell::OnceCell;

use super::rewrite;
use super::tokens::{Token, TokenKind, tokens};

/// Bodies larger than this are not serialized again, in bytes (4 MiB).
const MAX_REWRITTEN_BYTES: usize = 4 << 20;

/// JSON nested deeper than this is not tried in indented layouts: every level
/// of depth is repeated on each line.
const MAX_INDENTED_DEPTH: usize = 200;

/// A body that is JSON.
pub(super) struct JsonBody<'a> {
    pub(super) source: &'a str,
    pub(super) tokens: Vec<Token<'a>>,
    sorted: OnceCell<Vec<Token<'a>>>,
    /// Whether it is nested too deeply for indented layouts.
    pub(super) deep: bool,
}

impl<'a> JsonBody<'a> {
    /// Tokenizes a body; returns `None` if it is not JSON or too large.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let source = std::str::from_utf8(body)
            .ok()
            .filter(|s| s.len() <= MAX_REWRITTEN_BYTES)?;
        let tokens = tokens(source).ok()?;
        Some(Self {
            source,
            deep: rewrite::depth(&tokens) > MAX_INDENTED_DEPTH,
            sorted: OnceCell::new(),
            tokens,
        })
    }

    /// Returns the tokens with the members of each object sorted by name.
    pub(super) fn sorted(&self) -> &[Token<'a>] {
        self.sorted.get_or_init(|| rewrite::sorted(&self.tokens))
    }

    /// Returns whether any token of this kind passes a test.
    pub(super) fn any(&self, kind: TokenKind, test: impl Fn(&str) -> bool) -> bool {
        self.tokens
            .iter()
            .any(|token| token.kind == kind && test(token.text))
    }
}
