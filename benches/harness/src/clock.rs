//! The client's clock: nanoseconds since 1970 that never jump, the same for every thread of the
//! process, so that a moment written into a record can be read by whoever receives it.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::driver::Nanos;

pub const SECOND: Nanos = 1_000_000_000;

struct Anchor {
    instant: Instant,
    unix: Nanos,
}

pub fn now() -> Nanos {
    static ANCHOR: OnceLock<Anchor> = OnceLock::new();
    let anchor = ANCHOR.get_or_init(|| {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        Anchor { instant: Instant::now(), unix: unix as Nanos }
    });
    anchor.unix + anchor.instant.elapsed().as_nanos() as Nanos
}

pub fn unix_ms(at: Nanos) -> i64 {
    (at / 1_000_000) as i64
}

pub fn seconds(from: Nanos, to: Nanos) -> f64 {
    to.saturating_sub(from) as f64 / SECOND as f64
}

pub fn nanos(seconds: f64) -> Nanos {
    (seconds * SECOND as f64) as Nanos
}

pub fn sleep_until(at: Nanos) {
    std::thread::sleep(Duration::from_nanos(at.saturating_sub(now())));
}

/// RFC 3339 in UTC, to the second.
pub fn rfc3339(at: Nanos) -> String {
    let seconds = at / SECOND;
    let (days, of_day) = ((seconds / 86_400) as i64, seconds % 86_400);
    // Days to a date: Howard Hinnant's civil_from_days, for years after 1970.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted - era * 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let check = |seconds: u64, date: &str| assert_eq!(rfc3339(seconds * SECOND), date);
        check(0, "1970-01-01T00:00:00Z");
        check(951_782_399, "2000-02-28T23:59:59Z");
        check(951_782_400, "2000-02-29T00:00:00Z");
        check(1_709_164_800, "2024-02-29T00:00:00Z");
        check(1_796_083_199, "2026-11-30T23:59:59Z");
    }
}
