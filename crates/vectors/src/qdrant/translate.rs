//! Between the port's values and Qdrant's messages: filters, points, answers, errors.

use domain::{ErrorKind, TenantId};
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::{
    Condition, Filter, NamedVectors, PointId, PointStruct, RetrievedPoint, ScoredPoint, Value,
    Vector,
};
use qdrant_client::{Payload, QdrantError};
use tonic::Code;

use super::layout::{DENSE, TENANT, WORDS};
use crate::VectorError;
use crate::port::{Hit, Point, Result};

/// The points of the tenant.
pub(super) fn of_tenant(tenant: &TenantId) -> Filter {
    Filter::must([is_tenant(tenant)])
}

/// The points of the tenant that have one of the ids.
pub(super) fn of_tenant_with_ids(tenant: &TenantId, ids: &[u64]) -> Filter {
    Filter::must([is_tenant(tenant), Condition::has_id(ids.iter().copied())])
}

/// The points that have one of the ids and belong to somebody else.
pub(super) fn of_others_with_ids(tenant: &TenantId, ids: &[u64]) -> Filter {
    Filter {
        must: vec![Condition::has_id(ids.iter().copied())],
        must_not: vec![is_tenant(tenant)],
        ..Filter::default()
    }
}

/// A point of the tenant, as a message. Both vectors are always named, so that a point written
/// again without words loses its old ones.
pub(super) fn point(tenant: &TenantId, point: Point) -> PointStruct {
    let vectors = NamedVectors::default()
        .add_vector(DENSE, Vector::new_dense(point.dense))
        .add_vector(
            WORDS,
            Vector::new_sparse(point.sparse.indices, point.sparse.values),
        );
    let mut payload = Payload::new();
    payload.insert(TENANT, Value::from(tenant.as_str()));
    PointStruct::new(point.id, vectors, payload)
}

/// A hit of a search.
pub(super) fn hit(point: ScoredPoint) -> Result<Hit> {
    Ok(Hit {
        id: number(point.id)?,
        score: point.score,
    })
}

/// The id of a point.
pub(super) fn id(point: RetrievedPoint) -> Result<u64> {
    number(point.id)
}

/// An error of the client, told by what was being done to which space.
pub(super) fn failed(doing: &'static str, space: &str) -> impl FnOnce(QdrantError) -> VectorError {
    move |error| {
        let kind = match &error {
            QdrantError::ResponseError { status } => kind(status.code()),
            QdrantError::ResourceExhaustedError { .. } => ErrorKind::ResourceExhausted,
            QdrantError::Io(_) => ErrorKind::Unavailable,
            _ => ErrorKind::Internal,
        };
        if kind == ErrorKind::NotFound {
            return VectorError::UnknownSpace {
                space: space.to_owned(),
            };
        }
        VectorError::Server {
            doing,
            kind,
            source: Box::new(error),
        }
    }
}

/// An answer that a Qdrant server does not give.
pub(super) fn odd(detail: String) -> VectorError {
    VectorError::Server {
        doing: "answering",
        kind: ErrorKind::Internal,
        source: detail.into(),
    }
}

fn is_tenant(tenant: &TenantId) -> Condition {
    Condition::matches(TENANT, tenant.as_str().to_owned())
}

fn number(id: Option<PointId>) -> Result<u64> {
    match id.and_then(|id| id.point_id_options) {
        Some(PointIdOptions::Num(number)) => Ok(number),
        other => Err(odd(format!(
            "a point has the id {other:?}, which is not a number"
        ))),
    }
}

/// The kind behind a status of the server. What the caller of *this* crate did wrong was found before
/// the call, so the server's complaints about a request are our fault.
fn kind(code: Code) -> ErrorKind {
    match code {
        Code::NotFound => ErrorKind::NotFound,
        Code::Unavailable => ErrorKind::Unavailable,
        Code::DeadlineExceeded => ErrorKind::DeadlineExceeded,
        Code::ResourceExhausted => ErrorKind::ResourceExhausted,
        Code::Cancelled => ErrorKind::Cancelled,
        Code::Aborted => ErrorKind::Aborted,
        _ => ErrorKind::Internal,
    }
}
