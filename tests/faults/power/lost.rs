//! The power fails at any moment of a busy time with a stop, a kill and two restarts in it.

use std::time::{Duration, Instant};

use super::{Plan, kind, report, run_all, setup};

#[test]
#[ignore = "needs root, fuse, loop devices and qemu: scripts/power"]
fn nothing_acknowledged_is_lost_with_the_power() {
    let points = crate::number("RINGMAIN_POWER_LOST").unwrap_or(30);
    let (seed, began) = (crate::seed(), Instant::now());
    let outcome = run_all(&setup("power"), points, (points / 2).clamp(10, 100), |round| Plan {
        kind: kind(round),
        seed: seed ^ round << 32,
        kills: 1,
        stops: true,
        load: Duration::from_millis(1500),
        lull: round % 4 >= 2,
        points: 0,
        after_reads: false,
    });
    report("power lost", &outcome, began);
    assert!(outcome.wrong.is_empty());
    assert!(outcome.acknowledged > 1000, "too little happened to prove anything");
    assert!(outcome.again > 0, "no file was written again");
    assert!(outcome.committed as u64 > outcome.points, "too few transactions to prove anything");
}
