//! HTTP header fields as received, with repetitions and order preserved.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::serde_base64;

/// Header fields in the order in which they were received.
///
/// Names are lower case (they are case-insensitive, RFC 9110 section 5.1).
/// Values are bytes with surrounding whitespace removed (section 5.5). Clones
/// share the fields until one is changed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Arc<Fields>);

/// The fields in contiguous buffers: headers are copied often, and separate
/// allocations for each name and value would be slow.
#[derive(Clone, Default, PartialEq, Eq)]
struct Fields {
    names: String,
    values: Vec<u8>,
    /// The end offsets of each field's name and value.
    ends: Vec<(usize, usize)>,
}

/// One header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The field's name, in lower case.
    pub name: &'a str,
    /// The field's value: any bytes except CR, LF and NUL.
    pub value: &'a [u8],
}

impl Header<'_> {
    /// Returns whether the value may be sent in a new header: it contains no
    /// control characters except tabs (RFC 9110 section 5.5). Bytes above ASCII
    /// are not control characters.
    pub fn is_writable(&self) -> bool {
        !self.value.iter().any(|b| is_control(*b))
    }
}

/// Returns whether a byte is a control character that is invalid in a header
/// value.
pub const fn is_control(byte: u8) -> bool {
    matches!(byte, 0..=8 | 10..=31 | 127)
}

/// A field in its JSON form.
#[derive(Serialize, Deserialize)]
struct Written {
    name: String,
    #[serde(with = "serde_base64")]
    value: Vec<u8>,
}

/// An iterator over the fields, in order.
#[derive(Clone)]
pub struct Iter<'a> {
    fields: &'a Fields,
    left: Range<usize>,
}

impl Fields {
    fn with_room(count: usize) -> Self {
        Self {
            names: String::with_capacity(count * 16),
            values: Vec::with_capacity(count * 32),
            ends: Vec::with_capacity(count),
        }
    }

    /// Returns empty fields with the capacity for those in `others`.
    fn with_room_of(others: &Self) -> Self {
        Self {
            names: String::with_capacity(others.names.len()),
            values: Vec::with_capacity(others.values.len() + 32),
            ends: Vec::with_capacity(others.ends.len()),
        }
    }

    fn get(&self, index: usize) -> Header<'_> {
        let before = index.checked_sub(1).map_or((0, 0), |i| self.ends[i]);
        let (name, value) = self.ends[index];
        Header {
            name: &self.names[before.0..name],
            value: &self.values[before.1..value],
        }
    }

    fn push(&mut self, name: &str, value: &[u8]) {
        let start = self.names.len();
        self.names.push_str(name);
        self.names[start..].make_ascii_lowercase();
        self.values.extend_from_slice(value.trim_ascii());
        self.ends.push((self.names.len(), self.values.len()));
    }

    const fn iter(&self) -> Iter<'_> {
        Iter {
            fields: self,
            left: 0..self.ends.len(),
        }
    }
}

impl Headers {
    /// Creates empty headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates empty headers with a capacity for about `count` fields.
    pub fn with_capacity(count: usize) -> Self {
        Self(Arc::new(Fields::with_room(count)))
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) {
        Arc::make_mut(&mut self.0).push(name.as_ref(), value.as_ref());
    }

    /// Returns every value of the field `name`, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.iter()
            .filter(move |h| h.name.eq_ignore_ascii_case(name))
            .map(|h| h.value)
    }

    /// Returns the first value of the field `name`.
    pub fn first<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// Returns the first value of the field `name` where it is UTF-8.
    pub fn text<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.first(name).and_then(|v| std::str::from_utf8(v).ok())
    }

    /// Returns whether there is a field `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// Returns the fields in order.
    pub fn iter(&self) -> Iter<'_> {
        self.0.iter()
    }

    /// Returns the number of fields.
    pub fn len(&self) -> usize {
        self.0.ends.len()
    }

    /// Returns whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.0.ends.is_empty()
    }

    /// Retains the fields for which `keep` returns true.
    pub fn retain(&mut self, mut keep: impl FnMut(Header<'_>) -> bool) {
        let Some(first) = self.iter().position(|header| !keep(header)) else {
            return;
        };
        let mut kept = Fields::with_room_of(&self.0);
        for (index, header) in self.iter().enumerate() {
            if index < first || index > first && keep(header) {
                kept.push(header.name, header.value);
            }
        }
        self.0 = Arc::new(kept);
    }

    /// Replaces the first field `name` in its place and removes its
    /// repetitions; appends it if there is none.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let value = value.as_ref().trim_ascii();
        let (first, repeated) = {
            let mut same = self.all(name);
            (same.next(), same.next().is_some())
        };
        match first {
            None => return self.push(name, value),
            Some(known) if known == value && !repeated => return,
            Some(_) => {}
        }
        let mut fields = Fields::with_room_of(&self.0);
        let mut set = false;
        for header in self.iter() {
            if !header.name.eq_ignore_ascii_case(name) {
                fields.push(header.name, header.value);
            } else if !std::mem::replace(&mut set, true) {
                fields.push(header.name, value);
            }
        }
        self.0 = Arc::new(fields);
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.left.next().map(|index| self.fields.get(index))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left.next_back().map(|index| self.fields.get(index))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = Header<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(fields: T) -> Self {
        let fields = fields.into_iter();
        let mut headers = Fields::with_room(fields.size_hint().0);
        for (name, value) in fields {
            headers.push(name.as_ref(), value.as_ref());
        }
        Self(Arc::new(headers))
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|header| Written {
            name: header.name.to_owned(),
            value: header.value.to_owned(),
        }))
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Vec::<Written>::deserialize(deserializer)?;
        Ok(fields.into_iter().map(|f| (f.name, f.value)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_repeats() {
        let headers: Headers = [("A", "1"), ("b", " 2 "), ("a", "3")].into_iter().collect();
        let seen: Vec<_> = headers.iter().map(|h| h.name).collect();
        assert_eq!(seen, ["a", "b", "a"]);
        assert_eq!(headers.all("A").collect::<Vec<_>>(), [b"1", b"3"]);
        assert_eq!(headers.text("b"), Some("2"));
    }

    #[test]
    fn set_replaces_in_place_and_drops_repeats() {
        let mut headers: Headers = [("a", "1"), ("b", "2"), ("a", "3")].into_iter().collect();
        headers.set("A", "9");
        assert_eq!(headers, [("a", "9"), ("b", "2")].into_iter().collect());
        headers.set("c", "4");
        assert_eq!(headers.len(), 3);
    }
}
