//! How figures are written for people: three digits that count, and the unit that fits.

/// What a figure is, hence how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Per second, of records and the like.
    Rate,
    MbPerSecond,
    /// Time, held in microseconds.
    Micros,
    /// Time, held in seconds.
    Seconds,
    Bytes,
    /// From 0 to 1, shown in percent.
    Part,
    /// Seconds of processor time, CPUs, ratios.
    Plain,
}

impl Unit {
    /// As it stands in a table or beside a bar.
    pub fn text(self, value: f64) -> String {
        if !value.is_finite() {
            return "–".into();
        }
        match self {
            Unit::Rate | Unit::MbPerSecond | Unit::Plain => digits(value),
            Unit::Micros => time(value),
            Unit::Seconds => time(value * 1e6),
            Unit::Bytes => {
                let (scale, unit) = step(value, &[(1e9, "GB"), (1e6, "MB"), (1e3, "kB")], "B");
                format!("{} {unit}", digits(value / scale))
            }
            Unit::Part => format!("{} %", digits(value * 100.0)),
        }
    }

    /// Behind the name of an axis or of a row; empty where each value says it.
    pub fn suffix(self) -> &'static str {
        match self {
            Unit::MbPerSecond => "MB/s",
            Unit::Rate | Unit::Micros | Unit::Seconds | Unit::Bytes | Unit::Part | Unit::Plain => {
                ""
            }
        }
    }

    /// As the script of the page knows it.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Rate => "rate",
            Unit::MbPerSecond => "mb",
            Unit::Micros => "us",
            Unit::Seconds => "s",
            Unit::Bytes => "bytes",
            Unit::Part => "part",
            Unit::Plain => "plain",
        }
    }
}

fn time(micros: f64) -> String {
    let (scale, unit) = step(micros, &[(1e6, "s"), (1e3, "ms")], "µs");
    format!("{} {unit}", digits(micros / scale))
}

/// The largest unit of which there is one, as it will be rounded: 999.9 of the smaller is 1 of it.
fn step(value: f64, steps: &[(f64, &'static str)], rest: &'static str) -> (f64, &'static str) {
    let fits = |&&(scale, _): &&(f64, &str)| value.abs() >= scale * 0.9995;
    steps.iter().find(fits).copied().unwrap_or((1.0, rest))
}

/// Three digits that count, but every digit before the point, in groups of three.
pub fn digits(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let magnitude = value.abs().log10().floor() as i32;
    // 9.996 has a digit more once it is rounded.
    let rounded = round_to(value, 2 - magnitude);
    let magnitude = rounded.abs().log10().floor().max(-9.0) as i32;
    let text = format!("{:.*}", (2 - magnitude).clamp(0, 9) as usize, value);
    match text.split_once('.') {
        Some((whole, part)) => format!("{}.{part}", grouped(whole)),
        None => grouped(&text),
    }
}

fn round_to(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

fn grouped(whole: &str) -> String {
    let first = whole.len() - whole.trim_start_matches('-').len();
    let mut text = whole[..first].to_owned();
    let digits = &whole[first..];
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_count() {
        let check = |unit: Unit, value: f64, expected: &str| {
            assert_eq!(unit.text(value), expected, "{unit:?} {value}");
        };
        check(Unit::Micros, 0.0, "0 µs");
        check(Unit::Micros, 850.4, "850 µs");
        check(Unit::Micros, 999.9, "1.00 ms");
        check(Unit::Micros, 1_234.0, "1.23 ms");
        check(Unit::Micros, 12_345_678.0, "12.3 s");
        check(Unit::Seconds, 0.0421, "42.1 ms");
        check(Unit::Seconds, 75.04, "75.0 s");
        check(Unit::Bytes, 512e6, "512 MB");
        check(Unit::Bytes, 12.0, "12.0 B");
        check(Unit::Part, 0.5, "50.0 %");
        check(Unit::Rate, 19_999.7, "20,000");
        check(Unit::Rate, 1_234_567.0, "1,234,567");
        check(Unit::Plain, 0.00123, "0.00123");
        check(Unit::Plain, 9.996, "10.0");
        check(Unit::Plain, -1_234.5, "-1,234");
        check(Unit::Plain, f64::NAN, "–");
    }
}
