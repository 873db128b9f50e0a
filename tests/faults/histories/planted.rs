//! Bugs planted in the broker, one at a time: a history must show each of them.

use super::judge::Anomaly;
use super::{run, setup};

const KILLS: u64 = 12;

fn check(bugs: &str, expect: fn(&Anomaly) -> bool) {
    let setup = setup(&format!("history-{}", bugs.replace(',', "-"))).planted(bugs);
    let outcome = run(&setup, KILLS, crate::seed());
    outcome.report();
    assert!(outcome.anomalies.iter().any(expect), "{bugs} hid from {KILLS} kills");
}

#[test]
fn showing_what_is_not_committed_is_found() {
    check("last-stable-offset-ahead", |anomaly| {
        matches!(anomaly, Anomaly::AbortedRead { .. } | Anomaly::PrecommittedRead { .. })
    });
}

#[test]
fn acknowledging_before_the_write_is_found() {
    check("ack-before-write,slow-flush", |anomaly| {
        let lost = matches!(anomaly, Anomaly::LostWrite { .. } | Anomaly::Unseen { .. });
        lost || matches!(anomaly, Anomaly::InconsistentOffsets { .. })
    });
}
