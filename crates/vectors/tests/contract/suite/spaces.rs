//! The contract: what it promises of spaces as a whole.

use domain::ErrorKind;
use tenantry_vectors::{Space, SparseVector, VectorError};

use super::{ids, point, tenant, words};
use crate::store::Fresh;

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
        assert_eq!(error.kind(), ErrorKind::Unavailable);
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

/// Two tenants that are in spaces of the same dimensions: nothing but the name tells them apart.
pub async fn two_spaces_serve_a_tenant_each_side_by_side(t: &Fresh) {
    let (old, new) = (t.space("old", 2), t.space("new", 2));
    t.store.ensure_space(&old).await.unwrap();
    t.store.ensure_space(&new).await.unwrap();
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    // The same vectors, so that whoever looked into the wrong space would find something.
    let east = |id| vec![point(id, &[1.0, 0.0], &[(7, 1.0)])];
    t.store.upsert(&old, &acme, east(1)).await.unwrap();
    t.store.upsert(&new, &globex, east(2)).await.unwrap();
    t.store.flush(&old).await.unwrap();
    t.store.flush(&new).await.unwrap();
    for (space, who, expected) in [
        (&old, &acme, vec![1]),
        (&new, &acme, vec![]),
        (&old, &globex, vec![]),
        (&new, &globex, vec![2]),
    ] {
        let dense = t.store.search_dense(space, who, vec![1.0, 0.0], 5).await;
        assert_eq!(ids(&dense.unwrap()), expected, "{who} in {}", space.name);
        let sparse = t.store.search_sparse(space, who, words(&[(7, 1.0)]), 5);
        assert_eq!(ids(&sparse.await.unwrap()), expected);
        let count = t.store.count(space, who).await.unwrap();
        assert_eq!(count, expected.len() as u64);
    }
}

/// A tenant on its way from one space to the other has the same ids in both.
pub async fn a_tenant_is_dropped_from_one_space_only(t: &Fresh) {
    let (old, new) = (t.space("old", 2), t.space("new", 2));
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    for (space, x) in [(&old, 1.0), (&new, -1.0)] {
        t.store.ensure_space(space).await.unwrap();
        let own = |ids: &[u64]| {
            let point = |id: &u64| point(*id, &[x, 1.0], &[(7, 1.0)]);
            ids.iter().map(point).collect::<Vec<_>>()
        };
        t.store.upsert(space, &acme, own(&[1, 2, 3])).await.unwrap();
        t.store.upsert(space, &globex, own(&[4])).await.unwrap();
        t.store.flush(space).await.unwrap();
    }
    let west = || t.store.search_dense(&new, &acme, vec![-1.0, 1.0], 10);
    let before = west().await.unwrap();
    assert_eq!(t.store.delete_tenant(&old, &acme).await.unwrap(), 3);
    t.store.flush(&old).await.unwrap();
    assert_eq!(t.store.count(&old, &acme).await.unwrap(), 0);
    assert_eq!(t.store.list_ids(&old, &globex).await.unwrap(), [4]);
    assert_eq!(t.store.list_ids(&new, &acme).await.unwrap(), [1, 2, 3]);
    let after = west().await.unwrap();
    assert_eq!(after.hits, before.hits, "the other space is as it was");
    // And back again, where it was dropped.
    let back = vec![point(2, &[1.0, 0.0], &[])];
    t.store.upsert(&old, &acme, back).await.unwrap();
    assert_eq!(t.store.list_ids(&old, &acme).await.unwrap(), [2]);
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
