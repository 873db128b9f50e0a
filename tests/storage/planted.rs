//! Bugs planted in the log engine, one at a time: a test that exists for them must fail. Run with
//! `--features planted-bugs`.

use crate::rerun::passes;

const KILLS: &str = "crashes::nothing_acknowledged_is_lost_first_part";
const WRITTEN: &str = "outages::what_is_written_survives_the_process";
const SYNCED: &str = "outages::what_is_synced_survives_the_power";
const FAULTS: &str = "outages::after_a_failed_write_or_sync_nothing_is_promised_that_is_not_there";
const TWO_SYNCS: &str = "outages::a_sync_promises_nothing_that_another_one_lost";
const CLEANING: &str = "cleaning::the_last_of_every_key_stays_first_part";
const CALLED_CLEAN: &str = "cleaning::what_is_called_clean_is_clean_after_the_power_was_lost";
const INDEXES: &str = "damage::damage_is_seen_or_without_consequence";
const START: &str = "removal::records_below_the_start_are_gone_and_their_files_follow";
const LIVES: &str = "lives::what_was_promised_holds_all_life_long_first_part";
const UNPACKING: &str = "compression::what_unpacks_too_large_is_refused_before_it_is";
const FORCED: &str = "upkeep::so_many_messages_force_a_sync";
const RECYCLED: &str =
    "recycling::alike::what_a_file_held_before_is_never_taken_for_what_was_appended";
const OUTLIVED: &str =
    "transactions::an_index_that_outlived_its_marker_hides_nothing_that_is_committed";
const SMALL_FILES: &str = "small_files::what_replaced_a_small_file_survives_the_power";
const DAMAGE: &str = "damage::what_was_finished_and_is_damaged_is_reported_and_not_cut";

fn check(bug: &str, test: &str) {
    // Whole lives are long, and those that the suite itself runs pass without a bug.
    let seeds = if test == LIVES { "0..1500" } else { "0..1200" };
    assert!(!passes(bug, test, seeds), "{bug} hid from {test}");
}

#[test]
fn filling_the_disk_is_found() {
    check("fill-the-disk", "space::below_the_floor_clients_are_refused_and_nothing_is_taken");
    check("fill-the-disk", "space::a_core_takes_no_more_than_it_was_allowed");
}

#[test]
fn losing_the_place_in_the_tail_is_found() {
    let test = "replacing::a_log_goes_on_when_what_stands_before_a_cleaned_segment_is_deleted";
    check("go-on-behind-all-addresses", test);
}

#[test]
fn counting_as_written_what_is_not_is_found() {
    check("count-as-written-at-once", KILLS);
}

#[test]
fn counting_writes_out_of_order_is_found() {
    check("count-writes-out-of-order", WRITTEN);
}

#[test]
fn writing_a_sector_twice_at_once_is_found() {
    check("write-a-sector-twice-at-once", WRITTEN);
}

#[test]
fn ignoring_a_failed_write_is_found() {
    check("ignore-failed-writes", FAULTS);
}

#[test]
fn ignoring_a_failed_sync_is_found() {
    check("ignore-failed-syncs", FAULTS);
}

#[test]
fn a_sync_that_promises_later_writes_is_found() {
    check("sync-covers-later-writes", SYNCED);
}

#[test]
fn two_syncs_of_one_file_at_once_are_found() {
    check("sync-a-file-twice-at-once", TWO_SYNCS);
}

#[test]
fn a_new_file_without_a_durable_entry_is_found() {
    check("leave-new-files-without-an-entry", SYNCED);
}

#[test]
fn finishing_a_segment_without_a_sync_is_found() {
    check("finish-without-a-sync", KILLS);
}

#[test]
fn serving_what_was_recovered_unsynced_is_found() {
    check("serve-what-was-recovered-unsynced", KILLS);
}

#[test]
fn giving_offsets_out_again_is_found() {
    check("forget-the-tail", KILLS);
}

#[test]
fn recovering_without_checksums_is_found() {
    check("recover-without-checksums", KILLS);
}

#[test]
fn cutting_what_is_damaged_is_found() {
    check("cut-what-is-damaged", DAMAGE);
}

#[test]
fn remembering_four_batches_is_found() {
    check("dedupe-window-of-4", KILLS);
}

#[test]
fn forgetting_producers_is_found() {
    check("forget-producers", KILLS);
}

#[test]
fn cleaning_away_a_last_value_is_found() {
    check("clean-away-last-values", CLEANING);
}

#[test]
fn cleaning_a_tombstone_away_too_early_is_found() {
    check("clean-tombstones-early", CLEANING);
}

#[test]
fn serving_what_was_cleaned_away_is_found() {
    check("serve-what-was-cleaned-from-memory", CLEANING);
}

#[test]
fn replacing_small_files_by_what_is_not_synced_is_found() {
    check("leave-small-files-unsynced", KILLS);
    check("leave-small-files-unsynced", SMALL_FILES);
}

#[test]
fn renaming_without_syncing_the_directory_is_found() {
    check("rename-without-syncing-the-directory", SMALL_FILES);
}

#[test]
fn building_on_a_replacement_that_is_not_durable_is_found() {
    check("swap-without-syncing-the-directory", CALLED_CLEAN);
}

#[test]
fn replacing_segments_by_what_is_not_synced_is_found() {
    check("swap-in-what-is-not-synced", CLEANING);
}

#[test]
fn believing_an_index_is_found() {
    check("believe-indexes", INDEXES);
}

#[test]
fn believing_markers_that_a_crash_took_is_found() {
    check("believe-markers-that-are-gone", OUTLIVED);
}

#[test]
fn half_a_replacement_that_passes_for_a_whole_one_is_found() {
    check("tidy-up-half-a-replacement", "replacing::cut_short_anywhere_it_is_undone_or_completed");
}

#[test]
fn going_on_after_half_a_removal_is_found() {
    check("go-on-after-half-a-removal", "removal::a_removal_that_is_cut_short_leaves_no_hole");
}

#[test]
fn a_start_that_goes_back_is_found() {
    check("let-the-start-go-back", START);
}

#[test]
fn unpacking_records_of_any_size_is_found() {
    check("unpack-without-a-limit", UNPACKING);
}

#[test]
fn forgetting_to_sync_after_so_many_messages_is_found() {
    check("forget-flush-messages", FORCED);
}

#[test]
fn stale_bytes_of_a_recycled_segment_accepted_are_found() {
    check("recover-what-is-left", RECYCLED);
}

#[test]
fn a_recycled_file_of_another_partition_is_found() {
    check("take-the-spares-of-others", RECYCLED);
}

#[test]
fn a_recycled_file_that_is_still_read_is_found() {
    check("recycle-what-is-read", "recycling::a_file_that_is_still_read_is_not_written_again");
}

#[test]
fn retaining_too_little_is_found() {
    check("retain-one-segment-less", LIVES);
}

#[test]
fn reading_what_is_deleted_meanwhile_is_found() {
    check("read-what-is-deleted-meanwhile", LIVES);
}
