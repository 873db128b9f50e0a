//! Lines for the operator, on standard error. Not for the data path: a notice is rare.

use std::fmt;
use std::io::Write;

/// Prints one line with the time in UTC.
#[macro_export]
macro_rules! notice {
    ($($arg:tt)*) => { $crate::rt::write_notice(format_args!($($arg)*)) };
}

pub fn write_notice(message: fmt::Arguments<'_>) {
    if let Some(core) = super::current::simulated() {
        core.say(message);
        return;
    }
    let ms = super::glommio::clock::unix_ms();
    let Some(suppressed) = admit(ms / 1000) else { return };
    if suppressed > 0 {
        print(ms, format_args!("({suppressed} notices of this core were left out)"));
    }
    print(ms, message);
}

/// Notices one thread prints in a second; an enemy must not fill the disk with them.
const PER_SECOND_MAX: u64 = 50;

/// Whether another notice may be printed in this second, and how many were not before it.
fn admit(second: i64) -> Option<u64> {
    use std::cell::Cell;
    thread_local! {
        static COUNTED: Cell<(i64, u64)> = const { Cell::new((0, 0)) };
    }
    let (last, count) = COUNTED.get();
    if last != second {
        COUNTED.set((second, 1));
        return Some(count.saturating_sub(PER_SECOND_MAX));
    }
    COUNTED.set((second, count + 1));
    (count < PER_SECOND_MAX).then_some(0)
}

fn print(ms: i64, message: fmt::Arguments<'_>) {
    let (days, rest) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (hours, minutes) = (rest / 3_600_000, rest / 60_000 % 60);
    let seconds = rest as f64 / 1000.0 % 60.0;
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(
        std::io::stderr().lock(),
        "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:06.3}Z {message}"
    );
}

/// The date of a day counted from 1970-01-01 (proleptic Gregorian calendar).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{PER_SECOND_MAX, admit, civil};

    #[test]
    fn notices_are_bounded_and_counted() {
        assert_eq!(admit(1), Some(0));
        for _ in 1..PER_SECOND_MAX {
            assert_eq!(admit(1), Some(0));
        }
        assert_eq!((admit(1), admit(1)), (None, None));
        assert_eq!(admit(2), Some(2));
    }

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(-1), (1969, 12, 31));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_777), (2026, 11, 20));
    }
}
