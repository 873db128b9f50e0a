//! Bugs planted in the broker, one at a time: the simulated broker's tests must show each of them. Run with
//! `--features planted-bugs`.

use crate::rerun::passes;

const POWER: &str = "crashes::nothing_synced_is_lost_when_the_power_fails";
const DECISIONS: &str = "decisions::decisions_survive_crashes";
const MOVING: &str = "directories::moving::partitions_move_while_clients_are_at_work";
const MISSING: &str =
    "directories::failing::what_lies_in_a_directory_that_is_not_there_is_never_made_anew";
const FAILING: &str =
    "directories::failing::a_directory_that_fails_takes_only_its_partitions_offline";

fn check(bug: &str, test: &str) {
    assert!(!passes(bug, test, "0..300"), "{bug} hid from {test}");
}

#[test]
fn acknowledging_before_the_sync_is_found() {
    check("ack-before-sync", POWER);
}

#[test]
fn deciding_without_a_sync_is_found() {
    check("decide-without-a-sync", DECISIONS);
}

#[test]
fn a_snapshot_of_the_metadata_that_is_not_synced_is_found() {
    check("leave-small-files-unsynced", DECISIONS);
}

#[test]
fn forgetting_to_sync_by_the_clock_is_found() {
    check("forget-flush-ms", "flushes::what_flush_ms_forced_out_survives_the_power");
}

#[test]
fn forgetting_to_sync_after_so_many_messages_is_found() {
    check("forget-flush-messages", "flushes::what_flush_messages_forced_out_survives_the_power");
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

#[test]
fn telling_nobody_of_an_offline_partition_is_found() {
    check("hide-outages", "offline::nobody_is_sent_to_a_partition_that_is_offline");
}

#[test]
fn moving_quicker_than_the_limit_is_found() {
    check("move-at-any-pace", "directories::pace::moves_are_no_quicker_than_they_may_be");
}

#[test]
fn telling_of_a_commit_before_it_is_safe_is_found() {
    check("answer-before-it-is-safe", "groups::what_a_group_has_committed_survives_crashes");
}

#[test]
fn sharing_anew_in_the_same_generation_is_found() {
    check("share-anew-in-the-same-generation", "groups::a_group_goes_on_when_nothing_happens");
}

#[test]
fn giving_what_is_not_released_is_found() {
    check("give-what-is-not-released", "readers::readers_share_when_nothing_happens");
}
