//! Parses sizes and durations such as `10MiB`, `10GB` and `30d`.

/// Parses a size: a whole number with an optional unit (`kB`, `MB`, `GB` by
/// 1000, `KiB`, `MiB`, `GiB` by 1024). Returns bytes, or the reason why it is
/// invalid.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => {
            return Err(format!(
                "{unit} is not a unit of size; the units are kB, MB, GB, KiB, MiB, GiB."
            ));
        }
    };
    number
        .checked_mul(factor)
        .ok_or_else(|| format!("{text} is too large."))
}

/// Parses a duration: a whole number with a unit (`s`, `m`, `h`, `d`). Returns
/// seconds, or the reason why it is invalid.
pub(crate) fn seconds(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit {
        "s" | "" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => {
            return Err(format!(
                "{unit} is not a unit of time; the units are s, m, h, d."
            ));
        }
    };
    number
        .checked_mul(factor)
        .ok_or_else(|| format!("{text} is too long."))
}

fn split(text: &str) -> Result<(u64, &str), String> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '_')
        .unwrap_or(text.len());
    let number = text[..end].replace('_', "");
    let number = number
        .parse()
        .map_err(|_| format!("{text:?} does not begin with a whole number."))?;
    Ok((number, text[end..].trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes_and_spans() {
        assert_eq!(bytes("10MiB"), Ok(10 * 1024 * 1024));
        assert_eq!(bytes("10GB"), Ok(10_000_000_000));
        assert_eq!(bytes("1_000"), Ok(1000));
        assert_eq!(seconds("30d"), Ok(30 * 86_400));
        assert!(bytes("ten").is_err());
        assert!(bytes("10 parsecs").unwrap_err().contains("parsecs"));
        assert!(bytes("99999999999GB").is_err());
        assert!(seconds("5y").is_err());
    }
}
