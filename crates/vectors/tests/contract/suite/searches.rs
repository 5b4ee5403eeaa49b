//! The contract: what it promises of searches.

use super::{close_to, ids, point, tenant, words};
use crate::store::Fresh;

pub async fn dense_search_finds_the_nearest_first(t: &Fresh) {
    let space = t.made(2).await;
    let acme = tenant("acme");
    // Cosine: the length of a vector does not count.
    let points = vec![
        point(10, &[10.0, 0.0], &[]),
        point(11, &[1.0, 1.0], &[]),
        point(12, &[0.0, 0.1], &[]),
        point(13, &[-1.0, 0.0], &[]),
    ];
    t.store.upsert(&space, &acme, points).await.unwrap();
    let hits = t
        .store
        .search_dense(&space, &acme, vec![0.5, 0.0], 10)
        .await
        .unwrap();
    assert_eq!(ids(&hits), [10, 11, 12, 13]);
    for (hit, score) in hits.iter().zip([1.0, 0.5_f32.sqrt(), 0.0, -1.0]) {
        assert!(close_to(hit.score, score), "{hit:?} should score {score}");
    }
    let best = t
        .store
        .search_dense(&space, &acme, vec![0.5, 0.0], 2)
        .await
        .unwrap();
    assert_eq!(ids(&best), [10, 11]);
}

pub async fn a_vector_of_zeros_finds_nothing_and_is_found_by_words(t: &Fresh) {
    let space = t.made(2).await;
    let acme = tenant("acme");
    let points = vec![
        point(10, &[1.0, 0.0], &[(7, 1.0)]),
        point(11, &[0.0, 0.0], &[(7, 2.0)]),
    ];
    t.store.upsert(&space, &acme, points).await.unwrap();
    let dense = t.store.search_dense(&space, &acme, vec![0.0, 0.0], 10);
    assert_eq!(ids(&dense.await.unwrap()), [0; 0]);
    let query = words(&[(7, 1.0)]);
    let sparse = t.store.search_sparse(&space, &acme, query, 10);
    assert_eq!(ids(&sparse.await.unwrap()), [11, 10]);
    assert_eq!(t.store.count(&space, &acme).await.unwrap(), 2);
}

pub async fn dense_search_of_one_tenant_never_sees_another(t: &Fresh) {
    let space = t.made(2).await;
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    t.store
        .upsert(&space, &acme, vec![point(1, &[0.0, 1.0], &[])])
        .await
        .unwrap();
    t.store
        .upsert(&space, &globex, vec![point(2, &[1.0, 0.0], &[])])
        .await
        .unwrap();
    let hits = t
        .store
        .search_dense(&space, &acme, vec![1.0, 0.0], 10)
        .await
        .unwrap();
    assert_eq!(ids(&hits), [1]);
    let nobody = tenant("nobody");
    assert!(
        t.store
            .search_dense(&space, &nobody, vec![1.0, 0.0], 10)
            .await
            .unwrap()
            .is_empty()
    );
}

pub async fn sparse_search_adds_up_shared_words(t: &Fresh) {
    let space = t.made(2).await;
    let acme = tenant("acme");
    let points = vec![
        point(1, &[1.0, 0.0], &[(7, 1.0), (9_000_000, 2.0)]),
        // The order of the words is free.
        point(2, &[1.0, 0.0], &[(9_000_000, 0.5), (7, 3.0)]),
        point(3, &[1.0, 0.0], &[(8, 5.0)]),
    ];
    t.store.upsert(&space, &acme, points).await.unwrap();
    let query = words(&[(9_000_000, 2.0), (7, 1.0), (55, 9.0)]);
    let hits = t
        .store
        .search_sparse(&space, &acme, query, 10)
        .await
        .unwrap();
    assert_eq!(ids(&hits), [1, 2]);
    assert!(
        close_to(hits[0].score, 5.0) && close_to(hits[1].score, 4.0),
        "{hits:?}"
    );
}

pub async fn sparse_search_of_one_tenant_never_sees_another(t: &Fresh) {
    let space = t.made(2).await;
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    t.store
        .upsert(&space, &acme, vec![point(1, &[1.0, 0.0], &[(5, 1.0)])])
        .await
        .unwrap();
    t.store
        .upsert(&space, &globex, vec![point(2, &[1.0, 0.0], &[(5, 9.0)])])
        .await
        .unwrap();
    let hits = t
        .store
        .search_sparse(&space, &acme, words(&[(5, 1.0)]), 10)
        .await
        .unwrap();
    assert_eq!(ids(&hits), [1]);
}

pub async fn points_without_words_are_found_by_vector_only(t: &Fresh) {
    let space = t.made(2).await;
    let acme = tenant("acme");
    let points = vec![
        point(1, &[1.0, 0.0], &[]),
        point(2, &[1.0, 0.0], &[(5, 1.0)]),
    ];
    t.store.upsert(&space, &acme, points).await.unwrap();
    let by_vector = t
        .store
        .search_dense(&space, &acme, vec![1.0, 0.0], 10)
        .await
        .unwrap();
    assert_eq!(ids(&by_vector), [1, 2]);
    let by_words = t
        .store
        .search_sparse(&space, &acme, words(&[(5, 1.0)]), 10)
        .await
        .unwrap();
    assert_eq!(ids(&by_words), [2]);
    let by_none = t
        .store
        .search_sparse(&space, &acme, words(&[]), 10)
        .await
        .unwrap();
    assert!(by_none.is_empty());
}

pub async fn equal_scores_are_ordered_by_id(t: &Fresh) {
    let space = t.made(2).await;
    let acme = tenant("acme");
    let points = [9, 3, 27, 1].map(|id| point(id, &[1.0, 0.0], &[(5, 1.0)]));
    t.store
        .upsert(&space, &acme, points.to_vec())
        .await
        .unwrap();
    let dense = t
        .store
        .search_dense(&space, &acme, vec![1.0, 0.0], 10)
        .await
        .unwrap();
    assert_eq!(ids(&dense), [1, 3, 9, 27]);
    let sparse = t
        .store
        .search_sparse(&space, &acme, words(&[(5, 1.0)]), 10)
        .await
        .unwrap();
    assert_eq!(ids(&sparse), [1, 3, 9, 27]);
}
