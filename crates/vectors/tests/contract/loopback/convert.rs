//! Between Qdrant's messages and qdrant-edge's types, as far as the adapter uses them.

use std::collections::HashMap;

use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::r#match::MatchValue;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::vectors::VectorsOptions;
use qdrant_client::qdrant::{
    Condition, DenseVector, Filter, NamedVectorsOutput, PointId, PointStruct, RetrievedPoint,
    Vector, VectorInput, VectorOutput, VectorsOutput, vector, vector_input, vector_output,
    vectors_output,
};
use qdrant_edge as edge;
use serde_json::json;
use tonic::Status;

use super::odd;

pub fn filter(filter: Filter) -> Result<edge::Filter, Status> {
    if !filter.should.is_empty() || filter.min_should.is_some() {
        return Err(Status::unimplemented("should"));
    }
    let all = |conditions: Vec<Condition>| {
        conditions
            .into_iter()
            .map(condition)
            .collect::<Result<Vec<_>, _>>()
            .map(Some)
    };
    Ok(edge::Filter {
        must: all(filter.must)?,
        must_not: all(filter.must_not)?,
        ..edge::Filter::default()
    })
}

fn condition(condition: Condition) -> Result<edge::Condition, Status> {
    match condition.condition_one_of {
        Some(ConditionOneOf::HasId(has_id)) => {
            let ids = has_id
                .has_id
                .into_iter()
                .map(id)
                .collect::<Result<Vec<_>, _>>()?;
            Ok(edge::Condition::HasId(ids.into_iter().collect()))
        }
        Some(ConditionOneOf::Field(field)) => {
            let Some(MatchValue::Keyword(keyword)) = field.r#match.and_then(|m| m.match_value)
            else {
                return Err(Status::unimplemented("a match that is no keyword"));
            };
            let value = edge::Match::new_value(edge::ValueVariants::String(keyword));
            let key = field
                .key
                .parse()
                .map_err(|()| odd("a key that is no path"))?;
            Ok(edge::Condition::Field(edge::FieldCondition::new_match(
                key, value,
            )))
        }
        other => Err(Status::unimplemented(format!("{other:?}"))),
    }
}

pub fn id(id: PointId) -> Result<edge::PointId, Status> {
    match id.point_id_options {
        Some(PointIdOptions::Num(number)) => Ok(edge::PointId::NumId(number)),
        other => Err(Status::unimplemented(format!("{other:?}"))),
    }
}

pub fn id_back(id: edge::PointId) -> PointId {
    match id {
        edge::PointId::NumId(number) => PointId::from(number),
        edge::PointId::Uuid(uuid) => PointId::from(uuid.to_string()),
    }
}

pub fn point(point: PointStruct) -> Result<edge::PointStructPersisted, Status> {
    let point_id = id(point.id.ok_or_else(|| odd("a point without id"))?)?;
    let Some(VectorsOptions::Vectors(named)) = point.vectors.and_then(|v| v.vectors_options) else {
        return Err(Status::unimplemented("vectors without names"));
    };
    let mut vectors = edge::NamedVectors::default();
    for (name, vector) in named.vectors {
        vectors = vectors.add_vector(name, stored(vector)?);
    }
    let payload: HashMap<String, serde_json::Value> = point
        .payload
        .into_iter()
        .map(|(key, value)| (key, value.into_json()))
        .collect();
    Ok(edge::PointStruct::new(point_id, vectors, json!(payload)).into())
}

fn stored(vector: Vector) -> Result<edge::Vector, Status> {
    match vector.vector {
        Some(vector::Vector::Dense(dense)) => Ok(edge::Vector::new_dense(dense.data)),
        Some(vector::Vector::Sparse(sparse)) => {
            edge::Vector::new_sparse(sparse.indices, sparse.values).map_err(super::failed)
        }
        other => Err(Status::unimplemented(format!("{other:?}"))),
    }
}

pub fn query(input: VectorInput) -> Result<edge::VectorInternal, Status> {
    match input.variant {
        Some(vector_input::Variant::Dense(dense)) => Ok(edge::VectorInternal::Dense(dense.data)),
        Some(vector_input::Variant::Sparse(sparse)) => {
            edge::SparseVector::new(sparse.indices, sparse.values)
                .map(edge::VectorInternal::Sparse)
                .map_err(|error| odd(&error.to_string()))
        }
        other => Err(Status::unimplemented(format!("{other:?}"))),
    }
}

pub fn record(record: edge::Record) -> RetrievedPoint {
    let vectors = match record.vector {
        Some(edge::VectorStructInternal::Named(named)) => {
            let vectors = named
                .into_iter()
                .map(|(name, v)| (name, vector_back(v)))
                .collect();
            let named = NamedVectorsOutput { vectors };
            let vectors_options = Some(vectors_output::VectorsOptions::Vectors(named));
            Some(VectorsOutput { vectors_options })
        }
        _ => None,
    };
    RetrievedPoint {
        id: Some(id_back(record.id)),
        vectors,
        ..RetrievedPoint::default()
    }
}

fn vector_back(vector: edge::VectorInternal) -> VectorOutput {
    let edge::VectorInternal::Dense(data) = vector else {
        panic!("only dense vectors are asked for: {vector:?}");
    };
    let vector = Some(vector_output::Vector::Dense(DenseVector { data }));
    VectorOutput {
        vector,
        ..VectorOutput::default()
    }
}
