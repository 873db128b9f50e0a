//! Which seeds a simulated test runs: a few by default, more or a single one on demand; and
//! whether it talks.

use std::time::Duration;

use ringmain::rt;
use ringmain::rt::sim::{Sim, Talk};

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

/// Runs every one of `seeds`; every hundredth, the first among them, twice: both must leave the same
/// trace, or else a seed that failed could not be run again.
pub fn each(seeds: impl Iterator<Item = u64>, mut run: impl FnMut(u64) -> u64) {
    for (number, seed) in seeds.enumerate() {
        let trace = run(seed);
        if number.is_multiple_of(100) {
            assert_eq!(run(seed), trace, "seed {seed} ran in two ways");
        }
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

#[test]
fn every_hundredth_seed_runs_twice() {
    let mut runs = Vec::new();
    each(1000..1250, |seed| {
        runs.push(seed);
        seed
    });
    let twice: Vec<u64> =
        runs.windows(2).filter(|two| two[0] == two[1]).map(|two| two[0]).collect();
    assert_eq!((runs.len(), twice), (253, vec![1000, 1100, 1200]));
}

#[test]
#[should_panic(expected = "seed 7 ran in two ways")]
fn a_run_that_depends_on_more_than_its_seed_is_noticed() {
    let mut nanos = 0;
    each(7..8, |seed| {
        nanos += 1;
        let sim = Sim::new(seed);
        sim.run(rt::sleep(Duration::from_nanos(nanos)));
        sim.trace_hash()
    });
}
