//! The pieces that a signed text is put together from.

/// A piece of a signed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SignedPart {
    /// Bytes that stand for themselves.
    Bytes(Vec<u8>),
    /// The body.
    Body,
}
