//! Bugs planted in the broker, one at a time: losing the power must show each of them.

use std::time::Duration;

use super::tools::FileSystem;
use super::{Plan, broken, run, setup};

/// Recordings that a bug may hide from.
const RECORDINGS: u64 = 4;

/// What must be told of the bug: one of `told` in one line at least. Nothing else may be wrong before.
fn check(bug: &str, after_reads: bool, told: &[&str]) {
    let setup = setup(bug).planted(bug);
    for round in 0..RECORDINGS {
        let outcome = run(
            &setup,
            Plan {
                kind: if round % 2 == 0 { FileSystem::Xfs } else { FileSystem::Ext4 },
                seed: crate::seed() ^ round << 32,
                kills: if after_reads { 10 } else { 0 },
                stops: false,
                load: Duration::from_millis(if after_reads { 150 } else { 1000 }),
                lull: false,
                points: 40,
                after_reads,
            },
        );
        if outcome.wrong.iter().any(|wrong| told.iter().any(|told| wrong.contains(told))) {
            println!("{bug} was found: {}", outcome.wrong.join("\n"));
            return;
        }
        assert!(outcome.wrong.is_empty(), "not by this: {}", outcome.wrong.join("\n"));
    }
    panic!("{bug} hid from {RECORDINGS} recordings");
}

#[test]
#[ignore = "needs root, fuse, loop devices and qemu: scripts/power"]
fn acknowledging_before_the_sync_is_found() {
    // What was acknowledged too early was also served too early: either may be what is seen lost.
    check("ack-before-sync", false, &["LostWrite", "TakenBack", "of key"]);
}

#[test]
#[ignore = "needs root, fuse, loop devices and qemu: scripts/power"]
fn syncing_nothing_is_found() {
    // Whatever is lost first: records, or what the broker starts with.
    check("sync-nothing", true, &[""]);
}

#[test]
#[ignore = "needs root, fuse, loop devices and qemu: scripts/power"]
fn deciding_without_a_sync_is_found() {
    check("decide-without-a-sync", false, &["topic"]);
}

#[test]
#[ignore = "needs root, fuse, loop devices and qemu: scripts/power"]
fn replacing_small_files_by_what_is_not_synced_is_found() {
    check("leave-small-files-unsynced", false, &[""]);
}

#[test]
#[ignore = "needs root, fuse, loop devices and qemu: scripts/power"]
fn telling_of_a_commit_before_it_is_safe_is_found() {
    check("answer-before-it-is-safe", false, &["transaction"]);
}

#[test]
#[ignore = "needs root, fuse, loop devices and qemu: scripts/power"]
fn ignoring_a_failed_write_is_found() {
    assert!(!broken::hides("ignore-failed-writes", "write"));
}

#[test]
#[ignore = "needs root, fuse, loop devices and qemu: scripts/power"]
fn ignoring_a_failed_flush_is_found() {
    assert!(!broken::hides("ignore-failed-syncs", "flush"));
}
