//! Bugs planted in transactions, one at a time: a test that exists for them must fail. Each bug gets a
//! process of its own, because it is chosen once.

use std::process::Command;

const QUIET: &str = "transactions::transactions_are_whole_when_nothing_happens";
const POWER: &str = "transactions::transactions_are_whole_when_the_power_fails";
const KILLS: &str = "transactions::transactions_are_whole_when_the_process_is_killed";

/// One test of this very binary, with one bug; true when it passed.
fn passes(bug: &str, test: &str) -> bool {
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args([test, "--exact"])
        .env("RINGMAIN_PLANTED", bug)
        .env("RINGMAIN_SEEDS", "0..400")
        // Reading the symbols of a test that is to fail takes longer than the test.
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("this test runs again");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("running 1 test"), "{test} is no test of this binary");
    output.status.success()
}

fn check(bug: &str, test: &str) {
    assert!(!passes(bug, test), "{bug} hid from {test}");
}

#[test]
fn forgetting_producers_at_a_restart_is_found() {
    check("forget-producers", KILLS);
}

#[test]
fn marking_before_it_is_decided_is_found() {
    check("mark-before-it-is-decided", POWER);
}

#[test]
fn a_last_stable_offset_that_is_ahead_is_found() {
    check("last-stable-offset-ahead", QUIET);
}

#[test]
fn an_epoch_that_is_not_raised_is_found() {
    check("epoch-not-raised", QUIET);
}

#[test]
fn an_end_that_finds_the_one_before_at_work_is_found() {
    let test = "transactions::rivals::an_end_that_follows_another_closely_is_carried_out";
    check("marking-ends-late", test);
}

const CHAIN: &str = "transactions::chain::a_chain_counts_everything_once_whatever_happens";

#[test]
fn offsets_that_are_no_part_of_their_transaction_are_found() {
    check("offsets-outside-the-transaction", CHAIN);
}

#[test]
fn offsets_of_an_aborted_transaction_that_count_are_found() {
    check("commit-what-was-aborted", CHAIN);
}
