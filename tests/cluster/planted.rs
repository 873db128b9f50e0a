//! Bugs planted in the broker, one at a time: a test that exists for them must fail. Run with
//! `--features planted-bugs`; each bug gets a process of its own, because it is chosen once.

use std::process::Command;

const MOVING: &str = "directories::partitions_move_while_clients_are_at_work";
const MISSING: &str = "directories::what_lies_in_a_directory_that_is_not_there_is_never_made_anew";
const FAILING: &str = "directories::a_directory_that_fails_takes_only_its_partitions_offline";

/// One test of this very binary, with one bug, must fail.
fn check(bug: &str, test: &str) {
    let binary = std::env::current_exe().expect("this test");
    let output = Command::new(binary)
        .args([test, "--exact"])
        .env("RINGMAIN_PLANTED", bug)
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("this test runs again");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("running 1 test"), "{test} is no test of this binary");
    assert!(!output.status.success(), "{bug} hid from {test}");
}

#[test]
fn a_move_without_the_last_records_is_found() {
    check("move-without-the-last-records", MOVING);
}

#[test]
fn forgetting_what_was_kept_aside_is_found() {
    check("forget-what-was-kept-aside", MOVING);
}

#[test]
fn making_anew_what_is_missing_is_found() {
    check("make-anew-what-is-missing", MISSING);
    check("make-anew-what-is-missing", FAILING);
}
