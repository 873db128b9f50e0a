//! Sizes and numbers as people write and read them.

use std::str::FromStr;

/// `4096`, `64k`, `1m`, `1MiB`: binary multiples.
pub fn parse_bytes(text: &str) -> Result<usize, String> {
    let explain = || "a size is a number of bytes such as 4096, 64k or 1m".to_owned();
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.len() - lower.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = lower.split_at(digits);
    let shift = match unit.trim() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err(explain()),
    };
    let number: usize = number.parse().map_err(|_| explain())?;
    number.checked_mul(1 << shift).filter(|&bytes| bytes > 0).ok_or_else(explain)
}

/// A whole number from 1, for clap.
pub fn positive<N: FromStr + PartialOrd + From<u8>>(text: &str) -> Result<N, String> {
    let number = text.parse().ok().filter(|number| *number >= N::from(1));
    number.ok_or_else(|| "it is a whole number from 1".to_owned())
}

/// A whole number from 0, for clap.
pub fn natural<N: FromStr + PartialOrd + From<u8>>(text: &str) -> Result<N, String> {
    let number = text.parse().ok().filter(|number| *number >= N::from(0));
    number.ok_or_else(|| "it is a whole number from 0".to_owned())
}

/// `512 B`, `1.5 KiB`, `3.2 GiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1023.95 && unit < UNITS.len() - 1 {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `1,234,567`.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 record`, `2 records`, `1,000 records`.
pub fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written_as_people_do() {
        let check = |text: &str, expect: Option<usize>| assert_eq!(parse_bytes(text).ok(), expect);
        check("4096", Some(4096));
        check("64k", Some(64 << 10));
        check("1 MiB", Some(1 << 20));
        check("2G", Some(2 << 30));
        for bad in ["", "0", "-1", "k", "1x", "1.5m", "99999999999999999999"] {
            check(bad, None);
        }
        assert_eq!(
            [0, 1023, 1024, 1_048_575, 1 << 40].map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "1.0 TiB"]
        );
        assert_eq!([7, 999, 1000, 1_234_567].map(thousands), ["7", "999", "1,000", "1,234,567"]);
        assert_eq!([counted(1, "record"), counted(2, "record")], ["1 record", "2 records"]);
    }
}
