//! Bugs planted in the rules of groups, one at a time: a test that exists for them must fail. Each
//! bug gets a process of its own, because it is chosen once.

use std::process::Command;

fn check(bug: &str, test: &str) {
    found(bug, &format!("coordinator::group::tests::{test}"));
}

/// Runs a test of this binary with the bug, and sees it fail.
pub fn found(bug: &str, test: &str) {
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
fn a_commit_from_an_old_generation_is_found() {
    check("commit-from-an-old-generation", "offsets::a_commit_of_an_old_generation_is_refused");
}

#[test]
fn a_static_member_that_is_not_fenced_is_found() {
    check("let-a-replaced-member-go-on", "statics::who_was_replaced_is_fenced");
}

#[test]
fn expiring_what_is_in_use_is_found() {
    check("expire-what-is-in-use", "offsets::offsets_expire_when_nobody_uses_them");
}

#[test]
fn committing_what_was_aborted_is_found() {
    let test = "offsets::offsets_of_a_transaction_count_when_it_is_committed";
    check("commit-what-was-aborted", test);
}

#[test]
fn giving_a_partition_before_it_is_released_is_found() {
    let bug = "give-what-is-not-released";
    check(bug, "reconciling::a_partition_is_given_when_it_was_let_go_of");
    check(bug, "reconciling::no_partition_has_two_holders_whatever_happens");
}

#[test]
fn an_epoch_that_does_not_grow_is_found() {
    let test = "reconciling::partitions_are_shared_anew_when_topics_change";
    check("share-anew-in-the-same-epoch", test);
}

#[test]
fn a_static_member_of_the_new_kind_that_is_not_fenced_is_found() {
    let test = "beats::who_was_replaced_in_its_instance_is_fenced";
    check("let-two-members-be-one-instance", test);
}

#[test]
fn taking_any_epoch_of_a_member_is_found() {
    let test = "beats::who_does_not_know_its_epoch_is_fenced";
    check("take-any-epoch-of-a-member", test);
}

#[test]
fn a_commit_of_an_old_epoch_is_found() {
    let test = "beats::commits_are_those_of_the_present_epoch_or_of_what_\
                was_held_since";
    check("commit-from-an-old-epoch", test);
}
