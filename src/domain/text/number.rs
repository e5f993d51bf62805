//! Formats numbers for people: in groups of three digits and with a unit.

/// Formats a number in groups of three digits: `1,284`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Formats a size: `1,482 B`, `9.8 KiB`, `18 MiB`; exact below 10,000 bytes.
pub fn bytes(size: u64) -> String {
    if size < 10_000 {
        return format!("{} B", thousands(size));
    }
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut unit = 0;
    let mut scale: u128 = 1024;
    // 1,023.5 and more would be formatted as 1,024 of the smaller unit.
    while unit + 1 < units.len() && u128::from(size) * 2 >= scale * 2047 {
        unit += 1;
        scale *= 1024;
    }
    let tenths = (u128::from(size) * 10 + scale / 2) / scale;
    let unit = units[unit];
    if tenths < 100 && !tenths.is_multiple_of(10) {
        return format!("{}.{} {unit}", tenths / 10, tenths % 10);
    }
    let whole = (u128::from(size) + scale / 2) / scale;
    format!(
        "{} {unit}",
        thousands(u64::try_from(whole).unwrap_or(u64::MAX))
    )
}

/// Formats a duration in microseconds: `0.4 ms`, `12 ms`, `1.8 s`, `2 min 5 s`,
/// `1 h 3 min`.
pub fn duration_us(us: u64) -> String {
    match us {
        0 => "0 ms".to_owned(),
        1..50 => "<0.1 ms".to_owned(),
        50..950 => format!("0.{} ms", (us + 50) / 100),
        950..999_500 => format!("{} ms", (us + 500) / 1_000),
        999_500..59_950_000 => {
            let tenths = (us + 50_000) / 100_000;
            format!("{}.{} s", tenths / 10, tenths % 10)
        }
        _ => {
            let seconds = us / 1_000_000 + u64::from(us % 1_000_000 >= 500_000);
            match seconds {
                0..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
                _ => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
            }
        }
    }
}

/// Formats an age in seconds: `3 s ago`, `5 min ago`; `now` for zero and `in 3
/// s` for the future.
pub fn age(seconds: i64) -> String {
    match seconds {
        0 => "now".to_owned(),
        1.. => format!("{} ago", span(seconds.unsigned_abs())),
        _ => format!("in {}", span(seconds.unsigned_abs())),
    }
}

/// Formats a duration in seconds with its largest whole unit: `45 s`, `5 min`,
/// `2 h`, `3 d`.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", thousands(seconds / 86_400)),
    }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    let large = thousands(large);
    if small == 0 {
        format!("{large} {large_unit}")
    } else {
        format!("{large} {large_unit} {small} {small_unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_digits() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1_284, "1,284"),
            (12_000, "12,000"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ];
        for (number, text) in cases {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn writes_sizes() {
        let cases = [
            (0, "0 B"),
            (1_482, "1,482 B"),
            (9_999, "9,999 B"),
            (10_000, "9.8 KiB"),
            (10_240, "10 KiB"),
            (65_536, "64 KiB"),
            (1_048_063, "1,023 KiB"),
            (1_048_064, "1 MiB"),
            (1_048_576, "1 MiB"),
            (1_887_437, "1.8 MiB"),
            (10_485_760, "10 MiB"),
            (10_485_761, "10 MiB"),
            (1_073_741_823, "1 GiB"),
            (u64::MAX, "16 EiB"),
        ];
        for (size, text) in cases {
            assert_eq!(bytes(size), text, "{size}");
        }
    }

    #[test]
    fn writes_durations() {
        let cases = [
            (0, "0 ms"),
            (3, "<0.1 ms"),
            (400, "0.4 ms"),
            (949, "0.9 ms"),
            (950, "1 ms"),
            (12_000, "12 ms"),
            (999_499, "999 ms"),
            (999_500, "1.0 s"),
            (1_840_000, "1.8 s"),
            (6_200_000, "6.2 s"),
            (59_949_999, "59.9 s"),
            (59_950_000, "1 min"),
            (125_000_000, "2 min 5 s"),
            (3_780_000_000, "1 h 3 min"),
            (7_200_000_000, "2 h"),
        ];
        for (us, text) in cases {
            assert_eq!(duration_us(us), text, "{us}");
        }
        assert!(duration_us(u64::MAX).ends_with("min"));
    }

    #[test]
    fn writes_ages_without_a_minus() {
        let cases = [
            (0, "now"),
            (3, "3 s ago"),
            (59, "59 s ago"),
            (330, "5 min ago"),
            (7_199, "1 h ago"),
            (200_000, "2 d ago"),
            (-3, "in 3 s"),
            (i64::MIN, "in 106,751,991,167,300 d"),
        ];
        for (seconds, text) in cases {
            assert_eq!(age(seconds), text);
        }
    }
}
