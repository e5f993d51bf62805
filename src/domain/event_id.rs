//! Generates event ids in the format of existing ones, so that an app accepts
//! them as the provider's: a UUID for a UUID, `evt_…` for `evt_…`.

use super::id::Id;
use super::timestamp::Timestamp;

/// The minimum number of random characters that makes an id unique.
const MIN_RANDOM_CHARS: usize = 8;
/// The number of random characters if the old id has fewer than that.
const GENERATED_CHARS: usize = 12;

/// The digits of a ULID (Crockford's base32).
const ULID_DIGITS: &[u8] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Generates an id for an event at `now` in the format of an old id: the same
/// prefix, length and kinds of characters.
pub fn like(old: &str, now: Timestamp, random: u128) -> String {
    let mut random = Random::of(random);
    if let Some(made) = uuid(old, now, &mut random).or_else(|| ulid(old, now, &mut random)) {
        return made;
    }
    let (prefix, rest) = parted(old);
    let made = uuid(rest, now, &mut random)
        .or_else(|| ulid(rest, now, &mut random))
        .or_else(|| number(rest, &mut random))
        .unwrap_or_else(|| characters(rest, &mut random));
    let made = format!("{prefix}{made}");
    // Practically impossible; the new id must differ in any case.
    if made == old { made + "0" } else { made }
}

/// Splits an id after its prefix: `evt_` and the rest.
fn parted(id: &str) -> (&str, &str) {
    let at = id.rfind('_').or_else(|| id.rfind(['-', ':', '.', '/']));
    match at {
        Some(at) if at + 1 < id.len() => id.split_at(at + 1),
        _ => ("", id),
    }
}

/// Generates a UUID of the same version (RFC 9562), with or without dashes.
fn uuid(old: &str, now: Timestamp, random: &mut Random) -> Option<String> {
    let places = [8, 13, 18, 23];
    let dashed = old.len() == 36 && places.iter().all(|at| old.as_bytes()[*at] == b'-');
    let digits: Vec<u8> = old.bytes().filter(|b| !dashed || *b != b'-').collect();
    if digits.len() != 32 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let nibble = |at: usize| char::from(digits[at]).to_digit(16);
    let (version, variant) = (nibble(12)?, nibble(16)?);
    let random_looking = !(1..=8).contains(&version) || !(8..=11).contains(&variant);
    if random_looking && !dashed {
        return None;
    }
    let mut bits = random.bits();
    if version == 7 {
        let millis = now.unix_millis().max(0).cast_unsigned();
        bits = bits >> 48 | u128::from(millis) << 80;
    }
    bits = bits & !(0xf << 76) | u128::from(version) << 76;
    bits = bits & !(0xc << 60) | 0x8 << 60;
    let mut made = format!("{bits:032x}");
    if digits.iter().any(u8::is_ascii_uppercase) {
        made.make_ascii_uppercase();
    }
    if dashed {
        for at in places {
            made.insert(at, '-');
        }
    }
    Some(made)
}

/// Generates a ULID for the current time.
fn ulid(old: &str, now: Timestamp, random: &mut Random) -> Option<String> {
    let upper = old.to_ascii_uppercase();
    let fits = upper.len() == 26
        && matches!(upper.as_bytes()[0], b'0'..=b'7')
        && upper.bytes().all(|b| ULID_DIGITS.contains(&b))
        // A long number is not a ULID.
        && upper.bytes().any(|b| b.is_ascii_alphabetic());
    if !fits {
        return None;
    }
    let made = Id::new(now, random.bits()).to_string();
    Some(if old == upper {
        made
    } else {
        made.to_ascii_lowercase()
    })
}

/// Generates a number with as many digits, at least nine.
fn number(old: &str, random: &mut Random) -> Option<String> {
    if old.is_empty() || !old.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Nine digits fit into any integer type that an app may use.
    let count = old.len().max(9);
    let digit = |random: &mut Random| char::from(random.pick(b"0123456789"));
    let mut made: String = (0..count).map(|_| digit(random)).collect();
    let first = match old.as_bytes()[0] {
        b'0' if old.len() >= MIN_RANDOM_CHARS => '0',
        _ => char::from(random.pick(b"123456789")),
    };
    made.replace_range(..1, &first.to_string());
    Some(made)
}

/// Replaces each character by a random one of the kinds that occur.
fn characters(old: &str, random: &mut Random) -> String {
    let has = |test: fn(&u8) -> bool| old.bytes().any(|b| test(&b));
    let hex = old
        .bytes()
        .filter(u8::is_ascii_alphanumeric)
        .all(|b| b.is_ascii_hexdigit())
        && has(u8::is_ascii_digit);
    let mut alphabet = Vec::new();
    if has(u8::is_ascii_digit) {
        alphabet.extend(b'0'..=b'9');
    }
    if has(u8::is_ascii_lowercase) {
        alphabet.extend(b'a'..=if hex { b'f' } else { b'z' });
    }
    if has(u8::is_ascii_uppercase) {
        alphabet.extend(b'A'..=if hex { b'F' } else { b'Z' });
    }
    let drawn = old.bytes().filter(u8::is_ascii_alphanumeric).count();
    if drawn < MIN_RANDOM_CHARS {
        let short = b"0123456789abcdefghijklmnopqrstuvwxyz";
        return (0..GENERATED_CHARS)
            .map(|_| char::from(random.pick(short)))
            .collect();
    }
    old.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                char::from(random.pick(&alphabet))
            } else {
                c
            }
        })
        .collect()
}

/// Expands random bits to as many as are needed (`SplitMix64`, the generator in
/// Java's `SplittableRandom`).
struct Random {
    state: u64,
    other: u64,
}

impl Random {
    const fn of(bits: u128) -> Self {
        Self {
            state: bits as u64,
            other: (bits >> 64) as u64,
        }
    }

    const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let out = mixed ^ (mixed >> 31) ^ self.other;
        self.other = self.other.rotate_left(13).wrapping_mul(5);
        out
    }

    fn bits(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    fn pick(&mut self, among: &[u8]) -> u8 {
        among[usize::try_from(self.next() % among.len() as u64).unwrap_or_default()]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(1_795_266_151_204_000);

    /// Maps each character to its kind: `a`, `A`, `0` or itself.
    fn shape(id: &str) -> String {
        id.chars()
            .map(|c| match c {
                'a'..='z' => 'a',
                'A'..='Z' => 'A',
                '0'..='9' => '0',
                c => c,
            })
            .collect()
    }

    #[test]
    fn a_uuid_stays_one_of_its_version() {
        for old in [
            "7c91d8c2-0f7a-4a0e-9f63-0b7f6d1f8c11",
            "7C91D8C2-0F7A-1A0E-BF63-0B7F6D1F8C11",
            "7c91d8c20f7a4a0e9f630b7f6d1f8c11",
            "evt_7c91d8c2-0f7a-7a0e-9f63-0b7f6d1f8c11",
        ] {
            let made = like(old, NOW, 7);
            assert_ne!(made, old);
            assert_eq!(made.len(), old.len());
            let dashes = |id: &str| id.match_indices('-').map(|(at, _)| at).collect::<Vec<_>>();
            assert_eq!(dashes(&made), dashes(old));
            let digits = |id: &str| {
                id.trim_start_matches("evt_")
                    .replace('-', "")
                    .chars()
                    .collect::<Vec<_>>()
            };
            assert_eq!(digits(&made)[12], digits(old)[12], "{made}");
            assert!("89abAB".contains(digits(&made)[16]), "{made}");
        }
        let seven = like("0190f7a0-0f7a-7a0e-9f63-0b7f6d1f8c11", NOW, 7);
        assert_eq!(
            seven.replace('-', "")[..12],
            format!("{:012x}", NOW.unix_millis())
        );
    }

    #[test]
    fn a_ulid_is_of_the_moment() {
        let made = like("01JD2M7Q9V3K8ZP5T6WXYB4C0E", NOW, 7);
        assert_eq!(made.parse::<Id>().unwrap().to_string(), made);
        assert_eq!(made[..10], Id::new(NOW, 0).to_string()[..10]);
        let made = like("msg_01jd2m7q9v3k8zp5t6wxyb4c0e", NOW, 7);
        assert!(made.starts_with("msg_01") && made == made.to_ascii_lowercase());
    }

    #[test]
    fn prefix_length_and_kinds_of_characters_stay() {
        for old in [
            "evt_1QK2f9LkdIwHu7ix",
            "msg_2Lh9KRb0pzN4LePd3XiA4v12Axj",
            "WH-58D329510W468432D-8HN650336L201105X",
            "1795266149",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "evt_test_abcdefghij",
        ] {
            let made = like(old, NOW, 7);
            assert_ne!(made, old);
            assert_eq!(made.len(), old.len(), "{made}");
            let (prefix, rest) = parted(old);
            assert!(made.starts_with(prefix), "{made}");
            let kinds = |id: &str| {
                let mut kinds: Vec<char> = shape(id).chars().collect();
                kinds.sort_unstable();
                kinds.dedup();
                kinds
            };
            let allowed = kinds(rest);
            assert!(
                kinds(&made[prefix.len()..])
                    .iter()
                    .all(|k| allowed.contains(k)),
                "{made}"
            );
        }
        let hex = like("9f86d081884c7d659a2feaa0c55ad015", NOW, 7);
        assert!(hex.bytes().all(|b| b.is_ascii_hexdigit()), "{hex}");
    }

    #[test]
    fn one_that_was_too_short_grows() {
        for (old, start, length) in [
            ("d-1", "d-", 11),
            ("42", "", 9),
            ("abc", "", 12),
            ("evt_x", "evt_", 16),
            ("", "", 12),
        ] {
            let made = like(old, NOW, 7);
            assert!(
                made.starts_with(start) && made.len() == length,
                "{old}: {made}"
            );
        }
        assert_ne!(like("42", NOW, 7).as_bytes()[0], b'0');
    }

    proptest! {
        #[test]
        fn is_another_one_each_time(old in ".{0,40}|[a-z]{3}_[A-Za-z0-9]{16}", a: u128, b: u128) {
            prop_assume!(a != b);
            let (first, second) = (like(&old, NOW, a), like(&old, NOW, b));
            prop_assert_ne!(&first, &old);
            prop_assert_ne!(&first, &second);
        }
    }
}
