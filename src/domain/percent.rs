//! Percent-encoding for forms and URLs.

/// Decodes `%41`, and `+` as a space if `plus` is set.
pub(crate) fn decode(text: &[u8], plus: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let pair = text.get(at + 1..at + 3).filter(|_| byte == b'%');
        if let Some(decoded) = pair.and_then(|pair| hex::decode(pair).ok()) {
            out.extend(decoded);
            at += 3;
        } else {
            out.push(if byte == b'+' && plus { b' ' } else { byte });
            at += 1;
        }
    }
    out
}

/// Encodes all bytes except letters, digits and those in `safe`; a space
/// becomes `space`.
pub(crate) fn encode(bytes: &[u8], space: &str, upper: bool, safe: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || safe.contains(byte) {
            out.push(char::from(*byte));
        } else if *byte == b' ' {
            out.push_str(space);
        } else {
            let digits = hex::encode([*byte]);
            out.push('%');
            out.push_str(&if upper { digits.to_uppercase() } else { digits });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_and_encodes() {
        assert_eq!(decode(b"a%2Fb+c%zz%4", true), b"a/b c%zz%4");
        assert_eq!(decode(b"a+b", false), b"a+b");
        assert_eq!(encode(b"a b/\xe9~", "+", true, b"~"), "a+b%2F%E9~");
    }
}
