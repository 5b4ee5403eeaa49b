//! What every vector store promises, one function a promise.

use domain::{ErrorKind, TenantId};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tenantry_vectors::{Hit, Point, Space, SparseVector, VectorError};

use crate::store::Fresh;

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn words(pairs: &[(u32, f32)]) -> SparseVector {
    let (indices, values) = pairs.iter().copied().unzip();
    SparseVector { indices, values }
}

fn point(id: u64, dense: &[f32], sparse: &[(u32, f32)]) -> Point {
    Point {
        id,
        dense: dense.to_vec(),
        sparse: words(sparse),
    }
}

fn ids(hits: &[Hit]) -> Vec<u64> {
    hits.iter().map(|hit| hit.id).collect()
}

fn close_to(a: f32, b: f32) -> bool {
    (a - b).abs() < 1e-5
}

pub async fn a_space_is_made_once_and_keeps_its_dimensions(t: &Fresh) {
    let space = t.made(3).await;
    let acme = tenant("acme");
    t.store
        .upsert(&space, &acme, vec![point(1, &[1.0, 0.0, 0.0], &[])])
        .await
        .unwrap();
    t.store.ensure_space(&space).await.unwrap();
    assert_eq!(t.store.count(&space, &acme).await.unwrap(), 1);

    let wider = Space {
        dimensions: 4,
        ..space
    };
    let refused = t.store.ensure_space(&wider).await.unwrap_err();
    assert!(
        matches!(
            refused,
            VectorError::SpaceMismatch {
                stored: 3,
                asked: 4,
                ..
            }
        ),
        "{refused:?}"
    );
    assert_eq!(refused.kind(), ErrorKind::FailedPrecondition);
    t.store.health().await.unwrap();
}

pub async fn a_space_that_was_never_made_is_unknown(t: &Fresh) {
    let space = t.space("never", 2);
    let acme = tenant("acme");
    let unknown = |result: Result<(), VectorError>, call: &str| {
        let error = result.expect_err(call);
        assert!(
            matches!(error, VectorError::UnknownSpace { .. }),
            "{call}: {error:?}"
        );
        assert_eq!(error.kind(), ErrorKind::NotFound);
    };
    let one = vec![point(1, &[1.0, 0.0], &[])];
    unknown(t.store.upsert(&space, &acme, one).await, "upsert");
    unknown(t.store.delete(&space, &acme, vec![1]).await, "delete");
    unknown(
        t.store.delete_tenant(&space, &acme).await.map(drop),
        "delete_tenant",
    );
    unknown(t.store.flush(&space).await, "flush");
    let vector = vec![1.0, 0.0];
    unknown(
        t.store
            .search_dense(&space, &acme, vector, 5)
            .await
            .map(drop),
        "search_dense",
    );
    let query = words(&[(1, 1.0)]);
    unknown(
        t.store
            .search_sparse(&space, &acme, query, 5)
            .await
            .map(drop),
        "search_sparse",
    );
    unknown(t.store.count(&space, &acme).await.map(drop), "count");
    unknown(t.store.list_ids(&space, &acme).await.map(drop), "list_ids");
    unknown(
        t.store.fetch(&space, &acme, vec![1]).await.map(drop),
        "fetch",
    );
}

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

pub async fn what_cannot_be_is_refused(t: &Fresh) {
    let space = t.made(2).await;
    let acme = tenant("acme");
    let refused = |result: Result<(), VectorError>, what: &str| {
        let error = result.expect_err(what);
        assert_eq!(
            error.kind(),
            ErrorKind::InvalidArgument,
            "{what}: {error:?}"
        );
    };
    for (what, bad) in [
        ("too few dimensions", point(1, &[1.0], &[])),
        ("too many dimensions", point(1, &[1.0, 2.0, 3.0], &[])),
        ("not a number", point(1, &[1.0, f32::NAN], &[])),
        (
            "an infinite weight",
            point(1, &[1.0, 0.0], &[(1, f32::INFINITY)]),
        ),
        ("a word twice", point(1, &[1.0, 0.0], &[(1, 1.0), (1, 2.0)])),
    ] {
        let points = vec![point(2, &[1.0, 0.0], &[]), bad];
        refused(t.store.upsert(&space, &acme, points).await, what);
    }
    assert_eq!(
        t.store.count(&space, &acme).await.unwrap(),
        0,
        "nothing was written"
    );

    for limit in [0, 1_001] {
        let dense = t
            .store
            .search_dense(&space, &acme, vec![1.0, 0.0], limit)
            .await;
        refused(dense.map(drop), "the limit");
        let sparse = t
            .store
            .search_sparse(&space, &acme, words(&[(1, 1.0)]), limit)
            .await;
        refused(sparse.map(drop), "the limit");
    }
    let short = t.store.search_dense(&space, &acme, vec![1.0], 5).await;
    refused(short.map(drop), "a short query");
    let uneven = SparseVector {
        indices: vec![1, 2],
        values: vec![1.0],
    };
    refused(
        t.store
            .search_sparse(&space, &acme, uneven, 5)
            .await
            .map(drop),
        "an uneven query",
    );
    let named = Space {
        name: "../elsewhere".to_owned(),
        dimensions: 2,
    };
    refused(t.store.ensure_space(&named).await, "a name that is a path");
    refused(t.store.reset_space(&named).await, "a name that is a path");
}

pub async fn spaces_are_apart(t: &Fresh) {
    let (small, large) = (t.space("small", 2), t.space("large", 3));
    t.store.ensure_space(&small).await.unwrap();
    t.store.ensure_space(&large).await.unwrap();
    let acme = tenant("acme");
    t.store
        .upsert(&small, &acme, vec![point(1, &[1.0, 0.0], &[])])
        .await
        .unwrap();
    t.store
        .upsert(&large, &acme, vec![point(2, &[1.0, 0.0, 0.0], &[])])
        .await
        .unwrap();
    assert_eq!(t.store.list_ids(&small, &acme).await.unwrap(), [1]);
    assert_eq!(t.store.list_ids(&large, &acme).await.unwrap(), [2]);
}

pub async fn reset_empties_one_space(t: &Fresh) {
    let (kept, reset) = (t.space("kept", 2), t.space("reset", 2));
    let acme = tenant("acme");
    for space in [&kept, &reset] {
        t.store.ensure_space(space).await.unwrap();
        t.store
            .upsert(space, &acme, vec![point(1, &[1.0, 0.0], &[(5, 1.0)])])
            .await
            .unwrap();
    }
    t.store.reset_space(&reset).await.unwrap();
    assert_eq!(t.store.count(&reset, &acme).await.unwrap(), 0);
    assert_eq!(t.store.count(&kept, &acme).await.unwrap(), 1);
    t.store
        .upsert(&reset, &acme, vec![point(2, &[0.0, 1.0], &[])])
        .await
        .unwrap();
    assert_eq!(t.store.list_ids(&reset, &acme).await.unwrap(), [2]);
    // Also a way to make a space that is not there, with new dimensions if need be.
    let wider = Space {
        dimensions: 3,
        ..reset
    };
    t.store.reset_space(&wider).await.unwrap();
    assert_eq!(t.store.count(&wider, &acme).await.unwrap(), 0);
    t.store.reset_space(&t.space("new", 2)).await.unwrap();
}

pub async fn a_closed_store_refuses(t: &Fresh) {
    let space = t.made(2).await;
    t.store.close().await;
    t.store.close().await;
    let closed = |result: Result<(), VectorError>| {
        let error = result.unwrap_err();
        assert!(matches!(error, VectorError::Closed), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    };
    closed(t.store.count(&space, &tenant("acme")).await.map(drop));
    closed(t.store.flush(&space).await);
    closed(t.store.ensure_space(&space).await);
    closed(t.store.reset_space(&space).await);
    closed(t.store.health().await);
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

/// Enough points that the in-process store flushes, merges, indexes and vacuums in between.
pub async fn results_stay_the_same_through_flush_and_tidying(t: &Fresh) {
    let dimensions = 256;
    let space = t.made(dimensions).await;
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let tenants = ["acme", "globex", "initech"].map(tenant);
    let mut random = |id: u64| {
        let dense = (0..dimensions)
            .map(|_| rng.random_range(-1.0..1.0))
            .collect();
        let sparse = words(&[
            (rng.random_range(0..50), 1.0),
            (rng.random_range(50..99), 0.5),
        ]);
        Point { id, dense, sparse }
    };
    let mut points: Vec<Point> = (0..12_000).map(&mut random).collect();
    let probe = random(0);
    let owner = |id: u64| &tenants[(id % 3) as usize];
    for batch in points.chunks(3_000) {
        for tenant in &tenants {
            let own: Vec<_> = batch
                .iter()
                .filter(|p| owner(p.id) == tenant)
                .cloned()
                .collect();
            t.store.upsert(&space, tenant, own).await.unwrap();
        }
        t.store.flush(&space).await.unwrap();
    }
    // Change some of what is by now in optimized segments: other vectors, and no words.
    for changed in [0_u64, 3, 6_000, 9_999] {
        let at = usize::try_from(changed).unwrap();
        points[at] = Point {
            sparse: words(&[]),
            ..random(changed)
        };
        let one = vec![points[at].clone()];
        t.store.upsert(&space, owner(changed), one).await.unwrap();
    }
    let gone: Vec<u64> = (0..12_000).filter(|id| id % 5 == 1).collect();
    for tenant in &tenants {
        t.store.delete(&space, tenant, gone.clone()).await.unwrap();
    }
    points.retain(|point| point.id % 5 != 1);

    for round in ["before the flush", "during", "after"] {
        for tenant in &tenants {
            let own: Vec<_> = points.iter().filter(|p| owner(p.id) == tenant).collect();
            let all: Vec<u64> = own.iter().map(|point| point.id).collect();
            assert_eq!(
                t.store.list_ids(&space, tenant).await.unwrap(),
                all,
                "{round}"
            );
            let dense = t
                .store
                .search_dense(&space, tenant, probe.dense.clone(), 20)
                .await;
            same(
                &dense.unwrap(),
                &best(&own, |p| cosine(&p.dense, &probe.dense)),
                round,
            );
            let sparse =
                t.store
                    .search_sparse(&space, tenant, words(&[(7, 2.0), (60, 1.0)]), 1_000);
            let score = |p: &Point| dot(&p.sparse, &words(&[(7, 2.0), (60, 1.0)]));
            let mut expected = best_all(&own, score);
            expected.retain(|hit| hit.score > 0.0);
            assert_eq!(sparse.await.unwrap(), expected, "{round}");
        }
        if round == "before the flush" {
            t.store.flush(&space).await.unwrap();
        } else if round == "during" {
            // Answered only when the tidying that follows the first flush is over.
            t.store.flush(&space).await.unwrap();
        }
    }
}

fn best(points: &[&Point], score: impl Fn(&Point) -> f32) -> Vec<Hit> {
    let mut hits = best_all(points, score);
    hits.truncate(20);
    hits
}

fn best_all(points: &[&Point], score: impl Fn(&Point) -> f32) -> Vec<Hit> {
    let mut hits: Vec<Hit> = points
        .iter()
        .map(|point| Hit {
            id: point.id,
            score: score(point),
        })
        .collect();
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    hits
}

fn same(found: &[Hit], expected: &[Hit], round: &str) {
    assert_eq!(ids(found), ids(expected), "{round}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            close_to(found.score, expected.score),
            "{round}: {found:?}, {expected:?}"
        );
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt())
}

fn dot(a: &SparseVector, b: &SparseVector) -> f32 {
    let weight = |word| {
        a.indices
            .iter()
            .position(|w| *w == word)
            .map_or(0.0, |at| a.values[at])
    };
    b.indices
        .iter()
        .zip(&b.values)
        .map(|(word, value)| weight(*word) * value)
        .sum()
}
