//! Where a group is to go on: what `--to` says.

use std::str::FromStr;

use crate::model::Offset;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Earliest,
    Latest,
    At(Offset),
    /// So far from what is committed.
    Shift(i64),
    /// The first record of this time or later, in milliseconds since 1970.
    Since(i64),
    /// The first record not older than so many milliseconds.
    Ago(i64),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        let natural = |digits: &str| digits.parse().ok().filter(|&number: &i64| number >= 0);
        let plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        let place = match text {
            "earliest" => Some(Place::Earliest),
            "latest" => Some(Place::Latest),
            _ if text.starts_with(['+', '-']) => {
                let digits = &text[1..];
                let by = natural(digits).filter(|_| plain(digits));
                by.map(|by| Place::Shift(if text.starts_with('-') { -by } else { by }))
            }
            _ => match text.strip_prefix('@') {
                Some(time) => natural(time).filter(|_| plain(time)).map(Place::Since),
                None if plain(text) => natural(text).map(Place::At),
                None => duration_ms(text).map(Place::Ago),
            },
        };
        place.ok_or_else(|| {
            "it is earliest, latest, an offset, +N or -N to move by so many, @MS for a time in \
             milliseconds since 1970, or a duration ago such as 90s, 30m, 12h or 7d"
                .to_owned()
        })
    }
}

fn duration_ms(text: &str) -> Option<i64> {
    let unit = text.chars().next_back()?;
    let number: i64 = text[..text.len() - unit.len_utf8()].parse().ok().filter(|&n| n >= 0)?;
    let ms = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    number.checked_mul(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_people_write_them() {
        let check = |text: &str, expect| assert_eq!(text.parse().ok(), expect, "{text}");
        check("earliest", Some(Place::Earliest));
        check("7", Some(Place::At(7)));
        check("+7", Some(Place::Shift(7)));
        check("-7", Some(Place::Shift(-7)));
        check("@1760000000000", Some(Place::Since(1_760_000_000_000)));
        check("30m", Some(Place::Ago(1_800_000)));
        check("7d", Some(Place::Ago(604_800_000)));
        for bad in ["", "-", "+", "--7", "+-7", "@", "@-1", "7w", "m", "1.5h", "soon", "-7d"] {
            check(bad, None);
        }
    }
}
