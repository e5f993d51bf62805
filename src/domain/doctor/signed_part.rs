//! The parts of a signed text.

/// A part of a signed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SignedPart {
    /// Literal bytes.
    Bytes(Vec<u8>),
    /// The body.
    Body,
}
