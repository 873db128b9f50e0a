//! Killed, started again, read, and then the power fails (KAFKA-10101): what was read must stay, at
//! every level, because recovery makes durable what it keeps before anybody sees it.

use std::time::{Duration, Instant};

use super::{Plan, kind, report, run_all, setup};

#[test]
#[ignore = "needs root, fuse, loop devices and qemu: scripts/power"]
fn nothing_that_was_read_after_a_kill_is_lost_with_the_power() {
    let points = crate::number("RINGMAIN_POWER_READS").unwrap_or(20);
    let (seed, began) = (crate::seed(), Instant::now());
    let each = (points / 2).clamp(10, 20);
    let outcome = run_all(&setup("power-reads"), points, each, |round| Plan {
        kind: kind(round),
        seed: seed ^ round << 32,
        kills: 10,
        stops: false,
        load: Duration::from_millis(150),
        lull: false,
        points: 0,
        after_reads: true,
    });
    report("killed, read, power lost", &outcome, began);
    assert!(outcome.wrong.is_empty());
}
