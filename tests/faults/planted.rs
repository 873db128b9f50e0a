//! Bugs planted in the broker, one at a time: the kills must show each of them. What is not found
//! here would not be found in the broker either.

use crate::broker::Setup;
use crate::checker::Anomaly;
use crate::kills::run;

/// Kills that a bug may hide from.
const CYCLES: u64 = 40;

/// The broker has these bugs: something that `found` names must be seen.
fn check(bugs: &str, found: fn(&Anomaly) -> bool) {
    let setup = Setup::new(&bugs.replace(',', "-")).planted(bugs);
    let outcome = run(&setup, CYCLES, crate::seed());
    outcome.report();
    let shown = outcome.anomalies.iter().any(found);
    assert!(shown, "{bugs} hid from {} kills", outcome.cycles);
    println!("{bugs} was found after {} kills", outcome.cycles);
}

fn is_lost(anomaly: &Anomaly) -> bool {
    matches!(anomaly, Anomaly::LostWrite { .. })
}

#[test]
fn acknowledging_before_the_write_is_found() {
    check("ack-before-write,slow-flush", is_lost);
}

#[test]
fn acknowledging_everything_with_the_first_write_is_found() {
    check("ack-with-the-first,slow-flush", is_lost);
}

#[test]
fn serving_what_is_not_written_is_found() {
    check("serve-unwritten,slow-flush", |anomaly| matches!(anomaly, Anomaly::TakenBack { .. }));
}

#[test]
fn forgetting_what_lies_behind_the_checkpoint_is_found() {
    check("forget-the-tail", is_lost);
}

#[test]
fn forgetting_the_producers_is_found() {
    let found = |anomaly: &Anomaly| match anomaly {
        Anomaly::Duplicate { .. } => true,
        Anomaly::Wrong { what, .. } => what == "OUT_OF_ORDER_SEQUENCE_NUMBER",
        _ => false,
    };
    check("forget-producers", found);
}

#[test]
fn remembering_four_batches_is_found() {
    // A retry of five batches finds its first one forgotten.
    let refused = |anomaly: &Anomaly| match anomaly {
        Anomaly::Wrong { what, .. } => what == "OUT_OF_ORDER_SEQUENCE_NUMBER",
        _ => false,
    };
    check("dedupe-window-of-4", refused);
}
