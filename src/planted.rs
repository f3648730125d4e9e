//! Bugs that a build of the tests can be told to have, so that each test is seen to fail.
//!
//! `LTVLOG_PLANTED=NAME` chooses one. Nothing of it is in the product: outside of tests the
//! question is a constant, and the compiler takes the bug out.

/// Whether this bug was asked for.
#[cfg(not(test))]
pub(crate) const fn planted(_bug: &str) -> bool {
    false
}

#[cfg(test)]
pub(crate) use tests::planted;

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::OnceLock;

    /// Whether this bug was asked for.
    pub(crate) fn planted(bug: &str) -> bool {
        static ASKED: OnceLock<Option<String>> = OnceLock::new();
        let asked = ASKED.get_or_init(|| std::env::var("LTVLOG_PLANTED").ok());
        asked.as_deref() == Some(bug)
    }

    /// Each bug, and the test that must catch it.
    const BUGS: [(&str, &str); 84] = [
        ("acknowledged before sync", CRASH),
        ("head published before sync", CRASH),
        ("directory not synced", CRASH),
        ("sealed segment not synced", CRASH),
        ("seal trusted without its batches", CRASH),
        ("recovered tail not synced", CRASH),
        ("torn taken for damage", CRASH),
        ("cut without quarantine", CRASH),
        ("quarantine not synced", CRASH),
        ("tail not written again", FAULTS),
        ("sync tried again", FAULTS),
        ("full disk taken for a whole write", FULL),
        ("head that cannot be read taken for none", LOOKS),
        ("short write taken for a whole one", FAULTS),
        ("poison not latched", "log::tests::faults::after_a_failed_sync_nothing_is_acknowledged"),
        ("damage taken for torn", BITS),
        ("length outside the checksum", BITS),
        ("padding not checked", BITS),
        ("body's checksum not checked", BITS),
        ("salt outside the checksum", HEADERS),
        ("place outside the checksum", HEADERS),
        ("chain not checked", "log::tests::table::rows_of_the_end"),
        ("sequence not checked", "log::tests::table::rows_of_the_end"),
        ("durable offset not advanced", MARKS),
        ("evidence not believed", "log::tests::table::rows_of_what_was_durable"),
        ("nobody asked what derived files prove", EVIDENCE),
        ("files that cannot be listed taken for none", EVIDENCE),
        ("partitions whose name nobody synced", PARTITIONS),
        ("head not believed", "log::tests::damage::every_cut_is_found_or_torn"),
        ("bytes behind the seal not looked at", "log::tests::whole::rows_of_the_last_file"),
        ("head published before the lock alone", READERS),
        ("living writer not believed", READERS),
        ("reader looks once", READERS),
        ("log not locked", "log::tests::race::of_racing_writers_one_appends_at_a_time"),
        ("receipt before sync", STORE),
        ("acknowledged what is not synced", STORE),
        ("checkpoint of unsynced events", STORE),
        (
            "call goes on after a failure",
            "store::tests::failed::after_a_failure_a_call_neither_takes_nor_answers",
        ),
        (
            "poisoned store kept",
            "store::tests::failed::a_head_that_cannot_be_synced_later_fails_one_call_alone",
        ),
        (
            "damage to keys met too late",
            "store::tests::damage::what_is_refused_when_keys_are_read_stays_as_it_is",
        ),
        ("sidecar's blocks not checked", BYTES),
        ("sidecar of another segment used", CLASSES),
        ("run of another chain used", "store::tests::runs::a_run_of_another_chain_is_passed_over"),
        ("run of events that are not durable", STORE),
        (
            "superseded entries kept",
            "store::tests::runs::a_sidecar_made_of_runs_is_the_one_made_of_events",
        ),
        (
            "keys that leave memory not filtered",
            "store::tests::keys::keys_are_found_through_the_filter_after_they_left_memory",
        ),
        ("batch under way forgotten", "store::tests::ahead::the_log_is_the_same_with_and_without"),
        ("partly read filter kept", "store::tests::keys::no_filter_is_made_of_a_part_of_the_keys"),
        (
            "filter without what is sealed",
            "store::tests::keys::keys_are_found_while_their_sidecar_is_on_its_way",
        ),
        (
            "segment not asked while its sidecar is made",
            "store::tests::keys::keys_are_found_while_their_sidecar_is_on_its_way",
        ),
        (
            "sidecars kept without bounds",
            "store::tests::keys::of_sidecars_that_the_disk_refuses_two_are_kept_and_a_third_is_an_error",
        ),
        (
            "replaced forgotten before the seal",
            "store::tests::superseded::a_sidecar_finds_an_order_whose_update_a_crash_took",
        ),
        (
            "failed sidecar forgotten",
            "store::tests::keys::a_segment_whose_sidecar_failed_is_asked_by_its_runs",
        ),
        (
            "damaged run taken for an empty one",
            "store::tests::keys::a_sidecar_has_the_keys_of_a_run_that_nobody_saw_was_damaged",
        ),
        ("checkpoint of another log used", CLASSES),
        ("checkpoint's blocks not checked", BYTES),
        (
            "runs not joined",
            "store::tests::parallel::batches_that_count_other_customers_are_refused",
        ),
        ("any part's mark kept", "projection::tests::parts::the_last_mark_stays_whoever_has_it"),
        ("moved before cut", REPAIR),
        (
            "cut in place",
            "store::tests::repair::who_has_a_segment_mapped_keeps_it_through_a_repair",
        ),
        ("salvage after cut", REPAIR),
        ("names in quarantine not synced", REPAIR),
        ("removals not synced", REPAIR),
        (
            "derived files must be made",
            "store::tests::repair_crash::a_repair_is_done_though_head_and_keys_cannot_be_made",
        ),
        ("histories not compared", TWINS),
        (
            "first segment believed",
            "store::tests::repair_others::without_head_the_log_is_the_one_that_most_files_are_of",
        ),
        (
            "tally carried over a gap",
            "store::tests::damage::verify_does_not_accuse_what_stands_behind_a_missing_segment",
        ),
        (
            "group told before sync",
            "group::tests::crash::what_the_receipts_of_a_group_speak_of_survives_any_power_cut",
        ),
        (
            "receipt of another caller",
            "group::tests::threads::everyone_gets_the_receipt_of_its_own_events_on_the_real_disk",
        ),
        (
            "receipt of another caller",
            "group::tests::prepared::each_call_gets_the_receipt_that_it_would_get_alone",
        ),
        ("waiting caller not woken", GROUPS),
        ("group left waiting", GROUPS),
        (
            "renamed before its name is durable",
            "store::tests::replaced::a_power_cut_never_renames_what_was_half_written_before",
        ),
        ("rewritten segment not synced", PACK_CUT),
        ("removed checkpoint not durable", STORE),
        (
            "update before a checkpoint believed",
            "projection::tests::overlay::answers_are_those_of_everything_folded",
        ),
        ("chain not carried over", PACK),
        ("marks lost in packing", PACK),
        (
            "checkpoint inside a packed segment kept",
            "store::tests::pack::no_checkpoint_ends_inside_a_packed_segment",
        ),
        (
            "packed batch given from its beginning",
            "store::tests::apply::a_projection_goes_on_inside_batches_that_were_packed",
        ),
        (
            "marks behind a follower lost",
            "store::tests::apply::marks_that_are_packed_into_what_was_applied_are_not_lost",
        ),
        (
            "told segment replaced at once",
            "store::tests::backup_crash::a_power_cut_anywhere_leaves_the_backup_before_it",
        ),
        (
            "packed segment not read again",
            "store::tests::pack::segments_that_are_packed_while_they_are_backed_up_are_read_again",
        ),
        (
            "events of a backup not compared",
            "store::tests::pack::a_backup_of_another_history_is_told_apart_from_a_packed_segment",
        ),
    ];
    const PACK: &str = "store::tests::pack::small_batches_are_packed_and_every_answer_stays";
    const PACK_CUT: &str =
        "store::tests::pack::packing_that_is_cut_or_fails_anywhere_leaves_the_same_log";
    const GROUPS: &str =
        "group::tests::queue::whoever_waits_while_a_group_is_committed_is_in_the_next_one";

    /// Bugs of threads, and the model that must catch each.
    #[cfg(models)]
    const BUGS_OF_THREADS: [(&str, &str); 6] = [
        ("waiting caller not woken", "group::tests::loom::every_caller_is_answered_whoever_leads"),
        ("group left waiting", "group::tests::loom::every_caller_is_answered_whoever_leads"),
        ("room not told of", "group::tests::loom::every_caller_finds_room_in_the_end"),
        ("mark published loosely", "group::tests::loom::a_reader_finds_everything_below_the_mark"),
        (
            "group told before sync",
            "group::tests::shuttle::whatever_fails_and_whenever_power_goes_acknowledged_events_stay",
        ),
        (
            "receipt of another caller",
            "group::tests::shuttle::receipts_are_those_of_the_calls_one_by_one",
        ),
    ];

    #[cfg(models)]
    #[test]
    fn every_planted_bug_of_threads_is_caught_by_the_model_named_for_it() {
        let missed: Vec<_> =
            BUGS_OF_THREADS.iter().filter(|(bug, test)| passes(bug, test)).collect();
        assert!(missed.is_empty(), "not caught: {missed:#?}");
        println!("T14: {} planted bugs caught", BUGS_OF_THREADS.len());
    }
    const CRASH: &str =
        "log::tests::crash::a_power_cut_anywhere_leaves_a_prefix_with_all_that_was_acknowledged";
    const FAULTS: &str = "log::tests::faults::a_failing_call_anywhere_is_an_error_and_no_more";
    const FULL: &str =
        "store::tests::full::a_disk_that_is_full_at_any_byte_is_an_error_and_can_be_read";
    const LOOKS: &str = "store::tests::looks::a_look_that_fails_hides_no_damage";
    const PARTITIONS: &str =
        "partitioned::tests::crash::a_power_cut_anywhere_leaves_all_partitions_or_none";
    const EVIDENCE: &str = "store::tests::evidence::what_derived_files_prove_is_missed_by_everyone";
    const BITS: &str = "log::tests::damage::every_bit_of_a_closed_log_is_covered";
    const READERS: &str =
        "log::tests::interleaved::no_interleaving_shows_a_reader_what_could_still_disappear";
    const CLASSES: &str =
        "store::tests::classes::every_file_that_is_deleted_older_or_exchanged_is_accounted_for";
    const BYTES: &str =
        "store::tests::classes::every_bit_cut_and_sector_of_every_file_is_accounted_for";
    const MARKS: &str =
        "log::tests::damage::a_lost_sector_before_a_later_sync_is_damage_without_head";
    const STORE: &str = "store::tests::crash::what_a_receipt_speaks_of_survives_any_power_cut";
    const TWINS: &str =
        "store::tests::repair_others::a_twins_segment_under_a_strange_name_is_named_and_not_read";
    const REPAIR: &str =
        "store::tests::repair_crash::a_repair_cut_by_power_anywhere_is_damaged_still_or_done";
    const HEADERS: &str =
        "log::tests::bytes::every_flip_of_a_header_is_noticed_and_no_other_place_takes_it";

    /// Runs the test alone, with the bug or without one.
    fn passes(bug: &str, test: &str) -> bool {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test]).env("LTVLOG_PLANTED", bug).env_remove("LTVLOG_TIER");
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(told.contains("running 1 test"), "there is no test {test}");
        output.status.success()
    }

    #[test]
    fn every_planted_bug_is_caught_by_the_test_named_for_it() {
        if std::env::var("LTVLOG_TIER").as_deref() != Ok("ci") {
            println!("skipped: a run of another test for each bug; LTVLOG_TIER=ci runs them");
            return;
        }
        let missed: Vec<_> = BUGS.iter().filter(|(bug, test)| passes(bug, test)).collect();
        assert!(missed.is_empty(), "not caught: {missed:#?}");
        println!("T17: {} planted bugs caught", BUGS.len());
    }
}
