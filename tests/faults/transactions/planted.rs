//! Bugs planted in transactions, one at a time: these rounds must show each of them.

use super::{run, setup};

/// Rounds that a bug may hide from.
const ROUNDS: u64 = 60;

fn check(bugs: &str, told: &[&str]) {
    let setup = setup(&bugs.replace(',', "-")).planted(bugs);
    let outcome = run(&setup, ROUNDS, crate::seed());
    outcome.report();
    let shown = |wrong: &String| told.iter().any(|told| wrong.contains(told));
    assert!(outcome.wrong.iter().any(shown), "{bugs} hid from {} rounds", outcome.rounds);
    println!("{bugs} was found after {} rounds", outcome.rounds);
}

#[test]
fn a_last_stable_offset_that_is_ahead_is_found() {
    check("last-stable-offset-ahead", &["was shown", "seen"]);
}

#[test]
fn an_epoch_that_is_not_raised_is_found() {
    check("epoch-not-raised", &["a zombie", "an end that was late", "seen", "last stable offset"]);
}

#[test]
fn a_marker_before_the_decision_is_found() {
    check("mark-before-it-is-decided,slow-flush", &["was shown", "seen", "last stable offset"]);
}
