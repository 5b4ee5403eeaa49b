//! A collection of the loopback server: its points as they were sent, filtered and scored one by one.

use std::collections::{BTreeMap, HashMap};

use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::r#match::MatchValue;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::value::Kind;
use qdrant_client::qdrant::vectors::VectorsOptions;
use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::{
    Condition, CreateCollection, Distance, Filter, PointId, PointStruct, Value, VectorInput,
    VectorsConfig, vector, vector_input,
};
use tonic::Status;

use super::odd;

/// A collection and the settings it was made with.
pub struct Collection {
    pub vectors: VectorsConfig,
    sizes: HashMap<String, usize>,
    points: BTreeMap<u64, Stored>,
}

/// A point as it is kept.
struct Stored {
    payload: HashMap<String, Value>,
    vectors: HashMap<String, vector::Vector>,
}

impl Collection {
    pub fn create(request: CreateCollection) -> Result<Self, Status> {
        let vectors = request.vectors_config.ok_or_else(|| odd("no vectors"))?;
        let Some(Config::ParamsMap(params)) = &vectors.config else {
            return Err(odd("vectors without names"));
        };
        let mut sizes = HashMap::new();
        for (name, params) in &params.map {
            if params.distance != Distance::Cosine as i32 {
                return Err(Status::unimplemented("another distance"));
            }
            sizes.insert(name.clone(), params.size as usize);
        }
        let points = BTreeMap::new();
        Ok(Self {
            vectors,
            sizes,
            points,
        })
    }

    /// Writes points; those that exist only where they match `only`.
    pub fn upsert(
        &mut self,
        points: Vec<PointStruct>,
        only: Option<&Filter>,
    ) -> Result<(), Status> {
        for point in points {
            let id = number(point.id)?;
            if let (Some(only), Some(stored)) = (only, self.points.get(&id))
                && !matches(only, id, stored)?
            {
                continue;
            }
            let Some(VectorsOptions::Vectors(named)) =
                point.vectors.and_then(|v| v.vectors_options)
            else {
                return Err(Status::unimplemented("vectors without names"));
            };
            let mut vectors = HashMap::new();
            for (name, vector) in named.vectors {
                let vector = vector.vector.ok_or_else(|| odd("an empty vector"))?;
                if let vector::Vector::Dense(dense) = &vector
                    && self.sizes.get(&name) != Some(&dense.data.len())
                {
                    return Err(odd("a vector of another length"));
                }
                vectors.insert(name, vector);
            }
            let payload = point.payload;
            self.points.insert(id, Stored { payload, vectors });
        }
        Ok(())
    }

    pub fn delete(&mut self, filter: &Filter) -> Result<(), Status> {
        for id in self.matching(Some(filter))? {
            self.points.remove(&id);
        }
        Ok(())
    }

    /// Ids of the points that match, ascending.
    pub fn matching(&self, filter: Option<&Filter>) -> Result<Vec<u64>, Status> {
        let mut ids = Vec::new();
        for (id, stored) in &self.points {
            if filter.map_or(Ok(true), |filter| matches(filter, *id, stored))? {
                ids.push(*id);
            }
        }
        Ok(ids)
    }

    /// The points that match, nearest first.
    pub fn nearest(
        &self,
        query: VectorInput,
        using: &str,
        filter: Option<&Filter>,
        limit: usize,
    ) -> Result<Vec<(u64, f32)>, Status> {
        let query = query.variant.ok_or_else(|| odd("an empty query"))?;
        let mut hits = Vec::new();
        for id in self.matching(filter)? {
            if let Some(vector) = self.points[&id].vectors.get(using)
                && let Some(score) = score(&query, vector)?
            {
                hits.push((id, score));
            }
        }
        hits.sort_by(|a, b| b.1.total_cmp(&a.1));
        hits.truncate(limit);
        Ok(hits)
    }
}

fn score(query: &vector_input::Variant, stored: &vector::Vector) -> Result<Option<f32>, Status> {
    match (query, stored) {
        (vector_input::Variant::Dense(query), vector::Vector::Dense(stored)) => {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
            let (a, b) = (&query.data, &stored.data);
            let lengths = (dot(a, a) * dot(b, b)).sqrt();
            let cosine = dot(a, b) / lengths;
            Ok(Some(if lengths == 0.0 { 0.0 } else { cosine }))
        }
        (vector_input::Variant::Sparse(query), vector::Vector::Sparse(stored)) => {
            let mut score = None;
            for (word, weight) in query.indices.iter().zip(&query.values) {
                if let Some(at) = stored.indices.iter().position(|own| own == word) {
                    *score.get_or_insert(0.0) += stored.values[at] * weight;
                }
            }
            Ok(score)
        }
        other => Err(Status::unimplemented(format!("{other:?}"))),
    }
}

fn matches(filter: &Filter, id: u64, stored: &Stored) -> Result<bool, Status> {
    if !filter.should.is_empty() || filter.min_should.is_some() {
        return Err(Status::unimplemented("should"));
    }
    for one in &filter.must {
        if !holds(one, id, stored)? {
            return Ok(false);
        }
    }
    for one in &filter.must_not {
        if holds(one, id, stored)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn holds(condition: &Condition, id: u64, stored: &Stored) -> Result<bool, Status> {
    match &condition.condition_one_of {
        Some(ConditionOneOf::HasId(ids)) => {
            let number = PointId::from(id);
            Ok(ids.has_id.contains(&number))
        }
        Some(ConditionOneOf::Field(field)) => {
            let wanted = field.r#match.as_ref().and_then(|m| m.match_value.as_ref());
            let Some(MatchValue::Keyword(keyword)) = wanted else {
                return Err(Status::unimplemented("a match that is no keyword"));
            };
            let own = stored.payload.get(&field.key);
            let own = own.and_then(|value| value.kind.as_ref());
            Ok(matches!(own, Some(Kind::StringValue(own)) if own == keyword))
        }
        other => Err(Status::unimplemented(format!("{other:?}"))),
    }
}

/// The number of an id.
pub fn number(id: Option<PointId>) -> Result<u64, Status> {
    match id.and_then(|id| id.point_id_options) {
        Some(PointIdOptions::Num(number)) => Ok(number),
        other => Err(Status::unimplemented(format!("{other:?}"))),
    }
}
