//! The contract: what it promises of writing, removing and reading back.

use tenantry_vectors::VectorError;

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
    let fetched = t.store.fetch(&space, &acme, vec![1]).await.unwrap();
    assert_eq!(fetched, vec![(1, vec![0.0, 1.0])]);
    let by_old_word = t
        .store
        .search_sparse(&space, &acme, words(&[(5, 1.0)]), 10)
        .await
        .unwrap();
    assert!(by_old_word.is_empty(), "{by_old_word:?}");

    // Twice in one write: the last one counts.
    let twice = vec![point(2, &[1.0, 0.0], &[]), point(2, &[0.0, 2.0], &[])];
    t.store.upsert(&space, &acme, twice).await.unwrap();
    assert_eq!(
        t.store.fetch(&space, &acme, vec![2]).await.unwrap(),
        vec![(2, vec![0.0, 1.0])]
    );
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
    assert_eq!(
        t.store.fetch(&space, &acme, vec![1]).await.unwrap(),
        vec![(1, vec![1.0, 0.0])]
    );
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

pub async fn count_list_and_fetch_are_of_one_tenant(t: &Fresh) {
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
    let fetched = t
        .store
        .fetch(&space, &acme, vec![5, 2, 1, 1, 77])
        .await
        .unwrap();
    assert_eq!(
        fetched.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        [1, 5]
    );
    let direction = &fetched[0].1;
    assert!(
        close_to(direction[0], 0.6) && close_to(direction[1], 0.8),
        "{direction:?}"
    );
    assert_eq!(fetched[1].1, [0.0, 0.0], "zeros stay as they are");
    assert!(
        t.store
            .fetch(&space, &acme, vec![])
            .await
            .unwrap()
            .is_empty()
    );
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
    let fetched = t
        .store
        .fetch(&space, &acme, expected.clone())
        .await
        .unwrap();
    assert_eq!(
        fetched.into_iter().map(|(id, _)| id).collect::<Vec<_>>(),
        expected
    );
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
