//! Sets one field of a form (`a=1&b=2`); every other byte stays unchanged.

use url::form_urlencoded::{byte_serialize, parse};

/// A form with one field set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) body: Vec<u8>,
    /// How many fields have that name; the last one was set.
    pub(super) fields: usize,
}

/// Sets the last field called `name`, or appends it if there is none.
pub(super) fn set(body: &[u8], name: &str, value: &str) -> Set {
    let form = body.trim_ascii_end();
    let encoded: String = byte_serialize(value.as_bytes()).collect();
    let mut fields = 0;
    let mut place = None;
    let mut at = 0;
    for field in form.split(|b| *b == b'&') {
        let end = at + field.len();
        if parse(field).any(|(key, _)| key == name) {
            fields += 1;
            let equals = field.iter().position(|b| *b == b'=');
            place = Some((at + equals.unwrap_or(field.len()), end));
        }
        at = end + 1;
    }
    let (start, end, put) = if let Some((start, end)) = place {
        (start, end, format!("={encoded}"))
    } else {
        let and = if form.is_empty() { "" } else { "&" };
        let key: String = byte_serialize(name.as_bytes()).collect();
        (form.len(), form.len(), format!("{and}{key}={encoded}"))
    };
    Set {
        body: [&body[..start], put.as_bytes(), &body[end..]].concat(),
        fields: fields.max(1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_field_changes() {
        for (body, name, value, expected, fields) in [
            (
                "a=1&b=%7e&c=x+y\r\n",
                "b",
                "new & old",
                "a=1&b=new+%26+old&c=x+y\r\n",
                1,
            ),
            ("a=1&b=2&a=3", "a", "4", "a=1&b=2&a=4", 2),
            ("a%5B%5D=1&b", "a[]", "2", "a%5B%5D=2&b", 1),
            ("a&b=2", "a", "1", "a=1&b=2", 1),
            ("a=1\n", "c d", "é", "a=1&c+d=%C3%A9\n", 1),
            ("", "a", "1", "a=1", 1),
        ] {
            let set = set(body.as_bytes(), name, value);
            assert_eq!(set.body, expected.as_bytes(), "{body} {name}");
            assert_eq!(set.fields, fields);
        }
    }

    proptest! {
        #[test]
        fn set_then_read_gives_the_value(
            body in prop::collection::vec(any::<u8>(), 0..40),
            name in ".{1,6}",
            value in ".{0,9}",
        ) {
            let set = set(&body, &name, &value);
            let read: Vec<_> = parse(set.body.trim_ascii_end())
                .filter(|(key, _)| *key == name)
                .map(|(_, value)| value.into_owned())
                .collect();
            prop_assert_eq!(read.len(), set.fields);
            prop_assert_eq!(read.last(), Some(&value));
        }
    }
}
