//! The contract: what it promises of writing, removing and reading back.

use tenantry_vectors::{Space, VectorError};

use super::{close_to, ids, point, tenant, words};
use crate::store::Fresh;

pub async fn writing_an_id_again_replaces_the_point(t: &Fresh) {
    let space = t.made(2).await;
    let acme = tenant("acme");
    t.store
        .upsert(&space, &acme, vec![point(1, &[1.0, 0.0], &[(5, 1.0)])])
        .await
        .unwrap();
    t.store
        .upsert(&space, &acme, vec![point(1, &[0.0, 1.0], &[])])
        .await
        .unwrap();
    assert_eq!(t.store.count(&space, &acme).await.unwrap(), 1);
    assert_eq!(nearest(t, &space, &[0.0, 1.0]).await, [(1, 1.0)]);
    let by_old_word = t
        .store
        .search_sparse(&space, &acme, words(&[(5, 1.0)]), 10)
        .await
        .unwrap();
    assert!(by_old_word.is_empty(), "{by_old_word:?}");

    // Twice in one write: the last one counts.
    let twice = vec![point(2, &[1.0, 0.0], &[]), point(2, &[0.0, 2.0], &[])];
    t.store.upsert(&space, &acme, twice).await.unwrap();
    let found = nearest(t, &space, &[0.0, 1.0]).await;
    assert_eq!(found, [(1, 1.0), (2, 1.0)]);
}

pub async fn writing_an_id_of_another_tenant_changes_nothing(t: &Fresh) {
    let space = t.made(2).await;
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    t.store
        .upsert(&space, &acme, vec![point(1, &[1.0, 0.0], &[(5, 1.0)])])
        .await
        .unwrap();
    let theft = vec![point(2, &[0.0, 1.0], &[]), point(1, &[0.0, 1.0], &[])];
    let refused = t.store.upsert(&space, &globex, theft).await.unwrap_err();
    assert!(
        matches!(refused, VectorError::OwnedByAnother { count: 1 }),
        "{refused:?}"
    );
    assert_eq!(nearest(t, &space, &[1.0, 0.0]).await, [(1, 1.0)]);
    assert_eq!(t.store.count(&space, &acme).await.unwrap(), 1);
    assert_eq!(
        t.store.count(&space, &globex).await.unwrap(),
        0,
        "nothing of it was written"
    );
}

pub async fn delete_removes_own_points_only(t: &Fresh) {
    let space = t.made(2).await;
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    let own = vec![
        point(1, &[1.0, 0.0], &[(5, 1.0)]),
        point(2, &[1.0, 0.0], &[(5, 1.0)]),
    ];
    t.store.upsert(&space, &acme, own).await.unwrap();
    t.store
        .upsert(&space, &globex, vec![point(3, &[1.0, 0.0], &[])])
        .await
        .unwrap();
    t.store.delete(&space, &acme, vec![1, 3, 99]).await.unwrap();
    t.store.delete(&space, &acme, vec![]).await.unwrap();
    assert_eq!(t.store.list_ids(&space, &acme).await.unwrap(), [2]);
    assert_eq!(t.store.list_ids(&space, &globex).await.unwrap(), [3]);
    let hits = t
        .store
        .search_sparse(&space, &acme, words(&[(5, 1.0)]), 10)
        .await
        .unwrap();
    assert_eq!(ids(&hits), [2]);
}

pub async fn delete_tenant_counts_and_spares_the_others(t: &Fresh) {
    let space = t.made(2).await;
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    let own = (1..=30)
        .map(|id| point(id, &[1.0, 0.0], &[(5, 1.0)]))
        .collect();
    t.store.upsert(&space, &acme, own).await.unwrap();
    t.store
        .upsert(&space, &globex, vec![point(31, &[1.0, 0.0], &[])])
        .await
        .unwrap();
    assert_eq!(t.store.delete_tenant(&space, &acme).await.unwrap(), 30);
    t.store.flush(&space).await.unwrap();
    assert_eq!(t.store.delete_tenant(&space, &acme).await.unwrap(), 0);
    assert_eq!(t.store.count(&space, &acme).await.unwrap(), 0);
    assert!(
        t.store
            .search_dense(&space, &acme, vec![1.0, 0.0], 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(t.store.list_ids(&space, &globex).await.unwrap(), [31]);
    // The ids are free again.
    t.store
        .upsert(&space, &globex, vec![point(1, &[1.0, 0.0], &[])])
        .await
        .unwrap();
    assert_eq!(t.store.list_ids(&space, &globex).await.unwrap(), [1, 31]);
}

pub async fn count_and_list_are_of_one_tenant(t: &Fresh) {
    let space = t.made(2).await;
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    let own = vec![point(5, &[0.0, 0.0], &[]), point(1, &[3.0, 4.0], &[])];
    t.store.upsert(&space, &acme, own).await.unwrap();
    t.store
        .upsert(&space, &globex, vec![point(2, &[1.0, 0.0], &[])])
        .await
        .unwrap();
    assert_eq!(t.store.count(&space, &acme).await.unwrap(), 2);
    assert_eq!(t.store.list_ids(&space, &acme).await.unwrap(), [1, 5]);
    // Directions are compared, not lengths; zeros are as near to everything.
    let found = nearest(t, &space, &[0.6, 0.8]).await;
    assert_eq!(found.iter().map(|hit| hit.0).collect::<Vec<_>>(), [1, 5]);
    assert!(close_to(found[0].1, 1.0) && found[1].1 == 0.0, "{found:?}");
}

/// Ids and scores of all of acme's points, the nearest first.
async fn nearest(t: &Fresh, space: &Space, vector: &[f32]) -> Vec<(u64, f32)> {
    let found = t
        .store
        .search_dense(space, &tenant("acme"), vector.to_vec(), 100)
        .await
        .unwrap();
    found.iter().map(|hit| (hit.id, hit.score)).collect()
}

pub async fn list_ids_is_complete_and_sorted(t: &Fresh) {
    let space = t.made(2).await;
    let acme = tenant("acme");
    // More than a page of a server's answer, and more than a chunk of a write.
    let mut expected: Vec<u64> = (0..2_600).map(|n| (n * 7_919) % 1_000_003 + 1).collect();
    let points = expected
        .iter()
        .map(|id| point(*id, &[1.0, 0.0], &[]))
        .collect();
    t.store.upsert(&space, &acme, points).await.unwrap();
    expected.sort_unstable();
    assert_eq!(t.store.list_ids(&space, &acme).await.unwrap(), expected);
    assert_eq!(t.store.count(&space, &acme).await.unwrap(), 2_600);
}

pub async fn tenants_with_awkward_names_are_apart(t: &Fresh) {
    let space = t.made(2).await;
    let names = ["acme", "acme-eu", "acme-e", "a", "0", "00"];
    for (id, name) in (1..).zip(names) {
        let one = vec![point(id, &[1.0, 0.0], &[(5, 1.0)])];
        t.store.upsert(&space, &tenant(name), one).await.unwrap();
    }
    for (id, name) in (1..).zip(names) {
        assert_eq!(
            t.store.list_ids(&space, &tenant(name)).await.unwrap(),
            [id],
            "{name}"
        );
    }
}
