//! The contract of the vector store, checked on each implementation.
//!
//! `TENANTRY_TEST_QDRANT_URL` (for example `http://localhost:6334`) points the Qdrant half at a real
//! server; without it that half talks to a server in this process which speaks the same protocol.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod loopback;
mod store;
mod suite;

use store::{Embedded, Remote};

/// One test for each promise and each implementation.
macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod embedded {
            $(
                #[tokio::test]
                async fn $name() {
                    let under_test = super::Embedded::start().await;
                    super::suite::$name(under_test.store()).await;
                    under_test.stop().await;
                }
            )*
        }
        mod qdrant {
            $(
                #[tokio::test]
                async fn $name() {
                    let under_test = super::Remote::start().await;
                    super::suite::$name(under_test.store()).await;
                    under_test.stop().await;
                }
            )*
        }
    };
}

contract!(
    a_space_is_made_once_and_keeps_its_dimensions,
    a_space_that_was_never_made_is_unknown,
    dense_search_finds_the_nearest_first,
    dense_search_of_one_tenant_never_sees_another,
    sparse_search_adds_up_shared_words,
    sparse_search_of_one_tenant_never_sees_another,
    points_without_words_are_found_by_vector_only,
    equal_scores_are_ordered_by_id,
    a_vector_of_zeros_finds_nothing_and_is_found_by_words,
    writing_an_id_again_replaces_the_point,
    writing_an_id_of_another_tenant_changes_nothing,
    delete_removes_own_points_only,
    delete_tenant_counts_and_spares_the_others,
    count_and_list_are_of_one_tenant,
    list_ids_is_complete_and_sorted,
    what_cannot_be_is_refused,
    spaces_are_apart,
    two_spaces_serve_a_tenant_each_side_by_side,
    a_tenant_is_dropped_from_one_space_only,
    reset_empties_one_space,
    a_closed_store_refuses,
    tenants_with_awkward_names_are_apart,
    results_stay_the_same_through_flush_and_tidying,
);
