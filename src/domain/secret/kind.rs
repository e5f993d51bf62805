//! Distinguishes shared secrets from public keys.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode::Indifferent;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::domain::percent;

const EITHER_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, EITHER_PADDING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, EITHER_PADDING);

/// The prefix of Standard Webhooks public keys.
const PUBLIC_KEY_PREFIX: &[u8] = b"whpk_";

/// The sizes of an Ed25519 public key, a compressed and an uncompressed P-256
/// point.
const ED25519_BYTES: usize = 32;
const COMPRESSED_POINT_BYTES: usize = 33;
const POINT_BYTES: usize = 65;

/// The minimum size of DER that contains a public key.
const MIN_DER_BYTES: usize = 40;

/// The kind of key that a secret's text may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// A secret shared by sender and receiver: it does not look like a public
    /// key.
    Shared,
    /// A shared secret or a public key: 32 bytes in hexadecimal or base64, DER
    /// and so on. The bytes do not determine which.
    MaybePublic,
    /// A public key, or a private key in PEM, which cannot be a shared secret
    /// either.
    Public,
    /// A certificate, which is public.
    Certificate,
}

impl KeyKind {
    /// Determines the kind of a secret.
    pub(super) fn of(value: &[u8]) -> Self {
        let text = plain(value);
        if let Some(public) = named_public(&text) {
            return public;
        }
        let trimmed = text.trim_ascii();
        let is_one_word = !trimmed.iter().any(u8::is_ascii_whitespace);
        if is_one_word && trimmed.starts_with(b"whsec_") {
            return Self::Shared;
        }
        let names_itself = [&b"\"kty\""[..], b"ssh-", b"ecdsa-sha2-", b"PUBLIC KEY"]
            .iter()
            .any(|name| holds(&text, name));
        if names_itself || is_binary_key(value) || holds_written_key(&text) {
            return Self::MaybePublic;
        }
        Self::Shared
    }

    /// Returns whether it certainly cannot be a shared secret.
    pub const fn is_public(self) -> bool {
        matches!(self, Self::Public | Self::Certificate)
    }

    /// Returns the name of the kind for a message.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Shared => "a shared secret",
            Self::MaybePublic => "a shared secret or a public key",
            Self::Public => "a public key",
            Self::Certificate => "a certificate",
        }
    }
}

/// Returns whether a text identifies itself as a public key, a certificate or
/// other PEM data, even after other text.
pub fn is_named_public(value: &[u8]) -> bool {
    named_public(&plain(value)).is_some()
}

fn named_public(text: &[u8]) -> Option<KeyKind> {
    let marks: [&[u8]; 4] = [b"--BEGIN ", b"-- BEGIN ", b"--END ", b"-- END "];
    if marks.iter().any(|mark| holds(text, mark)) {
        let is_certificate = holds(text, b"CERTIFICATE");
        return Some(if is_certificate {
            KeyKind::Certificate
        } else {
            KeyKind::Public
        });
    }
    let is_public = text.trim_ascii_start().starts_with(PUBLIC_KEY_PREFIX);
    is_public.then_some(KeyKind::Public)
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Returns a text without byte order mark and without the zeros of UTF-16.
fn plain(value: &[u8]) -> Zeroizing<Vec<u8>> {
    let marks: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];
    let mark = marks.into_iter().find(|mark| value.starts_with(mark));
    let text = &value[mark.map_or(0, <[u8]>::len)..];
    let text = text.iter().copied().filter(|byte| *byte != 0);
    Zeroizing::new(text.collect())
}

/// Returns whether binary data has the size and shape of a public key.
fn is_binary_key(value: &[u8]) -> bool {
    let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    if value.iter().all(is_text) {
        return false;
    }
    // The line ending at the end of a secret's file was removed.
    let whole = Zeroizing::new([value, b"\n"].concat());
    may_be_public(value) || may_be_public(&whole)
}

/// Returns whether a word of a text, or all words together, is a public key in
/// hexadecimal or base64, also if the text is percent-encoded or in base64 once
/// more.
fn holds_written_key(text: &[u8]) -> bool {
    let plain = Zeroizing::new(percent::decode(text, false));
    if holds_key_word(&plain) {
        return true;
    }
    let digits: Vec<u8> = plain
        .iter()
        .copied()
        .filter(|b| !b.is_ascii_whitespace())
        .collect();
    let inner = STANDARD.decode(Zeroizing::new(digits)).map(Zeroizing::new);
    inner.is_ok_and(|inner| inner.is_ascii() && (is_named_public(&inner) || holds_key_word(&inner)))
}

fn holds_key_word(text: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    let together: Vec<u8> = text.iter().copied().filter(is_digit).collect();
    let together = Zeroizing::new(together);
    let mut words = text.split(|byte| !is_digit(byte));
    is_written_key(&together) || words.any(is_written_key)
}

fn is_written_key(word: &[u8]) -> bool {
    let prefixes: [&[u8]; 2] = [b"0x", b"0X"];
    let prefix = prefixes.iter().find(|prefix| word.starts_with(prefix));
    let word = &word[prefix.map_or(0, |prefix| prefix.len())..];
    let decoded = [
        hex::decode(word).ok(),
        STANDARD.decode(word).ok(),
        URL_SAFE.decode(word).ok(),
    ];
    let mut decoded = decoded.into_iter().flatten().map(Zeroizing::new);
    decoded.any(|bytes| may_be_public(&bytes))
}

/// Returns whether bytes have the size and shape of a public key: raw, as a
/// point of a curve, in DER or in SSH format.
fn may_be_public(bytes: &[u8]) -> bool {
    match bytes {
        [0x02 | 0x03, ..] if bytes.len() == COMPRESSED_POINT_BYTES => true,
        [0x04, ..] if bytes.len() == POINT_BYTES => true,
        [0, 0, 0, _, b's' | b'e', ..] => true,
        _ => bytes.len() == ED25519_BYTES || is_der(bytes),
    }
}

/// Returns whether bytes start like a key or a certificate in DER: a sequence
/// of the right size that contains a sequence or a number.
fn is_der(bytes: &[u8]) -> bool {
    if bytes.len() < MIN_DER_BYTES {
        return false;
    }
    let (size, inside) = match bytes {
        [0x30, 0x81, size, inside @ ..] | [0x30, size @ 0..=0x7f, inside @ ..] => {
            (usize::from(*size), inside)
        }
        [0x30, 0x82, high, low, inside @ ..] => {
            (usize::from(u16::from_be_bytes([*high, *low])), inside)
        }
        _ => return false,
    };
    size == inside.len() && matches!(inside, [0x30 | 0x02, ..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose;

    const SPKI: &str = "302a300506032b6570032100";

    #[test]
    fn what_may_be_public_is_known_in_every_spelling() {
        let key: Vec<u8> = (0..32_u8)
            .map(|at| at.wrapping_mul(7).wrapping_add(131))
            .collect();
        let spki = [hex::decode(SPKI).unwrap(), key.clone()].concat();
        let point = [&[4][..], &key, &key].concat();
        for bytes in [key, spki, point] {
            let hex = hex::encode(&bytes);
            let standard = general_purpose::STANDARD.encode(&bytes);
            let spellings = [
                hex.to_uppercase(),
                format!("0x{hex}"),
                general_purpose::URL_SAFE_NO_PAD.encode(&bytes),
                general_purpose::STANDARD_NO_PAD.encode(&bytes),
                format!("\u{feff}{standard}\r\n"),
                format!("PUBLIC_KEY={standard}"),
                format!("0X{hex}"),
                general_purpose::STANDARD.encode(&standard),
                general_purpose::STANDARD.encode(&hex),
                standard
                    .replace('+', "%2B")
                    .replace('/', "%2F")
                    .replace('=', "%3D"),
                standard.replace('=', "%3d"),
                format!("{}\n{}\n", &standard[..20], &standard[20..]),
                format!("first\n{hex}\nlast"),
                hex,
                standard,
            ];
            for text in spellings {
                assert_eq!(KeyKind::of(text.as_bytes()), KeyKind::MaybePublic, "{text}");
            }
            assert_eq!(KeyKind::of(&bytes), KeyKind::MaybePublic);
        }
    }

    #[test]
    fn what_is_left_of_pem_is_no_shared_secret_either() {
        let lines = [
            "-----BEGIN PUBLIC KEY-----",
            "MCowBQYDK2VwAyEA",
            "-----END PUBLIC KEY-----",
        ];
        for part in [&lines[1..], &lines[..2]] {
            let text = part.join("\n");
            assert_eq!(KeyKind::of(text.as_bytes()), KeyKind::Public, "{text}");
        }
        for text in [
            general_purpose::STANDARD.encode(lines.join("\n")),
            general_purpose::URL_SAFE_NO_PAD.encode(lines.join("\r\n")),
            "BEGIN PUBLIC KEY\nMCowBQYDK2VwAyEA".to_owned(),
        ] {
            assert_ne!(KeyKind::of(text.as_bytes()), KeyKind::Shared, "{text}");
        }
    }

    #[test]
    fn pem_is_never_a_shared_secret_whatever_stands_before_it() {
        let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n";
        let utf16: Vec<u8> = pem.bytes().flat_map(|byte| [byte, 0]).collect();
        for text in [
            pem.as_bytes().to_vec(),
            format!("\u{feff}{pem}").into_bytes(),
            format!("\n \nsubject=CN = a\nissuer=CN = b\n{pem}").into_bytes(),
            pem.replace('\n', "\r\n").into_bytes(),
            pem.replace('\n', "\\n").into_bytes(),
            [&b"\xff\xfe"[..], &utf16].concat(),
        ] {
            assert_eq!(KeyKind::of(&text), KeyKind::Public);
        }
        let certificate = pem.replace("PUBLIC KEY", "CERTIFICATE");
        assert_eq!(KeyKind::of(certificate.as_bytes()), KeyKind::Certificate);
        assert_eq!(KeyKind::of(b" whpk_YWJj\n"), KeyKind::Public);
    }

    #[test]
    fn ordinary_secrets_are_shared() {
        for text in [
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD9mEaLlVp2Rw=",
            "8f742231b10e8888abcd99yyyzzz85a5",
            "0123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcdef01234567",
            "the-right-secret-of-zyra-0123456789",
            "correct horse battery staple",
            "",
        ] {
            assert_eq!(KeyKind::of(text.as_bytes()), KeyKind::Shared, "{text}");
        }
    }
}
