//! Between the port's values and qdrant-edge's: filters, points, queries, answers.

use std::sync::LazyLock;

use domain::TenantId;
use qdrant_edge::{
    Condition, CountRequest, FieldCondition, Filter, HasIdCondition, JsonPath, Match, NamedQuery,
    NamedVectors, PointId, PointInsertOperations, PointOperations, PointStruct,
    PointStructPersisted, QuantizationSearchParams, QueryEnum, Record, ScoredPoint, ScrollRequest,
    SearchParams, SearchRequest, SparseVector as EdgeSparse, UpdateOperation, ValueVariants,
    Vector, VectorInternal, VectorStructInternal, WithPayloadInterface, WithVector,
};
use serde_json::json;

use crate::error::VectorError;
use crate::layout::{DENSE, OVERSAMPLING, TENANT, WORDS, graph_beam};
use crate::port::{Hit, Point, Result, SparseVector};

/// The payload key as the engine's type; it is parsed once.
static TENANT_PATH: LazyLock<Option<JsonPath>> = LazyLock::new(|| TENANT.parse().ok());

/// The payload key as the engine's type.
pub(super) fn tenant_path() -> Result<JsonPath> {
    TENANT_PATH.clone().ok_or_else(|| VectorError::Engine {
        doing: "naming the tenant key",
        source: format!("{TENANT:?} is no payload path").into(),
    })
}

fn is_tenant(tenant: &TenantId) -> Result<Condition> {
    let value = ValueVariants::String(tenant.as_str().to_owned());
    Ok(Condition::Field(FieldCondition::new_match(
        tenant_path()?,
        Match::new_value(value),
    )))
}

fn has_id(ids: impl IntoIterator<Item = u64>) -> Condition {
    Condition::HasId(
        ids.into_iter()
            .map(PointId::NumId)
            .collect::<HasIdCondition>(),
    )
}

/// The points of the tenant.
pub(super) fn of_tenant(tenant: &TenantId) -> Result<Filter> {
    Ok(Filter::new_must(is_tenant(tenant)?))
}

/// The points of the tenant that have one of the ids.
pub(super) fn of_tenant_with_ids(
    tenant: &TenantId,
    ids: impl IntoIterator<Item = u64>,
) -> Result<Filter> {
    Ok(Filter {
        must: Some(vec![is_tenant(tenant)?, has_id(ids)]),
        ..Filter::default()
    })
}

/// The points that have one of the ids and belong to somebody else.
pub(super) fn of_others_with_ids(
    tenant: &TenantId,
    ids: impl IntoIterator<Item = u64>,
) -> Result<Filter> {
    Ok(Filter {
        must: Some(vec![has_id(ids)]),
        must_not: Some(vec![is_tenant(tenant)?]),
        ..Filter::default()
    })
}

/// A write of points as the tenant's.
///
/// Both vectors are always named, the sparse one even when it is empty: a point that moves out of an
/// optimized segment keeps the vectors that the write does not name, so its old words would stay.
pub(super) fn upsert(tenant: &TenantId, points: Vec<Point>) -> Result<UpdateOperation> {
    let points = points
        .into_iter()
        .map(|point| {
            let vectors = NamedVectors::default()
                .add_vector(DENSE, Vector::new_dense(point.dense))
                .add_vector(WORDS, Vector(VectorInternal::Sparse(words(point.sparse)?)));
            let payload = json!({ TENANT: tenant.as_str() });
            let id = PointId::NumId(point.id);
            Ok(PointStructPersisted::from(PointStruct::new(
                id, vectors, payload,
            )))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(UpdateOperation::PointOperation(
        PointOperations::UpsertPoints(PointInsertOperations::PointsList(points)),
    ))
}

/// A removal of all points that match.
pub(super) fn delete(filter: Filter) -> UpdateOperation {
    UpdateOperation::PointOperation(PointOperations::DeletePointsByFilter(filter))
}

/// An exact count.
pub(super) fn count(filter: Filter) -> CountRequest {
    CountRequest {
        filter: Some(filter),
        exact: true,
    }
}

/// A search by cosine.
pub(super) fn dense_query(vector: Vec<f32>, filter: Filter, limit: usize) -> SearchRequest {
    search(VectorInternal::Dense(vector), DENSE, filter, limit)
}

/// A search by words.
pub(super) fn sparse_query(
    query: SparseVector,
    filter: Filter,
    limit: usize,
) -> Result<SearchRequest> {
    Ok(search(
        VectorInternal::Sparse(words(query)?),
        WORDS,
        filter,
        limit,
    ))
}

/// All records that match, in order of id, with their dense vectors where asked for.
pub(super) fn scroll(filter: Filter, with_dense: bool) -> ScrollRequest {
    let with_vector = if with_dense {
        WithVector::Selector(vec![DENSE.to_owned()])
    } else {
        WithVector::Bool(false)
    };
    ScrollRequest {
        offset: None,
        limit: Some(usize::MAX),
        filter: Some(filter),
        with_payload: Some(WithPayloadInterface::Bool(false)),
        with_vector,
        order_by: None,
    }
}

/// The hits of a search, as the engine ordered them.
pub(super) fn hits(points: Vec<ScoredPoint>) -> Result<Vec<Hit>> {
    points
        .into_iter()
        .map(|point| {
            Ok(Hit {
                id: number(point.id)?,
                score: point.score,
            })
        })
        .collect()
}

/// The id of a record.
pub(super) fn id(record: &Record) -> Result<u64> {
    number(record.id)
}

/// The id and the dense vector of a record.
pub(super) fn dense_of(record: Record) -> Result<(u64, Vec<f32>)> {
    let id = number(record.id)?;
    let Some(VectorStructInternal::Named(mut vectors)) = record.vector else {
        return Err(odd(format!("point {id} came without its vectors")));
    };
    match vectors.remove(DENSE) {
        Some(VectorInternal::Dense(vector)) => Ok((id, vector)),
        _ => Err(odd(format!("point {id} has no dense vector"))),
    }
}

fn search(vector: VectorInternal, name: &str, filter: Filter, limit: usize) -> SearchRequest {
    // Read where they apply: quantized vectors and graphs are in optimized segments only.
    let quantization = QuantizationSearchParams {
        ignore: false,
        rescore: Some(true),
        oversampling: Some(OVERSAMPLING),
    };
    let params = SearchParams {
        hnsw_ef: Some(graph_beam(limit)),
        quantization: Some(quantization),
        ..SearchParams::default()
    };
    SearchRequest {
        query: QueryEnum::Nearest(NamedQuery {
            query: vector,
            using: Some(name.to_owned()),
        }),
        filter: Some(filter),
        params: Some(params),
        limit,
        offset: 0,
        with_payload: None,
        with_vector: None,
        score_threshold: None,
    }
}

fn words(vector: SparseVector) -> Result<EdgeSparse> {
    EdgeSparse::new(vector.indices, vector.values)
        .map_err(|error| VectorError::InvalidArgument(error.to_string()))
}

fn number(id: PointId) -> Result<u64> {
    match id {
        PointId::NumId(number) => Ok(number),
        PointId::Uuid(uuid) => Err(odd(format!(
            "a point has the id {uuid}, which is no number"
        ))),
    }
}

fn odd(detail: String) -> VectorError {
    VectorError::Engine {
        doing: "reading points",
        source: detail.into(),
    }
}
