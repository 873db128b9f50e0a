//! Which seeds a simulated test runs: a few by default, more or a single one on demand; and
//! whether it talks.

use ringmain::rt::sim::Talk;

/// The first `count` seeds. `RINGMAIN_SEEDS=20000..30000` runs those instead, and
/// `RINGMAIN_SEEDS=4711` runs the one that failed.
pub fn seeds(count: u64) -> std::ops::Range<u64> {
    let Ok(wanted) = std::env::var("RINGMAIN_SEEDS") else { return 0..count };
    let number = |text: &str| text.parse().expect("RINGMAIN_SEEDS is a number or a range a..b");
    match wanted.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => number(&wanted)..number(&wanted) + 1,
    }
}

/// What a simulation says: nothing, unless `RINGMAIN_TALK` is `notices` or `events`.
pub fn talk() -> Talk {
    match std::env::var("RINGMAIN_TALK").as_deref() {
        Ok("notices") => Talk::Notices,
        Ok("events") => Talk::Events,
        _ => Talk::Silent,
    }
}
