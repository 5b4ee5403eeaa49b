//! The contract: that what it finds does not depend on how it keeps its files.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tenantry_vectors::{Hit, Point, SparseVector};

use super::{close_to, ids, tenant, words};
use crate::store::Fresh;

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
            assert_eq!(sparse.await.unwrap().hits, expected, "{round}");
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
