//! Parses sending rates: `10`, `10/s`, `30/m`, `500ms`.

use std::time::Duration;

use super::provider::DurationSpec;

/// The valid rates, in deliveries per unit of time.
const RATE_RANGE: std::ops::RangeInclusive<f64> = 0.001..=1_000_000.0;

/// Parses a number of deliveries per second or another unit of time; returns
/// the interval between two deliveries.
///
/// # Errors
/// Returns the valid forms.
pub fn parse_rate(text: &str) -> Result<Duration, String> {
    let (number, seconds) = match text.split_once('/') {
        None => (text, 1.0),
        Some((number, "s")) => (number, 1.0),
        Some((number, "m")) => (number, 60.0),
        Some((number, "h")) => (number, 3_600.0),
        Some(_) => return Err("write 10, 10/s, 30/m or 100/h".to_owned()),
    };
    match number.trim().parse::<f64>() {
        Ok(number) if RATE_RANGE.contains(&number) => Ok(Duration::from_secs_f64(seconds / number)),
        _ => {
            Err("write a number of at least 0.001, such as 10, 0.5, 10/s, 30/m or 100/h".to_owned())
        }
    }
}

/// Parses the interval between two deliveries.
///
/// # Errors
/// Returns the valid forms.
pub fn parse_interval(text: &str) -> Result<Duration, String> {
    DurationSpec::parse(text)
        .map(|span| Duration::from_millis(span.0))
        .ok_or_else(|| "write a time with its unit, such as 500ms, 2s or 1m".to_owned())
}

/// Parses a rate or an interval; an empty text means as fast as possible.
///
/// # Errors
/// Returns the valid forms.
pub fn parse_rate_or_interval(text: &str) -> Result<Duration, String> {
    match text.trim() {
        "" => Ok(Duration::ZERO),
        text => parse_interval(text).or_else(|_| parse_rate(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rates_and_times() {
        let cases = [
            ("", 0),
            ("10", 100_000),
            ("10/s", 100_000),
            ("0.5", 2_000_000),
            ("30/m", 2_000_000),
            ("100/h", 36_000_000),
            ("500ms", 500_000),
            (" 2s ", 2_000_000),
        ];
        for (text, us) in cases {
            assert_eq!(
                parse_rate_or_interval(text).unwrap().as_micros(),
                us,
                "{text}"
            );
        }
        for wrong in ["0", "-1", "x", "10/d", "1/0", "nan", "inf", "5x", "ms"] {
            assert!(parse_rate_or_interval(wrong).is_err(), "{wrong}");
        }
        assert!(parse_interval("10").is_err() && parse_rate("500ms").is_err());
    }
}
