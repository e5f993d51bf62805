//! The ways in which a received digest can deviate from what the scheme writes.
//!
//! [`super::deviation_finding`] turns a deviation into a finding.

/// A deviation of a received digest from what the scheme writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deviation {
    /// Hexadecimal instead of base64, or the reverse.
    Encoding,
    /// Upper-case hexadecimal.
    Case,
    /// The other base64 alphabet.
    Alphabet,
    /// With or without base64 padding.
    Padding,
    /// Base64 of the hexadecimal text.
    Twice,
    /// A missing or unexpected prefix or suffix.
    Prefix,
    /// Truncated.
    Cut,
    /// Percent-encoded.
    Percent,
    /// With more text after it.
    Trailing,
    /// Labelled as another version.
    Version,
    /// Several values joined by commas.
    Joined,
    /// In a repeated header.
    Doubled,
    /// In another header.
    Elsewhere,
}
