//! How a digest is written in a header, rightly or wrongly.
//!
//! What that means for a person is left to [`super::spelled`].

/// How a digest that came differs from what the scheme writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deviation {
    /// Hexadecimal for base64, or the reverse.
    Encoding,
    /// Upper case.
    Case,
    /// The other alphabet of base64.
    Alphabet,
    /// With or without the padding of base64.
    Padding,
    /// Base64 of the hexadecimal text.
    Twice,
    /// What stands around it is missing, or should not be there.
    Prefix,
    /// Only its beginning came.
    Cut,
    /// Percent-encoded.
    Percent,
    /// Under the label of another version.
    Version,
    /// Several values in one, with commas.
    Joined,
    /// In a header that came more than once.
    Doubled,
    /// In another header.
    Elsewhere,
}
