//! One contract, run on SQLite and on PostgreSQL.
//!
//! Each case gets an empty store of its own. On SQLite each is a test; on PostgreSQL all run in one
//! test, because they share a server that is started for them (see `postgres.rs`).

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests"
)]

mod access;
mod concurrency;
mod costs;
mod crash;
mod datasets;
mod erasure;
mod experts;
mod items;
mod jobs;
mod models;
mod people;
mod postgres;
mod precomputed;
mod queue;
mod registry;
mod routing;
mod schema;
mod scores;
mod serving;
mod spaces;
mod sqlite_file;
mod tasks;
mod tenants;
mod tiers;
mod world;

use std::pin::Pin;

use world::World;

type Case = fn(World) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! contract {
    ($($module:ident::$case:ident,)*) => {
        mod sqlite {
            use super::World;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$module::$case(World::sqlite().await).await;
                }
            )*
        }

        fn cases() -> Vec<(&'static str, Case)> {
            vec![$((
                concat!(stringify!($module), "::", stringify!($case)),
                |world| Box::pin($module::$case(world)),
            ),)*]
        }
    };
}

contract![
    tenants::a_tenant_is_made_found_listed_and_changed,
    tenants::an_id_is_taken_once,
    tenants::changes_are_told_after_the_commit_only,
    access::a_key_is_made_found_and_revoked,
    access::keys_are_listed_in_their_scope,
    access::a_tenant_is_shared_its_own_record_and_its_own_tiers,
    access::the_audit_trail_is_read_newest_first,
    access::nothing_is_written_without_a_tenant,
    experts::upsert_counts_what_changed,
    experts::the_stamp_changes_with_the_experts,
    experts::experts_are_listed_in_pages,
    experts::tenant_b_cannot_see_experts_of_a,
    people::a_patch_changes_what_it_names,
    people::a_deleted_expert_is_one_who_left_and_may_come_back,
    people::a_merge_moves_history_and_is_taken_back,
    people::a_renamed_expert_keeps_everything,
    people::an_interrupted_merge_goes_on_and_keeps_others_out,
    people::labels_are_rewritten_some_at_a_time,
    people::tenant_b_cannot_see_merges_of_a,
    items::an_item_round_trips,
    items::ids_are_the_tenants_own,
    items::a_changed_item_gets_a_revision_and_keeps_its_point,
    items::a_deleted_item_is_gone_and_can_come_back,
    items::answered_items_are_counted_among_the_last,
    items::a_watermark_names_a_state_of_all_items,
    items::changes_are_read_in_order_and_only_the_newest,
    items::items_are_listed_by_area_and_expert,
    items::a_dropped_transaction_leaves_no_trace,
    items::many_items_fit_one_call,
    items::tenant_b_cannot_see_items_of_a,
    items::four_thousand_items_are_ingested_quickly,
    datasets::datasets_are_numbered_without_gaps,
    datasets::rejections_are_read_in_order,
    datasets::tenant_b_cannot_see_datasets_or_rejections_of_a,
    models::versions_and_aliases,
    models::an_alias_moves_for_its_cause,
    models::a_version_is_inserted_once,
    models::tenant_b_cannot_see_models_of_a,
    spaces::a_tenant_is_in_the_default_space_until_it_switches,
    spaces::a_switch_waits_until_every_item_is_indexed,
    spaces::a_space_is_dropped_when_its_time_has_come_and_not_while_it_is_wanted,
    spaces::who_changes_their_mind_leaves_the_space_in_preparation,
    spaces::a_space_has_one_maker_while_it_is_used,
    spaces::a_wanted_space_enqueues_one_switch,
    spaces::a_tenant_that_leaves_its_space_to_the_platform_is_where_the_evidence_says,
    spaces::a_job_that_is_due_later_waits,
    spaces::tenant_b_cannot_see_spaces_of_a,
    serving::embeddings_are_cached_by_space,
    serving::one_look_says_what_each_repository_says,
    scores::a_score_is_kept_and_replaced,
    scores::judged_answers_come_with_all_that_was_said,
    serving::the_index_knows_how_far_it_is,
    serving::feedback_is_kept_once,
    serving::a_mind_may_be_changed_back,
    serving::answers_are_found_by_request,
    serving::a_repeated_request_gets_the_first_answer,
    serving::two_calls_of_one_request_do_the_work_once,
    serving::tenant_b_cannot_see_what_a_was_served,
    precomputed::open_items_are_listed_newest_first_while_they_are_open,
    precomputed::answers_are_kept_replaced_and_deleted,
    precomputed::tenants_with_answers_are_known,
    precomputed::tenant_b_cannot_see_precomputed_answers_of_a,
    tiers::a_tier_has_versions_and_a_champion,
    tiers::the_platform_has_jobs_of_its_own,
    tiers::only_what_tenants_agree_to_is_shared,
    registry::a_search_leaves_its_trials,
    registry::what_is_pruned_is_gone_with_all_of_it_and_recorded,
    registry::a_tiers_version_is_pruned_unless_it_is_needed,
    registry::what_only_grows_is_forgotten,
    registry::tenant_b_cannot_see_trials_or_inputs_of_a,
    routing::a_policy_is_set_and_replaced,
    routing::tenant_b_cannot_see_policies_of_a,
    tasks::a_task_is_made_changed_listed_and_deleted,
    tasks::corrections_join_what_was_answered,
    tasks::a_withdrawn_correction_counts_no_more,
    tasks::tenant_b_cannot_see_tasks_of_a,
    jobs::a_job_is_enqueued_found_and_listed,
    jobs::one_job_waits_under_a_key,
    jobs::a_job_is_cancelled,
    jobs::tenant_b_cannot_see_jobs_of_a,
    queue::a_job_lives_its_life,
    queue::a_job_ends_with_what_it_did_or_not_at_all,
    queue::turns_are_fair,
    queue::one_who_asks_for_much_does_not_keep_the_others_waiting,
    queue::one_job_of_a_kind_runs_in_a_tenant,
    queue::a_lost_lease_finishes_nothing,
    queue::an_expired_job_is_taken_again_and_then_fails,
    queue::a_failed_job_is_tried_again_when_it_may,
    queue::a_retry_does_not_collide_with_a_new_job_of_its_key,
    queue::a_running_job_is_asked_to_stop,
    queue::workers_wake_when_something_is_enqueued,
    queue::two_workers_never_take_the_same_job,
    queue::tenants_at_rest_are_passed_over,
    queue::a_waiting_job_is_not_taken_before_the_one_who_counts_on_it_commits,
    concurrency::eight_writers_leave_no_gap,
    concurrency::readers_do_not_wait_for_writers,
    concurrency::a_reader_that_comes_to_write_is_not_refused,
    costs::an_entry_counts_once,
    costs::the_highest_of_a_day_is_kept,
    costs::late_usage_is_an_adjustment_and_closed_days_stay,
    costs::a_clock_that_is_ahead_books_now,
    costs::usage_is_forgotten_level_by_level,
    costs::usage_is_read_in_pages,
    costs::price_books_follow_each_other,
    costs::budgets_are_set_and_cleared,
    costs::answers_are_counted_by_what_became_of_them,
    costs::verdicts_are_kept_by_month_and_changes_are_told,
    costs::of_an_erased_tenant_only_days_are_kept,
    costs::tenant_b_cannot_see_usage_of_a,
    costs::the_first_start_is_kept_once,
    erasure::erasure_leaves_nothing_but_a_certificate,
    erasure::erasure_can_be_interrupted,
    erasure::nothing_is_written_while_erasing,
    schema::migrations_go_down_and_up_again,
    schema::an_older_store_knows_its_first_start,
    schema::an_older_store_counts_its_items_once,
    schema::an_older_store_knows_why_aliases_moved,
];
