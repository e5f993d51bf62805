//! HTTP header fields as they came: every one, repeats and order kept.

use serde::{Deserialize, Serialize};

use super::encoding_base64;

/// Header fields in the order they stood on the wire.
///
/// Names are lower case (they are case-insensitive, RFC 9110 section 5.1);
/// values are bytes, with the blanks at their ends removed (section 5.5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Headers(Vec<Header>);

/// One header field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The field's name, in lower case.
    pub name: String,
    /// The field's value: any bytes but CR, LF and NUL.
    #[serde(with = "encoding_base64")]
    pub value: Vec<u8>,
}

impl Headers {
    /// Returns no headers.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) {
        self.0.push(Header {
            name: name.as_ref().to_ascii_lowercase(),
            value: value.as_ref().trim_ascii().to_vec(),
        });
    }

    /// Returns every value of the field `name`, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.0
            .iter()
            .filter(move |h| h.name.eq_ignore_ascii_case(name))
            .map(|h| h.value.as_slice())
    }

    /// Returns the first value of the field `name`.
    pub fn first<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// Returns the first value of the field `name` where it is UTF-8.
    pub fn text<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.first(name).and_then(|v| std::str::from_utf8(v).ok())
    }

    /// Says whether a field `name` is there.
    pub fn contains(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// Returns the fields in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Header> {
        self.0.iter()
    }

    /// Returns how many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Says whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps the fields for which `keep` holds.
    pub fn retain(&mut self, keep: impl FnMut(&Header) -> bool) {
        self.0.retain(keep);
    }

    /// Replaces the first field `name` where it stands and drops its repeats;
    /// adds it at the end where there is none.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let Some(at) = self
            .0
            .iter()
            .position(|h| h.name.eq_ignore_ascii_case(name))
        else {
            self.push(name, value);
            return;
        };
        self.0[at].value = value.as_ref().trim_ascii().to_vec();
        let mut index = 0;
        self.0.retain(|h| {
            index += 1;
            index - 1 <= at || !h.name.eq_ignore_ascii_case(name)
        });
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a Header;
    type IntoIter = std::slice::Iter<'a, Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(fields: T) -> Self {
        let mut headers = Self::new();
        for (name, value) in fields {
            headers.push(name, value);
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_repeats() {
        let headers: Headers = [("A", "1"), ("b", " 2 "), ("a", "3")].into_iter().collect();
        let seen: Vec<_> = headers.iter().map(|h| h.name.as_str()).collect();
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
